//! `bootlace usage` and `bootlace audit query --host`: what was done, asked from elsewhere, page by page.

use bootlace::id::{Uid, UnixSeconds};
use serde_json::{Value, json};

use crate::world::{
    NOON, Site, World, blocking,
    program::{asking, finish},
};

#[tokio::test(flavor = "multi_thread")]
async fn usage_is_told_by_environment_and_key() {
    let world = World::with(Site::small(0)).await;
    let viewer = world.site.token("viewer");
    let etag = world.boot("staging").await.header("etag").to_owned();
    world.clock.advance(UnixSeconds(NOON.0 + 60));
    let again = world.boot_as("staging", "GET", "", &[("if-none-match", &etag)], "").await;
    assert_eq!(again.status, 304);
    let told = world.ok(viewer, "usage").await;
    for line in [
        "DEPLOYMENT\tENVIRONMENT\tBOOTS\tUNCHANGED\tDENIED\tREFUSED\tLAST BOOT",
        "checkout\tproduction\t0\t0\t0\t0\tnever",
        "checkout\tstaging\t1\t1\t0\t0\t2026-11-22T12:01:00Z",
        "since 2026-11-22T12:00:00Z, when the host was started",
    ] {
        assert!(told.lines().any(|found| found == line), "{line} in {told}");
    }
    let keys = world.ok(viewer, "usage -e staging --keys").await;
    assert!(keys.contains("checkout\tstaging\tDATABASE_URL\t2026-11-22T12:00:00Z\n"), "{keys}");
    assert!(!keys.contains("production"), "{keys}");
    assert_eq!(world.json(viewer, "usage -d search").await["usage"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_of_more_than_a_page_is_told_whole() {
    let mut site = Site::small(0);
    for number in 0..110_u8 {
        let id = Uid([number + 1; 16]);
        let app = format!(
            "id = \"{id}\"\n[environments.production.variables]\nX = 1\n[environments.staging.variables]\nX = 1\n"
        );
        site.write(&format!("deployments/app-{number}.toml"), app);
    }
    let world = World::with(site).await;
    let told = world.json(world.site.token("viewer"), "usage").await;
    let pairs = told["usage"].as_array().unwrap();
    let mut names: Vec<_> =
        pairs.iter().map(|pair| (pair["deployment"].to_string(), pair["environment"].to_string())).collect();
    names.sort();
    names.dedup();
    assert!(names.len() == pairs.len() && names.len() > 220, "{} of {}", names.len(), pairs.len());
    assert_eq!(told["next"], Value::Null);
    let one = world.json(world.site.token("viewer"), "usage -d app-109").await;
    assert_eq!(one["usage"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_asked_of_a_host_by_every_filter() {
    let world = World::with(Site::small(0)).await;
    let (admin, viewer) = (world.site.token("admin"), world.site.token("viewer"));
    world.clock.advance(UnixSeconds(NOON.0 + 60));
    world.boot("staging").await;
    world.clock.advance(UnixSeconds(NOON.0 + 120));
    world.boot("production").await;
    world.ok(admin, "var set -d checkout -e staging LEVEL=debug").await;
    for (filter, expected) in [
        ("--kind boot", &["boot production", "boot staging"][..]),
        ("-e staging --kind boot", &["boot staging"]),
        ("--kind boot --since 2026-11-22T12:02:00Z", &["boot production"]),
        ("--kind boot --until 2026-11-22T12:01:00Z", &["boot staging"]),
        ("--kind change", &["change "]),
        ("--key-name DB_PASSWORD -e production", &["boot production"]),
        ("--kind reveal", &[]),
    ] {
        let told = world.json(viewer, &format!("audit query --host {filter}")).await;
        let text = |record: &Value, name: &str| record[name].as_str().unwrap_or_default().to_owned();
        let told: Vec<_> = told["records"]
            .as_array()
            .unwrap()
            .iter()
            .map(|record| format!("{} {}", text(record, "kind"), text(record, "environment")))
            .collect();
        assert_eq!(told, expected, "{filter}");
    }
    let table = world.ok(viewer, "audit query --host --kind boot --limit 1").await;
    assert!(table.contains("2026-11-22T12:02:00Z\tboot\tallowed\t") && !table.contains("staging"), "{table}");
    let principal =
        world.json(viewer, "audit query --host --kind change").await["records"][0]["principal"].clone();
    let mut command = asking(world.admin_address(), viewer);
    command.args(["audit", "query", "--host", "--json", "--principal", principal.as_str().unwrap()]);
    let told = blocking(|| finish(command)).await;
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(told["records"].as_array().unwrap().len(), 1, "{told}");

    // An operator names a workspace, in either way; where is said once.
    let operator = &world.operator;
    assert_eq!(world.cli(operator, "audit query --host").await.0, 1);
    assert!(world.ok(operator, "audit query --host --workspace acme --kind push").await.contains("\tpush\t"));
    let mut command = asking(world.admin_address(), operator);
    command.env("BOOTLACE_WORKSPACE", "acme").args(["audit", "query", "--host"]);
    assert!(blocking(|| finish(command)).await.status.success());
    for wrong in ["audit query", "audit query --host --data .", "audit query --host --limit 0"] {
        assert_eq!(world.cli(viewer, wrong).await.0, 2, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_asked_for_as_many_pages_as_are_wanted() {
    let world = World::with(Site::small(0)).await;
    let viewer = world.site.token("viewer");
    for _ in 0..210 {
        assert_eq!(world.boot("staging").await.status, 200);
    }
    let ids = |told: &Value| -> Vec<String> {
        told["records"].as_array().unwrap().iter().map(|record| record["id"].to_string()).collect()
    };
    let all = world.json(viewer, "audit query --host --kind boot --limit 1000").await;
    assert_eq!((ids(&all).len(), &all["next"]), (210, &Value::Null));
    let most = world.json(viewer, "audit query --host --kind boot --limit 205").await;
    let cursor = most["next"].as_str().unwrap();
    let rest = world.json(viewer, &format!("audit query --host --kind boot --after {cursor}")).await;
    assert_eq!((ids(&most).len(), ids(&rest).len()), (205, 5));
    assert_eq!([ids(&most), ids(&rest)].concat(), ids(&all));
    let (_, _, said) = world.cli(viewer, "audit query --host --kind boot --limit 205").await;
    assert_eq!(said.trim(), format!("older records: --after {cursor}"));
}
