use std::fmt::Write as _;

use serde_json::json;

use super::page::{ERROR, STRONG, clean};
use crate::{
    cli::{exit, var::Unread},
    client,
    source::Problems,
    upload::{Refusal, UploadError},
};

/// What happened, why, and what to do: the way a colleague would write it.
pub(super) fn text(error: &anyhow::Error) -> String {
    let mut lines = chain(error).map(|cause| clean(&cause.to_string()));
    let mut text = format!("{ERROR}error:{ERROR:#} {}", lines.next().unwrap_or_default());
    if let Some(client::Problem { code, status, .. }) = refusal(error).map(|refusal| &refusal.problem) {
        let gap = if code.is_empty() { "" } else { ", " };
        put(&mut text, format_args!(" ({}{gap}status {status})", clean(code)));
    }
    let mut said = String::new();
    for cause in lines {
        // Some errors tell their cause themselves.
        if !said.ends_with(&cause) {
            put(&mut text, format_args!("\n  because: {cause}"));
        }
        said = cause;
    }
    for mistake in mistakes(error) {
        put(&mut text, format_args!("\n  {}", clean(&mistake)));
    }
    for rule in rules(error) {
        put(&mut text, format_args!("\n  - {}", clean(&format!("{} ({})", rule.message, rule.code))));
    }
    if let Some(refusal) = refusal(error) {
        reasons(&mut text, &refusal.problem);
    }
    if let Some(advice) = advice(error) {
        put(&mut text, format_args!("\n  {STRONG}what to do:{STRONG:#} {advice}"));
    }
    text.push('\n');
    text
}

/// The same as one JSON object on one line.
pub(super) fn json(error: &anyhow::Error) -> String {
    let causes: Vec<String> = chain(error).skip(1).map(ToString::to_string).collect();
    let problem = refusal(error).map(|refusal| &refusal.problem);
    let rules: Vec<_> =
        rules(error).iter().map(|rule| json!({ "code": rule.code, "message": rule.message })).collect();
    let error = json!({
        "error": error.to_string(), "causes": causes, "exit": exit::code(error), "problem": problem,
        "mistakes": mistakes(error), "rules": rules,
    });
    format!("{error}\n")
}

/// What went wrong, from the outside in; the mistakes in a directory or a file and the rules that a
/// policy breaks are listed apart.
fn chain(error: &anyhow::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    let listed = |cause: &(dyn std::error::Error + 'static)| {
        cause.is::<Problems>()
            || cause.is::<Unread>()
            || matches!(cause.downcast_ref(), Some(UploadError::Refused(_)))
    };
    error.chain().filter(move |cause| !listed(*cause))
}

fn mistakes(error: &anyhow::Error) -> Vec<String> {
    if let Some(Unread(problems)) = error.downcast_ref() {
        return problems.iter().map(ToString::to_string).collect();
    }
    let problems = error.downcast_ref::<Problems>().map_or(&[][..], |problems| &problems.0);
    problems.iter().map(ToString::to_string).collect()
}

fn rules(error: &anyhow::Error) -> &[Refusal] {
    match error.downcast_ref() {
        Some(UploadError::Refused(rules)) => rules,
        _ => &[],
    }
}

fn reasons(text: &mut String, problem: &client::Problem) {
    if !problem.keys.is_empty() {
        put(text, format_args!("\n  keys: {}", clean(&problem.keys.join(", "))));
    }
    for violation in &problem.violations {
        let about = violation.field.as_ref().map(|field| format!("{field}: ")).unwrap_or_default();
        let by =
            violation.policy.as_ref().map(|policy| format!(", says policy {policy}")).unwrap_or_default();
        let line = format!("{about}{} ({}{by})", violation.message, violation.code);
        put(text, format_args!("\n  - {}", clean(&line)));
    }
    if let Some(revision) = problem.revision {
        put(text, format_args!("\n  current revision: {revision}"));
    }
}

fn advice(error: &anyhow::Error) -> Option<String> {
    let advice = match error.downcast_ref::<client::Error>()? {
        client::Error::Unreachable { .. } | client::Error::TimedOut { .. } => {
            "see that the host runs, that its address is right (BOOTLACE_URL, BOOTLACE_ADMIN_URL), and that \
             its certificate is trusted (--ca-cert)"
        }
        client::Error::Plaintext { .. } => "use https, or say --insecure-plaintext if you mean it",
        client::Error::Unusable { .. } => "see that the address is a Bootlace host's, of this version",
        client::Error::Refused(refusal) if refusal.problem.more.contains_key("promotion") => {
            return advice_on_promotion(&refusal.problem);
        }
        client::Error::Refused(refusal) => match (refusal.problem.code.as_str(), refusal.retry_after) {
            (_, Some(pause)) => return Some(format!("try again in {} s", pause.as_secs())),
            (code, None) => advice_for(code)?,
        },
    };
    Some(advice.to_owned())
}

