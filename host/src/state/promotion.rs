//! Promotions as records: what was asked for, by whom, what was approved, and how it ended. Keys are by target, so that of one (deployment, environment) there is at most one that waits, and at
//! most one that runs.
//!
//! | record | content |
//! |---|---|
//! | `workspace/<name>/promoting/<deployment>/<environment>` | the promotion that runs; hangs on a lease |
//! | `workspace/<name>/promotion/open/<deployment>/<environment>` | the one that waits |
//! | `workspace/<name>/promotion/past/<deployment>/<id>` | one that ended |

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    id::{DeploymentId, EnvironmentName, Revision, Uid, UnixSeconds, VariableName, WorkspaceId},
    model::{Role, TokenHash, TokenRecord, promotion::Approval},
};

/// A promotion, as far as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// Names it; later ones come later.
    pub id: String,
    /// Of which deployment, by name and random id: another of that name is not its.
    pub deployment: (DeploymentId, Uid),
    /// The release's number.
    pub release: u64,
    /// The digest of what was released; none where nobody wrote it down.
    pub digest: Option<String>,
    /// Where it comes from; none where nothing promotes to the target, the first of its chain.
    pub from: Option<EnvironmentName>,
    /// Where it goes.
    pub to: EnvironmentName,
    /// Who asked.
    pub by: String,
    /// With which token; none for the host itself.
    pub bearer: Option<Bearer>,
    /// When.
    pub at: UnixSeconds,
    /// Who approved, in their order.
    pub approvals: Vec<Approved>,
    /// How far it came.
    pub status: Status,
    /// Since when that is so.
    pub since: UnixSeconds,
    /// Why it may not move, or not now.
    pub reasons: Vec<Word>,
    /// What policies warn of, whatever became of it.
    pub warnings: Vec<Word>,
    /// What is still to be approved, by role.
    pub wanted: Vec<(Role, u32)>,
    /// When it is tried again by itself.
    pub retry_at: Option<UnixSeconds>,
    /// When it ends at the latest, should what it waits for not come.
    pub until: UnixSeconds,
    /// As of which revision of the workspace that was said.
    pub judged: Revision,
    /// The revision that it made; none where it did not take effect.
    pub made: Option<Revision>,
    /// The target's secrets that another environment has, too: for those alone who may read both.
    pub shared: BTreeSet<(VariableName, EnvironmentName)>,
}

/// What a policy says of a promotion, or a rule of the host's own under its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Whose.
    pub policy: String,
    /// Stable and machine-readable; none of what only delays, or warns.
    pub code: Option<String>,
    /// For a person.
    pub text: String,
    /// What it is about, often a variable's name.
    pub field: Option<String>,
}

impl Word {
    /// One without a code.
    #[must_use]
    pub fn plain(policy: &str, text: String) -> Self {
        Self { policy: policy.to_owned(), code: None, text, field: None }
    }
}

/// The token that something was said with: it stands as long as that is not revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// It.
    pub token: TokenHash,
    /// On whose behalf it acts.
    pub principal: String,
    /// Who minted it, and who minted what that was done with, and so on.
    pub minted_by: BTreeSet<String>,
    /// When it stops working by itself.
    pub expires_at: Option<UnixSeconds>,
}

/// An approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    /// As policies are told.
    pub approval: Approval,
    /// With which token.
    pub bearer: Option<Bearer>,
}

impl Bearer {
    /// Everybody who may have this token.
    pub fn hands(&self) -> impl Iterator<Item = &String> {
        self.minted_by.iter().chain([&self.principal])
    }

    /// Whether one hand may have said both: one principal's, or one had a hand in the other's token.
    #[must_use]
    pub fn is_one_with(&self, other: &Self) -> bool {
        self.hands().any(|hand| *hand == other.principal) || other.hands().any(|hand| *hand == self.principal)
    }
}

