//! Who says what promotes where: what a promotion into a guarded environment is judged by is read in what
//! promotes there, so that this is an admin's to say.

use serde_json::{Value, json};

use crate::world::{Answer, Site, World};

/// `gate` wants approval and is not protected; `before` promotes to it, and `shop` uses both. `free` and
/// `open` are anybody's.
async fn world() -> World {
    let world = World::with(Site::small(0)).await;
    for body in [
        json!({ "name": "gate", "type": "test", "trigger": "approval" }),
        json!({ "name": "before", "type": "test", "promotes_to": "gate" }),
        json!({ "name": "beside", "type": "test", "promotes_to": "gate" }),
        json!({ "name": "open", "type": "test" }),
        json!({ "name": "free", "type": "test", "promotes_to": "open" }),
    ] {
        world.by("admin", "POST", "/environments", body).await.done();
    }
    let shop = json!({ "name": "shop", "environments": ["gate", "before", "open"] });
    world.by("admin", "POST", "/deployments", shop).await.done();
    world
}

fn is_refused(answer: &Answer) {
    assert_eq!((answer.status, answer.code().as_str()), (403, "forbidden"), "{}", answer.text());
    assert!(answer.text().contains("is an admin's to change"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_promotes_to_a_guarded_environment_is_an_admins_to_say() {
    let world = world().await;
    for target in ["gate", "production"] {
        let fast = json!({ "name": "fast", "type": "development", "promotes_to": target });
        is_refused(&world.by("developer", "POST", "/environments", fast).await);
        let patch = json!({ "promotes_to": target });
        is_refused(&world.by("developer", "PATCH", "/environments/free", patch).await);
    }
    for patch in [
        json!({ "promotes_to": null }),
        json!({ "promotes_to": "open" }),
        // What expires is deleted by the host.
        json!({ "expires": 60 }),
    ] {
        is_refused(&world.by("developer", "PATCH", "/environments/before", patch).await);
    }
    is_refused(&world.by("developer", "DELETE", "/environments/before", Value::Null).await);

    // What is nobody's in particular stays so, and so does what leaves the chain as it is.
    let same = json!({ "promotes_to": "gate", "labels": { "team": "payments" } });
    world.by("developer", "PATCH", "/environments/before", same).await.done();
    for next in [json!(null), json!("open")] {
        world.by("developer", "PATCH", "/environments/free", json!({ "promotes_to": next })).await.done();
    }
    world.by("admin", "PATCH", "/environments/before", json!({ "promotes_to": null })).await.done();
    // It is about the target, and whoever may see that only is not shown what is about the source, too.
    let log = "/audit?environment=gate";
    let told = world.by("admin", "GET", log, Value::Null).await.json();
    assert!(told["records"][0].to_string().contains("\"before\""), "{told}");
    let limited =
        json!({ "kind": "tenant", "principal": "limited", "role": "viewer", "environments": ["gate"] });
    let limited = world.by("admin", "POST", "/tokens", limited).await.json();
    let told =
        world.admin("GET", &format!("/api/v1{log}"), limited["token"].as_str().unwrap(), "").await.done();
    assert!(!told.text().contains("before"), "{}", told.text());
    let of_gate = told.json()["records"].as_array().unwrap().len();
    assert!(of_gate > 0, "what is about the target alone is shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_deployments_chain_to_a_guarded_environment_is_made_of_is_an_admins_to_say() {
    let world = world().await;
    let uses = async |who: &str, environments: &[&str]| {
        world.by(who, "PATCH", "/deployments/shop", json!({ "environments": environments })).await
    };
    // Without it the target would be the first of its chain.
    is_refused(&uses("developer", &["gate", "open"]).await);
    is_refused(&uses("developer", &["gate", "before", "beside", "open"]).await);
    uses("developer", &["gate", "before", "free", "open"]).await.done();
    uses("developer", &["gate", "before", "open"]).await.done();
    uses("admin", &["gate", "beside", "open"]).await.done();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_is_in_nobodys_chain() {
    let world = world().await;
    let copy = json!({ "name": "copy", "permissions": true });
    world.by("developer", "POST", "/environments/before/clone", copy).await.done();
    assert_eq!(world.shown("copy").await["promotes_to"], Value::Null);
}
