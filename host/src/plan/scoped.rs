//! What an environment gives a deployment beside variables and bindings: its domain, its data
//! namespaces, the tools' profiles. Each becomes an ordinary variable at the layer where bindings
//! stand, with a source of its own.

use std::borrow::Cow;

use crate::{
    id::{CredentialName, EnvironmentName, InvalidName, NamespaceName, VariableName},
    model::{
        Configuration, Credential, Deployment, Environment, NamespaceHere, NamespaceKind, Override, Tool,
    },
};

/// What one such variable holds.
pub(crate) enum Scoped<'a, V> {
    /// A text that the configuration itself says.
    Text { text: String, origin: Origin, owner: &'a EnvironmentName },
    /// A profile's settings.
    Settings { tool: &'a Tool<V>, value: &'a V },
    /// A profile's credential.
    Credential { tool: &'a Tool<V>, name: &'a CredentialName, credential: &'a Credential<V> },
}

/// Which of an environment's names a text is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Domain,
    Url,
    Namespace(NamespaceKind),
}

/// Why there is no namespace to name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoNamespace {
    /// The convention makes no name.
    Unnamed(InvalidName),
    /// It is shared with an environment that the deployment does not use.
    NotUsed(EnvironmentName),
    /// It is shared with an environment that has none of its own: one that shares another's, or
    /// itself.
    NotOwned(EnvironmentName),
}

/// The namespace of `kind` that `deployment` uses in `environment`, and whose it is; none where it
/// is switched off. Sharing goes one step only, so that whose data it is can be read off.
pub(crate) fn namespace<'a, V>(
    configuration: &'a Configuration<V>,
    deployment: &'a Deployment<V>,
    environment: &'a EnvironmentName,
    kind: NamespaceKind,
) -> Result<Option<(NamespaceName, &'a EnvironmentName)>, NoNamespace> {
    let here = |name: &EnvironmentName| deployment.environments.get(name)?.namespaces.get(&kind);
    let own = |name: &'a EnvironmentName, here: Option<&NamespaceHere>| match here {
        None => {
            let name_of = kind.conventional(&configuration.workspace, &deployment.id, name);
            name_of.map(|text| (text, name)).map_err(NoNamespace::Unnamed)
        }
        Some(NamespaceHere::Own(text)) => Ok((text.clone(), name)),
        Some(NamespaceHere::Of(_) | NamespaceHere::Off) => Err(NoNamespace::NotOwned(name.clone())),
    };
    match here(environment) {
        Some(NamespaceHere::Off) => Ok(None),
        Some(NamespaceHere::Of(owner)) => {
            let used = deployment.environments.get_key_value(owner);
            let (owner, _) = used.ok_or_else(|| NoNamespace::NotUsed(owner.clone()))?;
            own(owner, here(owner)).map(Some)
        }
        said => own(environment, said).map(Some),
    }
}

/// All of them in one environment. What makes no name, or names nothing, is left out here;
/// [`crate::validate`] says so.
pub(crate) fn entries<'a, V>(
    configuration: &'a Configuration<V>,
    deployment: &'a Deployment<V>,
    environment: &'a EnvironmentName,
    here: &'a Override<V>,
) -> Vec<(VariableName, Scoped<'a, V>)> {
    let mut entries = Vec::new();
    if let Some(stage) = configuration.environments.get(environment) {
        domain(deployment, stage, here, &mut entries);
    }
    for (&kind, variable) in &deployment.namespaces {
        if let Ok(Some((name, owner))) = namespace(configuration, deployment, environment, kind) {
            let (text, origin) = (name.to_string(), Origin::Namespace(kind));
            entries.push((variable.clone(), Scoped::Text { text, origin, owner }));
        }
    }
    for (id, tool_use) in &here.tools {
        let Some(tool) = configuration.tools.get(id) else { continue };
        let Some(profile) = tool.profiles.get(environment) else { continue };
        let settings = profile
            .settings
            .iter()
            .map(|value| (tool_use.settings_variable(id), Scoped::Settings { tool, value }));
        let credentials = profile.credentials.iter().map(|(name, credential)| {
            (tool_use.credential_variable(id, name), Scoped::Credential { tool, name, credential })
        });
        entries.extend(settings.chain(credentials).filter_map(|(name, scoped)| Some((name.ok()?, scoped))));
    }
    entries
}

fn domain<'a, V>(
    deployment: &'a Deployment<V>,
    environment: &'a Environment,
    here: &'a Override<V>,
    entries: &mut Vec<(VariableName, Scoped<'a, V>)>,
) {
    let Some(domain) = &deployment.domain else { return };
    let Ok(Some(name)) = domain.in_environment(environment, &here.domain) else { return };
    let owner = &environment.name;
    let texts = [
        (&domain.host, Origin::Domain, name.to_string()),
        (&domain.url, Origin::Url, format!("https://{name}")),
    ];
    for (variable, origin, text) in texts {
        entries.extend(variable.clone().map(|variable| (variable, Scoped::Text { text, origin, owner })));
    }
}

impl<V> Scoped<'_, V> {
    /// Where it comes from, in an environment, as answers and policies are told.
    pub(crate) fn source(&self, environment: &EnvironmentName) -> String {
        match self {
            Self::Text { origin: Origin::Domain | Origin::Url, owner, .. } => format!("domain of {owner}"),
            Self::Text { origin: Origin::Namespace(kind), owner, .. } => {
                format!("{kind} namespace of {owner}")
            }
            Self::Settings { tool, .. } | Self::Credential { tool, .. } => {
                format!("tool {} of {environment}", tool.id)
            }
        }
    }

    /// For a person.
    pub(crate) fn description(&self) -> Cow<'_, str> {
        match self {
            Self::Text { origin: Origin::Domain, .. } => "where this deployment is reached".into(),
            Self::Text { origin: Origin::Url, .. } => "where this deployment is reached, as a URL".into(),
            Self::Text { origin: Origin::Namespace(kind), .. } => {
                format!("the namespace that holds its {kind}").into()
            }
            Self::Settings { tool, .. } => tool.description.as_str().into(),
            Self::Credential { tool, name, .. } if tool.description.is_empty() => {
                format!("{name} of the tool {}", tool.id).into()
            }
            Self::Credential { tool, name, .. } => {
                format!("{name} of the tool {}: {}", tool.id, tool.description).into()
            }
        }
    }

    /// Where it is said, below a deployment's environment.
    pub(crate) fn place(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::Text { origin: Origin::Domain | Origin::Url, .. } => ("domain", None),
            Self::Text { origin: Origin::Namespace(kind), .. } => ("namespaces", Some(kind.as_str())),
            Self::Settings { tool, .. } | Self::Credential { tool, .. } => ("tools", Some(tool.id.as_str())),
        }
    }
}
