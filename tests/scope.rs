//! Every token on every route of both listeners, asking for every environment of two workspaces
//! with the same names: who may is answered, who may not is refused, and no answer holds what is
//! outside of its token's scope.

mod names;
mod routes;
mod spelling;
mod there;
mod who;

use bootlace::{
    model::{EnvironmentType, Role, TokenKind},
    token::Token,
};
use serde_json::json;
use zeroize::Zeroizing;

use crate::world::{
    Answer, http,
    pair::{ENVIRONMENTS, Pair, Place},
};
use names::Names;
pub(crate) use routes::routes_of_the_code;
use routes::{Listener, ROUTES, Route, is_resource};
use there::{earlier_version, lease, moved_back, pinned, waiting};
use who::{Outcome, Who};

/// A value that is set in every place before a token is tried.
const PROBE: &str = "SCOPE_PROBE";
/// What is bound, and taken away again.
const BOUND: &str = "SCOPE_BOUND";

fn tokens(pair: &Pair) -> Vec<(String, Option<String>, Who)> {
    let mut tokens = Vec::new();
    for workspace in ["acme", "other"] {
        let site = pair.site(workspace);
        for environment in ENVIRONMENTS.into_iter().filter(|name| *name != "development") {
            let who = Who::Instance(Place { workspace, environment });
            tokens.push((
                format!("{workspace} {environment}"),
                Some(site.token(environment).to_owned()),
                who,
            ));
        }
        for role in Role::ALL {
            let who = Who::Tenant { workspace, role, only: None };
            tokens.push((
                format!("{workspace} {}", role.as_str()),
                Some(site.token(role.as_str()).to_owned()),
                who,
            ));
        }
    }
    let extra = |name: &str| Some(pair.world.site.token(name).to_owned());
    let limited = |workspace, role, only| Who::Tenant { workspace, role, only: Some(only) };
    let staging = pair.world.site.token("staging");
    let changed =
        format!("{}{}", &staging[..20], if &staging[20..21] == "A" { "B" } else { "A" }) + &staging[21..];
    let unknown = |kind| Some(Token::mint(kind, Zeroizing::new([7; 32])).expose().to_owned());
    for role in Role::ALL {
        let name = format!("acme staging {}", role.as_str());
        tokens.push((name.clone(), extra(&name), limited("acme", role, "staging")));
    }
    let rest = [
        ("acme preview viewer", extra("acme preview viewer"), limited("acme", Role::Viewer, "preview/pr-42")),
        (
            "other production admin",
            extra("other production admin"),
            limited("other", Role::Admin, "production"),
        ),
        ("operator", Some(pair.world.operator.clone()), Who::Operator),
        ("expired instance", extra("expired instance"), Who::Nobody),
        ("expired admin", extra("expired admin"), Who::Nobody),
        ("expired operator", extra("expired operator"), Who::Nobody),
        ("revoked instance", extra("revoked instance"), Who::Nobody),
        ("one character changed", Some(changed), Who::Nobody),
        ("unknown instance", unknown(TokenKind::Instance), Who::Nobody),
        ("unknown tenant", unknown(TokenKind::Tenant), Who::Nobody),
        ("unknown operator", unknown(TokenKind::Operator), Who::Nobody),
        ("none", None, Who::Nobody),
        ("garbage", Some("acme/production".to_owned()), Who::Nobody),
    ];
    tokens.extend(rest.map(|(name, token, who)| (name.to_owned(), token, who)));
    tokens
}

