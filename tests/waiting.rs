//! Promotions that wait: looked at again when there is something new, and for as long as was said.

use std::{
    sync::{Arc, Barrier},
    thread,
};

use bootlace::{
    clock::rfc3339,
    host::{Author, Requested},
    id::{DeploymentId, EnvironmentName, UnixSeconds},
    model::promotion::{Check, Conclusion},
    state::Status,
};
use serde_json::{Value, json};

use crate::{
    audit::records,
    promotions::{PROMOTIONS, activate, approved, asked, shown, two_pairs_of_eyes, waiting, workspace},
    world::{
        NOON, Site, World, blocking,
        site::{component, guest},
        tenants::attachment,
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn the_verdict_is_taken_again_and_what_waits_too_long_is_over() {
    let world = World::start().await;
    let waits = asked(&world, world.site.token("releaser"), json!({ "to": "production" })).await.json();
    let id = waits["id"].as_str().unwrap().to_owned();
    let host = Arc::clone(&world.host);
    // The source moved on since then: what was asked for is not what runs there.
    blocking(move || activate(&host, "staging", 17)).await;
    let refused = approved(&world, world.site.token("admin"), &id).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "policy-denied"), "{}", refused.text());
    assert!(refused.text().contains("release 18 is not active in staging"), "{}", refused.text());
    assert_eq!(world.boot("production").await.json()["release"], 17);

    let host = Arc::clone(&world.host);
    blocking(move || activate(&host, "staging", 18)).await;
    let waits = asked(&world, world.site.token("releaser"), json!({ "to": "production" })).await.json();
    let path = format!("{PROMOTIONS}/{}", waits["id"].as_str().unwrap());
    for (days, status) in [(6, "deferred"), (8, "expired")] {
        world.clock.advance(UnixSeconds(NOON.0 + days * 86_400));
        let host = Arc::clone(&world.host);
        blocking(move || host.advance_promotions()).await;
        let told = world.by("viewer", "GET", &path, Value::Null).await.json();
        assert_eq!(told["status"], status, "{told}");
    }
    // Each step of both is in the log, with whom it was taken for.
    let log = records(world.data.path());
    let steps = log.iter().filter(|one| one["kind"] == "promotion");
    let told: Vec<_> = steps
        .clone()
        .map(|one| (one["outcome"].as_str().unwrap(), one["principal"].as_str().unwrap()))
        .collect();
    let (releaser, admin) = ("releaser of the tests", "admin of the tests");
    let expected = [
        ("deferred", releaser),
        ("approved", admin),
        ("denied", releaser),
        ("deferred", releaser),
        ("expired", releaser),
    ];
    assert_eq!(told, expected);
    let denied = steps.clone().find(|one| one["outcome"] == "denied").unwrap();
    let details = &denied["details"];
    assert_eq!((&details["promotion"], &details["release"]), (&json!(id), &json!(18)));
    assert!(details["reasons"].to_string().contains("release 18 is not active in staging"), "{denied}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_tried_again_after_more_than_a_week_waits_for_that_and_no_longer_than_a_day_on() {
    const DAY: i64 = 86_400;
    let mut site = Site::starter();
    site.guard("production", &[("required-checks", &[("soak", "8d")])]);
    let world = World::with(site).await;
    let host = Arc::clone(&world.host);
    blocking(move || activate(&host, "staging", 17)).await;
    let host = Arc::clone(&world.host);
    blocking(move || activate(&host, "staging", 18)).await;
    // Nobody approves it meanwhile: that does not bring the end nearer.
    let id = waiting(&world, world.site.token("releaser")).await;
    let told = shown(&world, &id).await;
    assert_eq!(
        (&told["retry_at"], told["required_approvals"][0]["missing"].as_u64()),
        (&Value::Null, Some(1))
    );
    assert_eq!(told["expires"], json!(rfc3339(UnixSeconds(NOON.0 + 9 * DAY))), "{told}");
    for (day, status) in [(7, "deferred"), (8, "deferred"), (9, "expired")] {
        world.clock.advance(UnixSeconds(NOON.0 + day * DAY));
        let host = Arc::clone(&world.host);
        blocking(move || host.advance_promotions()).await;
        assert_eq!(shown(&world, &id).await["status"], status, "day {day}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_looked_at_again_when_there_is_something_new_and_not_before() {
    let world = World::with(two_pairs_of_eyes()).await;
    for environment in ["staging", "production"] {
        let secret = json!({ "environment": environment, "name": "API_KEY", "value": "the-same", "is_secret": true, "description": "x" });
        world.by("admin", "POST", "/deployments/checkout/env?confirm=production", secret).await.done();
    }
    // After a start everything is looked at once.
    let host = Arc::clone(&world.host);
    blocking(move || host.advance_promotions()).await;
    let id = waiting(&world, world.site.token("releaser")).await;
    let looked = || records(world.data.path()).iter().filter(|one| one["kind"] == "compare-secrets").count();
    let again = async || {
        let host = Arc::clone(&world.host);
        blocking(move || host.advance_promotions()).await;
        looked()
    };
    assert_eq!(looked(), 1);
    for minute in 1..5 {
        world.clock.advance(UnixSeconds(NOON.0 + 60 * minute));
        assert_eq!(again().await, 1);
    }
    let set = json!({ "environment": "staging", "name": "NEW_ONE", "value": "x" });
    world.by("developer", "POST", "/deployments/checkout/env", set).await.done();
    assert_eq!((again().await, again().await), (2, 2));
    assert_eq!(shown(&world, &id).await["status"], "deferred");
}

/// Nobody has to come by for it: whoever was looking looks again.
#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_while_somebody_looks_is_looked_at_when_they_have_looked() {
    let (mut site, staging) = (Site::starter(), "environment = \"staging\"");
    let guards = [
        attachment("required-checks", staging, &[("checks", "e2e")]),
        attachment("slow", staging, &[("mode", "take-a-while")]),
    ];
    let components = [("required-checks", component("required-checks")), ("slow", guest("gatecrash"))];
    site.govern(&components, &guards.concat());
    let world = World::with_settings(site, |settings| settings.policy_limits.fuel = 1 << 30).await;
    let (shop, staging): (DeploymentId, EnvironmentName) =
        ("checkout".parse().unwrap(), "staging".parse().unwrap());
    for round in 0..10 {
        let release = 17 + round % 2;
        let host = Arc::clone(&world.host);
        let (deployment, to) = (shop.clone(), staging.clone());
        let ended = blocking(move || {
            let ci = Author::process("ci");
            let report = |name: &str, conclusion| {
                let (name, measures, labels) = (name.to_owned(), Vec::new(), Vec::new());
                let check = Check { name, conclusion, completed_at: None, measures, labels };
                host.report_check(&ci, &workspace(), (&deployment, &to), release, check).unwrap();
            };
            report("e2e", Conclusion::Pending);
            let wanted = Requested {
                deployment: deployment.clone(),
                release: Some(release),
                from: None,
                to: Some(to.clone()),
            };
            let waits = host.promote(&ci, &workspace(), &wanted).unwrap();
            assert_eq!(waits.status, Status::Deferred, "round {round}");
            let both = Barrier::new(2);
            thread::scope(|scope| {
                scope.spawn(|| {
                    both.wait();
                    report("lint", Conclusion::Success);
                });
                both.wait();
                // While the other looks: by the first of these it has begun.
                report("unit", Conclusion::Success);
                report("e2e", Conclusion::Success);
            });
            let all = host.promotions(&workspace(), &deployment).unwrap();
            all.into_iter().find(|one| one.id == waits.id).unwrap().status
        });
        assert_eq!(ended.await, Status::Done, "round {round}");
    }
}
