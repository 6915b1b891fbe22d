//! In whose name a change is made. Who may make it is decided from a request's head, and the change comes
//! when its body is there and its policies are compiled: a token may be revoked by then, or an environment
//! protected. So a change takes along what it was allowed on, and whoever commits looks again.

use std::{collections::BTreeSet, sync::Arc};

use super::{ChangeError, Claim, Host};
use crate::{
    change::{self, Edit},
    generation::{Generation, Served},
    id::WorkspaceId,
    model::{Scope, TokenRecord},
    state::{Bearer, State},
};

/// Who makes a change.
pub struct Author {
    principal: String,
    allowed: Option<Allowed>,
    /// The key that it is made under.
    pub(super) claim: Option<Arc<Claim>>,
}

/// What a request was allowed on.
struct Allowed {
    token: Arc<TokenRecord>,
    live: Arc<Generation>,
}

impl Author {
    /// Whoever holds `token`, and may make the change as of the generation `live`.
    #[must_use]
    pub fn caller(token: Arc<TokenRecord>, live: Arc<Generation>) -> Self {
        Self { principal: token.principal.clone(), allowed: Some(Allowed { token, live }), claim: None }
    }

    /// This process itself, of its own accord: nobody can take that from it.
    #[must_use]
    pub fn process(principal: &str) -> Self {
        Self { principal: principal.to_owned(), allowed: None, claim: None }
    }

    /// The same, for a change that is made under a key, if it is.
    #[must_use]
    pub fn under(self, claim: Option<Arc<Claim>>) -> Self {
        Self { claim, ..self }
    }

    /// Who answers for what they mint: whoever holds the token, and those through whom it was minted.
    pub(super) fn line(&self) -> BTreeSet<String> {
        let token = self.allowed.as_ref().map(|allowed| &allowed.token);
        let through = token.into_iter().flat_map(|token| token.minted_by.iter());
        through.chain(token.map(|token| &token.principal)).cloned().collect()
    }

    /// The token that it is made with; none of this process's own.
    pub(super) fn bearer(&self) -> Option<Bearer> {
        self.allowed.as_ref().map(|allowed| Bearer::from(&*allowed.token))
    }

    /// What the audit log calls them.
    #[must_use]
    pub fn principal(&self) -> &str {
        &self.principal
    }
}

impl Host {
    /// Whether the author's token still works, and for as much as it did. Asked with the writer held,
    /// whoever revokes it comes either before this, or after what is committed meanwhile.
    pub(super) fn still_works(&self, author: &Author, state: &State) -> Result<(), ChangeError> {
        let Some(allowed) = &author.allowed else { return Ok(()) };
        let now = self.clock.now();
        let found = state.tokens.get(&allowed.token.hash);
        let found = found.filter(|token| token.expires_at.is_none_or(|at| at > now));
        let token = found.ok_or(ChangeError::Revoked)?;
        if is_at_least(&token.scope, &allowed.token.scope) { Ok(()) } else { Err(ChangeError::Revoked) }
    }

    /// Whether what `edits` reach in `served` may be changed by whom it was allowed to. Asked with the
    /// workshop held, so that no other change comes in between.
    pub(super) fn still_allowed(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        edits: &[Edit],
        served: &Served,
    ) -> Result<(), ChangeError> {
        self.still_works(author, &self.writer.lock().state)?;
        let Some(Allowed { token, live }) = &author.allowed else { return Ok(()) };
        let is_named = |name: &_| match &token.scope {
            Scope::Tenant { environments, .. } => environments.is_empty() || environments.contains(name),
            Scope::Instance { .. } | Scope::Operator => true,
        };
        let side = |served: &Served| change::reached(edits, &served.snapshot.configuration, &served.made);
        let before = live.workspace(workspace).map(|judged| side(judged)).unwrap_or_default();
        for (name, standing) in side(served) {
            if before.get(&name) != Some(&standing) && !(standing.is_open() && is_named(&name)) {
                let current = served.made.environments.get(&name).map(|made| made.changed.revision);
                return Err(ChangeError::Changed { what: format!("environment {name}"), current });
            }
        }
        Ok(())
    }
}

/// Whether a token that is changed since then may all that it might. Clones add to the environments that
/// it is limited to, and what is deleted is taken from them.
fn is_at_least(now: &Scope, then: &Scope) -> bool {
    match (now, then) {
        (
            Scope::Tenant { workspace, role, environments },
            Scope::Tenant { workspace: of, role: least, environments: some },
        ) => {
            let reaches = environments.is_empty() || (!some.is_empty() && environments.is_superset(some));
            workspace == of && role >= least && reaches
        }
        (now, then) => now == then,
    }
}
