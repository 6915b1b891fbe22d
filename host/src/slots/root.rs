//! What a slot holds: a root, small, signed by the host's store key. It names blobs by digest, so
//! that what it says holds for them, too.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    fields::{Malformed, Reader, Writer},
    id::{Digest, Revision, Uid, UnixSeconds, WorkspaceId},
    signing::{Signature, SignerId, Statement, StoreKey, VerifyingKey},
};

const MAGIC: &[u8; 8] = b"BLACESLT";
const FORMAT: u16 = 1;
/// How many revisions of a workspace are kept, the current one included.
pub const MAX_REVISIONS: usize = 50;
/// The longest slot, in bytes.
pub(super) const MAX_SLOT_BYTES: u64 = 64 * 1024 * 1024;

/// Everything that a host serves and keeps, by digest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Root {
    /// Counts commits, from 1; 0 is "nothing yet".
    pub sequence: u64,
    /// The state that belongs to no workspace.
    pub host_state: Option<Digest>,
    /// The workspaces.
    pub workspaces: BTreeMap<WorkspaceId, WorkspaceRoot>,
}

/// One workspace's configurations and state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceRoot {
    /// Its random id.
    pub uid: Uid,
    /// The blob of its state.
    pub state: Option<Digest>,
    /// The current revision.
    pub current: KeptRevision,
    /// Those before it, oldest first.
    pub earlier: Vec<KeptRevision>,
}

/// A revision that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRevision {
    /// Its number.
    pub revision: Revision,
    /// The blob of its stored bundle.
    pub configuration: Digest,
    /// When it was made.
    pub created: UnixSeconds,
    /// The push that it came from; none for a change by API.
    pub pushed: Option<Pushed>,
}

/// The push that a revision came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pushed {
    /// SHA-256 of the pushed bundle.
    pub digest: Digest,
    /// The operator who signed it.
    pub signer: SignerId,
}

/// Why a slot's bytes are not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSlot {
    /// Not a slot of a known format.
    #[error("not a slot of a known format")]
    Format,
    /// Changed, or another host's.
    #[error("its signature does not fit")]
    Signature,
    /// Signed, yet it does not read.
    #[error("its content is malformed")]
    Content(#[source] Malformed),
}

impl WorkspaceRoot {
    /// What can be gone back to, the oldest first, and what is current.
    pub fn kept(&self) -> impl Iterator<Item = &KeptRevision> {
        self.earlier.iter().chain([&self.current])
    }
}

impl Root {
    /// Every blob that this names.
    pub(super) fn blobs(&self) -> BTreeSet<Digest> {
        let workspaces = self.workspaces.values();
        let revisions = |workspace: &WorkspaceRoot| -> Vec<Digest> {
            workspace.earlier.iter().chain([&workspace.current]).map(|kept| kept.configuration).collect()
        };
        let states = workspaces.clone().filter_map(|workspace| workspace.state).chain(self.host_state);
        workspaces.flat_map(revisions).chain(states).collect()
    }

    /// `magic | format u16 | signature[64] | fields`; the signature covers the format and the fields.
    pub(super) fn to_bytes(&self, key: &StoreKey) -> Vec<u8> {
        let signed = self.write();
        let signature = key.sign(Statement::SlotRoot, &signed);
        Writer::new().raw(MAGIC).raw(&signature.0).raw(&signed).finish()
    }

    pub(super) fn from_bytes(bytes: &[u8], key: &VerifyingKey) -> Result<Self, InvalidSlot> {
        let mut reader = Reader::new(bytes);
        let magic: [u8; 8] = reader.array().map_err(|_| InvalidSlot::Format)?;
        let signature = Signature(reader.array().map_err(|_| InvalidSlot::Format)?);
        if magic != *MAGIC {
            return Err(InvalidSlot::Format);
        }
        let signed = reader.rest();
        key.verify(Statement::SlotRoot, signed, &signature).map_err(|_| InvalidSlot::Signature)?;
        let mut fields = Reader::new(signed);
        if fields.u16() != Ok(FORMAT) {
            return Err(InvalidSlot::Format);
        }
        let root = Self::read(&mut fields).and_then(|root| fields.end().map(|()| root));
        root.map_err(InvalidSlot::Content)
    }

    fn write(&self) -> Vec<u8> {
        let head = Writer::new().u16(FORMAT).u64(self.sequence);
        let head = optional(head, self.host_state).u32(count(self.workspaces.len()));
        let all = self.workspaces.iter().fold(head, |out, (name, workspace)| {
            let out = optional(out.text(name.as_str()).raw(&workspace.uid.0), workspace.state);
            let out = revision(out, &workspace.current).u32(count(workspace.earlier.len()));
            workspace.earlier.iter().fold(out, revision)
        });
        all.finish()
    }

    fn read(fields: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (sequence, host_state) = (fields.u64()?, read_optional(fields)?);
        let mut workspaces = BTreeMap::new();
        for _ in 0..fields.u32()? {
            let unnamed = fields.malformed();
            let name: WorkspaceId = fields.text()?.parse().map_err(|_| unnamed)?;
            let (uid, state) = (Uid(fields.array()?), read_optional(fields)?);
            let current = read_revision(fields)?;
            let earlier = (0..fields.u32()?).map(|_| read_revision(fields)).collect::<Result<_, _>>()?;
            workspaces.insert(name, WorkspaceRoot { uid, state, current, earlier });
        }
        Ok(Self { sequence, host_state, workspaces })
    }
}

fn revision(out: Writer, kept: &KeptRevision) -> Writer {
    let out = out.u64(kept.revision.0).raw(&kept.configuration.0).i64(kept.created.0);
    match &kept.pushed {
        None => out.u8(0),
        Some(pushed) => out.u8(1).raw(&pushed.digest.0).raw(&pushed.signer.0),
    }
}

fn read_revision(fields: &mut Reader<'_>) -> Result<KeptRevision, Malformed> {
    Ok(KeptRevision {
        revision: Revision(fields.u64()?),
        configuration: Digest(fields.array()?),
        created: UnixSeconds(fields.i64()?),
        pushed: match fields.u8()? {
            0 => None,
            1 => Some(Pushed { digest: Digest(fields.array()?), signer: SignerId(fields.array()?) }),
            _ => return Err(fields.malformed()),
        },
    })
}

fn optional(out: Writer, digest: Option<Digest>) -> Writer {
    match digest {
        None => out.u8(0),
        Some(digest) => out.u8(1).raw(&digest.0),
    }
}

fn read_optional(fields: &mut Reader<'_>) -> Result<Option<Digest>, Malformed> {
    match fields.u8()? {
        0 => Ok(None),
        1 => Ok(Some(Digest(fields.array()?))),
        _ => Err(fields.malformed()),
    }
}

/// More than 2^32 workspaces do not fit into a slot; the count then fails to read back.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
