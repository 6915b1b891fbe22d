//! Domains, data namespaces and uses of tools, written as in a workspace directory: true for what is
//! usual, false for none, a text for a name of one's own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    admin::{body::named as parsed, deployments::shown::Injected, values::Owned},
    id::{CredentialName, EnvironmentName, ToolName, VariableName},
    model::{Deployment, Domain, DomainHere, NamespaceHere, NamespaceKind, SealedValue, ToolUse},
    serve::respond::Problem,
};

/// True for what is usual, false for none, a text for a name of its own.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(in crate::admin) enum Switch {
    Is(bool),
    Named(String),
}

/// A deployment's domains.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct WireDomains {
    /// Production's, which the others are below of; null for no domain.
    apex: Option<String>,
    /// The variable that the name is injected under: true for `PUBLIC_DOMAIN`.
    #[serde(default = "usual")]
    host: Switch,
    /// The variable that the URL is injected under: true for `PUBLIC_URL`.
    #[serde(default = "usual")]
    url: Switch,
    /// Where an environment does not follow the convention.
    #[serde(default)]
    pub(super) environments: BTreeMap<String, Switch>,
}

/// A deployment's data namespaces.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct WireNamespaces {
    /// Of `threads`, `sources`, `memory` and `artifacts`, each with the variable that its name is
    /// injected under: true for `NAMESPACE_THREADS` and so on.
    pub(super) kinds: BTreeMap<String, Switch>,
    /// Where an environment does not follow the convention.
    #[serde(default)]
    pub(super) environments: BTreeMap<String, BTreeMap<String, WireNamespace>>,
}

/// An environment's namespace of one kind.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(in crate::admin) enum WireNamespace {
    Own(Switch),
    Shared(SharedNamespace),
}

/// Another environment's.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct SharedNamespace {
    of: String,
}

/// The tools that a deployment calls.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct WireTools {
    /// By environment, and there by tool.
    pub(super) environments: BTreeMap<String, BTreeMap<String, WireUse>>,
}

/// True for a tool that is called, or what its variables are called.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(in crate::admin) enum WireUse {
    Is(bool),
    Renamed(RenamedTool),
}

/// What a tool's variables are called where that is not the usual name.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct RenamedTool {
    settings: Option<String>,
    #[serde(default)]
    credentials: BTreeMap<String, String>,
}

/// What comes with each of them.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Given {
    pub(super) deployment: String,
    /// By environment.
    pub(super) injected: BTreeMap<String, Vec<Injected>>,
    #[serde(flatten)]
    pub(super) owned: Owned,
}

/// A deployment's domains, and what is injected.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Domains {
    #[serde(flatten)]
    pub(super) said: WireDomains,
    #[serde(flatten)]
    pub(super) given: Given,
}

/// A deployment's data namespaces, and what is injected.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Namespaces {
    #[serde(flatten)]
    pub(super) said: WireNamespaces,
    #[serde(flatten)]
    pub(super) given: Given,
}

/// The tools that a deployment calls, and what is injected.
#[derive(Serialize, ToSchema)]
#[schema(as = CalledTools)]
pub(in crate::admin) struct Tools {
    #[serde(flatten)]
    pub(super) said: WireTools,
    #[serde(flatten)]
    pub(super) given: Given,
}

fn usual() -> Switch {
    Switch::Is(true)
}

impl Switch {
    fn variable(&self, usual: &str) -> Result<Option<VariableName>, Problem> {
        match self {
            Self::Is(false) => Ok(None),
            Self::Is(true) => parsed(usual).map(Some),
            Self::Named(name) => parsed(name).map(Some),
        }
    }

    fn of(variable: Option<&VariableName>, usual: &str) -> Self {
        match variable {
            None => Self::Is(false),
            Some(name) if name.as_str() == usual => Self::Is(true),
            Some(name) => Self::Named(name.to_string()),
        }
    }
}

impl WireDomains {
    pub(super) fn domain(&self) -> Result<Option<Domain>, Problem> {
        let Some(apex) = &self.apex else { return Ok(None) };
        let (host, url) = (self.host.variable(Domain::HOST)?, self.url.variable(Domain::URL)?);
        Ok(Some(Domain { apex: parsed(apex)?, host, url }))
    }

    pub(super) fn of(one: &Deployment<SealedValue>, seen: &[EnvironmentName]) -> Self {
        let domain = one.domain.as_ref();
        let variable = |name: fn(&Domain) -> Option<&VariableName>, usual: &str| {
            domain.map_or(Switch::Is(true), |domain| Switch::of(name(domain), usual))
        };
        let environments = seen.iter().filter_map(|name| {
            let said = match &one.environments.get(name)?.domain {
                DomainHere::Convention => return None,
                DomainHere::Off => Switch::Is(false),
                DomainHere::Own(domain) => Switch::Named(domain.to_string()),
            };
            Some((name.to_string(), said))
        });
        Self {
            apex: domain.map(|domain| domain.apex.to_string()),
            host: variable(|domain| domain.host.as_ref(), Domain::HOST),
            url: variable(|domain| domain.url.as_ref(), Domain::URL),
            environments: environments.collect(),
        }
    }
}

