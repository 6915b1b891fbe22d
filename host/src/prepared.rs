//! What is made once for one (deployment, environment), when a generation is prepared, so that a
//! boot has nothing left to merge, plan or render: the plan, its policies' question, and every
//! candidate's finished text, sealed under a key of this process.

use std::{ops::Range, sync::Arc};

use crate::{
    entropy::{Entropy, fresh},
    id::{Digest, VariableName},
    keyring::Keyring,
    model::{SealedValue, question::Resolution},
    permit::{Grant, Refusal},
    plan::{BoundEndpoint, Candidate, Plan, What},
    policy::Chain,
    render,
    seal::{self, Buffer, Capsule, CapsuleKey, OpenReason, capsule_binding, open_capsule, seal_capsule},
    secret::Secret,
};

/// A (deployment, environment), ready to boot.
pub struct Prepared {
    /// The merged layers.
    pub plan: Arc<Plan<SealedValue>>,
    /// The resolve policies, their question prepared.
    pub chain: Arc<Chain>,
    /// Every candidate's text.
    pub values: Values,
    /// What a boot gets where no policy is attached.
    pub unasked: Result<Arc<Grant>, Refusal>,
    /// The answer's JSON up to the revision's number.
    pub body_head: String,
    /// The answer's JSON between the revision's number and the environment.
    pub body_middle: String,
    /// The part of an audit record that names this.
    pub audit_subject: String,
}

impl Prepared {
    /// Opens what `plan` needs and seals it again as finished texts. A value that does not open
    /// refuses the boots that need it, and nothing else.
    ///
    /// # Errors
    /// When all values together do not fit into one capsule.
    pub fn new(
        plan: Plan<SealedValue>,
        chain: Chain,
        keyring: &Keyring,
        key: &CapsuleKey,
        entropy: &mut Entropy<'_>,
    ) -> Result<Self, TooLarge> {
        let values = Values::prepare(&plan, keyring, key, entropy)?;
        let release = plan.release.as_ref().map(|release| release.number);
        let head = serde_json::json!({
            "workspace": plan.workspace.as_str(), "deployment": plan.deployment.as_str(),
            "environment": plan.environment.name.as_str(),
        });
        let head = head.to_string();
        let place = head.trim_matches(['{', '}']);
        let release_json = serde_json::Value::from(release);
        let mut prepared = Self {
            body_head: format!("{{{place},\"release\":{release_json},\"revision\":"),
            body_middle: format!(",\"digest\":\"{}\",\"env\":", plan.digest),
            audit_subject: format!(
                "{place},\"release\":{release_json},\"plan\":\"{}\",\"policies\":\"{}\"",
                plan.digest,
                chain.digest()
            ),
            plan: Arc::new(plan),
            chain: Arc::new(chain),
            values,
            unasked: Err(Refusal::Busy),
        };
        prepared.unasked = Grant::compose(&prepared, &Resolution::default(), key, entropy).map(Arc::new);
        if prepared.unasked.as_ref().err() == Some(&Refusal::TooLarge) { Err(TooLarge) } else { Ok(prepared) }
    }

    /// What a Kubernetes object for this is called: names with `/` as `.`.
    #[must_use]
    pub fn object_name(&self) -> String {
        format!("{}-{}", self.plan.deployment, self.plan.environment.name.as_str().replace(['/', '_'], "."))
    }
}

/// The values of one plan are more than a capsule holds.
#[derive(Debug, thiserror::Error)]
#[error(
    "the values of one deployment in one environment come to more than {} bytes",
    seal::MAX_CAPSULE_BYTES
)]
pub struct TooLarge;

/// Every candidate's text in one capsule. Templates have none: theirs depends on the choices.
pub struct Values {
    capsule: Capsule,
    /// By candidate: where its text is, or none where it did not open.
    spans: Vec<Option<Range<usize>>>,
    /// Names whose value did not open, with the reason.
    pub unopened: Vec<(VariableName, String)>,
}

impl Values {
    fn prepare(
        plan: &Plan<SealedValue>,
        keyring: &Keyring,
        key: &CapsuleKey,
        entropy: &mut Entropy<'_>,
    ) -> Result<Self, TooLarge> {
        let room: usize = plan.candidates.iter().map(room).sum();
        let mut texts = Buffer::with_capacity(room);
        let mut spans = Vec::with_capacity(plan.candidates.len());
        let mut unopened = Vec::new();
        for candidate in &plan.candidates {
            let name = || plan.variables[candidate.variable as usize].name.clone();
            let written = write(candidate, keyring, &mut texts);
            spans.push(written.map_err(|reason| unopened.push((name(), reason))).ok());
        }
        let binding = binding(&plan.digest);
        let capsule = seal_capsule(key, &binding, texts.expose(0..texts.len()), &fresh(entropy));
        Ok(Self { capsule: capsule.ok_or(TooLarge)?, spans, unopened })
    }

    /// Where a candidate's text is in the opened values; none where it did not open.
    #[must_use]
    pub fn span(&self, candidate: u32) -> Option<Range<usize>> {
        self.spans.get(candidate as usize)?.clone()
    }

    /// Opens all of them.
    ///
    /// # Errors
    /// When the capsule was damaged.
    pub fn open(&self, key: &CapsuleKey, plan: &Digest) -> Result<Buffer, OpenReason> {
        let mut buffer = Buffer::with_capacity(self.capsule.room());
        open_capsule(key, &binding(plan), &self.capsule, &mut buffer)?;
        Ok(buffer)
    }
}

fn binding(plan: &Digest) -> Digest {
    capsule_binding(*plan, "candidates")
}

fn room(candidate: &Candidate<SealedValue>) -> usize {
    match &candidate.what {
        What::Stored { value, .. } => seal::room(value),
        What::Template(_) => 0,
        What::Endpoint(bound) => {
            let BoundEndpoint { endpoint, user, credential, .. } = &**bound;
            let password = credential.as_ref().map_or(0, |(_, value)| seal::room(value));
            render::url_capacity(endpoint, user, password)
        }
    }
}

fn write(
    candidate: &Candidate<SealedValue>,
    keyring: &Keyring,
    texts: &mut Buffer,
) -> Result<Range<usize>, String> {
    match &candidate.what {
        What::Template(_) => Ok(0..0),
        What::Stored { address, value } => {
            let key = keyring.key_for(address.environment, value).map_err(|error| error.to_string())?;
            seal::open_into(key, address, value, texts).map_err(|error| error.reason.to_string())
        }
        What::Endpoint(bound) => {
            let BoundEndpoint { kind, endpoint, user, credential } = &**bound;
            let password = credential.as_ref().map(|(address, value)| {
                let key = keyring.key_for(address.environment, value).map_err(|error| error.to_string())?;
                seal::open(key, address, value).map_err(|error| error.reason.to_string())
            });
            let password = password.transpose()?;
            let exposed = password.as_ref().map(Secret::expose);
            let length = exposed.map_or(0, <[u8]>::len);
            let mut url =
                zeroize::Zeroizing::new(Vec::with_capacity(render::url_capacity(endpoint, user, length)));
            render::url(*kind, endpoint, user, exposed, &mut url).map_err(|error| error.to_string())?;
            texts.push(&url).map_err(|error| error.to_string())
        }
    }
}
