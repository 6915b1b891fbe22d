//! The boot, as the document describes it. It is answered by the boot listener, which knows nothing
//! of this: there, every allocation counts.

use std::collections::BTreeMap;

use utoipa::ToSchema;

use super::refusals::{
    BadRequest, Denied, Internal, Invalid, NotFound, TooLarge, Unauthenticated, Unavailable,
};
use crate::serve::facts::WireFacts;

/// What an instance starts with, as JSON.
#[derive(ToSchema)]
#[expect(dead_code, reason = "a permit writes it from parts that were prepared; this says what they come to")]
pub(super) struct Boot {
    workspace: String,
    deployment: String,
    environment: String,
    /// The active release; null where there is none.
    #[schema(required = true)]
    release: Option<u64>,
    revision: u64,
    /// The plan's digest.
    #[schema(pattern = "^sha256:[0-9a-f]{64}$")]
    digest: String,
    /// Every variable and its value.
    env: BTreeMap<String, String>,
    /// For the person who boots.
    warnings: Vec<String>,
}

/// Gives an instance its configuration. The token alone decides workspace, deployment and
/// environment; an attempt to name one is refused.
#[utoipa::path(get, path = "/v1/boot", tag = "boot", operation_id = "boot", params(
        ("format" = Option<String>, Query, description = "`json` (the default), `dotenv`, `docker`, `systemd`, `shell` or `k8s-secret`"),
        ("region" = Option<String>, Query, min_length = 1, max_length = 128),
        ("zone" = Option<String>, Query, min_length = 1, max_length = 128),
        ("instance" = Option<String>, Query, min_length = 1, max_length = 128, description = "Attributes for the policies come as `attr.<key>`"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag of what the instance has")),
    responses(
        (status = 200, description = "The configuration", headers(
            ("etag" = String, description = "Identifies this answer"),
            ("bootlace-revision" = u64, description = "The workspace's revision"),
            ("bootlace-boot" = String, description = "The audit record's id")),
            content((Boot = "application/json"), (String = "text/plain"))),
        (status = 304, description = "What the instance has is what it would get", headers(
            ("etag" = String, description = "Identifies this answer"),
            ("bootlace-revision" = u64, description = "The workspace's revision"),
            ("bootlace-boot" = String, description = "The audit record's id"))),
        BadRequest, Unauthenticated, Denied, NotFound, TooLarge, Invalid, Internal, Unavailable))]
#[expect(dead_code, reason = "the document's")]
fn boot() {}

/// The same, with the instance's facts in the body.
#[utoipa::path(post, path = "/v1/boot", tag = "boot", operation_id = "boot_with_facts", params(
        ("format" = Option<String>, Query, description = "As for GET"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag of what the instance has")),
    request_body(content = WireFacts, description = "An empty one says nothing"),
    responses(
        (status = 200, description = "The configuration", headers(
            ("etag" = String, description = "Identifies this answer"),
            ("bootlace-revision" = u64, description = "The workspace's revision"),
            ("bootlace-boot" = String, description = "The audit record's id")),
            content((Boot = "application/json"), (String = "text/plain"))),
        (status = 304, description = "What the instance has is what it would get", headers(
            ("etag" = String, description = "Identifies this answer"),
            ("bootlace-revision" = u64, description = "The workspace's revision"),
            ("bootlace-boot" = String, description = "The audit record's id"))),
        BadRequest, Unauthenticated, Denied, NotFound, TooLarge, Invalid, Internal, Unavailable))]
#[expect(dead_code, reason = "the document's")]
fn boot_with_facts() {}
