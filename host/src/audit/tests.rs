use std::{future::Future, path::Path, pin::pin, task::Context};

use futures_util::{FutureExt as _, future::join_all, task::noop_waker};
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::*;
use crate::{
    id::{Revision, UnixSeconds},
    model::question::Facts,
};

/// A log in a directory of its own.
pub(super) struct Place {
    pub(super) data: TempDir,
    pub(super) audit: Arc<Audit>,
    pub(super) clock: Clock,
}

pub(super) fn open(data: &Path, strict: bool, clock: &Clock) -> Result<Arc<Audit>, AuditDamaged> {
    let settings = AuditSettings { data: data.to_owned(), strict, retention_days: 90, clock: clock.clone() };
    Audit::open(settings, AuditKey::new(Zeroizing::new([7; 32])))
}

impl Place {
    pub(super) fn new(strict: bool) -> Self {
        let (data, clock) = (tempfile::tempdir().unwrap(), Clock::manual(UnixSeconds(1_000_000)));
        let audit = open(data.path(), strict, &clock).unwrap();
        Self { data, audit, clock }
    }

    pub(super) fn directory(&self) -> PathBuf {
        self.data.path().join("audit")
    }

    pub(super) async fn boot(&self, principal: &str) -> Result<(), AuditUnavailable> {
        let record = BootRecord {
            id: self.audit.next_boot(),
            at: self.clock.now(),
            outcome: "allowed",
            principal,
            token: "0123456789ab",
            revision: Revision(1),
            subject: r#""workspace":"acme""#,
            basis: r#""plan":"p""#,
            given: None,
            facts: &Facts::default(),
            peer: std::net::Ipv4Addr::LOCALHOST.into(),
        };
        self.audit.append(&record).await
    }

    fn change(&self) -> bool {
        let details = serde_json::Value::Null;
        let record =
            ChangeRecord { at: UnixSeconds(0), kind: "start", outcome: "done", principal: "host", details };
        self.audit.append_change(&record).is_ok()
    }

    fn break_file(&self) {
        self.audit.writing.lock().log.broken = true;
    }

    /// Leaves the log without a file that could be written to, or a place for the next one.
    fn take_disk_away(&self) {
        std::fs::remove_dir_all(self.data.path()).unwrap();
        self.break_file();
    }

    fn files(&self) -> usize {
        std::fs::read_dir(self.directory()).unwrap().count()
    }

    /// On whose behalf each record was, in the file's order.
    fn principals(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.directory().join("00000001.jsonl")).unwrap();
        let records = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        records.filter_map(|record| record["principal"].as_str().map(str::to_owned)).collect()
    }

    /// Makes the next boot one that waits for others.
    async fn crowd(&self) {
        let together = join_all([self.boot("first"), self.boot("second")]).await;
        assert!(together.iter().all(Result::is_ok));
    }
}

fn begin<F: Future>(boot: std::pin::Pin<&mut F>) -> bool {
    boot.poll(&mut Context::from_waker(&noop_waker())).is_pending()
}

#[tokio::test]
async fn boots_that_come_together_are_written_together() {
    let place = Place::new(false);
    place.crowd().await;
    let before = place.audit.gathering.lock().batches;
    let names: Vec<_> = (0..40).map(|number| format!("boot \"{number}\" é")).collect();
    let together = join_all(names.iter().map(|name| place.boot(name))).await;
    assert!(together.iter().all(Result::is_ok));
    assert_eq!(place.audit.gathering.lock().batches, before + 1);
    assert_eq!(place.principals()[2..], names, "and each as it is");
}

#[tokio::test]
async fn a_lone_boot_waits_for_nobody() {
    let place = Place::new(false);
    place.boot("looks whether others come").await.unwrap();
    for _ in 0..10 {
        assert!(place.boot("alone").now_or_never().expect("it is written at once").is_ok());
    }
    assert_eq!(place.principals().len(), 11);
}

#[tokio::test]
async fn a_boot_whose_client_goes_away_leaves_nobody_waiting() {
    let place = Place::new(false);
    place.crowd().await;
    let (mut first, mut second) = (Box::pin(place.boot("leads")), pin!(place.boot("follows")));
    assert!(begin(first.as_mut()) && begin(second.as_mut()), "both wait for the first to write");
    drop(first);
    second.await.unwrap();
    assert_eq!(place.principals()[2..], ["leads", "follows"]);

    let (mut first, second) = (pin!(place.boot("leads")), Box::pin(place.boot("follows")));
    let mut second = second;
    assert!(begin(first.as_mut()) && begin(second.as_mut()));
    drop(second);
    first.await.unwrap();
    assert_eq!(place.principals()[4..], ["leads", "follows"], "what may have been told is recorded");
}

