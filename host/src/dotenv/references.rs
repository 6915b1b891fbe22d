//! References to other variables, as python-dotenv (`${NAME}`, `${NAME:-default}`) and docker compose
//! (`$NAME`, `${NAME}`, and the shell's operators) replace them. The environment that they would look
//! into (python-dotenv after the file's own names, docker compose before them) is empty here; whoever
//! reads a reference to a name that the file does not set is told so.
//!
//! A few references to references make a long text of a short one: each text stays within the limit of
//! a value, and defaults are nested to a named depth.

use super::{
    problem::Refusal,
    reading::{How, Reading},
};
use crate::validate::limits::VALUE_BYTES;

/// Defaults within defaults.
const MAX_DEPTH: u8 = 32;

/// As python-dotenv does, whatever the quotes were.
pub(super) fn braced(text: &str, reading: &Reading, how: &mut How) -> Result<String, Refusal> {
    let mut out = String::new();
    // No reference reaches beyond the last brace, so that none is looked for there over and over.
    let (mut rest, tail) = text.split_at(text.rfind('}').map_or(0, |at| at + 1));
    while let Some(at) = rest.find("${") {
        let body = &rest[at + 2..];
        let name = body.split([':', '}']).next().unwrap_or_default();
        let after = &body[name.len()..];
        let (default, after) = match after.strip_prefix(":-").and_then(|after| after.split_once('}')) {
            Some((default, after)) => (default, Some(after)),
            None => ("", after.strip_prefix('}')),
        };
        let Some(after) = after else {
            push(&mut out, &rest[..at + 1])?;
            rest = &rest[at + 1..];
            continue;
        };
        push(&mut out, &rest[..at])?;
        let value = reading.reference(name);
        how.references = true;
        how.unset |= value.is_none();
        push(&mut out, value.unwrap_or(default))?;
        rest = after;
    }
    push(&mut out, rest)?;
    push(&mut out, tail)?;
    Ok(out)
}

/// As docker compose does, outside single quotes.
pub(super) fn shell(text: &str, reading: &Reading, how: &mut How) -> Result<String, Refusal> {
    Shell { reading, how }.replace(text, 0)
}

struct Shell<'a> {
    reading: &'a Reading,
    how: &'a mut How,
}

impl Shell<'_> {
    fn replace(&mut self, text: &str, depth: u8) -> Result<String, Refusal> {
        if depth > MAX_DEPTH {
            return Err(Refusal::DeepReference);
        }
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            push(&mut out, &rest[..at])?;
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                self.how.references = true;
                push(&mut out, "$")?;
                rest = after;
            } else if let Some(body) = rest.strip_prefix('{') {
                let (value, after) = self.braces(body, depth)?;
                push(&mut out, &value)?;
                rest = after;
            } else {
                let name = name(rest);
                push(&mut out, if name.is_empty() { "$" } else { self.value(name).unwrap_or_default() })?;
                rest = &rest[name.len()..];
            }
        }
        push(&mut out, rest)?;
        Ok(out)
    }

    /// What is behind `${`, and what comes after it.
    fn braces<'b>(&mut self, body: &'b str, depth: u8) -> Result<(String, &'b str), Refusal> {
        let name = name(body);
        let rest = &body[name.len()..];
        if name.is_empty() {
            return Err(Refusal::BadReference);
        }
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((self.value(name).unwrap_or_default().to_owned(), after));
        }
        let colon = rest.starts_with(':');
        let rest = rest.strip_prefix(':').unwrap_or(rest);
        let Some(operator @ ('-' | '+' | '?')) = rest.chars().next() else {
            return Err(Refusal::BadReference);
        };
        let (word, after) = word(&rest[1..]).ok_or(Refusal::BadReference)?;
        // It is replaced even where it is not needed: a mistake in it counts.
        let word = self.replace(word, depth + 1)?;
        let value = self.value(name).map(str::to_owned);
        let given = value.as_ref().is_some_and(|value| !(colon && value.is_empty()));
        let value = match operator {
            '-' if !given => word,
            '+' if given => word,
            '?' if !given => return Err(Refusal::RequiredReference),
            _ => value.unwrap_or_default(),
        };
        Ok((value, after))
    }

    fn value(&mut self, name: &str) -> Option<&str> {
        let value = self.reading.reference(name);
        self.how.references = true;
        self.how.unset |= value.is_none();
        value
    }
}

/// The name that `text` starts with. The original's letters are those of a pattern that ignores case:
/// so the long s and the Kelvin sign are among them.
fn name(text: &str) -> &str {
    let letter = |c: char| c == '_' || c.is_ascii_alphabetic() || matches!(c, '\u{17f}' | '\u{212a}');
    let end = text.find(|c: char| !letter(c) && !c.is_ascii_digit()).unwrap_or(text.len());
    if text.starts_with(letter) { &text[..end] } else { "" }
}

/// What stands behind an operator up to its brace, and what comes after. The brace is on the same
/// line: the one that closes as many as were opened (the sign behind an opening one is not looked
/// at), else the line's last.
fn word(text: &str) -> Option<(&str, &str)> {
    let line = text.split('\n').next().unwrap_or_default();
    let last = line.rfind('}')?;
    let mut open = 1;
    let mut signs = line[..=last].bytes().enumerate();
    while let Some((at, sign)) = signs.next() {
        match sign {
            b'}' => open -= 1,
            b'{' => {
                open += 1;
                signs.next();
            }
            _ => {}
        }
        if open == 0 {
            return Some((&text[..at], &text[at + 1..]));
        }
    }
    Some((&text[..last], &text[last + 1..]))
}

fn push(out: &mut String, text: &str) -> Result<(), Refusal> {
    if out.len() + text.len() > VALUE_BYTES {
        return Err(Refusal::LongValue);
    }
    out.push_str(text);
    Ok(())
}
