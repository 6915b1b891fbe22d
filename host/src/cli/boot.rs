//! `bootlace boot`: fetch and print. The host writes the format, so that every client prints the
//! same bytes and a value that a format cannot carry is refused in one place.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::ValueEnum;

use super::{
    block_on, connection::BootHost, exit::Misuse, facts::FactArgs, hardening::forbid_dumps, output::Output,
};
use crate::client::Request;

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
    #[arg(long, short, value_enum, default_value_t)]
    format: Format,

    /// Write to a new file that only its owner can read; an old one is replaced at once
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    facts: FactArgs,

    #[command(flatten)]
    host: BootHost,
}

/// The formats a host writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    /// The whole answer: names, revision, digest, variables, warnings
    #[default]
    Json,
    /// NAME="value" lines, for tools that read .env files
    Dotenv,
    /// For `docker run --env-file`: no quoting, so no newlines
    Docker,
    /// For systemd's EnvironmentFile=
    Systemd,
    /// POSIX `export` lines, to be evaluated
    Shell,
    /// A Kubernetes Secret manifest
    #[value(name = "k8s-secret")]
    K8sSecret,
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
            Some(file) => {
                write_private(file, &answer.body).with_context(|| format!("cannot write {}", file.display()))
            }
            None => Ok(output.raw(&answer.body)?),
        }
    }
}

impl Format {
    fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Dotenv => "dotenv",
            Self::Docker => "docker",
            Self::Systemd => "systemd",
            Self::Shell => "shell",
            Self::K8sSecret => "k8s-secret",
        }
    }
}

/// Mode 0600 from the first byte on (a shell's `>` would leave it to the umask), and complete or
/// not there at all.
fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn a_written_file_is_its_owners_alone_even_where_an_open_one_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".env");
        fs::write(&path, "OLD=1").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write_private(&path, b"NEW=2\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"NEW=2\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn formats_are_called_what_the_contract_calls_them() {
        for format in Format::value_variants() {
            assert_eq!(format.to_possible_value().unwrap().get_name(), format.as_str());
        }
    }
}
