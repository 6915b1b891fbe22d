//! A change by API. From `validate` on it goes the way of a push: validated, policies asked, prepared
//! against the parent, durable, published, answered; durable is one transaction of the ledger, and only
//! what the change can touch is planned again.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::json;

use super::{
    Author, ChangeError, Changed, Host, Writer,
    components::sweep_artefacts,
    grants::{MAX_REGRANTED, Regranted},
    noted::ALONG,
    prepare::Ingredients,
    push::{changed, validated_in},
    sets::{held_back_warning, opens, pinned_among, revoked_by, unset},
    tokens,
};
use crate::{
    audit::{self, ChangeRecord},
    change::{About, Draft, Edit, EditError, LISTED, MAX_EDITS, Pair, Precondition, Reach, ResourceEdit},
    control::{ControlError, Expected},
    generation::Served,
    history::{self, PieceKey},
    id::{DeploymentId, EnvironmentName, WorkspaceId},
    keyring::Keyring,
    ledger::{Blob, LedgerError, MAX_OPERATIONS, MAX_TRANSACTION_BYTES},
    made::{Made, ResourceKey, Stamp},
    model::{Configuration, Scope, SealedValue, TokenRecord},
    state::{Alteration, Runs},
};

/// The most records of tokens that come with what takes effect.
const MAX_TOKENS_ALONG: usize = MAX_REGRANTED;
/// Bytes of records in one transaction that is one of several.
const MAX_BYTES: usize = MAX_TRANSACTION_BYTES / 2;

/// Looks whether what is served now is still what a change rests on.
pub(super) type Still<'a> = dyn Fn(&Served) -> Result<(), ChangeError> + 'a;

/// What belongs to a change and is not configuration.
#[derive(Default)]
pub(super) struct Along<'a> {
    /// Looks again at what it rests on, when nothing else can be changed any more.
    pub(super) still: Option<&'a Still<'a>>,
    /// What has to hold of records.
    pub(super) expected: Vec<(&'a str, Expected)>,
    /// What is written in the same transaction.
    pub(super) records: Vec<Alteration>,
}

/// What the audit log is told beside the edits.
#[derive(Default)]
struct Done {
    /// What a clone took over, by name.
    cloned: Vec<String>,
    /// How many tokens name other environments than before, or are gone.
    tokens: usize,
    /// The ids of those that are gone.
    revoked: Vec<String>,
    /// How many boots without a lease versions were revoked in spite of.
    unproven: u64,
}

impl From<EditError> for ChangeError {
    fn from(error: EditError) -> Self {
        match error {
            EditError::Unknown => Self::Unknown,
            EditError::Owned(what) => Self::Owned { what },
            EditError::Changed { what, current } => Self::Changed { what, current },
            EditError::NotNow { reason, current } => Self::NotNow { reason, current },
            EditError::Held(in_use) => Self::Held(in_use),
            EditError::Invalid(reason) => Self::Invalid(vec![reason]),
        }
    }
}

