//! A boot of the audit log is run again: planned from what its revision was made of, its policies asked
//! what they were asked then, and the digests of all that compared with what was recorded. Policies have no
//! clock and no randomness, so that they are equal, or something is not what it was.

use std::sync::Arc;

use super::{
    Host, LookBackError,
    sets::{Policies, policies_of},
};
use crate::{
    audit::RecordedBoot,
    generation::{Decided, Served},
    id::{DeploymentId, EnvironmentName, Revision},
    keyring::Keyring,
    model::{
        Configuration, SealedValue,
        question::{Answer, Resolution},
    },
    permit::settled_identity,
    plan::{Chains, Plan},
    policy::Verdict,
    prepared::Prepared,
};

/// Looks back at policies that are not served any more, at once over all workspaces: each may compile some.
pub(super) const LOOKS_BACK: usize = 2;

/// A boot that was run again.
pub struct Replayed {
    /// What it was answered from.
    pub prepared: Arc<Prepared>,
    /// What the policies said; none where there are none.
    pub verdict: Option<Verdict>,
    /// What it came to. Values whose keys are gone do not open any more.
    pub decided: Decided,
    /// What is not as it was recorded: of `plan`, `policies`, `outcome` and `answer`.
    pub differs: Vec<&'static str>,
}

impl Host {
    /// Runs a recorded boot again. Takes a disk's time, and asks the policies: not for a serving thread
    /// without [`tokio::task::spawn_blocking`] around [`Host::prepared_then`].
    ///
    /// # Errors
    /// When its revision is not kept any more.
    pub async fn replay(
        self: &Arc<Self>,
        boot: RecordedBoot,
    ) -> Result<(RecordedBoot, Replayed), LookBackError> {
        let host = Arc::clone(self);
        let prepared = tokio::task::spawn_blocking(move || host.prepared_then(&boot).map(|one| (boot, one)));
        let (boot, prepared) = prepared.await.map_err(|_| LookBackError::Interrupted)??;
        let live = self.store.load_full();
        let served = live.workspace(&boot.workspace).ok_or(LookBackError::NotKept(boot.revision))?;
        let facts = prepared.chain.vary().narrow(&boot.facts);
        let (verdict, decided) = live.explain(served, &prepared, &facts).await;
        let differs = differences(&boot, &prepared, verdict.as_ref(), &decided);
        Ok((boot, Replayed { prepared, verdict, decided, differs }))
    }

    /// What a recorded boot was answered from, put together again.
    ///
    /// # Errors
    /// As [`Host::replay`].
    pub fn prepared_then(&self, boot: &RecordedBoot) -> Result<Arc<Prepared>, LookBackError> {
        let live = self.store.load_full();
        let served = live.workspace(&boot.workspace).ok_or(LookBackError::NotKept(boot.revision))?;
        self.prepared_at(served, (&boot.deployment, &boot.environment), boot.revision)
    }

    /// A pair as it was at an earlier revision of what is served, put together again. Takes a disk's time.
    ///
    /// # Errors
    /// When that is not kept, or there was no such pair.
    pub fn prepared_at(
        &self,
        served: &Served,
        pair: (&DeploymentId, &EnvironmentName),
        revision: Revision,
    ) -> Result<Arc<Prepared>, LookBackError> {
        let (workspace, uid) = (&served.snapshot.configuration.workspace, served.snapshot.configuration.uid);
        let (mut configuration, release) = self.at_revision((workspace, uid), pair, revision)?;
        let policies = self.policies_then(&mut configuration, served)?;
        let plan = Plan::merge_with(&configuration, &Chains::of(&configuration), pair.0, pair.1, release);
        let plan = plan.map_err(|error| LookBackError::Unplanned(error.to_string()))?;
        let workshop = self.workshop.lock();
        let keyring = Keyring::unwrap(uid, &served.snapshot.keys, &workshop.roots);
        let prepared = workshop.prepare_plan(plan, &policies, &keyring, &self.engine);
        Ok(Arc::new(prepared.map_err(LookBackError::Unplanned)?))
    }

    /// The policies that a pair was asked, loaded. Nobody else's change waits for what has to be compiled
    /// again, and not many are at it at once.
    fn policies_then(
        &self,
        part: &mut Configuration<SealedValue>,
        served: &Served,
    ) -> Result<Policies, LookBackError> {
        let mut place = None;
        let mut component = |digest| {
            if place.is_none() {
                place = Some(self.looking_back.try_acquire().map_err(|_| LookBackError::Busy)?);
            }
            Ok(self.component(digest)?)
        };
        policies_of(part, Some(&*served.policies), &self.uploads, &mut component)
    }
}

fn differences(
    boot: &RecordedBoot,
    prepared: &Prepared,
    verdict: Option<&Verdict>,
    decided: &Decided,
) -> Vec<&'static str> {
    let mut differs = Vec::new();
    if prepared.plan.digest != boot.plan {
        differs.push("plan");
    }
    if prepared.chain.digest() != boot.policies {
        differs.push("policies");
    }
    let none = Resolution::default();
    let resolution = match verdict.map(|verdict| &verdict.answer) {
        Some(Answer::Resolved(resolution)) => Some(resolution),
        Some(Answer::Denied(_)) => None,
        None => Some(&none),
    };
    let answer = resolution.and_then(|resolution| settled_identity(&prepared.plan, resolution).ok());
    let was_answered = matches!(boot.outcome.as_str(), "allowed" | "unchanged");
    let code = decided.as_ref().err().map(|refusal| refusal.code());
    // A value whose key is gone since then does not open: what was chosen is known all the same.
    if was_answered != answer.is_some() || (!was_answered && code != Some(boot.outcome.as_str())) {
        differs.push("outcome");
    }
    if boot.answer.is_some() && boot.answer != answer {
        differs.push("answer");
    }
    differs
}
