//! Where each value of an environment comes from, and why: the plan's provenance and the policies'
//! decisions, without a secret's value.

pub(super) mod boot;
mod wire;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    extract::{RawQuery, State},
    http::HeaderMap,
    response::Response,
};

use super::{
    Caller, Named,
    audit::Readers,
    openapi::{BadRequest, InWorkspace, NotFound, Unauthenticated},
    pinned::ShownPin,
    query::{environment, parameter},
    tagged,
};
use crate::{
    generation::Decided,
    host::Host,
    id::{DeploymentId, VariableName},
    model::question::{Answer, Assignment, Attribute, Decision, Facts, Sensitivity},
    permit::Refusal,
    plan::Planned,
    policy::{LinkReport, LogLevel, Verdict},
    prepared::Prepared,
    preview,
    resolve::Choice,
    seal::CapsuleKey,
    serve::{facts, respond::Problem},
};
use wire::{
    AskedPolicy, DenialReason, ExplainedCandidate, ExplainedDenial, ExplainedKey, ExplainedPair,
    ExplainedRefusal, OverriddenLayer, PolicyLine,
};

/// Where each value comes from, and why, for an instance that says this about itself.
#[utoipa::path(get, path = "/api/v1/deployments/{id}/explain", tag = "deployments", operation_id = "explain",
    params(InWorkspace, ("id" = String, Path, description = "The deployment"),
        ("environment" = String, Query, description = "The environment"),
        ("key" = Option<String>, Query, description = "One key alone"),
        ("boot" = Option<String>, Query, max_length = 128, description = "The boot of that id, run again with what it was answered from; without facts, which are its own"),
        ("region" = Option<String>, Query, min_length = 1, max_length = 128, description = "Facts, as for a boot"),
        ("zone" = Option<String>, Query, min_length = 1, max_length = 128),
        ("instance" = Option<String>, Query, min_length = 1, max_length = 128)),
    responses(
        (status = 200, description = "The explanation", body = ExplainedPair, headers(
            ("etag" = String, description = "The revision"), ("bootlace-revision" = u64, description = "The same"))),
        BadRequest, Unauthenticated, NotFound))]
pub(super) async fn explain(
    State(host): State<Arc<Host>>,
    State(readers): State<Readers>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let caller = Caller::of(&host, &headers)?;
    let served = caller.served(query.as_deref())?;
    let environment = environment(&caller, query.as_deref())?
        .ok_or_else(|| Problem::bad_request("name the environment with ?environment="))?;
    let deployment: DeploymentId = id.parse().map_err(|_| Problem::not_found())?;
    let key = parameter(query.as_deref(), "key")?;
    if let Some(id) = parameter(query.as_deref(), "boot")? {
        let place = (caller.workspace(query.as_deref())?, deployment, environment);
        return boot::explain(&host, &readers, place, &id, key.as_deref()).await;
    }
    let prepared = served.prepared(&deployment, &environment).ok_or_else(Problem::not_found)?;
    let facts = prepared.chain.vary().narrow(&told(query.as_deref())?);

    let began = Instant::now();
    let (verdict, decided) = caller.live.explain(served, prepared, &facts).await;
    let took = verdict.is_some().then(|| began.elapsed());
    let explanation = Explanation::new(prepared, verdict, &decided, caller.live.capsule_key());
    let keys = asked(&explanation, key.as_deref())?;
    let revision = served.snapshot.revision.0;
    let pin = ShownPin::of(&host, served, &deployment, &environment);
    Ok(tagged(revision, ExplainedPair { pin, ..explanation.whole(revision, keys, took) }))
}

/// The keys that are asked about, or all.
fn asked(explanation: &Explanation<'_>, key: Option<&str>) -> Result<Vec<ExplainedKey>, Problem> {
    let variables = explanation.prepared.plan.variables.iter().enumerate();
    let asked = variables.filter(|(_, one)| key.is_none_or(|key| key == one.name.as_str()));
    let keys: Vec<_> = asked.map(|(index, one)| explanation.key(index, one)).collect();
    if keys.is_empty() && key.is_some() { Err(Problem::not_found()) } else { Ok(keys) }
}