impl Host {
    /// Makes `edits`, all or none; `precondition` is asked of each.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub fn change(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        edits: &[Edit],
        precondition: Precondition,
    ) -> Result<Changed, ChangeError> {
        let before = self.store.load_full();
        let before = before.workspace(workspace).map(|served| &served.snapshot.configuration);
        let changed = self.try_change(author, workspace, edits, precondition);
        if edits.iter().any(|edit| matches!(edit, Edit::Resource(edit) if edit.policy().is_some())) {
            // What was refused after it was compiled leaves nothing behind, either.
            let kept = self.writer.lock().components_made();
            sweep_artefacts(&self.uploads, kept);
        }
        match changed {
            Ok(changed) => {
                Self::tell(kind_of(edits), &changed);
                Ok(changed)
            }
            Err(error) => {
                let details = details(workspace, edits, before, Err(&error));
                Err(self.refused(kind_of(edits), author.principal(), details, error))
            }
        }
    }

    pub(super) fn try_change(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        edits: &[Edit],
        precondition: Precondition,
    ) -> Result<Changed, ChangeError> {
        if edits.len() > MAX_EDITS {
            let rule = format!("a change is at most {MAX_EDITS} edits; these are {}", edits.len());
            return Err(ChangeError::Invalid(vec![rule]));
        }
        self.try_change_along(author, workspace, edits, precondition, &Along::default())
    }

    /// The same, with what belongs to it and is not configuration.
    pub(super) fn try_change_along(
        &self,
        author: &Author,
        workspace: &WorkspaceId,
        edits: &[Edit],
        precondition: Precondition,
        along: &Along<'_>,
    ) -> Result<Changed, ChangeError> {
        self.still_works(author, &self.writer.lock().state)?;
        // Held until they are prepared with.
        let _compiled = self.compile_early(workspace, edits)?;
        let workshop = self.workshop.lock();
        let live = self.store.load_full();
        let served = live.workspace(workspace).ok_or(ChangeError::Unknown)?;
        self.still_allowed(author, workspace, edits, served)?;
        along.still.map_or(Ok(()), |still| still(served))?;
        self.no_promotion_beside(workspace, edits)?;
        let snapshot = &served.snapshot;
        let keyring = Keyring::unwrap(snapshot.configuration.uid, &snapshot.keys, &workshop.roots);
        let stamp = Stamp {
            revision: snapshot.revision.next(),
            at: self.clock.now(),
            principal: author.principal().to_owned(),
        };
        let (revision, created) = (stamp.revision, stamp.at);
        let root = workshop.roots.named(workshop.base_root).ok_or(ChangeError::NoRootKey)?;
        let keys = (snapshot.keys.clone(), &keyring);
        let made = Made::clone(&served.made);
        // What is held is refused whatever comes meanwhile: no boot waits for that.
        let mut holders = self.holders_of(workspace, &made, edits);
        let is_held = edits.len() == 1 && holders.values().any(|held| !held.leases.is_empty());
        // Until this is served or refused, no boot is answered that the holders do not tell of.
        let _revoking = (!is_held && self.is_revoked_by(edits)).then(|| self.leases.revoking(workspace));
        if !is_held {
            holders = self.holders_of(workspace, &made, edits);
        }
        let mut draft = Draft::new(snapshot.configuration.clone(), made, keys, root, stamp.clone());
        draft = draft.held_by(holders);
        for edit in edits {
            draft.apply(edit, precondition, &mut crate::system::entropy)?;
        }
        self.unused(served, edits)?;
        let active = self.active_after(served, edits, &stamp, &draft);
        let (active, pinned) = active.map_err(|error| because(error, &draft.warnings))?;
        // A new environment's key opens what was just sealed for it.
        let renewed = (draft.keys != snapshot.keys)
            .then(|| Keyring::unwrap(snapshot.configuration.uid, &draft.keys, &workshop.roots));
        let made = Arc::new(draft.made);
        self.nothing_pinned(served, &served.made, edits)?;
        let sets = self.sets_after(&workshop, &draft.configuration, &pinned, Some(served));
        self.nothing_revoked(&draft.configuration, edits, &sets)?;
        let ingredients = Ingredients {
            configuration: draft.configuration,
            keys: draft.keys,
            keyring: renewed.as_ref().unwrap_or(&keyring),
            revision,
            created,
            not_after: snapshot.not_after,
            made: Arc::clone(&made),
            active: &active,
            sets,
            certified: false,
            parent: Some(served),
            touched: (draft.reach < Reach::Policies).then_some(&draft.touched),
        };
        let next = workshop
            .prepare(ingredients, &self.engine)
            .map_err(|error| because(error.into(), &draft.warnings))?;
        opens(&next, edits)?;
        let mut warnings = draft.warnings;
        let reached = |pair: &Pair| draft.reach == Reach::Policies || draft.touched.contains(pair);
        let held_back = next.sets.keys().filter(|pair| reached(pair) && !draft.activated.contains(*pair));
        warnings.extend(held_back.take(LISTED).map(held_back_warning));
        let mut changed = changed(&next, warnings);
        let mut records = made.changed_since(&served.made, workspace, &draft.subjects);
        let mut writer = self.writer.lock();
        self.still_works(author, &writer.state)?;
        self.forget_displaced(&mut writer)?;
        let mut pieces = history::changed_by(&draft.subjects, &draft.touched);
        let activated = draft.activated.iter().cloned();
        pieces.extend(activated.map(|(deployment, environment)| PieceKey::Pair(deployment, environment)));
        let held = self.hold_components(&writer, &made, &draft.subjects)?;
        // The one before, if that is not kept yet: what is told of activations below goes on from there.
        drop(writer.keep(served));
        let mut after = Regranted::after(&writer.state, snapshot, edits, &stamp)?;
        let pieces = (&active, after.state.as_ref(), pieces);
        let mut entry = self.told_of_ledger(writer.next_in_history(served, &next, pieces))?;
        after.began_with(&writer.state, workspace, &active, entry.root());
        records.append(&mut entry.records);
        records.extend(revoked_by(workspace, &served.made, edits));
        records.extend(writer.ended(workspace, &draft.activated)?);
        records.extend(writer.gone_with(workspace, edits, &snapshot.configuration)?);
        let Regranted { state: regranted, records: tokens, tokens: regranted_tokens, revoked, warnings } =
            after;
        changed.warnings.extend(warnings);
        let done = Done { cloned: draft.cloned, tokens: regranted_tokens, revoked, unproven: draft.unproven };
        let details = details(workspace, edits, Some(&snapshot.configuration), Ok((&changed, &done)));
        let (at, principal) = (self.clock.now(), author.principal());
        let record = ChangeRecord { at, kind: kind_of(edits), outcome: "done", principal, details };
        let Transactions { early, late, trailing } = in_transactions(records, tokens, workspace, edits);
        self.place_of_note(&mut writer)?;
        for some in early {
            self.write(&writer, &some, Vec::new())?;
        }
        let late = [late, along.records.clone()].concat();
        let blobs = std::mem::take(&mut entry.blobs);
        self.write_noted_if(&mut writer, author, &along.expected, (late, blobs), &record)?;
        drop(held);
        // The change stands; what this leaves is put away by the next start.
        if let Err(error) = self.write(&writer, &trailing, Vec::new()) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "records without a place stay until a restart"
            );
        }
        writer.kept(workspace, entry);
        writer.made.insert(workspace.clone(), made);
        let mut generation = self.store.load_full().with_workspace(writer.sequence(), next);
        if let Some(state) = regranted {
            if regranted_tokens > 0 {
                generation = generation.with_tokens(writer.sequence(), Arc::new(tokens::index(&state)));
            }
            writer.state = state;
        }
        self.store.publish(Arc::new(generation));
        if unset(&served.sets).is_some() {
            // It may have been unpinned.
            let doubt = self.store.load().workspace(workspace).and_then(|next| unset(&next.sets));
            match doubt {
                Some(doubt) => self.doubts.write().workspaces.insert(workspace.clone(), doubt),
                None => self.doubts.write().workspaces.remove(workspace),
            };
            self.note_degraded();
        }
        self.forget_revoked(workspace, &served.made, edits);
        if draft.reach == Reach::Policies {
            self.watch.forget(workspace);
            writer.sweep_replaced(&served.made, workspace);
        }
        self.metrics.swaps.inc();
        self.metrics.set_snapshot(workspace.as_str(), revision, snapshot.not_after);
        Ok(changed)
    }

    /// What runs, where the rules hold of what `edits` make of a part; and what of everything is pinned.
    fn active_after(
        &self,
        served: &Served,
        edits: &[Edit],
        stamp: &Stamp,
        draft: &Draft<'_>,
    ) -> Result<(Runs, Runs), ChangeError> {
        let writer = self.writer.lock();
        let after = Regranted::after(&writer.state, &served.snapshot, edits, stamp)?.state;
        let after = after.as_ref().unwrap_or(&writer.state);
        let pairs = served.sets.keys().chain(&draft.activated);
        let pinned = pinned_among(after, &draft.configuration, pairs);
        Ok((validated_in(after, &draft.part())?, pinned))
    }

    /// Refuses to take away a deployment or an environment, or the one from the other, while an instance's
    /// token counts on it. What is active there goes with it: without a token, nothing boots it.
    fn unused(&self, served: &Served, edits: &[Edit]) -> Result<(), ChangeError> {
        let whole = &served.snapshot.configuration;
        let writer = self.writer.lock();
        for edit in edits {
            let used = |id: &DeploymentId, name: &EnvironmentName| {
                whole.deployments.get(id).is_some_and(|one| one.environments.contains_key(name))
            };
            let goes = |id: &DeploymentId, name: &EnvironmentName| match edit {
                Edit::DeleteEnvironment { name: gone, expired: false } => gone == name,
                Edit::Resource(ResourceEdit::Delete(ResourceKey::Deployment(gone))) => {
                    gone == id && used(id, name)
                }
                Edit::Resource(ResourceEdit::PutDeployment(next)) => {
                    next.id == *id && used(id, name) && !next.environments.contains_key(name)
                }
                _ => false,
            };
            let by = self.users(&writer, &whole.workspace, goes);
            if !by.is_empty() {
                let rule = format!("{} is in use by {}", edit.subject(), by.join(", "));
                return Err(ChangeError::Invalid(vec![rule]));
            }
        }
        Ok(())
    }

    /// The working instance tokens of such deployments and environments.
    fn users(
        &self,
        writer: &Writer,
        workspace: &WorkspaceId,
        is_such: impl Fn(&DeploymentId, &EnvironmentName) -> bool,
    ) -> Vec<String> {
        let now = self.clock.now();
        let works = |token: &&TokenRecord| token.expires_at.is_none_or(|at| at > now);
        let tokens = writer.state.tokens.values().filter(works).filter(|token| match &token.scope {
            Scope::Instance { workspace: of, deployment, environment } => {
                of == workspace && is_such(deployment, environment)
            }
            _ => false,
        });
        tokens.map(|token| format!("token {} of {}", token.id, token.principal)).take(LISTED).collect()
    }

    /// Makes records durable.
    pub(super) fn write(
        &self,
        writer: &Writer,
        records: &[Alteration],
        blobs: Vec<Blob>,
    ) -> Result<(), ChangeError> {
        self.write_if(writer, &[], records, blobs)
    }

    /// The same, where what is expected holds.
    pub(super) fn write_if(
        &self,
        writer: &Writer,
        expected: &[(&str, Expected)],
        records: &[Alteration],
        blobs: Vec<Blob>,
    ) -> Result<(), ChangeError> {
        if writer.unsettled {
            return Err(ControlError::Ledger(LedgerError::Stopped).into());
        }
        match self.told_by_ledger(writer.control.change_with(expected, records, blobs)) {
            Err(ControlError::Ledger(LedgerError::OverLimit(limit))) => {
                Err(ChangeError::Invalid(vec![limit.to_string()]))
            }
            written => Ok(written?),
        }
    }

    /// What the ledger answered to a write; nothing more is written to one that is in doubt.
    pub(super) fn told_by_ledger<T>(&self, answer: Result<T, ControlError>) -> Result<T, ControlError> {
        answer.inspect_err(|error| self.doubt_after(error))
    }

    /// The same of a write that came with others.
    pub(super) fn told_of_ledger<T>(&self, answer: Result<T, ChangeError>) -> Result<T, ChangeError> {
        answer.inspect_err(|error| {
            if let ChangeError::Ledger(error) = error {
                self.doubt_after(error);
            }
        })
    }

    fn doubt_after(&self, error: &ControlError) {
        if let ControlError::Ledger(LedgerError::Unknown(_) | LedgerError::Stopped) = error {
            self.doubt_ledger(error.to_string());
        }
    }

    /// Lets the ledger know what pushes displaced. Every change does this first, so that none of it
    /// comes back when a later push leaves its place free again.
    pub(super) fn forget_displaced(&self, writer: &mut Writer) -> Result<(), ChangeError> {
        while let Some((workspace, before)) = writer.displaced.last() {
            let records = writer.made_in(workspace).since(before, workspace);
            self.write(writer, &records, Vec::new())?;
            writer.displaced.pop();
        }
        Ok(())
    }
}

