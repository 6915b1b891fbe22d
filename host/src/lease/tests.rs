use super::*;

fn acme() -> WorkspaceId {
    "acme".parse().unwrap()
}

fn credential() -> HeldKey {
    HeldKey::Credential("orders".parse().unwrap(), "staging".parse().unwrap())
}

fn lease(number: u16, deployment: &str) -> Lease {
    let mut id = [0; 16];
    id[..2].copy_from_slice(&number.to_be_bytes());
    let key = ValueKey {
        place: crate::model::Place::Environment("staging".parse().unwrap()),
        name: "SIGNING_KEY".parse().unwrap(),
    };
    Lease {
        id: Uid(id),
        deployment: deployment.parse().unwrap(),
        environment: "staging".parse().unwrap(),
        instance: Some(format!("web-{number}")),
        principal: "pod".into(),
        since: UnixSeconds(100 - i64::from(number)),
        seconds: 60,
        deadline: UnixSeconds(160),
        held: [
            Held { key: HeldKey::Value(key), version: 2, id: ValueId([2; 16]) },
            Held { key: credential(), version: u64::from(number), id: ValueId([7; 16]) },
        ]
        .into(),
    }
}

#[test]
fn what_is_held_reads_back_from_its_records_with_its_whole_time() {
    let (mut book, mut records) = (Book::default(), BTreeMap::new());
    for (number, deployment) in [(1, "checkout"), (2, "checkout"), (3, "shop")] {
        let Alteration::Put { name, content } = book.grant(&acme(), lease(number, deployment)).unwrap()
        else {
            panic!("a lease is a record");
        };
        records.insert(name, content);
    }
    let Alteration::Put { name, content } = reserved(&acme(), ValueId([2; 16]), &Counter::default(), 8)
    else {
        panic!("a record")
    };
    records.insert(name, content);
    // Another workspace's, and one whose name only begins alike.
    records.insert("workspace/acme2/lease/x".into(), b"{}".to_vec());

    let mut again = Book::default();
    again.read(&acme(), &records, UnixSeconds(500)).unwrap();
    let holders = again.holders(&acme(), ValueId([2; 16]));
    let instances: Vec<_> = holders.leases.iter().filter_map(|one| one.instance.as_deref()).collect();
    assert_eq!((instances, holders.unproven), (vec!["web-3", "web-2", "web-1"], 8), "the oldest first");
    assert_eq!(holders.leases[0].deadline, UnixSeconds(560));
    let (orders, [staging, production]) =
        ("orders".parse().unwrap(), ["staging", "production"].map(|name| name.parse().unwrap()));
    let by_version = again.of_credential(&acme(), (&orders, &staging));
    let told: Vec<_> = by_version.iter().map(|(version, held)| (*version, held.leases.len())).collect();
    assert_eq!(told, [(1, 1), (2, 1), (3, 1)]);
    assert!(again.of_credential(&acme(), (&orders, &production)).is_empty(), "another owner's is another");
    assert_eq!(again.holders(&acme(), ValueId([3; 16])), Holders::default());
    assert_eq!(again.of_deployment(&acme(), &"checkout".parse().unwrap()).len(), 2);

    for (name, content) in records.iter().filter(|(name, _)| name.starts_with("workspace/acme/")) {
        for wrong in [b"".to_vec(), content[..content.len() / 2].to_vec(), b"-1".to_vec()] {
            if wrong.is_empty() || name.contains("/lease/") || wrong == b"-1" {
                let damaged = [(name.clone(), wrong)].into();
                assert!(Book::default().read(&acme(), &damaged, UnixSeconds(0)).is_err(), "{name}");
            }
        }
    }
}

#[test]
fn a_lease_is_lost_at_its_deadline_and_counts_until_it_ends() {
    let mut book = Book::default();
    book.grant(&acme(), lease(1, "checkout")).unwrap();
    let id = lease(1, "checkout").id;
    let is_lost = |book: &Book, now| book.lease(&acme(), id).unwrap().is_lost(UnixSeconds(now));
    assert_eq!((is_lost(&book, 159), is_lost(&book, 160)), (false, true));
    assert_eq!(book.holders(&acme(), ValueId([2; 16])).leases.len(), 1);
    assert!(book.renew(&acme(), id, UnixSeconds(200)).is_some(), "who is heard again was not gone");
    assert!(!is_lost(&book, 259));
    assert!(book.renew(&"other".parse().unwrap(), id, UnixSeconds(0)).is_none());
    assert!(book.end(&acme(), id).is_some() && book.end(&acme(), id).is_none());
    assert_eq!(book.holders(&acme(), ValueId([2; 16])), Holders::default());
}

