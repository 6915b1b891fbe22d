//! Questions to the log: who, which key, which environment, when. Read from the newest record
//! backwards, a page at a time; or forwards, all of it, for an export.

mod given;

use std::{
    collections::{BTreeSet, HashSet},
    fmt,
    io::{self, Write},
    ops::ControlFlow,
    path::Path,
    str::FromStr,
};

use serde_json::Value;

use super::{
    backwards::Backwards,
    checkpoint::KeptCheckpoint,
    frames::{self, MAX_LINE_BYTES},
    log::TOLD_WITHIN,
    retention::header,
    wire::Notice,
};
use given::{Given, each_line, tells_what_was_given};

use crate::id::{EnvironmentName, UnixSeconds, VariableName, WorkspaceId};

/// The most records on a page.
pub const MAX_PAGE: usize = 1000;
/// The most that is read for a page, in bytes, before it is given out as it is. A question for a key
/// reads each file that it visits once more, for what was given with that key.
const MAX_READ_BYTES: u64 = 64 << 20;

/// Which records. What is not given, any.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// On whose behalf.
    pub principal: Option<String>,
    /// Records that name this key: boots that were given it, changes of it.
    pub key: Option<VariableName>,
    /// Of which environment.
    pub environment: Option<EnvironmentName>,
    /// Of which workspace.
    pub workspace: Option<WorkspaceId>,
    /// Of which kind: `boot`, or what was changed.
    pub kind: Option<String>,
    /// Of these environments alone: what names none, or another one too, is left out.
    pub within: Option<BTreeSet<EnvironmentName>>,
    /// Of none of these environments: what names one is left out.
    pub without: BTreeSet<EnvironmentName>,
    /// The boot of that id.
    pub boot: Option<String>,
    /// Not before.
    pub since: Option<UnixSeconds>,
    /// Not after.
    pub until: Option<UnixSeconds>,
}

/// Records, the newest first.
#[derive(Debug, Clone, Default)]
pub struct RecordPage {
    /// The records as they stand in the log, each with what it refers to: a boot's `names` of keys, and
    /// the digests that its answer was made of.
    pub records: Vec<Value>,
    /// Where older ones go on, if there may be any: a page may be short, or even empty.
    pub next: Option<Cursor>,
}

/// A place in the log: everything before it is still to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    file: u64,
    offset: u64,
}

/// The text is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor, as the page before gave it")]
pub struct InvalidCursor;

