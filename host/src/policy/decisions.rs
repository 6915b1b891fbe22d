//! Answers that are remembered. Sound because a policy is a function: the same question gets the
//! same answer, so whoever asks about the same pair, the same chain and with the same declared facts may
//! have the answer of whoever asked before.

use quick_cache::{Weighter, sync::Cache};

use crate::{id::Digest, model::question::Facts};

/// A bounded memory of what chains decided.
///
/// What to put in is the caller's choice: never what a clock or a full pool stopped
/// ([`super::FailureKind::is_deterministic`]).
pub struct Decisions<T>(Option<Cache<Key, T, Weight<T>>>);

/// What an answer depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// The number of what was asked about: a pair that is prepared anew has another one.
    pub pair: u64,
    /// The digest of who was asked ([`super::Chain::digest`]).
    pub chain: Digest,
    /// The facts, narrowed to what the chain declared: `chain.vary().narrow(facts)`.
    pub facts: Facts,
}

impl<T: Clone> Decisions<T> {
    /// Remembers about `entries` answers of a kilobyte each: at most `entries` KiB in all, as
    /// `weigh` counts an answer's bytes. With 0 entries nothing is remembered.
    pub fn new(entries: usize, weigh: fn(&T) -> usize) -> Self {
        let bytes = (entries as u64).saturating_mul(1024);
        Self((entries > 0).then(|| Cache::with_weighter(entries, bytes, Weight(weigh))))
    }

    /// The remembered answer.
    #[must_use]
    pub fn recall(&self, key: &Key) -> Option<T> {
        self.0.as_ref()?.get(key)
    }

    /// Remembers an answer, and may forget another.
    pub fn remember(&self, key: Key, answer: T) {
        if let Some(cache) = &self.0 {
            cache.insert(key, answer);
        }
    }

    /// How many answers are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, Cache::len)
    }

    /// Whether no answer is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

struct Weight<T>(fn(&T) -> usize);

impl<T> Clone for Weight<T> {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl<T> Weighter<Key, T> for Weight<T> {
    fn weight(&self, key: &Key, answer: &T) -> u64 {
        (size_of::<Key>() + key.facts.bytes() + (self.0)(answer)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(instance: &str) -> Key {
        let facts = Facts { instance: Some(instance.into()), ..Facts::default() };
        Key { pair: 1, chain: Digest([2; 32]), facts }
    }

    #[test]
    fn an_answer_is_remembered_for_the_same_question_only() {
        let decisions = Decisions::new(8, |_| 8);
        decisions.remember(key("a"), 1);
        assert_eq!(decisions.recall(&key("a")), Some(1));
        assert_eq!(decisions.recall(&key("b")), None);
        let other_plan = Key { pair: 3, ..key("a") };
        assert_eq!(decisions.recall(&other_plan), None);
        let other_chain = Key { chain: Digest([3; 32]), ..key("a") };
        assert_eq!(decisions.recall(&other_chain), None);
    }

    #[test]
    fn the_memory_is_bounded_in_entries_and_in_bytes() {
        let many = Decisions::new(16, |_| 900);
        let large = Decisions::new(16, |_| 8 << 10);
        for n in 0..1000 {
            many.remember(key(&n.to_string()), n);
            large.remember(key(&n.to_string()), n);
        }
        assert!(many.len() <= 16, "{}", many.len());
        assert!(large.len() <= 2, "{}", large.len());
    }

    #[test]
    fn a_memory_of_nothing_remembers_nothing() {
        let decisions = Decisions::new(0, |_| 8);
        decisions.remember(key("a"), 1);
        assert_eq!(decisions.recall(&key("a")), None);
        assert!(decisions.is_empty());
    }
}
