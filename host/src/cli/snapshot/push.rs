//! `bootlace snapshot push` and `rollback`: a new revision on a host, of new content or of old.

use std::{path::PathBuf, time::Duration};

use anyhow::Context as _;
use serde_json::json;

use super::{
    build::{self, envelope},
    content, host,
};
use crate::{
    bundle,
    cli::{block_on, change::report, connection::AdminHost, directory, exit::Misuse, files, output::Output},
    client::{Answer, Client, Error, Request},
    clock::Clock,
    signing::OperatorKey,
};

const BUNDLE: &str = "application/vnd.bootlace.bundle";
/// How long the host may check, seal and compile: to give up on it is not to call it back.
const HOST_AT_WORK: Duration = Duration::from_secs(300);

/// Push a bundle, or a directory that is built on the way
///
/// Refused unless the revision that the bundle follows is current: nobody else's change is lost. A
/// directory is built on what is current when the push begins.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace snapshot push acme.bundle
  bootlace snapshot push acme --signer alice.key        build on what is current, and push")]
pub struct Args {
    /// A bundle, or with --signer a workspace directory
    #[arg(value_name = "BUNDLE|DIR")]
    pub snapshot: PathBuf,

    /// Build the directory and sign it with this operator's key
    #[arg(long, value_name = "FILE")]
    pub signer: Option<PathBuf>,

    /// Where to
    #[command(flatten)]
    pub host: AdminHost,
}

/// Serve an earlier snapshot's content again, under a new revision
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace snapshot rollback --to 41 --workspace acme")]
pub struct Rollback {
    /// The revision whose content to take
    #[arg(long, value_name = "REVISION")]
    pub to: u64,

    /// Which host
    #[command(flatten)]
    pub host: AdminHost,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        match (&self.signer, self.snapshot.is_dir()) {
            (Some(signer), true) => self.push_directory(files::private_key(signer)?, output),
            (None, false) => self.push_bundle(output),
            (None, true) => Err(Misuse(format!(
                "{} is a directory; say who signs it with --signer FILE",
                self.snapshot.display()
            ))
            .into()),
            (Some(_), false) => Err(Misuse(format!(
                "{} is no directory; a bundle is signed already, so leave --signer out",
                self.snapshot.display()
            ))
            .into()),
        }
    }

    fn push_bundle(&self, output: &Output) -> anyhow::Result<()> {
        let bytes = content::bundle_bytes(&self.snapshot)?;
        let header = content::header(&self.snapshot, &bytes)?;
        let client = self.host.client()?;
        let progress = output.progress(&format!("pushing {}", self.snapshot.display()));
        let answer = block_on(async { Ok(send(&client, bytes, header.parent.0).await) })?;
        drop(progress);
        let answer = answer.map_err(|error| self.explained(error, header.parent.0))?;
        report(&answer, "pushed", output)
    }

    fn push_directory(&self, key: OperatorKey, output: &Output) -> anyhow::Result<()> {
        let client = self.host.client()?;
        let progress = output.progress(&format!("reading {}", self.snapshot.display()));
        let directory = directory::load(&self.snapshot)?;
        let (answer, parent) = block_on(async {
            let workspace = &directory.configuration.workspace;
            let parent = host::revision(&client, &self.host, Some(workspace)).await?;
            let envelope = envelope(parent, 1, Clock::system().now());
            let bytes = bundle::sign_input(&directory.configuration, envelope, &key)?;
            progress.now("pushing: the host checks it and compiles policies");
            Ok((send(&client, bytes, parent).await, parent))
        })?;
        drop(progress);
        build::warn_of_unknown_keys(&self.snapshot, &directory, &key, output);
        let answer = answer.map_err(|error| self.explained(error, parent))?;
        report(&answer, "pushed", output)
    }

    /// A conflict says what to type; everything else speaks for itself.
    fn explained(&self, error: Error, parent: u64) -> anyhow::Error {
        let current = error.refusal().filter(|refusal| refusal.problem.code == "conflict");
        let Some(current) = current.and_then(|refusal| refusal.problem.revision) else {
            return error.into();
        };
        let again = match self.signer {
            Some(_) => "somebody else pushed meanwhile; look at the difference and push again".to_owned(),
            None => format!("build again with --parent {current}"),
        };
        let path = self.snapshot.display();
        let advice = format!("{path} follows revision {parent}, but {current} is current; {again}");
        anyhow::Error::new(error).context(advice)
    }
}

impl Rollback {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let client = self.host.client()?;
        let progress = output.progress(&format!("rolling back to revision {}", self.to));
        let answer = block_on(async {
            let current = host::revision(&client, &self.host, None).await?;
            let body = serde_json::to_vec(&json!({ "revision": self.to }))?;
            let request = Request::post(&["api", "v1", "snapshot", "rollback"]);
            let request = self.host.within(request).body("application/json", body).if_match(current);
            let request = request.patience(HOST_AT_WORK);
            client.send(&request).await.with_context(|| format!("cannot roll back to revision {}", self.to))
        })?;
        drop(progress);
        report(&answer, &format!("has the content of revision {}", self.to), output)
    }
}

async fn send(client: &Client, bytes: Vec<u8>, parent: u64) -> Result<Answer, Error> {
    let request = Request::put(&["api", "v1", "snapshot"]).body(BUNDLE, bytes).if_match(parent);
    client.send(&request.patience(HOST_AT_WORK)).await
}
