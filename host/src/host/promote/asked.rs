//! What is asked for when a promotion is: its ends, its release, and what it would come to.

use std::collections::BTreeSet;

use crate::{
    entropy::fresh,
    generation::Served,
    host::{Author, ChangeError, Host, WAIT_SECONDS},
    id::{DeploymentId, EnvironmentName, UnixSeconds},
    model::{Configuration, SealedValue},
    state::{Promotion, Status},
    system,
};

/// A promotion that is asked for.
#[derive(Debug, Clone)]
pub struct Requested {
    /// Of which deployment.
    pub deployment: DeploymentId,
    /// Which release; none for the one that is active in the source.
    pub release: Option<u64>,
    /// Where from; none for the environment that promotes to the target.
    pub from: Option<EnvironmentName>,
    /// Where to; none for where the source promotes to.
    pub to: Option<EnvironmentName>,
}

impl Requested {
    /// Where from and where to, with what is not said made up from what the deployment uses and who asks sees:
    /// anything else is not there.
    ///
    /// # Errors
    /// When that is nothing, or not one.
    pub fn ends(
        &self,
        configuration: &Configuration<SealedValue>,
        sees: &dyn Fn(&EnvironmentName) -> bool,
    ) -> Result<(Option<EnvironmentName>, EnvironmentName), ChangeError> {
        let one = configuration.deployments.get(&self.deployment).ok_or(ChangeError::Unknown)?;
        let is_there = |name: &EnvironmentName| one.environments.contains_key(name) && sees(name);
        if !self.from.iter().chain(&self.to).all(is_there) {
            return Err(ChangeError::Unknown);
        }
        let next = |name: &EnvironmentName| configuration.environments.get(name)?.promotes_to.clone();
        let invalid = |rule: String| Err(ChangeError::Invalid(vec![rule]));
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => Ok((Some(from.clone()), to.clone())),
            (Some(from), None) => match next(from).filter(is_there) {
                Some(to) => Ok((Some(from.clone()), to)),
                None => invalid(format!("{from} promotes nowhere; name `to`")),
            },
            (None, Some(to)) => {
                let all: Vec<_> = sources(configuration, &one.id, to).collect();
                let mut seen = all.iter().filter(|name| is_there(name));
                match (seen.next(), seen.next()) {
                    (Some(from), None) => Ok((Some((*from).clone()), to.clone())),
                    // The first of its chain.
                    (None, _) if all.is_empty() => Ok((None, to.clone())),
                    _ => invalid(format!("not exactly one environment promotes to {to}; name `from`")),
                }
            }
            (None, None) => invalid("name `to`, the environment that the release goes to".into()),
        }
    }
}

impl Host {
    /// What a promotion would come to with what is served, or was a moment ago.
    ///
    /// # Errors
    /// When it names nothing that there is.
    pub fn try_out(
        &self,
        author: &Author,
        served: &Served,
        requested: &Requested,
    ) -> Result<Promotion, ChangeError> {
        let mut promotion = self.asked_for(author, served, requested)?;
        let (judgement, _) = self.judge(served, &promotion, false)?;
        self.note(&mut promotion, &judgement);
        Ok(promotion)
    }

    /// The promotion that is asked for, with what is not said made up for.
    pub(super) fn asked_for(
        &self,
        author: &Author,
        served: &Served,
        wanted: &Requested,
    ) -> Result<Promotion, ChangeError> {
        let configuration = &served.snapshot.configuration;
        let one = configuration.deployments.get(&wanted.deployment).ok_or(ChangeError::Unknown)?;
        let invalid = |rule: String| ChangeError::Invalid(vec![rule]);
        let (from, to) = wanted.ends(configuration, &|_| true)?;
        let active = from.as_ref().and_then(|from| served.prepared(&one.id, from)?.plan.release.as_ref());
        let release = wanted.release.or(active.map(|release| release.number));
        let release = release.ok_or_else(|| {
            invalid(match &from {
                Some(from) => format!("no release is active in {from}; name one"),
                None => format!("nothing promotes to {to}; name the `release` that is to be active there"),
            })
        })?;
        let now = self.clock.now();
        let suffix: [u8; 5] = fresh(&mut system::entropy);
        Ok(Promotion {
            id: format!("{:010x}{}", now.0, hex::encode(suffix)),
            deployment: (one.id.clone(), one.uid),
            release,
            digest: one.releases.get(&release).map(|release| release.digest.clone()),
            from,
            to,
            by: author.principal().to_owned(),
            bearer: author.bearer(),
            at: now,
            approvals: Vec::new(),
            status: Status::Running,
            since: now,
            reasons: Vec::new(),
            warnings: Vec::new(),
            wanted: Vec::new(),
            retry_at: None,
            until: UnixSeconds(now.0.saturating_add(WAIT_SECONDS)),
            judged: served.snapshot.revision,
            made: None,
            shared: BTreeSet::new(),
        })
    }
}

/// The environments that a deployment uses and that promote to `to`.
pub(super) fn sources<'a>(
    configuration: &'a Configuration<SealedValue>,
    deployment: &DeploymentId,
    to: &'a EnvironmentName,
) -> impl Iterator<Item = &'a EnvironmentName> {
    let uses = configuration.deployments.get(deployment).into_iter().flat_map(|one| one.environments.keys());
    uses.filter(move |name| {
        configuration.environments.get(*name).is_some_and(|one| one.promotes_to.as_ref() == Some(to))
    })
}
