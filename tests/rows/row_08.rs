//! Data namespaces per environment: threads, sources, memory, artifacts.

use bootlace::{
    id::Revision,
    model::{NamespaceHere, NamespaceKind},
};
use serde_json::{Value, json};

use super::{APP, explained, problems, refused};
use crate::world::{Site, World};

/// The starter with these lines in place of its one namespace.
fn with(namespaces: &str) -> Site {
    let mut site = Site::starter();
    site.edit(APP, "artifacts = true", namespaces);
    // What a policy withholds is another story.
    site.tree.remove("policies.toml");
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn row_08_data_namespaces_per_environment() {
    let mut site = with("threads = true\nsources = true\nmemory = \"MEMORY\"\nartifacts = true");
    site.change_toml(APP, |file| {
        let mut here = toml_edit::InlineTable::new();
        here.insert("threads", "acme.qa".into());
        here.insert("sources", false.into());
        file["environments"]["staging"]["namespaces"] = toml_edit::value(here);
    });
    let world = World::with(site).await;
    let given = |name: &'static str| {
        let world = &world;
        async move {
            world
                .environment(name)
                .await
                .into_iter()
                .filter(|(key, _)| key.starts_with("NAMESPACE") || key == "MEMORY")
                .collect::<Vec<_>>()
        }
    };
    let expect = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(
        given("production").await,
        expect(&[
            ("MEMORY", "acme-checkout-production-memory"),
            ("NAMESPACE_ARTIFACTS", "acme-checkout-production-artifacts"),
            ("NAMESPACE_SOURCES", "acme-checkout-production-sources"),
            ("NAMESPACE_THREADS", "acme-checkout-production-threads"),
        ])
    );
    assert_eq!(
        given("staging").await,
        expect(&[
            ("MEMORY", "acme-checkout-staging-memory"),
            ("NAMESPACE_ARTIFACTS", "acme-checkout-staging-artifacts"),
            ("NAMESPACE_THREADS", "acme.qa"),
        ])
    );
    let preview = world.environment("preview/pr-42").await;
    assert_eq!(preview["NAMESPACE_ARTIFACTS"], "acme-checkout-preview-pr-42-artifacts");
    assert_eq!(
        explained(&world, "staging", "NAMESPACE_THREADS").await["source"],
        "threads namespace of staging"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn row_08_an_environment_shares_another_s_only_where_it_says_so() {
    let shared = |site: &mut Site, here: &str, owner: &str| {
        let mut of = toml_edit::InlineTable::new();
        of.insert("of", owner.into());
        site.change_toml(APP, |file| {
            file["environments"][here]["namespaces"]["threads"] = toml_edit::value(of);
        });
    };
    let mut site = with("threads = true");
    shared(&mut site, "preview/pr-42", "staging");
    let world = World::with(site.clone()).await;
    assert_eq!(
        world.environment("preview/pr-42").await["NAMESPACE_THREADS"],
        "acme-checkout-staging-threads"
    );
    let key = explained(&world, "preview/pr-42", "NAMESPACE_THREADS").await;
    assert_eq!(key["source"], "threads namespace of staging");
    assert_eq!(key["candidates"][0]["owner"], "staging", "policies are told whose it is");

    // A preview never has production's: not by name, not through another environment.
    let mut direct = with("threads = true");
    shared(&mut direct, "preview/pr-42", "production");
    assert!(problems(&direct).contains("a preview never shares its data"), "{}", problems(&direct));
    shared(&mut site, "staging", "production");
    assert!(
        problems(&site).contains("staging has no threads namespace of its own to share"),
        "{}",
        problems(&site)
    );
    let mut named = with("threads = true");
    named.change_toml(APP, |file| {
        let name = toml_edit::value("acme-checkout-production-threads");
        file["environments"]["preview/pr-42"]["namespaces"]["threads"] = name;
    });
    let found = problems(&named);
    assert!(
        found.contains("acme-checkout-production-threads is the namespace of deployments.checkout"),
        "{found}"
    );

    for (owner, expected) in [
        ("nowhere", "there is no environment nowhere"),
        ("development", "does not use environment development"),
        ("staging", "staging has no threads namespace of its own to share"),
    ] {
        let mut site = with("threads = true");
        shared(&mut site, "staging", owner);
        assert!(problems(&site).contains(expected), "{owner}: {}", problems(&site));
    }
}

#[test]
fn row_08_what_is_no_namespace_is_refused_with_file_line_and_key() {
    for (lines, expected) in [
        ("threds = true", "namespaces.threds: not a kind of namespace"),
        ("threads = 1", "namespaces.threads: is an integer; write text"),
        ("threads = \"A-B\"", "namespaces.threads: not a valid variable name"),
        ("threads = true\nthreads = true", "not TOML: duplicate key"),
        ("threads = \"SAME\"\nmemory = \"SAME\"", "sets SAME, and so does"),
    ] {
        let found = problems(&with(lines));
        assert!(
            found.contains(expected) && found.starts_with("deployments/checkout.toml:"),
            "{lines}: {found}"
        );
    }
    let long = format!("\"{}\"", "a".repeat(256));
    for (value, expected) in [
        ("\"A\"", "not a valid namespace name"),
        ("\"\"", "not a valid namespace name"),
        (long.as_str(), "not a valid namespace name"),
        ("{ off = \"staging\" }", "unknown key"),
        ("{}", "`of` is missing"),
        ("1", "is an integer; write text"),
    ] {
        let mut site = with("threads = true");
        let staging = "[environments.staging.tools]";
        site.edit(APP, staging, &format!("[environments.staging.namespaces]\nthreads = {value}\n{staging}"));
        let found = problems(&site);
        assert!(
            found.contains(expected) && found.contains("environments.staging.namespaces.threads"),
            "{value}: {found}"
        );
    }
    let mut site = with("threads = true");
    let staging = "[environments.staging.tools]";
    site.edit(APP, staging, &format!("[environments.staging.namespaces]\nmemory = \"own\"\n{staging}"));
    assert!(problems(&site).contains("the deployment has no memory namespace"), "{}", problems(&site));
    // `a` in `b-c` and `a-b` in `c` come to one name.
    let mut site = with("threads = true");
    for (environment, id) in [("b-c", "5"), ("c", "6")] {
        let text = format!("type = \"test\"\nid = \"{}\"\n", id.repeat(32));
        site.write(&format!("environments/{environment}.toml"), text);
    }
    for (deployment, environment, id) in [("a", "b-c", "7"), ("a-b", "c", "8")] {
        let text = format!(
            "id = \"{}\"\n[namespaces]\nthreads = true\n[environments.{environment}]\n",
            id.repeat(32)
        );
        site.write(&format!("deployments/{deployment}.toml"), text);
    }
    let found = problems(&site);
    assert!(
        found.contains("acme-a-b-c-threads is the namespace of deployments.a.environments.b-c"),
        "{found}"
    );
    assert!(found.contains("deployments/a-b.toml:4:15"), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn row_08_a_push_that_gives_a_preview_production_s_data_changes_nothing() {
    let world = World::start().await;
    let mut directory = world.site.directory();
    let checkout = directory.configuration.deployments.get_mut("checkout").unwrap();
    let preview = checkout.environments.get_mut("preview/pr-42").unwrap();
    let of = NamespaceHere::Of("production".parse().unwrap());
    preview.namespaces.insert(NamespaceKind::Artifacts, of);
    let bundle = world.site.bundle_of(&directory, Revision(1));
    refused(&world, &bundle, "preview/pr-42 is a preview, and production is production").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_08_namespaces_by_api_are_renamed_shared_and_kept_from_previews() {
    let world = World::with(Site::small(0)).await;
    let names = json!({ "name": "shop", "environments": ["preview/pr-42", "production", "staging"] });
    world.by("admin", "POST", "/deployments?confirm=production", names).await.done();
    let path = "/deployments/shop/namespaces?confirm=production";
    let said = json!({ "kinds": { "threads": true, "memory": "MEMORY" }, "environments": {
        "preview/pr-42": { "threads": { "of": "staging" } },
        "staging": { "memory": "shop.qa", "threads": "shop.threads" },
    } });
    world.by("admin", "PUT", path, said.clone()).await.done();
    let world = world.restart().await;
    for (environment, threads, memory) in [
        ("production", "acme-shop-production-threads", "acme-shop-production-memory"),
        ("staging", "shop.threads", "shop.qa"),
        ("preview/pr-42", "shop.threads", "acme-shop-preview-pr-42-memory"),
    ] {
        let token = world.instance("shop", environment).await;
        let given = world.get_boot("/v1/boot", Some(&token)).await.done().environment();
        assert_eq!((given["NAMESPACE_THREADS"].as_str(), given["MEMORY"].as_str()), (threads, memory));
    }
    let shown = world.by("viewer", "GET", "/deployments/shop/namespaces", Value::Null).await.done().json();
    assert_eq!((&shown["kinds"], &shown["environments"]), (&said["kinds"], &said["environments"]));
    assert_eq!(shown["injected"]["preview/pr-42"][0]["source"], "threads namespace of staging");

    let with = |environment: &str, here: Value| json!({ "kinds": { "threads": true }, "environments": { environment: { "threads": here } } });
    for (body, expected) in [
        (json!({ "kinds": { "threds": true } }), "not a kind of namespace"),
        (json!({ "kinds": { "threads": "A-B" } }), "not a valid variable name"),
        (with("staging", json!("A")), "not a valid namespace name"),
        (with("preview/pr-42", json!({ "of": "production" })), "a preview never shares its data"),
        (with("staging", json!({ "of": "nowhere" })), "there is no environment nowhere"),
        (
            with("preview/pr-42", json!("acme-shop-production-threads")),
            "is the namespace of deployments.shop",
        ),
    ] {
        let refused = world.by("admin", "PUT", path, body).await;
        assert_eq!((refused.status, refused.code().as_str()), (422, "invalid"), "{}", refused.text());
        assert!(refused.text().contains(expected), "expected {expected}: {}", refused.text());
    }
}
