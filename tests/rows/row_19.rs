//! Fail fast: a required key that is missing, or has not the form that is asked of it.

use bootlace::{
    id::Revision,
    model::question::{Assignment, Decision, Fragment, Resolution},
    permit::{Grant, Refusal},
    source,
};

use super::{APP, refused};
use crate::world::{Site, World, site::guest};

/// The starter with these lines in place of what its deployment requires.
fn requiring(lines: &str) -> Site {
    let mut site = Site::starter();
    require(&mut site, lines);
    site
}

fn require(site: &mut Site, lines: &str) {
    let text = site.file(APP).to_owned();
    let (before, after) = text.split_once("[required]\n").unwrap();
    let (_, after) = after.split_once("\n\n").unwrap();
    site.write(APP, format!("{before}{lines}\n\n{after}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn row_19_a_boot_without_a_required_key_is_refused_naming_it() {
    // A policy that withholds everything from instances on Mars.
    let mut site = requiring("required.STRIPE_KEY = \"any\"\nrequired.PORT = \"port\"");
    site.write("policies/hostile.wasm", guest("hostile"));
    let hostile = "\n[policies.hostile]\ncomponent = \"policies/hostile.wasm\"\n[[attachments]]\npolicy = \"hostile\"\n\
                   environment = \"staging\"\nsettings = { mode = \"omit-all\", only-in = \"mars\" }\n";
    let policies = format!("{}{hostile}", site.file("policies.toml"));
    site.write("policies.toml", policies);
    let world = World::with(site).await;
    let boot = world.boot_with("staging", "region=mars").await;
    assert_eq!((boot.status, boot.code().as_str()), (422, "missing-required"), "{}", boot.text());
    assert_eq!(boot.json()["keys"], serde_json::json!(["PORT", "STRIPE_KEY"]));
    assert_eq!(world.boot("staging").await.status, 200);
    // Nothing sets it: not even the directory is built.
    let found = source::load(&requiring("required.NOPE = \"url\"").tree).unwrap_err().to_string();
    assert!(found.contains("NOPE is required in production and nothing sets it"), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn row_19_what_has_the_form_that_is_required_boots() {
    let lines = "required.PORT = \"port\"\nrequired.STRIPE_KEY = \"any\"\nrequired.FEATURE_APPLE_PAY = \"boolean\"\n\
                 required.WORKERS = { type = \"integer\", min = 1, max = 64 }\n\
                 required.DATABASE_URL = { type = \"url\", schemes = [\"postgres\"] }\n\
                 required.SENTRY_DSN = { type = \"url\", schemes = [\"https\"] }\n\
                 required.SESSION_SECRET = { type = \"pattern\", pattern = \"demo-[a-z]+-SESSION_SECRET-v1\" }";
    let world = World::with(requiring(lines)).await;
    for environment in ["production", "staging", "preview/pr-42"] {
        assert_eq!(world.environment(environment).await["PORT"], "8080", "{environment}");
    }
    let path = "/api/v1/deployments/checkout/explain?environment=production&key=WORKERS";
    let explained = world.admin("GET", path, world.site.token("viewer"), "").await.json();
    assert_eq!(explained["keys"][0]["expected"], "an integer from 1 to 64");
    // What is kept says the same after a restart.
    let world = world.restart().await;
    assert_eq!(world.environment("production").await["WORKERS"], "16");
}

#[test]
fn row_19_plain_values_of_another_form_are_found_when_the_directory_is_read() {
    let site = requiring("required.TAX_PROVIDER = { type = \"pattern\", pattern = \"[A-Z]+\" }");
    let found = source::load(&site.tree).unwrap_err().to_string();
    for (place, environment) in [("checkout.toml:31:1", "staging"), ("checkout.toml:49:1", "production")] {
        let line = found.lines().find(|line| line.contains(place) && line.contains(environment));
        assert!(line.is_some_and(|line| line.contains("is not a text of the pattern [A-Z]+")), "{found}");
    }
    assert!(!found.contains("flat") && !found.contains("live"), "no value is quoted: {found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn row_19_sealed_values_of_another_form_are_refused_at_the_push() {
    let world = World::start().await;
    let mut site = world.site.clone();
    require(&mut site, "required.STRIPE_KEY = { type = \"pattern\", pattern = \"sk_[a-z]+\" }");
    let answer =
        refused(&world, &site.bundle(Revision(1)), "STRIPE_KEY is not a text of the pattern sk_[a-z]+").await;
    assert!(!answer.text().contains("demo-"), "no value is quoted: {}", answer.text());
    assert!(answer.text().contains("checkout in staging"), "{}", answer.text());

    // A version that no boot would get, unless a policy chose it.
    let mut site = world.site.clone();
    let lines = "required.JWT_SIGNING_KEY = { type = \"pattern\", pattern = \".*-v1\" }";
    require(&mut site, lines);
    refused(
        &world,
        &site.bundle(Revision(1)),
        "JWT_SIGNING_KEY is not a text of the pattern .*-v1 (version 2, set by",
    )
    .await;

    // A password that a pattern does not expect, in a URL.
    let mut site = world.site.clone();
    require(&mut site, "required.DATABASE_URL = { type = \"pattern\", pattern = \"[a-z:/]+\" }");
    refused(
        &world,
        &site.bundle(Revision(1)),
        "DATABASE_URL is not a text of the pattern [a-z:/]+ (from orders-db)",
    )
    .await;

    // A template over a secret, as the plan itself fills it in.
    let mut site = world.site.clone();
    require(&mut site, "required.SENTRY_DSN = \"integer\"");
    let answer = refused(&world, &site.bundle(Revision(1)), "SENTRY_DSN is not an integer").await;
    assert!(!answer.text().contains("sentry.acme"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn row_19_what_only_a_choice_at_boot_makes_is_refused_at_that_boot() {
    let lines = "required.SIGNER = { type = \"pattern\", pattern = \".*-v1>\" }\nrequired.PORT = \"port\"";
    let mut site = requiring(lines);
    site.edit(APP, "WORKERS = 2\n", "WORKERS = 2\nSIGNER = { template = \"<${JWT_SIGNING_KEY}>\" }\n");
    site.edit("policies.toml", "percent = 10", "percent = 99");
    site.edit("policies.toml", "always = \"", "always = \"SIGNER,");
    let world = World::with(site).await;
    let old = world.boot("production").await;
    assert_eq!(old.status, 200, "{}", old.text());
    let new = world.boot_with("production", "instance=i-1").await;
    assert_eq!((new.status, new.code().as_str()), (422, "invalid"), "{}", new.text());
    assert_eq!(new.json()["keys"], serde_json::json!(["SIGNER"]));
    assert_eq!(new.json()["expected"]["SIGNER"], "a text of the pattern .*-v1>");
    assert!(!new.text().contains("demo-"), "{}", new.text());

    // A text that a policy writes itself.
    let (live, deployment) = (world.host.store.load_full(), "checkout".parse().unwrap());
    let served = live.workspace(&"acme".parse().unwrap()).unwrap();
    let prepared = served.prepared(&deployment, &"production".parse().unwrap()).unwrap();
    let variable = u32::try_from(prepared.plan.index_of("PORT").unwrap()).unwrap();
    let written = |text: &str| {
        let decision = Decision::Template(vec![Fragment::Literal(text.to_owned())]);
        let assignments = vec![Assignment { variable, decision, decided_by: 0 }];
        let resolution = Resolution { assignments, ..Resolution::default() };
        Grant::compose(prepared, &resolution, live.capsule_key()).map(drop)
    };
    assert_eq!(written("8081"), Ok(()));
    let Err(Refusal::Mistyped(found)) = written("eighty") else { panic!("accepted") };
    assert_eq!(
        found.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["PORT is not a port from 1 to 65535"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn row_19_requirements_over_a_limit_or_against_each_other_are_refused() {
    let world = World::start().await;
    let push = |site: &Site, change: &dyn Fn(&mut source::Directory)| {
        let mut directory = site.directory();
        change(&mut directory);
        site.bundle_of(&directory, Revision(1))
    };
    let patterns = |count: usize| {
        push(&world.site, &|directory| {
            let base = &mut directory.configuration.base;
            for at in 0..count {
                let expected = bootlace::model::ValueType::Pattern(".*".parse().unwrap());
                base.required.insert(format!("P{at}").parse().unwrap(), Some(expected));
            }
        })
    };
    let answer = world.push(&patterns(201), 1).await;
    assert_eq!((answer.status, answer.code().as_str()), (422, "invalid"), "{}", answer.text());
    assert!(answer.text().contains("more than 200 entries"), "{}", answer.text());
    let two = push(&world.site, &|directory| {
        let checkout = directory.configuration.deployments.get_mut("checkout").unwrap();
        let port = || "PORT".parse().unwrap();
        checkout.base.required.insert(port(), Some(bootlace::model::ValueType::Port));
        let here = checkout.environments.get_mut("staging").unwrap();
        here.layer.required.insert(port(), Some(bootlace::model::ValueType::Boolean));
    });
    let answer = world.push(&two, 1).await;
    assert!(answer.text().contains("deployments.checkout.environments.staging.required.PORT: must be true or false here and a port from 1 to 65535 in deployments.checkout.required.PORT"), "{}", answer.text());
    assert_eq!(world.boot("staging").await.header("bootlace-revision"), "1");
}
