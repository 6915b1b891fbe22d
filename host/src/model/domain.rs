use super::{Environment, EnvironmentType};
use crate::id::{DomainName, InvalidName, VariableName};

/// Where a deployment is reached, and how it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// Production's name; the other environments' are below it.
    pub apex: DomainName,
    /// The variable that holds the name; none where it is switched off.
    pub host: Option<VariableName>,
    /// The variable that holds `https://` and the name; none where it is switched off.
    pub url: Option<VariableName>,
}

/// What one environment says of its deployment's domain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum DomainHere {
    /// Nothing: it follows the convention.
    #[default]
    Convention,
    /// A name of its own.
    Own(DomainName),
    /// It has none.
    Off,
}

impl Domain {
    /// What injects the name unless it is renamed.
    pub const HOST: &'static str = "PUBLIC_DOMAIN";
    /// What injects the URL unless it is renamed.
    pub const URL: &'static str = "PUBLIC_URL";

    /// The name in an environment that says `here`. By convention an environment of type
    /// production has the apex, whatever it is called, and another one its own name in front of it,
    /// the last segment first, as DNS reads from the narrow to the broad: `staging.example.com`,
    /// `pr-42.preview.example.com`. One wildcard certificate then covers all previews.
    ///
    /// # Errors
    /// When the convention makes no host name of the environment's name: it is too long, or has
    /// a `_`, which is not replaced, since another environment may be called so.
    pub fn in_environment(
        &self,
        environment: &Environment,
        here: &DomainHere,
    ) -> Result<Option<DomainName>, InvalidName> {
        match here {
            DomainHere::Off => Ok(None),
            DomainHere::Own(name) => Ok(Some(name.clone())),
            DomainHere::Convention if environment.kind == EnvironmentType::Production => {
                Ok(Some(self.apex.clone()))
            }
            DomainHere::Convention => {
                let labels = environment.name.as_str().rsplit('/');
                let labels: Vec<&str> = labels.chain([self.apex.as_str()]).collect();
                labels.join(".").parse().map(Some)
            }
        }
    }
}
