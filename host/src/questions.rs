//! What the boots of a (deployment, environment) said about themselves, so that a change can be tried on
//! them before it is made. Facts alone, as the audit log has them; never a value, nor what was answered.
//!
//! In memory, and since the host's start, as [`crate::usage`] is and for its reasons. Boots that say the
//! same are one question with a count, so that noting one more is a look-up that shares its lock with every
//! other boot. A new question takes the lock alone for one insertion; when there is no room, the oldest that
//! was not put again of late makes some.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use parking_lot::RwLock;

use crate::model::question::Facts;

/// Questions of one pair.
pub const MAX_QUESTIONS: usize = 2_000;
/// Bytes of the questions of one pair.
pub const MAX_PAIR_BYTES: usize = 1 << 20;
/// Bytes of the questions of one workspace.
pub const MAX_WORKSPACE_BYTES: usize = 16 << 20;
/// Questions that are passed over in a row, because they were put again of late.
const SECOND_CHANCES: usize = 16;
/// What keeping a question takes beside its texts, about.
const OVERHEAD_BYTES: usize = 160;

/// A pair's questions.
#[derive(Default)]
pub struct Questions(RwLock<Kept>);

/// How much room a workspace's questions take.
#[derive(Default)]
pub struct Room(AtomicUsize);

/// A question, and how many boots put it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// What the instance said about itself.
    pub facts: Arc<Facts>,
    /// The boots that said just that.
    pub boots: u64,
}

#[derive(Default)]
struct Kept {
    by_facts: HashMap<Arc<Facts>, Heard>,
    /// The same, the next to go in front.
    order: VecDeque<Arc<Facts>>,
    bytes: usize,
    /// Whose room it is that they take; none as long as there are none.
    room: Option<Arc<Room>>,
    forgotten: u64,
}

struct Heard {
    boots: AtomicU64,
    /// Whether it was put again since it was last passed over.
    lately: AtomicBool,
}

impl Questions {
    /// Notes what a boot said about itself; `room` is its workspace's.
    pub fn note(&self, facts: &Facts, room: &Arc<Room>) {
        if let Some(heard) = self.0.read().by_facts.get(facts) {
            return heard.again();
        }
        let facts = Arc::new(facts.clone());
        self.0.write().add(facts, room);
    }

    /// The questions that are kept, in the order of their facts.
    #[must_use]
    pub fn recorded(&self) -> Vec<Recorded> {
        let kept = self.0.read();
        let all = kept.by_facts.iter();
        let all = all.map(|(facts, heard)| (Arc::clone(facts), heard.boots.load(Relaxed)));
        let mut all: Vec<_> = all.map(|(facts, boots)| Recorded { facts, boots }).collect();
        drop(kept);
        all.sort_by(|one, other| one.facts.cmp(&other.facts));
        all
    }

    /// How many questions made room for others, or found none.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.0.read().forgotten
    }
}

impl Kept {
    fn add(&mut self, facts: Arc<Facts>, room: &Arc<Room>) {
        // Another boot may have said the same meanwhile.
        if let Some(heard) = self.by_facts.get(&facts) {
            return heard.again();
        }
        let bytes = weight(&facts);
        let room = Arc::clone(self.room.get_or_insert_with(|| Arc::clone(room)));
        let is_full = |kept: &Self| kept.order.len() >= MAX_QUESTIONS || kept.bytes + bytes > MAX_PAIR_BYTES;
        while is_full(self) || !room.take(bytes) {
            if !self.forget_one(&room) {
                self.forgotten += 1;
                return;
            }
        }
        self.bytes += bytes;
        self.order.push_back(Arc::clone(&facts));
        self.by_facts.insert(facts, Heard { boots: AtomicU64::new(1), lately: AtomicBool::new(false) });
    }

