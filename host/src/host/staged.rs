//! Records of an import that are durable and mean nothing yet. What decides is the commit of the slots:
//! when that stands, they take the place of what the ledger holds of the workspace; when it does not, they
//! are put away. A start that finds some looks which of the two it was, so that whatever is killed when, a
//! workspace has come whole or not at all.
//!
//! | record | content |
//! |---|---|
//! | `host/moving/<workspace>` | the digest of the stored bundle that the slots name if the import stands, and its line of the audit log |
//! | `host/moving/<workspace>/<rest>` | what becomes the record `workspace/<workspace>/<rest>` |

use std::collections::{BTreeMap, BTreeSet};

use super::{noted::NOTE, pending::Pending, transactions::in_parts};
use crate::{
    control::{Control, ControlError},
    id::{Digest, WorkspaceId},
    slots::Slots,
    state::Alteration,
};

const STAGED: &str = "host/moving/";

/// Makes records durable that mean nothing before [`take_effect`]. `bundle` decides at a start whether they
/// do, and `line` is what the audit log is told then.
pub(super) fn stage(
    control: &Control,
    workspace: &WorkspaceId,
    records: &BTreeMap<String, Vec<u8>>,
    bundle: Digest,
    line: &[u8],
) -> Result<(), ControlError> {
    // What an import left that could not even be put away.
    put_away(control, workspace)?;
    let put = |(name, content): (&String, &Vec<u8>)| Alteration::Put {
        name: format!("{STAGED}{workspace}/{name}"),
        content: content.clone(),
    };
    write(control, records.iter().map(put).collect())?;
    let content = Pending::record(bundle, line);
    control.change(&[], &[Alteration::Put { name: mark(workspace), content }])
}

/// Puts what is staged in the place of all that the ledger holds of the workspace. The mark goes when that is
/// done; until then it can be done again.
pub(super) fn take_effect(control: &Control, workspace: &WorkspaceId) -> Result<(), ControlError> {
    let (from, to) = (format!("{STAGED}{workspace}/"), format!("workspace/{workspace}/"));
    let (staged, before) = (control.read(&from)?, control.read(&to)?);
    let staged = staged.into_iter().map(|(name, content)| (format!("{to}{}", &name[from.len()..]), content));
    let staged: BTreeMap<_, _> = staged.collect();
    let gone = before.keys().filter(|name| !staged.contains_key(*name)).cloned();
    let mut all: Vec<_> = gone.map(|name| Alteration::Delete { name }).collect();
    let new = staged.into_iter().filter(|(name, content)| before.get(name) != Some(content));
    all.extend(new.map(|(name, content)| Alteration::Put { name, content }));
    write(control, all)?;
    if let Some(Pending { line, .. }) = marked(control, workspace)? {
        let noted = Alteration::Put { name: NOTE.to_owned(), content: line };
        control.change(&[], &[noted, Alteration::Delete { name: mark(workspace) }])?;
    }
    put_away(control, workspace)
}

/// Puts away what is staged, the mark first: without it nothing takes effect.
pub(super) fn put_away(control: &Control, workspace: &WorkspaceId) -> Result<(), ControlError> {
    let staged = control.read(&format!("{STAGED}{workspace}/"))?;
    let mark = marked(control, workspace)?.map(|_| mark(workspace));
    let gone = mark.into_iter().chain(staged.into_keys()).map(|name| Alteration::Delete { name });
    write(control, gone.collect())
}

/// At a start: whatever is staged takes effect, where its import stands, or is put away.
pub(super) fn settle(control: &Control, slots: &Slots) -> Result<(), ControlError> {
    let found = control.read(STAGED)?;
    let workspaces: BTreeSet<WorkspaceId> =
        found.keys().filter_map(|name| name[STAGED.len()..].split('/').next()?.parse().ok()).collect();
    for workspace in workspaces {
        if marked(control, &workspace)?.is_some_and(|mark| mark.stands(slots)) {
            tracing::warn!(%workspace, "an import was made and not finished before the host ended; it is now");
            take_effect(control, &workspace)?;
        } else {
            tracing::warn!(%workspace, "an import was cut off before it was made; nothing of it is left");
            put_away(control, &workspace)?;
        }
    }
    Ok(())
}

/// Whether anything is staged: its blobs are named by nothing else yet.
pub(super) fn is_any(control: &Control) -> Result<bool, ControlError> {
    Ok(!control.read(STAGED)?.is_empty())
}

fn marked(control: &Control, workspace: &WorkspaceId) -> Result<Option<Pending>, ControlError> {
    let name = mark(workspace);
    Ok(control.read(&name)?.remove(&name).map(|content| Pending::read(&content)))
}

fn mark(workspace: &WorkspaceId) -> String {
    format!("{STAGED}{workspace}")
}

