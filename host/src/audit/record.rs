//! The lines of the audit log. A boot's line is put together from parts that were written when
//! its grant was prepared; only the instance's own facts are escaped on the way.

use std::{fmt, io::Write as _, net::IpAddr};

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

/// The names that a boot was given, with the digest that stands for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet {
    /// SHA-256 over the names.
    pub digest: Digest,
    /// The names, in order.
    pub names: Vec<VariableName>,
}

impl KeySet {
    /// The set of `names`.
    #[must_use]
    pub fn new(names: Vec<VariableName>) -> Self {
        let hash = Canonical::new("bootlace key set 1");
        Self { digest: hash.each(names.iter(), |hash, name| hash.text(name.as_str())).finish(), names }
    }

    pub(super) fn write(&self, line: &mut Vec<u8>) {
        let names: Vec<_> = self.names.iter().map(VariableName::as_str).collect();
        write_json(
            line,
            &serde_json::json!({ "kind": "keys", "keys": self.digest.to_string(), "names": names }),
        );
        line.push(b'\n');
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
    /// What was asked for: a prepared JSON fragment `"workspace":…,"plan":…` without braces.
    pub subject: &'a str,
    /// The keys handed out; none when the boot was refused.
    pub keys: Option<&'a KeySet>,
    /// What the instance said about itself, whatever of it a policy saw.
    pub facts: &'a Facts,
    /// Where it called from.
    pub peer: IpAddr,
}

impl BootRecord<'_> {
    pub(super) fn write(&self, line: &mut Vec<u8>) {
        // Writing to a Vec cannot fail.
        let _ = write!(
            line,
            r#"{{"kind":"boot","id":"{}","at":{},"outcome":"{}","token":"{}","principal":"#,
            self.id, self.at.0, self.outcome, self.token
        );
        write_json(line, self.principal);
        let _ = write!(line, r#","peer":"{}","revision":{},{}"#, self.peer, self.revision, self.subject);
        if let Some(keys) = self.keys {
            let _ = write!(line, r#","keys":"{}""#, keys.digest);
        }
        for (name, fact) in
            [("region", &self.facts.region), ("zone", &self.facts.zone), ("instance", &self.facts.instance)]
        {
            if let Some(fact) = fact {
                let _ = write!(line, r#","{name}":"#);
                write_json(line, fact);
            }
        }
        if !self.facts.attributes.is_empty() {
            let attributes: Vec<_> = self.facts.attributes.iter().map(|a| (&a.key, &a.value)).collect();
            line.extend_from_slice(br#","attributes":"#);
            write_json(line, &attributes);
        }
        line.extend_from_slice(b"}\n");
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

impl ChangeRecord<'_> {
    pub(super) fn write(&self, line: &mut Vec<u8>) {
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

fn write_json(line: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    // Texts, numbers and lists always encode, and writing to a Vec cannot fail.
    let _ = serde_json::to_writer(line, value);
}