#[test]
fn leases_are_bounded_for_each_pair_and_each_workspace() {
    let mut book = Book::default();
    let mut granted = BTreeMap::new();
    for number in 0..u16::try_from(MAX_OF_WORKSPACE + 10).unwrap() {
        let deployment = format!("app-{}", number % 6);
        let is_granted = book.grant(&acme(), lease(number, &deployment)).is_ok();
        *granted.entry(deployment).or_insert(0) += usize::from(is_granted);
    }
    assert_eq!(granted.values().sum::<usize>(), MAX_OF_WORKSPACE);
    let mut book = Book::default();
    let of_one = |number: usize| lease(u16::try_from(number).unwrap(), "checkout");
    assert!((0..MAX_OF_PAIR).all(|number| book.grant(&acme(), of_one(number)).is_ok()));
    assert_eq!(book.grant(&acme(), of_one(MAX_OF_PAIR)), Err(Full));
    book.end(&acme(), of_one(7).id).unwrap();
    assert!(book.grant(&acme(), of_one(MAX_OF_PAIR)).is_ok());
}

#[test]
fn no_start_counts_fewer_boots_than_there_were_and_few_of_them_write() {
    let mut durable = 0;
    let (mut counter, mut true_count, mut writes) = (Counter::default(), 0, 0);
    for boot in 0..3 * MAX_COUNT {
        if let Some(bound) = counter.add() {
            (durable, writes) = (bound, writes + 1);
            counter.reserved(bound);
        }
        true_count += 1;
        if boot % 97 == 96 {
            counter = Counter::restored(durable, None);
        }
        assert!(counter.count() >= true_count.min(MAX_COUNT), "{boot}");
    }
    assert!(writes <= 11, "{writes}");
    assert_eq!(counter.count(), MAX_COUNT);
}

#[test]
fn boots_are_counted_of_the_newest_versions_of_each_credential() {
    let (mut book, mut records) = (Book::default(), BTreeMap::new());
    let (orders, staging) = ("orders".parse().unwrap(), "staging".parse().unwrap());
    let many = u8::try_from(COUNTED_OF_CREDENTIAL).unwrap() + 3;
    for version in 1..=many {
        let held = Held { key: credential(), version: version.into(), id: ValueId([version; 16]) };
        let (counters, gone) = book.counters(&acme(), std::iter::once(&held));
        assert_eq!(gone.len(), usize::from(usize::from(version) > COUNTED_OF_CREDENTIAL), "{version}");
        let (id, counter) = &counters[0];
        let bound = counter.add().unwrap();
        for record in [gone, vec![reserved(&acme(), *id, counter, bound)]].concat() {
            match record {
                Alteration::Put { name, content } => drop(records.insert(name, content)),
                Alteration::Delete { name } => drop(records.remove(&name).unwrap()),
            }
        }
    }
    let mut again = Book::default();
    again.read(&acme(), &records, UnixSeconds(0)).unwrap();
    for book in [&mut book, &mut again] {
        let told = book.of_credential(&acme(), (&orders, &staging));
        let told: Vec<_> = told.iter().map(|(version, held)| (*version, held.unproven)).collect();
        assert_eq!(told, (4..=u64::from(many)).map(|version| (version, 1)).collect::<Vec<_>>());
        let gone = book.forget_counts(&acme(), |_, of| of.is_some_and(|of| of.version == 5));
        assert_eq!((gone.len(), book.counted(&acme())), (1, COUNTED_OF_CREDENTIAL - 1));
    }
    for wrong in ["1 orders", "1 orders staging x", "1 orders staging 1 1", "1 "] {
        let damaged = [(records.keys().next().unwrap().clone(), wrong.as_bytes().to_vec())].into();
        assert!(Book::default().read(&acme(), &damaged, UnixSeconds(0)).is_err(), "{wrong}");
    }
}
