//! `bootlace approve`: lets somebody else's promotion go on.

use anyhow::anyhow;

use super::{
    confirm::Confirm,
    connection::AdminHost,
    env,
    output::Output,
    promote::{listed, one, show, shown::Promotion},
    what_if::HOST_AT_WORK,
};
use crate::{
    client::Request,
    id::{DeploymentId, EnvironmentName},
};

/// Approve a promotion that waits for it
///
/// It goes on by that, as far as it can. Whoever asked for a promotion does not approve it, nor does a token that
/// they had a hand in; each principal counts once.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status:
  0   it is done, or still waits for something else (`--json` tells which: .status)
  1   the approval does not count, or what was approved is denied by now

Examples:
  bootlace promote list -d checkout -e production                    what there is, with its id
  bootlace approve -d checkout 006b02d9408bbbfb74cb --confirm production
  bootlace approve -d checkout -e production --release 18            whatever its id is")]
pub struct Args {
    /// The promotion, as `promote` and `status` show it
    #[arg(value_name = "PROMOTION", required_unless_present = "environment", conflicts_with = "environment")]
    id: Option<String>,

    /// The deployment
    #[arg(long, short, value_name = "NAME")]
    deployment: DeploymentId,

    /// Without its id: the environment that it waits for
    #[arg(long, short, value_name = "NAME", requires = "release")]
    environment: Option<EnvironmentName>,

    /// With --environment: the release, so that no other is approved
    #[arg(long, value_name = "NUMBER", requires = "environment")]
    release: Option<u64>,

    #[command(flatten)]
    confirm: Confirm,

    #[command(flatten)]
    host: AdminHost,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let found = self.found()?;
        if !output.is_json() {
            output.note(&format!("{}, asked for by {}", found.title(), found.requested_by));
        }
        let to: EnvironmentName = found.to.parse()?;
        let is_protected = env::is_protected(&self.host, &to)?;
        let confirmed = self.confirm.of(&to, is_protected, "approve it")?;
        let id = found.id.unwrap_or_default();
        let path = ["api", "v1", "deployments", self.deployment.as_str(), "promotions", &id, "approvals"];
        let request = Request::post(&path).query_if("confirm", confirmed).patience(HOST_AT_WORK);
        show(&self.host.ask(request)?, output)?;
        Ok(())
    }

    /// The promotion that is meant.
    fn found(&self) -> anyhow::Result<Promotion> {
        if let Some(id) = &self.id {
            return Ok(self.host.ask(Request::get(&one(&self.deployment, id)))?.json()?);
        }
        let mut all = listed(&self.host, &self.deployment, self.environment.as_ref())?;
        let all: Vec<Promotion> = serde_json::from_value(all["promotions"].take())?;
        let waits = all.into_iter().find(|one| one.waits() && Some(one.release) == self.release);
        waits.ok_or_else(|| {
            let (release, to) = (self.release.unwrap_or_default(), self.environment.as_ref());
            let to = to.map_or("", EnvironmentName::as_str);
            let list = format!("bootlace promote list -d {} -e {to}", self.deployment);
            anyhow!("no promotion of release {release} waits for {to}; `{list}` shows what there is")
        })
    }
}
