//! What a watch tells.

use futures_util::stream::BoxStream;

use super::{Key, LedgerError, Record, StoreRevision};

/// Changes in the order in which they happened. It ends with an error or with the ledger.
pub type Watch = BoxStream<'static, Result<Changes, LedgerError>>;

/// Everything that one transaction changed among the watched keys: never a part of it, never two.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Changes {
    /// The revision that the transaction made. Greater than that of the changes before; what lies
    /// between concerns other keys.
    pub revision: StoreRevision,
    /// In the order of the transaction's operations.
    pub changes: Vec<Change>,
}

/// One key's change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// The key.
    pub key: Key,
    /// What it is now; none when it is gone.
    pub record: Option<Record>,
}
