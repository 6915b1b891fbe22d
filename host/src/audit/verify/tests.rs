use std::{fs, path::PathBuf};

use tempfile::TempDir;

use super::*;
use crate::{
    audit::tests::{Place, open},
    clock::Clock,
    id::UnixSeconds,
    keyring::AuditKey,
};

/// A log that was written by three runs of a host, and what was kept of it elsewhere.
struct Evidence {
    place: TempDir,
    verifier: Verifier,
}

impl Evidence {
    async fn new() -> Self {
        let mut place = Place::new(false);
        for run in 0..3 {
            for number in 0..3 {
                place.boot(&format!("principal {run} {number}")).await.unwrap();
                place.audit.sync().unwrap();
            }
            place.restart(run < 2);
        }
        let Place { data, .. } = place;
        let key = fs::read_to_string(data.path().join("audit-verifier-00000001.key")).unwrap();
        let mut evidence = Self { place: data, verifier: Verifier::default() };
        evidence.verifier.key = Some(key.parse().unwrap());
        evidence.verifier.signer =
            Some(AuditKey::new(zeroize::Zeroizing::new([7; 32])).signer().verifying_key());
        evidence.verifier.kept.push(evidence.lines(3).last().unwrap().parse().unwrap());
        evidence
    }

    fn path(&self, file: u64) -> PathBuf {
        frames::path(&self.place.path().join("audit"), file)
    }

    fn lines(&self, file: u64) -> Vec<String> {
        fs::read_to_string(self.path(file)).unwrap().split_inclusive('\n').map(str::to_owned).collect()
    }

    fn report(&self) -> Report {
        self.verifier.verify(&self.place.path().join("audit")).unwrap()
    }

    /// What is found once `change` was done to the lines of `file`, which is as it was afterwards.
    fn found(&self, file: u64, change: impl FnOnce(&mut Vec<String>)) -> Vec<Finding> {
        let (mut lines, before) = (self.lines(file), fs::read(self.path(file)).unwrap());
        change(&mut lines);
        fs::write(self.path(file), lines.concat()).unwrap();
        let found = self.report().findings;
        fs::write(self.path(file), before).unwrap();
        found
    }

    /// Where the records of `file` are among its lines.
    fn records(&self, file: u64) -> Vec<usize> {
        let lines = self.lines(file);
        (0..lines.len()).filter(|at| lines[*at].contains(r#""kind":"boot""#)).collect()
    }
}

fn of_file(found: &[Finding], file: u64) -> bool {
    found.iter().any(|finding| finding.file == file)
}

#[tokio::test]
async fn a_log_as_it_was_written_is_sound() {
    let evidence = Evidence::new().await;
    let report = evidence.report();
    assert_eq!(report.findings, []);
    assert_eq!((report.files, report.unchained, report.retired), (3, 0, 0));
    assert_eq!((report.killed, report.open), (0, 0));
    assert!(report.closed && report.seals >= 12, "{report:?}");
    let blind = Verifier::default().verify(&evidence.place.path().join("audit")).unwrap();
    assert!(blind.is_sound());
}

#[tokio::test]
async fn every_byte_that_flips_is_found_in_its_file() {
    let evidence = Evidence::new().await;
    for file in 1..=3 {
        let path = evidence.path(file);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 7);
            fs::write(&path, &flipped).unwrap();
            let report = evidence.report();
            // Behind the last seal there is only the checkpoint that the host closed the log with.
            let is_told = of_file(&report.findings, file) || (file == 3 && !report.closed);
            assert!(is_told, "byte {at} of file {file}: {report:?}");
        }
        fs::write(&path, whole).unwrap();
    }
    assert!(evidence.report().is_sound());
}

#[tokio::test]
async fn a_line_that_is_dropped_added_or_moved_is_found() {
    let evidence = Evidence::new().await;
    for file in 1..=3 {
        let records = evidence.records(file);
        assert_eq!(records.len(), 3);
        for at in 0..evidence.lines(file).len() - 1 {
            let found = evidence.found(file, |lines| drop(lines.remove(at)));
            assert!(of_file(&found, file), "line {at} dropped: {found:?}");
            let found = evidence.found(file, |lines| lines.swap(at, at + 1));
            assert!(of_file(&found, file), "line {at} moved: {found:?}");
        }
        let found = evidence.found(file, |lines| lines.swap(records[0], records[2]));
        assert!(matches!(found[0].wrong, Wrong::Changed { .. }), "{found:?}");
        let found = evidence.found(file, |lines| lines.insert(records[1], lines[records[1]].clone()));
        let line = records[1] as u64 + 1;
        assert!(
            matches!(found[..], [Finding { wrong: Wrong::Changed { lines: (first, last, 1), .. }, .. }] if first <= line && line < last),
            "one edit is one finding, and says where: {found:?}"
        );
    }
}

