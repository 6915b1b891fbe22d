//! A policy that keeps failing is put back to the version before it, where its owner said so, and
//! not at the word of one instance.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bootlace::id::Revision;

use crate::world::{Answer, Site, World, component, guest, http};

/// Boots in production from a loopback address of its own, in a region that the policy fails in.
async fn boot_from(world: &World, last: u8) -> Answer {
    let from = SocketAddr::from((IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), 0));
    let mut connection = http::Connection::open_from(from, world.boot_address()).await;
    let token = Some(world.site.token("production"));
    connection.send(http::prepared("GET", "/v1/boot?region=nowhere", token, &[], Vec::new())).await
}

/// The starter with a good version of rotation-canary, and then one that traps where `region` is
/// given.
async fn world_with_a_failing_update(fallback: &str) -> World {
    let mut world = World::start().await;
    let failing = guest("hostile");
    world.site.write("policies/rotation-canary.wasm", failing);
    let settings = "settings = { variable = \"JWT_SIGNING_KEY\", percent = 10, salt = \"2026-11\" }";
    world.site.edit("policies.toml", settings, "settings = { mode = \"trap-in-a-region\" }");
    world.site.edit("policies.toml", "fallback = \"previous\"", &format!("fallback = \"{fallback}\""));
    let pushed = world.push(&world.site.bundle(Revision(1)), 1).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    world
}
