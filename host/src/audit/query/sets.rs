//! The sets of keys that boots refer to by digest: each file tells their names, once each.

use std::{
    collections::{BTreeSet, HashMap},
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _},
    ops::ControlFlow,
    path::Path,
};

use serde_json::Value;

use super::MAX_LINE_BYTES;

/// How the record begins that tells a set's names.
pub(super) const KEYS: &[u8] = br#"{"keys":""#;

/// Names by digest.
pub(super) type Sets = HashMap<String, Vec<String>>;

/// All that a file tells the names of.
pub(super) fn all(path: &Path) -> io::Result<Sets> {
    let mut sets = Sets::new();
    each_line(path, |line| {
        sets.extend(set(line));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(sets)
}

/// The names of `wanted`, which is emptied of what was found. The file is read until there is
/// nothing left to look for: sets come before the first boot that was given them.
pub(super) fn find(path: &Path, mut wanted: BTreeSet<String>, found: &mut Sets) -> io::Result<()> {
    wanted.retain(|set| !found.contains_key(set));
    if wanted.is_empty() {
        return Ok(());
    }
    each_line(path, |line| {
        if let Some((digest, names)) = set(line)
            && wanted.remove(&digest)
        {
            found.insert(digest, names);
        }
        Ok(if wanted.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })
}

fn set(line: &[u8]) -> Option<(String, Vec<String>)> {
    line.starts_with(KEYS).then_some(())?;
    let set: Value = serde_json::from_slice(line).ok()?;
    let names = set["names"].as_array()?.iter().filter_map(|name| name.as_str().map(str::to_owned));
    Some((set["keys"].as_str()?.to_owned(), names.collect()))
}

/// A file's lines in order, without their line feeds, until `then` has enough.
pub(super) fn each_line(
    path: &Path,
    mut then: impl FnMut(&[u8]) -> io::Result<ControlFlow<()>>,
) -> io::Result<()> {
    let file = File::open(path)?;
    // What the host writes meanwhile may be there by half.
    let length = file.metadata()?.len();
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
