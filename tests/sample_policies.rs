//! What the four sample policies do to a boot, end to end, and what a policy cannot do to it.

use std::collections::{BTreeMap, BTreeSet};

use crate::world::{Site, World, site::guest};

#[tokio::test(flavor = "multi_thread")]
async fn region_affinity_reads_from_the_replica_of_the_instances_own_region() {
    let world = World::start().await;
    for (environment, query, host) in [
        ("production", "region=us-east-1", "orders-replica.us-east-1.acme.internal"),
        ("production", "region=eu-west-1", "orders-replica.eu-west-1.acme.internal"),
        ("production", "region=ap-south-1", "orders-primary.eu-west-1.acme.internal"),
        ("production", "", "orders-primary.eu-west-1.acme.internal"),
        ("staging", "region=us-east-1", "orders-replica.staging.acme.internal"),
        ("staging", "region=eu-west-1", "orders-primary.staging.acme.internal"),
        ("preview/pr-42", "region=us-east-1", "orders.pr-42.preview.acme.internal"),
    ] {
        let given = world.boot_with(environment, query).await.environment();
        let read = &given["DATABASE_READ_URL"];
        assert!(read.contains(&format!("@{host}:5432/")), "{environment} {query}: {read}");
        assert!(given["DATABASE_URL"].contains("@orders-primary.") || environment.starts_with("preview"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn least_privilege_leaves_out_what_the_release_does_not_declare() {
    let world = World::start().await;
    let undeclared = ["COMPANY_NAME", "FEATURE_FLAGS", "WAREHOUSE_TOKEN"];
    // Release 17 (production), 18 (staging) and 19 (the preview) declare more and more.
    for (environment, more, fewer) in [
        ("production", vec![], vec!["TAX_API_KEY", "TAX_PROVIDER", "GEOCODING_API_KEY"]),
        ("staging", vec!["TAX_API_KEY", "TAX_PROVIDER"], vec!["GEOCODING_API_KEY"]),
        ("preview/pr-42", vec!["TAX_API_KEY", "TAX_PROVIDER", "GEOCODING_API_KEY"], vec![]),
    ] {
        let given = world.environment(environment).await;
        for name in undeclared.iter().chain(&fewer) {
            assert!(!given.contains_key(*name), "{environment} got {name}");
        }
        // What the platform reads is kept by the policy's settings.
        for name in more.iter().chain(&["LOG_FORMAT", "LOG_LEVEL", "OTEL_EXPORTER_OTLP_ENDPOINT", "TZ"]) {
            assert!(given.contains_key(*name), "{environment} lacks {name}");
        }
        assert!(!given.contains_key("SENTRY_KEY"), "it serves its template only");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn preview_isolation_keeps_stagings_cache_from_the_preview() {
    let world = World::start().await;
    assert!(world.environment("staging").await["REDIS_URL"].contains("@cache.staging.acme.internal"));
    let preview = world.boot("preview/pr-42").await;
    assert_eq!(preview.environment().get("REDIS_URL"), None);
    assert_eq!(
        preview.json()["warnings"],
        serde_json::json!(["REDIS_URL is omitted: it belongs to staging"])
    );

    // Required, it cannot be left out: the boot is denied, and says why.
    let mut site = Site::starter();
    site.change_toml("deployments/checkout.toml", |file| {
        file["environments"]["preview/pr-42"]["required"] = toml_edit::Array::from_iter(["REDIS_URL"]).into();
    });
    let world = World::with(site).await;
    let denied = world.boot("preview/pr-42").await;
    assert_eq!((denied.status, denied.code().as_str()), (403, "policy-denied"));
    let violation = &denied.json()["violations"][0];
    assert_eq!(
        (&violation["policy"], &violation["code"]),
        (&"preview-isolation".into(), &"foreign-owner".into())
    );
    assert!(violation["message"].as_str().unwrap().contains("REDIS_URL belongs to staging"), "{violation}");
    assert!(!denied.text().contains("demo"), "{}", denied.text());
    assert_eq!(world.boot("production").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_canary_gives_a_tenth_of_the_instances_the_new_key_and_always_the_same() {
    let world = World::start().await;
    let mut keys: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for instance in 0..1_000 {
        let given = world.boot_with("production", &format!("instance=i-{instance:04}")).await.environment();
        keys.entry(given["JWT_SIGNING_KEY"].clone()).or_default().insert(instance);
    }
    let versions: Vec<_> = keys.keys().map(String::as_str).collect();
    assert_eq!(versions, ["demo-production-JWT_SIGNING_KEY-v1", "demo-production-JWT_SIGNING_KEY-v2"]);
    let canaries = keys["demo-production-JWT_SIGNING_KEY-v2"].clone();
    // Ten of a hundred, give or take four standard deviations.
    assert!((62..=138).contains(&canaries.len()), "{}", canaries.len());
    // Another process, another memory: the same instances.
    let world = world.restart().await;
    for instance in canaries.iter().take(20).chain(&(0..20).collect::<BTreeSet<_>>()) {
        let given = world.boot_with("production", &format!("instance=i-{instance:04}")).await.environment();
        let newest = given["JWT_SIGNING_KEY"].ends_with("-v2");
        assert_eq!(newest, canaries.contains(instance), "{instance}");
    }
    let silent = world.boot("production").await;
    assert!(silent.environment()["JWT_SIGNING_KEY"].ends_with("-v1"));
    assert!(silent.text().contains("an instance without an id gets the older version of JWT_SIGNING_KEY"));
}

/// The starter with a hostile guest at the workspace, which has the last word.
fn hostile(mut site: Site, mode: &str) -> Site {
    site.write("policies/hostile.wasm", guest("hostile"));
    let policies = format!(
        "{}\n[[attachments]]\npolicy = \"hostile\"\nsettings = {{ mode = \"{mode}\" }}\n\n\
         [policies.hostile]\ncomponent = \"policies/hostile.wasm\"\n",
        site.file("policies.toml")
    );
    site.write("policies.toml", policies);
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_leaves_out_a_required_key_gets_the_boot_refused_by_name() {
    let world = World::with(hostile(Site::starter(), "omit-all")).await;
    let refused = world.boot("production").await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "missing-required"));
    let required = ["DATABASE_URL", "JWT_SIGNING_KEY", "PORT", "SESSION_SECRET", "STRIPE_KEY"];
    assert_eq!(refused.json()["keys"], serde_json::json!(required));
    assert!(!refused.text().contains("demo"), "{}", refused.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_misbehaves_in_its_dry_run_never_serves() {
    let mut world = World::start().await;
    let good = world.site.tree.clone();
    let modes =
        ["template-secret", "secret-to-plain", "foreign-candidate", "out-of-range", "trap", "duplicate"];
    for mode in modes {
        world.site = hostile(world.site, mode);
        let refused = world.push(&world.site.bundle(bootlace::id::Revision(1)), 1).await;
        assert_eq!((refused.status, refused.code().as_str()), (422, "invalid"), "{mode}");
        assert!(refused.text().contains("hostile"), "{mode}: {}", refused.text());
        assert_eq!(world.boot("production").await.header("bootlace-revision"), "1");
        world.site.tree = good.clone();
    }
}
