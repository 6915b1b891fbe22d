//! Which root a host starts from: the newest valid one whose state is whole, and never one below
//! the floor. What was not as it should be is told, not hidden.

use super::{
    BlobError, DataDirectory, FLOOR, Floor, FloorOverride, InvalidSlot, Root, SLOTS, blobs,
    floor::MAX_FLOOR_BYTES, root::MAX_SLOT_BYTES,
};
use crate::{
    id::{Revision, Uid, WorkspaceId},
    keyring::HostKeys,
    signing::TrustedSigners,
};

/// Something was wrong with the data directory, and the host serves nevertheless.
#[derive(Debug, thiserror::Error)]
pub enum Degraded {
    /// A slot is not believed; the other one was taken, which may be older.
    #[error("{slot} is not usable")]
    Slot {
        /// Its file's name.
        slot: &'static str,
        /// Why.
        #[source]
        reason: SlotFault,
    },
    /// The newest root is gone; what is served lacks the commits since.
    #[error("sequence {found} is served, but {highest} was seen")]
    Behind {
        /// The sequence that is served.
        found: u64,
        /// The highest sequence seen.
        highest: u64,
    },
    /// The file of the highest revisions is gone or changed; it is written anew from both slots.
    #[error(
        "the file of the highest revisions seen was not usable; the slots are whole, and whether the ledger is the \
         newest is not known: look for tokens that were revoked"
    )]
    Floor,
    /// An operator's override was used.
    #[error("workspace {workspace} is served below its highest revision, by an operator's override")]
    Overridden {
        /// The workspace.
        workspace: WorkspaceId,
    },
    /// An operator's override was used for the ledger.
    #[error(
        "an older ledger than the newest seen is in use, by an operator's override: tokens revoked since then \
         work again"
    )]
    OlderLedger,
    /// The second slot or the floor could not be brought up to date.
    #[error("the data directory cannot be written")]
    NotRepaired(#[source] std::io::Error),
}

