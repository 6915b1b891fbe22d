//! What is made once for one (deployment, environment), when a generation is prepared, so that a
//! boot has nothing left to merge, plan or render: the plan, its policies' question, and every
//! candidate's finished text, sealed under a key of this process.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    canonical::Canonical,
    id::{DeploymentId, Digest, EnvironmentName, VariableName},
    keyring::Keyring,
    model::{Mistyped, SealedValue, question::Resolution},
    permit::{Grant, Refusal},
    plan::{BoundEndpoint, Candidate, Plan, What},
    policy::Chain,
    questions::Questions,
    render,
    seal::{self, Buffer, Capsule, CapsuleKey, OpenReason, capsule_binding, open_capsule, seal_capsule},
    secret::Secret,
    usage::Usage,
};

/// How many this process prepared.
static PREPARED: AtomicU64 = AtomicU64::new(0);

/// A (deployment, environment), ready to boot.
pub struct Prepared {
    /// Tells it from every other that this process prepared.
    pub number: u64,
    /// The merged layers.
    pub plan: Plan<SealedValue>,
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
    /// The part of one that says what an answer comes from.
    pub audit_basis: String,
    /// What a Kubernetes object for this is called.
    pub object_name: String,
    /// How it is used.
    pub usage: Usage,
    /// What its boots said about themselves.
    pub questions: Arc<Questions>,
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
    ) -> Result<Self, TooLarge> {
        let values = Values::prepare(&plan, keyring, key)?;
        let release = plan.release.as_ref().map(|release| release.number);
        let head = serde_json::json!({
            "workspace": plan.workspace.as_str(), "deployment": plan.deployment.as_str(),
            "environment": plan.environment.name.as_str(),
        });
        let head = head.to_string();
        let place = head.trim_matches(['{', '}']);
        let release_json = serde_json::Value::from(release);
        let usage = Usage::of(plan.variables.len());
        let mut prepared = Self {
            number: PREPARED.fetch_add(1, Ordering::Relaxed),
            usage,
            questions: Arc::default(),
            object_name: object_name(&plan.deployment, &plan.environment.name),
            body_head: format!("{{{place},\"release\":{release_json},\"revision\":"),
            body_middle: format!(",\"digest\":\"{}\",\"env\":", plan.digest),
            audit_subject: place.to_owned(),
            audit_basis: format!(
                "\"release\":{release_json},\"plan\":\"{}\",\"policies\":\"{}\"",
                plan.digest,
                chain.digest()
            ),
            plan,
            chain: Arc::new(chain),
            values,
            unasked: Err(Refusal::Busy),
        };
        prepared.unasked = Grant::compose(&prepared, &Resolution::default(), key).map(Arc::new);
        if prepared.unasked.as_ref().err() == Some(&Refusal::TooLarge) { Err(TooLarge) } else { Ok(prepared) }
    }

    /// Counts on from where `before` is, the same pair as it was.
    pub fn go_on_from(&mut self, before: &Self) {
        let names = &self.plan.variables;
        self.usage.go_on(&before.usage, |index| before.plan.index_of(names.get(index)?.name.as_str()));
        // What was made anew under the same names is somebody else's to look at.
        let uids = |plan: &Plan<SealedValue>| (plan.deployment_uid, plan.environment.uid);
        if uids(&self.plan) == uids(&before.plan) {
            self.questions = Arc::clone(&before.questions);
        }
    }
}

/// `checkout.preview.pr-42`, an RFC 1123 subdomain: no two places share one, or applying one's
/// secret would replace the other's. What such a name cannot hold is replaced, and the name has a
/// hash of what it was, in three labels, so that it has five: more than any other.
fn object_name(deployment: &DeploymentId, environment: &EnvironmentName) -> String {
    let name = format!("{deployment}.{}", environment.as_str().replace('/', "."));
    let carried = |label: &str| !label.contains('_') && !label.ends_with('-');
    if name.len() <= MAX_SUBDOMAIN && name.split('.').all(carried) {
        return name;
    }
    let label = |text: &str| {
        let mut label = text.replace(['/', '_'], "-");
        label.truncate(MAX_LABEL);
        label.trim_end_matches('-').to_owned()
    };
    let (first, second) = (deployment.as_str(), environment.as_str());
    let hash = Canonical::new("bootlace object name 1").text(first).text(second).finish();
    let hash = [0, 4, 8].map(|at| hex::encode(&hash.0[at..at + 4])).join(".");
    format!("{}.{}.{hash}", label(first), label(second))
}

