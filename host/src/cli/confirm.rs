//! Changes of a protected environment want its name said twice: typed at a terminal, or given with
//! `--confirm` where nobody sits at one.

use std::io::{self, BufRead, IsTerminal as _, Write as _};

use super::exit::Misuse;
use crate::id::EnvironmentName;

/// The longest line that is read, in bytes: more than any name has.
const MAX_LINE_BYTES: u64 = 1024;

/// The name, said once more.
#[derive(Debug, clap::Args)]
pub(crate) struct Confirm {
    /// Its name once more, where it is protected and nobody can be asked at a terminal
    #[arg(long, value_name = "NAME")]
    confirm: Option<EnvironmentName>,
}

impl Confirm {
    /// What the host is to hear as `?confirm=`; nothing for an environment that is not protected.
    /// `what` is going to be done to it, such as `delete it`.
    pub(crate) fn of<'a>(
        &self,
        environment: &'a EnvironmentName,
        is_protected: bool,
        what: &str,
    ) -> anyhow::Result<Option<&'a str>> {
        let said = match &self.confirm {
            Some(given) => given.to_string(),
            None if !is_protected => return Ok(None),
            None if io::stdin().is_terminal() => {
                let mut stderr = io::stderr();
                write!(stderr, "{environment} is protected. Type its name to {what}: ")?;
                stderr.flush()?;
                line(io::stdin().lock())?
            }
            None => {
                let advice = format!(
                    "{environment} is protected, and nobody can be asked here; say --confirm {environment} to {what}"
                );
                return Err(Misuse(advice).into());
            }
        };
        if said != environment.as_str() {
            let advice = format!("that is not the name of {environment}; nothing is changed");
            return Err(Misuse(advice).into());
        }
        Ok(Some(environment.as_str()))
    }
}

/// What was typed, without what ends the line.
fn line(keys: impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    keys.take(MAX_LINE_BYTES).read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_name_confirms() {
        let name: EnvironmentName = "production".parse().unwrap();
        let given = |text: Option<&str>| Confirm { confirm: text.map(|text| text.parse().unwrap()) };
        assert_eq!(given(Some("production")).of(&name, true, "delete it").unwrap(), Some("production"));
        assert_eq!(given(None).of(&name, false, "delete it").unwrap(), None);
        for is_protected in [true, false] {
            let error = given(Some("prod")).of(&name, is_protected, "delete it").unwrap_err();
            assert!(error.is::<Misuse>(), "{error}");
        }
    }

    #[test]
    fn a_typed_line_is_read_without_its_end() {
        for (typed, kept) in [("production\n", "production"), ("a b \r\n", "a b "), ("", ""), ("no", "no")] {
            assert_eq!(line(typed.as_bytes()).unwrap(), kept);
        }
    }
}