/// The instance's facts, among the parameters of the question itself.
fn told(query: Option<&str>) -> Result<Facts, Problem> {
    let own = ["workspace", "environment", "key", "boot"];
    let pairs = query.unwrap_or("").split('&');
    let of_instance: Vec<_> =
        pairs.filter(|pair| !own.contains(&pair.split('=').next().unwrap_or(""))).collect();
    Ok(facts::from_query(&of_instance.join("&"))?.facts)
}

struct Explanation<'a> {
    prepared: &'a Prepared,
    decided: &'a Decided,
    /// By link, as far as they were asked.
    reports: Vec<LinkReport>,
    assignments: Vec<Assignment>,
    previews: Vec<Option<String>>,
}

impl<'a> Explanation<'a> {
    fn new(prepared: &'a Prepared, verdict: Option<Verdict>, decided: &'a Decided, key: &CapsuleKey) -> Self {
        let (answer, reports) = verdict.map(|verdict| (verdict.answer, verdict.links)).unzip();
        let assignments = match answer {
            Some(Answer::Resolved(resolution)) => resolution.assignments,
            _ => Vec::new(),
        };
        let previews = decided.as_ref().map(|grant| preview::of_plain(prepared, &grant.choices, key));
        let (reports, previews) = (reports.unwrap_or_default(), previews.unwrap_or_default());
        Self { prepared, decided, reports, assignments, previews }
    }

    fn whole(&self, revision: u64, keys: Vec<ExplainedKey>, took: Option<Duration>) -> ExplainedPair {
        let plan = &self.prepared.plan;
        let grant = self.decided.as_ref().ok();
        ExplainedPair {
            workspace: plan.workspace.to_string(),
            deployment: plan.deployment.to_string(),
            environment: plan.environment.name.to_string(),
            release: plan.release.as_ref().map(|release| release.number),
            revision,
            digest: plan.digest.to_string(),
            pin: None,
            keys,
            policies: self.policies(),
            asking_us: took.map(|took| u64::try_from(took.as_micros()).unwrap_or(u64::MAX)),
            denial: self.denial(),
            refusal: self.refusal(),
            missing: self.missing(),
            warnings: grant.map(|grant| grant.warnings.clone()).unwrap_or_default(),
            annotations: grant.map(|grant| labels(grant.annotations.iter())).unwrap_or_default(),
            boot: None,
        }
    }

    /// The resolve policies in running order; a promotion policy attached here is not asked.
    fn policies(&self) -> Vec<AskedPolicy> {
        let mut attached = self.prepared.plan.chain.iter();
        let asked =
            self.prepared.chain.names().filter_map(|name| attached.find(|link| link.policy.as_str() == name));
        let described = asked.enumerate().map(|(index, link)| {
            let report = self.reports.get(index);
            AskedPolicy {
                name: link.policy.to_string(),
                digest: link.digest.to_string(),
                settings: link.settings.clone(),
                fuel: report.map(|report| report.fuel),
                log: report.map(log).unwrap_or_default(),
                dropped_lines: report.map_or(0, |report| report.dropped_lines),
            }
        });
        described.collect()
    }

    fn denial(&self) -> Option<ExplainedDenial> {
        let Err(Refusal::Denied { policy, violations }) = self.decided else { return None };
        let reasons = violations.iter().map(|one| DenialReason {
            code: one.code.clone(),
            message: one.message.clone(),
            field: one.field.clone(),
        });
        Some(ExplainedDenial { policy: policy.clone(), violations: reasons.collect() })
    }

