//! Whose word counts in a promotion, and for how long. Approvals are somebody else's: two tokens of one
//! principal are one hand, and so are a token and one that it was minted with, whichever of the two asks and
//! whichever approves. Two that the same admin minted are two hands, or nobody could approve anything where one
//! admin mints everybody's tokens; but one that is minted when the promotion is asked for already, by a hand in
//! what was said of it so far, is taken for one that is minted for the purpose. What an admin mints for a
//! principal is in the audit log.
//!
//! What was said stands as long as its token is not revoked, and may no less. A token that expires was good when
//! it was used.

use crate::{
    control::ControlError,
    host::{ChangeError, Host, Writer},
    id::{UnixSeconds, WorkspaceId},
    model::{Role, Scope, TokenHash, TokenRecord},
    state::{Alteration, Bearer, EXPIRED_SECONDS, Promotion, State},
};

/// The most approvals of one promotion.
const MAX_APPROVALS: usize = 32;

/// Whether an approval counts: of somebody else, once, and of another hand than what was said so far.
pub(super) fn counts(promotion: &Promotion, token: &TokenRecord) -> Result<(), ChangeError> {
    let refused = |why: &str| Err(ChangeError::Uncounted { why: why.to_owned() });
    let own = Bearer::from(token);
    let of_approvals = || promotion.approvals.iter().filter_map(|one| one.bearer.as_ref());
    if own.principal == promotion.by {
        return refused("whoever asks for a promotion does not approve it; ask somebody else");
    }
    if promotion.approvals.iter().any(|one| one.approval.principal == own.principal) {
        return refused("you approved it already; each principal counts once");
    }
    if own.minted_by.contains(&promotion.by) {
        return refused(
            "this token was minted by whoever asks for the promotion, or through them; an approval wants one that was not",
        );
    }
    if promotion.bearer.iter().any(|asked| asked.is_one_with(&own)) {
        return refused(
            "you minted the token that this promotion was asked for with, or had a hand in it; an approval wants somebody who had not",
        );
    }
    if of_approvals().any(|one| one.is_one_with(&own)) {
        return refused(
            "one who approved it already had a hand in this token, or you in theirs; an approval wants another hand",
        );
    }
    let is_fresh = token.created_at >= promotion.at;
    let shares_a_hand = |one: &Bearer| one.hands().any(|hand| own.minted_by.contains(hand));
    if is_fresh && promotion.bearer.iter().chain(of_approvals()).any(shares_a_hand) {
        return refused(
            "this token was minted when the promotion was asked for already, by somebody with a hand in it; an approval wants an older one",
        );
    }
    if promotion.approvals.len() >= MAX_APPROVALS {
        return refused("it has as many approvals as a promotion may have");
    }
    Ok(())
}

/// The role in which somebody approves: of those that are still wanted the strongest that theirs covers, since
/// each may what the ones before it may, and a policy counts the role that it asked for.
pub(super) fn counted_as(wanted: &[(Role, u32)], role: Role) -> Role {
    wanted.iter().map(|(wanted, _)| *wanted).filter(|wanted| *wanted <= role).max().unwrap_or(role)
}

impl Host {
    /// Takes back the approvals that do not stand any more; whether the request does.
    pub(super) fn keep_standing(
        &self,
        state: &State,
        workspace: &WorkspaceId,
        promotion: &mut Promotion,
    ) -> bool {
        let ends = [promotion.source().clone(), promotion.to.clone()];
        let stands = |bearer: &Option<Bearer>, least| {
            let of = |bearer: &Bearer| self.stands(state, workspace, bearer, least, &ends);
            bearer.as_ref().is_none_or(of)
        };
        promotion.approvals.retain(|one| stands(&one.bearer, one.approval.role.max(Role::Releaser)));
        stands(&promotion.bearer, Role::Releaser)
    }

    /// Notes of what was said with tokens that are gone that it does not come to stand again, for a record that was
    /// read before they were: see [`Writer::fallen`].
    pub(super) fn let_fall(&self, state: &State, promotion: &mut Promotion) {
        let said = promotion.approvals.iter_mut().map(|one| &mut one.bearer);
        for bearer in said.chain([&mut promotion.bearer]).flatten() {
            let is_gone = !state.tokens.contains_key(&bearer.token);
            if is_gone && bearer.expires_at.is_some_and(|at| !self.is_forgotten(at)) {
                bearer.expires_at = None;
            }
        }
    }

    /// Whether a token that expired then is not kept any more.
    fn is_forgotten(&self, expired_at: UnixSeconds) -> bool {
        expired_at.0.saturating_add(EXPIRED_SECONDS) < self.clock.now().0
    }

    fn stands(
        &self,
        state: &State,
        workspace: &WorkspaceId,
        bearer: &Bearer,
        least: Role,
        ends: &[crate::id::EnvironmentName],
    ) -> bool {
        let Some(token) = state.tokens.get(&bearer.token) else {
            // Whatever expires is kept for a while: what is not there before that was revoked.
            return bearer.expires_at.is_some_and(|at| self.is_forgotten(at));
        };
        match &token.scope {
            Scope::Operator => true,
            Scope::Instance { .. } => false,
            Scope::Tenant { workspace: of, role, environments } => {
                let reaches = environments.is_empty() || ends.iter().all(|end| environments.contains(end));
                of == workspace && *role >= least && reaches
            }
        }
    }
}

impl Writer {
    /// What becomes of the promotions of `workspace` that wait when `token` is revoked: what was said with it
    /// never expires any more, so that its time passing does not make it good again.
    pub(in crate::host) fn fallen(
        &self,
        workspace: &WorkspaceId,
        token: &TokenHash,
    ) -> Result<Vec<Alteration>, ControlError> {
        let mut records = Vec::new();
        for (name, content) in self.control.read(&Promotion::open_records(workspace))? {
            let Some(mut promotion) = Promotion::from_bytes(&content) else { continue };
            let said = promotion.approvals.iter_mut().map(|one| &mut one.bearer);
            let own = said.chain([&mut promotion.bearer]).flatten().filter(|one| one.token == *token);
            let fallen = own.map(|one| one.expires_at = None).count();
            if fallen > 0 {
                records.push(Alteration::Put { name, content: promotion.to_bytes() });
            }
        }
        Ok(records)
    }
}
