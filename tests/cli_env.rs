//! `bootlace env`: environments from the command line, made, changed and deleted; a protected one not
//! without its name said twice, and none that somebody else changed meanwhile.

use serde_json::{Value, json};

use crate::world::{
    Site, World, blocking,
    program::{asking, finish},
};

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_is_made_shown_changed_and_deleted() {
    let world = World::with(Site::small(0)).await;
    let admin = world.site.token("admin");
    let made = world.ok(admin, "env create qa/eu --type test --label region=eu --label team=search").await;
    assert!(made.contains("revision 2") && made.contains("environment qa/eu is made"), "{made}");
    let shown = world.json(admin, "env show qa/eu").await;
    assert_eq!(
        (&shown["type"], &shown["protected"], &shown["etag"]),
        (&json!("test"), &json!(false), &json!("\"2\""))
    );

    world.ok(admin, "env set qa/eu --deprecated --label team=payments --remove-label region").await;
    let shown = world.json(admin, "env show qa/eu").await;
    assert_eq!((&shown["deprecated"], &shown["labels"]), (&json!(true), &json!({ "team": "payments" })));
    world.ok(admin, "env set qa/eu --deprecated=false").await;
    let shown = world.json(admin, "env show qa/eu").await;
    assert_eq!((&shown["deprecated"], &shown["labels"]["team"]), (&json!(false), &json!("payments")));

    let list = world.ok(admin, "env list").await;
    let row = list.lines().find(|line| line.starts_with("qa/eu\t")).unwrap();
    assert_eq!(row, "qa/eu\ttest\t\t\t\tnever\tapi\t4", "{list}");
    world.ok(admin, "env delete qa/eu").await;
    let (code, _, said) = world.cli(admin, "env show qa/eu").await;
    assert_eq!((code, said.contains("not-found")), (1, true), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_what_an_environment_promotes_to_and_who_uses_it() {
    let world = World::with(Site::small(0)).await;
    let admin = world.site.token("admin");
    // What the deployment requires has to have a value there.
    let base = json!({ "name": "DATABASE_URL", "value": "postgres://nowhere/x" }).to_string();
    let set = world.admin("POST", "/api/v1/deployments/checkout/env", admin, base).await;
    assert_eq!(set.status, 200, "{}", set.text());
    world.ok(admin, "env create load --type pre-production --promotes-to staging -d checkout").await;
    let shown = world.json(admin, "env show load").await;
    assert_eq!((&shown["promotes_to"], &shown["deployments"]), (&json!("staging"), &json!(["checkout"])));
    let list = world.ok(admin, "env list").await;
    assert!(list.contains("load\tpre-production\t\tstaging\tcheckout\tnever\tapi\t3\n"), "{list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protected_environment_wants_its_name_where_nobody_can_be_asked() {
    let world = World::with(Site::small(0)).await;
    let admin = world.site.token("admin");
    world.ok(admin, "env create live-eu --type production").await;
    assert_eq!(world.json(admin, "env show live-eu").await["protected"], true);
    for refused in [
        "env delete live-eu",
        "env set live-eu --deprecated",
        "env set live-eu --protected=false",
        "env delete live-eu --confirm live-us",
        "env set live-eu --deprecated --confirm qa/eu",
    ] {
        let (code, printed, said) = world.cli(admin, refused).await;
        assert_eq!((code, printed.as_str()), (2, ""), "{refused}: {said}");
        assert!(said.contains("live-eu"), "{said}");
    }
    let shown = world.json(admin, "env show live-eu").await;
    assert_eq!(
        (&shown["etag"], &shown["deprecated"]),
        (&json!("\"2\""), &json!(false)),
        "nothing was changed"
    );
    world.ok(admin, "env set live-eu --deprecated --confirm live-eu").await;
    world.ok(admin, "env delete live-eu --confirm live-eu").await;
    assert!(!world.ok(admin, "env list").await.contains("live-eu"));
    // Who may not make it is told by the host.
    let developer = world.site.token("developer");
    let (code, _, said) = world.cli(developer, "env create live-eu --type production").await;
    assert_eq!((code, said.contains("forbidden")), (1, true), "{said}");
    let (code, _, said) =
        world.cli(developer, "env create sandbox --type production --protected=false").await;
    assert_eq!((code, said.contains("forbidden")), (1, true), "{said}");
    world.ok(admin, "env create sandbox --type production --protected=false").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_change_is_made_on_top_of_what_nobody_looked_at() {
    let world = World::with(Site::small(0)).await;
    let admin = world.site.token("admin");
    world.ok(admin, "env create qa --type test").await;
    world.ok(admin, "env set qa --label a=1").await;
    for late in ["env set qa --label b=2 --if-match 2", "env delete qa --if-match 2"] {
        let (code, _, said) = world.cli(admin, late).await;
        assert_eq!((code, said.contains("conflict")), (1, true), "{said}");
    }
    assert_eq!(world.json(admin, "env show qa").await["labels"], json!({ "a": "1" }));
    world.ok(admin, "env set qa --label b=2 --if-match 3").await;
    assert_eq!(world.json(admin, "env show qa").await["labels"], json!({ "a": "1", "b": "2" }));
    let (code, _, said) = world.cli(admin, "env set staging --deprecated").await;
    assert_eq!((code, said.contains("owned-by-directory")), (1, true), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_command_is_wrong_usage_and_a_host_that_is_not_there_is_said() {
    let world = World::with(Site::small(0)).await;
    let admin = world.site.token("admin");
    for wrong in [
        "env create qa",
        "env create qa --type staging",
        "env create Qa --type test",
        "env set qa",
        "env set qa --deprecated --if-match *",
        "env create qa --type test --label nothing",
    ] {
        let (code, _, said) = world.cli(admin, wrong).await;
        assert_eq!(code, 2, "{wrong}: {said}");
    }
    let (code, _, said) = world.cli("", "env list").await;
    assert_eq!((code, said.contains("no token")), (2, true), "{said}");
    let (code, _, _) = world.cli(admin, "env list --admin-url http://127.0.0.1:9").await;
    assert_eq!(code, 3);
    let operator = world.operator.clone();
    assert_eq!(world.cli(&operator, "env list").await.0, 1, "an operator names a workspace");
    assert!(world.ok(&operator, "env list --workspace acme").await.contains("staging"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_is_cloned_and_a_preview_and_their_expiry_and_place_are_changed() {
    let mut site = Site::small(0);
    site.edit(
        "services/orders-db.toml",
        "[instances.staging]\n",
        "[instances.staging]\nshared-with = [\"qa\", \"preview/pr-7\"]\n",
    );
    site.edit("environments/staging.toml", "tier = \"shared\"", "preview-template = \"true\"");
    let world = World::with(site).await;
    let admin = world.site.token("admin");
    let made = world.ok(admin, "env clone staging qa --type test --expires 2d -d checkout").await;
    assert!(made.contains("environment qa is a clone of staging"), "{made}");
    let shown = world.json(admin, "env show qa").await;
    assert_eq!(
        (&shown["type"], &shown["expires"], &shown["admins_only"]),
        (&json!("test"), &json!("2026-11-24T12:00:00Z"), &json!(true))
    );
    let set = "env set qa --expires never --promotes-nowhere --admins-only=false --type development";
    world.ok(admin, set).await;
    let shown = world.json(admin, "env show qa").await;
    assert_eq!(
        (&shown["type"], &shown["expires"], &shown["admins_only"], &shown["promotes_to"]),
        (&json!("development"), &Value::Null, &json!(false), &Value::Null)
    );
    world.ok(admin, "env set qa --deprecated --promotes-to staging").await;
    world.ok(admin, "env set qa --enable").await;
    let shown = world.json(admin, "env show qa").await;
    assert_eq!((&shown["deprecated"], &shown["promotes_to"]), (&json!(false), &json!("staging")));

    world.ok(world.site.token("developer"), "env create preview/pr-7").await;
    let shown = world.json(admin, "env show preview/pr-7").await;
    assert_eq!(
        (&shown["expires"], &shown["deployments"]),
        (&json!("2026-11-29T12:00:00Z"), &json!(["checkout"]))
    );
    for (refused, code) in [
        ("env clone production drill", 2),
        ("env clone production drill --confirm staging", 2),
        ("env clone staging other -d search", 1),
        ("env clone staging other", 1),
        ("env clone staging other --expires soon", 2),
        ("env set qa --enable --deprecated", 2),
    ] {
        let (exit, _, said) = world.cli(admin, refused).await;
        assert_eq!(exit, code, "{refused}: {said}");
    }
    let (_, _, said) = world.cli(admin, "env clone staging other").await;
    assert!(said.contains("does not list other in its shared-with"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_more_than_a_page_are_printed_as_a_whole() {
    let mut site = Site::small(0);
    site.change_toml("deployments/checkout.toml", |file| {
        for number in 0..250 {
            let name = format!("MANY_{number:03}");
            file["environments"]["staging"]["variables"][&name] = toml_edit::value(number);
        }
    });
    let world = World::with(site).await;
    let admin = world.site.token("admin");
    for line in ["var list -d checkout -e staging", "var export -d checkout -e staging"] {
        let printed = world.ok(admin, line).await;
        assert!(printed.contains("MANY_000") && printed.contains("MANY_249"), "{line}");
    }
    let listed = world.json(admin, "var list -d checkout -e staging").await;
    assert!(listed["variables"].as_array().unwrap().len() > 250 && listed["next"].is_null());
    // What is there on a second page is seen before a change, too.
    let (code, _, said) = world.cli(admin, "var set -d checkout -e staging MANY_249=x").await;
    assert_eq!((code, said.contains("owned-by-directory")), (1, true), "{said}");
}

impl World {
    /// What a command without a terminal and without input exits with and prints.
    pub(crate) async fn cli(&self, token: &str, line: &str) -> (i32, String, String) {
        let words: Vec<_> = line.split_whitespace().collect();
        let mut command = asking(self.admin_address(), token);
        command.args(words);
        let output = blocking(|| finish(command)).await;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// What it prints, if all is well.
    pub(crate) async fn ok(&self, token: &str, line: &str) -> String {
        let (code, printed, said) = self.cli(token, line).await;
        assert_eq!(code, 0, "{line}: {said}");
        printed
    }

    /// The same as JSON.
    pub(crate) async fn json(&self, token: &str, line: &str) -> Value {
        serde_json::from_str(&self.ok(token, &format!("{line} --json")).await).unwrap()
    }
}