fn write(control: &Control, records: Vec<Alteration>) -> Result<(), ControlError> {
    in_parts(records).iter().try_for_each(|some| control.change(&[], some))
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc};

    use tempfile::TempDir;
    use zeroize::Zeroizing;

    use super::*;
    use crate::{
        canonical::sha256,
        id::{Revision, Uid, UnixSeconds},
        keyring::{RootKey, RootKeys},
        signing::TrustedSigners,
        slots::{Change, DataDirectory},
        system::entropy,
    };

    fn acme() -> WorkspaceId {
        "acme".parse().unwrap()
    }

    fn opened(data: &Path) -> (Control, Slots) {
        let root = RootKey::new(Zeroizing::new([1; 32]));
        let roots = RootKeys::new([RootKey::new(Zeroizing::new([1; 32]))]);
        let directory = DataDirectory::open(data).unwrap();
        let keys = Arc::new(directory.host_keys(&roots, &root, &mut entropy).unwrap());
        let control = Control::open(data, keys.floor.record_key()).unwrap();
        (control, Slots::load(directory, keys, &[], &TrustedSigners::default()).unwrap().0)
    }

    fn commit(slots: &mut Slots, revision: u64, bundle: &[u8]) {
        let change = Change::Configuration {
            workspace: acme(),
            uid: Uid([7; 16]),
            revision: Revision(revision),
            bundle: bundle.to_vec(),
            created: UnixSeconds(1),
            pushed: None,
        };
        assert!(slots.commit(&[change]).unwrap().incomplete.is_none());
    }

    fn texts(texts: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        texts.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
    }

    /// Records of before, of others, and many that are staged for a bundle.
    fn staged(data: &TempDir) -> (Control, Slots, BTreeMap<String, Vec<u8>>) {
        let (control, slots) = opened(data.path());
        let put = |(name, content)| Alteration::Put { name, content };
        let before =
            texts(&[("workspace/acme/token/1", "old"), ("workspace/acme/begun", ""), ("host/format", "1")]);
        control.change(&[], &before.into_iter().map(put).collect::<Vec<_>>()).unwrap();
        let mut records = texts(&[("token/2", "new"), ("begun", "")]);
        records.extend((0..250).map(|n| (format!("value/all/A{n}"), vec![b'x'; 9_000])));
        stage(&control, &acme(), &records, sha256(b"imported"), b"a line\n").unwrap();
        (control, slots, records)
    }

    fn all(control: &Control) -> Vec<String> {
        control.read("").unwrap().into_keys().collect()
    }

    fn taken(control: &Control, records: &BTreeMap<String, Vec<u8>>) {
        let mut names: Vec<_> = records.keys().map(|name| format!("workspace/acme/{name}")).collect();
        names.splice(0..0, ["host/format", "host/noted"].map(str::to_owned));
        assert_eq!(all(control), names);
        assert_eq!(control.read("host/noted").unwrap()["host/noted"], b"a line\n");
        assert_eq!(control.read("workspace/acme/token/2").unwrap()["workspace/acme/token/2"], b"new");
    }

    const BEFORE: [&str; 3] = ["host/format", "workspace/acme/begun", "workspace/acme/token/1"];

    #[test]
    fn what_no_slot_stands_for_is_put_away_and_nothing_else() {
        let data = TempDir::new().unwrap();
        let (control, mut slots, _) = staged(&data);
        // A directory of the same workspace, pushed since, is not the import.
        commit(&mut slots, 3, b"another");
        assert!(is_any(&control).unwrap());
        settle(&control, &slots).unwrap();
        assert_eq!(all(&control), BEFORE);
        assert!(!is_any(&control).unwrap());
    }

    #[test]
    fn what_a_slot_stands_for_takes_effect_however_far_it_had_come() {
        // After how many of its transactions it is cut off.
        for cut in 0..=8 {
            let data = TempDir::new().unwrap();
            let (control, mut slots, records) = staged(&data);
            commit(&mut slots, 3, b"imported");
            // By a push since then it is an earlier one.
            commit(&mut slots, 4, b"another");
            let part: Vec<_> = records.iter().take(cut * 30).collect();
            let part = part.into_iter().map(|(name, content)| Alteration::Put {
                name: format!("workspace/acme/{name}"),
                content: content.clone(),
            });
            write(&control, part.collect()).unwrap();
            drop((control, slots));
            let (control, slots) = opened(data.path());
            settle(&control, &slots).unwrap();
            taken(&control, &records);
            settle(&control, &slots).unwrap();
            taken(&control, &records);
        }
    }

    #[test]
    fn without_its_mark_nothing_takes_effect() {
        let data = TempDir::new().unwrap();
        let (control, mut slots, _) = staged(&data);
        control.change(&[], &[Alteration::Delete { name: mark(&acme()) }]).unwrap();
        commit(&mut slots, 3, b"imported");
        settle(&control, &slots).unwrap();
        assert_eq!(all(&control), BEFORE);
    }
}