/// Of a promotion that was denied, or that found another one at its target.
fn advice_on_promotion(problem: &client::Problem) -> Option<String> {
    let id = clean(problem.more.get("promotion")?.as_str()?);
    Some(match problem.code.as_str() {
        "conflict" => format!(
            "`bootlace promote show -d DEPLOYMENT {id}` says what it waits for; --wait queues behind one that is under way"
        ),
        _ => format!(
            "put that right, then promote again; `bootlace promote show -d DEPLOYMENT {id}` keeps what was said"
        ),
    })
}

/// By the host's stable codes. Those that explain themselves have none.
fn advice_for(code: &str) -> Option<&'static str> {
    Some(match code {
        "" => "see that the address is a Bootlace host's, and what stands in between",
        "unauthenticated" => "take a token of this host that has neither expired nor been revoked",
        "policy-denied" => "ask the policy's owner; `bootlace explain` shows which policies had a say",
        "not-found" => "check the name, and that your token belongs to its workspace",
        "owned-by-directory" => "change it in the workspace's directory, then build and push that",
        "conflict" => "look at what is current, then try again on top of it",
        "missing-required" => "give these keys a value for this environment, or stop requiring them",
        "not-ready" => "push a snapshot, or ask the host's operator what it waits for (/readyz)",
        "unseal-failed" => "ask the host's operator whether it holds this environment's root key",
        "policy-failed" => "ask the policy's owner to run it with `bootlace policy test`",
        _ => return None,
    })
}

fn refusal(error: &anyhow::Error) -> Option<&client::Refusal> {
    error.downcast_ref::<client::Error>()?.refusal()
}

fn put(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).expect("writing to a String does not fail");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use anyhow::{Context, anyhow};
    use http::StatusCode;

    use super::*;
    use crate::client::{Error, Problem, Refusal, Violation};

    fn refused(problem: Problem, retry_after: Option<Duration>) -> anyhow::Error {
        let status = StatusCode::from_u16(problem.status).unwrap();
        anyhow!(Error::Refused(Box::new(Refusal { status, retry_after, problem })))
    }

    fn plain(error: &anyhow::Error) -> String {
        anstream::adapter::strip_str(&text(error)).to_string()
    }

    #[test]
    fn a_missing_key_is_named_with_what_to_do() {
        let problem = Problem {
            code: "missing-required".into(),
            status: 422,
            detail: Some("2 required keys have no value in production".into()),
            keys: vec!["DATABASE_URL".into(), "STRIPE_KEY".into()],
            ..Problem::default()
        };
        let expected = "\
error: 2 required keys have no value in production (missing-required, status 422)
  keys: DATABASE_URL, STRIPE_KEY
  what to do: give these keys a value for this environment, or stop requiring them
";
        assert_eq!(plain(&refused(problem, None)), expected);
    }

    #[test]
    fn every_violation_is_listed_and_none_can_draw() {
        let violation = Violation {
            code: "region".into(),
            message: "no replica in \x1b[31mmars".into(),
            field: Some("DATABASE_URL".into()),
            policy: Some("region-affinity".into()),
        };
        let problem = Problem {
            code: "policy-denied".into(),
            title: "A policy refused".into(),
            status: 403,
            violations: vec![violation],
            ..Problem::default()
        };
        let line = r"  - DATABASE_URL: no replica in \u{1b}[31mmars (region, says policy region-affinity)";
        assert!(plain(&refused(problem, None)).lines().any(|shown| shown == line));
    }

    #[test]
    fn a_chain_is_told_from_the_outside_in_and_a_pause_is_named() {
        let problem =
            Problem { code: "busy".into(), title: "Busy".into(), status: 503, ..Problem::default() };
        let error =
            Err::<(), _>(refused(problem, Some(Duration::from_secs(7)))).context("cannot boot").unwrap_err();
        let expected =
            "error: cannot boot (busy, status 503)\n  because: Busy\n  what to do: try again in 7 s\n";
        assert_eq!(plain(&error), expected);
    }

    #[test]
    fn a_script_gets_one_object() {
        let problem =
            Problem { code: "conflict".into(), status: 409, revision: Some(42), ..Problem::default() };
        let line = json(&refused(problem, None));
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&object["problem"]["revision"], &object["exit"]), (&json!(42), &json!(1)));
        assert_eq!(line.matches('\n').count(), 1);
    }
}
