use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::{
    keys,
    reader::{Node, Reader, SourceFile},
};
use crate::{
    id::{DeploymentId, EnvironmentName, WorkspaceId},
    model::{Configuration, Role, Scope, TokenHash, TokenRecord},
    validate::{Path, Rule, Violation},
};

/// First tokens and activations: `bootstrap.toml`. This is state, which a directory does not own:
/// it is taken once, for a workspace that is new to its host.
/// ```toml
/// [active.checkout]
/// production = 17
/// [[tokens]]
/// kind = "instance"
/// hash = "<64 hex digits>"
/// principal = "checkout in production"
/// deployment = "checkout"
/// environment = "production"
/// [[tokens]]
/// kind = "tenant"
/// hash = "<64 hex digits>"
/// principal = "ada"
/// role = "admin"
/// environments = ["staging"]
/// created = 2026-11-01T09:00:00Z
/// expires = 2027-11-01T09:00:00Z
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bootstrap {
    /// Tokens, by hash.
    pub tokens: Vec<TokenRecord>,
    /// Active releases.
    pub active: BTreeMap<DeploymentId, BTreeMap<EnvironmentName, u64>>,
}

impl Bootstrap {
    /// Tokens for what is not there.
    #[must_use]
    pub fn check<V>(&self, configuration: &Configuration<V>) -> Vec<Violation> {
        let mut violations = Vec::new();
        for (at, token) in self.tokens.iter().enumerate() {
            let mut add = |rule| violations.push(Violation { path: Path::of("tokens").at(at), rule });
            match &token.scope {
                Scope::Instance { deployment, environment, .. } => {
                    match configuration.deployments.get(deployment) {
                        None => add(Rule::UnknownDeployment(deployment.clone())),
                        Some(app) if !app.environments.contains_key(environment) => {
                            add(Rule::EnvironmentNotUsed(deployment.clone(), environment.clone()));
                        }
                        Some(_) => {}
                    }
                }
                Scope::Tenant { environments, .. } => {
                    let known = |name: &&EnvironmentName| configuration.environments.contains_key(*name);
                    for name in environments.iter().filter(|name| !known(name)) {
                        add(Rule::UnknownEnvironment(name.clone()));
                    }
                }
                Scope::Operator => {}
            }
        }
        violations
    }

    /// The file's text.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::from("# Taken once, when the workspace is new to its host.\n");
        for (deployment, environments) in &self.active {
            // Writing to a String does not fail.
            let _ = write!(text, "\n[active.{deployment}]\n");
            for (environment, number) in environments {
                let _ = writeln!(text, "\"{environment}\" = {number}");
            }
        }
        for token in &self.tokens {
            let principal = toml::Value::String(token.principal.clone());
            let (kind, hash) = (token.scope.kind().as_str(), hex::encode(token.hash.0));
            let _ = write!(text, "\n[[tokens]]\nkind = \"{kind}\"\nhash = \"{hash}\"\n");
            let _ = writeln!(text, "principal = {principal}");
            match &token.scope {
                Scope::Instance { deployment, environment, .. } => {
                    let _ = writeln!(text, "deployment = \"{deployment}\"\nenvironment = \"{environment}\"");
                }
                Scope::Tenant { role, environments, .. } => {
                    let names: Vec<_> = environments.iter().map(|name| format!("\"{name}\"")).collect();
                    let _ = writeln!(text, "role = \"{}\"", role.as_str());
                    if !names.is_empty() {
                        let _ = writeln!(text, "environments = [{}]", names.join(", "));
                    }
                }
                Scope::Operator => {}
            }
            for (key, time) in [("created", Some(token.created_at)), ("expires", token.expires_at)] {
                if let Some(time) = time.and_then(|time| jiff::Timestamp::from_second(time.0).ok()) {
                    let _ = writeln!(text, "{key} = {time}");
                }
            }
        }
        text
    }
}

