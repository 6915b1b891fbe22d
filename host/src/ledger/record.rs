//! What is kept under a key, and when it came there.

use std::fmt;

use bytes::Bytes;

use super::{Key, LeaseId, MAX_PAGE_RECORDS, MAX_VALUE_BYTES, OverLimit, Span};

/// Counts the transactions of a whole store that changed something. Not a workspace's
/// [`Revision`](crate::id::Revision), which counts that workspace's configurations.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct StoreRevision(pub u64);

/// A record's bytes: at most 256 KiB. Never printed.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Value(Bytes);

/// One key with its value, as of some revision.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Its name.
    pub key: Key,
    /// Its bytes.
    pub value: Value,
    /// The revision at which the key came to be, or came back after a deletion.
    pub created: StoreRevision,
    /// The revision of the last change.
    pub modified: StoreRevision,
    /// The lease whose end is its end, too.
    pub lease: Option<LeaseId>,
}

/// Which records to read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Read {
    /// Their keys.
    pub span: Span,
    /// As of which revision; none for the newest.
    pub at: Option<StoreRevision>,
    limit: usize,
}

/// Some of the records that were asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// The revision that they are of, all of them.
    pub revision: StoreRevision,
    /// In the order of their keys. There may be fewer than the limit, even none, though there are more.
    pub records: Vec<Record>,
    /// How to read on at the same revision; none when this was the last page.
    pub rest: Option<Read>,
}

impl StoreRevision {
    /// The revision after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for StoreRevision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Value {
    /// Checks the length.
    ///
    /// # Errors
    /// When it is too long for a record; what is larger is a [`Blob`](super::Blob).
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, OverLimit> {
        let bytes = bytes.into();
        match bytes.len() {
            0..=MAX_VALUE_BYTES => Ok(Self(bytes)),
            found => Err(OverLimit::ValueBytes { found }),
        }
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({} bytes)", self.0.len())
    }
}

impl Read {
    /// The newest records of `span`, as many as fit on a page.
    #[must_use]
    pub fn newest(span: Span) -> Self {
        Self { span, at: None, limit: MAX_PAGE_RECORDS }
    }

    /// The records of `span` as they were at `revision`.
    #[must_use]
    pub fn at(revision: StoreRevision, span: Span) -> Self {
        Self { at: Some(revision), ..Self::newest(span) }
    }

    /// The same, with at most `limit` records on a page.
    ///
    /// # Errors
    /// When no page has that size.
    pub fn limited(self, limit: usize) -> Result<Self, OverLimit> {
        match limit {
            1..=MAX_PAGE_RECORDS => Ok(Self { limit, ..self }),
            found => Err(OverLimit::PageRecords { found }),
        }
    }

    /// The same for what is left of the span, as of the revision that the first page was of.
    #[must_use]
    pub fn continued(self, at: StoreRevision, rest: Span) -> Self {
        Self { span: rest, at: Some(at), ..self }
    }

    /// The most records on a page.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }
}