/// Why a slot was passed over.
#[derive(Debug, thiserror::Error)]
pub enum SlotFault {
    /// There is none.
    #[error("there is no such file")]
    Absent,
    /// It cannot be read.
    #[error("it cannot be read")]
    Io(#[source] std::io::Error),
    /// It is not believed.
    #[error(transparent)]
    Invalid(#[from] InvalidSlot),
    /// The state that it names is not whole.
    #[error(transparent)]
    Blob(#[from] BlobError),
}

/// Why a host does not start.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Neither slot is usable.
    #[error("neither slot is usable ({}: {}; {}: {})", SLOTS[0], faults[0], SLOTS[1], faults[1])]
    NoSlot {
        /// Why, for each.
        faults: Box<[SlotFault; 2]>,
    },
    /// What is left is older than what was seen.
    #[error(
        "workspace {workspace} ({uid}) is at revision {found}, but {floor} was seen; an operator can sign an \
         override for revision {found} at sequence {sequence}: `bootlace snapshot allow-older`"
    )]
    BelowFloor {
        /// The workspace.
        workspace: WorkspaceId,
        /// Its random id.
        uid: Uid,
        /// The revision at hand.
        found: Revision,
        /// The highest seen.
        floor: Revision,
        /// The sequence that the floor stands at.
        sequence: u64,
    },
    /// The ledger is older than what was seen.
    #[error(
        "the ledger is at revision {found}, but {floor} was seen: values would be lost and revoked tokens work \
         again; restore the newest ledger, or accept this one with what `bootlace snapshot allow-older --ledger \
         --revision {found} --sequence {sequence}` signs"
    )]
    LedgerBelowFloor {
        /// The revision at hand.
        found: Revision,
        /// The highest seen.
        floor: Revision,
        /// The sequence that the floor stands at.
        sequence: u64,
    },
    /// The highest revisions seen are not known, and a slot is missing: what is left may be older.
    #[error("the file of the highest revisions seen is not usable, and neither is one of the slots")]
    FloorUnknown,
    /// The operating system says no.
    #[error("cannot read the file of the highest revisions seen")]
    Io(#[source] std::io::Error),
    /// The same, when it is written.
    #[error("cannot write the file of the highest revisions seen")]
    Floor(#[source] std::io::Error),
}

/// Where a host starts from.
pub(super) struct Start {
    pub(super) root: Root,
    pub(super) floor: Floor,
    /// The slot that holds the root; an index into [`SLOTS`].
    pub(super) newest: usize,
    pub(super) degraded: Vec<Degraded>,
}

pub(super) fn load(
    directory: &DataDirectory,
    keys: &HostKeys,
    overrides: &[FloorOverride],
    trusted: &TrustedSigners,
) -> Result<Start, LoadError> {
    let floor = directory.read(FLOOR, MAX_FLOOR_BYTES).map_err(LoadError::Io)?;
    let known = floor.as_ref().and_then(|bytes| Floor::from_bytes(bytes, &keys.floor));
    let found = SLOTS.map(|slot| slot_root(directory, slot, keys));
    if floor.is_none() && found.iter().all(|slot| matches!(slot, Err(SlotFault::Absent))) {
        return Ok(Start { root: Root::default(), floor: Floor::default(), newest: 0, degraded: Vec::new() });
    }
    let both = found.iter().all(Result::is_ok);
    let (newest, root, mut degraded) = choose(found)?;
    let floor = match known {
        Some(floor) => floor,
        // The very first commit was interrupted before it wrote the floor.
        None if floor.is_none() && root.sequence == 1 => Floor::default(),
        None if !both => return Err(LoadError::FloorUnknown),
        None => {
            degraded.push(Degraded::Floor);
            Floor::default()
        }
    };
    if root.sequence < floor.sequence {
        degraded.push(Degraded::Behind { found: root.sequence, highest: floor.sequence });
    }
    let floor = check_floor(&root, floor, overrides, trusted, &mut degraded)?;
    Ok(Start { floor: floor.raised(&root), root, newest, degraded })
}

/// The valid root of the highest sequence, and what is wrong with the other slot.
fn choose(found: [Result<Root, SlotFault>; 2]) -> Result<(usize, Root, Vec<Degraded>), LoadError> {
    match found {
        [Ok(a), Ok(b)] if b.sequence > a.sequence => Ok((1, b, Vec::new())),
        [Ok(a), Ok(_)] => Ok((0, a, Vec::new())),
        [Ok(a), Err(reason)] => Ok((0, a, faulty(SLOTS[1], reason))),
        [Err(reason), Ok(b)] => Ok((1, b, faulty(SLOTS[0], reason))),
        [Err(a), Err(b)] => Err(LoadError::NoSlot { faults: Box::new([a, b]) }),
    }
}

/// A slot that is absent has simply not been written yet.
fn faulty(slot: &'static str, reason: SlotFault) -> Vec<Degraded> {
    match reason {
        SlotFault::Absent => Vec::new(),
        reason => vec![Degraded::Slot { slot, reason }],
    }
}

fn check_floor(
    root: &Root,
    mut floor: Floor,
    overrides: &[FloorOverride],
    trusted: &TrustedSigners,
    degraded: &mut Vec<Degraded>,
) -> Result<Floor, LoadError> {
    for (name, workspace) in &root.workspaces {
        let (uid, found, highest) = (workspace.uid, workspace.current.revision, floor.of(workspace.uid));
        if found >= highest {
            continue;
        }
        if !allowed(floor.sequence, (uid, found), overrides, trusted) {
            let (workspace, sequence) = (name.clone(), floor.sequence);
            return Err(LoadError::BelowFloor { workspace, uid, found, floor: highest, sequence });
        }
        floor.revisions.insert(uid, found);
        degraded.push(Degraded::Overridden { workspace: name.clone() });
    }
    Ok(floor)
}

/// Whether an operator lets this load below the floor.
pub(super) fn allowed(
    sequence: u64,
    wanted: (Uid, Revision),
    overrides: &[FloorOverride],
    trusted: &TrustedSigners,
) -> bool {
    overrides.iter().any(|each| {
        (each.workspace, each.revision) == wanted && each.sequence == sequence && each.verify(trusted)
    })
}

fn slot_root(directory: &DataDirectory, slot: &str, keys: &HostKeys) -> Result<Root, SlotFault> {
    let bytes = directory.read(slot, MAX_SLOT_BYTES).map_err(SlotFault::Io)?.ok_or(SlotFault::Absent)?;
    let root = Root::from_bytes(&bytes, &keys.store.verifying_key())?;
    // Without its tokens a host answers nobody. A workspace's own blobs are its own trouble: both
    // slots mostly name the same, and one tenant's lost bit must not take the others down.
    if let Some(state) = root.host_state {
        blobs::read(&directory.blobs(), state)?;
    }
    Ok(root)
}
