//! What verbs that change a workspace share: the tag of what is to be changed, and what the host says
//! of a change that it made.

use std::{fmt, str::FromStr};

use serde::Deserialize;

use super::output::Output;
use crate::client::Answer;

/// The answer to a change.
#[derive(Debug, Deserialize)]
pub(crate) struct Changed {
    pub(crate) workspace: String,
    pub(crate) revision: u64,
    digest: String,
    #[serde(default)]
    warnings: Vec<String>,
}

/// Says what was done, and in which revision.
pub(crate) fn report(answer: &Answer, what: &str, output: &Output) -> anyhow::Result<()> {
    if output.is_json() {
        return Ok(output.raw(&answer.body)?);
    }
    let changed: Changed = answer.json()?;
    let mut page = output.page();
    page.heading(&format!("{} revision {}", changed.workspace, changed.revision), what);
    page.fields(&[("digest", changed.digest)]);
    output.show(&page)?;
    changed.warnings.iter().for_each(|warning| output.warning(warning));
    Ok(())
}

/// What a record was when it was looked at: the revision that changed it last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Etag(pub(crate) u64);

/// The text is no tag.
#[derive(Debug, thiserror::Error)]
#[error("not an etag; take it as a list shows it, such as 42")]
pub(crate) struct InvalidEtag;

impl FromStr for Etag {
    type Err = InvalidEtag;
    /// With or without the quotes that HTTP puts around it, which a shell takes off.
    fn from_str(text: &str) -> Result<Self, InvalidEtag> {
        let bare = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
        let digits = !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_digit());
        bare.parse().ok().filter(|_| digits).map(Self).ok_or(InvalidEtag)
    }
}

impl TryFrom<String> for Etag {
    type Error = InvalidEtag;
    fn try_from(text: String) -> Result<Self, InvalidEtag> {
        text.parse()
    }
}

impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a table shows the tag of what may have none.
pub(crate) fn shown(etag: Option<Etag>) -> String {
    etag.map(|etag| etag.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_a_number_with_or_without_quotes() {
        for good in ["42", "\"42\""] {
            assert_eq!(good.parse::<Etag>().unwrap(), Etag(42));
        }
        for bad in ["", "\"\"", "*", "W/\"1\"", "+1", "-1", "\"1", "1\"", "99999999999999999999"] {
            assert!(bad.parse::<Etag>().is_err(), "{bad}");
        }
    }
}
