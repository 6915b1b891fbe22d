use std::fmt;

/// Where in a configuration something is, whatever it was read from:
///
/// - `workspace`, `base.variables.NAME`, `base.required.NAME`
/// - `environments.ENV`, and below it `promotes-to`, `variables.NAME`, `required.NAME`
/// - `deployments.ID`, and below it `variables.NAME`, `required.NAME`, `releases.N`,
///   `domain`, `namespaces.KIND`, `environments.ENV`, and below that `variables.NAME`,
///   `required.NAME`, `bindings.NAME`, `domain`, `namespaces.KIND`, `tools.NAME`
/// - `services.ID`, `services.ID.instances.ENV`, and below it `credential`, `shared-with`,
///   `endpoints.INDEX`
/// - `tools.NAME`, `tools.NAME.profiles.ENV`, and below it `settings`, `credentials.NAME`
/// - `policies.NAME`, `attachments.INDEX`, `keys.ENV`
/// - of what is not configuration: `active.ID.ENV`, `tokens.INDEX`
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Path(Vec<String>);

impl Path {
    /// A path of one segment.
    #[must_use]
    pub fn of(first: &str) -> Self {
        Self(vec![first.to_owned()])
    }

    /// The path of `segment` within this one.
    #[must_use]
    pub fn at(mut self, segment: impl fmt::Display) -> Self {
        self.0.push(segment.to_string());
        self
    }

    /// What this is within.
    #[must_use]
    pub fn parent(mut self) -> Option<Self> {
        self.0.pop();
        (!self.0.is_empty()).then_some(self)
    }

    /// The segments.
    #[must_use]
    pub fn segments(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}
