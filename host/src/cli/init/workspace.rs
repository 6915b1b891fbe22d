//! A starter workspace with everything that belongs to it, in memory: what `init` writes to the
//! disk, what the demo serves and what tests begin with.

use anyhow::Context as _;

use crate::{
    entropy::{Entropy, fresh, fresh_key},
    host::{MintRequest, Minted},
    id::{DeploymentId, EnvironmentName, Uid, UnixSeconds, WorkspaceId},
    keyring::{RootKey, new_environment_keys},
    model::{Address, EnvironmentKeys, Role, Scope, TokenRecord},
    seal::{EnvironmentPublicKey, seal_text},
    signing::{OperatorKey, PublishedKey, sign_environment_keys},
    source::{
        KeysFile, Tree,
        starter::{ACTIVE, Additions, DEPLOYMENT, Starter},
    },
    token::Token,
};

/// A workspace that is ready to build, and the keys and tokens that are not part of it.
pub struct Scaffold {
    /// The workspace's name.
    pub workspace: WorkspaceId,
    /// Its random id.
    pub uid: Uid,
    /// The directory's files.
    pub tree: Tree,
    /// Wraps the environments' private keys.
    pub root_key: RootKey,
    /// Signed the environments' public keys; signs what is pushed.
    pub operator_key: OperatorKey,
    /// Tokens that `bootstrap.toml` knows by their hash, each with the name of its file: one for
    /// an instance in each environment of the deployment, and `tenant.token`, an admin's.
    pub tokens: Vec<(String, Token)>,
}

/// Makes the starter workspace under the name `workspace`, with new ids, keys and tokens.
///
/// # Errors
/// When the starter's own files are broken, which its tests rule out.
pub fn scaffold(
    workspace: &WorkspaceId,
    now: UnixSeconds,
    entropy: &mut Entropy<'_>,
) -> anyhow::Result<Scaffold> {
    let root_key = RootKey::new(fresh_key(entropy));
    let operator_key = OperatorKey::new(fresh_key(entropy));
    let starter = Starter::new(|| Uid(fresh(entropy)));
    let published = publish(&starter, &root_key, entropy)?;
    let keys = signed(&starter, &operator_key, &published);

    let minted = tokens(workspace, now)?;
    let records: Vec<TokenRecord> = minted.iter().map(|(_, minted)| minted.record.clone()).collect();
    let components = components();
    let additions = Additions { keys: &keys, tokens: records, components: &components };
    let mut tree = starter.tree(additions, |address, plaintext| {
        let public = public_key(&published, address)?;
        Ok::<_, anyhow::Error>(seal_text(&public, address, plaintext, entropy)?.0.to_string())
    })?;
    rename(&mut tree, workspace)?;
    Ok(Scaffold {
        workspace: workspace.clone(),
        uid: starter.workspace,
        tree,
        root_key,
        operator_key,
        tokens: minted.into_iter().map(|(file, minted)| (file, minted.token)).collect(),
    })
}

/// The name of the file that holds an environment's instance token.
#[must_use]
pub fn token_file(environment: &str) -> String {
    format!("{}.token", environment.replace('/', "-"))
}

type Published = Vec<(PublishedKey, EnvironmentKeys)>;

fn publish(starter: &Starter, root: &RootKey, entropy: &mut Entropy<'_>) -> anyhow::Result<Published> {
    let pair = |(name, uid): (&str, Uid)| {
        let keys = new_environment_keys(root, starter.workspace, uid, entropy);
        let public = EnvironmentPublicKey(keys.public);
        let environment: EnvironmentName = name.parse()?;
        Ok((PublishedKey { environment, uid, public }, keys))
    };
    starter.environments().into_iter().map(pair).collect()
}

fn signed(starter: &Starter, operator: &OperatorKey, published: &Published) -> KeysFile {
    let public: Vec<PublishedKey> = published.iter().map(|(public, _)| public.clone()).collect();
    let signature = sign_environment_keys(operator, starter.workspace, &public);
    KeysFile {
        environments: published.iter().map(|(one, keys)| (one.environment.clone(), keys.clone())).collect(),
        signature: Some((operator.verifying_key().to_bytes(), signature.0)),
    }
}

