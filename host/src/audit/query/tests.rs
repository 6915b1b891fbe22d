use super::*;
use crate::audit::{self, BootRecord, ChangeRecord, tests::Place};
use crate::{id::Revision, model::question::Facts};

fn given(names: &[&str], basis: &str) -> audit::Given {
    let names = names.iter().map(|name| name.parse().unwrap()).collect::<Vec<_>>();
    audit::Given::new(&names, &crate::id::Digest([7; 32]), basis)
}

/// Ten days with two boots and a change each.
async fn log() -> Place {
    let place = Place::new(false);
    for day in 0..10 {
        place.clock.advance(UnixSeconds(1_000_000 + day * 86_400));
        for (principal, environment, names) in
            [("web", "production", &["DATABASE_URL", "LOG_LEVEL"][..]), ("job", "staging", &["LOG_LEVEL"])]
        {
            let boot = BootRecord {
                id: place.audit.next_boot(),
                at: place.clock.now(),
                outcome: "allowed",
                principal,
                token: "0123456789ab",
                revision: Revision(1),
                subject: &format!(r#""workspace":"acme","environment":"{environment}""#),
                basis: "",
                given: Some(&given(names, &format!(r#""release":{day},"plan":"of {environment}""#))),
                facts: &Facts::default(),
                peer: std::net::Ipv4Addr::LOCALHOST.into(),
            };
            place.audit.append(&boot).await.unwrap();
        }
        let details = serde_json::json!({ "environment": "staging", "key": "DATABASE_URL" });
        let (at, outcome, principal) = (place.clock.now(), "done", "alice");
        place.audit.append_change(&ChangeRecord { at, kind: "set", outcome, principal, details }).unwrap();
    }
    place
}

fn all(query: &Query, place: &Place, limit: usize) -> Vec<Value> {
    let (mut records, mut cursor) = (Vec::new(), None);
    loop {
        let page = query.page(&place.directory(), cursor, limit).unwrap();
        assert!(page.records.len() <= limit);
        records.extend(page.records);
        // A cursor survives being written down.
        cursor = page.next.map(|next| next.to_string().parse().unwrap());
        if cursor.is_none() {
            return records;
        }
    }
}

#[tokio::test]
async fn records_are_found_by_principal_key_environment_and_time_newest_first() {
    let place = log().await;
    let any = Query::default();
    for limit in [1, 7, MAX_PAGE] {
        let records = all(&any, &place, limit);
        assert_eq!(records.len(), 30, "no record twice, none left out");
        assert!(records.is_sorted_by(|a, b| a["at"].as_i64() >= b["at"].as_i64()));
    }
    let count = |query: &Query| all(query, &place, 4).len();
    assert_eq!(count(&Query { principal: Some("web".into()), ..any.clone() }), 10);
    assert_eq!(count(&Query { environment: "staging".parse().ok(), ..any.clone() }), 20);
    assert_eq!(count(&Query { workspace: "acme".parse().ok(), ..any.clone() }), 20);
    assert_eq!(count(&Query { key: "LOG_LEVEL".parse().ok(), ..any.clone() }), 20);
    let asked = Query { key: "DATABASE_URL".parse().ok(), ..any.clone() };
    assert_eq!(count(&asked), 20, "who was given it, and who set it");
    let day = |day: i64| Some(UnixSeconds(1_000_000 + day * 86_400));
    assert_eq!(count(&Query { since: day(3), until: day(4), ..asked.clone() }), 4);
    assert_eq!(count(&Query { since: day(3), principal: Some("job".into()), ..any.clone() }), 7);
    assert_eq!(count(&Query { principal: Some("nobody".into()), ..any }), 0);
    for bad in ["", "1", "1-", "-1-2", "1-x", "99999999999999999999-1"] {
        assert!(bad.parse::<Cursor>().is_err(), "{bad}");
    }
}

#[tokio::test]
async fn a_boot_comes_with_what_it_refers_to() {
    let place = log().await;
    for record in all(&Query { kind: Some("boot".into()), ..Query::default() }, &place, 3) {
        let day = (record["at"].as_i64().unwrap() - 1_000_000) / 86_400;
        assert_eq!(record["release"], day, "of its own day: {record}");
        assert_eq!(record["plan"], format!("of {}", record["environment"].as_str().unwrap()));
        assert!(record["given"].is_null() && record["keys"].is_string() && record["answer"].is_string());
        let names = if record["principal"] == "web" { 2 } else { 1 };
        assert_eq!(record["names"].as_array().unwrap().len(), names);
    }
}

#[test]
fn files_of_the_format_before_are_read_as_well() {
    let place = tempfile::tempdir().unwrap();
    let lines = [
        r#"{"kind":"file","format":1,"file":1,"at":5,"before":0,"seals":0,"lines":0,"chain":"sha256:0000000000000000000000000000000000000000000000000000000000000000"}"#,
        r#"{"keys":"sha256:aa","kind":"keys","names":["LOG_LEVEL"]}"#,
        r#"{"kind":"boot","id":"b-1-0","at":6,"outcome":"allowed","workspace":"acme","plan":"p","keys":"sha256:aa","answer":"a"}"#,
    ];
    std::fs::write(frames::path(place.path(), 1), lines.join("\n") + "\n").unwrap();
    for (key, found) in [("LOG_LEVEL", 1), ("OTHER", 0)] {
        let query = Query { key: key.parse().ok(), ..Query::default() };
        let page = query.page(place.path(), None, 9).unwrap();
        assert_eq!(page.records.len(), found);
        let boot = page.records.first();
        assert!(boot.is_none_or(|boot| boot["names"][0] == key && boot["plan"] == "p"));
        let mut out = Vec::new();
        assert_eq!(query.export(place.path(), &mut out).unwrap(), found as u64);
        assert_eq!(String::from_utf8(out).unwrap().lines().count(), 2 * found);
    }
}

#[test]
fn what_a_file_tells_far_before_a_record_is_found_from_the_files_beginning() {
    let place = tempfile::tempdir().unwrap();
    let line = |outcome: &str, given: &str| {
        format!(
            r#"{{"kind":"boot","id":"b-1-0","at":6,"outcome":"{outcome}","workspace":"acme","given":"{given}"}}"#
        )
    };
    let filler = (line("denied", "none") + "\n").repeat(150_000);
    assert!(filler.len() as u64 > TOLD_WITHIN + frames::MAX_LINE_BYTES);
    let lines = [
        r#"{"kind":"file","format":2,"file":1,"at":5,"before":0,"seals":0,"lines":0,"chain":"sha256:0000000000000000000000000000000000000000000000000000000000000000"}"#,
        r#"{"given":"aa","kind":"given","names":["LOG_LEVEL"],"plan":"p"}"#,
        filler.trim_end(),
        &line("allowed", "aa"),
    ];
    std::fs::write(frames::path(place.path(), 1), lines.join("\n") + "\n").unwrap();
    let page = Query::default().page(place.path(), None, 1).unwrap();
    assert_eq!((&page.records[0]["plan"], &page.records[0]["names"][0]), (&"p".into(), &"LOG_LEVEL".into()));
}

#[tokio::test]
async fn an_export_is_json_lines_the_oldest_first_with_the_names_of_keys() {
    let place = log().await;
    let mut out = Vec::new();
    let query = Query { environment: "production".parse().ok(), ..Query::default() };
    assert_eq!(query.export(&place.directory(), &mut out).unwrap(), 10);
    let lines: Vec<Value> =
        String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let boots: Vec<_> = lines.iter().filter(|line| line["kind"] == "boot").collect();
    assert!(boots.is_sorted_by_key(|boot| boot["at"].as_i64()));
    assert_eq!((boots.len(), lines.len()), (10, 20), "each file tells the names anew");
    assert_eq!(lines[0]["names"], serde_json::json!(["DATABASE_URL", "LOG_LEVEL"]));
    assert_eq!(lines[0]["keys"], lines[1]["keys"]);
    assert!(boots.iter().all(|boot| boot["plan"] == "of production" && boot["answer"].is_string()));
}