impl From<&TokenRecord> for Bearer {
    fn from(token: &TokenRecord) -> Self {
        Self {
            token: token.hash,
            principal: token.principal.clone(),
            minted_by: token.minted_by.clone(),
            expires_at: token.expires_at,
        }
    }
}

/// How far a promotion came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It is being judged, or the release is on its way.
    Running,
    /// It waits for approvals, for checks or for its time.
    Deferred,
    /// The release is active.
    Done,
    /// It may not move.
    Denied,
    /// What it waited for did not come in time.
    Expired,
    /// Who asked for it, or an admin, took it back.
    Withdrawn,
}

impl Status {
    /// Each of them.
    pub const ALL: [Self; 6] =
        [Self::Running, Self::Deferred, Self::Done, Self::Denied, Self::Expired, Self::Withdrawn];

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Deferred => "deferred",
            Self::Done => "done",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }
}

impl Promotion {
    /// Where it is looked at before it moves: where it comes from, or the target itself.
    #[must_use]
    pub fn source(&self) -> &EnvironmentName {
        self.from.as_ref().unwrap_or(&self.to)
    }

    /// The names of both: what is said of it is for who sees them.
    #[must_use]
    pub fn ends(&self) -> Vec<&str> {
        self.from.iter().chain([&self.to]).map(EnvironmentName::as_str).collect()
    }

    /// The record of what runs on a target.
    #[must_use]
    pub fn running_record(workspace: &WorkspaceId, id: &DeploymentId, to: &EnvironmentName) -> String {
        format!("{}{id}/{to}", Self::all_running(workspace))
    }

    /// How the names of all begin that run.
    #[must_use]
    pub fn all_running(workspace: &WorkspaceId) -> String {
        format!("workspace/{workspace}/promoting/")
    }

    /// The record of what waits for a target.
    #[must_use]
    pub fn open_record(workspace: &WorkspaceId, id: &DeploymentId, to: &EnvironmentName) -> String {
        format!("{}{id}/{to}", Self::open_records(workspace))
    }

    /// How the names of all begin that wait.
    #[must_use]
    pub fn open_records(workspace: &WorkspaceId) -> String {
        format!("workspace/{workspace}/promotion/open/")
    }

    /// How the names of all begin that ended.
    #[must_use]
    pub fn past_records(workspace: &WorkspaceId, id: &DeploymentId) -> String {
        format!("{}{id}/", Self::all_past(workspace))
    }

    /// The same, whatever they are of.
    #[must_use]
    pub fn all_past(workspace: &WorkspaceId) -> String {
        format!("workspace/{workspace}/promotion/past/")
    }

