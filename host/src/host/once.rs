//! A change under an `Idempotency-Key` leaves word of that in its own transaction: asked for again after
//! a restart, it is not made again. Its answer is put beside that once it was given, and is lost only to a
//! kill in between.

use std::sync::{Arc, OnceLock};

use super::{ChangeError, Host};
use crate::{
    fields::{Malformed, Reader, Writer},
    id::{Digest, UnixSeconds, WorkspaceId},
    ledger::MAX_OPERATIONS,
    model::TokenHash,
    state::Alteration,
};

/// What the records' names begin with. An older version of the host passes them over.
const PREFIX: &str = "host/once/";
/// The longest answer that is kept, in bytes.
pub const MAX_KEPT_ANSWER_BYTES: usize = 8 * 1024;

/// A key that a change is made under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Of the token and its key together.
    pub id: Digest,
    /// The token's workspace; none for an operator's.
    pub workspace: Option<WorkspaceId>,
    /// Whose key it is.
    pub token: TokenHash,
    /// Of method, path and query.
    pub asked: Digest,
    /// Of the body, from when somebody has read it.
    pub body: Arc<OnceLock<Digest>>,
}

/// A change that was made under a key, as the ledger remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// The key, and what was asked.
    pub claim: Claim,
    /// When.
    pub at: UnixSeconds,
    /// How it was answered, if that was kept; not interpreted here.
    pub answer: Option<Vec<u8>>,
}

impl Host {
    /// Every key that is remembered, the oldest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn remembered(&self) -> Result<Vec<Remembered>, ChangeError> {
        let records = self.control.read(PREFIX)?;
        let mut all: Vec<_> =
            records.values().filter_map(|content| Remembered::from_bytes(content).ok()).collect();
        all.sort_by_key(|one| one.at);
        Ok(all)
    }

    /// Keeps the answer of a change that was made, and forgets some keys whose time is over.
    ///
    /// # Errors
    /// When the ledger fails. The change stands.
    pub fn remember(&self, claim: &Claim, answer: &[u8], over: &[Digest]) -> Result<(), ChangeError> {
        let answer = (answer.len() <= MAX_KEPT_ANSWER_BYTES).then(|| answer.to_vec());
        let mut records = vec![claim.record(self.clock.now(), answer)];
        records.extend(over.iter().take(MAX_OPERATIONS - 1).map(|id| Alteration::Delete { name: name(id) }));
        let writer = self.writer.lock();
        self.write(&writer, &records, Vec::new())
    }
}

impl Claim {
    /// What goes into the change's transaction.
    pub(super) fn record(&self, at: UnixSeconds, answer: Option<Vec<u8>>) -> Alteration {
        let remembered = Remembered { claim: self.clone(), at, answer };
        Alteration::Put { name: name(&self.id), content: remembered.to_bytes() }
    }
}

fn name(id: &Digest) -> String {
    format!("{PREFIX}{}", hex::encode(id.0))
}

impl Remembered {
    /// `1 | at i64 | id[32] | workspace | token[32] | asked[32] | body? | answer?`; an operator's
    /// workspace is empty, and what may be missing follows a byte that says whether it is there.
    fn to_bytes(&self) -> Vec<u8> {
        let Claim { id, workspace, token, asked, body } = &self.claim;
        let workspace = workspace.as_ref().map_or("", WorkspaceId::as_str);
        let out = Writer::new().u8(1).i64(self.at.0).raw(&id.0).text(workspace).raw(&token.0).raw(&asked.0);
        let out = match body.get() {
            Some(body) => out.u8(1).raw(&body.0),
            None => out.u8(0),
        };
        match &self.answer {
            Some(answer) => out.u8(1).raw(answer),
            None => out.u8(0),
        }
        .finish()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Reader::new(bytes);
        if fields.u8()? != 1 {
            return Err(fields.malformed());
        }
        let at = UnixSeconds(fields.i64()?);
        let id = Digest(fields.array()?);
        let workspace = match fields.text()? {
            "" => None,
            name => Some(name.parse().map_err(|_| fields.malformed())?),
        };
        let (token, asked) = (TokenHash(fields.array()?), Digest(fields.array()?));
        let body = Arc::<OnceLock<Digest>>::default();
        if fields.u8()? == 1 {
            let _ = body.set(Digest(fields.array()?));
        }
        let answer = (fields.u8()? == 1).then(|| fields.rest().to_vec());
        fields.end()?;
        Ok(Self { claim: Claim { id, workspace, token, asked, body }, at, answer })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_reads_back_and_nothing_else_does() {
        for (workspace, body, answer) in
            [(None, None, None), (Some("acme"), Some(Digest([3; 32])), Some(b"200".to_vec()))]
        {
            let slot = Arc::<OnceLock<Digest>>::default();
            body.map(|body| slot.set(body));
            let claim = Claim {
                id: Digest([1; 32]),
                workspace: workspace.map(|name| name.parse().unwrap()),
                token: TokenHash([2; 32]),
                asked: Digest([4; 32]),
                body: slot,
            };
            let remembered = Remembered { claim, at: UnixSeconds(7), answer };
            let bytes = remembered.to_bytes();
            assert_eq!(Remembered::from_bytes(&bytes).unwrap(), remembered);
            let fixed = bytes.len() - remembered.answer.map_or(0, |answer| answer.len());
            for cut in 0..fixed {
                assert!(Remembered::from_bytes(&bytes[..cut]).is_err(), "{cut}");
            }
            let mut newer = bytes;
            newer[0] = 2;
            assert!(Remembered::from_bytes(&newer).is_err());
        }
    }
}
