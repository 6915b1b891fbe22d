//! Parity: the same keys, different values. What is missing, extra, or of another type or secrecy is told,
//! and no value is compared.

use serde_json::{Value, json};

use super::APP;
use crate::world::{Answer, Site, World};

async fn parity(world: &World, query: &str) -> Answer {
    let path = format!("/api/v1/deployments/checkout/parity?{query}");
    world.admin("GET", &path, world.site.token("viewer"), "").await
}

fn key<'a>(told: &'a Value, name: &str) -> &'a Value {
    let found = told["keys"].as_array().unwrap().iter().find(|key| key["name"] == name);
    found.unwrap_or_else(|| panic!("{name} in {told:#}"))
}

/// Two environments that have the same keys with other values, until a test says otherwise.
fn level() -> Site {
    Site::small(7)
}

#[tokio::test(flavor = "multi_thread")]
async fn row_18_the_same_keys_with_different_values_are_level() {
    let world = World::with(level()).await;
    let answer = parity(&world, "environments=production,staging").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let told = answer.json();
    assert_eq!((&told["same"], &told["keys"]), (&json!(true), &json!([])), "{told:#}");
    let (one, other) = (world.environment("production").await, world.environment("staging").await);
    assert_ne!(one, other, "their values do differ");
    assert_eq!(told["compared"], one.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn row_18_what_is_missing_extra_or_of_another_type_or_secrecy_is_told_masked() {
    let mut site = level();
    let secret = site.seal(&site.address("staging", "API_KEY", 1), b"hunter2-hunter2").unwrap();
    site.set_plain("production", "API_KEY", "in the clear");
    site.change_toml(APP, |file| {
        let mut sealed = toml_edit::InlineTable::new();
        sealed.insert("secret", secret.as_str().into());
        sealed.insert("description", "calls the API".into());
        file["environments"]["staging"]["variables"]["API_KEY"] = toml_edit::value(sealed);
        file["environments"]["staging"]["variables"]["ONLY_STAGING"] = toml_edit::value("x");
        file["environments"]["production"]["variables"]["NOT_IN_PREVIEW"] = toml_edit::value("1");
        file["environments"]["staging"]["variables"]["NOT_IN_PREVIEW"] = toml_edit::value("2");
    });
    let world = World::with(site).await;
    let answer = parity(&world, "").await;
    let told = answer.json();
    assert_eq!(told["environments"], json!(["preview/pr-42", "production", "staging"]));
    let differs = |name: &str| key(&told, name)["differs"].clone();
    assert_eq!(differs("API_KEY"), json!(["missing", "secrecy"]));
    assert_eq!(key(&told, "API_KEY")["environments"]["staging"]["value"], "••••");
    assert_eq!(key(&told, "API_KEY")["environments"]["production"]["value"], "in …");
    assert_eq!(differs("ONLY_STAGING"), json!(["missing", "extra"]));
    assert_eq!(differs("NOT_IN_PREVIEW"), json!(["missing"]));
    assert_eq!(key(&told, "NOT_IN_PREVIEW")["missing"], json!(["preview/pr-42"]));
    let url = key(&told, "DATABASE_URL");
    assert_eq!(url["differs"], json!(["type", "secrecy"]));
    let kinds = ["production", "preview/pr-42"].map(|name| url["environments"][name]["type"].clone());
    assert_eq!(kinds, ["postgres", "text"]);
    assert!(!answer.text().contains("hunter2") && !answer.text().contains("user-7"), "{}", answer.text());

    let two = parity(&world, "environments=production,staging").await.json();
    let names: Vec<_> = two["keys"].as_array().unwrap().iter().map(|key| key["name"].clone()).collect();
    assert_eq!(names, ["API_KEY", "ONLY_STAGING"]);
    for (query, status) in [
        ("environments=staging,nowhere", 404),
        ("environments=staging,development", 404),
        ("environments=", 404),
        ("environments=staging,staging", 400),
    ] {
        assert_eq!(parity(&world, query).await.status, status, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_18_the_command_line_fails_a_pipeline_where_it_is_asked_to() {
    let world = World::with(level()).await;
    let viewer = world.site.token("viewer");
    let line = "parity -d checkout production staging";
    assert_eq!(world.cli(viewer, &format!("{line} --exit-code")).await.0, 0);
    let set = json!({ "environment": "staging", "name": "NEW_KEY", "value": "x" }).to_string();
    let path = "/api/v1/deployments/checkout/env";
    assert_eq!(world.admin("POST", path, world.site.token("admin"), set).await.status, 200);
    let (code, told, _) = world.cli(viewer, &format!("{line} --exit-code")).await;
    assert_eq!(code, 1);
    let expected = "\
KEY\tDIFFERS IN\tENVIRONMENT\tTYPE\tVALUE
NEW_KEY\tmissing, extra\tproduction\tmissing\t-
NEW_KEY\tmissing, extra\tstaging\ttext\t…
checkout in production, staging, revision 2: 13 keys, 1 differ
";
    assert_eq!(told, expected);
    assert_eq!(world.cli(viewer, line).await.0, 0, "without being asked to, it is told and no failure");
    assert_eq!(world.json(viewer, line).await["same"], false);
}
