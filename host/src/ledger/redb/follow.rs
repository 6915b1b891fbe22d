//! Watches. Each reads the history at its own pace, so that nothing is queued for a slow one; when it
//! falls behind what is remembered, it is told so and ends.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
};

use futures_util::stream::{self, StreamExt as _};
use tokio::{sync::watch, task::spawn_blocking};

use super::{Inner, read};
use crate::ledger::{Changes, LedgerError, Span, StoreRevision, Watch};

struct Follower {
    /// A watch does not keep the ledger open.
    inner: Weak<Inner>,
    newest: watch::Receiver<StoreRevision>,
    span: Span,
    seen: StoreRevision,
    ready: VecDeque<Changes>,
}

pub(super) fn follow(inner: &Arc<Inner>, span: Span, after: StoreRevision) -> Watch {
    let newest = inner.newest.subscribe();
    let follower =
        Follower { inner: Arc::downgrade(inner), newest, span, seen: after, ready: VecDeque::new() };
    stream::try_unfold(follower, |mut follower| async move {
        Ok(follower.next().await?.map(|changes| (changes, follower)))
    })
    .boxed()
}

impl Follower {
    /// The next changes; none when the ledger is closed.
    async fn next(&mut self) -> Result<Option<Changes>, LedgerError> {
        loop {
            if let Some(changes) = self.ready.pop_front() {
                return Ok(Some(changes));
            }
            let newest = *self.newest.borrow_and_update();
            if newest <= self.seen {
                if self.newest.changed().await.is_err() {
                    return Ok(None);
                }
                continue;
            }
            let Some(inner) = self.inner.upgrade() else { return Ok(None) };
            let (span, seen) = (self.span.clone(), self.seen);
            let read = spawn_blocking(move || read::changes(&inner.database, &span, seen)).await;
            let panicked = |source| LedgerError::Aborted { doing: "finish", source: Box::new(source) };
            let (changes, seen) = read.map_err(panicked)??;
            self.ready = changes.into();
            self.seen = seen;
        }
    }
}