/// What the audit log calls a change.
fn kind_of(edits: &[Edit]) -> &'static str {
    let is_activation =
        |edit: &Edit| matches!(edit, Edit::Activate { .. } | Edit::Expect(_) | Edit::ExpectActive { .. });
    if !edits.is_empty() && edits.iter().all(is_activation) { "activate" } else { "change" }
}

/// What is recorded of a change.
fn details(
    workspace: &WorkspaceId,
    edits: &[Edit],
    before: Option<&Configuration<SealedValue>>,
    changed: Result<(&Changed, &Done), &ChangeError>,
) -> serde_json::Value {
    let named = |verb: &str| {
        let done = edits.iter().filter(|edit| edit.verb() == verb);
        done.map(Edit::subject).collect::<Vec<_>>()
    };
    let about = About::of(edits, before);
    let mut keys: BTreeSet<_> = texts(&about.keys).into_iter().collect();
    keys.extend(changed.iter().flat_map(|(_, done)| done.cloned.iter().cloned()));
    let mut left_out = serde_json::Map::new();
    let mut listed = |what: &str, names: Vec<String>| {
        let all = names.len();
        let some = audit::listed(names);
        if some.len() < all {
            left_out.insert(what.to_owned(), (all - some.len()).into());
        }
        some
    };
    let keys = listed("keys", keys.into_iter().collect());
    let environments = listed("environments", texts(&about.environments));
    let deployments = listed("deployments", texts(&about.deployments));
    let revoked = changed.ok().map(|(_, done)| listed("tokens_revoked", done.revoked.clone()));
    json!({
        "workspace": workspace.as_str(), "set": named("set"), "unset": named("unset"),
        "revoked": named("revoked"),
        "created": named("created"), "patched": named("patched"), "deleted": named("deleted"),
        "cloned": named("cloned"), "activated": named("activated"), "tokens": changed.ok().map(|(_, done)| done.tokens),
        "tokens_revoked": revoked, "keys": keys, "environments": environments, "deployments": deployments,
        "left_out": (!left_out.is_empty()).then_some(left_out),
        "accepted_unproven": changed.ok().map(|(_, done)| done.unproven).filter(|boots| *boots > 0),
        "revision": changed.ok().map(|(changed, _)| changed.revision.0),
        "digest": changed.ok().map(|(changed, _)| changed.digest.to_string()),
        "reason": changed.err().map(|error| audit::reason(error)),
    })
}

