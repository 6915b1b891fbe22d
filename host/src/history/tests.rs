//! Every pair of the starter workspace, put together from its pieces, is planned as it was.

use std::collections::BTreeMap;

use super::*;
use crate::{
    chunks::Tree,
    id::Digest,
    model::{Configuration, Variable},
    plan::{Chains, Identified as _, Plan},
    source::{self, tests::kit},
    state::{Activations, Running, Runs},
};

/// What runs, of which nothing is pinned.
fn runs(active: Activations) -> Runs {
    let plain = |(name, release)| (name, Running { release, set: None });
    active.into_iter().map(|(id, names)| (id, names.into_iter().map(plain).collect())).collect()
}

fn starter() -> (Configuration<SealedValue>, Runs) {
    let directory = source::load(&kit::starter()).unwrap();
    let sealed = directory.configuration.try_map(|address, value| {
        let bytes = address.name.bytes().collect::<Vec<_>>().into();
        Ok::<_, std::convert::Infallible>(SealedValue { id: value.id(&address.name), bytes })
    });
    (sealed.unwrap(), runs(directory.bootstrap.unwrap().active))
}

fn plan(
    configuration: &Configuration<SealedValue>,
    (id, environment): (&DeploymentId, &EnvironmentName),
    release: Option<u64>,
) -> Digest {
    let chains = Chains::of(configuration);
    Plan::merge_with(configuration, &chains, id, environment, release).unwrap().digest
}

/// A tree and everything that was ever in it.
#[derive(Default)]
struct Disk(BTreeMap<Digest, Vec<u8>>);

impl Disk {
    fn write(
        &mut self,
        tree: &Tree,
        keys: impl Iterator<Item = PieceKey>,
        from: &(Configuration<SealedValue>, Runs),
    ) -> Tree {
        let edits = keys.map(|key| (key.to_string(), key.write(&from.0, &from.1))).collect();
        let edited = tree.edit(edits, &mut |digest| Ok(self.0[&digest].clone())).unwrap();
        self.0.extend(edited.chunks.into_iter().map(|chunk| (chunk.digest(), chunk.into_bytes())));
        edited.tree
    }

    fn plan(
        &self,
        tree: &Tree,
        like: &Configuration<SealedValue>,
        pair: (&DeploymentId, &EnvironmentName),
    ) -> Digest {
        let fetch = &mut |digest| Ok(self.0[&digest].clone());
        let mut find = |key: &PieceKey| tree.get(&key.to_string(), fetch);
        let (part, running) = of_pair((&like.workspace, like.uid), pair, &mut find).unwrap();
        plan(&part, pair, running.map(|running| running.release))
    }
}

#[test]
fn every_pair_is_planned_from_its_pieces_as_it_was() {
    let (starter, mut disk) = (starter(), Disk::default());
    let tree = disk.write(&Tree::empty(), PieceKey::all(&starter.0), &starter);
    let mut pairs = 0;
    for (id, one) in &starter.0.deployments {
        for environment in one.environments.keys() {
            let release = starter.1.get(id).and_then(|active| active.get(environment)).map(|one| one.release);
            let whole = plan(&starter.0, (id, environment), release);
            assert_eq!(disk.plan(&tree, &starter.0, (id, environment)), whole, "{id} in {environment}");
            pairs += 1;
        }
    }
    assert!(pairs >= 3, "{pairs}");
    let none = of_pair(
        (&starter.0.workspace, starter.0.uid),
        (&"no".parse().unwrap(), &"production".parse().unwrap()),
        &mut |_| Ok(None),
    );
    assert!(matches!(none, Err(HistoryError::Unknown)));
}

#[test]
fn an_earlier_revision_stays_what_it_was() {
    let (before, mut disk) = (starter(), Disk::default());
    let first = disk.write(&Tree::empty(), PieceKey::all(&before.0), &before);
    let id: DeploymentId = "checkout".parse().unwrap();
    let environment: EnvironmentName = "production".parse().unwrap();
    let mut after = before.clone();
    let here = after.0.deployments.get_mut(&id).unwrap().environments.get_mut(&environment).unwrap();
    let (name, variable) = here.layer.variables.pop_first().unwrap();
    here.layer.variables.insert(name.clone(), Variable { inject: !variable.inject, ..variable });
    let key = crate::made::ValueKey { place: Place::Deployment(id.clone(), Some(environment.clone())), name };
    let changed = changed_by(&[Subject::Value(key)].into(), &BTreeSet::new());
    let second = disk.write(&first, changed.into_iter(), &after);
    let all = disk.write(&Tree::empty(), PieceKey::all(&after.0), &after);
    assert_eq!(second.digest(), all.digest(), "what a change is known to change is all that it changes");

    let pair = (&id, &environment);
    let release = before.1[&id].get(&environment).map(|one| one.release);
    assert_eq!(disk.plan(&first, &before.0, pair), plan(&before.0, pair, release));
    assert_eq!(disk.plan(&second, &after.0, pair), plan(&after.0, pair, release));
    assert_ne!(disk.plan(&first, &before.0, pair), disk.plan(&second, &after.0, pair));
}
