//! A file as python-dotenv reads it, opened as text: every line's end is `\n`. A statement that cannot be
//! read is passed over up to its line's end; references are replaced whatever the quotes are.

use super::{
    problem::Refusal,
    reading::{How, Reading, Scan, Stop, What, with_newlines},
    references,
};
use crate::validate::limits::VALUE_BYTES;

pub(super) fn read(text: &str, reading: &mut Reading) -> Result<(), Stop> {
    let text = with_newlines(text);
    let mut scan = Scan::new(&text);
    scan.take("\u{feff}");
    loop {
        scan.skip(is_space);
        if scan.is_done() {
            return Ok(());
        }
        let line = scan.line();
        let stop = |why| Stop { line, why };
        match statement(&mut scan) {
            Some(Statement { name: None, .. }) => {}
            Some(Statement { name: Some(name), text: None }) => reading.unset(line, name)?,
            Some(Statement { name: Some(name), text: Some((text, mut how)) }) => {
                if text.len() > VALUE_BYTES {
                    return Err(stop(Refusal::LongValue));
                }
                let value = references::braced(&text, reading, &mut how).map_err(stop)?;
                reading.value(line, name, value, how)?;
            }
            None => {
                scan.skip(|c| c != '\n');
                reading.push(line, What::Skipped)?;
            }
        }
    }
}

/// A comment has no name; a name alone has no text.
struct Statement<'a> {
    name: Option<&'a str>,
    text: Option<(String, How)>,
}

/// A statement and the end of its line, or nothing; the place is then where the mistake was met.
fn statement<'a>(scan: &mut Scan<'a>) -> Option<Statement<'a>> {
    if scan.rest().strip_prefix("export").is_some_and(|rest| rest.starts_with(is_blank)) {
        scan.take("export");
        scan.skip(is_blank);
    }
    let name = if scan.peek() == Some('#') { None } else { Some(name(scan)?) };
    scan.skip(is_blank);
    let mut text = None;
    if scan.take("=") {
        let blanks = !scan.skip(is_blank).is_empty();
        let (value, mut how) = match scan.peek() {
            Some('#') if blanks => (String::new(), How { comment: true, ..How::default() }),
            _ => value(scan)?,
        };
        how.blanks |= blanks && !how.quotes && !value.is_empty();
        text = Some((value, how));
    }
    scan.skip(is_blank);
    if scan.peek() == Some('#') {
        scan.skip(|c| c != '\n');
        if let Some((_, how)) = &mut text {
            how.comment = true;
        }
    }
    (scan.take("\n") || scan.is_done()).then_some(Statement { name, text })
}

fn name<'a>(scan: &mut Scan<'a>) -> Option<&'a str> {
    let Some(quoted) = scan.rest().strip_prefix('\'') else {
        let name = scan.skip(|c| c != '=' && c != '#' && !is_space(c));
        return (!name.is_empty()).then_some(name);
    };
    let end = quoted.find('\'').filter(|end| *end > 0)?;
    scan.advance(end + 2);
    Some(&quoted[..end])
}

fn value(scan: &mut Scan<'_>) -> Option<(String, How)> {
    let Some(quote @ ('\'' | '"')) = scan.peek() else { return Some(plain(scan)) };
    let inner = &scan.rest()[1..];
    let mut escaped = false;
    let (end, _) = inner.char_indices().find(|(_, c)| {
        let closes = *c == quote && !escaped;
        escaped = *c == '\\' && !escaped;
        closes
    })?;
    scan.advance(end + 2);
    let text = &inner[..end];
    let value = unescaped(text, quote);
    let how = How { quotes: true, escapes: value != text, lines: text.contains('\n'), ..How::default() };
    Some((value, how))
}

fn plain(scan: &mut Scan<'_>) -> (String, How) {
    let line = scan.skip(|c| c != '\n');
    let mut before = None;
    let comment = line.char_indices().find(|(_, c)| {
        let starts = *c == '#' && before.is_some_and(is_space);
        before = Some(*c);
        starts
    });
    let text = comment.map_or(line, |(at, _)| &line[..at]);
    let value = text.trim_end_matches(is_space);
    let blanks = value != text && comment.is_none();
    (value.to_owned(), How { comment: comment.is_some(), blanks, ..How::default() })
}

/// Single quotes know two escapes, double quotes those of the language; others stay as they are.
fn unescaped(text: &str, quote: char) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let next = if c == '\\' { chars.next() } else { None };
        let decoded = match next {
            Some(next @ ('\\' | '\'')) => Some(next),
            Some('"') if quote == '"' => Some('"'),
            Some('a') if quote == '"' => Some('\u{7}'),
            Some('b') if quote == '"' => Some('\u{8}'),
            Some('f') if quote == '"' => Some('\u{c}'),
            Some('n') if quote == '"' => Some('\n'),
            Some('r') if quote == '"' => Some('\r'),
            Some('t') if quote == '"' => Some('\t'),
            Some('v') if quote == '"' => Some('\u{b}'),
            _ => None,
        };
        match decoded {
            Some(decoded) => plain.push(decoded),
            None => plain.extend([Some(c), next].into_iter().flatten()),
        }
    }
    plain
}

/// White space, to Python.
fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

fn is_blank(c: char) -> bool {
    is_space(c) && c != '\n'
}