fn texts(names: &BTreeSet<impl ToString>) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

impl Writer {
    /// What was made by API in a workspace.
    pub(super) fn made_in(&self, workspace: &WorkspaceId) -> Arc<Made> {
        self.made.get(workspace).cloned().unwrap_or_default()
    }
}

/// A refusal, with what was left out and may be why.
fn because(error: ChangeError, left_out: &[String]) -> ChangeError {
    match error {
        ChangeError::Invalid(mut rules) => {
            rules.extend_from_slice(left_out);
            ChangeError::Invalid(rules)
        }
        error => error,
    }
}

/// A change's records, as transactions.
struct Transactions {
    /// Means nothing until the next is there.
    early: Vec<Vec<Alteration>>,
    /// What takes effect.
    late: Vec<Alteration>,
    /// What has no place any more since then: a start puts it away, too.
    trailing: Vec<Alteration>,
}

/// A change's records, as transactions: one where one takes them all. What goes with an environment or a
/// deployment goes after it. Where a clone is larger, what it
/// holds comes first and means nothing, because its environment is not there; the last one makes it be
/// there, with all that was before. A host that is killed in between forgets the rest at its next start.
///
/// Tokens come with what takes effect. Where that is too much for one transaction they come before: a token
/// that is revoked too early opens nothing, and one that is revoked too late may.
fn in_transactions(
    records: Vec<Alteration>,
    state: Vec<Alteration>,
    workspace: &WorkspaceId,
    edits: &[Edit],
) -> Transactions {
    let mut early: Vec<Vec<_>> = Vec::new();
    let of_tokens = ["host/token/".to_owned(), format!("workspace/{workspace}/token/")];
    let is_token = |one: &Alteration| of_tokens.iter().any(|prefix| one.name().starts_with(prefix));
    let (mut tokens, active): (Vec<_>, Vec<_>) = state.into_iter().partition(is_token);
    if tokens.len() > MAX_TOKENS_ALONG {
        let (revoked, other): (Vec<_>, _) =
            tokens.into_iter().partition(|one| matches!(one, Alteration::Delete { .. }));
        early.extend(revoked.chunks(MAX_OPERATIONS).map(<[_]>::to_vec));
        tokens = other;
    }
    if tokens.len() > MAX_TOKENS_ALONG {
        early.extend(tokens.chunks(MAX_OPERATIONS).map(<[_]>::to_vec));
        tokens.clear();
    }
    let rest = parted([tokens, active, records].concat(), workspace, edits);
    Transactions { early: early.into_iter().chain(rest.early).collect(), ..rest }
}

