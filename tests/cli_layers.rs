//! `bootlace var` without a deployment: what everybody is given. Who forgets `--deployment` meant one of
//! them, and changes nothing.

use serde_json::Value;

use crate::world::{Site, World};

const STAGING: [&str; 3] = ["--all-deployments", "-e", "staging"];
const EVERYWHERE: [&str; 3] = ["--all-deployments", "--confirm", "production"];

fn line<'a>(verb: &'a str, place: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [&[verb], place, more].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn everybodys_values_are_set_listed_told_exported_and_unset() {
    let world = World::with(Site::small(0)).await;
    let said = world.vars(0, &line("set", &EVERYWHERE, &["BANNER=base", "ONLY_BASE=1"]), "").await;
    assert!(said.contains("2 values of every deployment in every environment are set"), "{said}");
    let said = world.vars(0, &line("set", &STAGING, &["BANNER=of staging"]), "").await;
    assert!(said.contains("BANNER of every deployment in staging is set"), "{said}");
    world
        .vars(0, &line("set", &STAGING, &["SIGNING_KEY", "--secret", "--description", "signs"]), "hunter2")
        .await;
    let staging = world.environment("staging").await;
    assert_eq!((staging["BANNER"].as_str(), staging["SIGNING_KEY"].as_str()), ("of staging", "hunter2"));
    assert_eq!(world.environment("production").await["BANNER"], "base");

    // What is only looked at needs no word for it.
    let list = world.vars(0, &["list", "-e", "staging"], "").await;
    let row = |list: &str, name: &str| list.lines().find(|line| line.starts_with(name)).map(str::to_owned);
    assert_eq!(row(&list, "BANNER\t").unwrap(), "BANNER\tof…\tenvironment\t1\tapi\t3\t");
    assert!(row(&list, "SIGNING_KEY\t").unwrap().contains("\t••••\tenvironment\t1\tapi\t"));
    assert!(row(&list, "ONLY_BASE\t").is_none() && list.contains("every deployment in staging, revision 4"));
    let list = world.vars(0, &["list"], "").await;
    assert_eq!(row(&list, "ONLY_BASE\t").unwrap(), "ONLY_BASE\t…\tworkspace\t1\tapi\t2\t");
    let versions = world.vars(0, &["versions", "-e", "staging", "BANNER", "--json"], "").await;
    let versions: Value = serde_json::from_str(&versions).unwrap();
    assert_eq!((&versions["versions"][0]["version"], &versions["owner"]), (&1.into(), &"api".into()));
    let exported = world.vars(0, &["export", "-e", "staging"], "").await;
    let exported: Value = serde_json::from_str(&exported).unwrap();
    assert_eq!((&exported["env"]["BANNER"], &exported["deployment"]), (&"of staging".into(), &Value::Null));

    let file = world.file("common.env", "BANNER=imported\nIMPORTED=1\n");
    world.vars(0, &line("import", &STAGING, &[&file]), "").await;
    world.vars(0, &line("import", &EVERYWHERE, &[&file, "--keep-existing"]), "").await;
    let (staging, production) = (world.environment("staging").await, world.environment("production").await);
    assert_eq!((staging["BANNER"].as_str(), production["BANNER"].as_str()), ("imported", "base"));
    assert_eq!((staging["IMPORTED"].as_str(), production["IMPORTED"].as_str()), ("1", "1"));
    world.vars(0, &line("unset", &STAGING, &["BANNER"]), "").await;
    assert_eq!(world.environment("staging").await["BANNER"], "base");
    world.vars(0, &line("unset", &EVERYWHERE, &["BANNER"]), "").await;
    assert!(!world.environment("staging").await.contains_key("BANNER"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_revoked_once_another_is_in_force() {
    let world = World::with(Site::small(0)).await;
    let set = ["set", "-d", "checkout", "-e", "staging", "PASSWORD", "--secret", "--description", "opens"];
    world.vars(0, &set, "hunter2-1").await;
    let revoke = ["revoke", "-d", "checkout", "-e", "staging", "PASSWORD", "--version", "1"];
    assert!(world.vars(1, &revoke, "").await.contains("set a new one first"));
    world.vars(0, &set, "hunter2-2").await;
    let said = world.vars(0, &revoke, "").await;
    assert!(said.contains("version 1 of PASSWORD of checkout in staging is revoked"), "{said}");
    let versions = world.vars(0, &["versions", "-d", "checkout", "-e", "staging", "PASSWORD"], "").await;
    let revoked: Vec<_> =
        versions.lines().skip(2).map(|line| line.split('\t').nth(6).unwrap().is_empty()).collect();
    assert_eq!(revoked, [true, false], "{versions}");
    assert_eq!(world.environment("staging").await["PASSWORD"], "hunter2-2");
    let everybody = ["revoke", "-e", "staging", "PASSWORD", "--version", "1"];
    assert!(world.vars(2, &everybody, "").await.contains("--all-deployments"));
    world.vars(1, &line("revoke", &STAGING, &["PASSWORD", "--version", "1"]), "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn templates_and_required_keys_are_said_in_every_layer() {
    let world = World::with(Site::small(0)).await;
    world.vars(0, &line("set", &STAGING, &["CACHE_HOST=a b", "PORT=80"]), "").await;
    world.vars(0, &line("set", &STAGING, &["URL", "--template", "http://${CACHE_HOST|percent}"]), "").await;
    assert_eq!(world.environment("staging").await["URL"], "http://a%20b");
    let said = world.vars(0, &line("require", &STAGING, &["PORT=port", "URL=url"]), "").await;
    assert!(said.contains("PORT, URL of every deployment in staging: required"), "{said}");
    assert!(world.vars(1, &line("set", &STAGING, &["PORT=x"]), "").await.contains("PORT"));
    let list = world.vars(0, &["list", "-e", "staging"], "").await;
    assert!(list.contains("PORT=port, URL=url"), "{list}");
    world.vars(0, &line("require", &STAGING, &["PORT", "--off"]), "").await;
    world.vars(0, &line("set", &STAGING, &["PORT=x"]), "").await;
    assert!(world.vars(2, &["require", "-e", "staging", "PORT"], "").await.contains("--all-deployments"));
    assert!(
        world.vars(2, &line("set", &STAGING, &["A=1", "--template", "x"]), "").await.contains("one NAME")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_deployment_or_confirmation_changes_nothing() {
    let world = World::with(Site::small(0)).await;
    let before = (world.environment("staging").await, world.environment("production").await);
    let file = world.file("common.env", "BANNER=imported\n");
    for words in [
        &["set", "BANNER=x"][..],
        &["set", "-e", "staging", "BANNER=x"],
        &["set", "-e", "staging", "KEY", "--secret", "--description", "x"],
        &["unset", "-e", "staging", "LOG_LEVEL"],
        &["import", "-e", "staging", &file],
        &["import", &file, "--dry-run"],
    ] {
        let said = world.vars(2, words, "hunter2").await;
        assert!(said.contains("--deployment") && said.contains("--all-deployments"), "{words:?}: {said}");
    }
    let both = ["set", "-d", "checkout", "--all-deployments", "A=1"];
    assert!(world.vars(2, &both, "").await.contains("cannot be used with"));
    for place in [&["--all-deployments"][..], &["--all-deployments", "-e", "production"]] {
        let said = world.vars(1, &line("set", place, &["BANNER=x"]), "").await;
        assert!(said.contains("production is protected"), "{said}");
        let secret = line("set", place, &["KEY", "--secret", "--description", "x"]);
        let (code, _, said) = world.run_var(world.site.token("developer"), &secret, "hunter2").await;
        assert!(code == 1 || said.contains("--environment"), "{said}");
    }
    assert_eq!((world.environment("staging").await, world.environment("production").await), before);
}
