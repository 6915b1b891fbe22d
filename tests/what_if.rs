//! What-if: boots that were recorded are put to a candidate, and exactly those are named whose answer would
//! change, the same each time, without a value.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bootlace::id::Revision;
use serde_json::{Value, json};

use crate::world::{World, pair::Pair, site::guest};

const PRODUCTION: &str = "/api/v1/deployments/checkout/what-if?environment=production";
const BROKEN: [usize; 3] = [137, 500, 861];
const BOOTS: usize = 1_000;

fn facts(number: usize) -> String {
    let region = if BROKEN.contains(&number) { "ap-south-1" } else { ["eu-west-1", "us-east-1"][number % 2] };
    format!("region={region}&instance=i-{number}&attr.tier=gold")
}

/// Boots every instance in production: each one's digest of what it was given.
async fn boot_all(world: &World, boots: usize) -> BTreeMap<String, String> {
    let mut given = BTreeMap::new();
    for number in 0..boots {
        let answer = world.boot_with("production", &facts(number)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        given.insert(format!("i-{number}"), answer.json()["env"].to_string());
    }
    given
}

fn hostile(settings: &Value) -> String {
    let component = BASE64_STANDARD.encode(guest("hostile"));
    json!({ "policy": "guard", "component": component, "settings": settings }).to_string()
}

/// The instances of the answers that are listed.
fn instances(told: &Value) -> BTreeSet<String> {
    let answers = told["answers"].as_array().unwrap().iter();
    answers.map(|answer| answer["facts"]["instance"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_boots_exactly_the_three_that_a_candidate_breaks_are_named_twice_byte_equal() {
    let world = World::start().await;
    let given = boot_all(&world, BOOTS).await;
    let body = hostile(&json!({ "mode": "omit-all", "only-in": "ap-south-1" }));
    let developer = world.site.token("developer");
    let first = world.admin("POST", PRODUCTION, developer, body.clone()).await;
    assert_eq!(first.status, 200, "{}", first.text());
    let told = first.json();
    assert_eq!(
        (&told["questions"], &told["boots"], &told["forgotten"]),
        (&json!(1_000), &json!(1_000), &json!(0))
    );
    assert_eq!(
        (&told["changed"], &told["changed_boots"], &told["unlisted"]),
        (&json!(3), &json!(3), &json!(0))
    );
    assert_eq!(instances(&told), BROKEN.map(|number| format!("i-{number}")).into());
    for answer in told["answers"].as_array().unwrap() {
        assert_eq!((&answer["change"], &answer["before"]["outcome"]), (&json!("refused"), &json!("allowed")));
        assert_eq!(answer["after"]["outcome"], "missing-required");
        let detail = answer["after"]["detail"].as_str().unwrap();
        assert!(detail.contains("DATABASE_URL") && detail.contains("STRIPE_KEY"), "{detail}");
        let fuel = [&answer["before"], &answer["after"]].map(|side| side["fuel"].as_u64().unwrap());
        assert!(fuel[0] > 0 && fuel[1] > 0 && fuel[0] != fuel[1], "{fuel:?}");
    }
    assert_eq!((&told["plan"]["about"], &told["plan"]["keys"]), (&json!(["policies"]), &json!([])));

    let second = world.admin("POST", PRODUCTION, developer, body.clone()).await;
    assert_eq!(first.body, second.body);
    // Neither a restart of the question nor what else goes on changes a byte of it.
    world.boot("staging").await;
    let third = world.admin("POST", PRODUCTION, world.site.token("admin"), body).await;
    assert_eq!(first.body, third.body);

    let text = first.text();
    for values in given.values().take(5) {
        let values: BTreeMap<String, String> = serde_json::from_str(values).unwrap();
        for (name, value) in values.iter().filter(|(_, value)| value.len() >= 12) {
            assert!(!text.contains(value.as_str()), "the value of {name}");
        }
    }
    assert!(!text.contains("demo-production") && !text.contains("demo/production"));
    // The command says the same.
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("guests/dist/hostile.wasm");
    let line = format!(
        "policy test {} --recorded -d checkout -e production --name guard --setting mode=omit-all --setting only-in=ap-south-1",
        file.display()
    );
    let (code, printed, said) = world.cli(developer, &line).await;
    assert_eq!((code, said.contains("3 questions that are answered would be refused")), (1, true), "{said}");
    assert!(BROKEN.iter().all(|number| printed.contains(&format!("\ni-{number}\t"))), "{printed}");

    // Nothing was published, kept or counted.
    assert_eq!(boot_all(&world, 140).await.remove("i-137"), given.get("i-137").cloned());
    let policies = world.by("admin", "GET", "/policies", Value::Null).await;
    assert!(!policies.text().contains("guard"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_a_what_if_names_is_whom_the_change_reaches() {
    let mut world = World::start().await;
    let before = boot_all(&world, 300).await;
    let other = json!({
        "policy": "rotation-canary",
        "settings": { "variable": "JWT_SIGNING_KEY", "percent": "30", "salt": "2026-11" },
    });
    let told =
        world.admin("POST", PRODUCTION, world.site.token("developer"), other.to_string()).await.ok().json();
    for answer in told["answers"].as_array().unwrap() {
        assert_eq!(answer["change"], "keys");
        assert_eq!(answer["keys"], json!([{ "name": "JWT_SIGNING_KEY", "change": "value" }]));
    }

    world.site.change_toml("policies.toml", |file| {
        let attachments = file["attachments"].as_array_of_tables_mut().unwrap();
        let canary = attachments.iter_mut().find(|one| one["policy"].as_str() == Some("rotation-canary"));
        canary.unwrap()["settings"]["percent"] = toml_edit::value(30);
    });
    let pushed = world.push(&world.site.bundle(Revision(1)), 1).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    let after = boot_all(&world, 300).await;
    let reached: BTreeSet<_> =
        after.iter().filter(|(name, env)| before[*name] != **env).map(|(name, _)| name.clone()).collect();
    assert!(reached.len() > 20 && reached.len() < 120, "{}", reached.len());
    assert_eq!(instances(&told), reached);
    // The push changed the plan, and not what its boots said before.
    let told =
        world.admin("POST", PRODUCTION, world.site.token("developer"), other.to_string()).await.ok().json();
    assert_eq!((&told["questions"], &told["boots"], &told["changed"]), (&json!(300), &json!(600), &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_release_is_tried_before_it_is_promoted() {
    let world = World::start().await;
    for _ in 0..3 {
        boot_all(&world, 20).await;
    }
    let path = format!("{PRODUCTION}&release=18");
    let told = world.admin("GET", &path, world.site.token("viewer"), "").await.ok().json();
    assert_eq!((&told["questions"], &told["boots"], &told["changed"]), (&json!(20), &json!(60), &json!(20)));
    for answer in told["answers"].as_array().unwrap() {
        let expected = json!([{ "name": "TAX_API_KEY", "change": "appears" }, { "name": "TAX_PROVIDER", "change": "appears" }]);
        assert_eq!((&answer["keys"], &answer["boots"]), (&expected, &json!(3)));
    }
    assert_eq!(told["plan"]["about"], json!(["release"]));
    assert_eq!((&told["plan"]["from"]["release"], &told["plan"]["to"]["release"]), (&json!(17), &json!(18)));
    let line = "what-if -d checkout -e production --release 18";
    let printed = world.ok(world.site.token("viewer"), line).await;
    assert!(printed.starts_with("checkout in production  20 answers would change\n"), "{printed}");
    assert!(
        printed.contains("given other keys") && printed.contains("+TAX_API_KEY +TAX_PROVIDER"),
        "{printed}"
    );
    assert_eq!(world.cli(world.site.token("viewer"), &format!("{line} --exit-code")).await.0, 1);
    // What is active already changes nobody's answer.
    let same = world.admin("GET", &format!("{PRODUCTION}&release=17"), world.site.token("viewer"), "").await;
    assert_eq!((&same.json()["changed"], &same.json()["plan"]["same"]), (&json!(0), &json!(true)));

    // What a boot said is forgotten with the process.
    let world = world.restart().await;
    let told = world.admin("GET", &path, world.site.token("viewer"), "").await.ok().json();
    assert_eq!((&told["questions"], &told["changed"]), (&json!(0), &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_explain_or_bring_a_policy_learns_nothing() {
    let pair = Pair::start().await;
    let world = &pair.world;
    let asked = async |who: &str, method: &str, path: &str, body: String| {
        let answer = world.admin(method, path, world.site.token(who), body).await;
        (answer.status, answer.code())
    };
    let path = format!("{PRODUCTION}&release=18");
    assert_eq!(asked("acme staging admin", "GET", &path, String::new()).await, (404, "not-found".into()));
    let body = hostile(&json!({}));
    assert_eq!(asked("viewer", "POST", PRODUCTION, body.clone()).await, (403, "forbidden".into()));
    assert_eq!(asked("acme staging developer", "POST", PRODUCTION, body).await, (404, "not-found".into()));

    let wrong = [
        ("GET", format!("{PRODUCTION}&release=99"), String::new(), 422),
        ("GET", PRODUCTION.to_owned(), String::new(), 400),
        ("GET", PRODUCTION.replace("checkout", "nowhere") + "&release=17", String::new(), 404),
        ("POST", PRODUCTION.to_owned(), json!({ "policy": "guard" }).to_string(), 422),
        ("POST", PRODUCTION.to_owned(), json!({ "policy": "guard", "component": "?" }).to_string(), 400),
        ("POST", PRODUCTION.to_owned(), json!({ "policy": "guard", "component": "AAAA" }).to_string(), 422),
        ("POST", PRODUCTION.to_owned(), hostile(&json!({ "mood": "ok" })), 422),
        ("POST", PRODUCTION.to_owned(), hostile(&json!({ "mode": "m".repeat(5_000) })), 422),
        ("POST", PRODUCTION.to_owned(), hostile(&json!({ "mode": "trap" })), 422),
    ];
    for (method, path, body, status) in wrong {
        let answer = world.admin(method, &path, world.site.token("developer"), body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
    }
}
