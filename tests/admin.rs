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

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_there_looks_like_one_that_is_somebody_elses() {
    let world = World::start().await;
    let admin = world.site.token("admin");
    let own = world.admin("GET", "/api/v1/tokens", admin, "").await.json();
    let known = own["tokens"][0]["id"].as_str().unwrap().to_owned();
    for path in ["?workspace=other", "?workspace=Not-A-Name", "?workspace=acme&workspace=acme"] {
        let known = world.admin("DELETE", &format!("/api/v1/tokens/{known}{path}"), admin, "").await;
        let unknown = world.admin("DELETE", &format!("/api/v1/tokens/000000000000{path}"), admin, "").await;
        assert_eq!((known.status, known.text()), (unknown.status, unknown.text()), "{path}");
    }
    let operator = &world.operator;
    for id in [known.as_str(), "000000000000"] {
        assert_eq!(world.admin("DELETE", &format!("/api/v1/tokens/{id}"), operator, "").await.status, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_list_their_own_tokens_and_a_workspaces_apart() {
    let world = World::start().await;
    let kinds = |answer: &crate::world::Answer| -> std::collections::BTreeSet<String> {
        let body = answer.json();
        let listed = body["tokens"].as_array().unwrap();
        listed.iter().map(|token| token["kind"].as_str().unwrap().to_owned()).collect()
    };
    let own = world.admin("GET", "/api/v1/tokens", &world.operator, "").await;
    assert_eq!(kinds(&own), ["operator".to_owned()].into());
    let acme = world.admin("GET", "/api/v1/tokens?workspace=acme", &world.operator, "").await;
    assert_eq!(kinds(&acme), ["instance".to_owned(), "tenant".to_owned()].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_mints_no_principal_of_the_hosts() {
    let world = World::start().await;
    for principal in ["operator", "Host"] {
        let wanted = format!(r#"{{"kind":"tenant","principal":"{principal}","role":"viewer"}}"#);
        let tenant = world.admin("POST", "/api/v1/tokens", world.site.token("admin"), wanted).await;
        assert_eq!((tenant.status, tenant.code().as_str()), (422, "invalid"), "{principal}");
    }
    let wanted = r#"{"kind":"tenant","principal":"ada","role":"viewer"}"#;
    let minted = world.admin("POST", "/api/v1/tokens", world.site.token("admin"), wanted).await;
    assert_eq!((minted.status, minted.header("bootlace-revision")), (201, "1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limited_token_sees_nothing_of_the_whole_snapshot() {
    let world = World::start().await;
    let limited = r#"{"kind":"tenant","principal":"ada","role":"viewer","environments":["staging"]}"#;
    let minted = world.admin("POST", "/api/v1/tokens", world.site.token("admin"), limited).await.json();
    let (limited, whole) = (minted["token"].as_str().unwrap(), world.site.token("viewer"));
    for (token, told) in [(limited, false), (whole, true)] {
        let shown = world.admin("GET", "/api/v1/snapshot", token, "").await.json();
        assert_eq!((shown.get("digest").is_some(), shown.get("policies").is_some()), (told, told));
        assert_eq!(shown["deployments"], serde_json::json!(["checkout"]));
        let listed = world.admin("GET", "/api/v1/workspaces", token, "").await.json();
        assert_eq!(listed["workspaces"][0].get("digest").is_some(), told);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_who_pushes_is_told_whom_to_ask() {
    let world = World::start().await;
    let refused = world.admin("PUT", "/api/v1/snapshot", world.site.token("admin"), "").await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden"));
    assert!(refused.text().contains("ask who runs the host"), "{}", refused.text());
}
