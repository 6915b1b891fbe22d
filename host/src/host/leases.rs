//! Leases and counts of boots, durable before what they are about leaves the host.
//!
//! No version is revoked that a boot is just being given: a revocation looks at the holders, and is served,
//! while its workspace is shut, and says so in `epoch`. A boot enters itself first and looks at `epoch` then:
//! either the revocation saw it, or it sees that there was one, waits where its own workspace is shut, and is
//! turned away if what it was about to be given is gone. Nobody waits for another workspace's.

mod boot;
mod credential;
mod end;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use parking_lot::Mutex;
use tokio::sync::watch;

pub use self::{
    boot::{Holding, Unheld},
    credential::Accepted,
};
use crate::{
    control::{Control, ControlError},
    generation::Served,
    id::{DeploymentId, EnvironmentName, ServiceId, UnixSeconds, ValueId, WorkspaceId},
    lease::{Book, CredentialVersion, Holders, Lease},
    state::Alteration,
};

/// The leases of a host.
pub struct Leases {
    book: Mutex<Book>,
    /// The workspace of which a version is being revoked; one at a time, by whoever may change anything.
    shut: watch::Sender<Option<WorkspaceId>>,
    /// Odd while a version is revoked, in whichever workspace.
    epoch: AtomicU64,
    control: Arc<Control>,
    waiting: Mutex<Waiting>,
    /// Up to which ticket everything is durable. Held while that is written: whoever comes meanwhile is
    /// written together.
    written: Mutex<u64>,
}

/// Records that are not durable yet, by name.
#[derive(Default)]
struct Waiting {
    records: BTreeMap<String, Alteration>,
    tickets: u64,
}

impl Waiting {
    fn add(&mut self, records: Vec<Alteration>) {
        self.records.extend(records.into_iter().map(|record| (record.name().to_owned(), record)));
    }
}

/// The right to revoke versions: as long as this is there, no boot is answered that has not been seen.
pub(super) struct Revoking<'a> {
    leases: &'a Leases,
}

impl Drop for Revoking<'_> {
    fn drop(&mut self) {
        self.leases.epoch.fetch_add(1, SeqCst);
        self.leases.shut.send_replace(None);
    }
}

impl Leases {
    pub(super) fn new(book: Book, control: Arc<Control>) -> Self {
        Self {
            book: Mutex::new(book),
            shut: watch::Sender::new(None),
            epoch: AtomicU64::new(0),
            control,
            waiting: Mutex::default(),
            written: Mutex::default(),
        }
    }

