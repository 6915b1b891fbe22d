//! The refusals that operations share, each a response of its own in the document: a status, and
//! the stable codes that come with it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::{
    IntoResponses, ToSchema,
    openapi::{Ref, RefOr, Response},
};

/// RFC 9457, with the members that only some codes have.
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "problems are put together member by member; this says what they may hold")]
pub(crate) struct ProblemDocument {
    /// `urn:bootlace:problem:` and the code.
    r#type: String,
    title: String,
    status: u16,
    /// Stable: what a program looks at.
    code: String,
    /// What a person reads.
    detail: String,
    /// What a policy refused for, or all that is wrong with a push.
    #[schema(nullable = false)]
    violations: Option<Vec<ProblemViolation>>,
    /// The variables that it is about.
    #[schema(nullable = false)]
    keys: Option<Vec<String>>,
    /// By variable, the form that is required of it, in words.
    #[schema(nullable = false)]
    expected: Option<BTreeMap<String, String>>,
    /// The policy that failed.
    #[schema(nullable = false)]
    policy: Option<String>,
    /// The promotion that was denied or is over, or that has the target.
    #[schema(nullable = false)]
    promotion: Option<String>,
    /// Who asked for the promotion that has the target.
    #[schema(nullable = false)]
    holder: Option<String>,
    /// `conflict`: what is current; null where that has no revision.
    revision: Option<u64>,
    /// Of a version that is not revoked: some of the leases that hold it.
    #[schema(nullable = false)]
    holders: Option<Vec<Holder>>,
    /// How many leases hold it.
    #[schema(nullable = false)]
    leases: Option<u64>,
    /// How many boots without a lease were given it: no fewer than there were, up to 1,024.
    #[schema(nullable = false)]
    unproven: Option<u64>,
}

/// An instance that holds a version.
#[derive(ToSchema)]
#[expect(dead_code, reason = "as for the problem that it is in")]
pub(crate) struct Holder {
    lease: String,
    deployment: String,
    environment: String,
    /// What it calls itself.
    #[schema(required = true)]
    instance: Option<String>,
    since: String,
    /// `live` or `lost`.
    state: String,
}

/// One thing that is wrong.
#[derive(ToSchema)]
#[schema(as = Violation)]
#[expect(dead_code, reason = "as for the problem that it is in")]
pub(crate) struct ProblemViolation {
    code: String,
    message: String,
    /// Whose rule it is, where it is a policy's.
    #[schema(nullable = false)]
    policy: Option<String>,
    /// What it is about.
    field: Option<String>,
}

/// Declares refusals: a type that operations name, its status, its codes, and when it is sent.
macro_rules! refusals {
    ($($name:ident = $status:literal [$($code:literal),+] $when:literal $($header:literal)?;)+) => {
        $(
            #[doc = $when]
            pub(crate) struct $name;

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    let named = Ref::from_response_name(stringify!($name));
                    BTreeMap::from([(stringify!($status).to_owned(), named.into())])
                }
            }
        )+

        /// Every one of them, as `components.responses` has it.
        pub(super) fn responses() -> Map<String, Value> {
            let mut all = Map::new();
            // No operation's: it is what the methods get that a path does not have.
            let other_methods = "Another method; `allow` lists those that there are.";
            all.insert("MethodNotAllowed".into(), response(405, &["invalid"], other_methods, &["allow"]));
            $(all.insert(stringify!($name).to_owned(), response($status, &[$($code),+], $when, &[$($header)?]));)+
            all
        }
    };
}

refusals! {
    BadRequest = 400 ["invalid"] "The request itself is wrong.";
    Unauthenticated = 401 ["unauthenticated"] "No token, or none that works here." "www-authenticate";
    Forbidden = 403 ["forbidden"] "Your own workspace, but the role is missing.";
    Denied = 403 ["policy-denied"] "A policy refused this boot, and says why.";
    PromotionDenied = 403 ["forbidden", "policy-denied"] "The role is missing; or a policy, or a rule of the host's own, refused the promotion.";
    NotFound = 404 ["not-found"] "Not there, or not yours; nobody can tell which.";
    Conflict = 409 ["conflict", "owned-by-directory"] "Made against another revision than the current one, or a directory owns it.";
    TooLarge = 413 ["too-large"] "Over a limit, which the detail names.";
    Invalid = 422 ["invalid", "missing-required"] "Well-formed, and not acceptable.";
    Internal = 500 ["internal"] "A failure that the host did not foresee.";
    Unavailable = 503 ["busy", "not-ready", "policy-failed", "unseal-failed"] "Not now; `retry-after` says when, where trying again may help.";
}

fn response(status: u16, codes: &[&str], when: &str, headers: &[&str]) -> Value {
    let required: Map<_, _> = headers
        .iter()
        .map(|name| (name.to_string(), json!({ "required": true, "schema": { "type": "string" } })))
        .collect();
    json!({
        "description": when, "headers": required,
        "content": { "application/problem+json": { "schema": { "allOf": [
            { "$ref": "#/components/schemas/Problem" },
            { "properties": { "status": { "const": status }, "code": { "enum": codes } } },
        ] } } },
    })
}
