//! `.env` and `env_file` of docker compose, as its compose-go library reads them: quotes, escapes
//! between double quotes, shell-like references outside single quotes. A mistake ends the reading.

use super::{
    problem::Refusal,
    reading::{How, Reading, Scan, Stop, What},
    references,
};
use crate::validate::limits::VALUE_BYTES;

pub(super) fn read(text: &str, reading: &mut Reading) -> Result<(), Stop> {
    let mut scan = Scan::new(text);
    scan.take("\u{feff}");
    loop {
        scan.skip(char::is_whitespace);
        if scan.is_done() {
            return Ok(());
        }
        if scan.peek() == Some('#') {
            scan.skip(|c| c != '\n');
            continue;
        }
        take_export(&mut scan);
        let line = scan.line();
        let stop = |why| Stop { line, why };
        let Name { name, inherited } = name(&mut scan).map_err(stop)?;
        if inherited {
            reading.push(line, What::Inherited)?;
            continue;
        }
        let (value, how) = value(&mut scan, reading).map_err(stop)?;
        reading.value(line, name, value, how)?;
    }
}

/// The word `export` counts with any blank behind it, a line's end too, but only blanks within the
/// line are passed over.
fn take_export(scan: &mut Scan<'_>) {
    let follows = scan.rest().strip_prefix("export").and_then(|rest| rest.chars().next());
    if follows.is_some_and(|c| matches!(c, ' ' | '\t' | '\n' | '\u{c}' | '\r')) {
        scan.take("export");
        scan.skip(is_blank);
    }
}

struct Name<'a> {
    name: &'a str,
    inherited: bool,
}

fn name<'a>(scan: &mut Scan<'a>) -> Result<Name<'a>, Refusal> {
    // Go's letters and numbers differ from Rust's in some combining marks; neither makes a name of ours.
    let allowed = |c: char| is_blank(c) || "_.-[]".contains(c) || c.is_alphanumeric();
    let rest = scan.rest();
    let Some(end) = rest.find(|c| !allowed(c)) else {
        // A word that ends the file without a line's end is taken for a value without a name.
        let nameless = Name { name: "", inherited: false };
        return if rest.is_empty() { Err(Refusal::NoName) } else { Ok(nameless) };
    };
    let inherited = match rest[end..].chars().next() {
        Some('=' | ':') => false,
        Some('\n') => true,
        _ => return Err(Refusal::SignInName),
    };
    let name = scan.advance(end).trim_end();
    scan.advance(1);
    scan.skip(is_blank);
    if name.contains(' ') { Err(Refusal::BlankInName) } else { Ok(Name { name, inherited }) }
}

fn value(scan: &mut Scan<'_>, reading: &Reading) -> Result<(String, How), Refusal> {
    match scan.peek() {
        Some(quote @ ('"' | '\'')) => quoted(scan, quote, reading),
        _ => plain(scan, reading),
    }
}

fn plain(scan: &mut Scan<'_>, reading: &Reading) -> Result<(String, How), Refusal> {
    let line = scan.skip(|c| c != '\n');
    scan.take("\n");
    let text = line.split_once(" #").map_or(line, |(text, _)| text);
    let trimmed = text.trim_end();
    let mut how = How { comment: text != line, blanks: trimmed != text, ..How::default() };
    Ok((references::shell(within_limit(trimmed)?, reading, &mut how)?, how))
}

/// A quoted text; what stands behind it on the line is a statement of its own.
fn quoted(scan: &mut Scan<'_>, quote: char, reading: &Reading) -> Result<(String, How), Refusal> {
    let mut how = How { quotes: true, ..How::default() };
    let mut text = String::new();
    let mut escaped = false;
    let inner = &scan.rest()[1..];
    let close = inner.char_indices().find(|(_, c)| {
        let closes = *c == quote && !escaped;
        if escaped && *c != quote {
            text.push('\\');
        }
        how.escapes |= escaped && *c == quote;
        escaped = *c == '\\' && !escaped;
        if !escaped && !closes {
            text.push(*c);
        }
        closes
    });
    let (end, _) = close.ok_or(Refusal::UnclosedQuote)?;
    how.lines = inner[..end].contains('\n');
    scan.advance(end + 2);
    within_limit(&text)?;
    if quote == '"' {
        let plain = unescaped(&text);
        how.escapes |= plain != text;
        text = references::shell(&plain, reading, &mut how)?;
    }
    Ok((text, how))
}

fn within_limit(text: &str) -> Result<&str, Refusal> {
    if text.len() > VALUE_BYTES { Err(Refusal::LongValue) } else { Ok(text) }
}

/// `\$` becomes `$$`, which is no reference; an octal escape is `\0` and three digits.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let octal = rest.strip_prefix('0').map(|rest| {
            let digits = rest.bytes().take(3).take_while(u8::is_ascii_digit).count();
            &rest[..digits]
        });
        let decoded = match rest.as_bytes().first() {
            Some(b'a') => "\u{7}",
            Some(b'b') => "\u{8}",
            Some(b'f') => "\u{c}",
            Some(b'n') => "\n",
            Some(b'r') => "\r",
            Some(b't') => "\t",
            Some(b'v') => "\u{b}",
            Some(b'$') => "$$",
            Some(b'"') => "\"",
            Some(b'\\') => "\\",
            Some(b'0') => {
                let digits = octal.unwrap_or_default();
                let code = u8::from_str_radix(digits, 8).ok().filter(|_| digits.len() == 3);
                match code {
                    Some(code) => plain.push(char::from(code)),
                    // What is no octal escape after all keeps its backslash, but not its `0`.
                    None => plain.extend(["\\", digits]),
                }
                rest = &rest[1 + digits.len()..];
                continue;
            }
            _ => {
                plain.push('\\');
                continue;
            }
        };
        plain.push_str(decoded);
        rest = &rest[1..];
    }
    plain + rest
}

/// A blank within a line, to Go.
fn is_blank(c: char) -> bool {
    matches!(c, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ' | '\u{85}' | '\u{a0}')
}
