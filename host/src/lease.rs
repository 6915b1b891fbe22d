//! Boot leases: which versions of which secrets an instance was given, for as long as it runs. Who revokes
//! a version asks here who still holds it.
//!
//! A lease that is not renewed in time is lost, and counts on: that a host heard nothing of an instance does
//! not say that it is gone. A boot without a lease is *unproven*: nobody will ever know when it ended, so
//! that it is counted for each version that it was given, and the count only goes with the version.
//!
//! No IO: records come in and go out, and so does the time. Deadlines are not among them. After a start
//! every lease has its whole time again: a host that was away could not be told of a renewal.

mod count;
mod wire;

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

pub use count::{Counter, CredentialVersion, MAX_COUNT};
pub use wire::LeaseError;

use crate::{
    id::{DeploymentId, EnvironmentName, ServiceId, Uid, UnixSeconds, ValueId, WorkspaceId},
    made::ValueKey,
    state::Alteration,
};

/// The shortest time that a lease is given, in seconds.
pub const MIN_SECONDS: u32 = 10;
/// The longest, in seconds: a day.
pub const MAX_SECONDS: u32 = 86_400;
/// The most leases of one deployment in one environment.
pub const MAX_OF_PAIR: usize = 2_000;
/// The most leases of a workspace.
pub const MAX_OF_WORKSPACE: usize = 10_000;
/// How many versions of a workspace boots are counted of before those that are gone are looked for.
pub const COUNTED: usize = 4_096;

/// How many versions of one credential boots are counted of: the newest.
pub const COUNTED_OF_CREDENTIAL: usize = 8;

/// What counts the boots without a lease that are given the versions of one grant; found at the first.
pub type Counters = OnceLock<Counted>;
/// What counts each version.
pub type Counted = Box<[(ValueId, Arc<Counter>)]>;

/// A lease's random name.
pub type LeaseId = Uid;

/// What a boot is given a version of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeldKey {
    /// A secret.
    Value(ValueKey),
    /// The credential of a service's instance, by the environment that owns it: part of a binding's URL.
    Credential(ServiceId, EnvironmentName),
}

/// A version of a secret that a boot was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Of what.
    pub key: HeldKey,
    /// Its version.
    pub version: u64,
    /// Names that very version, whatever else has its name and number some day.
    pub id: ValueId,
}

/// One instance's lease.
#[derive(Debug, Clone, PartialEq)]
pub struct Lease {
    /// Its name.
    pub id: LeaseId,
    /// The deployment that booted.
    pub deployment: DeploymentId,
    /// Where.
    pub environment: EnvironmentName,
    /// What the instance calls itself.
    pub instance: Option<String>,
    /// Whose token it booted with.
    pub principal: String,
    /// When it booted.
    pub since: UnixSeconds,
    /// How long it lasts without being renewed.
    pub seconds: u32,
    /// When it is lost.
    pub deadline: UnixSeconds,
    /// What it was given.
    pub held: Arc<[Held]>,
}

impl Lease {
    /// `live` or `lost`.
    #[must_use]
    pub fn state(&self, now: UnixSeconds) -> &'static str {
        if self.is_lost(now) { "lost" } else { "live" }
    }

    /// Whether it was not renewed in time.
    #[must_use]
    pub fn is_lost(&self, now: UnixSeconds) -> bool {
        self.deadline <= now
    }
}

/// There are as many leases as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// Who counts on a version.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Holders {
    /// The leases, the oldest first.
    pub leases: Vec<Lease>,
    /// How many boots without a lease were given it: no fewer than there were, up to [`MAX_COUNT`].
    pub unproven: u64,
}

/// A version that boots without a lease are counted of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountedVersion {
    /// Its number.
    pub version: u64,
    /// Its name.
    pub id: ValueId,
    /// How many boots, no fewer than there were.
    pub boots: u64,
}

impl Holders {
    /// How many of the leases are lost.
    #[must_use]
    pub fn lost(&self, now: UnixSeconds) -> usize {
        self.leases.iter().filter(|lease| lease.is_lost(now)).count()
    }
}

/// The leases of a workspace.
#[derive(Default)]
struct Leases {
    all: BTreeMap<LeaseId, Lease>,
    of_pair: BTreeMap<(DeploymentId, EnvironmentName), usize>,
    unproven: BTreeMap<ValueId, Arc<Counter>>,
}

/// The leases of every workspace.
#[derive(Default)]
pub struct Book(BTreeMap<WorkspaceId, Leases>);

impl Book {
    /// What `records` say of `workspace`; all leases have their whole time from `now` on.
    ///
    /// # Errors
    /// When a record is none.
    pub fn read(
        &mut self,
        workspace: &WorkspaceId,
        records: &BTreeMap<String, Vec<u8>>,
        now: UnixSeconds,
    ) -> Result<(), LeaseError> {
        let mut leases = Leases::default();
        for lease in wire::leases(workspace, records, now)? {
            leases.add(lease);
        }
        leases.unproven = wire::counters(workspace, records)?;
        self.0.insert(workspace.clone(), leases);
        Ok(())
    }

