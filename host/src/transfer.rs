//! A whole workspace as one file, to be taken to another host or store: `header | parts`. The header says,
//! in the clear, what is needed to refuse the file or to find its key; everything else is sealed under a key
//! that a root key wraps, so that the file tells nobody a name and that only a host with that root key
//! believes it. Values are inside as they are kept: sealed under their environment's key, too.
//!
//! | | |
//! |---|---|
//! | header | `BLACEMOV`, format u16, length u16, workspace, its random id, revision, earliest revision that can be looked at, when it was made, root key's id, wrapped key |
//! | part | length u32, then up to a MiB of the content, sealed: bound to the header, its number and whether it is the last |
//!
//! The [`content`] is made of what a host keeps anyway: stored bundles, records and blobs of the ledger.
//! No IO.

pub mod content;

use crate::{
    canonical::sha256,
    entropy::Entropy,
    fields::{Malformed, Reader, Writer},
    id::{Digest, Revision, Uid, UnixSeconds, WorkspaceId},
    keyring::{PartPlace, RootKey, RootKeys, TransferKey},
    model::KeyId,
};

/// The longest file, in bytes. A host holds it three times while it takes it in.
pub const MAX_TRANSFER_BYTES: usize = 256 * 1024 * 1024;
/// The longest content: with its parts' lengths, tags and padding it stays below a file's limit.
pub const MAX_CONTENT_BYTES: usize = MAX_TRANSFER_BYTES / 64 * 63;

const MAGIC: &[u8; 8] = b"BLACEMOV";
const FORMAT: u16 = 1;
/// The longest header, in bytes.
const MAX_HEADER_BYTES: usize = 512;
/// `magic, format, header length`.
const PREAMBLE_BYTES: usize = 12;
/// Bytes of content in a part.
const PART_BYTES: usize = 1024 * 1024;
/// The longest part, sealed.
const MAX_SEALED_BYTES: usize = PART_BYTES + 8 * 1024;

/// What an export says about itself. Believe it only of a file that [`open`] opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The workspace's name.
    pub workspace: WorkspaceId,
    /// Its random id.
    pub uid: Uid,
    /// The revision that was served.
    pub revision: Revision,
    /// The earliest revision whose content is in it, to be looked at.
    pub earliest: Revision,
    /// When it was made.
    pub exported: UnixSeconds,
}

/// Why bytes are not an export, or not one for this host.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// Something else.
    #[error("not an export of a workspace; make one with `bootlace snapshot export`")]
    Magic,
    /// Written by a version that this one does not know.
    #[error(
        "the export has format {found}; this version reads format {FORMAT}: upgrade this host to the version \
         that wrote it, and import it then"
    )]
    Format {
        /// The format number found.
        found: u16,
    },
    /// The header does not read.
    #[error("the export's header is cut short or changed; export the workspace again")]
    Header(#[source] Malformed),
    /// This host does not hold the root key.
    #[error(
        "the export was made under root key {root_key}, which this host does not hold; start it with that key \
         as one of its --root-key, and import again"
    )]
    RootKeyMissing {
        /// The root key's name.
        root_key: KeyId,
    },
    /// Not what was written.
    #[error(
        "the export was changed or cut short after it was made under root key {root_key}; take another copy of \
         the file, or export the workspace again"
    )]
    Refused {
        /// The root key's name.
        root_key: KeyId,
    },
    /// Whole, and not what this version writes.
    #[error(
        "the export holds what this version does not know ({what}); upgrade this host, and import it then"
    )]
    Content {
        /// What.
        what: String,
    },
    /// More than a file may hold.
    #[error(
        "workspace {workspace} comes to more than the {} MiB that an export may hold, without any history; take \
         the data directory as it is to the other machine instead",
        MAX_TRANSFER_BYTES >> 20
    )]
    TooMuch {
        /// The workspace.
        workspace: WorkspaceId,
    },
    /// Longer than a file may be.
    #[error("an export is at most {MAX_TRANSFER_BYTES} bytes; this is more")]
    TooLarge,
}

/// Everything in front of the parts.
struct Head {
    header: Header,
    root_key: KeyId,
    wrapped: Vec<u8>,
    /// Of the head's bytes: what every part is bound to.
    digest: Digest,
    length: usize,
}