    fn forget_one(&mut self, room: &Room) -> bool {
        for chances in (0..=SECOND_CHANCES).rev() {
            let Some(facts) = self.order.pop_front() else { return false };
            let heard = self.by_facts.get(&facts);
            if chances > 0 && heard.is_some_and(|heard| heard.lately.swap(false, Relaxed)) {
                self.order.push_back(facts);
                continue;
            }
            let bytes = weight(&facts);
            self.by_facts.remove(&facts);
            self.bytes -= bytes;
            room.give_back(bytes);
            self.forgotten += 1;
            return true;
        }
        false
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(room) = &self.room {
            room.give_back(self.bytes);
        }
    }
}

impl Heard {
    fn again(&self) {
        self.boots.fetch_add(1, Relaxed);
        self.lately.store(true, Relaxed);
    }
}

impl Room {
    fn take(&self, bytes: usize) -> bool {
        let taken = |before: usize| before.checked_add(bytes).filter(|after| *after <= MAX_WORKSPACE_BYTES);
        self.0.fetch_update(Relaxed, Relaxed, taken).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Relaxed);
    }

    /// Bytes that are taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.0.load(Relaxed)
    }
}

/// About how many bytes a question keeps.
fn weight(facts: &Facts) -> usize {
    OVERHEAD_BYTES + size_of::<Facts>() + facts.bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::question::Attribute;

    fn instance(name: usize) -> Facts {
        Facts { instance: Some(format!("i-{name:05}")), ..Facts::default() }
    }

    fn large(name: usize) -> Facts {
        let attributes = (0..32).map(|at| Attribute::new(format!("{name}-{at}"), "v".repeat(256)));
        Facts { attributes: attributes.collect(), ..Facts::default() }
    }

    #[test]
    fn a_thousand_boots_that_say_the_same_are_one_question() {
        let (questions, room) = (Questions::default(), Arc::default());
        for _ in 0..1_000 {
            questions.note(&instance(1), &room);
        }
        questions.note(&instance(0), &room);
        let told: Vec<_> = questions.recorded().into_iter().map(|one| (one.facts, one.boots)).collect();
        assert_eq!(told, [(Arc::new(instance(0)), 1), (Arc::new(instance(1)), 1_000)]);
        assert_eq!(questions.forgotten(), 0);
    }

    #[test]
    fn the_oldest_make_room_but_not_for_what_is_put_once_what_is_put_again() {
        let (questions, room) = (Questions::default(), Arc::default());
        questions.note(&instance(0), &room);
        for name in 1..3 * MAX_QUESTIONS {
            questions.note(&instance(name), &room);
            questions.note(&instance(0), &room);
        }
        let told = questions.recorded();
        assert_eq!(told.len(), MAX_QUESTIONS);
        assert_eq!((&*told[0].facts, told[0].boots), (&instance(0), 3 * MAX_QUESTIONS as u64));
        assert_eq!(questions.forgotten(), 2 * MAX_QUESTIONS as u64);
        let newest = told.last().map(|one| (*one.facts).clone());
        assert_eq!(newest, Some(instance(3 * MAX_QUESTIONS - 1)));
    }

    #[test]
    fn bytes_are_bounded_of_a_pair_and_of_a_workspace_and_given_back() {
        let room = Arc::default();
        let pairs: Vec<_> =
            (0..MAX_WORKSPACE_BYTES / MAX_PAIR_BYTES + 2).map(|_| Questions::default()).collect();
        for questions in &pairs {
            for name in 0..200 {
                questions.note(&large(name), &room);
            }
            let bytes: usize = questions.recorded().iter().map(|one| weight(&one.facts)).sum();
            assert!(bytes <= MAX_PAIR_BYTES);
        }
        let taken = room.taken();
        assert!(taken <= MAX_WORKSPACE_BYTES && taken > MAX_WORKSPACE_BYTES - MAX_PAIR_BYTES, "{taken}");
        // Who comes last takes nothing from the others.
        assert!(pairs[0].recorded().len() > 50 && pairs.last().unwrap().forgotten() > 100);
        drop(pairs);
        assert_eq!(room.taken(), 0);
    }
}
