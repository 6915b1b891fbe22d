//! Every refusal of the control API is a problem document, and nothing it says is kept on the way.

use crate::world::{Site, World};

#[tokio::test(flavor = "multi_thread")]
async fn what_the_router_refuses_is_a_problem_document_too() {
    let world = World::start().await;
    let admin = world.site.token("admin");
    let large = vec![b' '; 64 * 1024 + 1];
    let cases = [
        ("GET", "/api/v1/nowhere", "", 404, "not-found"),
        ("GET", "/api/v1/deployments/%ff/explain?environment=staging", "", 404, "not-found"),
        ("DELETE", "/api/v1/tokens/%ff", "", 404, "not-found"),
        ("PATCH", "/api/v1/snapshot", "", 405, "invalid"),
        ("GET", "/api/v1/snapshot/rollback", "", 405, "invalid"),
        ("POST", "/api/v1/tokens", "{", 400, "invalid"),
        ("POST", "/api/v1/tokens", std::str::from_utf8(&large).unwrap(), 413, "too-large"),
    ];
    for (method, path, body, status, code) in cases {
        let answer = world.admin(method, path, admin, body).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{method} {path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_method_is_answered_with_the_right_ones() {
    let world = World::start().await;
    let answer = world.admin("DELETE", "/api/v1/snapshot", world.site.token("viewer"), "").await;
    let mut allowed: Vec<_> = answer.header("allow").split(',').map(str::trim).collect();
    allowed.sort_unstable();
    assert_eq!((answer.status, allowed), (405, vec!["GET", "HEAD", "PUT"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_push_is_refused_before_its_body_is_read() {
    let world =
        World::with_settings(Site::starter(), |settings| settings.bundle_limits.bundle_bytes = 1 << 20).await;
    // Larger than the limit: whoever is known is told so, a stranger only that he is none.
    let large = vec![0; (1 << 20) + 1];
    let stranger = world.admin("PUT", "/api/v1/snapshot", "bl_operator_x", large.clone()).await;
    assert_eq!((stranger.status, stranger.code().as_str()), (401, "unauthenticated"));
    let tenant = world.admin("PUT", "/api/v1/snapshot", world.site.token("admin"), large).await;
    assert_eq!((tenant.status, tenant.code().as_str()), (403, "forbidden"));
}