    /// Takes over all that `other` has of a workspace, in place of what there was.
    pub fn take_in(&mut self, workspace: &WorkspaceId, mut other: Self) {
        self.0.insert(workspace.clone(), other.0.remove(workspace).unwrap_or_default());
    }

    /// Adds a lease; gives the record that makes it durable.
    ///
    /// # Errors
    /// When there is no room for it.
    pub fn grant(&mut self, workspace: &WorkspaceId, lease: Lease) -> Result<Alteration, Full> {
        let leases = self.0.entry(workspace.clone()).or_default();
        let of_pair = leases.of_pair.get(&pair(&lease)).copied().unwrap_or_default();
        if leases.all.len() >= MAX_OF_WORKSPACE || of_pair >= MAX_OF_PAIR {
            return Err(Full);
        }
        let record = wire::put(workspace, &lease);
        leases.add(lease);
        Ok(record)
    }

    /// A lease.
    #[must_use]
    pub fn lease(&self, workspace: &WorkspaceId, id: LeaseId) -> Option<&Lease> {
        self.0.get(workspace)?.all.get(&id)
    }

    /// Gives a lease its whole time again, also one that was lost.
    pub fn renew(&mut self, workspace: &WorkspaceId, id: LeaseId, now: UnixSeconds) -> Option<&Lease> {
        let lease = self.0.get_mut(workspace)?.all.get_mut(&id)?;
        lease.deadline = UnixSeconds(now.0.saturating_add(lease.seconds.into()));
        Some(lease)
    }

    /// Ends a lease; gives it, and what makes that durable.
    pub fn end(&mut self, workspace: &WorkspaceId, id: LeaseId) -> Option<(Lease, Alteration)> {
        let leases = self.0.get_mut(workspace)?;
        let lease = leases.all.remove(&id)?;
        let pair = pair(&lease);
        match leases.of_pair.get_mut(&pair) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(leases.of_pair.remove(&pair)),
        }
        Some((lease, wire::delete(workspace, id)))
    }

    /// The leases of a deployment, the oldest first.
    #[must_use]
    pub fn of_deployment(&self, workspace: &WorkspaceId, deployment: &DeploymentId) -> Vec<Lease> {
        let all = self.0.get(workspace).into_iter().flat_map(|leases| leases.all.values());
        sorted(all.filter(|lease| lease.deployment == *deployment))
    }

    /// Who counts on a version.
    #[must_use]
    pub fn holders(&self, workspace: &WorkspaceId, id: ValueId) -> Holders {
        let Some(leases) = self.0.get(workspace) else { return Holders::default() };
        let holds = |lease: &&Lease| lease.held.iter().any(|held| held.id == id);
        Holders {
            leases: sorted(leases.all.values().filter(holds)),
            unproven: leases.unproven.get(&id).map_or(0, |counter| counter.count()),
        }
    }

    /// Who counts on which versions of the credential of a service's instance, the oldest first.
    #[must_use]
    pub fn of_credential(
        &self,
        workspace: &WorkspaceId,
        (service, owner): (&ServiceId, &EnvironmentName),
    ) -> BTreeMap<u64, Holders> {
        let mut by_version: BTreeMap<u64, Holders> = BTreeMap::new();
        let is_it = |key: &HeldKey| matches!(key, HeldKey::Credential(id, environment) if id == service && environment == owner);
        let all = self.0.get(workspace).into_iter().flat_map(|leases| leases.all.values());
        for lease in sorted(all) {
            let version = lease.held.iter().find(|held| is_it(&held.key)).map(|held| held.version);
            if let Some(version) = version {
                by_version.entry(version).or_default().leases.push(lease);
            }
        }
        for counted in self.counted_of_credential(workspace, (service, owner)) {
            by_version.entry(counted.version).or_default().unproven += counted.boots;
        }
        by_version
    }

    /// The versions of the credential of a service's instance that boots without a lease are counted of.
    #[must_use]
    pub fn counted_of_credential(
        &self,
        workspace: &WorkspaceId,
        (service, owner): (&ServiceId, &EnvironmentName),
    ) -> Vec<CountedVersion> {
        let Some(leases) = self.0.get(workspace) else { return Vec::new() };
        let counted = leases.counted_of(service, owner);
        counted.map(|(version, id, counter)| CountedVersion { version, id, boots: counter.count() }).collect()
    }

    /// What counts the boots without a lease that are given these versions; and what makes durable that the oldest
    /// of a credential make room.
    pub fn counters<'a>(
        &mut self,
        workspace: &WorkspaceId,
        held: impl Iterator<Item = &'a Held>,
    ) -> (Counted, Vec<Alteration>) {
        let leases = self.0.entry(workspace.clone()).or_default();
        let counters: Box<_> = held.map(|held| (held.id, leases.counter(held))).collect();
        let credentials = counters.iter().filter_map(|(_, counter)| counter.credential.as_ref());
        let gone: Vec<_> = credentials.flat_map(|of| leases.make_room(of)).collect();
        (counters, gone.into_iter().map(|id| wire::uncounted(workspace, id)).collect())
    }

    /// Forgets the counts of versions that are gone; gives what makes that durable.
    pub fn forget_counts(
        &mut self,
        workspace: &WorkspaceId,
        is_gone: impl Fn(ValueId, Option<&CredentialVersion>) -> bool,
    ) -> Vec<Alteration> {
        let Some(leases) = self.0.get_mut(workspace) else { return Vec::new() };
        let gone = leases.unproven.iter().filter(|(id, counter)| is_gone(**id, counter.credential.as_ref()));
        let gone: Vec<_> = gone.map(|(id, _)| *id).collect();
        for id in &gone {
            leases.unproven.remove(id);
        }
        gone.into_iter().map(|id| wire::uncounted(workspace, id)).collect()
    }

    /// How many versions of a workspace boots are counted of.
    #[must_use]
    pub fn counted(&self, workspace: &WorkspaceId) -> usize {
        self.0.get(workspace).map_or(0, |leases| leases.unproven.len())
    }

    /// How many leases a workspace has, and how many of them are lost.
    #[must_use]
    pub fn sizes(&self, workspace: &WorkspaceId, now: UnixSeconds) -> (usize, usize) {
        let Some(leases) = self.0.get(workspace) else { return (0, 0) };
        (leases.all.len(), leases.all.values().filter(|lease| lease.is_lost(now)).count())
    }
}

