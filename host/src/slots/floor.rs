//! The highest revision seen of each workspace and of the ledger, and the highest sequence: MAC'd and
//! fsynced, so that an older snapshot, or a ledger from before a token was revoked, never loads again
//! by accident. Only an operator's signed override lets one load.

use std::{collections::BTreeMap, fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_STANDARD};

use super::Root;
use crate::{
    fields::{Malformed, Reader, Writer},
    id::{Revision, Uid},
    keyring::{FloorKey, Mac},
    signing::{OperatorKey, Signature, SignerId, Statement, TrustedSigners},
};

const MAGIC: &[u8; 10] = b"BLACEFLR\x01\x00";
const OVERRIDE_PREFIX: &str = "bootlace-floor-override:1:";
/// What the ledger's revision stands under, here and in an override.
pub(super) const LEDGER: Uid = Uid::NONE;
/// How many overrides of the ledger's were used, in the same way.
const LEDGER_OVERRIDES: Uid = Uid([0xff; 16]);
/// The longest floor file, in bytes: more than 600,000 workspaces.
pub(super) const MAX_FLOOR_BYTES: u64 = 16 * 1024 * 1024;

/// The highest seen. Sequences never go down; a workspace's revision does by an override only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Floor {
    pub(super) sequence: u64,
    pub(super) revisions: BTreeMap<Uid, Revision>,
}

impl Floor {
    /// At least what `root` has reached.
    pub(super) fn raised(&self, root: &Root) -> Self {
        let mut raised = self.clone();
        raised.sequence = raised.sequence.max(root.sequence);
        for workspace in root.workspaces.values() {
            let floor = raised.revisions.entry(workspace.uid).or_default();
            *floor = (*floor).max(workspace.current.revision);
        }
        raised
    }

    /// As that of a workspace that nobody has: ids are random.
    pub(super) fn ledger(&self) -> Revision {
        self.of(LEDGER)
    }

    /// What an override of the ledger's has to name: the sequence, which commits of the slots raise, and how
    /// many such overrides were used. It never comes back, so that each works once.
    pub(super) fn ledger_sequence(&self) -> u64 {
        self.sequence + self.of(LEDGER_OVERRIDES).0
    }

    /// Takes an older ledger for the newest seen.
    pub(super) fn lower_ledger(&mut self, to: Revision) {
        self.revisions.insert(LEDGER, to);
        let used = self.of(LEDGER_OVERRIDES).next();
        self.revisions.insert(LEDGER_OVERRIDES, used);
    }

    pub(super) fn of(&self, workspace: Uid) -> Revision {
        self.revisions.get(&workspace).copied().unwrap_or_default()
    }

    /// `magic and format | sequence u64 | (workspace[16] | revision u64)… | mac[32]`.
    pub(super) fn to_bytes(&self, key: &FloorKey) -> Vec<u8> {
        let head = Writer::new().raw(MAGIC).u64(self.sequence);
        let each = |out: Writer, (uid, revision): (&Uid, &Revision)| out.raw(&uid.0).u64(revision.0);
        let mut bytes = self.revisions.iter().fold(head, each).finish();
        let mac = key.mac(&bytes);
        bytes.extend_from_slice(&mac.0);
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8], key: &FloorKey) -> Option<Self> {
        let (message, mac) = bytes.split_last_chunk::<32>()?;
        (key.mac(message) == Mac(*mac)).then_some(())?;
        let fields = message.strip_prefix(MAGIC)?;
        let (sequence, revisions) = fields.split_first_chunk::<8>()?;
        let (entries, rest) = revisions.as_chunks::<24>();
        let entry = |bytes: &[u8; 24]| {
            let mut fields = Reader::new(bytes);
            Some((Uid(fields.array().ok()?), Revision(fields.u64().ok()?)))
        };
        rest.is_empty().then_some(())?;
        let revisions = entries.iter().map(entry).collect::<Option<_>>()?;
        Some(Self { sequence: u64::from_le_bytes(*sequence), revisions })
    }
}

/// An operator's word that one workspace, or the ledger, may load below its floor: at exactly this
/// revision, and only while the floor stands at this sequence, so that it works once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FloorOverride {
    /// The workspace's random id; [`Uid::NONE`] for the ledger.
    pub workspace: Uid,
    /// The revision that may load.
    pub revision: Revision,
    /// The sequence that the floor stands at.
    pub sequence: u64,
    signer: SignerId,
    signature: Signature,
}

impl FloorOverride {
    /// Signs an override.
    #[must_use]
    pub fn sign(key: &OperatorKey, workspace: Uid, revision: Revision, sequence: u64) -> Self {
        let signer = key.verifying_key().id();
        let signature = key.sign(Statement::FloorOverride, &signed(workspace, revision, sequence));
        Self { workspace, revision, sequence, signer, signature }
    }

    /// Whether it is a trusted operator's.
    #[must_use]
    pub fn verify(&self, trusted: &TrustedSigners) -> bool {
        let signed = signed(self.workspace, self.revision, self.sequence);
        let key = trusted.named(self.signer);
        key.is_some_and(|key| key.verify(Statement::FloorOverride, &signed, &self.signature).is_ok())
    }
}

fn signed(workspace: Uid, revision: Revision, sequence: u64) -> Vec<u8> {
    Writer::new().raw(&workspace.0).u64(revision.0).u64(sequence).finish()
}

impl fmt::Display for FloorOverride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signed = signed(self.workspace, self.revision, self.sequence);
        let bytes = Writer::new().raw(&signed).raw(&self.signer.0).raw(&self.signature.0).finish();
        write!(f, "{OVERRIDE_PREFIX}{}", BASE64_STANDARD.encode(bytes))
    }
}

/// The text is not an override.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a floor override; expected {OVERRIDE_PREFIX} and base64")]
pub struct InvalidOverride;

impl FromStr for FloorOverride {
    type Err = InvalidOverride;
    fn from_str(text: &str) -> Result<Self, InvalidOverride> {
        let encoded = text.trim_end().strip_prefix(OVERRIDE_PREFIX).ok_or(InvalidOverride)?;
        let bytes = BASE64_STANDARD.decode(encoded).map_err(|_| InvalidOverride)?;
        let read = || -> Result<Self, Malformed> {
            let mut fields = Reader::new(&bytes);
            let read = Self {
                workspace: Uid(fields.array()?),
                revision: Revision(fields.u64()?),
                sequence: fields.u64()?,
                signer: SignerId(fields.array()?),
                signature: Signature(fields.array()?),
            };
            fields.end().map(|()| read)
        };
        read().map_err(|_| InvalidOverride)
    }
}
