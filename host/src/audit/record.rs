//! The lines of the audit log. A boot's line is put together from parts that were written when
//! its grant was prepared; only the instance's own facts are escaped on the way.

use std::{fmt, io::Write as _, net::IpAddr, sync::Arc};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;

use crate::{
    canonical::Canonical,
    clock::rfc3339,
    id::{Digest, Revision, UnixSeconds, VariableName},
    model::question::Facts,
};

/// Names a boot's record: the number of the audit file's run, and a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootId {
    pub(super) run: u64,
    pub(super) count: u64,
}

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b-{:x}-{:x}", self.run, self.count)
    }
}

/// What a boot was given, by name and digest, prepared for its record: the names of its keys, and what
/// the answer was made of. The log tells it once in each file, and boots refer to it.
#[derive(Debug, Clone)]
pub struct Given {
    line: Arc<GivenLine>,
    /// `,"given":"<id>"`, as a boot's record refers to it.
    mention: String,
}

/// The record that tells what an id stands for.
#[derive(Debug)]
pub(super) struct GivenLine {
    /// The head of a SHA-256 over all that the line tells.
    pub(super) id: [u8; 16],
    /// The whole line.
    pub(super) line: Vec<u8>,
}

impl Given {
    /// The values of `names`, in an answer of that digest. `basis` is a prepared JSON fragment
    /// `"plan":…,"policies":…` without braces.
    #[must_use]
    pub fn new(names: &[VariableName], answer: &Digest, basis: &str) -> Self {
        let hash = Canonical::new("bootlace key set 1");
        let keys = hash.each(names.iter(), |hash, name| hash.text(name.as_str())).finish();
        let whole = Canonical::new("bootlace given 1").bytes(&keys.0).bytes(&answer.0).text(basis).finish();
        let id = *whole.0.first_chunk().unwrap_or(&[0; 16]);
        let text = BASE64_URL_SAFE_NO_PAD.encode(id);
        let mut line = format!(
            r#"{{"given":"{text}","kind":"given",{basis},"answer":"{answer}","keys":"{keys}","names":"#
        );
        let mut listed = Vec::new();
        write_json(&mut listed, &names.iter().map(VariableName::as_str).collect::<Vec<_>>());
        line.push_str(&String::from_utf8_lossy(&listed));
        line.push_str("}\n");
        let mention = format!(r#","given":"{text}""#);
        Self { line: Arc::new(GivenLine { id, line: line.into_bytes() }), mention }
    }

    /// About how many bytes it keeps.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.line.line.len() + self.mention.len()
    }

    pub(super) fn line(&self) -> &Arc<GivenLine> {
        &self.line
    }
}

/// One boot, allowed or refused.
pub struct BootRecord<'a> {
    /// The record's id.
    pub id: BootId,
    /// When.
    pub at: UnixSeconds,
    /// `allowed`, or the problem's code.
    pub outcome: &'static str,
    /// On whose behalf the token acts.
    pub principal: &'a str,
    /// The token's id.
    pub token: &'a str,
    /// The workspace's revision.
    pub revision: Revision,
    /// What booted and where: a prepared JSON fragment `"workspace":…` without braces.
    pub subject: &'a str,
    /// What it would be answered from: a prepared JSON fragment `"plan":…` without braces.
    pub basis: &'a str,
    /// What was handed out; none when the boot was refused.
    pub given: Option<&'a Given>,
    /// What the instance said about itself, whatever of it a policy saw.
    pub facts: &'a Facts,
    /// Where it called from.
    pub peer: IpAddr,
}