pub(super) fn read(file: &SourceFile<'_>, workspace: WorkspaceId, reader: &mut Reader) -> Option<Bootstrap> {
    let root = file.root();
    reader.is_table(&root, &["tokens", "active"]);
    let mut bootstrap = Bootstrap::default();
    if let Some(node) = root.child("active") {
        reader.table(&node);
        for (deployment, node) in node.entries() {
            let deployment: Option<DeploymentId> = reader.parse_text(&node, deployment);
            reader.table(&node);
            for (environment, node) in node.entries() {
                let environment: Option<EnvironmentName> = reader.parse_text(&node, environment);
                let number = reader.number(&node);
                if let (Some(id), Some(environment), Some(number)) = (&deployment, environment, number) {
                    reader.place(Path::of("active").at(id).at(&environment), &node);
                    bootstrap.active.entry(id.clone()).or_default().insert(environment, number);
                }
            }
        }
    }
    if let Some(node) = root.child("tokens") {
        reader.array(&node);
        for node in node.items() {
            if let Some(token) = one_token(&node, &workspace, reader) {
                reader.place(Path::of("tokens").at(bootstrap.tokens.len()), &node);
                bootstrap.tokens.push(token);
            }
        }
    }
    Some(bootstrap)
}

fn one_token(node: &Node<'_>, workspace: &WorkspaceId, reader: &mut Reader) -> Option<TokenRecord> {
    let kind = reader.needed(node, "kind", "instance or tenant")?;
    let own: &[&str] = match reader.text(&kind)? {
        "instance" => &["deployment", "environment"],
        "tenant" => &["role", "environments"],
        // A directory is one workspace's; an operator's token would hold for all of them.
        _ => {
            reader.problem(&kind, "is no kind of token of a workspace; use instance or tenant");
            return None;
        }
    };
    let common = ["kind", "hash", "principal", "created", "expires"];
    let known: Vec<&str> = common.iter().chain(own).copied().collect();
    reader.is_table(node, &known);
    let hash = reader.needed(node, "hash", "the token's hash").and_then(|node| keys::bytes(&node, reader));
    let principal = reader.needed(node, "principal", "on whose behalf it acts");
    let principal = principal.and_then(|node| reader.text(&node)).map(str::to_owned);
    let created = node.child("created").and_then(|node| reader.time(&node));
    let expires = node.child("expires").map(|node| reader.time(&node));
    let scope = scope(node, own, workspace, reader);
    let hash: [u8; 32] = hash?;
    Some(TokenRecord {
        id: hex::encode(&hash[..6]),
        hash: TokenHash(hash),
        minted_by: Default::default(),
        principal: principal?,
        scope: scope?,
        created_at: created.unwrap_or_default(),
        // An expiry that cannot be read must not become "never".
        expires_at: match expires {
            None => None,
            Some(time) => Some(time?),
        },
        last_use: Default::default(),
    })
}

fn scope(node: &Node<'_>, own: &[&str], workspace: &WorkspaceId, reader: &mut Reader) -> Option<Scope> {
    let workspace = workspace.clone();
    match own {
        ["deployment", ..] => {
            let deployment = reader.needed(node, "deployment", "the deployment that boots");
            let deployment = deployment.and_then(|node| reader.parse(&node));
            let environment = reader.needed(node, "environment", "the environment it boots in");
            let environment = environment.and_then(|node| reader.parse(&node));
            Some(Scope::Instance { workspace, deployment: deployment?, environment: environment? })
        }
        _ => {
            let role = reader.needed(node, "role", "viewer, developer, releaser or admin")?;
            let role: Option<Role> = reader.parse(&role);
            let limited = node.child("environments");
            let wanted = limited.as_ref().map_or(0, |node| node.items().len());
            let list: Vec<EnvironmentName> =
                reader.list(limited.clone()).into_iter().map(|(name, _)| name).collect();
            if limited.is_some() && list.is_empty() {
                // An empty limit would mean "all".
                let what =
                    if wanted == 0 { "lists none; leave it out for all" } else { "lists none that is valid" };
                reader.problem(node, format_args!("`environments` {what}"));
            }
            let environments: BTreeSet<EnvironmentName> = list.into_iter().collect();
            Some(Scope::Tenant { workspace, role: role?, environments })
        }
    }
}
