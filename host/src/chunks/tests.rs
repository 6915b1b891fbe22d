use std::{cell::Cell, collections::BTreeSet};

use super::*;

type Model = BTreeMap<String, Vec<u8>>;

/// Every chunk that was ever given out, and how often one was asked for.
#[derive(Default)]
struct Disk {
    chunks: BTreeMap<Digest, Vec<u8>>,
    fetched: Cell<usize>,
}

impl Disk {
    fn fetch(&self) -> impl FnMut(Digest) -> Result<Vec<u8>, FetchError> + '_ {
        |digest| {
            self.fetched.set(self.fetched.get() + 1);
            self.chunks.get(&digest).cloned().ok_or_else(|| FetchError::from("missing"))
        }
    }

    fn edited(&mut self, tree: &Tree, edits: BTreeMap<String, Option<Vec<u8>>>) -> Edited {
        let edited = tree.edit(edits, &mut self.fetch()).unwrap();
        self.chunks.extend(edited.chunks.iter().map(|chunk| (chunk.digest(), chunk.bytes().to_vec())));
        edited
    }

    fn read(&self, tree: &Tree) -> Model {
        let leaves = tree.leaves(&mut self.fetch()).unwrap();
        let read = |(key, leaf)| (key, Tree::leaf(leaf, &mut self.fetch()).unwrap());
        leaves.into_iter().map(read).collect()
    }

    fn of(model: &Model) -> (Self, Tree) {
        let mut disk = Self::default();
        let edits = model.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
        let tree = disk.edited(&Tree::empty(), edits).tree;
        (disk, tree)
    }
}

/// SplitMix64: the same edits in every run.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

fn key(number: u64) -> String {
    format!("plan/deployment-{number}/production")
}

fn many(count: u64) -> Model {
    (0..count).map(|number| (key(number), number.to_le_bytes().to_vec())).collect()
}

#[test]
fn random_edits_agree_with_a_map() {
    let mut draws = Draws(20_260_101);
    let (mut disk, mut tree, mut model) = (Disk::default(), Tree::empty(), Model::new());
    let mut history: Vec<(Tree, Model)> = Vec::new();
    for round in 0..300 {
        let mut edits = BTreeMap::new();
        for _ in 0..draws.below(6) {
            let value = (draws.below(3) > 0).then(|| vec![draws.below(4) as u8; draws.below(40) as usize]);
            edits.insert(key(draws.below(120)), value);
        }
        for (key, value) in &edits {
            match value {
                Some(value) => drop(model.insert(key.clone(), value.clone())),
                None => drop(model.remove(key)),
            }
        }
        let after = disk.edited(&tree, edits).tree;
        let before = std::mem::replace(&mut tree, after);
        assert_eq!(disk.read(&tree), model, "round {round}");
        if !model.is_empty() {
            assert_eq!(Tree::read(tree.digest(), &mut disk.fetch()).unwrap(), tree);
        }
        let (_, rebuilt) = Disk::of(&model);
        assert_eq!(rebuilt.digest(), tree.digest(), "the way there does not matter");
        let old: BTreeMap<_, _> = before.leaves(&mut disk.fetch()).unwrap();
        let new: BTreeMap<_, _> = tree.leaves(&mut disk.fetch()).unwrap();
        let expected: BTreeSet<&String> =
            old.keys().chain(new.keys()).filter(|key| old.get(*key) != new.get(*key)).collect();
        let found = diff(&before, &tree, &mut disk.fetch()).unwrap();
        assert_eq!(found.iter().map(|each| &each.key).collect::<BTreeSet<_>>(), expected);
        assert!(
            found.iter().all(|each| (each.before, each.after)
                == (old.get(&each.key).copied(), new.get(&each.key).copied()))
        );
        history.push((tree.clone(), model.clone()));
    }
    for (tree, model) in history.iter().step_by(17) {
        assert_eq!(&disk.read(tree), model, "an older root reads as it was");
    }
}