    /// Which revocations there were; to be looked at before a boot looks at what is served.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch.load(SeqCst)
    }

    /// Whether none was since, and none is under way.
    fn is_same(&self, epoch: u64) -> bool {
        epoch.is_multiple_of(2) && self.epoch() == epoch
    }

    /// Shuts a workspace.
    pub(super) fn revoking(&self, workspace: &WorkspaceId) -> Revoking<'_> {
        self.shut.send_replace(Some(workspace.clone()));
        self.epoch.fetch_add(1, SeqCst);
        Revoking { leases: self }
    }

    /// Waits for the revocation that is under way in a workspace, if one is.
    async fn pass(&self, workspace: &WorkspaceId) {
        let mut shut = self.shut.subscribe();
        // It only fails when there is nobody left who could shut it.
        drop(shut.wait_for(|shut| shut.as_ref() != Some(workspace)).await);
    }

    /// Who counts on a version.
    #[must_use]
    pub fn holders(&self, workspace: &WorkspaceId, id: ValueId) -> Holders {
        self.book.lock().holders(workspace, id)
    }

    /// Who counts on which versions of the credential of a service's instance.
    #[must_use]
    pub fn of_credential(
        &self,
        workspace: &WorkspaceId,
        instance: (&ServiceId, &EnvironmentName),
    ) -> BTreeMap<u64, Holders> {
        self.book.lock().of_credential(workspace, instance)
    }

    /// The leases of a deployment, the oldest first.
    #[must_use]
    pub fn of_deployment(&self, workspace: &WorkspaceId, deployment: &DeploymentId) -> Vec<Lease> {
        self.book.lock().of_deployment(workspace, deployment)
    }

    /// How many leases a workspace has, and how many of them are lost.
    #[must_use]
    pub fn sizes(&self, workspace: &WorkspaceId, now: UnixSeconds) -> (usize, usize) {
        self.book.lock().sizes(workspace, now)
    }

    /// Forgets at a start what was counted of versions that are gone.
    pub(super) fn forget_gone(&self, workspaces: &BTreeMap<WorkspaceId, Arc<Served>>) {
        for (workspace, served) in workspaces {
            self.later(forget_gone(&mut self.book.lock(), workspace, served));
        }
    }

    /// Takes in a workspace that comes from another host.
    pub(super) fn take_in(&self, workspace: &WorkspaceId, from: Book) {
        self.book.lock().take_in(workspace, from);
    }

    /// Has records made durable with whatever comes next.
    pub(super) fn later(&self, records: Vec<Alteration>) {
        self.waiting.lock().add(records);
    }

    /// Gives up a record that could not be made durable.
    fn never_mind(&self, name: &str) {
        self.waiting.lock().records.remove(name);
    }

    /// Makes records durable, together with those of whoever asks at the same time.
    fn settle(&self, records: Vec<Alteration>) -> Result<(), ControlError> {
        let ticket = {
            let mut waiting = self.waiting.lock();
            waiting.add(records);
            waiting.tickets += 1;
            waiting.tickets
        };
        let mut written = self.written.lock();
        if *written >= ticket {
            return Ok(());
        }
        let (records, up_to) = {
            let mut waiting = self.waiting.lock();
            (std::mem::take(&mut waiting.records), waiting.tickets)
        };
        let all: Vec<_> = records.values().cloned().collect();
        match self.control.change(&[], &all) {
            Ok(()) => *written = up_to,
            Err(error) => {
                // Whoever comes next tries again, but for what was said anew meanwhile.
                let mut waiting = self.waiting.lock();
                for (name, record) in records {
                    waiting.records.entry(name).or_insert(record);
                }
                return Err(error);
            }
        }
        Ok(())
    }
}

/// Forgets what was counted of versions that are gone.
fn forget_gone(book: &mut Book, workspace: &WorkspaceId, served: &Served) -> Vec<Alteration> {
    let there = served.made.stored();
    book.forget_counts(workspace, |id, credential| match credential {
        None => !there.contains(&id),
        Some(of) => is_instance_gone(served, of),
    })
}

/// A credential's role works on when another version replaced it here: what was counted goes with the instance.
fn is_instance_gone(served: &Served, of: &CredentialVersion) -> bool {
    let service = served.snapshot.configuration.services.get(&of.service);
    service.is_none_or(|service| !service.instances.contains_key(&of.owner))
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use tempfile::TempDir;
    use zeroize::Zeroizing;

    use super::*;
    use crate::{clock::Steady, keyring::RecordKey};

    #[test]
    fn nobody_waits_for_the_revocation_of_another_workspace() {
        let directory = TempDir::new().unwrap();
        let key = RecordKey::new(Zeroizing::new([1; 32]));
        let control = Control::open_with(directory.path(), key, Steady::manual()).unwrap();
        let leases = Leases::new(Book::default(), Arc::new(control));
        let [acme, other] = ["acme", "other"].map(|name| name.parse::<WorkspaceId>().unwrap());
        let before = leases.epoch();
        let revoking = leases.revoking(&acme);
        assert!(!leases.is_same(before), "every boot looks again");
        assert!(!leases.is_same(leases.epoch()), "one that begins now, too");
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(pin!(leases.pass(&other)).poll(&mut context), Poll::Ready(()));
        let mut passing = pin!(leases.pass(&acme));
        assert_eq!(passing.as_mut().poll(&mut context), Poll::Pending, "its own waits");
        assert_eq!(passing.as_mut().poll(&mut context), Poll::Pending);
        drop(revoking);
        assert_eq!(passing.as_mut().poll(&mut context), Poll::Ready(()), "until it is over");
        assert!(leases.is_same(before + 2) && !leases.is_same(before));
    }
}
