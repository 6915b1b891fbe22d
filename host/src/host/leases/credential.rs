//! What still counts on older versions of a service's credential, besides leases: boots that held none, and
//! what is pinned.

use std::collections::BTreeMap;

use serde_json::json;

use crate::{
    audit::ChangeRecord,
    change::Pair,
    generation::Served,
    host::{Author, ChangeError, Host},
    id::{EnvironmentName, ServiceId, WorkspaceId},
    lease::{HeldKey, uncounted},
    permit::handed_out,
};

/// Boots that are not counted any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The versions that they were given, in order.
    pub versions: Vec<u64>,
    /// How many, no fewer than there were.
    pub boots: u64,
}

impl Served {
    /// The version of the credential of a service's instance that is in use, if it has one; none where there is no
    /// such instance.
    fn current_credential(&self, (service, owner): (&ServiceId, &EnvironmentName)) -> Option<Option<u64>> {
        let instance = self.snapshot.configuration.services.get(service)?.instances.get(owner)?;
        Some((!instance.credential.is_empty()).then_some(instance.current))
    }

    /// What is pinned to a set with an older version of the credential of a service's instance, by version: it
    /// boots with that until it is unpinned.
    #[must_use]
    pub fn pinned_with(&self, (service, owner): (&ServiceId, &EnvironmentName)) -> BTreeMap<u64, Vec<Pair>> {
        let current = self.current_credential((service, owner)).flatten();
        let mut found: BTreeMap<u64, Vec<Pair>> = BTreeMap::new();
        for pair in self.sets.keys() {
            let Some(prepared) = self.prepared(&pair.0, &pair.1) else { continue };
            let held = handed_out(&prepared.plan).find(|held| match &held.key {
                HeldKey::Credential(id, of) => id == service && of == owner,
                HeldKey::Value(_) => false,
            });
            if let Some(version) = held.map(|held| held.version).filter(|version| Some(*version) != current) {
                found.entry(version).or_default().push(pair.clone());
            }
        }
        found
    }
}

impl Host {
    /// Counts boots without a lease no more that were given older versions of the credential of a service's
    /// instance: somebody vouches that none of them runs. The log is told.
    ///
    /// # Errors
    /// When there is no such instance, when something pinned is given such a version, or it cannot be made
    /// durable and recorded.
    pub fn accept_unproven(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        (service, owner): (&ServiceId, &EnvironmentName),
    ) -> Result<Accepted, ChangeError> {
        // A boot that was decided before looks again, and is given no older version after this.
        let _workshop = self.workshop.lock();
        let _revoking = self.leases.revoking(workspace);
        let mut writer = self.writer.lock();
        self.still_works(author, &writer.state)?;
        let live = self.store.load_full();
        let served = live.workspace(workspace).ok_or(ChangeError::Unknown)?;
        let current = served.current_credential((service, owner)).ok_or(ChangeError::Unknown)?;
        if let Some((version, pairs)) = served.pinned_with((service, owner)).first_key_value() {
            let (deployment, environment) = &pairs[0];
            let reason = format!(
                "{deployment} in {environment} is pinned to a set that has version {version} of the credential of \
                 {service} in {owner}, and boots with that; unpin it first"
            );
            return Err(ChangeError::NotNow { reason, current: None });
        }
        let mut counted = self.leases.book.lock().counted_of_credential(workspace, (service, owner));
        counted.retain(|one| Some(one.version) != current && one.boots > 0);
        if counted.is_empty() {
            return Ok(Accepted::default());
        }
        counted.sort_unstable_by_key(|one| one.version);
        let accepted = Accepted {
            versions: counted.iter().map(|one| one.version).collect(),
            boots: counted.iter().map(|one| one.boots).sum(),
        };
        let details = json!({
            "workspace": workspace.as_str(), "service": service.as_str(), "environments": [owner.as_str()],
            "versions": accepted.versions, "accepted_unproven": accepted.boots,
        });
        let (at, principal) = (self.clock.now(), author.principal());
        let record = ChangeRecord { at, kind: "lease", outcome: "done", principal, details };
        // What was counted is durable by now, or will be before this.
        self.told_by_ledger(self.leases.settle(Vec::new()))?;
        let records = counted.iter().map(|one| uncounted(workspace, one.id)).collect();
        self.write_noted(&mut writer, author, records, Vec::new(), &record)?;
        drop(
            self.leases.book.lock().forget_counts(workspace, |id, _| counted.iter().any(|one| one.id == id)),
        );
        Ok(accepted)
    }
}