#[test]
fn one_changed_key_writes_three_small_chunks_however_many_there_are() {
    for (count, most_bytes) in [(300, 6 << 10), (3_000, 12 << 10), (40_000, 32 << 10)] {
        let (mut disk, tree) = Disk::of(&many(count));
        disk.fetched.set(0);
        let edited = disk.edited(&tree, [(key(7), Some(b"changed".to_vec()))].into());
        assert_eq!(edited.chunks.len(), 3, "leaf, index node, root");
        assert_eq!(disk.fetched.get(), 1, "the index node");
        let bytes: usize = edited.chunks.iter().map(|chunk| chunk.bytes().len()).sum();
        assert!(bytes < most_bytes, "{bytes} bytes at {count} keys");
        disk.fetched.set(0);
        let differing = diff(&tree, &edited.tree, &mut disk.fetch()).unwrap();
        assert_eq!(differing.iter().map(|each| each.key.as_str()).collect::<Vec<_>>(), [key(7)]);
        assert_eq!(disk.fetched.get(), 2, "that index node, before and after");
    }
}

#[test]
fn setting_what_is_there_writes_nothing() {
    let (mut disk, tree) = Disk::of(&many(50));
    let edits = many(50).into_iter().map(|(key, value)| (key, Some(value)));
    let edited = disk.edited(&tree, edits.chain([("not there".to_owned(), None)]).collect());
    assert_eq!((edited.tree, edited.chunks.len()), (tree, 0));
}

#[test]
fn removing_everything_is_the_empty_tree() {
    let (mut disk, tree) = Disk::of(&many(50));
    let edited = disk.edited(&tree, many(50).into_keys().map(|key| (key, None)).collect());
    assert_eq!(edited.tree, Tree::empty());
    assert_eq!(Tree::read(edited.tree.digest(), &mut disk.fetch()).unwrap(), Tree::empty());
    let untouched = Disk::default().edited(&Tree::empty(), BTreeMap::new());
    assert_eq!(untouched.chunks.len(), 1, "an empty tree can be written, too");
}

#[test]
fn what_a_sweep_leaves_is_all_that_the_live_roots_need() {
    let (mut disk, first) = Disk::of(&many(500));
    let second = disk.edited(&first, [(key(1), Some(b"second".to_vec()))].into()).tree;
    let third = disk.edited(&second, [(key(1), Some(b"third".to_vec())), (key(2), None)].into()).tree;
    disk.fetched.set(0);
    let kept = live([first.digest(), third.digest(), third.digest()], &mut disk.fetch()).unwrap();
    assert!(disk.fetched.get() <= 2 + 256 + 2, "shared nodes are read once: {}", disk.fetched.get());
    let before = disk.chunks.len();
    disk.chunks.retain(|digest, _| kept.contains(digest));
    assert!(disk.chunks.len() < before);
    assert_eq!(disk.read(&first), many(500));
    assert_eq!(disk.read(&third).len(), 499);
    assert!(second.leaves(&mut disk.fetch()).is_err(), "the root in between is gone");
}

#[test]
fn what_is_over_a_limit_is_refused() {
    let refused = |key: String, length: usize| {
        let edits = [(key, Some(vec![0; length]))].into();
        Tree::empty().edit(edits, &mut Disk::default().fetch()).err()
    };
    assert!(refused("k".repeat(MAX_KEY_BYTES), MAX_LEAF_BYTES).is_none());
    assert!(matches!(refused(String::new(), 0), Some(TreeError::KeyLength { found: 0 })));
    assert!(matches!(refused("k".repeat(MAX_KEY_BYTES + 1), 0), Some(TreeError::KeyLength { .. })));
    assert!(matches!(refused("k".into(), MAX_LEAF_BYTES + 1), Some(TreeError::LeafTooLarge { .. })));
    // Keys of the greatest length that all fall into one index node.
    let crowd = (0_u64..).map(|n| format!("{n:0>512}")).filter(|key| node::bucket(key) == 0).take(500);
    let edits = crowd.map(|key| (key, Some(Vec::new()))).collect();
    let refused = Tree::empty().edit(edits, &mut Disk::default().fetch());
    assert!(matches!(refused, Err(TreeError::TooManyKeys { .. })));
}

