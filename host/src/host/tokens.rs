//! Tokens minted and revoked: a change of state, so nothing is compiled or planned for it.

use std::{collections::HashMap, sync::Arc};

use serde_json::json;

use super::{Author, ChangeError, Host, Writer};
use crate::{
    audit::ChangeRecord,
    entropy::fresh_key,
    id::{EnvironmentName, UnixSeconds, WorkspaceId},
    model::{Scope, TokenHash, TokenRecord},
    state::{Alteration, State},
    system,
    token::{Token, token_id},
};

/// The longest principal, in bytes.
const MAX_PRINCIPAL_BYTES: usize = 128;

/// The most principals through whom a token is minted.
const MAX_LINE: usize = 32;

/// A token that is wanted.
pub struct MintRequest {
    /// What it may.
    pub scope: Scope,
    /// On whose behalf it acts.
    pub principal: String,
    /// Seconds until it stops working; none for never.
    pub expires_in: Option<u64>,
}

/// A token, once.
pub struct Minted {
    /// The token itself.
    pub token: Token,
    /// What the host keeps.
    pub record: TokenRecord,
}

impl Minted {
    /// Mints a token without a host: its record goes into a `bootstrap.toml`.
    ///
    /// # Errors
    /// When the principal is empty, too long or holds control characters.
    pub fn offline(request: MintRequest, now: UnixSeconds) -> Result<Self, ChangeError> {
        let MintRequest { scope, principal, expires_in } = request;
        let sound = !principal.is_empty()
            && principal.len() <= MAX_PRINCIPAL_BYTES
            && !principal.contains(char::is_control);
        if !sound {
            let rule = format!("a principal is 1 to {MAX_PRINCIPAL_BYTES} bytes without control characters");
            return Err(ChangeError::Invalid(vec![rule]));
        }
        let token = Token::mint(scope.kind(), fresh_key(&mut system::entropy));
        let hash = token.hash();
        let seconds = expires_in.map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX));
        let record = TokenRecord {
            id: token_id(&hash),
            hash,
            minted_by: Default::default(),
            principal,
            scope,
            created_at: now,
            expires_at: seconds.map(|seconds| UnixSeconds(now.0.saturating_add(seconds))),
            last_use: Default::default(),
        };
        Ok(Self { token, record })
    }
}

impl Host {
    /// Mints a token; it works when this returns.
    ///
    /// # Errors
    /// When the request is not sound, the limit is reached or the disk refuses.
    pub fn mint(&self, minter: &Author, request: MintRequest) -> Result<Minted, ChangeError> {
        let mut minted = Minted::offline(request, self.clock.now())?;
        minted.record.minted_by = minter.line();
        if minted.record.minted_by.len() > MAX_LINE {
            let rule = format!(
                "a token is minted through at most {MAX_LINE} principals; let one of the first mint it"
            );
            return Err(ChangeError::Invalid(vec![rule]));
        }
        let details = about(&minted.record);
        let record = minted.record.clone();
        self.change_tokens("token-mint", minter, details, |state, _| {
            state.add_token(record).map_err(|error| ChangeError::Invalid(vec![error.to_string()]))?;
            Ok(Vec::new())
        })?;
        Ok(minted)
    }

    /// Revokes a token; it has stopped working when this returns.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn revoke(&self, revoker: &Author, hash: &TokenHash) -> Result<(), ChangeError> {
        let details = self
            .store
            .load()
            .token(hash)
            .map_or_else(|| json!({ "token": token_id(hash) }), |one| about(one));
        let revoked = self.store.load().token(hash).map(|one| one.scope.clone());
        self.change_tokens("token-revoke", revoker, details, |state, writer| {
            let Some(gone) = state.tokens_mut().remove(hash) else { return Ok(Vec::new()) };
            let mut fallen = Vec::new();
            // An operator's may have said something anywhere.
            let all = self.store.load_full();
            let all = all.workspaces().keys();
            for workspace in all.filter(|one| gone.scope.workspace().is_none_or(|of| of == *one)) {
                fallen.extend(writer.fallen(workspace, hash)?);
            }
            Ok(fallen)
        })?;
        // What was asked for or approved with it does not stand any more.
        match revoked {
            None | Some(Scope::Instance { .. }) => {}
            Some(Scope::Tenant { workspace, .. }) => self.advance_in(&workspace),
            Some(Scope::Operator) => self.advance_promotions(),
        }
        Ok(())
    }

    fn change_tokens(
        &self,
        kind: &str,
        author: &Author,
        details: serde_json::Value,
        change: impl FnOnce(&mut State, &Writer) -> Result<Vec<Alteration>, ChangeError>,
    ) -> Result<(), ChangeError> {
        let mut writer = self.writer.lock();
        self.still_works(author, &writer.state)?;
        let mut next = writer.state.clone();
        next.forget_expired(self.clock.now());
        let along = change(&mut next, &writer)?;
        let (at, principal) = (self.clock.now(), author.principal());
        let record = ChangeRecord { at, kind, outcome: "done", principal, details };
        let changes = [next.since(&writer.state), along].concat();
        self.write_noted(&mut writer, author, changes, Vec::new(), &record)?;
        writer.state = next;
        let sequence = writer.sequence();
        let live = self.store.load_full();
        let tokens = Arc::new(index(&writer.state));
        let generation = live.with_tokens(sequence, tokens);
        self.store.publish(Arc::new(generation));
        self.metrics.swaps.inc();
        Ok(())
    }
}

impl Writer {
    /// Counts what was committed to this data directory.
    pub(super) fn sequence(&self) -> u64 {
        self.slots.root().sequence + self.control.revision()
    }
}

/// What is recorded of a token: whose log its record belongs to, and what it may.
fn about(record: &TokenRecord) -> serde_json::Value {
    let mut details = json!({
        "token": record.id, "for": record.principal, "kind": record.scope.kind().as_str(),
        "workspace": record.scope.workspace().map(WorkspaceId::as_str),
    });
    match &record.scope {
        Scope::Operator => {}
        Scope::Instance { deployment, environment, .. } => {
            details["deployment"] = deployment.as_str().into();
            details["environment"] = environment.as_str().into();
        }
        Scope::Tenant { role, environments, .. } => {
            details["role"] = role.as_str().into();
            details["environments"] = environments.iter().map(EnvironmentName::as_str).collect();
        }
    }
    details
}

/// The tokens as requests look them up.
pub(super) fn index(state: &State) -> HashMap<TokenHash, Arc<TokenRecord>> {
    state.tokens.iter().map(|(hash, record)| (*hash, Arc::new(record.clone()))).collect()
}
