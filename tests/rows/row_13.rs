//! One promotion at a time on each target: another is refused, naming who has it, or waits for its turn; none
//! is cancelled half-way.

use serde_json::{Value, json};
use tokio::{task::yield_now, time::timeout};

use crate::world::{Site, World, program::PATIENCE};

const PROMOTIONS: &str = "/deployments/checkout/promotions";

#[tokio::test(flavor = "multi_thread")]
async fn row_13_another_promotion_is_refused_and_none_is_cancelled() {
    let world = World::with(Site::starter()).await;
    let first = world.by("releaser", "POST", PROMOTIONS, json!({ "to": "production" })).await;
    assert_eq!(first.status, 202, "{}", first.text());
    let id = first.json()["id"].as_str().unwrap().to_owned();
    let refused = world.by("admin", "POST", PROMOTIONS, json!({ "to": "production" })).await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "conflict"), "{}", refused.text());
    assert_eq!(refused.json()["promotion"], id.as_str());
    assert_eq!(refused.json()["holder"], "releaser of the tests");
    // Whoever only tries it out has nothing.
    let dry = json!({ "from": "staging", "to": "production", "dry_run": true });
    let tried = world.by("admin", "POST", PROMOTIONS, dry).await;
    assert_eq!(
        (tried.status, &tried.json()["id"], &tried.json()["status"]),
        (200, &Value::Null, &json!("deferred"))
    );
    // Another target is another matter, and so is another deployment.
    let preview = json!({ "to": "preview/pr-42", "release": 17 });
    let preview = world.by("admin", "POST", PROMOTIONS, preview).await.done();
    assert_eq!(preview.json()["status"], "done", "{}", preview.text());
    let shop = json!({ "name": "shop", "environments": ["staging", "production"] });
    world.by("admin", "POST", "/deployments?confirm=production", shop).await.done();
    world.by("developer", "POST", "/deployments/shop/releases", json!({ "digest": "sha256:1" })).await.done();
    for (wanted, status) in
        [(json!({ "to": "staging", "release": 1 }), 200), (json!({ "to": "production" }), 202)]
    {
        let moved = world.by("admin", "POST", "/deployments/shop/promotions", wanted).await;
        assert_eq!(moved.status, status, "{}", moved.text());
    }

    let done = world.by("admin", "POST", &format!("{PROMOTIONS}/{id}/approvals"), Value::Null).await;
    assert_eq!((done.status, &done.json()["status"]), (200, &json!("done")), "{}", done.text());
    assert_eq!(world.boot("production").await.json()["release"], 18);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_13_a_promotion_waits_for_its_turn_and_is_done_when_that_comes() {
    let mut site = Site::starter();
    site.guard("staging", &[("required-checks", &[("checks", "e2e")])]);
    let world = World::with(site).await;
    // A release that waits for its check holds the target; one that passed is behind it.
    world.waits_for_its_check(17).await;
    world.passes(19).await;
    let next = json!({ "to": "staging", "release": 19, "wait": true });
    let (queued, ()) = tokio::join!(world.by("releaser", "POST", PROMOTIONS, next), async {
        world.somebody_queues().await;
        world.passes(17).await;
    });
    assert_eq!((queued.status, &queued.json()["status"]), (200, &json!("done")), "{}", queued.text());
    assert_eq!(world.ran_in_staging().await, [19, 17, 18]);

    // The same from the command line.
    world.waits_for_its_check(18).await;
    let line = "promote -d checkout --to staging --release 17 --wait";
    let (printed, ()) = tokio::join!(world.ok(world.site.token("releaser"), line), async {
        world.somebody_queues().await;
        world.passes(18).await;
    });
    assert!(printed.starts_with("checkout release 17:") && printed.contains("  done\n"), "{printed}");
    assert_eq!(world.ran_in_staging().await, [17, 18, 19, 17, 18]);
}

impl World {
    async fn waits_for_its_check(&self, release: u64) {
        let wanted = json!({ "to": "staging", "release": release });
        let waits = self.by("releaser", "POST", PROMOTIONS, wanted).await;
        assert_eq!(waits.status, 202, "{}", waits.text());
    }

    async fn passes(&self, release: u64) {
        let passed =
            json!({ "release": release, "environment": "staging", "name": "e2e", "conclusion": "success" });
        self.by("developer", "POST", "/deployments/checkout/checks", passed).await.done();
    }

    async fn somebody_queues(&self) {
        let queues = async {
            while self.host.promoted.receiver_count() == 0 {
                yield_now().await;
            }
        };
        timeout(PATIENCE, queues).await.expect("somebody waits for their turn");
        // They asked before this one did, who does not wait.
        let meanwhile = json!({ "to": "staging", "release": 18 });
        assert_eq!(self.by("admin", "POST", PROMOTIONS, meanwhile).await.status, 409);
    }

    /// The releases that ran there, the newest first.
    async fn ran_in_staging(&self) -> Vec<u64> {
        let path = "/deployments/checkout/activations?environment=staging";
        let told = self.by("viewer", "GET", path, Value::Null).await.done().json();
        told["activations"].as_array().unwrap().iter().map(|one| one["release"].as_u64().unwrap()).collect()
    }
}