/// Bytes of an RFC 1123 subdomain, and of one of its labels.
const MAX_SUBDOMAIN: usize = 253;
const MAX_LABEL: usize = 63;

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
    /// What a policy could choose and has not the form that is asked of it, with where it comes
    /// from.
    pub mistyped: Vec<(Mistyped, String)>,
}

impl Values {
    fn prepare(plan: &Plan<SealedValue>, keyring: &Keyring, key: &CapsuleKey) -> Result<Self, TooLarge> {
        let room: usize = plan.candidates.iter().map(room).sum();
        let mut texts = Buffer::with_capacity(room);
        let mut spans = Vec::with_capacity(plan.candidates.len());
        let (mut unopened, mut mistyped) = (Vec::new(), Vec::new());
        for candidate in &plan.candidates {
            let variable = &plan.variables[candidate.variable as usize];
            let written = write(candidate, keyring, &mut texts);
            let span = written.map_err(|reason| unopened.push((variable.name.clone(), reason))).ok();
            // What a template comes to depends on what is chosen: a permit looks at that.
            if let (Some(span), false) = (&span, matches!(candidate.what, What::Template(_))) {
                let found = variable.mistyped(texts.expose(span.clone()));
                mistyped.extend(found.map(|found| (found, origin(plan, candidate))));
            }
            spans.push(span);
        }
        let binding = binding(&plan.digest);
        let capsule = seal_capsule(key, &binding, texts.expose(0..texts.len()));
        Ok(Self { capsule: capsule.ok_or(TooLarge)?, spans, unopened, mistyped })
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

/// Where a candidate comes from, for whoever has to mend it.
fn origin(plan: &Plan<SealedValue>, candidate: &Candidate<SealedValue>) -> String {
    let source = plan.sources.get(candidate.source as usize).map_or("", String::as_str);
    match &candidate.what {
        What::Stored { .. } => format!("version {}, set by {source}", candidate.version),
        _ => format!("from {source}"),
    }
}

fn room(candidate: &Candidate<SealedValue>) -> usize {
    match &candidate.what {
        What::Stored { value, .. } => seal::room(value),
        What::Template(_) => 0,
        What::Text(text) => text.len(),
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
        What::Text(text) => texts.push(text.as_bytes()).map_err(|error| error.to_string()),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn name(deployment: &str, environment: &str) -> String {
        object_name(&deployment.parse().unwrap(), &environment.parse().unwrap())
    }

    #[test]
    fn no_two_places_share_an_object_name() {
        assert_eq!(name("checkout", "staging"), "checkout.staging");
        assert_eq!(name("checkout", "preview/pr-42"), "checkout.preview.pr-42");
        let long = "e".repeat(63);
        let longest = format!("{long}/{long}/{long}");
        let places = [
            ("a", "b/c"),
            ("a", "b_c"),
            ("a", "b-c"),
            ("a-b", "c"),
            ("a", "b-"),
            ("a", "b_"),
            ("a-", "b"),
            ("a", &longest),
            (&long, &longest),
        ];
        let names = places.map(|(deployment, environment)| name(deployment, environment));
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), places.len(), "{names:?}");
        let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        for name in &names {
            assert!(name.len() <= MAX_SUBDOMAIN, "{name}");
            for label in name.split('.').map(str::as_bytes) {
                assert!(label.len() <= MAX_LABEL && is_end(label.first()) && is_end(label.last()), "{name}");
                assert!(label.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-'), "{name}");
            }
        }
    }
}
