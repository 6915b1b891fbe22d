//! Which changes were made under which keys, and how they were answered.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use axum::{
    body::Bytes,
    http::{HeaderMap, StatusCode},
};
use parking_lot::Mutex;
use tokio::sync::{Mutex as Turns, OwnedMutexGuard};

use crate::{
    canonical::Canonical,
    clock::Clock,
    host::Remembered,
    id::{Digest, UnixSeconds, WorkspaceId},
    model::TokenHash,
};

/// How long a key is remembered, in seconds.
const LIFETIME: i64 = 24 * 60 * 60;
/// Keys of one token. With one more, its oldest is forgotten.
const KEYS_PER_TOKEN: usize = 1024;
/// Keys in all. With one more, the oldest of the workspace that has the most is forgotten, so that
/// nobody's keys push out another's.
const KEYS: usize = 8192;

/// How many keys that are over are put away with the next that is remembered.
const OVER_AT_ONCE: usize = 64;

/// A token's key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Slot {
    /// The token's; none for an operator's.
    pub(super) workspace: Option<WorkspaceId>,
    pub(super) token: TokenHash,
    /// Of token and key together.
    pub(super) id: Digest,
}

impl Slot {
    pub(super) fn new(workspace: Option<WorkspaceId>, token: TokenHash, key: &str) -> Self {
        let id = Canonical::new("bootlace idempotency key 1").bytes(&token.0).text(key).finish();
        Self { workspace, token, id }
    }
}

/// A change that was made.
pub(super) struct Made {
    /// Method, path and query.
    pub(super) asked: Digest,
    /// None where nobody read a body.
    pub(super) body: Option<Digest>,
    pub(super) answer: Kept,
}

/// What is left of an answer.
pub(super) enum Kept {
    /// All of it.
    Answer(StatusCode, HeaderMap, Bytes),
    /// What is said in its place.
    Said(String),
}

/// Whoever holds the lock makes the change, if it was not made.
type Entry = Arc<Turns<Option<Arc<Made>>>>;

/// The keys of a host.
pub(in crate::admin) struct Book {
    clock: Clock,
    per_token: usize,
    all: usize,
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    /// Those under which something was done or is under way.
    entries: HashMap<Slot, Entry>,
    /// Those under which something was done, the oldest first.
    made: VecDeque<(UnixSeconds, Slot)>,
    /// Those that are forgotten here, and remembered in the ledger yet.
    over: Vec<Digest>,
}

/// What becomes of a request.
pub(super) enum Turn {
    /// It is made.
    First(First),
    /// It was made.
    Repeated(Arc<Made>),
}

/// The right to make a change under a key. Given up, the key is free.
pub(super) struct First {
    book: Arc<Book>,
    slot: Slot,
    entry: OwnedMutexGuard<Option<Arc<Made>>>,
}

impl Book {
    /// An empty one.
    pub(in crate::admin) fn new(clock: Clock) -> Self {
        Self { clock, per_token: KEYS_PER_TOKEN, all: KEYS, pages: Mutex::default() }
    }

    /// One that knows what was made before a restart, the oldest first.
    pub(in crate::admin) fn going_on(clock: Clock, remembered: Vec<Remembered>) -> Self {
        let book = Self::new(clock);
        let mut pages = book.pages.lock();
        for Remembered { claim, at, answer } in remembered {
            let answer = answer.and_then(|bytes| Kept::from_bytes(&bytes)).unwrap_or_else(|| {
                let said = "this was done, right before the host was restarted; its answer is lost";
                Kept::Said(said.to_owned())
            });
            let made = Made { asked: claim.asked, body: claim.body.get().copied(), answer };
            let slot = Slot { workspace: claim.workspace, token: claim.token, id: claim.id };
            pages.entries.insert(slot.clone(), Arc::new(Turns::new(Some(Arc::new(made)))));
            pages.keep(slot, at, book.per_token, book.all);
        }
        drop(pages);
        book
    }

    /// Waits while somebody else makes a change under the same key.
    pub(super) async fn turn(self: &Arc<Self>, slot: Slot) -> Turn {
        loop {
            let entry = self.pages.lock().entry(&slot, self.clock.now());
            let held = Arc::clone(&entry).lock_owned().await;
            if let Some(made) = &*held {
                return Turn::Repeated(Arc::clone(made));
            }
            // Who had the turn before gave it up, and the entry with it: others may have a new one.
            if self.pages.lock().entries.get(&slot).is_some_and(|current| Arc::ptr_eq(current, &entry)) {
                return Turn::First(First { book: Arc::clone(self), slot, entry: held });
            }
        }
    }
}

impl First {
    /// The token's key.
    pub(super) fn slot(&self) -> &Slot {
        &self.slot
    }

    /// Some keys that are over: whoever asks puts them away.
    pub(super) fn over(&self) -> Vec<Digest> {
        let mut pages = self.book.pages.lock();
        let rest = pages.over.len().saturating_sub(OVER_AT_ONCE);
        pages.over.split_off(rest)
    }

    /// Keeps what was made.
    pub(super) fn made(mut self, made: Made) {
        *self.entry = Some(Arc::new(made));
        let (book, slot) = (&self.book, self.slot.clone());
        book.pages.lock().keep(slot, book.clock.now(), book.per_token, book.all);
    }
}

impl Drop for First {
    fn drop(&mut self) {
        if self.entry.is_none() {
            self.book.pages.lock().entries.remove(&self.slot);
        }
    }
}