fn public_key(published: &Published, address: &Address) -> anyhow::Result<EnvironmentPublicKey> {
    let of_environment = published.iter().find(|(one, _)| one.uid == address.environment);
    of_environment.map(|(one, _)| one.public).context("a starter value is of no environment")
}

fn tokens(workspace: &WorkspaceId, now: UnixSeconds) -> anyhow::Result<Vec<(String, Minted)>> {
    let deployment: DeploymentId = DEPLOYMENT.parse()?;
    let mut tokens = Vec::new();
    for (name, _) in ACTIVE {
        let (workspace, deployment) = (workspace.clone(), deployment.clone());
        let scope = Scope::Instance { workspace, deployment, environment: name.parse()? };
        let principal = format!("{DEPLOYMENT} in {name}");
        let minted = Minted::offline(MintRequest { scope, principal, expires_in: None }, now)?;
        tokens.push((token_file(name), minted));
    }
    let environments = std::collections::BTreeSet::new();
    let scope = Scope::Tenant { workspace: workspace.clone(), role: Role::Admin, environments };
    let request = MintRequest { scope, principal: "admin".into(), expires_in: None };
    tokens.push(("tenant.token".into(), Minted::offline(request, now)?));
    Ok(tokens)
}

/// The sample policies, part of this program: `init` has to work without this repository.
fn components() -> [(&'static str, &'static [u8]); 4] {
    [
        ("least-privilege", include_bytes!("../../../../policies/dist/least-privilege.wasm")),
        ("preview-isolation", include_bytes!("../../../../policies/dist/preview-isolation.wasm")),
        ("region-affinity", include_bytes!("../../../../policies/dist/region-affinity.wasm")),
        ("rotation-canary", include_bytes!("../../../../policies/dist/rotation-canary.wasm")),
    ]
}

/// The starter's own name stands in its file; comments around it stay.
fn rename(tree: &mut Tree, workspace: &WorkspaceId) -> anyhow::Result<()> {
    let file = tree.get_mut("workspace.toml").context("the starter has no workspace.toml")?;
    let mut document: toml_edit::DocumentMut = std::str::from_utf8(file)?.parse()?;
    document["workspace"]["name"] = toml_edit::value(workspace.as_str());
    *file = document.to_string().into_bytes();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        keyring::{RootKeys, unwrap_environment_key},
        source,
        source::starter::POLICIES,
        system,
    };

    fn acme() -> Scaffold {
        let name = "my-shop".parse().unwrap();
        scaffold(&name, UnixSeconds(1_800_000_000), &mut system::entropy).unwrap()
    }

    #[test]
    fn a_scaffold_is_ready_to_build_under_its_own_name() {
        let scaffold = acme();
        let directory = source::load(&scaffold.tree).unwrap();
        assert_eq!(directory.configuration.workspace.as_str(), "my-shop");
        assert_eq!(directory.configuration.uid, scaffold.uid);
        assert_eq!(components().map(|(name, _)| name), POLICIES);
        let text = std::str::from_utf8(&scaffold.tree["workspace.toml"]).unwrap();
        assert!(text.starts_with("# The workspace"));
    }

    #[test]
    fn its_root_key_unwraps_every_environment_and_its_tokens_are_known() {
        let Scaffold { tree, root_key, tokens, uid, .. } = acme();
        let directory = source::load(&tree).unwrap();
        let roots = RootKeys::new([root_key]);
        for (name, keys) in &directory.keys.environments {
            let environment = directory.configuration.environments[name].uid;
            assert!(unwrap_environment_key(keys, uid, environment, &roots).is_ok(), "{name}");
        }
        let known: Vec<_> = directory.bootstrap.unwrap().tokens.iter().map(|token| token.hash).collect();
        assert!(tokens.iter().all(|(_, token)| known.contains(&token.hash())));
        let files: Vec<_> = tokens.iter().map(|(file, _)| file.as_str()).collect();
        assert_eq!(files, ["production.token", "staging.token", "preview-pr-42.token", "tenant.token"]);
    }
}
