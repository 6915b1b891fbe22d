//! Where a sealed text belongs in the directory, and the line to paste there.

use std::{fmt, str::FromStr};

use crate::id::{
    CredentialName, DeploymentId, EnvironmentName, InvalidName, ServiceId, ToolName, VariableName,
};

/// What a secret is for.
pub(super) enum Target<'a> {
    /// A variable of one deployment, or of every deployment in the environment.
    Variable(&'a VariableName, Option<&'a DeploymentId>),
    /// The credential of a service's instance.
    Credential(&'a ServiceId),
    /// A credential of a tool's profile.
    Tool(&'a ToolCredential),
}

/// A tool and one of its credentials, written `webhook/token`.
#[derive(Debug, Clone)]
pub struct ToolCredential {
    /// The tool.
    pub(super) tool: ToolName,
    /// Its credential.
    pub(super) credential: CredentialName,
}

impl FromStr for ToolCredential {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (tool, credential) = text.split_once('/').unwrap_or((text, ""));
        Ok(Self { tool: tool.parse()?, credential: credential.parse()? })
    }
}

/// A place in a workspace directory.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Paste {
    /// The file, relative to the directory.
    pub(super) file: String,
    /// The TOML table.
    pub(super) table: String,
    /// The line.
    pub(super) line: String,
}

/// How a person calls it.
impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name, _) => name.fmt(f),
            Self::Credential(service) => service.fmt(f),
            Self::Tool(ToolCredential { tool, credential }) => write!(f, "{tool}/{credential}"),
        }
    }
}

impl Target<'_> {
    /// Where `sealed` belongs. Only the first version can stand alone; another joins a list.
    pub(super) fn paste(&self, environment: &EnvironmentName, version: u64, sealed: &str) -> Paste {
        let key = quoted(environment.as_str());
        let (file, table) = match self {
            Self::Variable(_, None) => (format!("environments/{environment}.toml"), "variables".to_owned()),
            Self::Variable(_, Some(deployment)) => {
                (format!("deployments/{deployment}.toml"), format!("environments.{key}.variables"))
            }
            Self::Credential(service) => (format!("services/{service}.toml"), format!("instances.{key}")),
            Self::Tool(one) => (format!("tools/{}.toml", one.tool), format!("profiles.{key}.credentials")),
        };
        let line = match self {
            _ if version > 1 => format!("{{ number = {version}, secret = \"{sealed}\" }}"),
            Self::Variable(name, _) => {
                format!("{name} = {{ secret = \"{sealed}\", description = \"what it is for\" }}")
            }
            Self::Credential(_) => format!("credential = \"{sealed}\""),
            Self::Tool(one) => format!("{} = \"{sealed}\"", one.credential),
        };
        let table = match self {
            _ if version == 1 => table,
            Self::Variable(name, _) => format!("{table}, the list {name}.versions"),
            Self::Credential(_) => format!("{table}, the list credential.versions"),
            Self::Tool(one) => format!("{table}, the list {}.versions", one.credential),
        };
        Paste { file, table, line }
    }
}

fn quoted(key: &str) -> String {
    if key.contains('/') { format!("\"{key}\"") } else { key.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_names_its_file_and_table() {
        let (name, deployment, service) =
            ("KEY".parse().unwrap(), "checkout".parse().unwrap(), "orders-db".parse().unwrap());
        let (production, preview) = ("production".parse().unwrap(), "preview/pr-42".parse().unwrap());
        let check = |target: Target<'_>, environment, version, file: &str, table: &str, line: &str| {
            let expected = Paste { file: file.into(), table: table.into(), line: line.into() };
            assert_eq!(target.paste(environment, version, "sealed:1:x"), expected);
        };
        check(
            Target::Variable(&name, Some(&deployment)),
            &preview,
            1,
            "deployments/checkout.toml",
            "environments.\"preview/pr-42\".variables",
            "KEY = { secret = \"sealed:1:x\", description = \"what it is for\" }",
        );
        check(
            Target::Variable(&name, None),
            &production,
            2,
            "environments/production.toml",
            "variables, the list KEY.versions",
            "{ number = 2, secret = \"sealed:1:x\" }",
        );
        check(
            Target::Credential(&service),
            &production,
            1,
            "services/orders-db.toml",
            "instances.production",
            "credential = \"sealed:1:x\"",
        );
        check(
            Target::Tool(&"webhook/token".parse().unwrap()),
            &preview,
            1,
            "tools/webhook.toml",
            "profiles.\"preview/pr-42\".credentials",
            "token = \"sealed:1:x\"",
        );
        for bad in ["webhook", "webhook/", "/token", "a/b/c", "Webhook/token"] {
            assert!(bad.parse::<ToolCredential>().is_err(), "{bad}");
        }
    }
}