fn parted(records: Vec<Alteration>, workspace: &WorkspaceId, edits: &[Edit]) -> Transactions {
    let bytes: usize = records.iter().map(size).sum();
    let is_clone = edits.iter().any(|edit| matches!(edit, Edit::CloneEnvironment { .. }));
    if records.len() + ALONG <= MAX_OPERATIONS && (!is_clone || bytes <= MAX_BYTES) {
        return Transactions { early: Vec::new(), late: records, trailing: Vec::new() };
    }
    if !is_clone {
        let without = [
            "value",
            "past",
            "resource/binding",
            "resource/attachment",
            "resource/required",
            "check",
            "promotion/past",
            "activations",
            "compared",
            "compared-in",
        ];
        let without = without.map(|kind| format!("workspace/{workspace}/{kind}/"));
        let is_without = |one: &Alteration| matches!(one, Alteration::Delete { name } if without.iter().any(|prefix| name.starts_with(prefix)));
        let (trailing, late) = records.into_iter().partition(is_without);
        return Transactions { early: Vec::new(), late, trailing };
    }
    let held = ["value", "resource"].map(|kind| format!("workspace/{workspace}/{kind}/"));
    let is_held = |one: &Alteration| matches!(one, Alteration::Put { name, .. } if held.iter().any(|prefix| name.starts_with(prefix)));
    let (early, late): (Vec<_>, Vec<_>) = records.into_iter().partition(is_held);
    Transactions { early: in_parts(early), late, trailing: Vec::new() }
}

