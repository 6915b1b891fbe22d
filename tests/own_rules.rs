//! The host's own rules on where a release goes: whatever the policies say, and also of what waits, nothing moves
//! to an environment that takes nothing new, or where a key that it needs is not set.

use bootlace::id::UnixSeconds;
use serde_json::{Value, json};

use crate::world::{Answer, NOON, Site, World};

const PROMOTIONS: &str = "/deployments/shop/promotions";
const VALUES: &str = "/deployments/shop/env";

/// `shop` in `gate`, which wants an approval, and in `dev`, which takes what is registered; its first release
/// reads `KEY`.
async fn world() -> World {
    let world = World::with(Site::small(0)).await;
    for body in [
        json!({ "name": "gate", "type": "test", "trigger": "approval" }),
        json!({ "name": "dev", "type": "development" }),
    ] {
        world.by("admin", "POST", "/environments", body).await.done();
    }
    let shop = json!({ "name": "shop", "environments": ["gate", "dev"] });
    world.by("admin", "POST", "/deployments", shop).await.done();
    world.by("admin", "POST", VALUES, key()).await.done();
    let release = json!({ "digest": "sha256:1", "keys": ["KEY"] });
    world.by("developer", "POST", "/deployments/shop/releases", release).await.done();
    world
}

fn key() -> Value {
    json!({ "environment": "gate", "name": "KEY", "value": "x" })
}

async fn asked(world: &World) -> Answer {
    world.by("releaser", "POST", PROMOTIONS, json!({ "to": "gate", "release": 1 })).await
}

async fn approved(world: &World, asked: &Answer) -> Answer {
    assert_eq!(asked.status, 202, "{}", asked.text());
    let path = format!("{PROMOTIONS}/{}/approvals", asked.json()["id"].as_str().unwrap());
    world.by("admin", "POST", &path, Value::Null).await
}

fn is_denied(answer: &Answer, why: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (403, "policy-denied"), "{}", answer.text());
    assert!(answer.text().contains(why), "{why}: {}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_moves_to_where_it_would_not_run_even_when_that_comes_to_be_while_it_waits() {
    const TAKES_NOTHING: &str = "gate is deprecated or expired, and takes nothing new";
    let world = world().await;
    let patch = |body: Value| ("PATCH", "/environments/gate", body);
    let unset = ("DELETE", "/deployments/shop/env/KEY?environment=gate", Value::Null);
    for (spoil, mend, why) in [
        (unset, ("POST", VALUES, key()), "KEY declared by the release and not set; set them in gate"),
        (patch(json!({ "deprecated": true })), patch(json!({ "deprecated": false })), TAKES_NOTHING),
    ] {
        let waits = asked(&world).await;
        let (method, path, body) = spoil;
        world.by("admin", method, path, body).await.done();
        is_denied(&approved(&world, &waits).await, why);
        is_denied(&asked(&world).await, why);
        let (method, path, body) = mend;
        world.by("admin", method, path, body).await.done();
    }
    // A key that is required does not come to be unset at all.
    let needed = json!({ "name": "NEEDED", "required": true });
    let refused = world.by("admin", "POST", "/environments/gate/env", needed).await;
    assert!(refused.status == 422 && refused.text().contains("nothing sets it"), "{}", refused.text());

    let waits = asked(&world).await;
    let (method, path, body) = patch(json!({ "expires": 60 }));
    world.by("admin", method, path, body).await.done();
    world.clock.advance(UnixSeconds(NOON.0 + 60));
    is_denied(&approved(&world, &waits).await, TAKES_NOTHING);
    let (method, path, body) = patch(json!({ "expires": null }));
    world.by("admin", method, path, body).await.done();
    let done = approved(&world, &asked(&world).await).await.done();
    assert_eq!(done.json()["status"], "done", "{}", done.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_registered_does_not_run_where_nothing_new_is_taken() {
    let world = world().await;
    let register = async |digest: &str| {
        let body = json!({ "digest": digest });
        world.by("developer", "POST", "/deployments/shop/releases", body).await.done().json()
    };
    let patch = async |is: bool| {
        let body = json!({ "deprecated": is });
        world.by("admin", "PATCH", "/environments/dev", body).await.done();
    };
    patch(true).await;
    let told = register("sha256:2").await;
    let why =
        json!([{ "environment": "dev", "reason": "dev is deprecated or expired, and takes nothing new" }]);
    assert_eq!((&told["activated"], &told["not_activated"]), (&json!([]), &why), "{told}");
    patch(false).await;
    assert_eq!(register("sha256:3").await["activated"], json!(["dev"]));
}