pub(super) fn domain_here(said: Option<Switch>) -> Result<DomainHere, Problem> {
    match said {
        None | Some(Switch::Is(true)) => Ok(DomainHere::Convention),
        Some(Switch::Is(false)) => Ok(DomainHere::Off),
        Some(Switch::Named(name)) => parsed(&name).map(DomainHere::Own),
    }
}

pub(super) fn kinds(
    said: BTreeMap<String, Switch>,
) -> Result<BTreeMap<NamespaceKind, VariableName>, Problem> {
    let mut kinds = BTreeMap::new();
    for (kind, said) in said {
        let kind: NamespaceKind = parsed(&kind)?;
        kinds.extend(said.variable(kind.variable())?.map(|variable| (kind, variable)));
    }
    Ok(kinds)
}

pub(super) fn namespaces_here(
    said: BTreeMap<String, WireNamespace>,
) -> Result<BTreeMap<NamespaceKind, NamespaceHere>, Problem> {
    let mut namespaces = BTreeMap::new();
    for (kind, said) in said {
        let here = match said {
            WireNamespace::Own(Switch::Is(true)) => continue,
            WireNamespace::Own(Switch::Is(false)) => NamespaceHere::Off,
            WireNamespace::Own(Switch::Named(name)) => NamespaceHere::Own(parsed(&name)?),
            WireNamespace::Shared(SharedNamespace { of }) => NamespaceHere::Of(parsed(&of)?),
        };
        namespaces.insert(parsed(&kind)?, here);
    }
    Ok(namespaces)
}

impl WireNamespaces {
    pub(super) fn of(one: &Deployment<SealedValue>, seen: &[EnvironmentName]) -> Self {
        let kinds = one.namespaces.iter();
        let kinds = kinds.map(|(kind, name)| (kind.to_string(), Switch::of(Some(name), kind.variable())));
        let environments = seen.iter().filter_map(|name| {
            let here = one.environments.get(name)?.namespaces.iter().map(|(kind, here)| {
                let here = match here {
                    NamespaceHere::Off => WireNamespace::Own(Switch::Is(false)),
                    NamespaceHere::Own(name) => WireNamespace::Own(Switch::Named(name.to_string())),
                    NamespaceHere::Of(owner) => {
                        WireNamespace::Shared(SharedNamespace { of: owner.to_string() })
                    }
                };
                (kind.to_string(), here)
            });
            let here: BTreeMap<_, _> = here.collect();
            (!here.is_empty()).then(|| (name.to_string(), here))
        });
        Self { kinds: kinds.collect(), environments: environments.collect() }
    }
}

pub(super) fn uses(said: BTreeMap<String, WireUse>) -> Result<BTreeMap<ToolName, ToolUse>, Problem> {
    let mut uses = BTreeMap::new();
    for (tool, said) in said {
        let tool_use = match said {
            WireUse::Is(false) => continue,
            WireUse::Is(true) => ToolUse::default(),
            WireUse::Renamed(RenamedTool { settings, credentials }) => ToolUse {
                settings: settings.as_deref().map(parsed).transpose()?,
                credentials: (credentials.iter())
                    .map(|(name, variable)| Ok((parsed::<CredentialName>(name)?, parsed(variable)?)))
                    .collect::<Result<_, Problem>>()?,
            },
        };
        uses.insert(parsed(&tool)?, tool_use);
    }
    Ok(uses)
}

impl WireTools {
    pub(super) fn of(one: &Deployment<SealedValue>, seen: &[EnvironmentName]) -> Self {
        let environments = seen.iter().filter_map(|name| {
            let tools = &one.environments.get(name)?.tools;
            let uses = tools.iter().map(|(tool, uses)| (tool.to_string(), WireUse::of(uses)));
            (!tools.is_empty()).then(|| (name.to_string(), uses.collect()))
        });
        Self { environments: environments.collect() }
    }
}

impl WireUse {
    fn of(uses: &ToolUse) -> Self {
        if *uses == ToolUse::default() {
            return Self::Is(true);
        }
        let credentials = uses.credentials.iter();
        Self::Renamed(RenamedTool {
            settings: uses.settings.as_ref().map(ToString::to_string),
            credentials: credentials
                .map(|(name, variable)| (name.to_string(), variable.to_string()))
                .collect(),
        })
    }
}
