//! Leases and counts of boots, durable before what they are about leaves the host.
//!
//! No version is revoked that a boot is just being given: a revocation looks at the holders, and is served,
//! while its workspace is shut, and says so in `epoch`. A boot enters itself first and looks at `epoch` then:
//! either the revocation saw it, or it sees that there was one, waits where its own workspace is shut, and is
//! turned away if what it was about to be given is gone. Nobody waits for another workspace's.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use parking_lot::{Condvar, Mutex};
use serde_json::json;

use super::{Author, ChangeError, Host};
use crate::{
    audit::ChangeRecord,
    auth::InstanceCaller,
    change::{Edit, ResourceEdit},
    control::{Control, ControlError},
    entropy::fresh,
    generation::Served,
    id::{DeploymentId, EnvironmentName, ServiceId, Uid, UnixSeconds, ValueId, WorkspaceId},
    lease::{
        Book, COUNTED, Counter, Counters, CredentialVersion, Full, Held, HeldKey, Holders, Lease, LeaseId,
        ended, reserved,
    },
    made::Made,
    state::Alteration,
    system,
};

/// The leases of a host.
pub struct Leases {
    book: Mutex<Book>,
    /// The workspace of which a version is being revoked; one at a time.
    shut: Mutex<Option<WorkspaceId>>,
    /// Told when it is not any more.
    opened: Condvar,
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

/// A boot that is about to be answered.
pub struct Holding<'a> {
    /// Who boots.
    pub caller: &'a InstanceCaller<'a>,
    /// What it is given.
    pub held: &'a Arc<[Held]>,
    /// What counts that.
    pub counters: &'a Counters,
    /// What the instance calls itself.
    pub instance: Option<&'a str>,
    /// For how long it asks for a lease.
    pub seconds: Option<u32>,
    /// [`Leases::epoch`], from before it was decided.
    pub epoch: u64,
    /// Now.
    pub now: UnixSeconds,
}

/// Why a boot is not answered.
#[derive(Debug, thiserror::Error)]
pub enum Unheld {
    /// What it was about to be given was revoked meanwhile.
    #[error("a version that this boot was about to be given was revoked just now; try again")]
    Revoked,
    /// Nobody would know of it.
    #[error("this host cannot record which versions it hands out now, so it hands out none")]
    Unrecorded(#[from] ControlError),
}

/// The right to revoke versions: as long as this is there, no boot is answered that has not been seen.
pub(super) struct Revoking<'a> {
    leases: &'a Leases,
}

impl Drop for Revoking<'_> {
    fn drop(&mut self) {
        let mut shut = self.leases.shut.lock();
        self.leases.epoch.fetch_add(1, SeqCst);
        *shut = None;
        self.leases.opened.notify_all();
    }
}

