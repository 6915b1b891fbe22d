//! The boot, as the document describes it. It is answered by the boot listener, which knows nothing
//! of this: there, every allocation counts.

use std::collections::BTreeMap;

use serde::Deserialize;
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
        ("If-None-Match" = Option<String>, Header, description = "The ETag of what the instance has"),
        ("Bootlace-Lease" = Option<u32>, Header, minimum = 10, maximum = 86_400, description = "For how many seconds the instance wants a lease with its boot")),
    responses(
        (status = 200, description = "The configuration", headers(
            ("etag" = String, description = "Identifies this answer"),
            ("bootlace-revision" = u64, description = "The workspace's revision"),
            ("bootlace-boot" = String, description = "The audit record's id"),
            ("bootlace-lease" = Option<String>, description = "The lease's name, where one was asked for and there is room"),
            ("bootlace-lease-seconds" = Option<u32>, description = "How long it lasts without being renewed")),
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
        ("If-None-Match" = Option<String>, Header, description = "The ETag of what the instance has"),
        ("Bootlace-Lease" = Option<u32>, Header, minimum = 10, maximum = 86_400, description = "For how many seconds the instance wants a lease with its boot")),
    request_body(content = WireFacts, description = "An empty one says nothing"),
    responses(
        (status = 200, description = "The configuration", headers(
            ("etag" = String, description = "Identifies this answer"),
            ("bootlace-revision" = u64, description = "The workspace's revision"),
            ("bootlace-boot" = String, description = "The audit record's id"),
            ("bootlace-lease" = Option<String>, description = "The lease's name, where one was asked for and there is room"),
            ("bootlace-lease-seconds" = Option<u32>, description = "How long it lasts without being renewed")),
            content((Boot = "application/json"), (String = "text/plain"))),
        (status = 304, description = "What the instance has is what it would get", headers(
            ("etag" = String, description = "Identifies this answer"),
            ("bootlace-revision" = u64, description = "The workspace's revision"),
            ("bootlace-boot" = String, description = "The audit record's id"))),
        BadRequest, Unauthenticated, Denied, NotFound, TooLarge, Invalid, Internal, Unavailable))]
#[expect(dead_code, reason = "the document's")]
fn boot_with_facts() {}

/// What becomes of a lease.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the boot listener reads it")]
pub(super) struct WireLease {
    /// Whether the instance has ended; without it, the lease is renewed.
    #[serde(default)]
    end: bool,
}

/// What became of a lease.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the boot listener writes it")]
pub(super) struct LeaseState {
    lease: String,
    ended: bool,
    /// How long it lasts from now on without being renewed.
    #[schema(nullable = false)]
    seconds: Option<u32>,
    /// When it is lost.
    #[schema(nullable = false)]
    expires: Option<String>,
}

/// Renews a lease, or ends it: what the instance that booted with it was given may be revoked then. Any working
/// token of that deployment and environment will do, and no other.
#[utoipa::path(post, path = "/v1/lease/{id}", tag = "boot", operation_id = "lease", params(
        ("id" = String, Path, description = "What the boot's header `bootlace-lease` said")),
    request_body(content = WireLease, description = "Nothing renews it"),
    responses((status = 200, description = "It was renewed, or has ended", body = LeaseState),
        BadRequest, Unauthenticated, NotFound, TooLarge, Internal, Unavailable))]
#[expect(dead_code, reason = "the document's")]
fn lease() {}