impl Leases {
    fn add(&mut self, lease: Lease) {
        *self.of_pair.entry(pair(&lease)).or_default() += 1;
        self.all.insert(lease.id, lease);
    }

    fn counter(&mut self, held: &Held) -> Arc<Counter> {
        let made = || {
            let credential = match &held.key {
                HeldKey::Value(_) => None,
                HeldKey::Credential(service, owner) => {
                    let (service, owner) = (service.clone(), owner.clone());
                    Some(CredentialVersion { service, owner, version: held.version })
                }
            };
            Arc::new(Counter::restored(0, credential))
        };
        Arc::clone(self.unproven.entry(held.id).or_insert_with(made))
    }

    /// The counted versions of a credential.
    fn counted_of<'a>(
        &'a self,
        service: &'a ServiceId,
        owner: &'a EnvironmentName,
    ) -> impl Iterator<Item = (u64, ValueId, &'a Counter)> {
        self.unproven.iter().filter_map(move |(id, counter)| {
            let of = counter.credential.as_ref()?;
            (of.service == *service && of.owner == *owner).then_some((of.version, *id, &**counter))
        })
    }

    /// Forgets the oldest versions of a credential that there are too many of.
    fn make_room(&mut self, of: &CredentialVersion) -> Vec<ValueId> {
        let counted = self.counted_of(&of.service, &of.owner).map(|(version, id, _)| (version, id));
        let mut counted: Vec<_> = counted.collect();
        counted.sort_unstable_by_key(|(version, _)| *version);
        let many = counted.len().saturating_sub(COUNTED_OF_CREDENTIAL);
        let gone: Vec<_> = counted.into_iter().take(many).map(|(_, id)| id).collect();
        for id in &gone {
            self.unproven.remove(id);
        }
        gone
    }
}

/// What makes durable that a lease has ended.
#[must_use]
pub fn ended(workspace: &WorkspaceId, id: LeaseId) -> Alteration {
    wire::delete(workspace, id)
}

/// What makes durable that a version's boots are not counted any more.
#[must_use]
pub fn uncounted(workspace: &WorkspaceId, id: ValueId) -> Alteration {
    wire::uncounted(workspace, id)
}

/// The record of how far a version's boots may be counted without another one.
#[must_use]
pub fn reserved(workspace: &WorkspaceId, id: ValueId, counter: &Counter, count: u64) -> Alteration {
    wire::counted(workspace, id, counter, count)
}

fn pair(lease: &Lease) -> (DeploymentId, EnvironmentName) {
    (lease.deployment.clone(), lease.environment.clone())
}

fn sorted<'a>(leases: impl Iterator<Item = &'a Lease>) -> Vec<Lease> {
    let mut sorted: Vec<_> = leases.cloned().collect();
    sorted.sort_by_key(|lease| (lease.since, lease.id));
    sorted
}

#[cfg(test)]
mod tests;
