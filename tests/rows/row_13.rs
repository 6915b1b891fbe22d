//! One promotion at a time on each target: another is refused, naming who has it, or waits for its turn; none
//! is cancelled half-way.

use serde_json::{Value, json};

use crate::world::{Site, World};

const PROMOTIONS: &str = "/deployments/checkout/promotions";

#[tokio::test(flavor = "multi_thread")]
async fn row_13_another_promotion_is_refused_or_waits_and_none_is_cancelled() {
    let world = World::with(Site::starter()).await;
    let first = world.by("releaser", "POST", PROMOTIONS, json!({ "to": "production" })).await;
    assert_eq!(first.status, 202, "{}", first.text());
    let id = first.json()["id"].as_str().unwrap().to_owned();
    let refused = world.by("admin", "POST", PROMOTIONS, json!({ "to": "production" })).await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "conflict"), "{}", refused.text());
    assert_eq!(refused.json()["promotion"], id.as_str());
    assert_eq!(refused.json()["holder"], "releaser of the tests");
    // Another target is another matter.
    let dry = json!({ "from": "staging", "to": "production", "dry_run": true });
    let tried = world.by("admin", "POST", PROMOTIONS, dry).await;
    assert_eq!(
        (tried.status, &tried.json()["id"], &tried.json()["status"]),
        (200, &Value::Null, &json!("deferred"))
    );

    let approvals = format!("{PROMOTIONS}/{id}/approvals");
    let (queued, done) = tokio::join!(
        world.by("admin", "POST", PROMOTIONS, json!({ "to": "production", "wait": true })),
        world.by("admin", "POST", &approvals, Value::Null),
    );
    assert_eq!((done.status, &done.json()["status"]), (200, &json!("done")), "{}", done.text());
    // Its turn came when the release was there already, or before that as the same that waited.
    assert_eq!((queued.status, queued.code().as_str()), (403, "policy-denied"), "{}", queued.text());
    assert!(queued.text().contains("active in production already"), "{}", queued.text());
    assert_eq!(world.boot("production").await.json()["release"], 18);
}
