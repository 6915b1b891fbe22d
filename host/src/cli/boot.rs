//! `bootlace boot`: fetch and print. The host writes the format, so that every client prints the
//! same bytes and a value that a format cannot carry is refused in one place.

use std::path::PathBuf;

use clap::{ValueEnum, builder::PossibleValue};

use super::{
    block_on, connection::BootHost, exit::Misuse, facts::FactArgs, files, hardening::forbid_dumps,
    output::Output,
};
use crate::{client::Request, format::Format};

/// Fetch this instance's configuration and print it
///
/// The token alone decides workspace, deployment and environment. Everything printed comes from
/// one revision. A value that the format cannot carry is refused by name, never mangled.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  bootlace boot                                       everything, as JSON
  bootlace boot --format dotenv --output .env         a file that only you can read
  eval \"$(bootlace boot --format shell)\"              into this shell
  bootlace boot --format k8s-secret | kubectl apply -f -
  bootlace boot --region eu-west --attr tier=canary   facts that a policy may choose by")]
pub struct Args {
    /// How to print it
    #[arg(long, short, value_enum, default_value_t = Format::Json)]
    format: Format,

    /// Write to a new file that only its owner can read; an old one is replaced at once
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    facts: FactArgs,

    #[command(flatten)]
    host: BootHost,
}

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        if output.is_json() && self.format != Format::Json {
            return Err(Misuse("--json and another --format cannot both be had".into()).into());
        }
        let _dumps_off = forbid_dumps()?;
        let client = self.host.client()?;
        let request = self.facts.tell(Request::get(&["v1", "boot"])).query("format", self.format.as_str());
        let answer = block_on(async { Ok(client.send(&request).await?) })?;
        match &self.output {
            Some(file) => files::replace_private(file, &answer.body),
            None => Ok(output.raw(&answer.body)?),
        }
    }
}

/// As the help tells of them.
impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Json => "The whole answer: names, revision, digest, variables, warnings",
            Self::Dotenv => "NAME=\"value\" lines, for tools that read .env files",
            Self::Docker => "For `docker run --env-file`: no quoting, so no newlines",
            Self::Systemd => "For systemd's EnvironmentFile=",
            Self::Shell => "POSIX `export` lines, to be evaluated",
            Self::K8sSecret => "A Kubernetes Secret manifest",
        };
        Some(PossibleValue::new(self.as_str()).help(help))
    }
}