impl BootRecord<'_> {
    pub(super) fn write(&self, line: &mut Vec<u8>) {
        let mut number = itoa::Buffer::new();
        push(line, [r#"{"kind":"boot","id":"b-"#]);
        write_hex(line, self.id.run);
        push(line, ["-"]);
        write_hex(line, self.id.count);
        push(line, [r#"","at":"#]);
        push(line, [number.format(self.at.0), r#","outcome":""#, self.outcome]);
        push(line, [r#"","token":""#, self.token, r#"","principal":"#]);
        write_text(line, self.principal);
        push(line, [r#","peer":""#]);
        write_address(line, self.peer);
        push(line, ["\""]);
        push(line, [r#","revision":"#, number.format(self.revision.0), ",", self.subject]);
        match self.given {
            Some(given) => push(line, [given.mention.as_str()]),
            None => push(line, [",", self.basis]),
        }
        for (name, fact) in [
            (r#","region":"#, &self.facts.region),
            (r#","zone":"#, &self.facts.zone),
            (r#","instance":"#, &self.facts.instance),
        ] {
            if let Some(fact) = fact {
                push(line, [name]);
                write_text(line, fact);
            }
        }
        if !self.facts.attributes.is_empty() {
            let attributes: Vec<_> = self.facts.attributes.iter().map(|a| (&a.key, &a.value)).collect();
            push(line, [r#","attributes":"#]);
            write_json(line, &attributes);
        }
        push(line, ["}\n"]);
    }
}

/// A change of what the host serves, made or refused.
pub struct ChangeRecord<'a> {
    /// When.
    pub at: UnixSeconds,
    /// What was done: `push`, `rollback`, `token-mint`, `token-revoke`, `start`.
    pub kind: &'a str,
    /// `done`, or the problem's code.
    pub outcome: &'a str,
    /// On whose behalf.
    pub principal: &'a str,
    /// What it was about: names, revisions, digests; never a value.
    pub details: serde_json::Value,
}

/// The longest reason that a record gives, in bytes: whoever asked was told all of it.
const MAX_REASON_BYTES: usize = 16 << 10;

/// The longest list of names in a record, in bytes.
const MAX_LISTED_BYTES: usize = 32 << 10;
/// The longest record of a change, in bytes: it is kept in a record of the ledger, too.
const MAX_CHANGE_BYTES: usize = 200 << 10;

/// Why something was refused, as a record tells it.
pub fn reason(error: &dyn fmt::Display) -> String {
    let mut text = error.to_string();
    if text.len() > MAX_REASON_BYTES {
        let whole = text.len();
        text.truncate(text.floor_char_boundary(MAX_REASON_BYTES));
        text.push_str(&format!("… ({whole} bytes)"));
    }
    text
}

/// As many of `names` as a record lists, the first ones.
pub fn listed(mut names: Vec<String>) -> Vec<String> {
    let mut bytes = 0;
    let fits = names.iter().take_while(|name| {
        bytes += name.len() + 3;
        bytes <= MAX_LISTED_BYTES
    });
    let many = fits.count();
    names.truncate(many);
    names
}

impl ChangeRecord<'_> {
    /// The line that the log has of it. Of what would be too long for a line to be read back, the log has
    /// that it was, and where.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        let mut line = Vec::new();
        self.write(&mut line);
        if line.len() > MAX_CHANGE_BYTES {
            let about = ["workspace", "revision", "digest"];
            let about = about.into_iter().map(|name| (name.to_owned(), self.details[name].clone()));
            let mut details = serde_json::Map::from_iter(about);
            details.insert("left_out".to_owned(), format!("{} bytes", line.len()).into());
            line.clear();
            ChangeRecord { details: details.into(), ..*self }.write(&mut line);
        }
        line
    }

    fn write(&self, line: &mut Vec<u8>) {
        write_json(
            line,
            &serde_json::json!({
                "kind": self.kind, "at": self.at.0, "time": rfc3339(self.at), "outcome": self.outcome,
                "principal": self.principal, "details": self.details,
            }),
        );
        line.push(b'\n');
    }
}

fn push<'a>(line: &mut Vec<u8>, parts: impl IntoIterator<Item = &'a str>) {
    parts.into_iter().for_each(|part| line.extend_from_slice(part.as_bytes()));
}

/// As `{:x}`, without its machinery: this is on the path of every boot.
fn write_hex(line: &mut Vec<u8>, number: u64) {
    let digits = (64 - number.leading_zeros()).div_ceil(4).max(1);
    line.extend((0..digits).rev().map(|digit| b"0123456789abcdef"[(number >> (4 * digit) & 0xf) as usize]));
}

fn write_address(line: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            let mut number = itoa::Buffer::new();
            for (at, octet) in address.octets().into_iter().enumerate() {
                push(line, [if at == 0 { "" } else { "." }, number.format(octet)]);
            }
        }
        // Writing to a Vec cannot fail.
        IpAddr::V6(_) => drop(write!(line, "{address}")),
    }
}

/// A text with its quotes. What needs no escaping, which is nearly everything, is copied.
fn write_text(line: &mut Vec<u8>, text: &str) {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) { push(line, ["\"", text, "\""]) } else { write_json(line, text) }
}

fn write_json(line: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    // Texts, numbers and lists always encode, and writing to a Vec cannot fail.
    let _ = serde_json::to_writer(line, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boots_line_has_numbers_and_addresses_as_they_print() {
        for number in [0, 1, 0xf, 0x10, 0x0abc_def1, u64::MAX] {
            let mut line = Vec::new();
            write_hex(&mut line, number);
            assert_eq!(line, format!("{number:x}").as_bytes());
        }
        for text in ["0.0.0.0", "127.0.0.1", "255.10.0.199", "::1", "2001:db8::1", "::ffff:10.0.0.1"] {
            let mut line = Vec::new();
            write_address(&mut line, text.parse().unwrap());
            assert_eq!(line, text.as_bytes());
        }
    }

    #[test]
    fn a_reason_of_any_length_fits_a_line_that_can_be_read_back() {
        assert_eq!(reason(&"stale"), "stale");
        let long = reason(&"ü\n".repeat(1 << 20));
        assert!(long.len() < MAX_REASON_BYTES + 64 && long.ends_with("… (3145728 bytes)"), "{}", long.len());
        let details = serde_json::json!({ "reason": long });
        let change =
            ChangeRecord { at: UnixSeconds(0), kind: "push", outcome: "invalid", principal: "ana", details };
        let line = change.line();
        assert!((line.len() as u64) < super::super::frames::MAX_LINE_BYTES);
    }

    #[test]
    fn a_change_of_any_size_is_a_line_that_can_be_kept() {
        let names: Vec<_> = (0..10_000).map(|number| format!("KEY_{number:060}")).collect();
        let some = listed(names.clone());
        assert!(!some.is_empty() && some.len() < names.len() && names.starts_with(&some));
        let details = serde_json::json!({ "workspace": "acme", "revision": 7, "keys": names });
        let change =
            ChangeRecord { at: UnixSeconds(0), kind: "change", outcome: "done", principal: "ana", details };
        let line: serde_json::Value = serde_json::from_slice(&change.line()).unwrap();
        assert!(change.line().len() < 1000);
        assert_eq!(
            (&line["details"]["workspace"], &line["details"]["revision"]),
            (&"acme".into(), &7.into())
        );
        assert!(line["details"]["left_out"].is_string() && line["kind"] == "change");
    }
}
