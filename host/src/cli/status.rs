//! `bootlace status`: the pipeline of each deployment.

mod picture;

use serde::Deserialize;

use super::{
    connection::AdminHost,
    output::{Layout, Output, Page, Table},
    pinned::Pinned,
    promote::shown::Promotion,
};
use crate::{client::Request, id::DeploymentId};

/// What a picture does not say, since the arrow does.
const PROTECTED: &str = "protected";

/// Show who is where on its way to production, and what waits for whom
///
/// Each deployment's environments in the order of their chains: which release is active in each, since when, by
/// whom and why, which promotion is under way, with what it waits for and what to type next, what a pin holds
/// back, and which secrets are to be rotated by now.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace status
  bootlace status -d checkout
  bootlace status | cut -f 1-3                              a line for each environment
  bootlace status --json | jq '.pipelines[].stages[] | select(.promotion)'")]
pub struct Args {
    /// This deployment alone
    #[arg(long, short, value_name = "NAME")]
    deployment: Option<DeploymentId>,

    #[command(flatten)]
    host: AdminHost,
}

/// `GET /api/v1/pipeline`; members may be added.
#[derive(Deserialize)]
struct Pipelines {
    pipelines: Vec<Pipeline>,
    /// Of `GET /api/v1/rotations`: what is due.
    rotations: Vec<Due>,
}

/// A secret that is to be rotated.
#[derive(Deserialize)]
struct Due {
    /// `credential` of a service's.
    #[serde(default)]
    kind: String,
    name: String,
    /// Null where it is every deployment's, and of a credential.
    deployment: Option<String>,
    /// Where a credential comes to.
    #[serde(default)]
    injected: Vec<Injected>,
    environment: String,
    #[serde(default)]
    owner: String,
    rotation_due: Option<String>,
}

/// A variable that a credential is part of.
#[derive(Deserialize)]
struct Injected {
    deployment: String,
    environment: String,
}

#[derive(Deserialize)]
struct Pipeline {
    deployment: String,
    newest: Option<u64>,
    stages: Vec<Stage>,
}

#[derive(Deserialize)]
struct Stage {
    environment: String,
    protected: bool,
    takes_releases: bool,
    trigger: String,
    promotes_to: Option<String>,
    active: Option<Active>,
    promotion: Option<Promotion>,
    /// What is to be rotated here, in words.
    #[serde(skip)]
    due: Vec<String>,
}

#[derive(Deserialize)]
struct Active {
    release: u64,
    since: String,
    by: Option<String>,
    why: String,
    pin: Option<Pinned>,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let deployment = self.deployment.as_ref().map(DeploymentId::as_str);
        let request = Request::get(&["api", "v1", "pipeline"]).query_if("deployment", deployment);
        let mut answer = self.host.list(request, "pipelines")?;
        let due = Request::get(&["api", "v1", "rotations"]).query("due", "true");
        let mut due = self.host.list(due.query_if("deployment", deployment), "rotations")?;
        answer["rotations"] = due["rotations"].take();
        if output.is_json() {
            return Ok(output.json(&answer)?);
        }
        let mut page = output.page();
        serde_json::from_value::<Pipelines>(answer)?.reminded().render(&mut page);
        Ok(output.show(&page)?)
    }
}

impl Pipelines {
    /// With what is due at its stage.
    fn reminded(mut self) -> Self {
        let of = self.pipelines.iter_mut();
        for (id, stage) in of.flat_map(|one| one.stages.iter_mut().map(|stage| (&one.deployment, stage))) {
            let here = |due: &&Due| due.comes_to(id, &stage.environment);
            stage.due = self.rotations.iter().filter(here).map(Due::told).collect();
        }
        self
    }

    fn render(&self, page: &mut Page) {
        match page.layout() {
            Layout::Terminal => self.pipelines.iter().for_each(|one| picture::draw(one, page)),
            Layout::Pipe => page.table(&self.table()),
        }
    }

    /// A line for each environment.
    fn table(&self) -> Table {
        let header =
            ["DEPLOYMENT", "ENVIRONMENT", "RELEASE", "SINCE", "BY", "WHY", "PROMOTES TO", "IS", "WAITS"];
        let mut table = Table::new(&header);
        let of = self.pipelines.iter().flat_map(|one| one.stages.iter().map(move |stage| (one, stage)));
        for (Pipeline { deployment, .. }, stage) in of {
            let [release, since, by, why] = stage.active.as_ref().map(Active::cells).unwrap_or_default();
            let next = stage.promotes_to.as_deref().unwrap_or_default();
            let waits = stage.promotion.as_ref().map(waits).unwrap_or_default();
            let is = stage.is().join("; ");
            table.row(&[deployment, &stage.environment, &release, &since, &by, &why, next, &is, &waits]);
        }
        table
    }
}

impl Stage {
    /// What is to be known of it beside the release, in words.
    fn is(&self) -> Vec<String> {
        let all = [(self.protected, PROTECTED), (!self.takes_releases, "takes nothing new")];
        let all = all.into_iter().filter(|(holds, _)| *holds).map(|(_, word)| word.to_owned());
        let pinned = self.active.iter().filter_map(|active| Some(active.pin.as_ref()?.told()));
        all.chain(pinned).chain(self.due.iter().cloned()).collect()
    }
}

impl Due {
    fn is_credential(&self) -> bool {
        self.kind == "credential"
    }

    fn comes_to(&self, deployment: &str, environment: &str) -> bool {
        if self.is_credential() {
            return self
                .injected
                .iter()
                .any(|at| at.deployment == deployment && at.environment == environment);
        }
        self.environment == environment && self.deployment.as_ref().is_none_or(|only| only == deployment)
    }

    fn told(&self) -> String {
        let since = self.rotation_due.as_ref().map(|due| format!(" since {due}")).unwrap_or_default();
        let where_to = if self.owner == "directory" { " in the directory" } else { "" };
        let what = if self.is_credential() { "the credential of " } else { "" };
        format!("{what}{} is to be rotated{where_to}{since}", self.name)
    }
}

impl Active {
    fn cells(&self) -> [String; 4] {
        let Self { release, since, by, why, .. } = self;
        [release.to_string(), since.clone(), by.clone().unwrap_or_default(), why.clone()]
    }
}

/// What a promotion that is under way waits for, in a line.
fn waits(promotion: &Promotion) -> String {
    let Promotion { release, requested_by, .. } = promotion;
    let all = [promotion.why(), promotion.wanted(), promotion.next().unwrap_or_default()];
    let all: Vec<_> = all.into_iter().filter(|text| !text.is_empty()).collect();
    format!("release {release} by {requested_by}: {}", all.join("; "))
}