/// No deployment uses `development`, so that nothing can be set or bound there.
async fn set_probe(pair: &Pair, place: Place) {
    for path in ["/api/v1/deployments/{id}/env", "/api/v1/deployments/{id}/bindings"] {
        let route = (Listener::Admin, "POST", path);
        let answer = ask(pair, route, Some(&pair.world.operator), place, "").await;
        assert_eq!(answer.status == 200, place.environment != "development", "{}", answer.text());
    }
    for path in ["/api/v1/env", "/api/v1/environments/{env}/env"] {
        let route = (Listener::Admin, "POST", path);
        let answer = ask(pair, route, Some(&pair.world.operator), place, "").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

async fn ask(pair: &Pair, route: Route, token: Option<&str>, place: Place, victim: &str) -> Answer {
    let (listener, method, path) = route;
    let mut names = Names::of(place, victim);
    if path.ends_with("/revoke") {
        names.version = earlier_version(pair, path, &names).await;
    }
    if path.contains("/lease") && !path.ends_with("/leases") {
        names.lease = lease(pair, place).await;
    }
    if path.contains("{promotion}") && place.environment == "production" {
        names.promotion = waiting(pair, place).await;
    }
    let (workspace, environment) = (&names.workspace.url, &names.environment.url);
    let moves_back =
        ["/rollback", "/unpin"].iter().any(|end| path == format!("/api/v1/deployments/{{id}}{end}"));
    let body = match moves_back {
        true => moved_back(pair, place, path).await,
        false => body((method, path), &names),
    };
    let path = match path {
        _ if is_resource(path) || path.starts_with("/api/v1/env/") || path == "/api/v1/env" => {
            let confirmed = "production,staging,preview%2Fpr-42,development";
            format!(
                "{}?workspace={workspace}&environment={environment}&confirm={confirmed}",
                names.path(path)
            )
        }
        // Nothing in a request decides; what tries to is refused, as another test shows.
        "/v1/boot" => path.to_owned(),
        "/v1/lease/{id}" => names.path(path),
        _ if path.starts_with("/api/v1/environments/{env}") => {
            format!("{}?workspace={workspace}&confirm={environment}", names.path(path))
        }
        "/api/v1/policies/{name}" | "/api/v1/attachments/{id}" => {
            format!("{}?workspace={workspace}", names.path(path))
        }
        "/api/v1/deployments/{id}/what-if" => {
            format!("{}?workspace={workspace}&environment={environment}&release=17", names.path(path))
        }
        "/api/v1/deployments/{id}/diff" => {
            format!("{}?workspace={workspace}&from={environment}&to={environment}", names.path(path))
        }
        "/api/v1/deployments/{id}/parity" => {
            format!("{}?workspace={workspace}&environments={environment}", names.path(path))
        }
        _ => format!("{}?workspace={workspace}&environment={environment}", names.path(path)),
    };
    let claims =
        [("if-match", "\"1\""), ("x-environment", place.environment), ("x-workspace", place.workspace)];
    // What is set there has another tag, and so has every token.
    let has_own = path.contains("/env") || path.contains("/tokens/") || path.contains("/bindings");
    let claims = if has_own { &claims[1..] } else { &claims[..] };
    let address = match listener {
        Listener::Boot => pair.world.boot_address(),
        Listener::Admin => pair.world.admin_address(),
    };
    let answer = http::request(address, method, &path, token, claims, body.into_bytes()).await;
    if moves_back {
        pinned(pair, place, false).await;
    }
    answer
}

/// What a route is sent that wants to be sent something.
fn body(route: (&str, &str), names: &Names) -> String {
    let (environment, deployment) = (&names.environment.text, &names.deployment.text);
    let body = match route {
        ("POST", "/api/v1/deployments/{id}/env") => {
            json!({ "environment": environment, "name": PROBE, "value": "x" })
        }
        ("POST", "/api/v1/env" | "/api/v1/environments/{env}/env") => json!({ "name": PROBE, "value": "x" }),
        // There is one of that name.
        ("POST", "/api/v1/workspaces") => json!({ "name": names.workspace.text }),
        ("POST", "/api/v1/environments") => {
            json!({ "name": environment, "type": "test", "deployments": [deployment] })
        }
        ("POST", "/api/v1/deployments") => json!({ "name": deployment, "environments": [environment] }),
        ("POST", "/api/v1/deployments/{id}/releases") => json!({ "number": 900, "digest": "sha256:scope" }),
        ("POST", "/api/v1/deployments/{id}/checks") => json!({
            "release": 17, "environment": environment, "name": "scope", "conclusion": "success",
        }),
        ("POST", "/api/v1/deployments/{id}/promotions") => {
            json!({ "from": environment, "to": environment, "release": 17, "dry_run": true })
        }
        ("PATCH", "/api/v1/deployments/{id}") => json!({ "required": { "PORT": "any" } }),
        ("POST", "/api/v1/deployments/{id}/bindings") => {
            json!({ "environment": environment, "name": BOUND, "service": names.service.text })
        }
        ("PUT", "/api/v1/deployments/{id}/domains") => json!({ "apex": "scope.example" }),
        ("PUT", "/api/v1/deployments/{id}/namespaces") => json!({ "kinds": { "memory": true } }),
        ("PUT", "/api/v1/deployments/{id}/tools") => json!({ "environments": {} }),
        ("POST", "/api/v1/services") => json!({
            "name": names.service.text, "kind": "postgres", "instances": { environment: { "user": "x" } },
        }),
        ("PATCH", "/api/v1/services/{id}") => json!({ "instances": { environment: null } }),
        ("POST", "/api/v1/tools") => json!({ "name": names.tool.text }),
        ("PATCH", "/api/v1/tools/{id}") => json!({ "profiles": { environment: null } }),
        ("POST", "/api/v1/environments/{env}/clone") => json!({ "name": environment, "permissions": true }),
        ("POST", "/api/v1/deployments/{id}/rollback") => {
            json!({ "environment": environment, "activation": 999_999 })
        }
        ("POST", "/api/v1/deployments/{id}/unpin") => json!({ "environment": environment }),
        ("POST", "/api/v1/deployments/{id}/what-if") => json!({ "policy": "region-affinity" }),
        ("PATCH", _) => json!({}),
        ("POST", "/api/v1/tokens") => json!({
            "kind": "instance", "principal": "x", "deployment": deployment, "environment": environment,
        }),
        ("POST", "/api/v1/snapshot/rollback") => json!({ "revision": 9 }),
        _ => return String::new(),
    };
    body.to_string()
}

/// The directory's attachment to every environment of its deployment.
fn everywhere() -> String {
    let place = bootlace::model::Place::Deployment("checkout".parse().unwrap(), None);
    let policy = "region-affinity".parse().unwrap();
    bootlace::model::Attachment { policy, place, settings: [].into() }.id()
}

#[tokio::test(flavor = "multi_thread")]
async fn scope_every_token_on_every_route() {
    let pair = Pair::start().await;
    let admin = pair.world.site.token("admin");
    let revoked: bootlace::token::Token = pair.world.site.token("revoked instance").parse().unwrap();
    let revoked = bootlace::token::token_id(&revoked.hash());
    assert_eq!(pair.world.admin("DELETE", &format!("/api/v1/tokens/{revoked}"), admin, "").await.status, 204);

    let mut victims = Vec::new();
    for place in Pair::places() {
        victims.push(pair.victim(place).await);
        // Twice, so that there is an earlier version.
        set_probe(&pair, place).await;
        set_probe(&pair, place).await;
    }
    let (mut asked, mut answered) = (0, 0);
    for (name, token, who) in tokens(&pair) {
        for route in ROUTES {
            for (at, place) in Pair::places().enumerate() {
                let answer = ask(&pair, route, token.as_deref(), place, &victims[at]).await;
                let case = format!("{name}: {route:?} about {place:?}: {} {:?}", answer.status, answer.body);
                let outcome = if answer.status < 300 { Outcome::Answered } else { Outcome::Refused };
                assert_eq!(outcome, who.may(route, place), "{case}");
                if outcome == Outcome::Answered {
                    check(&pair, route, who, place, &answer, &case);
                    answered += 1;
                    if route.1 == "DELETE" {
                        victims[at] = pair.victim(place).await;
                        set_probe(&pair, place).await;
                    }
                } else {
                    let strangers = who == Who::Nobody && route.2 != "/api/v1/nowhere";
                    let wrong_listener = match route.0 {
                        Listener::Boot => !matches!(who, Who::Instance(_)),
                        Listener::Admin => matches!(who, Who::Instance(_)) && route.2 != "/api/v1/nowhere",
                    };
                    assert_eq!(answer.status == 401, strangers || wrong_listener, "{case}");
                }
                asked += 1;
            }
        }
    }
    assert!(asked > 4_000 && answered > 500, "{asked} asked, {answered} answered");
}

/// Nothing of a place that the token does not see, and on the admin listener no secret at all.
fn check(pair: &Pair, route: Route, who: Who, asked: Place, answer: &Answer, case: &str) {
    if route.2 == "/openapi.json" {
        return; // The same for everybody: its examples name a place, and nobody's.
    }
    // An environment's type is a word of its own, and no environment's name.
    let types = EnvironmentType::ALL.map(|kind| format!("\"type\":\"{kind}\""));
    let body = types
        .iter()
        .fold(String::from_utf8_lossy(&answer.body).into_owned(), |body, kind| body.replace(kind, ""));
    for place in Pair::places() {
        // An operator sees everything, but is told about the workspace that it asked about.
        let everywhere = ["/api/v1/workspaces", "/metrics"].contains(&route.2);
        let told = place.workspace == asked.workspace || everywhere;
        let visible = if who == Who::Operator { told } else { who.sees(place) };
        let canaries = pair.canaries(place);
        let secrets = if route.0 == Listener::Admin || !visible { 3 } else { 0 };
        let own = if visible { &canaries[..secrets] } else { &canaries[..] };
        for canary in own {
            assert!(!body.contains(canary), "{canary} in {case}");
        }
        let limited = matches!(who, Who::Instance(_) | Who::Tenant { only: Some(_), .. });
        assert!(
            !limited || visible || names_its_own(who, place) || !body.contains(place.environment),
            "{case}"
        );
    }
    for workspace in ["acme", "other"] {
        let visible = Pair::places().any(|place| place.workspace == workspace && who.sees(place));
        let named = format!("\"workspace\":\"{workspace}\"");
        assert!(visible || !body.contains(&named), "{case}");
        let uid = pair.site(workspace).ids.workspace.to_string();
        assert!(visible || !body.contains(&uid), "{case}");
    }
}

/// Both workspaces have environments of the same names.
fn names_its_own(who: Who, place: Place) -> bool {
    Pair::places().any(|own| own.environment == place.environment && who.sees(own))
}
