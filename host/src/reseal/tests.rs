use zeroize::Zeroizing;

use super::*;
use crate::{
    model::Content,
    source::{self, Tree},
    system::entropy,
};

fn root(fill: u8) -> RootKey {
    RootKey::new(Zeroizing::new([fill; 32]))
}

/// One environment of one plain variable, its keys wrapped by the root key 2.
fn pushed() -> Configuration<InputValue> {
    let workspace = format!("format = 1\n[workspace]\nname = \"acme\"\nid = \"{}\"\n", "1".repeat(32));
    let environment =
        format!("id = \"{}\"\ntype = \"production\"\n[variables]\nFLAG = \"on\"\n", "2".repeat(32));
    let tree = Tree::from([
        ("workspace.toml".to_owned(), workspace.into_bytes()),
        ("environments/production.toml".to_owned(), environment.into_bytes()),
    ]);
    let mut configuration = source::parse(&tree).unwrap().configuration;
    let (name, uid) =
        configuration.environments.values().map(|one| (one.name.clone(), one.uid)).next().unwrap();
    let keys = keyring::new_environment_keys(&root(2), configuration.uid, uid, &mut entropy);
    configuration.keys.insert(name, keys);
    configuration
}

fn resealed(pushed: &Configuration<InputValue>, roots: &RootKeys, parent: Option<&Resealed>) -> Resealed {
    let sealing = Sealing {
        roots,
        base_root: &root(1),
        parent: parent.map(|parent| &parent.configuration),
        keys: parent.map_or(&[], |parent| &parent.keys),
    };
    reseal(pushed, &sealing, &mut entropy).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn flag(resealed: &Resealed) -> SealedValue {
    let layer = resealed.configuration.environment_layers.values().next().unwrap();
    let Content::Versions { versions, .. } = &layer.variables.values().next().unwrap().content else {
        panic!("a template");
    };
    versions[0].value.clone()
}

#[test]
fn a_push_while_a_root_key_is_missing_destroys_no_value() {
    let (all, base) = (RootKeys::new([root(1), root(2)]), RootKeys::new([root(1)]));
    let pushed = pushed();
    let first = resealed(&pushed, &all, None);
    let without = resealed(&pushed, &base, Some(&first));
    assert!(!flag(&first).bytes.is_empty());
    assert_eq!(flag(&without).bytes, flag(&first).bytes);
    let again = resealed(&pushed, &all, Some(&without));
    assert_eq!(flag(&again).bytes, flag(&first).bytes);
}

#[test]
fn a_value_that_changed_meanwhile_is_sealed_when_the_key_is_back() {
    let (all, base) = (RootKeys::new([root(1), root(2)]), RootKeys::new([root(1)]));
    let pushed = pushed();
    let without = resealed(&pushed, &base, None);
    assert!(flag(&without).bytes.is_empty());
    let closed = closed_environments(&without.configuration, &without.keyring);
    assert_eq!(closed.iter().map(ToString::to_string).collect::<Vec<_>>(), ["production"]);
    let again = resealed(&pushed, &all, Some(&without));
    assert!(!flag(&again).bytes.is_empty());
    assert!(closed_environments(&again.configuration, &again.keyring).is_empty());
}
