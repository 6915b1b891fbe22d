//! What an operator can watch, and nobody else.

use crate::world::{NOON, Site, World, http};

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_an_operators_alone() {
    let world = World::with(Site::small(1)).await;
    for (token, status) in [
        (None, 401),
        (Some(world.site.token("production")), 401),
        (Some(world.site.token("admin")), 403),
        (Some(world.operator.as_str()), 200),
    ] {
        let answer = http::request(world.admin_address(), "GET", "/metrics", token, &[], Vec::new()).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    assert_eq!(
        world.get_boot("/metrics", Some(&world.operator)).await.status,
        404,
        "nor on the boot listener"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn boots_are_counted_by_what_came_of_them() {
    let world = World::with(Site::small(1)).await;
    let answers = [world.boot("production").await, world.boot("staging").await, world.boot("staging").await];
    assert!(answers.iter().all(|answer| answer.status == 200));
    let headers = [("if-none-match", answers[0].header("etag"))];
    let token = Some(world.site.token("production"));
    let again = http::request(world.boot_address(), "GET", "/v1/boot", token, &headers, Vec::new()).await;
    assert_eq!(again.status, 304);
    assert_eq!(world.get_boot("/v1/boot", Some("garbage")).await.status, 401);
    let refused = world.push(b"no bundle", 1).await;
    assert_eq!(refused.status, 422, "{}", refused.text());

    let metrics = world.admin("GET", "/metrics", &world.operator, "").await;
    assert!(metrics.header("content-type").starts_with("application/openmetrics-text"));
    for line in [
        "bootlace_boots_total{outcome=\"allowed\"} 3",
        "bootlace_boots_total{outcome=\"unchanged\"} 1",
        "bootlace_boots_total{outcome=\"unauthenticated\"} 1",
        "bootlace_boot_seconds_count 3",
        "bootlace_changes_refused_total 1",
        "bootlace_revision{workspace=\"acme\"} 1",
        "bootlace_degraded 0",
        &format!("bootlace_clock_seconds {}", NOON.0),
        &format!("bootlace_snapshot_expires_seconds{{workspace=\"acme\"}} {}", NOON.0 + 86_400),
        "bootlace_panics_total 0",
        "bootlace_audit_failures_total 0",
        "# EOF",
    ] {
        assert!(metrics.text().lines().any(|each| each == line), "no {line} in\n{}", metrics.text());
    }
}
