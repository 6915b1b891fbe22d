//! What a what-if looks like, asked for and shown. There is no value in it: facts, names of keys, and what
//! policies said, which never saw one.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    admin::{
        body::named,
        diff::{self, Difference},
    },
    clock::rfc3339,
    generation::Generation,
    host::what_if::{Answered, ChangedAnswer, Fuel, KeyFate, TriedPolicy, WhatIf},
    id::{Revision, UnixSeconds},
    model::question::Violation,
    permit::Refusal,
    serve::respond::Problem,
    validate::limits,
};

/// The largest body, in bytes: a component in base64, and as many settings as there may be.
pub(super) const MAX_BODY_BYTES: usize = limits::COMPONENT_BYTES / 3 * 4 + (512 << 10);
/// Answers that are listed; of those beyond, only how many there are is told.
const MAX_LISTED: usize = 2_000;
/// Bytes of what policies and instances said in the answers that are listed.
const MAX_LISTED_BYTES: usize = 1 << 20;

/// A policy that is to be tried.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct WirePolicy {
    /// Its name in the workspace. One that is not asked there is tried as attached to the deployment in the
    /// environment.
    policy: String,
    /// The component in base64; left out for the one that is served.
    #[serde(default)]
    component: Option<String>,
    /// What it would be told wherever it is attached; left out for what it is told.
    #[serde(default)]
    settings: Option<BTreeMap<String, String>>,
}

/// Whose boots would be answered otherwise.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct ShownWhatIf {
    deployment: String,
    environment: String,
    revision: u64,
    /// When the host began to keep what boots say: RFC 3339.
    since: String,
    /// The questions that were put once more; boots that say the same are one.
    questions: usize,
    /// The boots that had put them.
    boots: u64,
    /// Questions that were not kept, since there were too many.
    forgotten: u64,
    /// How many questions would be answered otherwise.
    changed: usize,
    /// The boots that had put these.
    changed_boots: u64,
    /// How many of these questions are answered now, and would be refused.
    refused: usize,
    /// These questions, in the order of their facts.
    answers: Vec<ShownAnswer>,
    /// How many of these are too many to be listed.
    unlisted: usize,
    /// What all questions cost.
    fuel: ShownFuel,
    /// What would differ of the plan, without a secret.
    plan: Difference,
}

/// What all questions cost the policies, in wasmtime's units.
#[derive(Serialize, ToSchema)]
struct ShownFuel {
    before: FuelOfAll,
    after: FuelOfAll,
}

/// Before or after.
#[derive(Serialize, ToSchema)]
struct FuelOfAll {
    total: u64,
    most: u64,
}

/// A question that would be answered otherwise.
#[derive(Serialize, ToSchema)]
struct ShownAnswer {
    facts: ShownFacts,
    /// The boots that said just this.
    boots: u64,
    change: AnswerChange,
    before: AnswerSide,
    after: AnswerSide,
    /// The keys that would be other, by name, where both are allowed.
    keys: Vec<ShownKey>,
}

/// What an instance says about itself; what it left out is null.
#[derive(Serialize, ToSchema)]
struct ShownFacts {
    #[schema(required = true)]
    instance: Option<String>,
    #[schema(required = true)]
    region: Option<String>,
    #[schema(required = true)]
    zone: Option<String>,
    attributes: BTreeMap<String, String>,
}

/// How an answer would change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum AnswerChange {
    /// What is handed out would be refused.
    Refused,
    /// What is refused would be handed out.
    Allowed,
    /// It would be refused for another reason.
    Reason,
    /// Other keys, or keys from elsewhere.
    Keys,
}

/// An answer, before or after.
#[derive(Serialize, ToSchema)]
struct AnswerSide {
    /// `allowed`, or the problem's code.
    outcome: &'static str,
    /// The policy that denied, or failed; null where none did.
    #[schema(required = true)]
    policy: Option<String>,
    /// Why, where a policy denied.
    violations: Vec<ShownViolation>,
    /// Why, where no policy denied; null for what is handed out.
    #[schema(required = true)]
    detail: Option<String>,
    /// What the policies used; null where one failed.
    #[schema(required = true)]
    fuel: Option<u64>,
}

/// One of a policy's reasons.
#[derive(Serialize, ToSchema)]
struct ShownViolation {
    code: String,
    message: String,
    #[schema(required = true)]
    field: Option<String>,
}

/// A key that would be other.
#[derive(Serialize, ToSchema)]
struct ShownKey {
    name: String,
    change: FateOfKey,
}

/// What would become of a key.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum FateOfKey {
    /// It would come from elsewhere: another version, endpoint or text. Whether that holds the same is not told.
    Value,
    /// It would be handed out.
    Appears,
    /// It would be handed out no more.
    Disappears,
}

