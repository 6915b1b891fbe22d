//! TOML with positions: nodes that know their file, key and span, and a reader that collects
//! everything that is wrong instead of stopping at the first.

use std::{collections::BTreeMap, fmt::Display, ops::Range, str::FromStr};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{MAX_FILE_BYTES, Problem, Problems};
use crate::{
    id::UnixSeconds,
    validate::{Path, Violation},
};

/// Problems kept; a file of garbage may have many.
const MAX_PROBLEMS: usize = 1_000;

/// A parsed file.
pub(super) struct SourceFile<'a> {
    path: &'a str,
    text: &'a str,
    /// Where each line starts, so that positions cost no scan of the file.
    lines: Vec<usize>,
    root: Spanned<DeValue<'a>>,
}

impl<'a> SourceFile<'a> {
    pub(super) fn root(&self) -> Node<'_> {
        Node {
            path: self.path,
            text: self.text,
            lines: &self.lines,
            key: String::new(),
            span: 0..0,
            value: self.root.get_ref(),
        }
    }
}

/// A value, and where it stands.
#[derive(Clone)]
pub(super) struct Node<'a> {
    path: &'a str,
    text: &'a str,
    lines: &'a [usize],
    pub(super) key: String,
    span: Range<usize>,
    pub(super) value: &'a DeValue<'a>,
}

impl<'a> Node<'a> {
    /// What stands under `key`, at that key's position.
    pub(super) fn child(&self, key: &str) -> Option<Node<'a>> {
        let (name, value) = self.value.as_table()?.get_key_value(key)?;
        Some(self.below(name.get_ref(), name.span(), value))
    }

    /// Every key, in order, with what stands under it.
    pub(super) fn entries(&self) -> Vec<(&'a str, Node<'a>)> {
        let entry = |(name, value): (&'a Spanned<_>, &'a Spanned<DeValue<'a>>)| {
            let name: &'a Spanned<toml::de::DeString<'a>> = name;
            let key: &'a str = name.get_ref();
            (key, self.below(key, name.span(), value))
        };
        self.value.as_table().into_iter().flat_map(DeTable::iter).map(entry).collect()
    }

    /// Every item of an array.
    pub(super) fn items(&self) -> Vec<Node<'a>> {
        let item = |(at, value): (usize, &'a Spanned<DeValue<'a>>)| Node {
            key: format!("{}[{at}]", self.key),
            span: value.span(),
            value: value.get_ref(),
            ..self.clone()
        };
        self.value.as_array().into_iter().flat_map(|array| array.iter()).enumerate().map(item).collect()
    }

    fn below(&self, key: &str, span: Range<usize>, value: &'a Spanned<DeValue<'a>>) -> Node<'a> {
        let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        let shown: String = key.chars().take(64).collect();
        let shown = if bare { shown } else { format!("\"{}\"", shown.escape_debug()) };
        let dot = if self.key.is_empty() { "" } else { "." };
        Node { key: format!("{}{dot}{shown}", self.key), span, value: value.get_ref(), ..self.clone() }
    }
}

/// Collects problems, and remembers where everything was written.
#[derive(Default)]
pub(super) struct Reader {
    problems: Vec<Problem>,
    places: BTreeMap<Path, Problem>,
}

impl Reader {
    /// Parses a file; all its syntax errors are problems.
    pub(super) fn open<'a>(&mut self, path: &'a str, bytes: &'a [u8]) -> Option<SourceFile<'a>> {
        if bytes.len() > MAX_FILE_BYTES {
            self.file_problem(path, &format!("is longer than {MAX_FILE_BYTES} bytes; split it"));
            return None;
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            self.file_problem(path, "is not UTF-8 text");
            return None;
        };
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines: Vec<usize> = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        let (root, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            // The message is the parser's own words; its display would quote the line.
            let at = position(text, &lines, error.span().map_or(0, |span| span.start));
            self.problem_at(path, at, String::new(), format!("not TOML: {}", error.message()));
        }
        let span = root.span();
        let root = Spanned::new(span, DeValue::Table(root.into_inner()));
        errors.is_empty().then_some(SourceFile { path, text, lines, root })
    }

