//! Who may make a change is looked at when it is made, not only when its request began: a token is revoked,
//! or an environment protected, while a body is still on its way.

use std::sync::Arc;

use bootlace::{
    host::{Author, MintRequest},
    id::Revision,
    model::{Role, Scope},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::world::{Site, World, blocking, compiler::Gated, site::guest};

/// A request whose head was read and allowed, and whose body the host waits for.
struct Begun {
    stream: TcpStream,
    body: Vec<u8>,
}

impl Begun {
    /// The host asks for a body only when it knows that the caller may go on.
    async fn new(world: &World, token: &str, case: &Case) -> Self {
        let Case { method, path, headers, body } = case;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n{headers}\
             content-length: {}\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(world.admin_address()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut asked = [0; 25];
        stream.read_exact(&mut asked).await.unwrap();
        assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n", "{path}");
        Self { stream, body: body.clone() }
    }

    /// The status and the whole answer to it.
    async fn finish(mut self) -> (u16, String) {
        self.stream.write_all(&self.body).await.unwrap();
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).await.unwrap();
        (answer[9..12].parse().unwrap(), answer)
    }
}

struct Case {
    method: &'static str,
    path: String,
    headers: String,
    body: Vec<u8>,
}

fn case(method: &'static str, path: &str, body: &Value) -> Case {
    let body = body.to_string().into_bytes();
    Case { method, path: format!("/api/v1{path}"), headers: String::new(), body }
}

fn staging() -> Value {
    json!({ "environment": "staging", "name": "LATE", "value": "x" })
}

/// A new token of `scope`, and its id.
async fn minted(world: &World, scope: Scope) -> (String, String) {
    let host = Arc::clone(&world.host);
    let request = MintRequest { scope, principal: "slow".into(), expires_in: None };
    let minted = blocking(move || host.mint(&Author::process("the tests"), request).unwrap()).await;
    (minted.token.expose().to_owned(), minted.record.id)
}

fn tenant(role: Role) -> Scope {
    Scope::Tenant { workspace: "acme".parse().unwrap(), role, environments: [].into() }
}

async fn revision(world: &World) -> u64 {
    world.by("admin", "GET", "/snapshot", Value::Null).await.json()["revision"].as_u64().unwrap()
}

/// Begins the request, has the token revoked, and sends the rest. Then the same with one that works.
async fn revoked_meanwhile(world: &World, scope: Scope, case: &Case) {
    let before = revision(world).await;
    let (token, id) = minted(world, scope.clone()).await;
    let begun = Begun::new(world, &token, case).await;
    let query = if scope == Scope::Operator { "" } else { "?workspace=acme" };
    let path = format!("/api/v1/tokens/{id}{query}");
    assert_eq!(world.admin("DELETE", &path, &world.operator, "").await.status, 204);
    let (status, answer) = begun.finish().await;
    assert_eq!(status, 401, "{} {}: {answer}", case.method, case.path);
    assert_eq!(revision(world).await, before, "{} {}", case.method, case.path);
    let (token, _) = minted(world, scope).await;
    let (status, answer) = Begun::new(world, &token, case).await.finish().await;
    assert!(status == 200 || status == 201, "{} {}: {answer}", case.method, case.path);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_revoked_while_its_body_is_sent_changes_nothing() {
    let world = World::with(Site::small(0)).await;
    world.by("developer", "POST", "/environments", json!({ "name": "qa", "type": "test" })).await.done();
    let endpoint = json!({ "host": "cache", "port": 6379 });
    let attached = json!({ "policy": "teller", "place": { "environment": "staging" } });
    let upload = Case { body: guest("dump"), ..case("PUT", "/policies/teller", &Value::Null) };
    for (role, case) in [
        (Role::Developer, case("POST", "/deployments/checkout/env", &staging())),
        (Role::Developer, case("POST", "/environments", &json!({ "name": "load", "type": "test" }))),
        (Role::Developer, case("PATCH", "/environments/qa", &json!({ "labels": { "a": "b" } }))),
        (
            Role::Developer,
            case("POST", "/environments/load/clone", &json!({ "name": "a", "permissions": true })),
        ),
        (Role::Developer, upload),
        (Role::Admin, case("POST", "/attachments", &attached)),
        (
            Role::Developer,
            case(
                "POST",
                "/services",
                &json!({ "name": "cache", "kind": "redis", "instances": { "qa": { "endpoints": [endpoint] } } }),
            ),
        ),
        (
            Role::Developer,
            case("PATCH", "/services/cache", &json!({ "instances": { "qa": { "user": "u" } } })),
        ),
        (
            Role::Developer,
            case(
                "POST",
                "/tools",
                &json!({ "name": "crm", "profiles": { "qa": { "settings": { "a": 1 } } } }),
            ),
        ),
        (Role::Developer, case("POST", "/deployments", &json!({ "name": "shop", "environments": ["qa"] }))),
        (Role::Developer, case("PUT", "/deployments/shop/domains", &json!({ "apex": "shop.example" }))),
        (
            Role::Admin,
            case("POST", "/tokens", &json!({ "kind": "tenant", "principal": "heir", "role": "viewer" })),
        ),
    ] {
        revoked_meanwhile(&world, tenant(role), &case).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_revoked_while_a_policy_is_compiled_changes_nothing() {
    let gated = Gated::new();
    let world = World::with_settings(Site::small(0), |settings| settings.compiler = gated.compiler()).await;
    let (token, id) = minted(&world, tenant(Role::Developer)).await;
    gated.shut();
    let upload = Case { body: guest("dump"), ..case("PUT", "/policies/teller", &Value::Null) };
    let uploading = tokio::spawn(Begun::new(&world, &token, &upload).await.finish());
    let held = gated.held().await;
    assert_eq!(world.by("admin", "DELETE", &format!("/tokens/{id}"), Value::Null).await.status, 204);
    drop(held);
    let (status, answer) = uploading.await.unwrap();
    assert_eq!(status, 401, "{answer}");
    assert_eq!(world.by("admin", "GET", "/policies/teller", Value::Null).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_token_that_is_revoked_while_its_bundle_is_sent_pushes_nothing() {
    let world = World::with(Site::small(0)).await;
    let bundle = world.site.bundle(Revision(1));
    let push = Case {
        body: bundle,
        headers: "if-match: \"1\"\r\n".into(),
        ..case("PUT", "/snapshot", &Value::Null)
    };
    revoked_meanwhile(&world, Scope::Operator, &push).await;
    let back = case("POST", "/snapshot/rollback?workspace=acme", &json!({ "revision": 1 }));
    revoked_meanwhile(&world, Scope::Operator, &Case { headers: "if-match: \"2\"\r\n".into(), ..back }).await;
    revoked_meanwhile(&world, Scope::Operator, &case("POST", "/workspaces", &json!({ "name": "new" }))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_that_is_protected_while_a_body_is_sent_stays_as_it_is() {
    let world = World::with(Site::small(0)).await;
    let developer = world.site.token("developer").to_owned();
    world.by("developer", "POST", "/environments", json!({ "name": "qa", "type": "test" })).await.done();
    world
        .by("developer", "POST", "/deployments", json!({ "name": "shop", "environments": ["qa"] }))
        .await
        .done();
    let here = json!({ "environment": "qa", "name": "LATE", "value": "x" });
    let base = json!({ "name": "LATE", "value": "x" });
    let clone = json!({ "name": "copy", "permissions": true });
    for case in [
        case("POST", "/deployments/shop/env", &here),
        case("POST", "/deployments/shop/env", &base),
        case("PATCH", "/environments/qa", &json!({ "labels": { "a": "b" } })),
        case("POST", "/environments/qa/clone", &clone),
        case("POST", "/deployments", &json!({ "name": "other", "environments": ["qa"] })),
        case("PUT", "/deployments/shop/domains", &json!({ "apex": "shop.example" })),
    ] {
        for (path, than, back) in
            [("/environments/qa", "protected", "?confirm=qa"), ("/environments/qa", "admins_only", "")]
        {
            let begun = Begun::new(&world, &developer, &case).await;
            world.by("admin", "PATCH", path, json!({ than: true })).await.done();
            let before = revision(&world).await;
            let (status, answer) = begun.finish().await;
            assert_eq!(status, 409, "{than}, {} {}: {answer}", case.method, case.path);
            assert!(answer.contains("environment qa was changed"), "{answer}");
            assert_eq!(revision(&world).await, before);
            world.by("admin", "PATCH", &format!("{path}{back}"), json!({ than: false })).await.done();
        }
    }
    // What comes to be meanwhile and is anybody's is in nobody's way.
    let begun = Begun::new(&world, &developer, &case("POST", "/deployments/shop/env", &base)).await;
    world.by("developer", "POST", "/environments", json!({ "name": "load", "type": "test" })).await.done();
    world
        .by("developer", "PATCH", "/deployments/shop", json!({ "environments": ["qa", "load"] }))
        .await
        .done();
    let (status, answer) = begun.finish().await;
    assert_eq!(status, 200, "{answer}");
}
