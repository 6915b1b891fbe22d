//! Somebody vouches for boots that held no lease: none of them runs with an older password any more.

use std::sync::Arc;

use axum::{
    Json,
    extract::{RawQuery, State},
    http::HeaderMap,
    response::IntoResponse as _,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Answer, reached, visible};
use crate::{
    admin::{
        Caller, Named,
        openapi::{
            BadRequest, Confirmed, Conflict, Forbidden, InWorkspace, Internal, Invalid, NotFound,
            Unauthenticated, Unavailable,
        },
        query::environment,
        reach::Reached,
        snapshot::blocking,
    },
    host::{Accepted, Host},
    serve::respond::Problem,
};

/// Boots that are not counted any more.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct AcceptedBoots {
    service: String,
    environment: String,
    /// The versions that they were given; empty where there were none.
    versions: Vec<u64>,
    /// How many: no fewer than there were, up to 1,024 of each version.
    boots: u64,
}

/// Says that no boot without a lease runs any more with a version before the one in use, so that a role that was
/// replaced counts as free: recorded, with how many boots that was. One that runs on cannot connect again when the
/// role is dropped.
#[utoipa::path(delete, path = "/api/v1/services/{id}/unproven", tag = "rotation", operation_id = "accept_unproven",
    params(InWorkspace, Confirmed, ("id" = String, Path, description = "The service"),
        ("environment" = String, Query, description = "That owns the instance")),
    responses((status = 200, description = "They are not counted any more", body = AcceptedBoots),
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, Invalid, Internal, Unavailable))]
pub(in crate::admin) async fn accept(
    State(host): State<Arc<Host>>,
    headers: HeaderMap,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = Caller::of(&host, &headers)?;
    let query = query.as_deref();
    let served = caller.served(query)?;
    let service = visible(&caller, served, &id)?.id.clone();
    let owner = environment(&caller, query)?
        .ok_or_else(|| Problem::bad_request("name the `environment` that owns the instance"))?;
    let named = Reached { named: [owner.clone()].into(), ..Reached::default() };
    let mut reached = reached(served, &service, named);
    let pinned = served.pinned_with((&service, &owner)).into_values().flatten();
    reached.others.extend(pinned.map(|(_, environment)| environment));
    reached.may_be_changed(&caller, served, query)?;
    let (author, workspace) = (caller.author(), caller.workspace(query)?);
    let (of, environment) = (service.to_string(), owner.to_string());
    let accepted = blocking(move || host.accept_unproven(&author, &workspace, (&service, &owner)));
    let Accepted { versions, boots } = accepted.await??;
    Ok(Json(AcceptedBoots { service: of, environment, versions, boots }).into_response())
}