    pub(super) fn problem(&mut self, node: &Node<'_>, message: impl Display) {
        let at = position(node.text, node.lines, node.span.start);
        self.problem_at(node.path, at, node.key.clone(), message.to_string());
    }

    pub(super) fn file_problem(&mut self, path: &str, message: &str) {
        self.problem_at(path, (0, 0), String::new(), message.to_owned());
    }

    /// Remembers that `path` was written at `node`.
    pub(super) fn place(&mut self, path: Path, node: &Node<'_>) {
        let (line, column) = position(node.text, node.lines, node.span.start);
        let file = node.path.to_owned();
        let place = Problem { file, line, column, key: node.key.clone(), message: String::new() };
        self.places.insert(path, place);
    }

    /// A violation, at the place it is about or the nearest around it.
    pub(super) fn violation(&mut self, violation: &Violation) {
        let mut path = Some(violation.path.clone());
        while let Some(at) = path {
            if let Some(place) = self.places.get(&at) {
                let exact = at == violation.path;
                let about = if exact { String::new() } else { format!("{}: ", violation.path) };
                let message = format!("{about}{}", violation.rule);
                return self.problems.push(Problem { message, ..place.clone() });
            }
            path = at.parent();
        }
        self.file_problem("workspace.toml", &violation.to_string());
    }

