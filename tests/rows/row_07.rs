//! Domains per environment: production the apex, the others by convention below it.

use bootlace::{id::Revision, model::DomainHere, source};
use serde_json::{Value, json};

use super::{APP, explained, problems, refused};
use crate::world::{Site, World};

#[tokio::test(flavor = "multi_thread")]
async fn row_07_domains_per_environment() {
    let world = World::start().await;
    for (environment, domain) in [
        ("production", "acme.example"),
        ("staging", "staging.acme.example"),
        ("preview/pr-42", "pr-42.preview.acme.example"),
    ] {
        let given = world.environment(environment).await;
        // The starter renames the URL's variable, and keeps the name's.
        assert_eq!(given["PUBLIC_DOMAIN"], domain, "{environment}");
        assert_eq!(given["PUBLIC_BASE_URL"], format!("https://{domain}"), "{environment}");
        assert!(!given.contains_key("PUBLIC_URL"), "{environment}");
        for key in ["PUBLIC_DOMAIN", "PUBLIC_BASE_URL"] {
            let key = explained(&world, environment, key).await;
            assert_eq!(key["source"], format!("domain of {environment}"), "{key}");
            assert_eq!((&key["layer"], &key["secret"]), (&"deployment-in-environment".into(), &false.into()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_07_an_environment_may_say_its_own_domain_or_none_and_names_may_be_switched_off() {
    let mut site = Site::starter();
    site.edit(APP, "url = \"PUBLIC_BASE_URL\"", "url = false");
    site.change_toml(APP, |file| {
        file["environments"]["staging"]["domain"] = toml_edit::value("xn--bcher-kva.example");
        file["environments"]["preview/pr-42"]["domain"] = toml_edit::value(false);
        // What is a domain elsewhere is whatever a layer says where there is none.
        file["variables"]["PUBLIC_DOMAIN"] = toml_edit::value("nowhere");
    });
    let world = World::with(site).await;
    assert_eq!(world.environment("production").await["PUBLIC_DOMAIN"], "acme.example");
    assert_eq!(world.environment("staging").await["PUBLIC_DOMAIN"], "xn--bcher-kva.example");
    assert_eq!(world.environment("preview/pr-42").await["PUBLIC_DOMAIN"], "nowhere");
    assert!(!world.environment("production").await.contains_key("PUBLIC_BASE_URL"));
    let overrode = explained(&world, "staging", "PUBLIC_DOMAIN").await["overrides"].clone();
    assert_eq!(overrode[0]["layer"], "deployment");
    // A restart reads back what was kept.
    let world = world.restart().await;
    assert_eq!(world.environment("staging").await["PUBLIC_DOMAIN"], "xn--bcher-kva.example");
}

#[test]
fn row_07_what_is_no_domain_or_claimed_twice_is_refused_with_file_line_and_key() {
    let own = |domain: &str| {
        let mut site = Site::starter();
        let domain = domain.to_owned();
        site.change_toml(APP, |file| file["environments"]["staging"]["domain"] = toml_edit::value(domain));
        problems(&site)
    };
    let long = format!("{}.example", "a".repeat(64));
    for bad in
        ["", "a_b.example", "A.example", "bücher.example", "10.0.0.1", "*.example", "a.example:80", &long]
    {
        let found = own(bad);
        assert!(found.contains("environments.staging.domain: not a valid domain"), "{bad}: {found}");
        assert!(found.starts_with("deployments/checkout.toml:"), "{found}");
    }
    let found = own("acme.example");
    assert!(
        found.contains("acme.example is the domain of deployments.checkout.environments.production.domain"),
        "{found}"
    );

    let edited = |from: &str, to: &str| {
        let mut site = Site::starter();
        site.edit(APP, from, to);
        problems(&site)
    };
    for (to, expected) in [
        ("", "domain: `apex` is missing"),
        ("apex = 1\n", "domain.apex: is an integer; write text"),
        ("apex = \"acme.example\"\napex = \"b.example\"\n", "not TOML: duplicate key"),
        ("apex = \"acme.example\"\nurll = \"X\"\n", "domain.urll: unknown key; did you mean `url`?"),
        ("apex = \"acme.example\"\nhost = \"A-B\"\n", "domain.host: not a valid variable name"),
        ("apex = \"acme.example\"\nhost = \"PUBLIC_BASE_URL\"\n", "sets PUBLIC_BASE_URL, and so does"),
    ] {
        let found = edited("apex = \"acme.example\"\n", to);
        assert!(found.contains(expected), "{to}: {found}");
    }
    let found = edited(
        "[environments.staging.variables]\n",
        "[environments.staging.variables]\nPUBLIC_DOMAIN = \"x\"\n",
    );
    assert!(found.contains("sets PUBLIC_DOMAIN, and so does"), "{found}");
    // A name that DNS cannot hold is not bent into one that another environment may have.
    let mut site = Site::starter();
    site.write("environments/load_test.toml", format!("type = \"test\"\nid = \"{}\"\n", "7".repeat(32)));
    let staging = "[environments.staging.tools]";
    site.edit(APP, staging, &format!("[environments.load_test]\n{staging}"));
    let found = problems(&site);
    assert!(
        found.contains("by convention, load_test.acme.example would be the domain of load_test"),
        "{found}"
    );
    // Two deployments, one apex.
    let mut site = Site::starter();
    let other = format!(
        "id = \"{}\"\n[domain]\napex = \"acme.example\"\n[environments.production]\n",
        "8".repeat(32)
    );
    site.write("deployments/shop.toml", other);
    let found = problems(&site);
    assert!(found.contains("deployments/shop.toml:4:15"), "{found}");
    assert!(
        found.contains("acme.example is the domain of deployments.checkout.environments.production"),
        "{found}"
    );
    assert!(source::parse(&site.tree).is_ok(), "it is written well, and not valid");
}

#[tokio::test(flavor = "multi_thread")]
async fn row_07_a_push_that_claims_a_domain_twice_changes_nothing() {
    let world = World::start().await;
    let mut directory = world.site.directory();
    let checkout = directory.configuration.deployments.get_mut("checkout").unwrap();
    let staging = checkout.environments.get_mut("staging").unwrap();
    staging.domain = DomainHere::Own("acme.example".parse().unwrap());
    let bundle = world.site.bundle_of(&directory, Revision(1));
    refused(
        &world,
        &bundle,
        "deployments.checkout.environments.staging.domain: acme.example is the domain of",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_07_domains_by_api_are_renamed_owned_switched_off_and_claimed_once() {
    let world = World::with(Site::small(0)).await;
    let names = json!({ "name": "shop", "environments": ["preview/pr-42", "production", "staging"] });
    world.by("admin", "POST", "/deployments?confirm=production", names).await.done();
    let path = "/deployments/shop/domains?confirm=production";
    let said = json!({ "apex": "shop.example", "host": true, "url": "SITE",
        "environments": { "staging": "qa.shop.example" } });
    world.by("admin", "PUT", path, said.clone()).await.done();
    let world = world.restart().await;
    for (environment, domain) in [
        ("production", "shop.example"),
        ("staging", "qa.shop.example"),
        ("preview/pr-42", "pr-42.preview.shop.example"),
    ] {
        let token = world.instance("shop", environment).await;
        let given = world.get_boot("/v1/boot", Some(&token)).await.done().environment();
        assert_eq!(given["PUBLIC_DOMAIN"], domain);
        assert_eq!(given["SITE"], format!("https://{domain}"));
    }
    // What is shown can be said again.
    let shown = world.by("viewer", "GET", "/deployments/shop/domains", Value::Null).await.done().json();
    for field in ["apex", "host", "url", "environments"] {
        assert_eq!(shown[field], said[field], "{field}");
    }
    let names: Vec<_> =
        shown["injected"]["staging"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["PUBLIC_DOMAIN", "SITE"]);

    let off = json!({ "apex": "shop.example", "url": false, "environments": { "staging": false } });
    world.by("admin", "PUT", path, off).await.done();
    let shown = world.by("viewer", "GET", "/deployments/shop/domains", Value::Null).await.done().json();
    assert_eq!(shown["injected"]["staging"], json!([]));
    assert_eq!(shown["injected"]["production"].as_array().unwrap().len(), 1);

    for (body, expected) in [
        (json!({ "apex": "shop_.example" }), "not a valid domain"),
        (json!({ "apex": "shop.example", "host": "A-B" }), "not a valid variable name"),
        (json!({ "apex": "shop.example", "host": "SAME", "url": "SAME" }), "sets SAME, and so does"),
        (
            json!({ "apex": "shop.example", "environments": { "staging": "shop.example" } }),
            "shop.example is the domain of deployments.shop.environments.production.domain",
        ),
        (json!({ "environments": { "staging": "qa.shop.example" } }), "the deployment has no [domain]"),
    ] {
        let refused = world.by("admin", "PUT", path, body).await;
        assert_eq!((refused.status, refused.code().as_str()), (422, "invalid"), "{}", refused.text());
        assert!(refused.text().contains(expected), "expected {expected}: {}", refused.text());
    }
    world.by("admin", "PUT", path, json!({})).await.done();
    let shown = world.by("viewer", "GET", "/deployments/shop/domains", Value::Null).await.done().json();
    assert_eq!((&shown["apex"], &shown["injected"]["production"]), (&Value::Null, &json!([])));
}