impl Leases {
    pub(super) fn new(book: Book, control: Arc<Control>) -> Self {
        Self {
            book: Mutex::new(book),
            shut: Mutex::default(),
            opened: Condvar::new(),
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
        let mut shut = self.shut.lock();
        self.opened.wait_while(&mut shut, |shut| shut.is_some());
        *shut = Some(workspace.clone());
        self.epoch.fetch_add(1, SeqCst);
        Revoking { leases: self }
    }

    /// Waits for the revocation that is under way in a workspace, if one is.
    fn pass(&self, workspace: &WorkspaceId) {
        let mut shut = self.shut.lock();
        self.opened.wait_while(&mut shut, |shut| shut.as_ref() == Some(workspace));
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

/// What a boot leaves to a thread that may block.
struct Entry {
    workspace: WorkspaceId,
    deployment: DeploymentId,
    environment: EnvironmentName,
    held: Arc<[Held]>,
    lease: Option<Lease>,
    /// The bounds that have to be durable, where no lease is wanted.
    bounds: Vec<(ValueId, Arc<Counter>, u64)>,
    epoch: u64,
}

impl Host {
    /// Enters a boot among the holders of what it is about to be given, durably: by a lease, if it asks for
    /// one and there is room, and else by a count.
    ///
    /// # Errors
    /// When it may not be answered.
    pub async fn hold_boot(self: &Arc<Self>, boot: Holding<'_>) -> Result<Option<Lease>, Unheld> {
        let mut bounds = Vec::new();
        if boot.seconds.is_none() {
            bounds = self.count(&boot);
            if bounds.is_empty() && (boot.held.is_empty() || self.leases.is_same(boot.epoch)) {
                return Ok(None);
            }
        }
        let (served, plan) = (boot.caller.served, &boot.caller.prepared.plan);
        let lease = boot.seconds.map(|seconds| Lease {
            id: Uid(fresh(&mut system::entropy)),
            deployment: plan.deployment.clone(),
            environment: plan.environment.name.clone(),
            instance: boot.instance.map(str::to_owned),
            principal: boot.caller.token.principal.clone(),
            since: boot.now,
            seconds,
            deadline: UnixSeconds(boot.now.0.saturating_add(seconds.into())),
            held: Arc::clone(boot.held),
        });
        let entry = Entry {
            workspace: served.snapshot.configuration.workspace.clone(),
            deployment: plan.deployment.clone(),
            environment: plan.environment.name.clone(),
            held: Arc::clone(boot.held),
            lease,
            bounds,
            epoch: boot.epoch,
        };
        let host = Arc::clone(self);
        let entered = tokio::task::spawn_blocking(move || host.enter(entry)).await;
        match entered {
            Ok(Err(Unheld::Unrecorded(error))) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a boot could not be entered among the holders of what it was given"
                );
                Err(error.into())
            }
            Ok(Ok(Some(lease))) => Ok(Some(lease)),
            // There was no room: it is counted in place of that.
            Ok(Ok(None)) if boot.seconds.is_some() => {
                self.metrics.lease_refusals.inc();
                Box::pin(self.hold_boot(Holding { seconds: None, ..boot })).await
            }
            Ok(other) => other,
            Err(_) => Err(Unheld::Revoked),
        }
    }

    /// Counts a boot without a lease; gives the bounds that have to be durable first.
    fn count(self: &Arc<Self>, boot: &Holding<'_>) -> Vec<(ValueId, Arc<Counter>, u64)> {
        if boot.held.is_empty() {
            return Vec::new();
        }
        let counters = boot.counters.get_or_init(|| {
            let served = boot.caller.served;
            let workspace = &served.snapshot.configuration.workspace;
            let mut book = self.leases.book.lock();
            if book.counted(workspace) >= COUNTED {
                self.leases.later(forget_gone(&mut book, workspace, served));
            }
            // A directory's values are not revoked here, nor are its services' credentials replaced.
            let may_go = |key: &HeldKey| match key {
                HeldKey::Value(key) => served.made.values.contains_key(key),
                HeldKey::Credential(service, ..) => {
                    served.made.resources.contains_key(&crate::made::ResourceKey::Service(service.clone()))
                }
            };
            let (counters, gone) =
                book.counters(workspace, boot.held.iter().filter(|held| may_go(&held.key)));
            self.leases.later(gone);
            counters
        });
        let workspace = &boot.caller.served.snapshot.configuration.workspace;
        let (mut bounds, mut behind) = (Vec::new(), Vec::new());
        for (id, counter) in counters {
            let Some(bound) = counter.add() else { continue };
            if counter.credential.is_none() {
                bounds.push((*id, Arc::clone(counter), bound));
                continue;
            }
            // Written behind the boot: one that needs nothing of the ledger goes on without it. Nothing is
            // revoked on this count alone.
            counter.reserved(bound);
            behind.push(reserved(workspace, *id, counter, bound));
        }
        if !behind.is_empty() {
            let host = Arc::clone(self);
            tokio::task::spawn_blocking(move || {
                if let Err(error) = host.told_by_ledger(host.leases.settle(behind)) {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "boots without a lease are counted in memory alone");
                }
            });
        }
        bounds
    }

