//! A boot, entered among the holders of what it is about to be given: by a lease, or by a count.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::{
    auth::InstanceCaller,
    control::ControlError,
    entropy::fresh,
    host::Host,
    id::{Uid, UnixSeconds, ValueId, WorkspaceId},
    lease::{Counter, Counters, Held, HeldKey, Lease, reserved},
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
    /// [`super::Leases::epoch`], from before it was decided.
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
    /// The host failed in the middle of it.
    #[error("this host was interrupted while it recorded which versions it hands out; try again")]
    Interrupted,
    /// Nobody would know of it.
    #[error("this host cannot record which versions it hands out now, so it hands out none")]
    Unrecorded(#[from] ControlError),
}

impl Host {
    /// Enters a boot among the holders of what it is about to be given, durably: by a lease, if it asks for
    /// one and there is room, and else by a count.
    ///
    /// # Errors
    /// When it may not be answered.
    pub async fn hold_boot(self: &Arc<Self>, boot: Holding<'_>) -> Result<Option<Lease>, Unheld> {
        let lease = match boot.seconds {
            Some(seconds) => self.granted(&boot, seconds).await.inspect_err(told)?,
            None => None,
        };
        if lease.is_none() {
            if boot.seconds.is_some() {
                // There was no room: it is counted in place of that.
                self.metrics.lease_refusals.inc();
            }
            self.counted(&boot).await.inspect_err(told)?;
        }
        if boot.held.is_empty() || self.leases.is_same(boot.epoch) {
            return Ok(lease);
        }
        let plan = &boot.caller.prepared.plan;
        let workspace = &boot.caller.served.snapshot.configuration.workspace;
        self.leases.pass(workspace).await;
        let live = self.store.load_full();
        let served = live.workspace(workspace);
        let prepared = served.and_then(|served| served.prepared(&plan.deployment, &plan.environment.name));
        if prepared.is_some_and(|prepared| boot.held.iter().all(|held| prepared.plan.has_version(held.id))) {
            return Ok(lease);
        }
        if let Some(lease) = lease {
            self.forsake_lease(boot.caller, lease.id);
        }
        Err(Unheld::Revoked)
    }

    /// A lease, durable; none where there is no room for one.
    async fn granted(self: &Arc<Self>, boot: &Holding<'_>, seconds: u32) -> Result<Option<Lease>, Unheld> {
        let plan = &boot.caller.prepared.plan;
        let lease = Lease {
            id: Uid(fresh(&mut system::entropy)),
            deployment: plan.deployment.clone(),
            environment: plan.environment.name.clone(),
            instance: boot.instance.map(str::to_owned),
            principal: boot.caller.token.principal.clone(),
            since: boot.now,
            seconds,
            deadline: UnixSeconds(boot.now.0.saturating_add(seconds.into())),
            held: Arc::clone(boot.held),
        };
        let workspace = boot.caller.served.snapshot.configuration.workspace.clone();
        let (host, (answer, granted)) = (Arc::clone(self), oneshot::channel());
        tokio::task::spawn_blocking(move || {
            // Whoever asked may have hung up: nobody would ever end it.
            if let Err(Ok(Some(lease))) = answer.send(host.grant(&workspace, lease)) {
                host.end_lease(&workspace, lease.id);
            }
        });
        granted.await.unwrap_or(Err(Unheld::Interrupted))
    }

    fn grant(&self, workspace: &WorkspaceId, lease: Lease) -> Result<Option<Lease>, Unheld> {
        let id = lease.id;
        let granted = self.leases.book.lock().grant(workspace, lease.clone());
        let Ok(record) = granted else { return Ok(None) };
        let name = record.name().to_owned();
        if let Err(error) = self.told_by_ledger(self.leases.settle(vec![record])) {
            // Should it be durable all the same, a start finds it: one that was lost.
            self.leases.book.lock().end(workspace, id);
            self.leases.never_mind(&name);
            return Err(error.into());
        }
        Ok(Some(lease))
    }

    /// Counts a boot without a lease, durably where that matters.
    async fn counted(self: &Arc<Self>, boot: &Holding<'_>) -> Result<(), Unheld> {
        let bounds = self.count(boot);
        if bounds.is_empty() {
            return Ok(());
        }
        let host = Arc::clone(self);
        let workspace = boot.caller.served.snapshot.configuration.workspace.clone();
        let settled = tokio::task::spawn_blocking(move || {
            let records =
                bounds.iter().map(|(id, counter, bound)| reserved(&workspace, *id, counter, *bound));
            host.told_by_ledger(host.leases.settle(records.collect()))?;
            bounds.iter().for_each(|(_, counter, bound)| counter.reserved(*bound));
            Ok(())
        });
        settled.await.unwrap_or(Err(Unheld::Interrupted))
    }

    /// Counts a boot without a lease; gives the bounds that have to be durable first.
    fn count(self: &Arc<Self>, boot: &Holding<'_>) -> Vec<(ValueId, Arc<Counter>, u64)> {
        if boot.held.is_empty() {
            return Vec::new();
        }
        let served = boot.caller.served;
        let workspace = &served.snapshot.configuration.workspace;
        let counters = boot.counters.get_or_init(|| {
            // A directory's values are not revoked here, nor are its services' credentials replaced.
            let may_go = |held: &&Held| match &held.key {
                HeldKey::Value(key) => served.made.stored_version(key, held.version).is_some(),
                HeldKey::Credential(service, ..) => {
                    served.made.resources.contains_key(&ResourceKey::Service(service.clone()))
                }
            };
            let mut book = self.leases.book.lock();
            let (counters, gone) = book.counters(workspace, boot.held.iter().filter(may_go));
            self.leases.later(gone);
            counters
        });
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
}

fn told(unheld: &Unheld) {
    if let Unheld::Unrecorded(error) = unheld {
        let error = error as &dyn std::error::Error;
        tracing::error!(error, "a boot could not be entered among the holders of what it was given");
    }
}