impl Query {
    /// The newest records before `cursor`, at most `limit` and [`MAX_PAGE`] of them.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn page(&self, directory: &Path, cursor: Option<Cursor>, limit: usize) -> io::Result<RecordPage> {
        let (mut page, mut read) = (RecordPage::default(), 0);
        let limit = limit.clamp(1, MAX_PAGE);
        let mut numbers = frames::numbers(directory)?;
        numbers.retain(|number| cursor.is_none_or(|cursor| *number <= cursor.file));
        let mut ended = None;
        for number in numbers.into_iter().rev() {
            // When this file ended, the one behind it was begun.
            let is_too_old = |at| self.since.is_some_and(|since| at < since.0);
            if ended.is_some_and(is_too_old) {
                return Ok(page);
            }
            let path = frames::path(directory, number);
            ended = match header(&path) {
                Ok(header) => header.map(|header| header.at),
                // Retention took it away meanwhile, and with it all before.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(page),
                Err(error) => return Err(error),
            };
            let end = cursor.filter(|cursor| cursor.file == number).map(|cursor| cursor.offset);
            let stopped = self.read_back(&path, end, limit, &mut read, &mut page)?;
            if let Some(offset) = stopped {
                page.next = Some(Cursor { file: number, offset });
                return Ok(page);
            }
        }
        Ok(page)
    }

    /// Adds a file's records to a page, up to its limits; where it stopped, if it did.
    fn read_back(
        &self,
        path: &Path,
        end: Option<u64>,
        limit: usize,
        read: &mut u64,
        page: &mut RecordPage,
    ) -> io::Result<Option<u64>> {
        let (with_key, before, mut stopped) = (self.given_with_key(path)?, page.records.len(), None);
        let mut oldest = None;
        let mut lines = Backwards::open(path, end)?;
        while let Some((offset, line)) = lines.next()? {
            *read += line.len() as u64 + 1;
            if let Some(record) = self.matching(&line, &with_key) {
                oldest = Some(offset);
                page.records.push(record);
            }
            if page.records.len() == limit || *read >= MAX_READ_BYTES {
                stopped = Some(offset);
                break;
            }
        }
        let found = page.records.get_mut(before..).unwrap_or_default();
        let given = Given::mentioned_by(found, path, oldest.unwrap_or_default())?;
        found.iter_mut().for_each(|record| given.complete(record));
        Ok(stopped)
    }

    /// Writes every record that matches, the oldest first, a line each. The names that a boot's
    /// `keys` stand for come before it, once for each file.
    ///
    /// # Errors
    /// When the log cannot be read, or `out` takes no more.
    pub fn export(&self, directory: &Path, out: &mut impl Write) -> io::Result<u64> {
        let mut count = 0;
        for number in frames::numbers(directory)? {
            let path = frames::path(directory, number);
            let (with_key, mut given, mut told) =
                (self.given_with_key(&path)?, Given::default(), HashSet::new());
            each_line(&path, |line| {
                if tells_what_was_given(line) {
                    given.learn(line);
                }
                let Some(mut record) = self.matching(line, &with_key) else {
                    return Ok(ControlFlow::Continue(()));
                };
                given.complete(&mut record);
                let names = record.as_object_mut().and_then(|record| record.remove("names"));
                if let (Some(keys), Some(names)) = (record["keys"].as_str(), names)
                    && told.insert(keys.to_owned())
                {
                    let line = serde_json::json!({ "keys": keys, "kind": "keys", "names": names });
                    writeln!(out, "{line}")?;
                }
                count += 1;
                writeln!(out, "{record}").map(ControlFlow::Continue)
            })?;
        }
        Ok(count)
    }

    /// Of what the file says was given, that with the key that is asked for.
    fn given_with_key(&self, path: &Path) -> io::Result<HashSet<String>> {
        self.key.as_ref().map_or_else(|| Ok(HashSet::new()), |key| given::with_key(path, key))
    }

    /// The record in `line`, if it is one of those that are asked for.
    fn matching(&self, line: &[u8], with_key: &HashSet<String>) -> Option<Value> {
        let is_record = !Notice::is_one(line) && !tells_what_was_given(line);
        let record = is_record.then(|| serde_json::from_slice::<Value>(line).ok()).flatten()?;
        let details = &record["details"];
        let told = |name: &str| record[name].as_str().or(details[name].as_str());
        let is = |name, wanted: Option<&str>| wanted.is_none_or(|wanted| told(name) == Some(wanted));
        let at = record["at"].as_i64().unwrap_or_default();
        let names_key = |key: &VariableName| {
            let listed = details["keys"].as_array().into_iter().flatten();
            told("key") == Some(key.as_str())
                || listed.clone().any(|name| name.as_str() == Some(key.as_str()))
                || given::reference(&record).is_some_and(|given| with_key.contains(given))
        };
        let names_environment = |environment: &EnvironmentName| {
            let mut listed = details["environments"].as_array().into_iter().flatten();
            told("environment") == Some(environment.as_str())
                || listed.any(|name| name.as_str() == Some(environment.as_str()))
        };
        let is_wanted = is("principal", self.principal.as_deref())
            && is("kind", self.kind.as_deref())
            && is("id", self.boot.as_deref())
            && self.environment.as_ref().is_none_or(names_environment)
            && is("workspace", self.workspace.as_ref().map(WorkspaceId::as_str))
            && self.since.is_none_or(|since| at >= since.0)
            && self.until.is_none_or(|until| at <= until.0)
            && self.key.as_ref().is_none_or(names_key)
            && self.within.as_ref().is_none_or(|seen| lies_within(&record, seen))
            && (self.without.is_empty() || !named(&record).flatten().any(|name| names(&self.without, name)));
        is_wanted.then_some(record)
    }
}

/// Whether all that a record is about lies in environments that are seen.
fn lies_within(record: &Value, seen: &BTreeSet<EnvironmentName>) -> bool {
    let mut named = named(record).peekable();
    named.peek().is_some() && named.all(|name| name.is_some_and(|name| names(seen, name)))
}

fn names(some: &BTreeSet<EnvironmentName>, name: &str) -> bool {
    some.iter().any(|environment| environment.as_str() == name)
}

/// The environments that a record is about.
fn named(record: &Value) -> impl Iterator<Item = Option<&str>> {
    let details = &record["details"];
    let one = record["environment"].as_str().or(details["environment"].as_str());
    let several = details["environments"].as_array().into_iter().flatten().map(Value::as_str);
    one.map(Some).into_iter().chain(several)
}

/// The newest checkpoint in the log, to be kept elsewhere.
///
/// # Errors
/// When the log cannot be read.
pub fn newest_checkpoint(directory: &Path) -> io::Result<Option<KeptCheckpoint>> {
    for number in frames::numbers(directory)?.into_iter().rev() {
        let mut lines = Backwards::open(&frames::path(directory, number), None)?;
        while let Some((_, mut line)) = lines.next()? {
            line.push(b'\n');
            if let Some(Notice::Checkpoint(checkpoint)) = Notice::from_line(&line) {
                return Ok(Some(KeptCheckpoint(checkpoint)));
            }
        }
    }
    Ok(None)
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.file, self.offset)
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;
    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let (file, offset) = text.split_once('-').ok_or(InvalidCursor)?;
        let number = |text: &str| text.parse().map_err(|_| InvalidCursor);
        Ok(Self { file: number(file)?, offset: number(offset)? })
    }
}

#[cfg(test)]
mod tests;