#[tokio::test]
async fn a_batch_that_is_dropped_with_its_seal_is_found() {
    let evidence = Evidence::new().await;
    for file in 1..=3 {
        let record = evidence.records(file)[1];
        let found = evidence.found(file, |lines| drop(lines.drain(record..record + 2)));
        let is_named = |finding: &Finding| {
            finding.file == file
                && matches!(finding.wrong, Wrong::OutOfOrder { seal, after } if seal == after + 2)
        };
        assert!(found.len() == 1 && is_named(&found[0]), "{found:?}");
    }
}

#[tokio::test]
async fn a_log_that_was_cut_is_found_by_the_checkpoint_that_was_kept() {
    let mut evidence = Evidence::new().await;
    let record = evidence.records(3)[2];
    let cut = |lines: &mut Vec<String>| lines.truncate(record);
    let found = evidence.found(3, cut);
    assert!(matches!(found[..], [Finding { file: 3, wrong: Wrong::CutOff { .. }, .. }]), "{found:?}");
    // Nothing in the log itself could tell this from a log that a killed host left.
    evidence.verifier.kept.clear();
    assert_eq!(evidence.found(3, cut), []);
    // Any file but the last tells on itself.
    let record = evidence.records(2)[2];
    let found = evidence.found(2, |lines| lines.truncate(record));
    assert!(matches!(found[..], [Finding { file: 2, wrong: Wrong::CutOff { .. }, .. }, ..]), "{found:?}");
}

#[tokio::test]
async fn a_file_that_is_gone_or_older_is_found() {
    let evidence = Evidence::new().await;
    for (file, wrong) in [(1, Wrong::Missing), (2, Wrong::Missing)] {
        let bytes = fs::read(evidence.path(file)).unwrap();
        fs::remove_file(evidence.path(file)).unwrap();
        assert_eq!(evidence.report().findings, [Finding { file, line: None, wrong }]);
        fs::write(evidence.path(file), bytes).unwrap();
    }
    let bytes = fs::read(evidence.path(3)).unwrap();
    fs::remove_file(evidence.path(3)).unwrap();
    let found = evidence.report().findings;
    assert!(matches!(found[..], [Finding { file: 3, wrong: Wrong::CutOff { .. }, .. }]), "{found:?}");
    fs::write(evidence.path(3), bytes).unwrap();

    // An older copy of a file is the file, cut; another file's copy is not it.
    let second = evidence.lines(2);
    let found = evidence.found(3, |lines| *lines = second);
    assert!(of_file(&found, 3), "{found:?}");
}

/// Whoever can write the log, and knows all but the keys, puts a chain of his own in its place.
#[tokio::test]
async fn a_rewritten_chain_needs_keys_that_are_gone() {
    let mut evidence = Evidence::new().await;
    let rewrite = |lines: &mut Vec<String>| {
        let Some(Notice::File(header)) = Notice::from_line(lines[0].as_bytes()) else { unreachable!() };
        let (mut chain, mut content, mut count) = (header.chain, Vec::new(), 0);
        let last = lines.len() - 1;
        for line in &mut lines[..last] {
            if let Some(Notice::Seal(seal)) = Notice::from_line(line.as_bytes()) {
                let digest = crate::canonical::sha256(&content);
                chain = wire::link(&chain, seal.file, seal.seal, count, &digest);
                *line = String::from_utf8(Notice::Seal(Seal { chain, ..seal }).to_line()).unwrap();
                (content, count) = (Vec::new(), 0);
            } else {
                *line = line.replace("principal 2 1", "somebody else");
                content.extend_from_slice(line.as_bytes());
                count += 1;
            }
        }
        lines.pop();
    };
    let found = evidence.found(3, rewrite);
    assert!(found.iter().any(|finding| matches!(finding.wrong, Wrong::Forged { .. })), "{found:?}");
    assert!(found.iter().any(|finding| matches!(finding.wrong, Wrong::NotAsKept { .. })), "{found:?}");
    // The public path: without the key, by what was kept.
    evidence.verifier.key = None;
    let found = evidence.found(3, rewrite);
    assert!(matches!(found[..], [Finding { file: 3, wrong: Wrong::NotAsKept { .. }, .. }]), "{found:?}");
    evidence.verifier.kept.clear();
    assert_eq!(evidence.found(3, rewrite), [], "nobody can tell who kept nothing");
}

#[tokio::test]
async fn a_checkpoint_of_another_signer_counts_for_nothing() {
    let mut evidence = Evidence::new().await;
    evidence.verifier.signer = Some(AuditKey::new(zeroize::Zeroizing::new([8; 32])).signer().verifying_key());
    let found = evidence.report().findings;
    assert!(found.iter().any(|finding| finding.wrong == Wrong::BadCheckpoint), "{found:?}");
    assert!(found.iter().any(|finding| matches!(finding.wrong, Wrong::KeptForged { .. })), "{found:?}");
}

