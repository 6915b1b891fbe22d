use std::collections::BTreeMap;

use super::Version;
use crate::id::{CredentialName, EnvironmentName, InvalidName, ToolName, VariableName};

/// A tool that deployments call, such as a partner's webhook: one profile for each environment
/// that may call it, and never another environment's.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool<V> {
    /// Its name.
    pub id: ToolName,
    /// For a person.
    pub description: String,
    /// Its profiles, by the environment that each is for.
    pub profiles: BTreeMap<EnvironmentName, Profile<V>>,
}

/// How a tool is called in one environment.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile<V> {
    /// Plain and structured, injected as one JSON text.
    pub settings: Option<V>,
    /// What opens it, each injected by itself. Secret.
    pub credentials: BTreeMap<CredentialName, Credential<V>>,
}

/// One of a profile's secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct Credential<V> {
    /// The live versions, oldest first, at least one.
    pub versions: Vec<Version<V>>,
    /// The version in use.
    pub current: u64,
}

/// A deployment's use of a tool in one environment, and what its variables are called where that
/// is not the default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ToolUse {
    /// The variable that holds the settings.
    pub settings: Option<VariableName>,
    /// The variables that hold credentials.
    pub credentials: BTreeMap<CredentialName, VariableName>,
}

impl ToolUse {
    /// The variable that holds the settings: `TOOL_WEBHOOK` unless it is renamed.
    ///
    /// # Errors
    /// None for a tool's name; a name is made of it all the same.
    pub fn settings_variable(&self, tool: &ToolName) -> Result<VariableName, InvalidName> {
        match &self.settings {
            Some(renamed) => Ok(renamed.clone()),
            None => upper(&["tool", tool.as_str()]),
        }
    }

    /// The variable that holds a credential: `TOOL_WEBHOOK_TOKEN` unless it is renamed.
    ///
    /// # Errors
    /// As [`ToolUse::settings_variable`].
    pub fn credential_variable(
        &self,
        tool: &ToolName,
        credential: &CredentialName,
    ) -> Result<VariableName, InvalidName> {
        match self.credentials.get(credential) {
            Some(renamed) => Ok(renamed.clone()),
            None => upper(&["tool", tool.as_str(), credential.as_str()]),
        }
    }
}

fn upper(words: &[&str]) -> Result<VariableName, InvalidName> {
    words.join("_").replace('-', "_").to_ascii_uppercase().parse()
}