    /// Makes the entry durable, and waits for a revocation that is under way. None where a lease was asked
    /// for and there is no room.
    fn enter(&self, entry: Entry) -> Result<Option<Lease>, Unheld> {
        let Entry { workspace, deployment, environment, held, lease, bounds, epoch } = entry;
        if let Some(lease) = lease.clone() {
            let id = lease.id;
            let record = match self.leases.book.lock().grant(&workspace, lease) {
                Ok(record) => record,
                Err(Full) => return Ok(None),
            };
            let settled = self.told_by_ledger(self.leases.settle(vec![record]));
            if let Err(error) = settled {
                let ended = self.leases.book.lock().end(&workspace, id);
                self.leases.later(ended.map(|(_, record)| record).into_iter().collect());
                return Err(error.into());
            }
        }
        if !bounds.is_empty() {
            let records =
                bounds.iter().map(|(id, counter, bound)| reserved(&workspace, *id, counter, *bound));
            self.told_by_ledger(self.leases.settle(records.collect()))?;
            bounds.iter().for_each(|(_, counter, bound)| counter.reserved(*bound));
        }
        if self.leases.is_same(epoch) {
            return Ok(lease);
        }
        self.leases.pass(&workspace);
        let live = self.store.load_full();
        let served = live.workspace(&workspace);
        let prepared = served.and_then(|served| served.prepared(&deployment, &environment));
        if prepared.is_some_and(|prepared| held.iter().all(|held| prepared.plan.has_version(held.id))) {
            return Ok(lease);
        }
        if let Some(lease) = lease {
            self.end(&workspace, lease.id);
        }
        Err(Unheld::Revoked)
    }

    /// Whether `edits` take away what boots are given: a version, or a service's credential. Whoever looks for
    /// its holders after that finds all of them.
    pub(super) fn is_revoked_by(&self, edits: &[Edit]) -> bool {
        edits.iter().any(|edit| match edit {
            Edit::RevokeVersion { .. } => true,
            Edit::Resource(ResourceEdit::PutService(change)) => change.has_another_credential(),
            _ => false,
        })
    }

    /// Who holds the versions that `edits` revoke.
    pub(super) fn holders_of(
        &self,
        workspace: &WorkspaceId,
        made: &Made,
        edits: &[Edit],
    ) -> BTreeMap<ValueId, Holders> {
        let book = self.leases.book.lock();
        revoked(made, edits).map(|id| (id, book.holders(workspace, id))).collect()
    }

    /// Forgets the counts of versions that were revoked, and of credentials whose instances went.
    pub(super) fn forget_revoked(&self, workspace: &WorkspaceId, before: &Made, edits: &[Edit]) {
        let revoked: BTreeSet<_> = revoked(before, edits).collect();
        let live = self.store.load_full();
        let Some(served) = live.workspace(workspace) else { return };
        let forgotten = self.leases.book.lock().forget_counts(workspace, |id, credential| {
            revoked.contains(&id) || credential.is_some_and(|of| is_instance_gone(served, of))
        });
        self.leases.later(forgotten);
    }

    /// Shows how many leases there are, and how many are lost.
    pub fn note_leases(&self) {
        let now = self.clock.now();
        for workspace in self.store.load().workspaces().keys() {
            let (all, lost) = self.leases.sizes(workspace, now);
            self.metrics.set_leases(workspace.as_str(), all, lost);
        }
    }

    /// A lease, if it is of the pair that `caller` boots.
    fn lease_of(&self, caller: &InstanceCaller<'_>, id: LeaseId) -> Option<WorkspaceId> {
        let plan = &caller.prepared.plan;
        let workspace = &caller.served.snapshot.configuration.workspace;
        let book = self.leases.book.lock();
        let lease = book.lease(workspace, id)?;
        let is_own = lease.deployment == plan.deployment && lease.environment == plan.environment.name;
        is_own.then(|| workspace.clone())
    }

