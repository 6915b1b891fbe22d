//! A pipeline drawn on a terminal: a dot for each environment, an arrow to where its releases go, and beside the
//! arrow the promotion that is under way.

use super::{Active, PROTECTED, Pipeline, Stage};
use crate::cli::{output::Page, promote::shown::Promotion};

/// Draws one deployment.
pub(super) fn draw(pipeline: &Pipeline, page: &mut Page) {
    let newest =
        pipeline.newest.map_or("no release yet".to_owned(), |newest| format!("newest release {newest}"));
    page.heading(&pipeline.deployment, &newest);
    let width =
        pipeline.stages.iter().map(|stage| stage.environment.chars().count()).max().unwrap_or_default();
    let mut before: Option<&Stage> = None;
    for stage in &pipeline.stages {
        let name = Some(stage.environment.as_str());
        let follows = before.filter(|before| before.promotes_to.as_deref() == name);
        let comes_along = |promotion: &&Promotion| {
            follows.is_some_and(|before| promotion.from.as_deref() == Some(&before.environment))
        };
        match (follows, &stage.promotion) {
            (Some(_), promotion) => arrow(stage, promotion.as_ref().filter(comes_along), page),
            (None, _) => join(before, page),
        }
        // It comes from elsewhere: out of another chain, or from nowhere into the first of one.
        if let Some(promotion) = stage.promotion.as_ref().filter(|one| !comes_along(one)) {
            under_way(promotion, page);
        }
        dot(stage, width, page);
        before = Some(stage);
    }
    match before {
        Some(_) => join(before, page),
        None => page.gap(),
    }
}

/// An environment, and what is active in it.
fn dot(stage: &Stage, width: usize, page: &mut Page) {
    let name = &stage.environment;
    let line = match &stage.active {
        None => format!("  ○ {name:width$}  no release"),
        Some(Active { release, since, by, why, .. }) => {
            let by = by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
            format!("  ● {name:width$}  release {release}  since {since}{by} ({why})")
        }
    };
    let notes = notes(stage);
    page.line(&if notes.is_empty() { line } else { format!("{line}  [{}]", notes.join("; ")) });
}

/// Whatever else is to be known of an environment, beside it.
fn notes(stage: &Stage) -> Vec<String> {
    stage.is().into_iter().filter(|word| word != PROTECTED).collect()
}

/// The way to `stage`.
fn arrow(stage: &Stage, promotion: Option<&Promotion>, page: &mut Page) {
    match promotion {
        None => page.line("  │"),
        Some(promotion) => under_way(promotion, page),
    }
    let how = match stage.trigger.as_str() {
        "approval" => "with approval",
        trigger => trigger,
    };
    page.line(&format!("  ▼ {how}"));
}

/// A promotion that waits, or runs.
fn under_way(promotion: &Promotion, page: &mut Page) {
    let Promotion { release, requested_by, status, .. } = promotion;
    let status = if status == "running" { "is on its way" } else { "waits" };
    page.line(&format!("  ┊ release {release} {status}, asked for by {requested_by}"));
    let wanted = promotion.wanted();
    let wanted = if wanted.is_empty() { wanted } else { format!("wants {wanted}") };
    let next = promotion.next().map(|next| format!("next: {next}")).unwrap_or_default();
    for text in promotion.in_the_way().chain([wanted, next]).filter(|text| !text.is_empty()) {
        page.line(&format!("  ┊   {text}"));
    }
}

/// A chain ends: in one that was drawn before, or nowhere.
fn join(before: Option<&Stage>, page: &mut Page) {
    if let Some(next) = before.and_then(|before| before.promotes_to.as_ref()) {
        page.line(&format!("  └▶ {next}"));
    }
    if before.is_some() {
        page.gap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{output::Layout, status::Pipelines};

    fn stage(name: &str, next: &str, active: &str, promotion: &str) -> String {
        let or_null = |text: &str| if text.is_empty() { "null".to_owned() } else { format!("\"{text}\"") };
        let pin = r#","pin":{"activation":4,"held_back":["LOG_LEVEL"],"policies":true}"#;
        let pin = if active.ends_with("rollback") { pin } else { "" };
        let active = match active.split_once(' ') {
            None => "null".to_owned(),
            Some((release, why)) => format!(
                r#"{{"release":{release},"since":"2026-11-22T12:00:00Z","by":"ada","why":"{why}","added-later":1{pin}}}"#
            ),
        };
        let next = or_null(next);
        format!(
            r#"{{"environment":"{name}","type":"test","protected":false,"takes_releases":{},"trigger":"manual",
                "promotes_to":{next},"active":{active},"promotion":{promotion}}}"#,
            name != "hotfix"
        )
    }

    fn promotion(from: &str, to: &str, reason: &str, wanted: &str) -> String {
        format!(
            r#"{{"id":"{to}-1","deployment":"checkout","release":3,"from":{from},"to":"{to}","status":"deferred",
                "since":"2026-11-22T12:00:00Z","requested_by":"ada","requested":"2026-11-22T12:00:00Z",
                "approvals":[],"reasons":[{reason}],"required_approvals":[{wanted}],"retry_at":null,"expires":null}}"#
        )
    }

    #[test]
    fn a_pipeline_is_drawn_with_what_waits_at_its_arrows() {
        let wants = r#"{"role":"releaser","missing":2}"#;
        let reason = r#"{"policy":"four-eyes","reason":"2 approvals are missing"}"#;
        let stages = [
            stage("development", "staging", "3 registered", &promotion("null", "development", "", "")),
            stage("staging", "production", "2 rollback", "null"),
            stage("production", "", "", &promotion("\"staging\"", "production", reason, wants)),
            stage("hotfix", "production", "1 begun", "null"),
            stage("preview/pr-7", "", "", "null"),
        ];
        let answer = format!(
            r#"{{"pipelines":[{{"deployment":"checkout","newest":3,"stages":[{}]}},
                {{"deployment":"search","newest":null,"stages":[]}}],"next":null,"rotations":[
                {{"name":"KEY","deployment":null,"environment":"hotfix","rotation_due":"2026-11-01T00:00:00Z"}},
                {{"name":"OTHER","deployment":"search","environment":"hotfix","rotation_due":null}}]}}"#,
            stages.join(",")
        );
        let told: Pipelines = serde_json::from_str(&answer).unwrap();
        let mut page = Page::new(Layout::Terminal);
        told.reminded().render(&mut page);
        let expected = "\
checkout  newest release 3
  ┊ release 3 waits, asked for by ada
  ┊   next: bootlace promote show -d checkout development-1
  ● development   release 3  since 2026-11-22T12:00:00Z by ada (registered)
  │
  ▼ manual
  ● staging       release 2  since 2026-11-22T12:00:00Z by ada (rollback)  [pinned to the set of activation 4; held back: LOG_LEVEL, policies]
  ┊ release 3 waits, asked for by ada
  ┊   2 approvals are missing (four-eyes)
  ┊   wants 2 approvals as releaser
  ┊   next: bootlace approve -d checkout production-1
  ▼ manual
  ○ production    no release

  ● hotfix        release 1  since 2026-11-22T12:00:00Z by ada (begun)  [takes nothing new; KEY is to be rotated since 2026-11-01T00:00:00Z]
  └▶ production

  ○ preview/pr-7  no release

search  no release yet

";
        assert_eq!(anstream::adapter::strip_str(page.as_str()).to_string(), expected);
    }
}