/// Reads the body.
pub(super) fn policy(body: &[u8]) -> Result<TriedPolicy, Problem> {
    let wire: WirePolicy = serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Problem::bad_request(format!(
            "not what this takes (line {line}, column {column}); send policy (a name), and component (base64), \
             settings (texts) or both"
        ))
    })?;
    let component = wire.component.map(|text| BASE64_STANDARD.decode(text)).transpose();
    let component = component.map_err(|_| Problem::bad_request("`component` is not base64"))?;
    if component.as_ref().is_some_and(|bytes| bytes.len() > limits::COMPONENT_BYTES) {
        let limit = limits::COMPONENT_BYTES;
        return Err(Problem::too_large(format!("a component is at most {limit} bytes")));
    }
    Ok(TriedPolicy { name: named(&wire.policy)?, component, settings: wire.settings })
}

impl ShownWhatIf {
    pub(super) fn new(what_if: &WhatIf, revision: Revision, since: UnixSeconds, live: &Generation) -> Self {
        let mut room = MAX_LISTED_BYTES;
        let fits = |one: &&ChangedAnswer| {
            let left = room.checked_sub(texts(one));
            room = left.unwrap_or_default();
            left.is_some()
        };
        let answers: Vec<_> =
            what_if.changed.iter().take(MAX_LISTED).take_while(fits).map(ShownAnswer::of).collect();
        let [before, after] = what_if.fuel.map(|Fuel { total, most }| FuelOfAll { total, most });
        let plan = &what_if.before.plan;
        Self {
            deployment: plan.deployment.to_string(),
            environment: plan.environment.name.to_string(),
            revision: revision.0,
            since: rfc3339(since),
            questions: what_if.questions,
            boots: what_if.boots,
            forgotten: what_if.forgotten,
            changed: what_if.changed.len(),
            changed_boots: what_if.changed.iter().map(|one| one.boots).sum(),
            refused: what_if.changed.iter().filter(|one| one.is_refused()).count(),
            unlisted: what_if.changed.len() - answers.len(),
            answers,
            fuel: ShownFuel { before, after },
            plan: diff::between([&what_if.before, &what_if.after], [revision; 2], live),
        }
    }
}

/// About how many bytes an answer takes.
fn texts(one: &ChangedAnswer) -> usize {
    let facts = [&one.facts.instance, &one.facts.region, &one.facts.zone];
    let facts: usize = facts.into_iter().flatten().map(String::len).sum();
    let attributes: usize = one.facts.attributes.iter().map(|one| one.key.len() + one.value.len()).sum();
    let refusals = [&one.before, &one.after].map(|side| side.refusal.as_ref().map_or(0, Refusal::weight));
    let keys: usize = one.keys.iter().map(|key| key.name.as_str().len()).sum();
    facts + attributes + refusals.iter().sum::<usize>() + keys
}

impl ShownAnswer {
    fn of(one: &ChangedAnswer) -> Self {
        let facts = &one.facts;
        let attributes = facts.attributes.iter().map(|one| (one.key.clone(), one.value.clone()));
        let change = match (&one.before.refusal, &one.after.refusal) {
            (None, None) => AnswerChange::Keys,
            (None, Some(_)) => AnswerChange::Refused,
            (Some(_), None) => AnswerChange::Allowed,
            (Some(_), Some(_)) => AnswerChange::Reason,
        };
        let keys = one.keys.iter().map(|key| ShownKey {
            name: key.name.to_string(),
            change: match key.fate {
                KeyFate::Value => FateOfKey::Value,
                KeyFate::Appears => FateOfKey::Appears,
                KeyFate::Disappears => FateOfKey::Disappears,
            },
        });
        Self {
            facts: ShownFacts {
                instance: facts.instance.clone(),
                region: facts.region.clone(),
                zone: facts.zone.clone(),
                attributes: attributes.collect(),
            },
            boots: one.boots,
            change,
            before: AnswerSide::of(&one.before),
            after: AnswerSide::of(&one.after),
            keys: keys.collect(),
        }
    }
}

impl AnswerSide {
    fn of(answered: &Answered) -> Self {
        let Answered { refusal, fuel, .. } = answered;
        let outcome = refusal.as_ref().map_or("allowed", Refusal::code);
        let (policy, violations) = match refusal {
            Some(Refusal::Denied { policy, violations }) => (Some(policy.clone()), violations.as_slice()),
            Some(Refusal::Failed { policy, .. }) => (Some(policy.clone()), [].as_slice()),
            _ => (None, [].as_slice()),
        };
        let other = refusal.clone().filter(|refusal| !matches!(refusal, Refusal::Denied { .. }));
        let detail = other.map(|refusal| Problem::from(refusal).detail().to_owned());
        Self {
            outcome,
            policy,
            violations: violations.iter().map(ShownViolation::of).collect(),
            detail,
            fuel: *fuel,
        }
    }
}

impl ShownViolation {
    fn of(one: &Violation) -> Self {
        Self { code: one.code.clone(), message: one.message.clone(), field: one.field.clone() }
    }
}
