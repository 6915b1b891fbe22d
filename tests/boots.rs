//! The contract of a boot: who asks gets what is his, in one answer that says what it is.

use crate::world::{NOON, Site, World};
use bootlace::id::UnixSeconds;

#[tokio::test(flavor = "multi_thread")]
async fn each_environment_gets_its_own_database_url() {
    let world = World::start().await;
    let places = [("production", "production"), ("staging", "staging"), ("preview/pr-42", "preview")];
    for (environment, own) in places {
        let given = world.environment(environment).await;
        let start = format!("postgres://checkout:demo%2F{own}%40orders-db");
        assert!(given["DATABASE_URL"].starts_with(&start), "{environment}: {given:?}");
        for (_, other) in places.iter().filter(|(_, other)| *other != own) {
            let foreign = [format!("demo-{other}-"), format!("demo%2F{other}%40")];
            let leaked = given.iter().find(|(_, value)| foreign.iter().any(|part| value.contains(part)));
            assert_eq!(leaked, None, "{environment}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_says_what_it_is_and_is_not_to_be_stored() {
    let world = World::start().await;
    let answer = world.boot("staging").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("bootlace-revision"), "1");
    assert!(answer.header("bootlace-boot").starts_with("b-"), "{:?}", answer.headers);
    let etag = answer.header("etag");
    assert!(etag.len() > 32 && etag.starts_with('"') && etag.ends_with('"'), "{etag}");
    let body = answer.json();
    let named = ["workspace", "deployment", "environment"].map(|key| body[key].as_str().unwrap());
    assert_eq!(named, ["acme", "checkout", "staging"]);
    assert_eq!((body["release"].as_u64(), body["revision"].as_u64()), (Some(18), Some(1)));
    let digest = body["digest"].as_str().unwrap();
    assert!(digest.starts_with("sha256:") && digest.len() == 7 + 64, "{digest}");
    assert!(body["warnings"].is_array());
    // Two boots are two records of the same plan.
    let again = world.boot("staging").await;
    assert_eq!(again.header("etag"), answer.header("etag"));
    assert_ne!(again.header("bootlace-boot"), answer.header("bootlace-boot"));
    assert_eq!(again.json()["digest"], body["digest"]);
    assert_ne!(world.boot("production").await.json()["digest"], body["digest"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_the_answer_already_is_told_so() {
    let world = World::start().await;
    let etag = world.boot("production").await.header("etag").to_owned();
    for given in [etag.clone(), format!("\"0\", {etag}")] {
        let answer = world.boot_as("production", "GET", "", &[("if-none-match", &given)], "").await;
        assert_eq!((answer.status, answer.body.len()), (304, 0), "{given}");
        assert_eq!(answer.header("etag"), etag);
        assert_eq!(answer.header("bootlace-revision"), "1");
        assert!(!answer.header("bootlace-boot").is_empty());
    }
    // Another format, another choice of the policies, another environment: another answer.
    for (environment, query) in
        [("production", "format=dotenv"), ("production", "region=us-east-1"), ("staging", "")]
    {
        let answer = world.boot_as(environment, "GET", query, &[("if-none-match", &etag)], "").await;
        assert_eq!(answer.status, 200, "{environment} {query}");
        assert_ne!(answer.header("etag"), etag);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_come_by_query_or_by_body() {
    let world = World::start().await;
    let query = "region=us-east-1&zone=a&instance=i-1&attr.tier=gold";
    let body = r#"{"region":"us-east-1","zone":"a","instance":"i-1","attributes":{"tier":"gold"}}"#;
    let (got, posted) = (
        world.boot_with("production", query).await,
        world.boot_as("production", "POST", "", &[], body).await,
    );
    assert_eq!((got.status, posted.status), (200, 200), "{}", posted.text());
    assert_eq!(got.header("etag"), posted.header("etag"));
    assert_eq!(got.environment(), posted.environment());
    assert!(got.environment()["DATABASE_READ_URL"].contains("@orders-replica.us-east-1."));
    let silent = world.boot_as("production", "POST", "", &[], "").await;
    assert_eq!(silent.environment(), world.environment("production").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn naming_what_the_token_decides_is_refused_even_where_it_is_right() {
    let world = World::start().await;
    for (key, value) in [("workspace", "acme"), ("deployment", "checkout"), ("environment", "production")] {
        let got = world.boot_with("production", &format!("{key}={value}")).await;
        let body = format!("{{\"{key}\":\"{value}\"}}");
        let posted = world.boot_as("production", "POST", "", &[], body).await;
        for answer in [got, posted] {
            assert_eq!((answer.status, answer.code().as_str()), (400, "invalid"), "{}", answer.text());
            assert!(
                answer.text().contains(&format!("the token alone decides the {key}")),
                "{}",
                answer.text()
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unknown_repeated_or_too_much_is_refused() {
    let world = World::start().await;
    let long = format!("region={}", "r".repeat(129));
    let unknown = ["nope=1", "region=a&region=b", "format=xml", "attr.=x", "zone=%00", "region=%ff", &long];
    for query in unknown {
        let answer = world.boot_with("staging", query).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid"), "{query}");
    }
    for body in ["{", "[]", r#"{"nope":1}"#, r#"{"region":1}"#] {
        let answer = world.boot_as("staging", "POST", "", &[], body).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid"), "{body}");
    }
    let two_ways = world.boot_as("staging", "POST", "region=a", &[], "{}").await;
    assert_eq!(two_ways.status, 400, "{}", two_ways.text());
    let huge = world.boot_as("staging", "POST", "", &[], vec![b' '; 16 * 1024 + 1]).await;
    assert_eq!((huge.status, huge.code().as_str()), (413, "too-large"));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_methods_are_refused_with_those_that_there_are() {
    let world = World::start().await;
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"] {
        let answer = world.boot_as("staging", method, "", &[], "").await;
        assert_eq!((answer.status, answer.header("allow")), (405, "GET, POST"), "{method}");
    }
    let nowhere = world.get_boot("/v1/boots", Some(world.site.token("staging"))).await;
    assert_eq!((nowhere.status, nowhere.code().as_str()), (404, "not-found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_push_a_host_is_alive_and_not_ready() {
    let world = World::empty(Site::starter(), |_| {}).await;
    let answer = world.boot("production").await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "not-ready"));
    let seconds: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=4).contains(&seconds), "{seconds}");
    assert_eq!(world.get_boot("/livez", None).await.status, 200);
    assert_eq!(world.get_boot("/readyz", None).await.status, 503);
    assert_eq!(world.push(&world.site.bundle(bootlace::id::Revision(0)), 0).await.status, 200);
    assert_eq!(world.get_boot("/readyz", None).await.text(), "ready\n");
    assert_eq!(world.boot("production").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_environment_gives_nothing_and_the_others_go_on() {
    let mut site = Site::starter();
    let preview = "environments/preview/pr-42.toml";
    site.edit(preview, "[variables]", "expires = 2026-11-22T13:00:00Z\n[variables]");
    let world = World::with(site).await;
    world.clock.advance(UnixSeconds(NOON.0 + 3_599));
    assert_eq!(world.boot("preview/pr-42").await.status, 200);
    world.clock.advance(UnixSeconds(NOON.0 + 3_600));
    let expired = world.boot("preview/pr-42").await;
    assert_eq!((expired.status, expired.code().as_str()), (404, "not-found"));
    assert_eq!(world.boot("staging").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_environments_of_forty_variables_and_twelve_secrets_are_served() {
    let world = World::start().await;
    let answer = world.admin("GET", "/api/v1/snapshot/plans", world.site.token("viewer"), "").await;
    let plans = answer.json()["plans"].clone();
    let names: Vec<_> = plans.as_array().unwrap().iter().map(|plan| plan["environment"].clone()).collect();
    assert_eq!(names, ["preview/pr-42", "production", "staging"]);
    for plan in plans.as_array().unwrap() {
        let keys = plan["keys"].as_array().unwrap();
        // A stored secret is named by its version and value id; bindings and templates otherwise.
        let stored = |key: &&serde_json::Value| {
            key["secret"] == true && key["values"][0].as_str().unwrap().starts_with("v1 ")
        };
        assert_eq!(keys.iter().filter(stored).count(), 13, "{}", plan["environment"]);
        assert!((40..=52).contains(&keys.len()), "{}: {}", plan["environment"], keys.len());
        let environment = plan["environment"].as_str().unwrap();
        let given = world.environment(environment).await;
        assert!(given.len() >= 33, "{environment}: {}", given.len());
        let secrets = given.values().filter(|value| value.starts_with("demo-")).count();
        assert!(secrets >= 8, "{environment}: {secrets}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_description_that_changed_alone_is_explained_as_it_is() {
    let mut world = World::start().await;
    let old = "description = \"where the app listens\"";
    world.site.edit("deployments/checkout.toml", old, "description = \"the app's port\"");
    let pushed = world.push(&world.site.bundle(bootlace::id::Revision(1)), 1).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    let path = "/api/v1/deployments/checkout/explain?environment=production";
    let explained = world.admin("GET", path, world.site.token("viewer"), Vec::new()).await;
    assert!(explained.text().contains("the app's port"), "{}", explained.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_facts_are_not_looked_at() {
    let world = World::start().await;
    for query in ["?environment=production", "?region=a&region=b", "?format=none"] {
        let answer = world.get_boot(&format!("/v1/boot{query}"), None).await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "unauthenticated"), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_holds_what_was_told_and_from_where_whatever_a_policy_saw() {
    let world = World::start().await;
    let told = world.boot_with("staging", "zone=z-7&instance=i-9&attr.tier=gold").await;
    let id = format!(r#""id":"{}""#, told.header("bootlace-boot"));
    let files = std::fs::read_dir(world.data.path().join("audit")).unwrap();
    let text: String = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    let line = text.lines().find(|line| line.contains(&id)).unwrap();
    let record: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!((&record["zone"], &record["instance"]), (&"z-7".into(), &"i-9".into()), "{line}");
    assert_eq!(record["attributes"], serde_json::json!([["tier", "gold"]]), "{line}");
    assert_eq!(record["peer"], "127.0.0.1", "{line}");
}
