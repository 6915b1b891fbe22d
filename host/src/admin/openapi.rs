//! `/openapi.json`: what both listeners take and answer, put together from what stands at each
//! handler and from the types that it reads and writes.

mod boot;
mod refusals;

use std::collections::BTreeMap;

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use utoipa::{
    IntoParams, IntoResponses, OpenApi,
    openapi::{
        ArrayBuilder, ObjectBuilder, Required, Type,
        path::{Parameter, ParameterBuilder, ParameterIn},
    },
};

use super::{
    attachments, audit,
    deployments::{self, activations, bindings, checks, given, pipeline, promotions, releases, rollback},
    diff, drift, environments, explain,
    idempotency::MAX_KEY_BYTES,
    leases, parity, policies,
    query::{MAX_PAGE, PAGE},
    rotations, services, snapshot, tokens, tools, transfer, usage, values, what_if, workspaces,
};
pub(crate) use refusals::{
    BadRequest, Conflict, Forbidden, Internal, Invalid, NotFound, PromotionDenied, TooLarge, Unauthenticated,
    Unavailable,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "Bootlace", description = "Hands every runtime instance the right configuration at the moment it boots."),
    security(("token" = [])),
    paths(
        boot::boot, boot::boot_with_facts, boot::lease,
        snapshot::push, snapshot::show, snapshot::bundle, snapshot::plans, snapshot::rollback,
        snapshot::history, workspaces::list, workspaces::create, explain::explain, diff::diff, parity::parity,
        what_if::of_release, what_if::of_policy,
        environments::list, environments::create, environments::show, environments::patch, environments::delete,
        deployments::list, deployments::create, deployments::show, deployments::patch, deployments::delete,
        bindings::list, bindings::add, bindings::remove,
        given::show_domains, given::put_domains, given::show_namespaces, given::put_namespaces,
        given::show_tools, given::put_tools,
        activations::list, releases::list, releases::register, rollback::rollback, rollback::unpin, checks::list, checks::report,
        promotions::list, promotions::show, promotions::promote, promotions::approve, promotions::withdraw, pipeline::show,
        services::list, services::create, services::show, services::patch, services::delete,
        services::holders::holders, services::unproven::accept, rotations::list,
        tools::list, tools::create, tools::show, tools::patch, tools::delete,
        environments::clone::clone,
        values::deployment::list, values::deployment::set, values::deployment::unset, values::deployment::versions,
        values::deployment::revoke, values::workspace::revoke, values::environment::revoke,
        values::workspace::list, values::workspace::set, values::workspace::unset, values::workspace::versions,
        values::environment::list, values::environment::set, values::environment::unset,
        values::environment::versions,
        policies::list, policies::show, policies::upload, policies::delete,
        attachments::list, attachments::attach, attachments::show, attachments::configure, attachments::detach,
        tokens::list, tokens::mint, tokens::revoke, leases::list, leases::report_gone, drift::drift, audit::query, usage::show,
        transfer::export, transfer::import,
        show, super::metrics, super::alive, super::ready,
    ),
    components(schemas(refusals::ProblemDocument, refusals::ProblemViolation, snapshot::ChangedSnapshot)),
)]
struct Api;

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "host", security(()), operation_id = "openapi",
    responses((status = 200, description = "The document", body = Object)))]
pub(super) async fn show() -> Response {
    Json(document()).into_response()
}

/// The whole document, OpenAPI 3.1.
#[must_use]
pub fn document() -> Value {
    // A tree of texts and maps always encodes.
    let mut document = serde_json::to_value(Api::openapi()).unwrap_or_default();
    document["components"]["responses"] = refusals::responses().into();
    document["components"]["securitySchemes"] = json!({
        "token": {
            "type": "http", "scheme": "bearer",
            "description": "An instance's token boots; a tenant's or an operator's uses the control API.",
        },
    });
    for path in ["/v1/boot", "/v1/lease/{id}"] {
        document["paths"][path]["servers"] =
            json!([{ "url": "http://127.0.0.1:7300", "description": "The boot listener" }]);
    }
    document["paths"]["/v1/lease/{id}"]["post"]["requestBody"]["required"] = false.into();
    document["paths"]["/v1/boot"]["post"]["requestBody"]["required"] = false.into();
    document["servers"] = json!([{ "url": "http://127.0.0.1:7301", "description": "The admin listener" }]);
    keyed(&mut document);
    opened(&mut document);
    // Before a request is read at all, a listener with too many connections turns it away.
    for path in document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut()) {
        let operations = path.as_object_mut().into_iter().flat_map(|path| path.values_mut());
        for responses in operations.filter_map(|one| one.get_mut("responses")?.as_object_mut()) {
            let turned_away = json!({ "$ref": "#/components/responses/Unavailable" });
            responses.entry("503").or_insert(turned_away);
        }
    }
    document
}

