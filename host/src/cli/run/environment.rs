//! What the command finds in its environment: what it would inherit, with what was fetched on top.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
};

use anyhow::bail;

/// The whole environment of a command, ready to be handed to the kernel.
pub(super) type Environment = BTreeMap<OsString, OsString>;

/// What of the inherited environment is kept.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Kept {
    /// Start from an empty environment, but for PATH, HOME, TERM, LANG, TZ and USER
    #[arg(long)]
    clean: bool,

    /// Pass BOOTLACE_TOKEN and BOOTLACE_TOKEN_FILE on to the command
    #[arg(long)]
    keep_token: bool,
}

/// What `--clean` keeps: what programs need to find themselves, none of it anyone's secret.
const BASICS: [&str; 6] = ["PATH", "HOME", "TERM", "LANG", "TZ", "USER"];
/// Every variable that starts like this names a credential of ours.
const TOKEN_VARIABLES: &str = "BOOTLACE_TOKEN";

impl Kept {
    /// The command's environment: `inherited` as far as it is kept, with `fetched` on top.
    pub(super) fn with(
        self,
        inherited: impl IntoIterator<Item = (OsString, OsString)>,
        fetched: BTreeMap<String, String>,
    ) -> anyhow::Result<Environment> {
        if let Some(name) =
            fetched.iter().find_map(|(name, value)| (!can_be_injected(name, value)).then_some(name))
        {
            bail!("the value of {name} cannot be an environment variable, so nothing was started");
        }
        let kept = inherited.into_iter().filter(|(name, _)| self.keeps(name));
        Ok(kept.chain(fetched.into_iter().map(|(name, value)| (name.into(), value.into()))).collect())
    }

    fn keeps(self, name: &OsStr) -> bool {
        if name.as_encoded_bytes().starts_with(TOKEN_VARIABLES.as_bytes()) {
            return self.keep_token;
        }
        !self.clean || BASICS.iter().any(|basic| name == *basic)
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
        kept: Kept,
    }

    fn environment(options: &[&str], fetched: &[(&str, &str)]) -> anyhow::Result<Vec<String>> {
        let inherited =
            ["PATH=/bin", "LOG=debug", "BOOTLACE_TOKEN=t", "BOOTLACE_TOKEN_FILE=f", "BOOTLACE_URL=u"];
        let inherited = inherited.map(|pair| pair.split_once('=').unwrap());
        let inherited = inherited.map(|(name, value)| (name.into(), value.into()));
        let fetched = fetched.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let line = Line::parse_from(["run"].iter().chain(options));
        let environment = line.kept.with(inherited, fetched)?;
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
