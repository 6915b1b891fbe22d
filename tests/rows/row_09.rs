//! Tool configuration profiles per environment, with their own credentials.

use std::collections::BTreeMap;

use bootlace::{
    id::{CredentialName, Revision},
    model::{Address, Credential, InputValue, PlainValue},
};
use serde_json::{Value, json};

use super::{APP, explained, problems, refused};
use crate::world::{Site, World};

type Credentials = BTreeMap<CredentialName, Credential<InputValue>>;

const TOOL: &str = "tools/webhook.toml";

fn address(site: &Site, environment: &str, version: u64) -> Address {
    let names = (&"webhook".parse().unwrap(), &"token".parse().unwrap());
    Address::tool_credential(site.ids.workspace, site.uid(environment), names, version)
}

#[tokio::test(flavor = "multi_thread")]
async fn row_09_tool_profiles_with_their_own_credentials() {
    let world = World::start().await;
    for (environment, short, host) in [
        ("production", "production", "https://partners.acme.example/hooks"),
        ("staging", "staging", "https://sandbox.partners.acme.example/hooks"),
        ("preview/pr-42", "preview", "https://sandbox.partners.acme.example/previews"),
    ] {
        let given = world.environment(environment).await;
        let settings: serde_json::Value = serde_json::from_str(&given["TOOL_WEBHOOK"]).unwrap();
        assert_eq!(settings["url"], host);
        assert!(settings["retries"].is_u64(), "{settings}");
        assert_eq!(given["TOOL_WEBHOOK_TOKEN"], format!("demo-{short}-webhook-token-v1"));
        let token = explained(&world, environment, "TOOL_WEBHOOK_TOKEN").await;
        assert_eq!((&token["secret"], &token["value"]), (&true.into(), &"••••".into()));
        assert_eq!(token["source"], format!("tool webhook of {environment}"));
        let settings = explained(&world, environment, "TOOL_WEBHOOK").await;
        assert_eq!((&settings["secret"], &settings["value"]), (&false.into(), &"{\"re…".into()));
    }
    // Kept sealed: neither settings nor credentials are on the disk in the clear.
    let world = world.restart().await;
    assert_eq!(world.environment("staging").await["TOOL_WEBHOOK_TOKEN"], "demo-staging-webhook-token-v1");
    for blob in std::fs::read_dir(world.data.path().join("blobs")).unwrap() {
        let bytes = std::fs::read(blob.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("webhook-token-v1") && !text.contains("partners.acme.example"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_09_what_a_tool_injects_may_be_renamed_and_its_credential_has_versions() {
    let mut site = Site::starter();
    let renamed = "webhook = { settings = \"HOOK\", credentials = { token = \"HOOK_TOKEN\" } }";
    let staging = "[environments.staging.tools]\n";
    site.edit(APP, &format!("{staging}webhook = true"), &format!("{staging}{renamed}"));
    site.edit("policies.toml", "always = \"", "always = \"HOOK,HOOK_TOKEN,");
    let old = site.seal(&address(&site, "staging", 1), b"old").unwrap();
    let new = site.seal(&address(&site, "staging", 2), b"new").unwrap();
    site.change_toml(TOOL, |file| {
        let versions = format!("V = {{ versions = [{{ number = 1, secret = \"{old}\" }}, {{ number = 2, secret = \"{new}\" }}], current = 1 }}");
        let versions: toml_edit::DocumentMut = versions.parse().unwrap();
        file["profiles"]["staging"]["credentials"]["token"] = versions["V"].clone();
    });
    let world = World::with(site).await;
    let given = world.environment("staging").await;
    assert_eq!((given["HOOK_TOKEN"].as_str(), given.contains_key("TOOL_WEBHOOK_TOKEN")), ("old", false));
    assert!(given["HOOK"].starts_with('{') && !given.contains_key("TOOL_WEBHOOK"));
    assert_eq!(explained(&world, "staging", "HOOK_TOKEN").await["candidates"].as_array().unwrap().len(), 2);
    assert!(world.environment("production").await.contains_key("TOOL_WEBHOOK"));
}

#[tokio::test(flavor = "multi_thread")]
async fn row_09_a_credential_opens_in_its_own_place_only() {
    let world = World::start().await;
    let tools = |change: &dyn Fn(&mut Credentials)| {
        let mut directory = world.site.directory();
        let webhook = directory.configuration.tools.get_mut("webhook").unwrap();
        change(&mut webhook.profiles.get_mut("staging").unwrap().credentials);
        world.site.bundle_of(&directory, Revision(1))
    };
    // Production's text in staging's profile, and staging's under another name.
    let production = {
        let directory = world.site.directory();
        directory.configuration.tools["webhook"].profiles["production"].credentials["token"].clone()
    };
    let swapped =
        tools(&|credentials| drop(credentials.insert("token".parse().unwrap(), production.clone())));
    refused(&world, &swapped, "webhook/token: ").await;
    let renamed = tools(&|credentials| {
        let token = credentials.remove("token").unwrap();
        credentials.insert("key".parse().unwrap(), token);
    });
    refused(&world, &renamed, "webhook/key: ").await;
    let plain = tools(&|credentials| {
        let token = credentials.values_mut().next().unwrap();
        token.versions[0].value = InputValue::Plain(PlainValue::Text("canary-in-the-clear".into()));
    });
    let answer = refused(
        &world,
        &plain,
        "tools.webhook.profiles.staging.credentials.token: is secret, but not sealed",
    )
    .await;
    assert!(!answer.text().contains("canary"), "{}", answer.text());
}

#[test]
fn row_09_what_is_no_profile_is_refused_with_file_line_and_key() {
    let settings =
        "settings = { url = \"https://partners.acme.example/hooks\", retries = 5, timeout_ms = 2000 }\n";
    let token = "credentials.token = ";
    let uses = "[environments.production.tools]\nwebhook = true";
    let many: String = (0..17).map(|at| format!("credentials.t{at} = \"sealed:1:x\"\n")).collect();
    let large = format!("settings = {{ text = \"{}\" }}\n", "x".repeat(64 << 10));
    for (file, from, to, expected) in [
        (TOOL, settings, "settings = \"x\"\n", "profiles.production.settings: is a string; write a table"),
        (TOOL, settings, "settings = { at = 2026-01-01 }\n", "JSON has no dates"),
        (TOOL, settings, &large, "profiles.production.settings: settings of 65"),
        (TOOL, settings, "setings = {}\n", "unknown key; did you mean `settings`?"),
        (TOOL, settings, &many, "18 credentials are too many; at most 16"),
        (TOOL, token, "credentials.token = \"hunter2\" #", "credentials.token: is secret, but not sealed"),
        (TOOL, token, "credentials.\"to ken\" = ", "not a valid credential name"),
        (TOOL, token, "credentials.token = 1 #", "profiles.production.credentials.token"),
        (TOOL, "[profiles.production]", "[profiles.prod]", "there is no environment prod"),
        (TOOL, "[profiles.production]", "[profiles.\"a b\"]", "not a valid environment name"),
        (
            TOOL,
            "[profiles.production]",
            "[profiles.development]\n[profiles.production]",
            "a profile gives settings or credentials",
        ),
        (TOOL, "description", "descripton", "did you mean `description`?"),
        (
            APP,
            uses,
            "[environments.production.tools]\nwebhok = true",
            "tools.webhok: there is no tool webhok",
        ),
        (APP, uses, "[environments.production.tools]\nwebhook = \"X\"", "tools.webhook: is no use of a tool"),
        (
            APP,
            uses,
            "[environments.production.tools]\nwebhook = { setings = \"X\" }",
            "did you mean `settings`?",
        ),
        (
            APP,
            uses,
            "[environments.production.tools]\nwebhook.credentials.key = \"X\"",
            "has no credential key",
        ),
        (
            APP,
            uses,
            "[environments.production.tools]\nwebhook.settings = \"A-B\"",
            "not a valid variable name",
        ),
        (
            APP,
            uses,
            "[environments.production.tools]\nwebhook.settings = \"STRIPE_KEY\"",
            "sets STRIPE_KEY, and so does",
        ),
    ] {
        let mut site = Site::starter();
        site.edit(file, from, to);
        let found = problems(&site);
        assert!(found.contains(expected), "{to}\nexpected: {expected}\nfound: {found}");
        assert!(found.lines().all(|line| line.contains(".toml:")) && !found.contains("hunter2"), "{found}");
    }
    // No environment is given another's profile.
    let mut site = Site::starter();
    let text = site.file(TOOL).split("[profiles.staging]").next().unwrap().to_owned();
    site.write(TOOL, text);
    assert!(problems(&site).contains("tool webhook has no profile for staging"), "{}", problems(&site));
}

#[tokio::test(flavor = "multi_thread")]
async fn row_09_tools_by_api_keep_their_credentials_to_themselves() {
    let world = World::with(Site::small(0)).await;
    let shop = json!({ "name": "shop", "environments": ["production", "staging"] });
    world.by("admin", "POST", "/deployments?confirm=production", shop).await.done();
    let profile = json!({ "settings": { "url": "https://canary.example", "retries": 5 },
        "credentials": { "token": "canary-1", "api-key": "canary-2" } });
    let crm = json!({ "name": "crm", "description": "customers", "profiles": { "staging": profile } });
    world.by("developer", "POST", "/tools", crm).await.done();
    let uses = |here: Value| json!({ "environments": { "staging": { "crm": here } } });
    world.by("developer", "PUT", "/deployments/shop/tools", uses(json!(true))).await.done();
    let token = world.instance("shop", "staging").await;
    let given = world.get_boot("/v1/boot", Some(&token)).await.done().environment();
    assert_eq!(given["TOOL_CRM"], r#"{"retries":5,"url":"https://canary.example"}"#);
    assert_eq!(
        (given["TOOL_CRM_TOKEN"].as_str(), given["TOOL_CRM_API_KEY"].as_str()),
        ("canary-1", "canary-2")
    );

    // Renamed, one credential renewed and one gone; the settings stay.
    let renewed =
        json!({ "profiles": { "staging": { "credentials": { "token": "canary-3", "api-key": null } } } });
    world.by("developer", "PATCH", "/tools/crm", renewed).await.done();
    let renamed = json!({ "settings": "CRM", "credentials": { "token": "CRM_TOKEN" } });
    world.by("developer", "PUT", "/deployments/shop/tools", uses(renamed.clone())).await.done();
    let world = world.restart().await;
    let given = world.get_boot("/v1/boot", Some(&token)).await.done().environment();
    assert_eq!((given["CRM_TOKEN"].as_str(), given["CRM"].contains("canary.example")), ("canary-3", true));
    assert!(given.keys().all(|name| !name.starts_with("TOOL_")), "{given:?}");

    // No environment is given another's profile; production's is an admin's, who says so.
    let everywhere = json!({ "environments": { "production": { "crm": true }, "staging": { "crm": true } } });
    let path = "/deployments/shop/tools";
    assert_eq!(world.by("developer", "PUT", path, everywhere.clone()).await.status, 403);
    let refused = world.by("admin", "PUT", &format!("{path}?confirm=production"), everywhere).await;
    assert!(refused.text().contains("tool crm has no profile for production"), "{}", refused.text());
    let production =
        json!({ "profiles": { "production": { "credentials": { "token": "canary of production" } } } });
    assert_eq!(world.by("developer", "PATCH", "/tools/crm", production.clone()).await.status, 403);
    assert_eq!(
        world.by("admin", "PATCH", "/tools/crm", production.clone()).await.json()["confirm"],
        "production"
    );
    world.by("admin", "PATCH", "/tools/crm?confirm=production", production).await.done();

    let shown = world.by("viewer", "GET", "/tools/crm", Value::Null).await.done();
    let staging = &shown.json()["profiles"]["staging"];
    assert_eq!((&staging["settings"], &staging["credentials"]), (&json!(true), &json!({ "token": 2 })));
    assert_eq!(staging["used_by"][0]["injected"], json!({ "CRM": "settings", "CRM_TOKEN": "token" }));
    let uses = world.by("viewer", "GET", path, Value::Null).await.done();
    assert_eq!(uses.json()["environments"]["staging"]["crm"], renamed);
    let all = world.by("viewer", "GET", "/tools", Value::Null).await.done();
    let used = world.by("admin", "DELETE", "/tools/crm?confirm=production", Value::Null).await;
    assert!(used.text().contains("tool crm is in use by shop in staging"), "{}", used.text());
    let wrong = json!({ "profiles": { "staging": { "credentials": { "token": 17, "x": "canary-4" } } } });
    let wrong = world.by("developer", "PATCH", "/tools/crm", wrong).await;
    assert_eq!(wrong.status, 400);
    let audit = format!("{:?}", crate::audit::records(world.data.path()));
    for text in [shown.text(), uses.text(), all.text(), used.text(), wrong.text(), &audit] {
        assert!(!text.contains("canary"), "{text}");
    }
}
