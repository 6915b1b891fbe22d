//! `bootlace run`: fetch, then *become* the command. There is no process left between the command
//! and whoever started it, so signals, exit code and resource limits are its own.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    os::unix::process::CommandExt as _,
    process::Command,
};

use anyhow::bail;
use serde::Deserialize;

use super::{
    block_on, connection::BootHost, exit::NotStarted, facts::FactArgs, hardening::forbid_dumps,
    output::Output,
};
use crate::client::Request;

/// Fetch this instance's configuration and become a command that has it
///
/// The command replaces bootlace (exec). Fetched variables go before inherited ones of the same
/// name. Nothing is started when a required key has no value, when a policy refuses, or when a
/// value cannot be an environment variable. BOOTLACE_TOKEN and BOOTLACE_TOKEN_FILE are not passed
/// on.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit status:
  the command's own, once it runs; before that 1 refused by the host, 2 wrong usage,
  3 unreachable, 126 the command cannot be executed, 127 there is no such command

Examples:
  bootlace run -- ./checkout --port 8080
  bootlace run --clean -- node server.js              nothing inherited but the basics
  bootlace run --region eu-west -- sh -c 'echo \"$DATABASE_URL\"'
  ENTRYPOINT [\"bootlace\", \"run\", \"--\"]              in a Dockerfile")]
pub struct Args {
    /// Start from an empty environment, but for PATH, HOME, TERM, LANG, TZ and USER
    #[arg(long)]
    clean: bool,

    /// Pass BOOTLACE_TOKEN and BOOTLACE_TOKEN_FILE on to the command
    #[arg(long)]
    keep_token: bool,

    /// The command, and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,

    #[command(flatten)]
    facts: FactArgs,

    #[command(flatten)]
    host: BootHost,
}

/// What a boot answers, as far as `run` needs it.
#[derive(Deserialize)]
struct Boot {
    env: BTreeMap<String, String>,
    #[serde(default)]
    warnings: Vec<String>,
}

/// What `--clean` keeps: what programs need to find themselves, none of it anyone's secret.
const BASICS: [&str; 6] = ["PATH", "HOME", "TERM", "LANG", "TZ", "USER"];
/// Every variable that starts like this names a credential of ours.
const TOKEN_VARIABLES: &str = "BOOTLACE_TOKEN";

impl Args {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<()> {
        let dumps_off = forbid_dumps()?;
        let client = self.host.client()?;
        let request = self.facts.tell(Request::get(&["v1", "boot"])).query("format", "json");
        let boot: Boot = block_on(async { Ok(client.send(&request).await?.json()?) })?;
        for warning in &boot.warnings {
            output.warning(warning);
        }
        let environment = self.environment(std::env::vars_os(), boot.env)?;
        // A connection's descriptors close on exec; what else was ours is gone with the memory.
        drop(client);
        dumps_off.undo()?;
        self.become_command(environment)
    }

    /// The command's environment: `inherited` as far as it is kept, with `fetched` on top.
    fn environment(
        &self,
        inherited: impl IntoIterator<Item = (OsString, OsString)>,
        fetched: BTreeMap<String, String>,
    ) -> anyhow::Result<BTreeMap<OsString, OsString>> {
        if let Some(name) =
            fetched.iter().find_map(|(name, value)| (!can_be_injected(name, value)).then_some(name))
        {
            bail!("the value of {name} cannot be an environment variable, so nothing was started");
        }
        let kept = inherited.into_iter().filter(|(name, _)| self.keeps(name));
        Ok(kept.chain(fetched.into_iter().map(|(name, value)| (name.into(), value.into()))).collect())
    }

    fn keeps(&self, name: &OsStr) -> bool {
        if name.as_encoded_bytes().starts_with(TOKEN_VARIABLES.as_bytes()) {
            return self.keep_token;
        }
        !self.clean || BASICS.iter().any(|basic| name == *basic)
    }

    /// Returns only when the command does not start.
    fn become_command(&self, environment: BTreeMap<OsString, OsString>) -> anyhow::Result<()> {
        let (program, arguments) = self.command.split_first().expect("clap requires a command");
        let source = Command::new(program).args(arguments).env_clear().envs(environment).exec();
        Err(NotStarted { command: program.to_string_lossy().into_owned(), source }.into())
    }
}

/// The kernel takes `NAME=value` up to a NUL: a name without `=`, and no NUL in either.
fn can_be_injected(name: &str, value: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0')
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn environment(options: &[&str], fetched: &[(&str, &str)]) -> anyhow::Result<Vec<String>> {
        let line = ["run"].iter().chain(options).chain(&["--", "true"]);
        let inherited =
            ["PATH=/bin", "LOG=debug", "BOOTLACE_TOKEN=t", "BOOTLACE_TOKEN_FILE=f", "BOOTLACE_URL=u"];
        let inherited = inherited.map(|pair| pair.split_once('=').unwrap());
        let inherited = inherited.map(|(name, value)| (name.into(), value.into()));
        let fetched = fetched.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let environment = Line::parse_from(line).args.environment(inherited, fetched)?;
        let text = |part: OsString| part.into_string().unwrap();
        Ok(environment.into_iter().map(|(name, value)| format!("{}={}", text(name), text(value))).collect())
    }

    #[test]
    fn fetched_values_go_before_inherited_ones_and_tokens_stay_behind() {
        let environment = environment(&[], &[("LOG", "warn"), ("EMPTY", "")]).unwrap();
        assert_eq!(environment, ["BOOTLACE_URL=u", "EMPTY=", "LOG=warn", "PATH=/bin"]);
    }

    #[test]
    fn tokens_are_passed_on_only_when_asked_for() {
        let kept = environment(&["--keep-token", "--clean"], &[]).unwrap();
        assert_eq!(kept, ["BOOTLACE_TOKEN=t", "BOOTLACE_TOKEN_FILE=f", "PATH=/bin"]);
    }

    #[test]
    fn clean_keeps_the_basics_alone() {
        assert_eq!(environment(&["--clean"], &[("A", "1")]).unwrap(), ["A=1", "PATH=/bin"]);
    }

    #[test]
    fn what_cannot_be_a_variable_is_named_and_starts_nothing() {
        for (name, value) in [("KEY", "hush\0hush"), ("A=B", "hush"), ("", "hush"), ("A\0", "hush")] {
            let error = environment(&[], &[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name) && !error.contains("hush"), "{error}");
        }
    }
}
