//! What boots refer to: each file tells it before the first of them.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    ops::ControlFlow,
    path::Path,
};

use serde_json::{Map, Value};

use super::{MAX_LINE_BYTES, TOLD_WITHIN};
use crate::id::VariableName;

/// How the record begins that tells what an id stands for.
const GIVEN: &[u8] = br#"{"given":""#;
/// The same, in files of format 1: the names of keys by their digest.
const KEYS: &[u8] = br#"{"keys":""#;

/// Whether a line tells what others refer to.
pub(super) fn tells_what_was_given(line: &[u8]) -> bool {
    line.starts_with(GIVEN) || line.starts_with(KEYS)
}

/// What a boot's record refers to.
pub(super) fn reference(record: &Value) -> Option<&str> {
    record["given"].as_str().or(record["keys"].as_str())
}

/// What was given, by what boots refer to it with.
#[derive(Default)]
pub(super) struct Given(HashMap<String, Map<String, Value>>);

impl Given {
    /// What `records` of a file refer to, of which the first stands at byte `oldest`. The file is read until
    /// there is nothing left to look for: from shortly before that record, and from its beginning if that
    /// does not do, as in files of format 1.
    pub(super) fn mentioned_by(records: &[Value], path: &Path, oldest: u64) -> io::Result<Self> {
        let mut wanted: HashSet<_> = records.iter().filter_map(reference).map(str::to_owned).collect();
        let mut found = Self::default();
        let near = oldest.saturating_sub(TOLD_WITHIN + MAX_LINE_BYTES);
        found.look_for(&mut wanted, path, near)?;
        if near > 0 {
            found.look_for(&mut wanted, path, 0)?;
        }
        Ok(found)
    }

    fn look_for(&mut self, wanted: &mut HashSet<String>, path: &Path, from: u64) -> io::Result<()> {
        if wanted.is_empty() {
            return Ok(());
        }
        each_line_from(path, from, |line| {
            if let Some((id, fields)) = told(line)
                && wanted.remove(&id)
            {
                self.0.insert(id, fields);
            }
            Ok(if wanted.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })
    }

    /// Takes in what a line tells.
    pub(super) fn learn(&mut self, line: &[u8]) {
        self.0.extend(told(line));
    }

    /// Puts into a record what it refers to.
    pub(super) fn complete(&self, record: &mut Value) {
        let fields = reference(record).and_then(|given| self.0.get(given)).cloned();
        if let (Some(fields), Some(record)) = (fields, record.as_object_mut()) {
            record.remove("given");
            record.extend(fields);
        }
    }
}

/// What a file says was given with `key` among it.
pub(super) fn with_key(path: &Path, key: &VariableName) -> io::Result<HashSet<String>> {
    let mut found = HashSet::new();
    each_line(path, |line| {
        if let Some((id, fields)) = told(line) {
            let mut names = fields["names"].as_array().into_iter().flatten();
            if names.any(|name| name.as_str() == Some(key.as_str())) {
                found.insert(id);
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}

/// What a line tells, and by which id.
fn told(line: &[u8]) -> Option<(String, Map<String, Value>)> {
    tells_what_was_given(line).then_some(())?;
    let Value::Object(mut fields) = serde_json::from_slice(line).ok()? else { return None };
    fields.get("names")?.as_array()?;
    let id = fields.remove("given").or_else(|| fields.get("keys").cloned())?;
    fields.remove("kind");
    Some((id.as_str()?.to_owned(), fields))
}

/// A file's lines in order, without their line feeds, until `then` has enough.
pub(super) fn each_line(
    path: &Path,
    then: impl FnMut(&[u8]) -> io::Result<ControlFlow<()>>,
) -> io::Result<()> {
    each_line_from(path, 0, then)
}

/// The same from byte `from` on; what is there of a line that began before is no line that `then` knows.
fn each_line_from(
    path: &Path,
    from: u64,
    mut then: impl FnMut(&[u8]) -> io::Result<ControlFlow<()>>,
) -> io::Result<()> {
    let mut file = File::open(path)?;
    // What the host writes meanwhile may be there by half.
    let length = file.metadata()?.len().saturating_sub(from);
    file.seek(SeekFrom::Start(from))?;
    let mut reader = BufReader::with_capacity(1 << 16, file.take(length));
    let mut line = Vec::new();
    while reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line)? > 0 {
        if then(line.strip_suffix(b"\n").unwrap_or(&line))?.is_break() {
            break;
        }
        line.clear();
    }
    Ok(())
}
