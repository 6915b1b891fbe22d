//! Policies by API: uploaded, attached, replaced, taken back; whose they are, and who may.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bootlace::{
    canonical::sha256,
    change::{Edit, Precondition, ResourceEdit, RunsIn},
    host::{Author, ChangeError},
    id::{PolicyName, Revision, WorkspaceId},
    made::ResourceKey,
    model::{Fallback, Policy},
};
use serde_json::{Value, json};

use crate::{
    audit::records,
    world::{
        Answer, Site, World, blocking, http,
        pair::Pair,
        program::{bootlace, finish},
        site::{component, guest},
        tenants::attachment,
    },
};

pub(crate) const POLICIES: &str = "/api/v1/policies";
pub(crate) const ATTACHMENTS: &str = "/api/v1/attachments";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_uploaded_and_attached_decides_the_next_boot_until_it_is_detached() {
    let world = World::with(Site::small(0)).await;
    let before = world.environment("staging").await;
    world.upload("teller", "dump", "").await.ok();
    assert!(!tells(&world, "staging").await, "it is attached nowhere");
    let attached = world.attach("teller", staging(), json!({ "a": "1" })).await.ok().json();
    let id = attached["id"].as_str().unwrap().to_owned();
    assert_eq!((id.len(), &attached["revision"]), (16, &json!(3)));
    assert!(tells(&world, "staging").await && !tells(&world, "production").await);
    assert_eq!(world.environment("staging").await, before);

    // What it is told changes with its settings; an id is of one place.
    let told = json!({ "policy": "teller", "place": staging(), "settings": { "a": "2" } });
    let path = format!("{ATTACHMENTS}/{id}");
    let shown = world.ask("admin", "GET", &path, "").await.ok();
    assert_eq!((shown.header("etag"), &shown.json()["settings"]["a"]), ("\"3\"", &json!("1")));
    world.ask("admin", "PUT", &path, told.to_string()).await.ok();
    let elsewhere = json!({ "policy": "teller", "place": {}, "settings": {} });
    assert_eq!(world.ask("admin", "PUT", &path, elsewhere.to_string()).await.code(), "invalid");
    let again = world.attach("teller", staging(), json!({})).await;
    assert_eq!((again.status, again.code().as_str()), (409, "conflict"));
    let explained = explained(&world, "staging").await;
    assert_eq!(explained["policies"][0]["settings"], json!({ "a": "2" }));
    assert!(explained["policies"][0]["fuel"].as_u64() > Some(0) && explained["asking_us"].is_u64());

    let world = world.restart().await;
    assert!(tells(&world, "staging").await);
    let shown = world.policy("teller").await;
    assert_eq!(
        (&shown["owner"], &shown["kind"], &shown["title"]),
        (&json!("api"), &json!("resolve"), &json!("dump"))
    );
    assert_eq!(shown["attachments"][0]["settings"], json!({ "a": "2" }));
    assert!(
        shown["asked"]["asked"].as_u64() > Some(0) && shown["asked"]["median_fuel"].as_u64() > Some(0),
        "{shown}"
    );
    assert_eq!((&shown["asked"]["denied"], &shown["asked"]["failed"]), (&json!(0), &json!(0)));

    // Not deleted while it is attached.
    let path = format!("{POLICIES}/teller");
    let refused = world.ask("developer", "DELETE", &path, "").await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "invalid"));
    assert!(refused.text().contains("deployment checkout in staging"), "{}", refused.text());
    world.ask("admin", "DELETE", &format!("{ATTACHMENTS}/{id}"), "").await.ok();
    assert!(!tells(&world, "staging").await);
    world.ask("developer", "DELETE", &path, "").await.ok();
    assert_eq!(world.ask("viewer", "GET", &path, "").await.status, 404);
    let world = world.restart().await;
    assert_eq!(world.ask("viewer", "GET", &path, "").await.status, 404);
    let done: Vec<_> =
        records(world.data.path()).into_iter().filter(|line| line["kind"] == "change").collect();
    let digest = sha256(&guest("dump")).to_string();
    assert_eq!(done[0]["details"]["set"], json!([format!("policy teller ({digest})")]));
    assert_eq!(done.last().unwrap()["details"]["deleted"], json!(["policy teller"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_get_in_changes_nothing() {
    let world = World::with(Site::small(0)).await;
    let truncated = guest("dump")[..2_000].to_vec();
    let too_large = vec![0; (1 << 20) + 1];
    let cases = [
        ("not a component", b"hello".to_vec(), 422),
        ("empty", Vec::new(), 422),
        ("a core module that is no policy", b"\0asm\x01\0\0\0".to_vec(), 422),
        ("truncated", truncated, 422),
        ("too large", too_large, 413),
    ];
    for (what, bytes, status) in cases {
        let refused = world.ask("developer", "PUT", &format!("{POLICIES}/teller"), bytes).await;
        assert_eq!(refused.status, status, "{what}: {}", refused.text());
    }
    let misnamed = world.ask("developer", "PUT", &format!("{POLICIES}/Teller"), guest("dump")).await;
    assert_eq!((misnamed.status, misnamed.code().as_str()), (422, "invalid"));
    let odd =
        world.ask("developer", "PUT", &format!("{POLICIES}/teller?fallback=never"), guest("dump")).await;
    assert_eq!(odd.status, 400);

    let canary = component("rotation-canary");
    world.ask("developer", "PUT", &format!("{POLICIES}/canary"), canary).await.ok();
    let refused = world.attach("canary", staging(), json!({ "percent": "many" })).await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "invalid"));
    assert!(refused.text().contains("percent"), "its own words: {}", refused.text());
    for (policy, place) in [
        ("nobodys", staging()),
        ("canary", json!({ "deployment": "nobodys" })),
        ("canary", json!({ "environment": "nobodys" })),
        ("canary", json!({ "deployment": "checkout", "environment": "development" })),
    ] {
        let refused = world.attach(policy, place, json!({})).await;
        assert_eq!((refused.status, refused.code().as_str()), (422, "invalid"), "{}", refused.text());
    }
    let listed = world.ask("viewer", "GET", POLICIES, "").await.ok().json();
    assert_eq!(listed["policies"].as_array().unwrap().len(), 1);
    assert_eq!(
        world.ask("viewer", "GET", ATTACHMENTS, "").await.json(),
        json!({ "attachments": [], "next": null })
    );
    assert_eq!(world.boot("staging").await.header("bootlace-revision"), "2");

    // Of two who replace it one is told of the other.
    let stale = [("if-match", "\"1\"")];
    let token = Some(world.site.token("developer"));
    let path = format!("{POLICIES}/canary");
    let late = http::request(world.admin_address(), "PUT", &path, token, &stale, guest("dump")).await;
    assert_eq!((late.status, late.code().as_str()), (409, "conflict"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_in_a_protected_environment_is_an_admins_who_confirms_it() {
    let world = World::with(Site::small(0)).await;
    world.upload("teller", "dump", "").await.ok();
    for role in ["viewer", "developer", "releaser"] {
        let body = json!({ "policy": "teller", "place": staging() }).to_string();
        let refused = world.ask(role, "POST", ATTACHMENTS, body).await;
        assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden"), "{role}");
    }
    let viewer = world.ask("viewer", "PUT", &format!("{POLICIES}/teller"), guest("dump")).await;
    assert_eq!(viewer.status, 403);
    world.attach("teller", staging(), json!({})).await.ok();
    world.upload("teller", "hostile", "").await.ok();
    assert!(!tells(&world, "staging").await, "a developer's, where nothing is protected");

    for place in [json!({}), json!({ "environment": "production" }), json!({ "deployment": "checkout" })] {
        let refused = world.attach("teller", place.clone(), json!({})).await;
        assert_eq!((refused.status, &refused.json()["confirm"]), (422, &json!(["production"])), "{place}");
    }
    let body = json!({ "policy": "teller", "place": { "environment": "production" } }).to_string();
    let confirmed = format!("{ATTACHMENTS}?confirm=production");
    let attached = world.ask("admin", "POST", &confirmed, body).await.ok().json();
    let replaced = world.upload("teller", "dump", "?confirm=production").await;
    assert_eq!((replaced.status, replaced.code().as_str()), (403, "forbidden"), "{}", replaced.text());
    let path = format!("{POLICIES}/teller");
    assert_eq!(
        world.ask("admin", "PUT", &path, guest("dump")).await.json()["confirm"],
        json!(["production"])
    );
    assert!(!tells(&world, "production").await);
    world.ask("admin", "PUT", &format!("{path}?confirm=production"), guest("dump")).await.ok();
    assert!(tells(&world, "production").await);
    let path = format!("{ATTACHMENTS}/{}", attached["id"].as_str().unwrap());
    assert_eq!(world.ask("admin", "DELETE", &path, "").await.status, 422);
    world.ask("admin", "DELETE", &format!("{path}?confirm=production"), "").await.ok();
    assert!(!tells(&world, "production").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_was_allowed_before_the_policy_came_to_production_is_a_conflict() {
    let world = World::with(Site::small(0)).await;
    world.upload("teller", "dump", "").await.ok();
    let (acme, host): (WorkspaceId, _) = ("acme".parse().unwrap(), Arc::clone(&world.host));
    let name: PolicyName = "teller".parse().unwrap();
    let live = host.store.load_full();
    let configuration = &live.workspace(&acme).unwrap().snapshot.configuration;
    let allowed = RunsIn::find(configuration, ResourceKey::Policy(name.clone()));
    // While it is compiled, an admin attaches it.
    let body = json!({ "policy": "teller", "place": { "environment": "production" } }).to_string();
    world.ask("admin", "POST", &format!("{ATTACHMENTS}?confirm=production"), body).await.ok();
    let component = guest("hostile");
    let fallback = Fallback::Refuse;
    let policy = Policy { name, digest: sha256(&component), component: component.into(), fallback };
    let edits = [Edit::Expect(allowed), Edit::Resource(ResourceEdit::PutPolicy(policy))];
    let change = move || host.change(&Author::process("a developer"), &acme, &edits, Precondition::Any);
    assert!(matches!(blocking(change).await, Err(ChangeError::Changed { .. })));
    assert!(tells(&world, "production").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_some_environments_changes_and_sees_what_runs_there() {
    let world = World::with(Site::small(0)).await;
    world.upload("teller", "dump", "").await.ok();
    world.upload("hidden", "dump", "").await.ok();
    let body = json!({ "policy": "hidden", "place": { "environment": "production" } }).to_string();
    world.ask("admin", "POST", &format!("{ATTACHMENTS}?confirm=production"), body).await.ok();
    let wanted = r#"{"kind":"tenant","principal":"ada","role":"admin","environments":["staging"]}"#;
    let minted = world.ask("admin", "POST", "/api/v1/tokens", wanted).await.json();
    let token = minted["token"].as_str().unwrap();
    let world = &world;
    let ask = |method: &'static str, path: String, body: String| async move {
        world.admin(method, &path, token, body).await
    };
    let attach = |place: Value| json!({ "policy": "teller", "place": place }).to_string();

    let refused = ask("POST", ATTACHMENTS.to_owned(), attach(json!({}))).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden"));
    for place in [json!({ "environment": "production" }), json!({ "environment": "nowhere" })] {
        let refused = ask("POST", ATTACHMENTS.to_owned(), attach(place)).await;
        assert_eq!((refused.status, refused.code().as_str()), (422, "invalid"), "either looks the same");
    }
    assert_eq!(ask("PUT", format!("{POLICIES}/teller"), String::new()).await.status, 403);
    ask("POST", ATTACHMENTS.to_owned(), attach(staging())).await.ok();
    let listed = ask("GET", POLICIES.to_owned(), String::new()).await.ok();
    assert!(!listed.text().contains("hidden") && !listed.text().contains("production"), "{}", listed.text());
    assert_eq!(ask("GET", format!("{POLICIES}/hidden"), String::new()).await.status, 404);
    let shown = ask("GET", format!("{POLICIES}/teller"), String::new()).await.ok().json();
    assert_eq!((shown["attachments"].as_array().unwrap().len(), &shown["asked"]), (1, &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_directory_owns_is_changed_there_and_it_may_take_over() {
    let mut site = Site::small(0);
    site.govern(&[("owned", guest("dump"))], &attachment("owned", "environment = \"staging\"", &[]));
    let world = World::with(site).await;
    let owned = world.upload("owned", "hostile", "").await;
    assert_eq!((owned.status, owned.code().as_str()), (409, "owned-by-directory"), "{}", owned.text());
    let listed = world.ask("viewer", "GET", ATTACHMENTS, "").await.ok().json();
    let first = listed["attachments"][0].clone();
    assert_eq!(
        (&first["owner"], &first["place"]),
        (&json!("directory"), &json!({ "environment": "staging" }))
    );
    let path = format!("{ATTACHMENTS}/{}", first["id"].as_str().unwrap());
    assert_eq!(world.ask("admin", "DELETE", &path, "").await.code(), "owned-by-directory");
    let again = world.attach("owned", json!({ "environment": "staging" }), json!({})).await;
    assert_eq!(again.code(), "owned-by-directory");

    // In one place the directory's run first, then those made by API by name, whenever they were made.
    for name in ["b-teller", "a-teller"] {
        world.upload(name, "dump", "").await.ok();
        world.attach(name, json!({ "environment": "staging" }), json!({})).await.ok();
    }
    world.attach("owned", staging(), json!({})).await.ok();
    let order = ["owned", "owned", "a-teller", "b-teller"];
    assert_eq!(asked(&world, "staging").await, order);
    let mut world = world.restart().await;
    assert_eq!(asked(&world, "staging").await, order);

    // One that the directory names, too, is the directory's; what has no policy any more goes.
    world.site.govern(&[("a-teller", guest("hostile"))], "");
    let pushed = world.push(&world.site.bundle(Revision(6)), 6).await.ok().json();
    let warnings = pushed["warnings"].to_string();
    assert!(warnings.contains("policy a-teller") && warnings.contains("attachment of owned"), "{warnings}");
    assert_eq!(asked(&world, "staging").await, ["a-teller", "b-teller"]);
    assert_eq!(world.policy("a-teller").await["owner"], "directory");
    let world = world.restart().await;
    assert_eq!(asked(&world, "staging").await, ["a-teller", "b-teller"]);
    assert_eq!(world.policy("a-teller").await["digest"], sha256(&guest("hostile")).to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_keeps_failing_gives_way_to_the_one_before_it() {
    let world = World::with(Site::small(0)).await;
    world.upload("fragile", "dump", "?fallback=previous").await.ok();
    let settings = json!({ "mode": "trap", "only-in": "nowhere" });
    world.attach("fragile", staging(), settings).await.ok();
    world.upload("fragile", "hostile", "").await.ok();
    let shown = world.policy("fragile").await;
    assert_eq!((&shown["fallback"], shown["versions"].as_array().unwrap().len()), (&json!("previous"), 2));
    assert_eq!(shown["versions"][1]["set"]["by"], "developer of the tests");
    for last in [1, 2, 3] {
        let from = SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0));
        let mut connection = http::Connection::open_from(from, world.boot_address()).await;
        let token = Some(world.site.token("staging"));
        let boot = http::prepared("GET", "/v1/boot?region=nowhere", token, &[], Vec::new());
        assert_eq!(connection.send(boot).await.code(), "policy-failed");
    }
    let mut shown = world.policy("fragile").await;
    // It is put back apart from the boot that was one too many.
    for _ in 0..1_000 {
        if shown["versions"][1]["failed"] == true {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        shown = world.policy("fragile").await;
    }
    let digests: Vec<_> =
        ["dump", "hostile", "dump"].map(|name| json!(sha256(&guest(name)).to_string())).into();
    let versions = shown["versions"].as_array().unwrap().clone();
    assert_eq!(versions.iter().map(|one| one["digest"].clone()).collect::<Vec<_>>(), digests);
    assert_eq!((&versions[0]["set"]["by"], &versions[1]["failed"]), (&json!("host"), &json!(true)));
    let world = world.restart().await;
    let booted = world.boot_with("staging", "region=nowhere").await;
    assert_eq!((booted.status, booted.header("bootlace-revision")), (200, "5"), "{}", booted.text());
    assert_eq!(world.policy("fragile").await["versions"], shown["versions"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_workspace_sees_and_changes_none_of_it() {
    let pair = Pair::start().await;
    let world = &pair.world;
    world.upload("teller", "dump", "").await.ok();
    let attached = world.attach("teller", staging(), json!({})).await.ok().json();
    let admin = pair.twin.token("admin");
    let id = attached["id"].as_str().unwrap();
    for path in [format!("{POLICIES}/teller"), format!("{ATTACHMENTS}/{id}")] {
        for method in ["GET", "DELETE"] {
            for query in ["", "?workspace=acme"] {
                let answer = world.admin(method, &format!("{path}{query}"), admin, "").await;
                assert_eq!(
                    (answer.status, answer.code().as_str()),
                    (404, "not-found"),
                    "{method} {path}{query}"
                );
            }
        }
    }
    for path in [POLICIES, ATTACHMENTS] {
        let listed = world.admin("GET", path, admin, "").await.ok();
        assert!(!listed.text().contains("teller"), "{}", listed.text());
    }
    // The same component there is another policy.
    let path = format!("{POLICIES}/teller");
    world.admin("PUT", &path, admin, guest("dump")).await.ok();
    let shown = world.admin("GET", &path, admin, "").await.ok().json();
    assert_eq!((&shown["attachments"], &shown["asked"]["asked"]), (&json!([]), &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_pushes_attaches_shows_and_deletes() {
    let world = World::with(Site::small(0)).await;
    let directory = tempfile::tempdir().unwrap();
    let (file, token) = (directory.path().join("near_teller.wasm"), directory.path().join("admin.token"));
    std::fs::write(&file, guest("dump")).unwrap();
    std::fs::write(&token, world.site.token("admin")).unwrap();
    let url = format!("http://{}", world.admin_address());
    let run = |arguments: &[&str]| {
        let mut command = bootlace();
        command.arg("policy").args(arguments).arg("--admin-url").arg(&url).arg("--token-file").arg(&token);
        async move {
            let output = blocking(|| finish(command)).await;
            let text = |bytes| String::from_utf8(bytes).unwrap();
            (output.status.code().unwrap(), text(output.stdout) + &text(output.stderr))
        }
    };
    let file = file.to_str().unwrap();
    let (code, said) = run(&["push", file, "--fallback", "previous"]).await;
    assert!(code == 0 && said.contains("near-teller") && said.contains("revision 2"), "{said}");
    let (code, said) = run(&["attach", "near-teller", "-e", "production"]).await;
    assert!(code == 1 && said.contains("confirm"), "{said}");
    for settings in ["a=1", "a=2"] {
        let (code, said) =
            run(&["attach", "near-teller", "-d", "checkout", "-e", "staging", "--setting", settings]).await;
        assert!(code == 0 && said.contains("attached to deployment checkout in staging"), "{said}");
    }
    assert!(tells(&world, "staging").await);
    let (_, said) = run(&["list"]).await;
    assert!(said.contains("near-teller\tresolve\t0.1.0\tprevious\tapi\tcheckout in staging"), "{said}");
    let (_, said) = run(&["show", "near-teller"]).await;
    assert!(said.contains("checkout in staging\ta=2\tapi\t") && said.contains("\tserved"), "{said}");
    let (_, said) = run(&["show", "near-teller", "--json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap()["attachments"][0]["settings"]["a"], "2");
    assert_eq!(run(&["delete", "near-teller"]).await.0, 1);
    assert_eq!(run(&["detach", "near-teller", "-d", "checkout", "-e", "staging"]).await.0, 0);
    assert_eq!(run(&["delete", "near-teller"]).await.0, 0);
    assert_eq!(run(&["show", "near-teller"]).await.0, 1);
}

pub(crate) fn staging() -> Value {
    json!({ "deployment": "checkout", "environment": "staging" })
}

/// Whether a boot is told what the policy `dump` tells.
async fn tells(world: &World, environment: &str) -> bool {
    let booted = world.boot(environment).await.ok();
    booted.json()["warnings"].to_string().contains("variable=")
}

async fn explained(world: &World, environment: &str) -> Value {
    let path = format!("/api/v1/deployments/checkout/explain?environment={environment}");
    world.ask("viewer", "GET", &path, "").await.ok().json()
}

/// The policies that are asked, in their order.
async fn asked(world: &World, environment: &str) -> Vec<String> {
    let explained = explained(world, environment).await;
    let policies = explained["policies"].as_array().unwrap().iter();
    policies.map(|policy| policy["name"].as_str().unwrap().to_owned()).collect()
}

impl World {
    async fn ask(&self, role: &str, method: &str, path: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.admin(method, path, self.site.token(role), body).await
    }

    /// Uploads a guest of the tests as a developer.
    async fn upload(&self, name: &str, component: &str, query: &str) -> Answer {
        self.ask("developer", "PUT", &format!("{POLICIES}/{name}{query}"), guest(component)).await
    }

    async fn attach(&self, policy: &str, place: Value, settings: Value) -> Answer {
        let body = json!({ "policy": policy, "place": place, "settings": settings });
        self.ask("admin", "POST", ATTACHMENTS, body.to_string()).await
    }

    async fn policy(&self, name: &str) -> Value {
        self.ask("viewer", "GET", &format!("{POLICIES}/{name}"), "").await.ok().json()
    }
}
