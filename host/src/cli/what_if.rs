//! `bootlace what-if`: whose boots would be answered otherwise with another release; and what a policy that
//! is tried on recorded boots would change, which is shown in the same way.

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use serde::Deserialize;

use super::{
    connection::AdminHost,
    exit,
    output::{Output, Page, Table},
};
use crate::{
    client::{Answer, Request},
    id::{DeploymentId, EnvironmentName},
};

/// How long the host may be at it: longer than it lets policies take.
pub(super) const HOST_AT_WORK: Duration = Duration::from_secs(120);

/// Say whose boots would change if another release were active
///
/// The boots are those that the host was asked for since it started. Each is put once more to what is
/// active and to what would be; listed are those whose answer differs, and how. Nothing is changed, and no
/// value is shown: of a key that would come from elsewhere, only its name.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace what-if -d checkout -e production --release 18
  bootlace what-if -d checkout -e production --release 18 --exit-code --json | jq '.answers[].facts'")]
pub struct Args {
    /// The deployment
    #[arg(long, short, value_name = "NAME")]
    deployment: DeploymentId,

    /// The environment
    #[arg(long, short, value_name = "NAME")]
    environment: EnvironmentName,

    /// The release that would be active
    #[arg(long, value_name = "NUMBER")]
    release: u64,

    /// Exit with 1 where an answer would change
    #[arg(long)]
    exit_code: bool,

    #[command(flatten)]
    host: AdminHost,
}

/// What `/api/v1/deployments/{id}/what-if` answers; members may be added.
#[derive(Debug, Deserialize)]
pub(super) struct WhatIf {
    deployment: String,
    environment: String,
    since: String,
    questions: u64,
    boots: u64,
    forgotten: u64,
    pub(super) changed: u64,
    pub(super) refused: u64,
    answers: Vec<Changed>,
    unlisted: u64,
    fuel: Fuel,
}

#[derive(Debug, Deserialize)]
struct Changed {
    facts: Facts,
    boots: u64,
    change: String,
    before: Side,
    after: Side,
    keys: Vec<Key>,
}

#[derive(Debug, Deserialize)]
struct Facts {
    instance: Option<String>,
    region: Option<String>,
    zone: Option<String>,
    attributes: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct Side {
    outcome: String,
    policy: Option<String>,
    violations: Vec<Violation>,
    detail: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Violation {
    code: String,
    message: String,
}

#[derive(Debug, Deserialize)]
struct Key {
    name: String,
    change: String,
}

#[derive(Debug, Deserialize)]
struct Fuel {
    before: Spent,
    after: Spent,
}

#[derive(Debug, Deserialize)]
struct Spent {
    most: u64,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<ExitCode> {
        let request = Request::get(&["api", "v1", "deployments", self.deployment.as_str(), "what-if"])
            .query("environment", self.environment.as_str())
            .query("release", &self.release.to_string())
            .patience(HOST_AT_WORK);
        let progress = output.progress("the host puts its boots to the release");
        let answer = self.host.ask(request)?;
        drop(progress);
        let told = show(&answer, output)?;
        Ok(exit::differs(self.exit_code && told.changed > 0))
    }
}

/// Prints what a host answered.
pub(super) fn show(answer: &Answer, output: &Output) -> anyhow::Result<WhatIf> {
    let told: WhatIf = answer.json()?;
    if output.is_json() {
        output.raw(&answer.body)?;
    } else {
        let mut page = output.page();
        told.render(&mut page);
        output.show(&page)?;
    }
    Ok(told)
}

impl WhatIf {
    pub(super) fn render(&self, page: &mut Page) {
        let Self { deployment, environment, questions, boots, since, .. } = self;
        let count = match self.changed {
            0 => "no answer would change".to_owned(),
            1 => "1 answer would change".to_owned(),
            many => format!("{many} answers would change"),
        };
        page.heading(&format!("{deployment} in {environment}"), &count);
        let mut table = Table::new(&["INSTANCE", "SAYS", "BOOTS", "WOULD BE", "WHY"]);
        for answer in &self.answers {
            let instance = answer.facts.instance.as_deref().unwrap_or("-");
            table.row(&[
                instance,
                &answer.facts.said(),
                &answer.boots.to_string(),
                answer.would_be(),
                &answer.why(),
            ]);
        }
        page.table(&table);
        if self.unlisted > 0 {
            page.line(&format!("and {} more", self.unlisted));
        }
        page.line(&format!("{boots} boots since {since} put {questions} different questions"));
        if self.forgotten > 0 {
            page.line(&format!("{} questions more were not kept", self.forgotten));
        }
        let Fuel { before, after } = &self.fuel;
        page.line(&format!("the dearest takes {} fuel, and would take {}", before.most, after.most));
    }
}

impl Facts {
    fn said(&self) -> String {
        let own = [("region", &self.region), ("zone", &self.zone)];
        let own = own.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?)));
        let attributes = self.attributes.iter().map(|(key, value)| format!("{key}={value}"));
        let said: Vec<_> = own.chain(attributes).collect();
        if said.is_empty() { "-".to_owned() } else { said.join(" ") }
    }
}

impl Changed {
    fn would_be(&self) -> &str {
        match self.change.as_str() {
            "refused" | "allowed" => &self.change,
            "reason" => "refused for another reason",
            _ => "given other keys",
        }
    }

    fn why(&self) -> String {
        let keys = self.keys.iter().map(|key| match key.change.as_str() {
            "appears" => format!("+{}", key.name),
            "disappears" => format!("-{}", key.name),
            _ => format!("~{}", key.name),
        });
        let keys: Vec<_> = keys.collect();
        match self.change.as_str() {
            "allowed" => format!("not any more: {}", self.before.why()),
            "refused" | "reason" => self.after.why(),
            _ => keys.join(" "),
        }
    }
}

impl Side {
    fn why(&self) -> String {
        let violations = self.violations.iter().map(|one| format!("{} ({})", one.message, one.code));
        let violations: Vec<_> = violations.collect();
        match (&self.policy, &self.detail) {
            (Some(policy), _) if !violations.is_empty() => format!("{policy}: {}", violations.join("; ")),
            (_, Some(detail)) => format!("{detail} ({})", self.outcome),
            (Some(policy), None) => format!("{policy} ({})", self.outcome),
            (None, None) => self.outcome.clone(),
        }
    }
}
