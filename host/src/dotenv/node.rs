//! A file as `dotenv.parse` for Node reads it, which is one regular expression over the whole text:
//! white space includes line ends, so that a value may follow on the next line; a quoted text counts
//! only where nothing but a comment follows; a `#` ends a plain value wherever it stands.

use super::reading::{How, Reading, Scan, Stop, What, with_newlines};

pub(super) fn read(text: &str, reading: &mut Reading) -> Result<(), Stop> {
    let text = with_newlines(text);
    let mut scan = Scan::new(&text);
    loop {
        scan.skip(is_space);
        if scan.is_done() {
            return Ok(());
        }
        if scan.peek() == Some('#') {
            scan.skip(|c| !ends_line(c));
            continue;
        }
        let start = scan.line();
        match name(&mut scan) {
            Some((line, name)) => {
                let (value, how) = value(&mut scan);
                // An object's `__proto__` is no key that can be set to a text.
                match name {
                    "__proto__" => reading.push(line, What::Skipped)?,
                    _ => reading.value(line, name, value, how)?,
                }
            }
            None => {
                scan.skip(|c| !ends_line(c));
                reading.push(start, What::Skipped)?;
            }
        }
    }
}

/// A name with its separator and its line; if there is none, the place is on the line to pass over.
fn name<'a>(scan: &mut Scan<'a>) -> Option<(u32, &'a str)> {
    let rest = scan.rest();
    if let Some(behind) = rest.strip_prefix("export").filter(|behind| behind.starts_with(is_space)) {
        let behind = behind.trim_start_matches(is_space);
        if let Some((bytes, name)) = separated(behind) {
            scan.advance(rest.len() - behind.len());
            let line = scan.line();
            scan.advance(bytes);
            return Some((line, name));
        }
    }
    let line = scan.line();
    let (bytes, name) = separated(rest)?;
    scan.advance(bytes);
    Some((line, name))
}

/// A name with `=`, blanks around, or with `:` at once and a blank behind: the bytes up to the
/// separator's end, and the name.
fn separated(text: &str) -> Option<(usize, &str)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let end = text.find(|c| !is_name(c)).filter(|end| *end > 0)?;
    let (name, rest) = text.split_at(end);
    let equals = rest.trim_start_matches(is_space).strip_prefix('=');
    let colon = || rest.strip_prefix(':')?.strip_prefix(is_space);
    let behind = equals.or_else(colon)?;
    Some((text.len() - behind.len(), name))
}

fn value(scan: &mut Scan<'_>) -> (String, How) {
    let rest = scan.rest();
    let (raw, mut how) = match quoted(rest) {
        Some((bytes, raw)) => {
            let comment = rest[bytes..].starts_with('#');
            scan.advance(bytes);
            scan.skip(|c| !ends_line(c));
            (raw, How { comment, lines: raw.contains('\n'), ..How::default() })
        }
        None => {
            let text = scan.skip(|c| c != '\n' && c != '#');
            let comment = scan.peek() == Some('#');
            scan.skip(|c| !ends_line(c));
            let raw = text.trim_matches(is_space);
            (raw, How { comment, blanks: !comment && raw != text, ..How::default() })
        }
    };
    let inner = without_quotes(raw);
    how.quotes = inner != raw;
    // The order is the original's: `\\n` is a backslash and a newline.
    let escapes = raw.starts_with('"') && inner.contains('\\');
    let value = if escapes { inner.replace("\\n", "\n").replace("\\r", "\r") } else { inner.clone() };
    how.escapes = value != inner;
    (value, how)
}

/// A quoted text at the start of `text`: the bytes up to what follows its blanks, and it with its
/// quotes. It ends with a quote that has nothing but a comment behind it: the first without a
/// backslash before it, else the last of those with one.
fn quoted(text: &str) -> Option<(usize, &str)> {
    let start = text.find(|c| !is_space(c))?;
    let quote = text[start..].chars().next().filter(|c| "'\"`".contains(*c))?;
    let mut found = None;
    for (at, _) in text.match_indices(quote).skip_while(|(at, _)| *at <= start) {
        let behind = &text[at + 1..];
        let blanks = behind.find(|c| !is_space(c) || ends_line(c)).unwrap_or(behind.len());
        if behind[blanks..].chars().next().is_none_or(|c| c == '#' || ends_line(c)) {
            found = Some((at + 1 + blanks, &text[start..=at]));
        }
        if text.as_bytes()[at - 1] != b'\\' {
            break;
        }
    }
    found
}

/// Takes off quotes that stand at the start and the end of a line, the widest apart.
fn without_quotes(raw: &str) -> String {
    let mut plain = String::with_capacity(raw.len());
    let mut rest = raw;
    let mut quotes = "'\"`".to_owned();
    while let Some(first) = rest.chars().next() {
        if quotes.contains(first) {
            let inner = &rest[1..];
            let is_end = |at: &usize| inner[*at + 1..].chars().next().is_none_or(ends_line);
            match inner.rmatch_indices(first).map(|(at, _)| at).find(is_end) {
                Some(end) => {
                    plain.push_str(&inner[..end]);
                    rest = &inner[end + 1..];
                }
                // One that ends nothing now ends nothing further on.
                None => quotes.retain(|quote| quote != first),
            }
        }
        let line = rest.find(ends_line).map_or("", |at| &rest[at..]);
        let next = line.trim_start_matches(ends_line);
        plain.push_str(&rest[..rest.len() - next.len()]);
        rest = next;
    }
    plain
}

/// White space, to JavaScript.
fn is_space(c: char) -> bool {
    c.is_whitespace() && c != '\u{85}' || c == '\u{feff}'
}

/// What ends a line, to JavaScript; carriage returns are replaced before.
fn ends_line(c: char) -> bool {
    matches!(c, '\n' | '\u{2028}' | '\u{2029}')
}
