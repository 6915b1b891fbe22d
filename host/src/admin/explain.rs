//! Where each value of an environment comes from, and why: the plan's provenance and the policies'
//! decisions, without a secret's value.

use std::sync::Arc;

use axum::{
    extract::{RawQuery, State},
    http::HeaderMap,
    response::Response,
};
use serde_json::{Value, json};

use super::{Caller, Named, caller::parameter, tagged};
use crate::{
    generation::Decided,
    host::Host,
    id::VariableName,
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

/// `GET /api/v1/deployments/{id}/explain?environment=…`, with an instance's facts as for a boot.
pub(super) async fn explain(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let caller = Caller::of(&host, &headers)?;
    let served = caller.served(query.as_deref())?;
    let named = parameter(query.as_deref(), "environment")?
        .ok_or_else(|| Problem::bad_request("name the environment with ?environment="))?;
    let deployment = id.parse().map_err(|_| Problem::not_found())?;
    let environment = named.parse().map_err(|_| Problem::not_found())?;
    let prepared = served.prepared(&deployment, &environment).filter(|_| caller.sees(&environment));
    let prepared = prepared.ok_or_else(Problem::not_found)?;
    let key = parameter(query.as_deref(), "key")?;
    let facts = prepared.chain.vary().narrow(&told(query.as_deref())?);

    let (verdict, decided) = caller.live.explain(served, prepared, &facts).await;
    let explanation = Explanation::new(prepared, verdict, &decided, caller.live.capsule_key());
    let variables = prepared.plan.variables.iter().enumerate();
    let asked = variables.filter(|(_, one)| key.as_deref().is_none_or(|key| key == one.name.as_str()));
    let keys: Vec<Value> = asked.map(|(index, one)| explanation.key(index, one)).collect();
    if keys.is_empty() && key.is_some() {
        return Err(Problem::not_found());
    }
    let revision = served.snapshot.revision.0;
    Ok(tagged(revision, explanation.whole(revision, keys)))
}

/// The instance's facts, among the parameters of the question itself.
fn told(query: Option<&str>) -> Result<Facts, Problem> {
    let own = ["workspace", "environment", "key"];
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

    fn whole(&self, revision: u64, keys: Vec<Value>) -> Value {
        let plan = &self.prepared.plan;
        json!({
            "workspace": plan.workspace.as_str(), "deployment": plan.deployment.as_str(),
            "environment": plan.environment.name.as_str(),
            "release": plan.release.as_ref().map(|release| release.number),
            "revision": revision, "digest": plan.digest.to_string(),
            "keys": keys, "policies": self.policies(), "denial": self.denial(),
            "refusal": self.refusal(), "missing": self.missing(),
            "warnings": self.decided.as_ref().map_or(&[][..], |grant| &grant.warnings),
            "annotations": self.decided.as_ref().map_or_else(|_| json!({}), |grant| labels(grant.annotations.iter())),
        })
    }

    /// The resolve policies in running order; a promotion policy attached here is not asked.
    fn policies(&self) -> Vec<Value> {
        let mut attached = self.prepared.plan.chain.iter();
        let asked =
            self.prepared.chain.names().filter_map(|name| attached.find(|link| link.policy.as_str() == name));
        let described = asked.enumerate().map(|(index, link)| {
            let report = self.reports.get(index);
            json!({
                "name": link.policy.as_str(), "digest": link.digest.to_string(), "settings": link.settings,
                "fuel": report.map(|report| report.fuel), "log": report.map(log).unwrap_or_default(),
                "dropped_lines": report.map_or(0, |report| report.dropped_lines),
            })
        });
        described.collect()
    }

    fn denial(&self) -> Value {
        let Err(Refusal::Denied { policy, violations }) = self.decided else { return Value::Null };
        let violations: Vec<_> = violations
            .iter()
            .map(|one| json!({ "code": one.code, "message": one.message, "field": one.field }))
            .collect();
        json!({ "policy": policy, "violations": violations })
    }

    /// Why such a boot would be refused, where no policy denied it.
    fn refusal(&self) -> Value {
        match self.decided {
            Ok(_) | Err(Refusal::Denied { .. }) => Value::Null,
            Err(refusal) => {
                let problem = Problem::from(refusal.clone());
                json!({ "code": problem.code(), "detail": problem.document()["detail"] })
            }
        }
    }

    fn missing(&self) -> Vec<&str> {
        match self.decided {
            Err(Refusal::Missing(names)) => names.iter().map(VariableName::as_str).collect(),
            _ => Vec::new(),
        }
    }

    fn key(&self, index: usize, variable: &Planned) -> Value {
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
        let layer = variable.provenance.layer.as_str();
        let overrides: Vec<_> = variable
            .provenance
            .overrode
            .iter()
            .map(|layer| json!({ "layer": layer.as_str(), "source": layer.as_str() }))
            .collect();
        let candidates: Vec<_> =
            variable.candidates.clone().map(|candidate| self.candidate(candidate, chosen)).collect();
        json!({
            "name": variable.name.as_str(), "secret": variable.sensitivity == Sensitivity::Secret,
            "required": variable.required, "expected": variable.expected.as_ref().map(ToString::to_string), "declared": variable.declared, "description": variable.description,
            "source": source, "layer": layer, "version": shown.map(|candidate| candidate.version),
            "overrides": overrides, "candidates": candidates, "decided_by": decided_by,
            "decision": decision(assignment, choice), "value": self.value(index, variable),
            "injected": variable.inject && choice.is_some_and(|choice| *choice != Choice::Omitted),
        })
    }

    fn candidate(&self, index: u32, chosen: Option<u32>) -> Value {
        let plan = &self.prepared.plan;
        let Some(candidate) = plan.candidates.get(index as usize) else { return Value::Null };
        let source = |at: u32| plan.sources.get(at as usize);
        json!({
            "index": index, "source": source(candidate.source), "owner": source(candidate.owner),
            "version": candidate.version, "labels": labels(plan.labels_of(candidate)), "chosen": chosen == Some(index),
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
fn log(report: &LinkReport) -> Vec<Value> {
    let level = |level| match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    };
    report.log.iter().map(|line| json!({ "level": level(line.level), "text": line.text })).collect()
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

fn labels<'a>(labels: impl Iterator<Item = &'a Attribute>) -> Value {
    labels
        .map(|label| (label.key.clone(), Value::from(label.value.clone())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
