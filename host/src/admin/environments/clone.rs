//! An environment made after another.

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    body::Body,
    extract::{RawQuery, State},
    http::HeaderMap,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    Answer, Arc, BadRequest, Caller, Conflict, Edit, Environment, Forbidden, Host, InWorkspace, Internal,
    Invalid, Named, NewRevision, NotFound, Role, TooLarge, Uid, Unauthenticated, Unavailable, Unchanged,
    body::{self, named},
    changeable, changed, chosen,
    expiry::WireExpires,
    precondition, preview, visible,
};
use crate::{
    model::{EnvironmentType, Scope},
    serve::respond::Problem,
};

/// A clone that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct WireClone {
    name: String,
    /// Where it is not said, the source's.
    #[serde(rename = "type")]
    #[schema(pattern = "^(development|test|pre-production|production)$")]
    kind: Option<String>,
    /// Where it is not said, as the source; those of type production are.
    protected: Option<bool>,
    /// Where it is not said, the source's.
    labels: Option<BTreeMap<String, String>>,
    /// Of those that use the source; all of them, where it is not said.
    deployments: Option<BTreeSet<String>>,
    /// When it stops serving; never, where it is not said.
    expires: Option<WireExpires>,
    /// Whether whoever may the source may the clone, too; else it is its admins' alone.
    #[serde(default)]
    permissions: bool,
}

/// Makes an environment after another, with every value sealed again under its own key, and
/// independent of it afterwards. What is not shared with it is left out, and named in the warnings.
#[utoipa::path(post, path = "/api/v1/environments/{env}/clone", tag = "environments",
    operation_id = "clone_environment", params(InWorkspace, Unchanged,
        ("env" = String, Path, description = "The environment to clone, percent-encoded"),
        ("confirm" = Option<String>, Query, description = "Its name, where it is protected")),
    request_body = WireClone, responses(
        NewRevision,
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, Invalid, Internal, Unavailable))]
pub(in crate::admin) async fn clone(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(name): Named,
    RawQuery(query): RawQuery,
    body: Body,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    let source = changeable(&caller, query, &name)?;
    if caller.is_limited() {
        return Err(Problem::forbidden("your token is limited to some environments, and makes no others"));
    }
    let wire: WireClone = body::json(body, "a name, and what is to be other than in the source").await?;
    if !wire.permissions && !is_admin(&caller) {
        return Err(Problem::forbidden(
            "a clone without permissions is its admins' alone; say `permissions`, or ask an admin",
        ));
    }
    let found = visible(&caller, caller.served(query)?, source.as_str())?;
    let kind: EnvironmentType = wire.kind.as_deref().map_or(Ok(found.kind), named)?;
    let is_production = kind == EnvironmentType::Production;
    let protected = wire.protected.unwrap_or(found.protected || is_production);
    // One of production without protection is an admin's to make, too.
    if protected || is_production {
        caller.role(Role::Admin)?;
    }
    let (name, now) = (named(&wire.name)?, host.clock.now());
    let wanted = Environment {
        uid: Uid::NONE,
        kind,
        protected,
        deprecated: false,
        expires: preview::expiry(&name, found, wire.expires.as_ref(), now)?,
        // It is in nobody's chain: what runs in it is no evidence of the source's.
        promotes_to: None,
        trigger: found.trigger,
        labels: wire.labels.unwrap_or_else(|| preview::labels(found)),
        name,
    };
    let (deployments, permissions) = (wire.deployments.map(chosen).transpose()?, wire.permissions);
    let edits = vec![Edit::CloneEnvironment { source, wanted, deployments, permissions }];
    changed(host, &caller, query, edits, precondition(&headers)?).await
}

fn is_admin(caller: &Caller) -> bool {
    match &caller.token.scope {
        Scope::Operator => true,
        Scope::Tenant { role, .. } => *role == Role::Admin,
        Scope::Instance { .. } => false,
    }
}