    /// As a record holds it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let approval = |Approved { approval, bearer }: &Approved| WireApproval {
            principal: approval.principal.clone(),
            role: approval.role.as_str().to_owned(),
            at: approval.approved_at,
            bearer: bearer.as_ref().map(WireBearer::of),
        };
        let wire = WirePromotion {
            id: self.id.clone(),
            deployment: self.deployment.0.to_string(),
            uid: self.deployment.1.to_string(),
            release: self.release,
            digest: self.digest.clone(),
            from: self.from.as_ref().map(ToString::to_string),
            to: self.to.to_string(),
            by: self.by.clone(),
            bearer: self.bearer.as_ref().map(WireBearer::of),
            at: self.at.0,
            approvals: self.approvals.iter().map(approval).collect(),
            status: self.status.as_str().to_owned(),
            since: self.since.0,
            reasons: self.reasons.iter().map(WireWord::of).collect(),
            warnings: self.warnings.iter().map(WireWord::of).collect(),
            wanted: self.wanted.iter().map(|(role, many)| (role.as_str().to_owned(), *many)).collect(),
            retry_at: self.retry_at.map(|at| at.0),
            until: self.until.0,
            judged: self.judged.0,
            made: self.made.map(|made| made.0),
            shared: self.shared.iter().map(|(name, at)| (name.to_string(), at.to_string())).collect(),
        };
        serde_json::to_vec(&wire).unwrap_or_default()
    }

    /// What a record holds, if it is one.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let wire: WirePromotion = serde_json::from_slice(bytes).ok()?;
        let approval = |one: WireApproval| {
            let role = one.role.parse().ok()?;
            let approval = Approval { principal: one.principal, role, approved_at: one.at };
            Some(Approved { approval, bearer: read(one.bearer)? })
        };
        let shared = wire.shared.iter().map(|(name, at)| Some((name.parse().ok()?, at.parse().ok()?)));
        let wanted = wire.wanted.into_iter().map(|(role, many)| Some((role.parse().ok()?, many)));
        Some(Self {
            id: wire.id,
            deployment: (wire.deployment.parse().ok()?, wire.uid.parse().ok()?),
            release: wire.release,
            digest: wire.digest,
            from: wire.from.map(|from| from.parse()).transpose().ok()?,
            to: wire.to.parse().ok()?,
            by: wire.by,
            bearer: read(wire.bearer)?,
            at: UnixSeconds(wire.at),
            approvals: wire.approvals.into_iter().map(approval).collect::<Option<_>>()?,
            status: Status::ALL.into_iter().find(|status| status.as_str() == wire.status)?,
            since: UnixSeconds(wire.since),
            reasons: wire.reasons.into_iter().map(WireWord::read).collect(),
            warnings: wire.warnings.into_iter().map(WireWord::read).collect(),
            wanted: wanted.collect::<Option<_>>()?,
            retry_at: wire.retry_at.map(UnixSeconds),
            until: UnixSeconds(wire.until),
            judged: Revision(wire.judged),
            made: wire.made.map(Revision),
            shared: shared.collect::<Option<_>>()?,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct WirePromotion {
    id: String,
    deployment: String,
    uid: String,
    release: u64,
    digest: Option<String>,
    from: Option<String>,
    to: String,
    by: String,
    bearer: Option<WireBearer>,
    at: i64,
    approvals: Vec<WireApproval>,
    status: String,
    since: i64,
    reasons: Vec<WireWord>,
    warnings: Vec<WireWord>,
    wanted: Vec<(String, u32)>,
    retry_at: Option<i64>,
    until: i64,
    judged: u64,
    made: Option<u64>,
    shared: Vec<(String, String)>,
}

#[derive(Serialize, Deserialize)]
struct WireWord {
    policy: String,
    code: Option<String>,
    text: String,
    field: Option<String>,
}

impl WireWord {
    fn of(one: &Word) -> Self {
        let Word { policy, code, text, field } = one.clone();
        Self { policy, code, text, field }
    }

    fn read(self) -> Word {
        let Self { policy, code, text, field } = self;
        Word { policy, code, text, field }
    }
}

#[derive(Serialize, Deserialize)]
struct WireApproval {
    principal: String,
    role: String,
    at: u64,
    bearer: Option<WireBearer>,
}

#[derive(Serialize, Deserialize)]
struct WireBearer {
    token: String,
    principal: String,
    minted_by: BTreeSet<String>,
    expires_at: Option<i64>,
}

impl WireBearer {
    fn of(one: &Bearer) -> Self {
        let Bearer { token, principal, minted_by, expires_at } = one;
        Self {
            token: hex::encode(token.0),
            principal: principal.clone(),
            minted_by: minted_by.clone(),
            expires_at: expires_at.map(|at| at.0),
        }
    }
}

/// None where there is one and it does not read.
fn read(wire: Option<WireBearer>) -> Option<Option<Bearer>> {
    let Some(WireBearer { token, principal, minted_by, expires_at }) = wire else { return Some(None) };
    let mut hash = [0; 32];
    hex::decode_to_slice(token, &mut hash).ok()?;
    let expires_at = expires_at.map(UnixSeconds);
    Some(Some(Bearer { token: TokenHash(hash), principal, minted_by, expires_at }))
}
