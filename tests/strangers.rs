//! What does not exist and what exists for others look the same: one status, one code, one body.

use crate::world::{Answer, pair::Pair};

/// All that a stranger could compare.
fn look(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let headers = answer.headers.iter().filter(|(name, _)| *name != "date");
    let headers =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    (answer.status, headers, answer.text().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_elsewhere_looks_like_what_is_nowhere() {
    let pair = Pair::start().await;
    let elsewhere = pair.twin.token("staging").parse::<bootlace::token::Token>().unwrap();
    let elsewhere = bootlace::token::token_id(&elsewhere.hash());
    let operators = pair.world.operator.parse::<bootlace::token::Token>().unwrap();
    let operators = bootlace::token::token_id(&operators.hash());
    let explain = "/api/v1/deployments/checkout/explain?environment=staging";
    let mint = "/api/v1/tokens";
    let instance = |environment: &str| {
        format!(
            r#"{{"kind":"instance","principal":"x","deployment":"checkout","environment":"{environment}"}}"#
        )
    };
    let tenant = |environment: &str| {
        format!(r#"{{"kind":"tenant","principal":"x","role":"viewer","environments":["{environment}"]}}"#)
    };
    // Who asks, for what is elsewhere, and for what is nowhere.
    let none = String::new();
    let cases = [
        (
            "admin",
            "GET",
            "/api/v1/deployments/ledger/explain?environment=staging".to_owned(),
            none.clone(),
            "/api/v1/deployments/nowhere/explain?environment=staging".to_owned(),
            none.clone(),
        ),
        (
            "admin",
            "GET",
            format!("{explain}&workspace=other"),
            none.clone(),
            format!("{explain}&workspace=nowhere"),
            none.clone(),
        ),
        (
            "admin",
            "GET",
            format!("{explain}&key=ONLY_OTHER_STAGING"),
            none.clone(),
            format!("{explain}&key=NOWHERE"),
            none.clone(),
        ),
        (
            "viewer",
            "GET",
            "/api/v1/snapshot?workspace=other".into(),
            none.clone(),
            "/api/v1/snapshot?workspace=nowhere".into(),
            none.clone(),
        ),
        (
            "viewer",
            "GET",
            "/api/v1/snapshots?workspace=other".into(),
            none.clone(),
            "/api/v1/snapshots?workspace=Other".into(),
            none.clone(),
        ),
        (
            "viewer",
            "GET",
            "/api/v1/snapshot/plans?workspace=other".into(),
            none.clone(),
            "/api/v1/snapshot/plans?workspace=".into(),
            none.clone(),
        ),
        (
            "admin",
            "DELETE",
            format!("/api/v1/tokens/{elsewhere}"),
            none.clone(),
            "/api/v1/tokens/000000000000".into(),
            none.clone(),
        ),
        (
            "admin",
            "DELETE",
            format!("/api/v1/tokens/{operators}"),
            none.clone(),
            "/api/v1/tokens/000000000000".into(),
            none.clone(),
        ),
        ("acme staging admin", "POST", mint.into(), instance("production"), mint.into(), instance("nowhere")),
        ("acme staging admin", "POST", mint.into(), tenant("production"), mint.into(), tenant("nowhere")),
        (
            "acme preview viewer",
            "GET",
            explain.into(),
            none.clone(),
            explain.replace("staging", "nowhere"),
            none,
        ),
    ];
    for (who, method, elsewhere, body, nowhere, other_body) in cases {
        let token = pair.world.site.token(who);
        let one = pair.world.admin(method, &elsewhere, token, body).await;
        let two = pair.world.admin(method, &nowhere, token, other_body).await;
        assert_eq!(look(&one), look(&two), "{who} {elsewhere}");
        assert_eq!((one.status, one.code().as_str()), (404, "not-found"), "{who} {elsewhere}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_written_in_another_way_is_no_way_around() {
    let pair = Pair::start().await;
    let limited = pair.world.site.token("acme staging admin");
    let whole = pair.world.site.token("admin");
    let path = |environment: &str| format!("/api/v1/deployments/checkout/explain?environment={environment}");
    let nowhere = pair.world.admin("GET", &path("nowhere"), limited, "").await;
    // The one name in another encoding of the URL: whoever may is answered, others learn nothing.
    for same in ["production", "%70roduction", "%70%72%6f%64%75%63%74%69%6f%6e"] {
        let answer = pair.world.admin("GET", &path(same), limited, "").await;
        assert_eq!(look(&answer), look(&nowhere), "{same}");
        assert_eq!(pair.world.admin("GET", &path(same), whole, "").await.status, 200, "{same}");
    }
    // Other names: capitals, dots, slashes, blanks, a Cyrillic o, a soft hyphen, a NUL byte, twice encoded.
    let odd = [
        "Production",
        "PRODUCTION",
        "production%2F",
        "%2Fproduction",
        ".%2Fproduction",
        "..%2Fproduction",
        "staging%2F..%2Fproduction",
        "production%20",
        "pr%D0%BEduction",
        "produc%C2%ADtion",
        "production%00",
        "%2570roduction",
        "production%0A",
        "preview%252Fpr-42",
        "preview//pr-42",
        "",
    ];
    for name in odd {
        for token in [limited, whole] {
            let answer = pair.world.admin("GET", &path(name), token, "").await;
            assert_eq!(look(&answer), look(&nowhere), "{name}");
        }
    }
    // A name given twice is not a question of which one counts.
    let twice = format!("{}&environment=production", path("staging"));
    assert_eq!(pair.world.admin("GET", &twice, limited, "").await.status, 400);
    let dotted = [
        "/api/v1/deployments/./checkout/explain",
        "/api/v1/x/../deployments/checkout/explain",
        "/api/v1/deployments/checkout%2Fexplain",
        "/api/v1//snapshot",
        "/API/v1/snapshot",
        "/api/v1/snapshot/",
    ];
    for path in dotted {
        let answer = pair.world.admin("GET", &format!("{path}?environment=staging"), limited, "").await;
        assert_eq!(look(&answer), look(&nowhere), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tokens_in_one_request_are_none() {
    let pair = Pair::start().await;
    let (own, other) = (pair.world.site.token("staging"), pair.world.site.token("production"));
    let second = format!("Bearer {other}");
    let answer = pair.world.boot_as("staging", "GET", "", &[("authorization", &second)], "").await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "unauthenticated"));
    for scheme in ["", "Basic ", "Bearer  ", "Token "] {
        let header = format!("{scheme}{own}");
        let address = pair.world.boot_address();
        let headers = [("authorization", header.as_str())];
        let answer =
            crate::world::http::request(address, "GET", "/v1/boot", None, &headers, Vec::new()).await;
        assert_eq!(answer.status, 401, "{scheme}");
        assert!(!answer.text().contains(own));
    }
}
