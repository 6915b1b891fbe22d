//! `bootlace promote`: asks for a release to move, shows what became of that, and what is kept of others.

pub(crate) mod shown;
mod watch;

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use self::shown::{Promotion, Tried};
use super::{
    confirm::Confirm,
    connection::AdminHost,
    env, exit,
    exit::Misuse,
    output::{Output, Table},
    what_if::HOST_AT_WORK,
};
use crate::{
    client::{Answer, Request},
    id::{DeploymentId, EnvironmentName},
};

/// Promote a release to an environment
///
/// The host's own rules and the environment's policies say whether it may move. It is done at once, is denied
/// with every violation, or waits for approvals, checks or a time, and goes on by itself when what it waits for has
/// come: within a week, or a day after the time that a policy named, where that is later. A promotion moves the
/// release and never a value.
#[derive(Debug, clap::Args)]
#[command(
    subcommand_negates_reqs = true,
    after_long_help = "\
Exit status:
  0   done, or waiting: it was accepted, and goes on by itself (`--json` tells which: .status)
  1   denied, or refused by the host; with --watch, also when it has ended as denied, expired or withdrawn;
      with --dry-run, also where boots that are answered now would be refused
  2   wrong usage
  3   the host cannot be reached

Examples:
  bootlace promote -d checkout --to staging
  bootlace promote -d checkout --to production --dry-run       the verdict, and whose boots would change
  bootlace promote -d checkout --to production --confirm production --watch
  bootlace promote -d checkout --to production --wait          behind another one that is under way
  bootlace promote -d checkout --to development --release 12   nothing promotes there: any release
  bootlace promote list -d checkout -e production
  bootlace promote show -d checkout 006b02d9408bbbfb74cb
  bootlace promote withdraw -d checkout 006b02d9408bbbfb74cb   your own that waits, or anybody's as an admin"
)]
pub struct Args {
    /// What to look at, instead of promoting
    #[command(subcommand)]
    action: Option<Action>,

    #[command(flatten)]
    wanted: Option<Wanted>,

    #[command(flatten)]
    confirm: Confirm,

    #[command(flatten)]
    host: AdminHost,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the promotions of a deployment, the newest first
    List {
        /// The deployment
        #[arg(long, short, value_name = "NAME")]
        deployment: DeploymentId,
        /// To this environment only
        #[arg(long, short, value_name = "NAME")]
        environment: Option<EnvironmentName>,
    },
    /// Withdraw one that waits, so that its target is free again: your own, or anybody's as an admin
    Withdraw {
        /// The promotion
        #[arg(value_name = "PROMOTION")]
        id: String,
        /// The deployment
        #[arg(long, short, value_name = "NAME")]
        deployment: DeploymentId,
    },
    /// Show one, as far as it came
    Show {
        /// The promotion
        #[arg(value_name = "PROMOTION")]
        id: String,
        /// The deployment
        #[arg(long, short, value_name = "NAME")]
        deployment: DeploymentId,
    },
}

/// A promotion that is wanted.
#[derive(Debug, clap::Args)]
struct Wanted {
    /// The deployment
    #[arg(long, short, value_name = "NAME")]
    deployment: DeploymentId,

    /// The environment that it goes to
    #[arg(long, value_name = "NAME")]
    to: EnvironmentName,

    /// The environment that it comes from; without it, the one that promotes there
    #[arg(long, value_name = "NAME")]
    from: Option<EnvironmentName>,

    /// The release's number; without it, the one that is active where it comes from
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    release: Option<u64>,

    /// Queue behind another promotion to that environment, for up to 20 seconds, instead of being refused
    #[arg(long)]
    wait: bool,

    /// Where it waits, stay until it has ended
    #[arg(long, conflicts_with = "dry_run")]
    watch: bool,