    /// Gives a lease its whole time again. That is not written down: a start does the same for all.
    pub fn renew_lease(&self, caller: &InstanceCaller<'_>, id: LeaseId, now: UnixSeconds) -> Option<Lease> {
        let workspace = self.lease_of(caller, id)?;
        self.leases.book.lock().renew(&workspace, id, now).cloned()
    }

    /// Ends a lease, because the instance says that it is over; whether there was one. May block.
    pub fn end_lease(&self, workspace: &WorkspaceId, id: LeaseId) -> bool {
        self.end(workspace, id)
    }

    /// The workspace of a lease that `caller` may end.
    #[must_use]
    pub fn own_lease(&self, caller: &InstanceCaller<'_>, id: LeaseId) -> Option<WorkspaceId> {
        self.lease_of(caller, id)
    }

    /// Ends a lease of a boot that was not answered in the end.
    pub fn forsake_lease(&self, caller: &InstanceCaller<'_>, id: LeaseId) {
        let workspace = &caller.served.snapshot.configuration.workspace;
        let ended = self.leases.book.lock().end(workspace, id);
        self.leases.later(ended.map(|(_, record)| record).into_iter().collect());
    }

    /// What cannot be written down now is written with what comes next; should that be lost, a lease is one
    /// that was lost, and nothing is revoked too early.
    fn end(&self, workspace: &WorkspaceId, id: LeaseId) -> bool {
        let Some((_, record)) = self.leases.book.lock().end(workspace, id) else { return false };
        if let Err(error) = self.told_by_ledger(self.leases.settle(vec![record])) {
            tracing::warn!(error = &error as &dyn std::error::Error, "the end of a lease is not durable yet");
        }
        true
    }

    /// Ends a lease because somebody vouches that its instance is gone.
    ///
    /// # Errors
    /// When there is none of that deployment, or it cannot be made durable and recorded.
    pub fn report_gone(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        id: LeaseId,
        may: impl Fn(&Lease) -> bool,
    ) -> Result<Lease, ChangeError> {
        let mut writer = self.writer.lock();
        self.still_works(author, &writer.state)?;
        let now = self.clock.now();
        let found = self.leases.book.lock().lease(workspace, id).filter(|lease| may(lease)).cloned();
        let lease = found.ok_or(ChangeError::Unknown)?;
        let details = json!({
            "workspace": workspace.as_str(), "lease": id.to_string(),
            "deployments": [lease.deployment.as_str()], "environments": [lease.environment.as_str()],
            "instance": lease.instance, "since": lease.since.0, "lost": lease.is_lost(now),
            "reported": "gone",
        });
        let principal = author.principal();
        let record = ChangeRecord { at: now, kind: "lease", outcome: "done", principal, details };
        // Its grant is durable by now, or will be before this.
        self.told_by_ledger(self.leases.settle(Vec::new()))?;
        self.write_noted(&mut writer, author, vec![ended(workspace, id)], Vec::new(), &record)?;
        self.leases.book.lock().end(workspace, id);
        Ok(lease)
    }
}

/// The stored values of the versions that `edits` revoke.
fn revoked(made: &Made, edits: &[Edit]) -> impl Iterator<Item = ValueId> {
    edits.iter().filter_map(|edit| match edit {
        Edit::RevokeVersion { key, version, .. } => made.stored_version(key, *version).map(|value| value.id),
        _ => None,
    })
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
    use std::{sync::mpsc, thread};

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
        leases.pass(&other);
        let (passed, passes) = mpsc::channel();
        thread::scope(|scope| {
            let (leases, acme) = (&leases, &acme);
            scope.spawn(move || {
                leases.pass(acme);
                passed.send(leases.epoch()).unwrap();
            });
            assert!(passes.try_recv().is_err(), "its own waits");
            drop(revoking);
            assert_eq!(passes.recv().unwrap(), before + 2, "until it is over");
        });
        assert!(leases.is_same(before + 2) && !leases.is_same(before));
    }
}
