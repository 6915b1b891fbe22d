//! Clones by API: what an environment gives, sealed again for another, and apart from it afterwards.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::world::{
    Answer, Site, World, blocking,
    http::{self, Connection, prepared},
    program::{Premises, Program},
};

const ENVIRONMENTS: &str = "/api/v1/environments";
const VALUES: &str = "/api/v1/deployments/checkout/env";

/// The small workspace, where staging lends its database to `qa` and `qa/large`, and has a template and
/// a value that serves nothing else.
fn site() -> Site {
    let mut site = Site::small(7);
    site.edit(
        "services/orders-db.toml",
        "[instances.staging]\n",
        "[instances.staging]\nshared-with = [\"qa\", \"qa/large\", \"staging/copy\"]\n",
    );
    site.change_toml("deployments/checkout.toml", |file| {
        let variables = &mut file["environments"]["staging"]["variables"];
        variables["USERINFO"]["template"] = toml_edit::value("${DB_USER}:${DB_PASSWORD|percent}");
        variables["PART"]["value"] = toml_edit::value("of something");
        variables["PART"]["inject"] = toml_edit::value(false);
    });
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_gives_what_its_source_gives_and_goes_its_own_way() {
    let world = World::with(site()).await;
    let answer = world.clone_of("staging", &json!({ "name": "qa" })).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["warnings"], json!([]), "{}", answer.text());
    let token = world.instance("checkout", "qa").await;
    let staging = world.environment("staging").await;
    assert_eq!(staging["USERINFO"], "user-7:staging%207%25");
    assert_eq!(world.given(&token).await, staging, "the same, a template and a binding among it");
    let shown = world.admin("GET", &format!("{ENVIRONMENTS}/qa"), world.site.token("admin"), "").await.json();
    assert_eq!(
        (&shown["type"], &shown["admins_only"], &shown["deployments"]),
        (&json!("pre-production"), &json!(true), &json!(["checkout"]))
    );

    // Another value here is none there, in both directions, also after a restart and a push.
    world.put_value("qa", "FLAG", "cloned").await;
    world.put_value("staging", "OTHER", "later").await;
    let world = world.restart().await;
    let mut theirs = world.given(&token).await;
    assert_eq!((theirs["FLAG"].as_str(), theirs.get("OTHER")), ("cloned", None));
    theirs.insert("FLAG".into(), "7".into());
    assert_eq!(theirs, staging);
    assert_eq!(world.environment("staging").await["FLAG"], "7");
    let revision = world.revision().await;
    let mut next = world.site.clone();
    next.set_plain("staging", "FLAG", "8");
    let pushed = world.push(&next.bundle(bootlace::id::Revision(revision)), revision).await;
    assert_eq!((pushed.status, &pushed.json()["warnings"]), (200, &json!([])), "{}", pushed.text());
    assert_eq!(world.given(&token).await["FLAG"], "cloned");
    // What serves templates alone does so here, too.
    world.put_value("qa", "PART", "of another").await;
    assert_eq!(world.given(&token).await.get("PART"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_a_clone_is_in_an_answer_or_the_audit_log_but_its_keys_are() {
    let world = World::with(site()).await;
    let answer = world.clone_of("staging", &json!({ "name": "qa" })).await;
    let admin = world.site.token("admin");
    let log = world.admin("GET", "/api/v1/audit?kind=change", admin, "").await;
    let listed = world.admin("GET", &format!("{VALUES}?environment=qa"), admin, "").await;
    for text in [answer.text(), log.text(), listed.text()] {
        assert!(!text.contains("staging 7%"), "{text}");
    }
    let record = &log.json()["records"][0];
    let text = record.to_string();
    assert!(text.contains("environment staging as qa"), "{text}");
    // Its admins' alone, in the log, too.
    let hidden = world.admin("GET", "/api/v1/audit?kind=change", world.site.token("viewer"), "").await;
    assert_eq!(hidden.json()["records"], json!([]), "{}", hidden.text());
    let keys = record["details"]["keys"].as_array().unwrap();
    for key in ["DB_PASSWORD", "LOG_LEVEL", "binding DATABASE_URL of checkout in qa"] {
        assert!(keys.contains(&json!(key)), "{key}: {text}");
    }
    let log = world.admin("GET", "/api/v1/audit?key=DB_PASSWORD", world.site.token("admin"), "").await;
    assert_eq!(log.json()["records"][0], *record, "found by its key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binding_that_is_not_shared_is_left_out_and_named() {
    let mut site = site();
    site.edit("deployments/checkout.toml", "required = [\"DATABASE_URL\"]", "");
    let world = World::with(site).await;
    let answer = world.clone_of("staging", &json!({ "name": "stranger" })).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let warned = answer.json()["warnings"][0].as_str().unwrap().to_owned();
    assert!(warned.contains("DATABASE_URL of checkout") && warned.contains("shared-with"), "{warned}");
    let token = world.instance("checkout", "stranger").await;
    let given = world.given(&token).await;
    assert_eq!((given.get("DATABASE_URL"), given["DB_USER"].as_str()), (None, "user-7"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_that_could_not_boot_is_refused_and_says_what_it_lacks() {
    let world = World::with(site()).await;
    let answer = world.clone_of("staging", &json!({ "name": "stranger" })).await;
    assert_eq!((answer.status, answer.code().as_str()), (422, "invalid"));
    assert!(answer.text().contains("does not list stranger in its shared-with"), "{}", answer.text());
    let path = format!("{ENVIRONMENTS}/stranger");
    assert_eq!(world.admin("GET", &path, world.site.token("admin"), "").await.status, 404);
    // Without the deployment nothing is lacking.
    let body = json!({ "name": "stranger", "deployments": [] });
    assert_eq!(world.clone_of("staging", &body).await.status, 200);
    let other = json!({ "name": "another", "deployments": ["search"] });
    assert_eq!(world.clone_of("staging", &other).await.status, 422);
    assert_eq!(world.clone_of("nowhere", &json!({ "name": "another" })).await.status, 404);
    assert_eq!(
        world.clone_of("staging", &json!({ "name": "production" })).await.code(),
        "owned-by-directory"
    );
    assert_eq!(world.clone_of("staging", &json!({ "name": "stranger" })).await.code(), "conflict");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_clone_is_there_as_a_whole_after_a_restart() {
    let world = World::with(large()).await;
    let answer = world.clone_of("staging", &json!({ "name": "qa/large" })).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let world = world.restart().await;
    let token = world.instance("checkout", "qa/large").await;
    let given = world.given(&token).await;
    assert_eq!(given["MANY_299"], "299");
    assert_eq!(given, world.environment("staging").await);
    // It goes as a whole, too.
    let id = token_id(&token);
    let admin = world.site.token("admin").to_owned();
    assert_eq!(world.admin("DELETE", &format!("/api/v1/tokens/{id}"), &admin, "").await.status, 204);
    assert_eq!(world.admin("DELETE", &format!("{ENVIRONMENTS}/qa%2Flarge"), &admin, "").await.status, 200);
    let world = world.restart().await;
    let again = world.clone_of("staging", &json!({ "name": "qa/large" })).await;
    assert_eq!(again.status, 200, "{}", again.text());
}

/// A site whose staging has more values than a transaction takes.
fn large() -> Site {
    let mut site = site();
    site.change_toml("deployments/checkout.toml", |file| {
        for number in 0..300 {
            let name = format!("MANY_{number}");
            file["environments"]["staging"]["variables"][&name] = toml_edit::value(number);
        }
    });
    site
}

/// How often a host is killed while it clones or deletes, at moments spread over what that takes.
const KILLS: u32 = 24;

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_the_transactions_of_a_large_clone_or_deletion_leaves_all_of_it_or_nothing() {
    let site = large();
    let premises = Premises::new(&site);
    let start = || {
        let command = premises.command(&[]);
        blocking(move || Program::start(command))
    };
    let mut host = start().await;
    let operator = premises.operator();
    let pushed = host.push(&site.bundle_for_today(&site.directory(), 0), 0, &operator).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    let toggle = |admin, is_there: bool| {
        let (token, name) = (operator.clone(), json!({ "name": "qa/large" }).to_string());
        let (method, path, body) = match is_there {
            true => ("DELETE", "/qa%2Flarge", Vec::new()),
            false => ("POST", "/staging/clone", name.into_bytes()),
        };
        async move {
            let path = format!("{ENVIRONMENTS}{path}?workspace=acme");
            let mut connection = Connection::open(admin).await;
            connection.try_send(prepared(method, &path, Some(&token), &[], body)).await
        }
    };
    let mut took = [Duration::ZERO; 2];
    for is_there in [false, true] {
        let began = Instant::now();
        assert_eq!(toggle(host.admin, is_there).await.unwrap().status, 200);
        took[usize::from(is_there)] = began.elapsed();
    }
    let (mut is_there, mut made, mut undone) = (false, 0, 0);
    for kill in 0..KILLS {
        let asked = tokio::spawn(toggle(host.admin, is_there));
        tokio::time::sleep(took[usize::from(is_there)] * kill / KILLS).await;
        blocking(move || host.kill()).await;
        drop(asked.await.unwrap());
        host = start().await;
        let list = |environment: &str| {
            let path = format!(
                "/api/v1/deployments/checkout/env?workspace=acme&limit=1000&environment={environment}"
            );
            let (admin, token) = (host.admin, operator.clone());
            async move { http::request(admin, "GET", &path, Some(&token), &[], Vec::new()).await }
        };
        let (source, clone) = (list("staging").await.done().json(), list("qa/large").await);
        let names = |listed: &Value| {
            let all = listed["variables"].as_array().unwrap().iter();
            all.map(|one| one["name"].clone()).collect::<Vec<_>>()
        };
        if clone.status == 200 {
            assert_eq!(names(&clone.json()), names(&source), "kill {kill}");
        } else {
            assert_eq!(clone.status, 404, "{}", clone.text());
        }
        if is_there == (clone.status == 200) {
            undone += 1
        } else {
            made += 1
        }
        is_there = clone.status == 200;
    }
    println!("{KILLS} kills: {made} changes were whole, {undone} not there at all");
    assert_eq!(toggle(host.admin, is_there).await.unwrap().status, 200, "nothing is left in its way");
    assert!(undone > 0, "no kill came in time");
}

fn token_id(token: &str) -> String {
    bootlace::token::token_id(&token.parse::<bootlace::token::Token>().unwrap().hash())
}

impl World {
    /// A clone, asked for by an admin.
    pub(crate) async fn clone_of(&self, source: &str, body: &Value) -> Answer {
        self.clone_as("admin", source, body).await
    }

    /// The same by another role.
    pub(crate) async fn clone_as(&self, role: &str, source: &str, body: &Value) -> Answer {
        let path = format!("{ENVIRONMENTS}/{}/clone", source.replace('/', "%2F"));
        self.admin("POST", &path, self.site.token(role), body.to_string()).await
    }

    /// What a boot with `token` is given.
    pub(crate) async fn given(&self, token: &str) -> std::collections::BTreeMap<String, String> {
        let booted = self.get_boot("/v1/boot", Some(token)).await;
        assert_eq!(booted.status, 200, "{}", booted.text());
        booted.environment()
    }

    async fn put_value(&self, environment: &str, name: &str, value: &str) {
        let body = json!({ "environment": environment, "name": name, "value": value }).to_string();
        let set = self.admin("POST", VALUES, self.site.token("admin"), body).await;
        assert_eq!(set.status, 200, "{}", set.text());
    }

    async fn revision(&self) -> u64 {
        let shown = self.admin("GET", "/api/v1/snapshot", self.site.token("admin"), "").await;
        shown.json()["revision"].as_u64().unwrap()
    }
}
