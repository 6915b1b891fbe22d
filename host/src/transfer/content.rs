//! What an export holds, as entries: `kind u8 | length u32 | bytes`. One origin, then the configurations
//! that a directory pushed and that a rollback can go back to, oldest first, the workspace's records of the
//! ledger, and the blobs that these name.

use std::collections::BTreeMap;

use super::TransferError;
use crate::{
    canonical::sha256,
    fields::{Malformed, Reader, Writer},
    id::{Digest, Revision, UnixSeconds},
    signing::{SignerId, VerifyingKey},
    slots::{KeptRevision, MAX_REVISIONS, Pushed},
};

const ORIGIN: u8 = 1;
const KEPT: u8 = 2;
const RECORD: u8 = 3;
const BLOB: u8 = 4;
/// `kind, length`.
const ENTRY_BYTES: usize = 5;

/// Where an export comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Who signed the stored bundles.
    pub store: VerifyingKey,
    /// The digest of what was served.
    pub digest: Digest,
}

/// Puts a content together. An entry more is bytes more, and [`Builder::len`] says how many there are.
pub struct Builder(Vec<u8>);

/// A content that was read.
#[derive(Debug)]
pub struct Content<'a> {
    /// Where it comes from.
    pub origin: Origin,
    /// What a directory pushed, oldest first, the current one last; each with its stored bundle, which the
    /// origin's store signed.
    pub kept: Vec<(KeptRevision, &'a [u8])>,
    /// The workspace's records, by the rest of their names.
    pub records: BTreeMap<String, Vec<u8>>,
    /// What the records name.
    pub blobs: BTreeMap<Digest, &'a [u8]>,
}

impl Builder {
    /// The first entry.
    #[must_use]
    pub fn new(origin: &Origin) -> Self {
        let mut content = Self(Vec::new());
        let store = origin.store.to_string();
        content.add(ORIGIN, &Writer::new().text(&store).raw(&origin.digest.0).finish(), &[]);
        content
    }

    /// A configuration that a directory pushed, with its stored bundle.
    pub fn kept(&mut self, kept: &KeptRevision, bundle: &[u8]) {
        let head = Writer::new().u64(kept.revision.0).i64(kept.created.0);
        let head = match &kept.pushed {
            None => head.u8(0),
            Some(pushed) => head.u8(1).raw(&pushed.digest.0).raw(&pushed.signer.0),
        };
        self.add(KEPT, &head.finish(), bundle);
    }

    /// A record; its name without the workspace's.
    pub fn record(&mut self, name: &str, content: &[u8]) {
        self.add(RECORD, &Writer::new().text(name).finish(), content);
    }

    /// A blob.
    pub fn blob(&mut self, bytes: &[u8]) {
        self.add(BLOB, &[], bytes);
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none; there is an origin at least.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The content.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    fn add(&mut self, kind: u8, head: &[u8], rest: &[u8]) {
        // What is longer does not fit into a file, which says so.
        let length = u32::try_from(head.len() + rest.len()).unwrap_or(u32::MAX);
        self.0.push(kind);
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(head);
        self.0.extend_from_slice(rest);
    }
}

/// How many bytes an entry of `bytes` takes at the most, whatever its name.
#[must_use]
pub fn room(bytes: usize) -> usize {
    bytes + ENTRY_BYTES + 128
}

impl<'a> Content<'a> {
    /// Reads a content.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(bytes: &'a [u8]) -> Result<Self, TransferError> {
        let unknown = |what: &str| TransferError::Content { what: what.to_owned() };
        let malformed = |error: Malformed| unknown(&error.to_string());
        let mut reader = Reader::new(bytes);
        let (mut origin, mut kept, mut records, mut blobs) =
            (None, Vec::new(), BTreeMap::new(), BTreeMap::new());
        while reader.offset() < bytes.len() {
            let kind = reader.u8().map_err(malformed)?;
            let length = reader.u32().map_err(malformed)? as usize;
            let entry = reader.raw(length).map_err(malformed)?;
            let mut fields = Reader::new(entry);
            match kind {
                ORIGIN if origin.is_none() => origin = Some(read_origin(fields).map_err(malformed)?),
                KEPT if kept.len() < MAX_REVISIONS => {
                    let one = read_kept(&mut fields).map_err(malformed)?;
                    kept.push((one, fields.rest()));
                }
                RECORD => {
                    let name = fields.text().map_err(malformed)?.to_owned();
                    if records.insert(name, fields.rest().to_vec()).is_some() {
                        return Err(unknown("a record twice"));
                    }
                }
                BLOB => drop(blobs.insert(sha256(entry), entry)),
                kind => return Err(unknown(&format!("an entry of kind {kind}"))),
            }
        }
        let origin = origin.ok_or_else(|| unknown("no origin"))?;
        Ok(Self { origin, kept, records, blobs })
    }
}

fn read_origin(mut fields: Reader<'_>) -> Result<Origin, Malformed> {
    let unsigned = fields.malformed();
    let store = fields.text()?.parse().map_err(|_| unsigned)?;
    let digest = Digest(fields.array()?);
    fields.end().map(|()| Origin { store, digest })
}

/// What is left is the bundle, and with it the digest by which the slots name it.
fn read_kept(fields: &mut Reader<'_>) -> Result<KeptRevision, Malformed> {
    Ok(KeptRevision {
        revision: Revision(fields.u64()?),
        created: UnixSeconds(fields.i64()?),
        pushed: match fields.u8()? {
            0 => None,
            1 => Some(Pushed { digest: Digest(fields.array()?), signer: SignerId(fields.array()?) }),
            _ => return Err(fields.malformed()),
        },
        // Another host's store signs it anew.
        configuration: Digest([0; 32]),
    })
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::signing::StoreKey;

    fn origin() -> Origin {
        let store = StoreKey::new(Zeroizing::new([3; 32])).verifying_key();
        Origin { store, digest: Digest([4; 32]) }
    }

    #[test]
    fn entries_read_back_and_what_is_unknown_is_refused() {
        let pushed = Some(Pushed { digest: Digest([1; 32]), signer: SignerId([2; 16]) });
        let kept = |revision, pushed| KeptRevision {
            revision: Revision(revision),
            configuration: Digest([0; 32]),
            created: UnixSeconds(9),
            pushed,
        };
        let mut builder = Builder::new(&origin());
        builder.kept(&kept(3, None), b"older");
        builder.kept(&kept(5, pushed), b"newer");
        builder.record("token/00", b"{}");
        builder.record("begun", b"");
        builder.blob(b"component");
        let bytes = builder.finish();
        let read = Content::read(&bytes).unwrap();
        assert_eq!(read.origin, origin());
        assert_eq!(read.kept, [(kept(3, None), &b"older"[..]), (kept(5, pushed), &b"newer"[..])]);
        let records = [("begun".to_owned(), vec![]), ("token/00".to_owned(), b"{}".to_vec())];
        assert_eq!(read.records, records.into());
        assert_eq!(read.blobs, [(sha256(b"component"), &b"component"[..])].into());

        for length in 1..bytes.len() {
            let found = Content::read(&bytes[..length]);
            assert!(found.is_err() || found.unwrap().blobs.is_empty(), "{length}");
        }
        for wrong in [&[9, 0, 0, 0, 0][..], &[RECORD, 2, 0, 0, 0, 0, 0, RECORD, 2, 0, 0, 0, 0, 0], &bytes] {
            assert!(Content::read(&[&bytes, wrong].concat()).is_err(), "{wrong:?}");
        }
        assert!(Content::read(b"").is_err());
    }
}
