//! `bootlace snapshot diff`: what would change, key by key.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::json;

use super::{
    changes::{self, Change, Kind},
    content, host,
};
use crate::{
    cli::{
        block_on,
        connection::AdminHost,
        exit::Misuse,
        output::{Output, Page, Table},
    },
    manifest::PlanManifest,
    model::{Configuration, InputValue},
};

/// Characters of an id that a person compares; --json has all of them.
const SHORT_ID: usize = 8;

/// Show what would change, without values
///
/// From what the host serves to SNAPSHOT; or with OTHER, from SNAPSHOT to OTHER. Each is a
/// workspace directory, which is built in memory, or a bundle of a trusted signer. Values are
/// compared and named by their ids: a secret that was sealed again has another.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace snapshot diff acme                    what a push of the directory would change
  bootlace snapshot diff acme.bundle --json | jq '.changes[] | select(.secret)'
  bootlace snapshot diff old.bundle acme         needs no host")]
pub struct Args {
    /// A workspace directory or a bundle
    #[arg(value_name = "SNAPSHOT")]
    pub snapshot: PathBuf,

    /// What to compare it with; what the host serves without it
    #[arg(value_name = "OTHER")]
    pub other: Option<PathBuf>,

    /// A signer whose bundles count, instead of those pinned here; may be repeated
    #[arg(long, value_name = "SIGNER-FILE")]
    pub trust: Vec<PathBuf>,

    /// Which host
    #[command(flatten)]
    pub host: AdminHost,
}

/// One side of a comparison.
struct Side {
    name: String,
    plans: Vec<PlanManifest>,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let named = content::read(&self.snapshot, &self.trust)?;
        let (before, after) = match &self.other {
            Some(other) => {
                let after = content::read(other, &self.trust)?;
                if named.uid != after.uid {
                    output.warning("these are two workspaces; their ids differ");
                }
                (side(&self.snapshot, &named)?, side(other, &after)?)
            }
            None => self.against_host(&named)?,
        };
        let changes = changes::between(&before.plans, &after.plans);
        if output.is_json() {
            let all = json!({ "from": before.name, "to": after.name, "changes": changes });
            return Ok(output.json(&all)?);
        }
        let mut page = output.page();
        page.heading(&format!("{} -> {}", before.name, after.name), &counted(&changes));
        list(&changes, &mut page);
        Ok(output.show(&page)?)
    }

    fn against_host(&self, named: &Configuration<InputValue>) -> anyhow::Result<(Side, Side)> {
        let client = self
            .host
            .client()
            .context(Misuse("this compares with a host; name another snapshot to do without one".into()))?;
        let served = block_on(async { Ok(host::served(&client, &self.host, &named.workspace).await?) })?;
        // With the releases that are active there, so that the digests can be compared as well.
        let plans =
            content::manifests(named, |deployment, environment| served.active(deployment, environment))?;
        let name = match served.revision {
            0 => "nothing".to_owned(),
            revision => format!("revision {revision}"),
        };
        let after = Side { name: self.snapshot.display().to_string(), plans };
        Ok((Side { name, plans: served.plans }, after))
    }
}

fn side(path: &Path, configuration: &Configuration<InputValue>) -> anyhow::Result<Side> {
    Ok(Side { name: path.display().to_string(), plans: content::manifests(configuration, |_, _| None)? })
}

fn counted(changes: &[Change]) -> String {
    let of = |kind| changes.iter().filter(|one| one.change == kind).count();
    match (of(Kind::Added), of(Kind::Removed), of(Kind::Changed)) {
        (0, 0, 0) => "no difference".to_owned(),
        (added, removed, changed) => format!("{added} added, {removed} removed, {changed} changed"),
    }
}

pub(super) fn list(changes: &[Change], page: &mut Page) {
    let mut table = Table::new(&["", "DEPLOYMENT", "ENVIRONMENT", "KEY", "BEFORE", "AFTER"]);
    for one in changes {
        let sign = match one.change {
            Kind::Added => "+",
            Kind::Removed => "-",
            Kind::Changed => "~",
        };
        let key = one.key.clone().unwrap_or_else(|| format!("({})", one.about.unwrap_or_default()));
        let key = if one.secret { format!("{key} (secret)") } else { key };
        table.row(&[
            sign,
            &one.deployment,
            &one.environment,
            &key,
            &shown(one.change, &one.before),
            &shown(one.change, &one.after),
        ]);
    }
    page.table(&table);
}

/// Values by the head of their ids. Layer and secrecy are told where they change, not for each
/// key that comes or goes.
fn shown(change: Kind, parts: &[String]) -> String {
    let plain = |part: &&String| {
        change == Kind::Changed || !(part.starts_with("from ") || *part == "secret" || *part == "plain")
    };
    parts.iter().filter(plain).map(|part| shortened(part)).collect::<Vec<_>>().join(", ")
}

fn shortened(part: &str) -> String {
    let word = |word: &str| {
        let digits = word.rsplit(['@', ':']).next().unwrap_or(word);
        let is_id = digits.len() >= 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_id {
            word[..word.len() - digits.len() + SHORT_ID].replace("sha256:", "")
        } else {
            word.to_owned()
        }
    };
    part.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_for_a_person_and_everything_else_is_whole() {
        let id = "0123456789abcdef0123456789abcdef";
        for (part, expected) in [
            (format!("v1 {id}"), "v1 01234567"),
            (format!("primary db.acme.internal:5432 {id}"), "primary db.acme.internal:5432 01234567"),
            (format!("least-privilege@sha256:{id}{id}"), "least-privilege@01234567"),
            ("from deployment-in-environment".into(), "from deployment-in-environment"),
        ] {
            assert_eq!(shortened(&part), expected);
        }
    }

    #[test]
    fn nothing_to_tell_is_told() {
        assert_eq!(counted(&[]), "no difference");
    }
}