    /// Move nothing: say what would come of it, and whose boots would be answered otherwise
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<ExitCode> {
        match (self.action, self.wanted) {
            (None, Some(wanted)) if wanted.dry_run => wanted.try_out(&self.host, output),
            (None, Some(wanted)) => wanted.promote((&self.host, &self.confirm), output),
            (Some(Action::List { deployment, environment }), None) => {
                list(&self.host, &deployment, environment.as_ref(), output)
            }
            (Some(Action::Show { id, deployment }), None) => {
                let answer = self.host.ask(Request::get(&one(&deployment, &id)))?;
                show(&answer, output).map(|_| ExitCode::SUCCESS)
            }
            (Some(Action::Withdraw { id, deployment }), None) => {
                let answer = self.host.ask(Request::delete(&one(&deployment, &id)))?;
                show(&answer, output).map(|_| ExitCode::SUCCESS)
            }
            (None, None) => Err(Misuse("name --deployment and --to".into()).into()),
            (Some(_), Some(_)) => {
                let advice =
                    "say what to promote, or `list`, `show` or `withdraw` with their options behind them";
                Err(Misuse(advice.into()).into())
            }
        }
    }
}

impl Wanted {
    fn request(&self) -> Request {
        let body = json!({
            "release": self.release, "from": self.from.as_ref().map(EnvironmentName::as_str),
            "to": self.to.as_str(), "wait": self.wait, "dry_run": self.dry_run,
        });
        Request::post(&all(&self.deployment))
            .body("application/json", body.to_string())
            .patience(HOST_AT_WORK)
    }

    fn try_out(&self, host: &AdminHost, output: &Output) -> anyhow::Result<ExitCode> {
        let progress = output.progress("the host asks the policies, and puts its boots to the release");
        let answer = host.ask(self.request())?;
        drop(progress);
        let tried: Tried = answer.json()?;
        if output.is_json() {
            output.raw(&answer.body)?;
        } else {
            let mut page = output.page();
            tried.render(&mut page);
            output.show(&page)?;
        }
        Ok(exit::differs(tried.is_bad()))
    }

    fn promote(&self, (host, confirm): (&AdminHost, &Confirm), output: &Output) -> anyhow::Result<ExitCode> {
        let is_protected = env::is_protected(host, &self.to)?;
        let confirmed = confirm.of(&self.to, is_protected, "promote to it")?;
        let progress = output.progress("asking for the promotion");
        let answer = host.ask(self.request().query_if("confirm", confirmed))?;
        drop(progress);
        let promotion: Promotion = answer.json()?;
        if !self.watch || !promotion.waits() {
            return show(&answer, output).map(|_| ExitCode::SUCCESS);
        }
        if !output.is_json() {
            show(&answer, output)?;
        }
        let ended = watch::to_its_end(host, (&self.deployment, promotion), output)?;
        let ended = show(&ended, output)?;
        Ok(exit::differs(!ended.is_done()))
    }
}

fn all(deployment: &DeploymentId) -> [&str; 5] {
    ["api", "v1", "deployments", deployment.as_str(), "promotions"]
}

/// Where a promotion is.
pub(super) fn one<'a>(deployment: &'a DeploymentId, id: &'a str) -> [&'a str; 6] {
    ["api", "v1", "deployments", deployment.as_str(), "promotions", id]
}

/// The promotions of a deployment, the newest first, as the host tells them.
pub(super) fn listed(
    host: &AdminHost,
    deployment: &DeploymentId,
    environment: Option<&EnvironmentName>,
) -> anyhow::Result<serde_json::Value> {
    let environment = environment.map(EnvironmentName::as_str);
    host.list(Request::get(&all(deployment)).query_if("environment", environment), "promotions")
}

fn list(
    host: &AdminHost,
    deployment: &DeploymentId,
    environment: Option<&EnvironmentName>,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let answer = listed(host, deployment, environment)?;
    if output.is_json() {
        output.json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let promotions: Vec<Promotion> = serde_json::from_value(answer["promotions"].clone())?;
    let mut table = Table::new(&["PROMOTION", "RELEASE", "FROM", "TO", "STATUS", "SINCE", "BY", "WHY"]);
    for one in &promotions {
        table.row(&one.row().each_ref().map(String::as_str));
    }
    let mut page = output.page();
    page.table(&table);
    output.show(&page)?;
    Ok(ExitCode::SUCCESS)
}

/// Shows a promotion as a host answered it.
pub(super) fn show(answer: &Answer, output: &Output) -> anyhow::Result<Promotion> {
    let promotion: Promotion = answer.json()?;
    if output.is_json() {
        output.raw(&answer.body)?;
    } else {
        let mut page = output.page();
        promotion.render(&mut page);
        output.show(&page)?;
    }
    Ok(promotion)
}
