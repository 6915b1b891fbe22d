//! Environment-scoped tokens: the token decides the environment, nothing in the request can.

use serde_json::json;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn row_14_the_token_decides_the_environment_and_nothing_in_the_request_can() {
    let world = World::start().await;
    let (staging, production) = (world.environment("staging").await, world.environment("production").await);
    assert_ne!(staging["DATABASE_URL"], production["DATABASE_URL"]);
    let token = world.site.token("staging");
    for claim in ["environment=production", "environment=staging", "workspace=acme", "deployment=checkout"] {
        let refused = world.get_boot(&format!("/v1/boot?{claim}"), Some(token)).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, "invalid"), "{claim}");
        assert!(!refused.text().contains("postgres://"), "{}", refused.text());
    }
    // What somebody says about itself is a claim, and decides nothing of this.
    let facts = "region=production&zone=production&attr.environment=production";
    let booted = world.get_boot(&format!("/v1/boot?{facts}"), Some(token)).await;
    assert_eq!(booted.environment()["DATABASE_URL"], staging["DATABASE_URL"]);

    // One is minted for one environment, and asking for more than that with it is refused.
    let wanted = json!({ "kind": "instance", "principal": "pod", "deployment": "checkout", "environment": "production" });
    let by = |name: &str| world.site.token(name).to_owned();
    for refused in [by("staging"), by("viewer"), by("developer")] {
        let answer = world.admin("POST", "/api/v1/tokens", &refused, wanted.to_string()).await;
        assert!([401, 403].contains(&answer.status), "{}", answer.text());
    }
    let minted = world.admin("POST", "/api/v1/tokens", &by("admin"), wanted.to_string()).await;
    let minted = minted.json()["token"].as_str().unwrap().to_owned();
    let booted = world.get_boot("/v1/boot", Some(&minted)).await;
    assert_eq!(booted.environment()["DATABASE_URL"], production["DATABASE_URL"]);
}