    /// Why such a boot would be refused, where no policy denied it.
    fn refusal(&self) -> Option<ExplainedRefusal> {
        match self.decided {
            Ok(_) | Err(Refusal::Denied { .. }) => None,
            Err(refusal) => {
                let problem = Problem::from(refusal.clone());
                Some(ExplainedRefusal { code: problem.code(), detail: problem.detail().to_owned() })
            }
        }
    }

    fn missing(&self) -> Vec<String> {
        match self.decided {
            Err(Refusal::Missing(names)) => names.iter().map(VariableName::to_string).collect(),
            _ => Vec::new(),
        }
    }

    fn key(&self, index: usize, variable: &Planned) -> ExplainedKey {
        let plan = &self.prepared.plan;
        let choice = self.decided.as_ref().ok().and_then(|grant| grant.choices.get(index));
        let chosen = match choice {
            Some(Choice::Candidate(candidate)) => Some(*candidate),
            Some(_) => None,
            None => Some(variable.default),
        };
        let shown = plan.candidates.get(chosen.unwrap_or(variable.default) as usize);
        let source = shown.and_then(|candidate| plan.sources.get(candidate.source as usize));
        let assignment = self.assignments.iter().find(|one| one.variable as usize == index);
        let decided_by = assignment.and_then(|one| self.prepared.chain.names().nth(one.decided_by as usize));
        let overrode = variable.provenance.overrode.iter();
        ExplainedKey {
            name: variable.name.to_string(),
            secret: variable.sensitivity == Sensitivity::Secret,
            required: variable.required,
            expected: variable.expected.as_ref().map(ToString::to_string),
            declared: variable.declared,
            description: variable.description.clone(),
            source: source.cloned(),
            layer: variable.provenance.layer.to_string(),
            version: shown.map(|candidate| candidate.version),
            overrides: overrode
                .map(|layer| OverriddenLayer { layer: layer.as_str(), source: layer.as_str() })
                .collect(),
            candidates: variable.candidates.clone().filter_map(|at| self.candidate(at, chosen)).collect(),
            decided_by: decided_by.map(str::to_owned),
            decision: decision(assignment, choice),
            value: self.value(index, variable).map(str::to_owned),
            injected: variable.inject && choice.is_some_and(|choice| *choice != Choice::Omitted),
        }
    }

    fn candidate(&self, index: u32, chosen: Option<u32>) -> Option<ExplainedCandidate> {
        let plan = &self.prepared.plan;
        let candidate = plan.candidates.get(index as usize)?;
        let source = |at: u32| plan.sources.get(at as usize).cloned();
        Some(ExplainedCandidate {
            index,
            source: source(candidate.source),
            owner: source(candidate.owner),
            version: candidate.version,
            labels: labels(plan.labels_of(candidate)),
            chosen: chosen == Some(index),
        })
    }

    fn value(&self, index: usize, variable: &Planned) -> Option<&str> {
        match variable.sensitivity {
            Sensitivity::Secret => Some(preview::MASK),
            Sensitivity::Plain => self.previews.get(index)?.as_deref(),
        }
    }
}

/// What a policy said, for its author.
fn log(report: &LinkReport) -> Vec<PolicyLine> {
    let level = |level| match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    };
    let lines = report.log.iter();
    lines.map(|line| PolicyLine { level: level(line.level), text: line.text.clone() }).collect()
}

fn decision(assignment: Option<&Assignment>, choice: Option<&Choice>) -> &'static str {
    match (assignment.map(|one| &one.decision), choice) {
        (Some(Decision::Bind(_)), _) => "bound by a policy",
        (Some(Decision::Template(_)), _) => "written by a policy",
        (Some(Decision::Omit), _) => "left out by a policy",
        (None, Some(Choice::Omitted)) => "left out, since it is made of what was left out",
        (None, _) => "the plan's choice",
    }
}

fn labels<'a>(labels: impl Iterator<Item = &'a Attribute>) -> BTreeMap<String, String> {
    labels.map(|label| (label.key.clone(), label.value.clone())).collect()
}
