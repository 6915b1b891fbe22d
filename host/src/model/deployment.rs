use std::collections::{BTreeMap, BTreeSet};

use super::{Domain, DomainHere, NamespaceHere, NamespaceKind, ToolUse, ValueType, Variable};
use crate::id::{DeploymentId, EnvironmentName, ServiceId, ToolName, Uid, VariableName};

/// An app, the environments it uses, and what each of them gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment<V> {
    /// Its name.
    pub id: DeploymentId,
    /// Its random id.
    pub uid: Uid,
    /// Values in every environment it uses. Plain only.
    pub base: Layer<V>,
    /// Where it is reached, when that is told.
    pub domain: Option<Domain>,
    /// The kinds of data namespace it has in each environment, each with the variable that holds
    /// the name.
    pub namespaces: BTreeMap<NamespaceKind, VariableName>,
    /// The environments it uses (at least one), with what is special there.
    pub environments: BTreeMap<EnvironmentName, Override<V>>,
    /// Its releases, by number.
    pub releases: BTreeMap<u64, Release>,
}

/// The deployment-in-environment layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Override<V> {
    /// Values for this deployment in this environment.
    pub layer: Layer<V>,
    /// Services bound under a variable's name. A variable of the same name here is an error.
    pub bindings: BTreeMap<VariableName, Binding>,
    /// Where it is reached in this environment.
    pub domain: DomainHere,
    /// Its data namespaces here, where they do not follow the convention.
    pub namespaces: BTreeMap<NamespaceKind, NamespaceHere>,
    /// The tools that it calls from here, each by this environment's profile.
    pub tools: BTreeMap<ToolName, ToolUse>,
}

/// One layer's variables and requirements.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer<V> {
    /// What the layer sets.
    pub variables: BTreeMap<VariableName, Variable<V>>,
    /// What a boot must not go without, from this layer on, and of which form; none for any text.
    pub required: BTreeMap<VariableName, Option<ValueType>>,
}

impl<V> Default for Layer<V> {
    fn default() -> Self {
        Self { variables: BTreeMap::new(), required: BTreeMap::new() }
    }
}

/// A service bound to a deployment in an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The service.
    pub service: ServiceId,
    /// Whose instance of it: this environment's own, or another's that lists this one in
    /// `shared-with`.
    pub owner: EnvironmentName,
    /// For a person.
    pub description: String,
}

/// An immutable, numbered version of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Its number, from 1.
    pub number: u64,
    /// The digest of what was released, such as an image's; text, not interpreted.
    pub digest: String,
    /// When it was created, in seconds since 1970.
    pub created_at: u64,
    /// Free-form labels; policies may see them.
    pub labels: BTreeMap<String, String>,
    /// The keys it declares that it reads.
    pub keys: BTreeSet<VariableName>,
}