    pub(super) fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    pub(super) fn finish<T>(mut self, value: Option<T>) -> Result<T, Problems> {
        self.problems.sort();
        self.problems.dedup();
        self.problems.truncate(MAX_PROBLEMS);
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(Problems(self.problems)),
        }
    }

    /// Whether the node is a table that has only `known` keys; unknown ones are problems.
    pub(super) fn is_table(&mut self, node: &Node<'_>, known: &[&str]) -> bool {
        if !self.expect(node, node.value.is_table(), "a table") {
            return false;
        }
        for (key, child) in node.entries() {
            if !known.contains(&key) {
                let hint = suggestion(key, known.iter().copied());
                self.problem(&child, format!("unknown key{hint}"));
            }
        }
        true
    }

    /// A text that must be there.
    pub(super) fn needed<'a>(&mut self, node: &Node<'a>, key: &str, what: &str) -> Option<Node<'a>> {
        let child = node.child(key);
        if child.is_none() {
            self.problem(node, format!("`{key}` is missing; write {what}"));
        }
        child
    }

    pub(super) fn text<'a>(&mut self, node: &Node<'a>) -> Option<&'a str> {
        let value: &'a DeValue<'a> = node.value;
        self.expect(node, value.is_str(), "text");
        value.as_str()
    }

    pub(super) fn table(&mut self, node: &Node<'_>) {
        self.expect(node, node.value.is_table(), "a table");
    }

    pub(super) fn array(&mut self, node: &Node<'_>) {
        self.expect(node, node.value.is_array(), "a list");
    }

    /// A TOML date-time with an offset, or the same as text (RFC 3339).
    pub(super) fn time(&mut self, node: &Node<'_>) -> Option<UnixSeconds> {
        let text = match node.value {
            DeValue::Datetime(time) => time.to_string(),
            _ => node.value.as_str().unwrap_or_default().to_owned(),
        };
        let time = text.parse::<jiff::Timestamp>();
        if time.is_err() {
            self.problem(node, "is no time; write one with its offset, such as 2026-12-24T12:00:00Z");
        }
        time.ok().map(|time| UnixSeconds(time.as_second()))
    }

    /// The same, or a date, which begins in UTC.
    pub(super) fn day(&mut self, node: &Node<'_>) -> Option<UnixSeconds> {
        let text = match node.value {
            DeValue::Datetime(time) => time.to_string(),
            _ => node.value.as_str().unwrap_or_default().to_owned(),
        };
        // A local time has a date in it, and is none.
        let date = || text.parse::<jiff::civil::Date>().ok().filter(|date| date.to_string() == text);
        let begins = || date()?.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|start| start.timestamp());
        let time = text.parse::<jiff::Timestamp>().ok().or_else(begins);
        if time.is_none() {
            self.problem(node, "is no date; write one, such as 2026-08-01, or a time with its offset");
        }
        time.map(|time| UnixSeconds(time.as_second()))
    }

    pub(super) fn flag(&mut self, node: &Node<'_>) -> Option<bool> {
        self.expect(node, node.value.is_bool(), "true or false");
        node.value.as_bool()
    }

    pub(super) fn number<T: TryFrom<u64>>(&mut self, node: &Node<'_>) -> Option<T> {
        let number = node.value.as_integer();
        let number = number.and_then(|number| u64::from_str_radix(number.as_str(), number.radix()).ok());
        let number = number.and_then(|number| T::try_from(number).ok());
        self.expect(node, number.is_some(), "a whole number in range");
        number
    }

    pub(super) fn integer(&mut self, node: &Node<'_>) -> Option<i64> {
        let number = node.value.as_integer();
        let number = number.and_then(|number| i64::from_str_radix(number.as_str(), number.radix()).ok());
        self.expect(node, number.is_some(), "a whole number of 64 bits");
        number
    }

    /// A text that is a name, a type, an id: something that parses.
    pub(super) fn parse<T: FromStr<Err: Display>>(&mut self, node: &Node<'_>) -> Option<T> {
        let text = self.text(node)?;
        self.parse_text(node, text)
    }

    pub(super) fn parse_text<T: FromStr<Err: Display>>(&mut self, node: &Node<'_>, text: &str) -> Option<T> {
        text.parse().map_err(|error: T::Err| self.problem(node, error)).ok()
    }

    /// An array of texts that parse, each with where it stands.
    pub(super) fn list<'a, T: FromStr<Err: Display>>(
        &mut self,
        node: Option<Node<'a>>,
    ) -> Vec<(T, Node<'a>)> {
        let Some(node) = node else { return Vec::new() };
        self.expect(&node, node.value.is_array(), "a list of texts");
        let parsed = |item: Node<'a>| Some((self.parse(&item)?, item));
        node.items().into_iter().filter_map(parsed).collect()
    }

    /// A table of texts; numbers and booleans are taken as they are written.
    pub(super) fn texts(&mut self, node: Option<Node<'_>>) -> BTreeMap<String, String> {
        let Some(node) = node else { return BTreeMap::new() };
        self.expect(&node, node.value.is_table(), "a table of texts");
        let mut texts = BTreeMap::new();
        for (key, child) in node.entries() {
            let text = match child.value {
                DeValue::String(text) => text.to_string(),
                DeValue::Integer(number) => number.to_string(),
                DeValue::Boolean(flag) => flag.to_string(),
                _ => {
                    self.expect(&child, false, "text");
                    continue;
                }
            };
            texts.insert(key.to_owned(), text);
        }
        texts
    }

    fn expect(&mut self, node: &Node<'_>, met: bool, what: &str) -> bool {
        if !met {
            let article = match node.value {
                DeValue::Integer(_) | DeValue::Array(_) => "an",
                _ => "a",
            };
            self.problem(node, format!("is {article} {}; write {what}", node.value.type_str()));
        }
        met
    }

    fn problem_at(&mut self, file: &str, (line, column): (u32, u32), key: String, message: String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Problem { file: file.to_owned(), line, column, key, message });
        }
    }
}

/// `; did you mean …?`, when something known is close to `word`.
pub(super) fn suggestion<'a>(word: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let close = known.clone().map(|other| (distance(word, other), other)).min();
    match close {
        Some((distance, other)) if distance <= 1 + word.len().min(other.len()) / 4 => {
            format!("; did you mean `{other}`?")
        }
        _ => format!("; known are {}", known.collect::<Vec<_>>().join(", ")),
    }
}

/// Letters to insert, delete or replace (Levenshtein), of words of at most 32 letters.
fn distance(one: &str, other: &str) -> usize {
    if one.len() > 32 || other.len() > 32 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, a) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, b) in other.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

/// Line and column of a byte, from 1. The column counts characters, bytes in endless lines.
fn position(text: &str, lines: &[usize], at: usize) -> (u32, u32) {
    let line = lines.partition_point(|start| *start <= at).max(1);
    let start = lines.get(line - 1).copied().unwrap_or(0);
    let before = text.get(start..at).unwrap_or_default();
    let column = 1 + if before.len() < 4_096 { before.chars().count() } else { before.len() };
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}