/// Reads the header of an export without believing it: for which workspace it is.
///
/// # Errors
/// When it is none.
pub fn inspect(bytes: &[u8]) -> Result<Header, TransferError> {
    Head::read(bytes).map(|head| head.header)
}

/// Seals `content` into a file.
///
/// # Errors
/// When it is too much.
pub fn seal(
    header: &Header,
    content: &[u8],
    root: &RootKey,
    entropy: &mut Entropy<'_>,
) -> Result<Vec<u8>, TransferError> {
    let (key, wrapped) = TransferKey::generate(root, header.uid, entropy);
    let mut file = header.to_bytes(root.id(), &wrapped);
    let digest = sha256(&file);
    file.reserve(content.len() / 64 * 65);
    // Content of no bytes has one part, too.
    let last = content.len().saturating_sub(1) / PART_BYTES;
    for number in 0..=last {
        let part = content.get(number * PART_BYTES..).unwrap_or_default();
        let part = part.get(..PART_BYTES).unwrap_or(part);
        let place = PartPlace { file: digest, number: number as u64, is_last: number == last };
        let sealed = key.seal(&place, part, entropy);
        let length = u32::try_from(sealed.len()).map_err(|_| TransferError::TooLarge)?;
        file.extend_from_slice(&length.to_le_bytes());
        file.extend_from_slice(&sealed);
    }
    if file.len() > MAX_TRANSFER_BYTES {
        return Err(TransferError::TooMuch { workspace: header.workspace.clone() });
    }
    Ok(file)
}

/// Opens a file: its header, and its content.
///
/// # Errors
/// When it is not whole and unchanged, or the root key is not among `roots`.
pub fn open(bytes: &[u8], roots: &RootKeys) -> Result<(Header, Vec<u8>), TransferError> {
    if bytes.len() > MAX_TRANSFER_BYTES {
        return Err(TransferError::TooLarge);
    }
    let head = Head::read(bytes)?;
    let root_key = head.root_key;
    let root = roots.named(root_key).ok_or(TransferError::RootKeyMissing { root_key })?;
    let refused = || TransferError::Refused { root_key };
    let key = TransferKey::unwrap(root, head.header.uid, &head.wrapped).ok_or_else(refused)?;
    let mut reader = Reader::new(bytes.get(head.length..).unwrap_or_default());
    let mut content = Vec::with_capacity(bytes.len());
    for number in 0.. {
        let length = reader.u32().map_err(|_| refused())? as usize;
        if length > MAX_SEALED_BYTES {
            return Err(refused());
        }
        let sealed = reader.raw(length).map_err(|_| refused())?;
        // Whether it is the last follows from the file's end, and the part has to agree.
        let is_last = head.length + reader.offset() == bytes.len();
        let place = PartPlace { file: head.digest, number, is_last };
        content.extend(key.open(&place, sealed).ok_or_else(refused)?);
        if is_last {
            break;
        }
    }
    Ok((head.header, content))
}

impl Header {
    fn to_bytes(&self, root_key: KeyId, wrapped: &[u8]) -> Vec<u8> {
        let fields = Writer::new()
            .text(self.workspace.as_str())
            .raw(&self.uid.0)
            .u64(self.revision.0)
            .u64(self.earliest.0)
            .i64(self.exported.0)
            .raw(&root_key.0)
            .raw(wrapped)
            .finish();
        // A name of at most 63 bytes, and fields of one length each.
        let length = u16::try_from(PREAMBLE_BYTES + fields.len()).unwrap_or(u16::MAX);
        Writer::new().raw(MAGIC).u16(FORMAT).u16(length).raw(&fields).finish()
    }
}