/// A host that is killed leaves what its last 50 ms wrote unsealed, perhaps a torn line.
#[tokio::test]
async fn what_a_killed_host_left_is_vouched_for_by_the_next_start() {
    let killed = tempfile::tempdir().unwrap();
    let clock = Clock::manual(UnixSeconds(1_000_000));
    let (key, torn) = {
        let place = Place::new(false);
        place.boot("sealed").await.unwrap();
        place.audit.checkpoint().unwrap();
        copy(place.data.path(), killed.path());
        (fs::read_to_string(place.data.path().join("audit-verifier-00000001.key")).unwrap(), r#"{"kind":"bo"#)
    };
    let directory = killed.path().join("audit");
    let first = frames::path(&directory, 1);
    let mut text = fs::read_to_string(&first).unwrap();
    let sealed = text.clone();
    text.push_str(r#"{"kind":"boot","principal":"not sealed"}"#);
    fs::write(&first, text + "\n" + torn).unwrap();
    let verifier = Verifier { key: Some(key.parse().unwrap()), ..Verifier::default() };
    let report = verifier.verify(&directory).unwrap();
    assert!(report.is_sound() && report.open >= 2, "{report:?}");

    drop(open(killed.path(), false, &clock).unwrap());
    let report = verifier.verify(&directory).unwrap();
    assert!(report.is_sound() && report.killed >= 2, "{report:?}");
    // From then on it is sealed as it was found.
    let text = fs::read_to_string(&first).unwrap();
    fs::write(&first, text.replace("not sealed", "never said")).unwrap();
    assert!(of_file(&verifier.verify(&directory).unwrap().findings, 1));

    // Cut behind what the state remembers, the next start misses it and says so.
    fs::write(&first, &sealed[..sealed.len() / 2]).unwrap();
    let second = frames::path(&directory, 2);
    let text = fs::read_to_string(&second).unwrap();
    fs::write(&second, &text[..text.len() / 2]).unwrap();
    drop(open(killed.path(), false, &clock).unwrap());
    let found = verifier.verify(&directory).unwrap().findings;
    assert!(found.iter().any(|finding| matches!(finding.wrong, Wrong::FoundDamaged { .. })), "{found:?}");
}

#[tokio::test]
async fn retention_is_told_from_truncation() {
    let place = Place::new(false);
    let verifier = || {
        let key = fs::read_to_string(place.data.path().join("audit-verifier-00000001.key")).unwrap();
        Verifier { key: Some(key.parse().unwrap()), ..Verifier::default() }
    };
    for day in 0..100 {
        place.clock.advance(UnixSeconds(1_000_000 + day * 86_400));
        place.boot(&format!("day {day}")).await.unwrap();
    }
    assert_eq!(frames::numbers(&place.directory()).unwrap().len(), 100, "a file for each day");
    assert_eq!(place.audit.retain().unwrap(), 8);
    assert_eq!(place.audit.retain().unwrap(), 0);
    let left = frames::numbers(&place.directory()).unwrap();
    let text = fs::read_to_string(frames::path(&place.directory(), left[0])).unwrap();
    assert!(text.contains("day 8"), "the last record of a file decides");
    let report = verifier().verify(&place.directory()).unwrap();
    assert_eq!((&report.findings[..], report.retired), (&[][..], left[0] - 1));
    // One more than retention took.
    fs::remove_file(frames::path(&place.directory(), left[0])).unwrap();
    let found = verifier().verify(&place.directory()).unwrap().findings;
    assert_eq!(found, [Finding { file: left[0], line: None, wrong: Wrong::Missing }]);
}

#[tokio::test]
async fn files_without_a_beginning_do_not_end_retention() {
    let place = Place::new(false);
    for day in 0..100 {
        place.clock.advance(UnixSeconds(1_000_000 + day * 86_400));
        place.boot(&format!("day {day}")).await.unwrap();
    }
    // A host that was killed before its first write, and one whose disk was full.
    fs::write(frames::path(&place.directory(), 3), "").unwrap();
    fs::write(frames::path(&place.directory(), 5), "{\"audit\":\"fi").unwrap();
    assert_eq!(place.audit.retain().unwrap(), 8);
    assert_eq!(frames::numbers(&place.directory()).unwrap()[0], 9);
}

#[tokio::test]
async fn a_log_that_is_gone_or_was_made_up_is_not_sound() {
    let evidence = Evidence::new().await;
    for file in 1..=3 {
        fs::remove_file(evidence.path(file)).unwrap();
    }
    let missing = |report: Report| report.findings.iter().any(|finding| finding.wrong == Wrong::Missing);
    let verifier = Verifier { kept: Vec::new(), signer: None, key: evidence.verifier.key };
    let directory = evidence.place.path().join("audit");
    assert!(missing(verifier.verify(&directory).unwrap()));
    fs::write(frames::path(&directory, 1), "{\"kind\":\"boot\"}\n").unwrap();
    assert!(missing(verifier.verify(&directory).unwrap()));
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = (entry.as_ref().unwrap().path(), entry.unwrap().file_name());
        if path.is_dir() {
            fs::create_dir(to.join(&name)).unwrap();
            copy(&path, &to.join(&name));
        } else {
            fs::copy(path, to.join(name)).unwrap();
        }
    }
}

impl Place {
    /// Ends the host's log in order, and begins it again if need be.
    fn restart(&mut self, again: bool) {
        self.audit.checkpoint().unwrap();
        if again {
            self.audit = open(self.data.path(), false, &self.clock).unwrap();
        }
    }
}
