//! Audit of every change and every secret access, asked over the control API.

use bootlace::id::{Revision, UnixSeconds};
use serde_json::Value;

use crate::world::{NOON, World, canaries::Canaries};

const DAY: i64 = 24 * 60 * 60;

/// A page of records, whole.
async fn page(world: &World, token: &str, query: &str) -> Value {
    let answer = world.admin("GET", &format!("/api/v1/audit?{query}"), token, "").await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    answer.json()
}

/// What was done and where, of every record that matches.
async fn told(world: &World, token: &str, query: &str) -> Vec<(String, String)> {
    let page = page(world, token, query).await;
    assert!(page["next"].is_null(), "{page}");
    let records = page["records"].as_array().unwrap().iter();
    let text = |record: &Value, name: &str| record[name].as_str().unwrap_or("").to_owned();
    records.map(|record| (text(record, "kind"), text(record, "environment"))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(kind, environment)| ((*kind).to_owned(), (*environment).to_owned())).collect()
}

/// A push, a day of boots in two environments, and on the next day a token minted and revoked.
async fn busy() -> World {
    let world = World::start().await;
    world.clock.advance(UnixSeconds(NOON.0 + DAY));
    for environment in ["staging", "production", "staging"] {
        assert_eq!(world.boot_with(environment, "region=eu-west-1&attr.tier=gold").await.status, 200);
    }
    world.clock.advance(UnixSeconds(NOON.0 + 2 * DAY));
    let wanted = r#"{"kind":"instance","principal":"pod","deployment":"checkout","environment":"staging"}"#;
    let admin = world.site.token("admin");
    let minted = world.admin("POST", "/api/v1/tokens", admin, wanted).await.json();
    let id = minted["id"].as_str().unwrap();
    assert_eq!(world.admin("DELETE", &format!("/api/v1/tokens/{id}"), admin, "").await.status, 204);
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn row_16_audit_of_every_change_and_every_secret_access() {
    let world = busy().await;
    let viewer = world.site.token("viewer");
    let all = [
        ("token-revoke", "staging"),
        ("token-mint", "staging"),
        ("boot", "staging"),
        ("boot", "production"),
        ("boot", "staging"),
        ("push", ""),
    ];
    assert_eq!(told(&world, viewer, "").await, pairs(&all), "the newest first");
    let boots = page(&world, viewer, "kind=boot&environment=production").await;
    let boot = &boots["records"][0];
    let given: Vec<_> = world.environment("production").await.into_keys().collect();
    assert_eq!(boot["keys"], Value::from(given), "names, and not their digest");
    assert_eq!((&boot["outcome"], &boot["time"]), (&"allowed".into(), &"2026-11-23T12:00:00Z".into()));
    assert_eq!(boot["facts"], serde_json::json!({ "region": "eu-west-1", "attr.tier": "gold" }));
    assert_eq!(boot["principal"], "production of the tests");

    for (query, count) in [
        ("principal=staging%20of%20the%20tests", 2),
        ("principal=nobody", 0),
        ("kind=token-mint", 1),
        ("environment=staging", 4),
        ("environment=staging&kind=boot&key=DATABASE_URL", 2),
        ("key=NO_SUCH_KEY", 0),
        ("until=2026-11-22T12:00:00Z", 1),
        ("since=2026-11-23T00:00:00Z&until=2026-11-23T23:59:59%2B01:00&environment=staging", 2),
    ] {
        assert_eq!(told(&world, viewer, query).await.len(), count, "{query}");
    }
    let records = page(&world, viewer, "").await.to_string();
    Canaries::of(&world.site).absent_from("the audit log", &records);
    assert!(!records.contains("bl_"), "no token: {records}");
}

#[tokio::test(flavor = "multi_thread")]
async fn row_16_pages_go_on_where_they_ended_and_survive_a_restart() {
    let world = busy().await;
    let viewer = world.site.token("viewer").to_owned();
    let whole = told(&world, &viewer, "until=2026-11-25T00:00:00Z").await;
    let world = world.restart().await;
    for limit in [1, 2, 4] {
        let (mut read, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = page(&world, &viewer, &format!("limit={limit}{cursor}")).await;
            let records = page["records"].as_array().unwrap();
            assert!(records.len() <= limit);
            read.extend(records.iter().map(|record| record["kind"].as_str().unwrap().to_owned()));
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(read, whole.iter().map(|(kind, _)| kind.clone()).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_16_a_token_reads_of_its_own_workspace_and_environments_alone() {
    let world = busy().await;
    let wanted = r#"{"kind":"tenant","principal":"ada","role":"admin","environments":["production"]}"#;
    let limited = world.admin("POST", "/api/v1/tokens", world.site.token("admin"), wanted).await.json();
    let limited = limited["token"].as_str().unwrap();
    let own = [("token-mint", ""), ("boot", "production")];
    assert_eq!(told(&world, limited, "").await, pairs(&own), "its own minting is about production alone");
    let ask = async |token: &str, query: &str| {
        let answer = world.admin("GET", &format!("/api/v1/audit?{query}"), token, "").await;
        (answer.status, answer.code())
    };
    let not_found = (404, "not-found".to_owned());
    assert_eq!(ask(limited, "environment=staging").await, not_found);
    assert_eq!(ask(limited, "environment=nowhere").await, not_found);
    assert_eq!(ask(limited, "workspace=other").await, not_found);
    assert_eq!(ask(limited, "environment=A_B!").await, not_found);
    // An operator names the workspace, and reads the same.
    let invalid = (400, "invalid".to_owned());
    assert_eq!(ask(&world.operator, "").await, invalid);
    assert_eq!(told(&world, &world.operator, "workspace=acme").await.len(), 7);
    assert_eq!(told(&world, &world.operator, "workspace=other").await.len(), 0);
    let long = format!("principal={}", "p".repeat(129));
    for query in
        ["limit=0", "limit=201", "limit=x", "cursor=1", "since=today", "key=a%20b", "kind=%ff", &long]
    {
        assert_eq!(ask(&world.operator, &format!("workspace=acme&{query}")).await, invalid, "{query}");
    }
    // What a refused push was about, nobody has read: it is the host's own.
    assert_eq!(world.push(&world.site.bundle(Revision(9)), 9).await.status, 409);
    assert_eq!(told(&world, &world.operator, "workspace=acme&kind=push").await.len(), 1);
}
