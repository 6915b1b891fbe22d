use super::{watches::next, *};
use crate::ledger::{LeaseId, Ttl};

const SECOND: Duration = Duration::from_secs(1);

fn put_on(name: &str, lease: LeaseId) -> Operation {
    Operation::Put { key: key(name), value: value("leased"), lease: Some(lease) }
}

async fn granted(subject: &Subject, seconds: u32) -> LeaseId {
    subject.ledger.grant(Ttl::seconds(seconds).unwrap()).await.unwrap().id
}

async fn is_gone(subject: &Subject, lease: LeaseId) -> bool {
    let kept = subject.ledger.keep_alive(lease).await;
    assert!(matches!(kept, Ok(_) | Err(LedgerError::NoSuchLease { .. })), "{kept:?}");
    kept.is_err()
}

pub(crate) async fn keys_vanish_with_their_lease_and_not_before(subject: Subject) {
    let ledger = &*subject.ledger;
    let lease = granted(&subject, 10).await;
    let before = done(ledger, vec![put_on("a", lease), put_on("b", lease), put("c", "")]).await;
    assert_eq!(get(ledger, "a").await.unwrap().lease, Some(lease));
    let mut watch = ledger.watch(Span::prefix(""), before).await.unwrap();
    (subject.pass)(SECOND * 9);
    assert!(get(ledger, "a").await.is_some());
    (subject.pass)(SECOND);
    assert!(get(ledger, "a").await.is_none() && get(ledger, "b").await.is_none());
    assert!(get(ledger, "c").await.is_some());
    assert!(is_gone(&subject, lease).await);
    let told = next(&mut watch).await.unwrap();
    let gone: Vec<_> =
        told.changes.iter().map(|change| (change.key.to_string(), change.record.is_none())).collect();
    assert_eq!(gone, [("a".to_owned(), true), ("b".to_owned(), true)], "at one revision");
    assert_eq!(newest(ledger).await, before.next());
}

pub(crate) async fn a_lease_that_is_kept_alive_goes_on(subject: Subject) {
    let ledger = &*subject.ledger;
    let lease = granted(&subject, 10).await;
    let revision = done(ledger, vec![put_on("a", lease)]).await;
    for _ in 0..5 {
        (subject.pass)(SECOND * 9);
        assert_eq!(ledger.keep_alive(lease).await.unwrap().as_seconds(), 10);
    }
    assert_eq!(newest(ledger).await, revision, "keeping alive changes nothing");
    (subject.pass)(SECOND * 10);
    assert!(is_gone(&subject, lease).await, "too late");
    assert!(get(ledger, "a").await.is_none());
}

pub(crate) async fn a_revoked_lease_takes_its_keys_at_once(subject: Subject) {
    let ledger = &*subject.ledger;
    let (lease, other) = (granted(&subject, 10).await, granted(&subject, 10).await);
    assert_ne!(lease, other);
    done(ledger, vec![put_on("a", lease), put_on("b", other)]).await;
    ledger.revoke(lease).await.unwrap();
    assert!(get(ledger, "a").await.is_none() && get(ledger, "b").await.is_some());
    assert!(is_gone(&subject, lease).await && !is_gone(&subject, other).await);
    let again = ledger.revoke(lease).await.unwrap_err();
    assert!(matches!(again, LedgerError::NoSuchLease { lease: named } if named == lease));
    let before = newest(ledger).await;
    ledger.revoke(granted(&subject, 10).await).await.unwrap();
    assert_eq!(newest(ledger).await, before, "nothing hung on it");
}

pub(crate) async fn a_key_that_is_put_again_leaves_its_lease(subject: Subject) {
    let ledger = &*subject.ledger;
    let (lease, other) = (granted(&subject, 10).await, granted(&subject, 20).await);
    done(ledger, ["freed", "moved", "deleted"].map(|name| put_on(name, lease)).into()).await;
    done(ledger, vec![put("freed", "for good"), put_on("moved", other), delete("deleted")]).await;
    done(ledger, vec![put("deleted", "back")]).await;
    (subject.pass)(SECOND * 10);
    for name in ["freed", "moved", "deleted"] {
        assert!(get(ledger, name).await.is_some(), "{name}");
    }
    (subject.pass)(SECOND * 10);
    assert!(get(ledger, "moved").await.is_none() && get(ledger, "freed").await.is_some());
}

pub(crate) async fn a_key_cannot_hang_on_what_is_not_there(subject: Subject) {
    let ledger = &*subject.ledger;
    let lease = granted(&subject, 1).await;
    (subject.pass)(SECOND);
    let before = newest(ledger).await;
    let late = Transaction::new(Vec::new(), vec![put("b", ""), put_on("a", lease)]).unwrap();
    let refused = ledger.transact(late).await.unwrap_err();
    assert!(matches!(refused, LedgerError::NoSuchLease { lease: named } if named == lease), "{refused}");
    assert!(get(ledger, "b").await.is_none());
    assert_eq!(newest(ledger).await, before);
}

pub(crate) async fn leases_that_end_together_are_told_one_by_one(subject: Subject) {
    let ledger = &*subject.ledger;
    let mut before = StoreRevision(0);
    for number in 0..5 {
        let lease = granted(&subject, 10).await;
        before =
            done(ledger, vec![put_on(&format!("{number}/a"), lease), put_on(&format!("{number}/b"), lease)])
                .await;
    }
    let mut watch = ledger.watch(Span::prefix(""), before).await.unwrap();
    (subject.pass)(SECOND * 10);
    assert_eq!(newest(ledger).await, StoreRevision(before.0 + 5));
    for number in 1..=5 {
        let told = next(&mut watch).await.unwrap();
        assert_eq!((told.revision.0, told.changes.len()), (before.0 + number, 2));
    }
}
