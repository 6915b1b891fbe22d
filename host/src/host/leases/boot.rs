//! A boot, entered among the holders of what it is about to be given: by a lease, or by a count.

use std::sync::Arc;

use super::forget_gone;
use crate::{
    auth::InstanceCaller,
    control::ControlError,
    entropy::fresh,
    host::Host,
    id::{DeploymentId, EnvironmentName, Uid, UnixSeconds, ValueId, WorkspaceId},
    lease::{COUNTED, Counter, Counters, Full, Held, HeldKey, Lease, reserved},
    made::ResourceKey,
    system,
};

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
                    served.made.resources.contains_key(&ResourceKey::Service(service.clone()))
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
            self.end_lease(&workspace, lease.id);
        }
        Err(Unheld::Revoked)
    }
}