impl Pages {
    fn entry(&mut self, slot: &Slot, now: UnixSeconds) -> Entry {
        while self.made.front().is_some_and(|(at, _)| at.0.saturating_add(LIFETIME) <= now.0) {
            self.forget(0);
        }
        Arc::clone(self.entries.entry(slot.clone()).or_default())
    }

    fn keep(&mut self, slot: Slot, now: UnixSeconds, per_token: usize, all: usize) {
        let token = slot.token;
        self.made.push_back((now, slot));
        let mut own = self.made.iter().enumerate().filter(|(_, (_, slot))| slot.token == token);
        let oldest = own.next().map(|(place, _)| place);
        if let Some(oldest) = oldest.filter(|_| own.count() >= per_token) {
            self.forget(oldest);
        }
        if self.made.len() > all {
            self.forget(self.oldest_of_the_most());
        }
    }

    fn oldest_of_the_most(&self) -> usize {
        let mut counts: HashMap<&Option<WorkspaceId>, usize> = HashMap::new();
        for (_, slot) in &self.made {
            *counts.entry(&slot.workspace).or_default() += 1;
        }
        let most = counts.into_iter().max_by_key(|(_, count)| *count).map(|(workspace, _)| workspace);
        self.made.iter().position(|(_, slot)| Some(&slot.workspace) == most).unwrap_or_default()
    }

    fn forget(&mut self, place: usize) {
        if let Some((_, slot)) = self.made.remove(place) {
            self.over.push(slot.id);
            self.entries.remove(&slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(per_token: usize, all: usize) -> Arc<Book> {
        Arc::new(Book { per_token, all, ..Book::new(Clock::manual(UnixSeconds(1000))) })
    }

    fn slot(workspace: &str, token: u8, key: u32) -> Slot {
        let workspace = Some(workspace.parse().unwrap());
        Slot::new(workspace, TokenHash([token; 32]), &key.to_string())
    }

    fn made() -> Made {
        Made { asked: Digest([0; 32]), body: None, answer: Kept::Said(String::new()) }
    }

    /// Asks for a turn, and makes the change if it is the first.
    async fn is_first(book: &Arc<Book>, slot: Slot) -> bool {
        match book.turn(slot).await {
            Turn::First(first) => {
                first.made(made());
                true
            }
            Turn::Repeated(_) => false,
        }
    }

    #[tokio::test]
    async fn a_key_is_remembered_for_its_day_and_is_free_from_its_end_on() {
        let book = book(9, 9);
        assert!(is_first(&book, slot("acme", 1, 1)).await);
        assert!(is_first(&book, slot("acme", 2, 1)).await, "another token's");
        book.clock.advance(UnixSeconds(1000 + LIFETIME - 1));
        assert!(!is_first(&book, slot("acme", 1, 1)).await);
        book.clock.advance(UnixSeconds(1000 + LIFETIME));
        assert!(is_first(&book, slot("acme", 1, 1)).await);
        assert_eq!(book.pages.lock().entries.len(), 1);
    }

    #[tokio::test]
    async fn of_many_at_once_one_is_first_and_where_it_gives_up_the_next_is() {
        let book = book(9, 9);
        let Turn::First(first) = book.turn(slot("acme", 1, 1)).await else { panic!("nobody else asked") };
        let others: Vec<_> = (0..8)
            .map(|_| {
                let book = Arc::clone(&book);
                tokio::spawn(async move { is_first(&book, slot("acme", 1, 1)).await })
            })
            .collect();
        // They all run up to where they wait.
        tokio::task::yield_now().await;
        assert!(others.iter().all(|other| !other.is_finished()));
        drop(first);
        let mut firsts = 0;
        for other in others {
            firsts += usize::from(other.await.unwrap());
        }
        assert_eq!((firsts, book.pages.lock().made.len()), (1, 1));
        assert!(!is_first(&book, slot("acme", 1, 1)).await, "who comes late finds the same");
    }

    #[tokio::test]
    async fn a_token_forgets_its_own_oldest_and_a_workspace_that_has_the_most_its_own() {
        let book = book(3, 6);
        assert!(is_first(&book, slot("small", 9, 0)).await);
        for (token, key) in [(1, 1), (1, 2), (1, 3), (1, 4), (2, 1), (2, 2), (2, 3), (3, 1)] {
            assert!(is_first(&book, slot("large", token, key)).await);
        }
        let names = [("small", 9, 0), ("large", 1, 1), ("large", 1, 2), ("large", 1, 3), ("large", 1, 4)];
        let names =
            names.into_iter().chain([("large", 2, 1), ("large", 2, 2), ("large", 2, 3), ("large", 3, 1)]);
        let names: Vec<_> =
            names.map(|(of, token, key)| (slot(of, token, key), format!("{token}/{key}"))).collect();
        let name = |id| names.iter().find(|(slot, _)| slot.id == id).unwrap().1.clone();
        let keys = || {
            let pages = book.pages.lock();
            assert_eq!(pages.entries.len(), pages.made.len());
            pages.made.iter().map(|(_, slot)| name(slot.id)).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(keys(), "9/0 1/4 2/1 2/2 2/3 3/1");
        assert!(!is_first(&book, slot("small", 9, 0)).await);
        let over: Vec<_> = book.pages.lock().over.iter().map(|id| name(*id)).collect();
        assert_eq!(over.join(" "), "1/1 1/2 1/3", "to be put away in the ledger, too");
        assert!(is_first(&book, slot("large", 1, 1)).await, "it was forgotten");
    }
}