/// What is a part of something larger has members beside its own: where it stands alone, as what is sent, none.
fn opened(document: &mut Value) {
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else { return };
    let closed: BTreeMap<_, _> = schemas
        .iter()
        .filter(|(_, one)| one["additionalProperties"] == false)
        .map(|(name, one)| (format!("#/components/schemas/{name}"), one.clone()))
        .collect();
    for part in schemas.values_mut().filter_map(|one| one.get_mut("allOf")?.as_array_mut()).flatten() {
        let Some(found) = part["$ref"].as_str().and_then(|reference| closed.get(reference)) else { continue };
        *part = found.clone();
        part.as_object_mut().map(|members| members.remove("additionalProperties"));
    }
}

/// Every change takes a key, and refuses it where it is another request's.
fn keyed(document: &mut Value) {
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    let control = paths.filter(|(path, _)| path.starts_with("/api/"));
    for (method, operation) in control.flat_map(|(_, path)| path.as_object_mut()).flatten() {
        if method == "get" {
            continue;
        }
        let key = json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "A word of your own making. The change is made once under it: who asks again is answered as before, for 24 hours and until the host's next start.",
            "schema": { "type": "string", "pattern": "^[!-~]+$", "minLength": 1, "maxLength": MAX_KEY_BYTES },
        });
        match operation["parameters"].as_array_mut() {
            Some(parameters) => parameters.push(key),
            None => operation["parameters"] = json!([key]),
        }
        for (status, refusal) in [("400", "BadRequest"), ("409", "Conflict"), ("422", "Invalid")] {
            let refused = json!({ "$ref": format!("#/components/responses/{refusal}") });
            if let Some(responses) = operation["responses"].as_object_mut() {
                responses.entry(status).or_insert(refused);
            }
        }
    }
}

/// What every change is answered with.
#[derive(IntoResponses)]
#[response(status = 200, description = "It is durable and served", headers(
    ("etag" = String, description = "The new revision"), ("bootlace-revision" = u64, description = "The same")))]
pub(crate) struct NewRevision(
    #[expect(dead_code, reason = "it stands for the body in the document")] snapshot::ChangedSnapshot,
);

/// `?workspace=`.
pub(crate) struct InWorkspace;

impl IntoParams for InWorkspace {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let about = "The workspace. A tenant's token implies it; an operator names it.";
        let text = ObjectBuilder::new().schema_type(Type::String);
        let named = ParameterBuilder::new().name("workspace").parameter_in(ParameterIn::Query);
        vec![named.required(Required::False).description(Some(about)).schema(Some(text)).build()]
    }
}

/// `?limit=` and `?cursor=`: which part of a list.
pub(crate) struct InPages;

impl IntoParams for InPages {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameter = |name, about: String, schema: ObjectBuilder| {
            let named = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Query);
            named.required(Required::False).description(Some(about)).schema(Some(schema)).build()
        };
        let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(MAX_PAGE));
        let text = ObjectBuilder::new().schema_type(Type::String);
        vec![
            parameter("limit", format!("Entries at most; {PAGE} where it is not given."), number),
            parameter("cursor", "`next` of the page before.".to_owned(), text),
        ]
    }
}

/// `If-Match`: the revision that a change was made against.
pub(crate) struct Made;

impl IntoParams for Made {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let about = "The revision that the change was made against, in quotes; `\"0\"` for the first.";
        let quoted = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^\"[0-9]{1,19}\"$"));
        let named = ParameterBuilder::new().name("If-Match").parameter_in(ParameterIn::Header);
        vec![named.required(Required::True).description(Some(about)).schema(Some(quoted)).build()]
    }
}

/// `?confirm=`, for each protected environment.
pub(crate) struct Confirmed;

impl IntoParams for Confirmed {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let about = "The protected environments that the change comes to, each by name: several times, or with a comma between.";
        let text = ObjectBuilder::new().schema_type(Type::String);
        let several = ArrayBuilder::new().items(text);
        let named = ParameterBuilder::new().name("confirm").parameter_in(ParameterIn::Query);
        vec![named.required(Required::False).description(Some(about)).schema(Some(several)).build()]
    }
}

/// `?environment=`.
pub(crate) struct InEnvironment;

impl IntoParams for InEnvironment {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let about = "The environment; without one, the deployment's base.";
        let text = ObjectBuilder::new().schema_type(Type::String);
        let named = ParameterBuilder::new().name("environment").parameter_in(ParameterIn::Query);
        vec![named.required(Required::False).description(Some(about)).schema(Some(text)).build()]
    }
}

/// `If-Match` or `If-None-Match`: what a change counts on.
pub(crate) struct Unchanged;

impl IntoParams for Unchanged {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let header = |name, about, pattern| {
            let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern));
            let named = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header);
            named.required(Required::False).description(Some(about)).schema(Some(text)).build()
        };
        vec![
            header("If-Match", "The value's etag, as it was listed.", "^\"[0-9]{1,19}\"$"),
            header("If-None-Match", "`*`: there is no such value yet.", "^\\*$"),
        ]
    }
}