#[test]
fn a_chunk_that_is_not_what_its_name_says_is_refused() {
    let (disk, tree) = Disk::of(&many(50));
    for (victim, bytes) in &disk.chunks {
        for altered in neighbours(bytes) {
            let lying = &mut |digest: Digest| match digest == *victim {
                true => Ok(altered.clone()),
                false => disk.fetch()(digest),
            };
            let mut read = || -> Result<(), TreeError> {
                let tree = Tree::read(tree.digest(), lying)?;
                for leaf in tree.leaves(lying)?.into_values() {
                    Tree::leaf(leaf, lying)?;
                }
                Ok(())
            };
            assert!(matches!(read(), Err(TreeError::Altered { digest }) if digest == *victim));
        }
    }
}

/// The decoders alone, as if somebody had found bytes with a fitting hash.
#[test]
fn a_neighbour_of_a_node_is_an_error_or_another_node_never_the_same() {
    let (disk, tree) = Disk::of(&many(3_000));
    let root = tree.root.encode();
    assert_eq!(Root::decode(&root).as_ref(), Ok(&tree.root));
    for altered in neighbours(&root) {
        assert!(Root::decode(&altered).is_err() || Root::decode(&altered).unwrap().encode() == altered);
        assert_ne!(Root::decode(&altered).ok(), Some(tree.root.clone()));
    }
    let index = tree.index(9, &mut disk.fetch()).unwrap();
    assert!(index.leaves.len() > 1);
    let bytes = index.encode();
    assert_eq!(Index::decode(9, &bytes).as_ref(), Ok(&index));
    assert!(Index::decode(8, &bytes).is_err(), "in another place");
    for altered in neighbours(&bytes) {
        assert!(
            Index::decode(9, &altered).is_err() || Index::decode(9, &altered).unwrap().encode() == altered
        );
        assert_ne!(Index::decode(9, &altered).ok(), Some(index.clone()));
    }
}

#[test]
fn nodes_out_of_order_or_twice_or_empty_are_refused() {
    let (disk, tree) = Disk::of(&many(3_000));
    let root = tree.root.encode();
    let (head, entries) = root.split_at(12);
    let swapped = [head, &entries[33..66], &entries[..33], &entries[66..]].concat();
    assert!(Root::decode(&swapped).is_err());
    let twice = [head, &entries[..33], &entries[..33], &entries[66..]].concat();
    assert!(Root::decode(&twice).is_err());
    let index = tree.index(9, &mut disk.fetch()).unwrap();
    assert!(Index::decode(9, &Index { leaves: BTreeMap::new(), ..index.clone() }.encode()).is_err());
    let stranger = (0..).map(key).find(|key| node::bucket(key) != 9).unwrap();
    let mut mixed = index;
    mixed.leaves.insert(stranger, tree.digest());
    assert!(Index::decode(9, &mixed.encode()).is_err(), "a key of another index node");
}

#[test]
fn an_unknown_format_is_refused_by_name() {
    let mut bytes = Tree::empty().root.encode();
    bytes[8] = 2;
    let digest = sha256(&bytes);
    let refused = Tree::read(digest, &mut |_| Ok(bytes.clone()));
    assert!(matches!(refused, Err(TreeError::UnknownFormat { found: 2, .. })));
}

/// Truncated, trailing, and with single bits flipped.
fn neighbours(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let step = (bytes.len() / 64).max(1);
    let truncated = (0..bytes.len()).step_by(step).map(|length| bytes[..length].to_vec());
    let trailing =
        [[bytes, &[0]].concat(), [bytes, bytes].concat()].into_iter().filter(|more| *more != bytes);
    let flipped = (0..bytes.len() * 8).step_by(step * 3).map(|bit| {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    });
    truncated.chain(trailing).chain(flipped).collect::<Vec<_>>().into_iter()
}