#[tokio::test]
async fn a_write_that_fails_refuses_every_boot_of_its_batch() {
    let place = Place::new(false);
    place.crowd().await;
    place.take_disk_away();
    let refused = join_all((0..10).map(|_| place.boot("unlucky"))).await;
    assert!(refused.iter().all(Result::is_err));
}

#[tokio::test]
async fn a_boot_does_not_wait_for_ever_for_a_writer_that_is_stuck() {
    let place = Place::new(false);
    place.crowd().await;
    let join = || place.audit.gathering.lock().join(None, |line| line.extend_from_slice(b"{}\n"));
    let (leads, follows) = (join(), join());
    assert!((leads.part, follows.part) == (Part::WriteSoon, Part::Wait));
    let refused = follows.wait(Duration::ZERO, || ()).await.unwrap_err();
    assert_eq!(refused.0.kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_batch_that_nobody_begins_to_write_is_written_by_one_who_waits() {
    let place = Place::new(false);
    place.crowd().await;
    let leads = place.audit.gathering.lock().join(None, |line| line.extend_from_slice(b"{}\n"));
    assert!(leads.part == Part::WriteSoon, "its thread gets no time");
    let together = join_all([place.boot("follows"), place.boot("follows, too")]).await;
    assert!(together.iter().all(Result::is_ok));
    assert_eq!(place.principals()[2..], ["follows", "follows, too"]);
    drop(Lead(&place.audit));
    assert!(leads.settled().is_ok(), "and it hears of that when it comes to it");
    place.boot("later").await.unwrap();
    assert_eq!(place.principals()[2..], ["follows", "follows, too", "later"], "each once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_writes_for_another_and_is_stuck_leaves_nobody_else_waiting() {
    let place = Place::new(false);
    place.crowd().await;
    let join = || place.audit.gathering.lock().join(None, |line| line.extend_from_slice(b"{}\n"));
    let (_leads, writes, follows) = (join(), join(), join());
    let ((release, held), patience) = (std::sync::mpsc::channel::<()>(), SYNC_EVERY * 10);
    let mut stuck = Box::pin(async move { writes.wait(patience, move || _ = held.recv()).await });
    assert!(begin(stuck.as_mut()), "it watches");
    let stuck = tokio::spawn(stuck);
    let refused = tokio::time::timeout(PATIENCE * 10, follows.wait(patience, || ())).await;
    assert_eq!(refused.expect("an answer").unwrap_err().0.kind(), io::ErrorKind::TimedOut);
    drop(release);
    assert!(stuck.await.unwrap().is_err());
}

#[tokio::test]
async fn whoever_watches_the_clock_may_go_away_and_another_watches_on() {
    let place = Place::new(false);
    place.crowd().await;
    let join = || place.audit.gathering.lock().join(None, |line| line.extend_from_slice(b"{}\n"));
    let (_leads, watches, follows) = (join(), join(), join());
    let (mut watching, mut following) =
        (Box::pin(watches.wait(SYNC_EVERY, || ())), pin!(follows.wait(PATIENCE * 100, || ())));
    assert!(begin(watching.as_mut()) && begin(following.as_mut()), "one watches, the other waits");
    drop(watching);
    assert_eq!(following.await.unwrap_err().0.kind(), io::ErrorKind::TimedOut, "from the first one's start");
}

#[tokio::test]
async fn who_syncs_waits_for_another_who_began() {
    let place = Place::new(false);
    place.boot("ada").await.unwrap();
    let held = place.audit.writing.lock();
    place.audit.unsynced.store(true, Ordering::Release);
    let sync = || {
        let (audit, (done, is_done)) = (Arc::clone(&place.audit), std::sync::mpsc::channel());
        std::thread::spawn(move || done.send(audit.sync().is_ok()));
        is_done
    };
    let first = sync();
    // It, or the thread in the background, has taken on what is not synced.
    while place.audit.unsynced.load(Ordering::Acquire) {
        std::thread::yield_now();
    }
    let second = sync();
    assert!(second.recv_timeout(Duration::from_millis(200)).is_err(), "nothing is on the disk yet");
    drop(held);
    assert!(first.recv().unwrap() && second.recv().unwrap());
}

#[test]
fn a_failing_disk_is_not_filled_with_files() {
    let place = Place::new(false);
    let broken = || {
        place.break_file();
        place.change()
    };
    assert!(place.change() && broken(), "the first break costs no record");
    assert_eq!([broken(), broken(), place.change()], [false; 3]);
    assert_eq!(place.files(), 2);
}
