//! The one place where a generation becomes visible. Readers take the whole of it in one step and
//! keep it for their whole request, so that no answer mixes two.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use crate::generation::Generation;

/// Holds the live generation.
pub struct Store(ArcSwap<Generation>);

impl Store {
    /// Starts with `first`.
    #[must_use]
    pub fn new(first: Generation) -> Self {
        Self(ArcSwap::from_pointee(first))
    }

    /// The live generation, for one short request. Wait-free.
    pub fn load(&self) -> Guard<Arc<Generation>> {
        self.0.load()
    }

    /// The live generation, to keep.
    #[must_use]
    pub fn load_full(&self) -> Arc<Generation> {
        self.0.load_full()
    }

    /// Makes `next` the live generation. Requests under way finish on the one they took.
    pub fn publish(&self, next: Arc<Generation>) {
        self.0.store(next);
    }
}
