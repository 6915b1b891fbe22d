//! A change's records, in as few transactions as take them, and in an order in which a kill between two of them
//! leaves nothing that means anything.

use super::{grants::MAX_REGRANTED, noted::ALONG};
use crate::{
    change::Edit,
    id::WorkspaceId,
    ledger::{MAX_OPERATIONS, MAX_TRANSACTION_BYTES},
    state::Alteration,
};

/// The most records of tokens that come with what takes effect.
const MAX_TOKENS_ALONG: usize = MAX_REGRANTED;
/// Bytes of records in one transaction that is one of several.
const MAX_BYTES: usize = MAX_TRANSACTION_BYTES / 2;

/// A change's records, as transactions.
pub(super) struct Transactions {
    /// Means nothing until the next is there.
    pub(super) early: Vec<Vec<Alteration>>,
    /// What takes effect.
    pub(super) late: Vec<Alteration>,
    /// What has no place any more since then. Should a kill leave it, a start puts values and what was made by API
    /// away, and the rest means nothing: whatever has its names next has other random ids, or counts anew.
    pub(super) trailing: Vec<Alteration>,
}

/// A change's records, as transactions: one where one takes them all. What goes with an environment or a
/// deployment goes after it. Where a clone is larger, what it
/// holds comes first and means nothing, because its environment is not there; the last one makes it be
/// there, with all that was before. A host that is killed in between forgets the rest at its next start.
///
/// Tokens come with what takes effect. Where that is too much for one transaction they come before: a token
/// that is revoked too early opens nothing, and one that is revoked too late may.
pub(super) fn in_transactions(
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