impl Head {
    fn read(bytes: &[u8]) -> Result<Self, TransferError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(TransferError::Magic)?;
        let mut preamble = Reader::new(rest);
        let found = preamble.u16().map_err(TransferError::Header)?;
        if found != FORMAT {
            return Err(TransferError::Format { found });
        }
        let length = usize::from(preamble.u16().map_err(TransferError::Header)?);
        let cut = || TransferError::Header(Malformed { offset: PREAMBLE_BYTES });
        if length > MAX_HEADER_BYTES {
            return Err(cut());
        }
        let head = bytes.get(..length).ok_or_else(cut)?;
        let fields = head.get(PREAMBLE_BYTES..).ok_or_else(cut)?;
        let (header, root_key, wrapped) = Self::fields(fields).map_err(TransferError::Header)?;
        Ok(Self { header, root_key, wrapped, digest: sha256(head), length })
    }

    fn fields(fields: &[u8]) -> Result<(Header, KeyId, Vec<u8>), Malformed> {
        let mut reader = Reader::new(fields);
        let unnamed = reader.malformed();
        let header = Header {
            workspace: reader.text()?.parse().map_err(|_| unnamed)?,
            uid: Uid(reader.array()?),
            revision: Revision(reader.u64()?),
            earliest: Revision(reader.u64()?),
            exported: UnixSeconds(reader.i64()?),
        };
        Ok((header, KeyId(reader.array()?), reader.rest().to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::system::entropy;

    fn root(byte: u8) -> RootKey {
        RootKey::new(Zeroizing::new([byte; 32]))
    }

    fn header() -> Header {
        Header {
            workspace: "acme".parse().unwrap(),
            uid: Uid([7; 16]),
            revision: Revision(41),
            earliest: Revision(3),
            exported: UnixSeconds(5),
        }
    }

    fn opened(file: &[u8]) -> Result<Vec<u8>, TransferError> {
        let (header, content) = open(file, &RootKeys::new([root(1), root(3)]))?;
        assert_eq!(header, self::header());
        Ok(content)
    }

    #[test]
    fn content_of_every_length_reads_back() {
        for length in [0, 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES] {
            let content: Vec<_> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let file = seal(&header(), &content, &root(1), &mut entropy).unwrap();
            assert!(opened(&file).unwrap() == content, "{length}");
        }
    }

    #[test]
    fn a_file_at_the_contents_limit_is_within_the_files() {
        let parts = MAX_CONTENT_BYTES.div_ceil(PART_BYTES);
        let file = seal(&header(), &vec![0; PART_BYTES], &root(1), &mut entropy).unwrap();
        assert!(parts * file.len() <= MAX_TRANSFER_BYTES);
    }

    #[test]
    fn what_is_changed_cut_off_added_moved_or_anothers_is_refused() {
        let content = vec![9; PART_BYTES + 100];
        let file = seal(&header(), &content, &root(1), &mut entropy).unwrap();
        let head = Head::read(&file).unwrap().length;
        let at_work = (0..head).chain([head + 3, head + 10, file.len() / 2, file.len() - 1]);
        for at in at_work.chain((head..file.len()).step_by(499_979)) {
            for bit in [0, 7] {
                let mut flipped = file.clone();
                flipped[at] ^= 1 << bit;
                assert!(open(&flipped, &RootKeys::new([root(1)])).is_err(), "byte {at}, bit {bit}");
            }
        }
        let part = head + 4 + u32::from_le_bytes(file[head..head + 4].try_into().unwrap()) as usize;
        for length in [0, 7, 9, head - 1, head, head + 4, part, part + 5, file.len() - 1] {
            assert!(opened(&file[..length]).is_err(), "cut to {length}");
        }
        let swapped = [&file[..head], &file[part..], &file[head..part]].concat();
        let doubled = [&file[..part], &file[head..]].concat();
        for wrong in [swapped, doubled, [&file[..], &[0]].concat(), [&file[..], &file[part..]].concat()] {
            assert!(matches!(opened(&wrong), Err(TransferError::Refused { .. })));
        }
        // A part of another export of the same workspace, under the same root key.
        let other = seal(&header(), &content, &root(1), &mut entropy).unwrap();
        assert!(opened(&[&file[..head], &other[head..]].concat()).is_err());
    }

    #[test]
    fn what_is_missing_is_named() {
        let file = seal(&header(), b"x", &root(2), &mut entropy).unwrap();
        let text = opened(&file).unwrap_err().to_string();
        assert!(text.contains(&root(2).id().to_string()), "{text}");
        let mut newer = file.clone();
        newer[8] = 2;
        assert!(matches!(opened(&newer), Err(TransferError::Format { found: 2 })));
        assert!(matches!(opened(b"BLACEBND"), Err(TransferError::Magic)));
        assert!(!file.windows(4).any(|bytes| bytes == b"conf"));
    }
}
