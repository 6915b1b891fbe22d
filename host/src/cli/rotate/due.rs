//! What is to be rotated by now, and how often a secret is to be.

use serde::Deserialize;
use serde_json::json;

use super::Args;
use crate::{
    cli::{
        change::report,
        output::{Layout, Output, Page, Table},
    },
    client::Request,
    id::{ServiceId, VariableName},
    model::Days,
};

/// `GET /api/v1/rotations`; members may be added.
#[derive(Debug, Deserialize)]
struct Rotations {
    rotations: Vec<Rotation>,
}

#[derive(Debug, Deserialize)]
struct Rotation {
    /// `credential` of a service's.
    #[serde(default)]
    kind: String,
    name: String,
    deployment: Option<String>,
    environment: String,
    /// `directory` where it is rotated by a push.
    #[serde(default)]
    owner: String,
    version: u64,
    set: String,
    rotate_every: Option<u32>,
    rotation_due: Option<String>,
    live: Vec<u64>,
    held: Vec<Held>,
}

#[derive(Debug, Deserialize)]
struct Held {
    leases: usize,
    unproven: u64,
}

/// Lists what is due, of a deployment or of all.
pub(super) fn list(args: &Args, output: &Output) -> anyhow::Result<()> {
    let place = &args.target.place;
    let request = Request::get(&["api", "v1", "rotations"])
        .query("due", "true")
        .query_if("deployment", place.deployment())
        .query_if("environment", place.environment());
    let whole = place.host.list(request, "rotations")?;
    if output.is_json() {
        return Ok(output.json(&whole)?);
    }
    let mut page = output.page();
    show(&serde_json::from_value(whole)?, &mut page);
    Ok(output.show(&page)?)
}

fn show(Rotations { rotations }: &Rotations, page: &mut Page) {
    let mut table = Table::new(&[
        "KEY",
        "DEPLOYMENT",
        "ENVIRONMENT",
        "VERSION",
        "SET",
        "EVERY",
        "DUE",
        "LIVE",
        "HELD BY",
        "OWNER",
    ]);
    for one in rotations {
        let every = one.rotate_every.map(|days| format!("{days} d")).unwrap_or_default();
        let live: Vec<_> = one.live.iter().map(u64::to_string).collect();
        let (leases, boots) = one
            .held
            .iter()
            .fold((0, 0), |(leases, boots), held| (leases + held.leases, boots + held.unproven));
        let held = match (leases, boots) {
            (0, 0) => String::new(),
            (leases, 0) => format!("{leases} leases"),
            (leases, boots) => format!("{leases} leases, {boots} boots without"),
        };
        table.row(&[
            &one.name,
            one.deployment.as_deref().unwrap_or(if one.kind == "credential" {
                "(service)"
            } else {
                "(every)"
            }),
            &one.environment,
            &one.version.to_string(),
            &one.set,
            &every,
            one.rotation_due.as_deref().unwrap_or_default(),
            &live.join(", "),
            &held,
            &one.owner,
        ]);
    }
    page.table(&table);
    let is_for_a_person = page.layout() == Layout::Terminal;
    if is_for_a_person && rotations.iter().any(|one| one.owner == "directory") {
        page.gap();
        page.line(
            "What the directory owns is rotated there: add the next version, `bootlace seal`ed, with today's `rotated`, \
             and push.",
        );
    }
}

/// Says after how many days a secret is to be rotated; none for never.
pub(super) fn every(
    args: &Args,
    key: &VariableName,
    days: Option<u32>,
    output: &Output,
) -> anyhow::Result<()> {
    let place = &args.target.place;
    let wanted = json!({ "environment": place.said(), "name": key.as_str(), "rotate_every": days });
    let request = Request::post(&place.path()).body("application/json", serde_json::to_vec(&wanted)?);
    let answer = args.target.ask(request)?;
    report(&answer, &told(&format!("{key} of {place}"), days), output)
}

/// The same of a service's credential, in the environment that owns the instance.
pub(super) fn every_credential(
    args: &Args,
    (service, environment): (&ServiceId, &str),
    days: Option<u32>,
    output: &Output,
) -> anyhow::Result<()> {
    let wanted = json!({ "instances": { environment: { "rotate_every": days } } });
    let request = Request::patch(&["api", "v1", "services", service.as_str()]);
    let answer = args.target.ask(request.body("application/json", serde_json::to_vec(&wanted)?))?;
    report(&answer, &told(&format!("the credential of {service} in {environment}"), days), output)
}

fn told(what: &str, days: Option<u32>) -> String {
    match days {
        Some(days) => format!("{what} is to be rotated every {days} days"),
        None => format!("{what} is not to be rotated at any time"),
    }
}

/// Reads `90`, `90d` or `never`.
pub(in crate::cli) fn days(text: &str) -> Result<Every, &'static str> {
    const HOW: &str = "write it like 90d, 3650d at most, or never";
    if text == "never" {
        return Ok(Every(None));
    }
    text.parse::<Days>().map(|days| Every(Some(days.number()))).map_err(|_| HOW)
}

/// After how many days; none for never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Every(pub(in crate::cli) Option<u32>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_in_days() {
        assert_eq!(
            (days("90d"), days("90"), days("never")),
            (Ok(Every(Some(90))), Ok(Every(Some(90))), Ok(Every(None)))
        );
        for wrong in ["", "d", "0", "0d", "-1", "1.5d", "3h"] {
            assert!(days(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_due_is_a_row() {
        let answer = r#"{"rotations":[{"name":"KEY","layer":"environment","deployment":null,"environment":"staging",
            "owner":"directory","version":2,"set":"2026-08-01T00:00:00Z","rotate_every":90,"rotation_due":"2026-10-30T00:00:00Z","due":true,
            "live":[1,2],"held":[{"version":1,"leases":2,"lost":0,"unproven":3,"holders":[]}]}],"next":null}"#;
        let told = serde_json::from_str(answer).unwrap();
        let mut page = Page::new(Layout::Pipe);
        show(&told, &mut page);
        let row = "KEY\t(every)\tstaging\t2\t2026-08-01T00:00:00Z\t90 d\t2026-10-30T00:00:00Z\t1, 2\t2 leases, 3 boots without\tdirectory";
        assert_eq!(page.as_str().lines().nth(1), Some(row));
        assert_eq!(page.as_str().lines().count(), 2);
        let mut page = Page::new(Layout::Terminal);
        show(&told, &mut page);
        assert!(page.as_str().contains("What the directory owns is rotated there"), "{}", page.as_str());
    }
}
