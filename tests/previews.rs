//! Previews: cloned from the workspace's template, never from production, gone after a while.

use serde_json::{Value, json};

use crate::world::{Answer, NOON, Site, World};

const ENVIRONMENTS: &str = "/api/v1/environments";
const WEEK: i64 = 7 * 86_400;

/// Staging is the template, and lends its database to one preview.
fn site() -> Site {
    let mut site = Site::small(3);
    site.edit(
        "services/orders-db.toml",
        "[instances.staging]\n",
        "[instances.staging]\nshared-with = [\"preview/pr-7\", \"preview/pr-8\"]\n",
    );
    site.edit("environments/staging.toml", "tier = \"shared\"", "preview-template = \"true\"");
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_is_a_clone_of_the_template_that_expires() {
    let world = World::with(site()).await;
    let made = world.made(&json!({ "name": "preview/pr-7" })).await;
    assert_eq!((made.status, &made.json()["warnings"]), (200, &json!([])), "{}", made.text());
    let shown = world.shown("preview/pr-7").await;
    let at = |seconds: i64| json!(bootlace::clock::rfc3339(bootlace::id::UnixSeconds(NOON.0 + seconds)));
    assert_eq!(
        (&shown["type"], &shown["expires"], &shown["labels"], &shown["promotes_to"]),
        (&json!("pre-production"), &at(WEEK), &json!({}), &Value::Null)
    );
    let token = world.instance("checkout", "preview/pr-7").await;
    assert_eq!(world.given(&token).await, world.environment("staging").await);

    let wanted = json!({ "name": "preview/pr-8", "expires": 3_600, "labels": { "branch": "b" } });
    assert_eq!(world.made(&wanted).await.status, 200);
    let shown = world.shown("preview/pr-8").await;
    assert_eq!((&shown["expires"], &shown["labels"]), (&at(3_600), &json!({ "branch": "b" })));
    // Whom the template's database is not lent to goes without, and could not boot.
    let stranger = world.made(&json!({ "name": "preview/pr-9" })).await;
    assert_eq!(stranger.status, 422);
    assert!(stranger.text().contains("does not list preview/pr-9"), "{}", stranger.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_is_refused_without_a_template_from_production_and_beyond_its_limits() {
    let world = World::with(site()).await;
    for (wanted, said) in [
        (json!({ "name": "qa" }), "type"),
        (json!({ "name": "preview/pr-7", "protected": true }), "as its template"),
        (json!({ "name": "preview/pr-7", "expires": 91 * 86_400 }), "at the latest"),
        (json!({ "name": "preview/pr-7", "expires": 0 }), "to come"),
        (json!({ "name": "preview/pr-7", "expires": "2026-11-21T00:00:00Z" }), "to come"),
        (json!({ "name": "preview/pr-7", "expires": "tomorrow" }), "RFC 3339"),
    ] {
        let refused = world.made(&wanted).await;
        assert_eq!((refused.status, refused.code().as_str()), (422, "invalid"), "{wanted}");
        assert!(refused.text().contains(said), "{}", refused.text());
    }
    let path = format!("{ENVIRONMENTS}/production/clone?confirm=production");
    let body = json!({ "name": "preview/pr-7" }).to_string();
    let refused = world.admin("POST", &path, world.site.token("admin"), body).await;
    assert!(refused.status == 422 && refused.text().contains("never"), "{}", refused.text());

    let mut none = site();
    none.edit("environments/staging.toml", "preview-template = \"true\"", "preview-template = \"no\"");
    let world = World::with(none).await;
    let refused = world.made(&json!({ "name": "preview/pr-7" })).await;
    assert!(refused.status == 422 && refused.text().contains("preview-template"), "{}", refused.text());
    let mut two = site();
    two.edit(
        "environments/development.toml",
        "\n[variables]",
        "labels = { preview-template = \"true\" }\n[variables]",
    );
    let world = World::with(two).await;
    let refused = world.made(&json!({ "name": "preview/pr-7" })).await;
    assert!(refused.text().contains("development and staging"), "{}", refused.text());
}

impl World {
    async fn made(&self, wanted: &Value) -> Answer {
        self.admin("POST", ENVIRONMENTS, self.site.token("developer"), wanted.to_string()).await
    }

    pub(crate) async fn shown(&self, name: &str) -> Value {
        let path = format!("{ENVIRONMENTS}/{}", name.replace('/', "%2F"));
        self.admin("GET", &path, self.site.token("admin"), "").await.json()
    }
}