/// In their order, as many at a time as a transaction takes.
pub(super) fn in_parts(records: Vec<Alteration>) -> Vec<Vec<Alteration>> {
    let mut transactions: Vec<Vec<Alteration>> = Vec::new();
    let mut room = 0;
    for one in records {
        match transactions.last_mut() {
            Some(last) if last.len() < MAX_OPERATIONS && size(&one) <= room => {
                room -= size(&one);
                last.push(one);
            }
            _ => {
                room = MAX_BYTES.saturating_sub(size(&one));
                transactions.push(vec![one]);
            }
        }
    }
    transactions
}

fn size(alteration: &Alteration) -> usize {
    match alteration {
        Alteration::Put { name, content } => name.len() + content.len(),
        Alteration::Delete { name } => name.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::Uid,
        model::{Environment, EnvironmentType},
    };

    fn cloning() -> [Edit; 1] {
        let wanted = Environment {
            name: "qa".parse().unwrap(),
            uid: Uid::NONE,
            kind: EnvironmentType::Test,
            protected: false,
            deprecated: false,
            expires: None,
            promotes_to: None,
            trigger: None,
            labels: [].into(),
        };
        let source = "staging".parse().unwrap();
        [Edit::CloneEnvironment { source, wanted, deployments: None, permissions: false }]
    }

    fn record(name: String, bytes: usize) -> Alteration {
        Alteration::Put { name: format!("workspace/acme/{name}"), content: vec![0; bytes] }
    }

    #[test]
    fn of_a_large_clone_the_environment_comes_last_and_small_ones_are_one_transaction() {
        let workspace: WorkspaceId = "acme".parse().unwrap();
        let records = |many: usize, bytes: usize| {
            let mut all = vec![record("configuration".into(), 9), record("environment/qa".into(), 9)];
            all.extend((0..many).map(|n| record(format!("value/in/qa/A{n:04}"), bytes)));
            all.push(record("revision/7".into(), 9));
            all
        };
        let Transactions { early, late, .. } =
            in_transactions(records(90, 10), Vec::new(), &workspace, &cloning());
        assert_eq!((early.len(), late.len()), (0, 93));
        for (many, bytes) in [(250, 10), (20, 90_000)] {
            let Transactions { early, late, .. } =
                in_transactions(records(many, bytes), Vec::new(), &workspace, &cloning());
            assert_eq!((early.concat().len(), late.len()), (many, 3));
            for one in &early {
                let bytes: usize = one.iter().map(size).sum();
                assert!(one.len() <= MAX_OPERATIONS && bytes <= MAX_BYTES);
            }
            assert!(early.len() >= 3, "{}", early.len());
        }
        let gone = |name: String| Alteration::Delete { name: format!("workspace/acme/{name}") };
        // What fifty deployments had in an environment goes when that is gone, and nothing of what decides.
        let deployments =
            |kind: &str| (0..50).map(|n| gone(format!("{kind}/d{n:02}/qa"))).collect::<Vec<_>>();
        let state =
            [vec![gone("token/00".into())], deployments("active"), deployments("activations")].concat();
        let mut all = vec![gone("environment/qa".into()), record("revision/8".into(), 9)];
        all.extend(deployments("check"));
        all.extend(deployments("compared"));
        let Transactions { early, late, trailing } = in_transactions(all, state, &workspace, &[]);
        assert_eq!((early.len(), late.len(), trailing.len()), (0, 53, 150));
        assert!(late.len() + ALONG <= MAX_OPERATIONS);
        // What is deleted with an environment goes when that is gone.
        let mut all = vec![gone("environment/qa".into()), record("revision/8".into(), 9)];
        all.extend((0..250).map(|n| gone(format!("value/in/qa/A{n:04}"))));
        let Transactions { early, late, trailing } = in_transactions(all, Vec::new(), &workspace, &[]);
        assert_eq!((early.len(), late.len(), trailing.len()), (0, 2, 250));
    }
}
