use super::*;
use crate::{
    id::UnixSeconds,
    model::{Role, Scope, TokenHash, TokenRecord},
};

pub(super) fn name(text: &str) -> EnvironmentName {
    text.parse().unwrap()
}

pub(super) fn keys_file() -> KeysFile {
    let key = |fill| EnvironmentKeys {
        public: [fill; 32],
        root_key: KeyId([fill; 8]),
        wrapped_private: vec![fill; 80],
    };
    let names = ["development", "preview/pr-42", "production", "staging"];
    let environments = names.into_iter().zip(1..).map(|(text, fill)| (name(text), key(fill))).collect();
    KeysFile { environments, signature: Some(([7; 32], [8; 64])) }
}

pub(super) fn tokens() -> Vec<TokenRecord> {
    let token = |fill: u8, scope| TokenRecord {
        id: hex::encode([fill; 6]),
        hash: TokenHash([fill; 32]),
        minted_by: Default::default(),
        principal: "ada \"the\" admin".into(),
        scope,
        created_at: UnixSeconds(1_800_000_000),
        expires_at: (fill == 1).then_some(UnixSeconds(1_900_000_000)),
        last_use: Default::default(),
    };
    let workspace: crate::id::WorkspaceId = WORKSPACE.parse().unwrap();
    let instance = Scope::Instance {
        workspace: workspace.clone(),
        deployment: DEPLOYMENT.parse().unwrap(),
        environment: name("preview/pr-42"),
    };
    let environments = [name("staging")].into();
    let tenant = Scope::Tenant { workspace, role: Role::Admin, environments };
    vec![token(1, instance), token(2, tenant)]
}

pub(crate) fn starter() -> Tree {
    let mut next = 0;
    let ids = Starter::new(|| {
        next += 1;
        Uid([next; 16])
    });
    let components = POLICIES.map(|name| (name, b"\0asm".as_slice()));
    let additions = Additions { keys: &keys_file(), tokens: tokens(), components: &components };
    let seal = |address: &Address, plaintext: &[u8]| {
        let seen = format!("{address:?}{plaintext:?}");
        Ok::<_, std::convert::Infallible>(format!("sealed:1:{:x}", md5ish(&seen)))
    };
    ids.tree(additions, seal).unwrap()
}

fn md5ish(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// A workspace of nothing but these base variables.
pub(super) fn with_variables(lines: &str) -> Tree {
    let text = format!(
        "format = 1\n[workspace]\nname = \"acme\"\nid = \"{}\"\n[variables]\n{lines}\n",
        "1".repeat(32)
    );
    Tree::from([("workspace.toml".to_owned(), text.into_bytes())])
}

pub(super) fn plan(
    directory: &Directory,
    environment: &str,
    active: Option<u64>,
) -> Result<Plan<InputValue>, PlanError> {
    Plan::merge(&directory.configuration, &DEPLOYMENT.parse().unwrap(), &name(environment), active)
}

/// The starter with `old` in `file` replaced by `new`.
pub(super) fn edited(file: &str, old: &str, new: &str) -> Tree {
    let mut tree = starter();
    let text = String::from_utf8(tree.remove(file).unwrap_or_default()).unwrap();
    assert!(text.contains(old), "{file} has no {old}");
    tree.insert(file.to_owned(), text.replacen(old, new, 1).into_bytes());
    tree
}

/// Everything that is wrong with `tree`, one a line.
pub(super) fn problems(tree: &Tree) -> String {
    load(tree).map_or_else(|problems| problems.to_string(), |_| String::new())
}
