//! What a route is asked about has to be there, so that whoever may finds something to do.

use std::sync::Arc;

use bootlace::{
    host::{Author, GoBack, Requested},
    state::{Status, Why},
};
use serde_json::json;

use super::{
    names::{NO_LEASE, Names},
    spelling::Spelling,
};
use crate::world::{
    blocking, http,
    pair::{Pair, Place},
};

/// What pins a place that is not pinned, or takes the pin off one that is: whoever may finds something to do.
pub(super) async fn moved_back(pair: &Pair, place: Place, path: &str) -> String {
    let is_unpin = path.ends_with("/unpin");
    let running = pinned(pair, place, is_unpin).await;
    let environment = place.environment;
    let body = match is_unpin {
        true => json!({ "environment": environment }),
        false => json!({ "environment": environment, "activation": running, "configuration": true }),
    };
    body.to_string()
}

/// Pins a place to the set that its release began with, or takes the pin off, where that is not so already; the
/// number of what runs there. Nothing runs in development.
pub(super) async fn pinned(pair: &Pair, place: Place, is_wanted: bool) -> u64 {
    let (host, workspace) = (Arc::clone(&pair.world.host), place.workspace.parse().unwrap());
    blocking(move || {
        let pair = (&"checkout".parse().unwrap(), &place.environment.parse().unwrap());
        let author = Author::process("the tests");
        let running = || host.activation(&workspace, pair.0, pair.1);
        let Some(active) = running() else { return 1 };
        match (active.pinned.is_some(), is_wanted) {
            (false, true) => {
                let here = GoBack { activation: Some(active.number), configuration: true };
                host.rollback_release(&author, &workspace, pair, here).unwrap();
            }
            (true, false) => drop(host.unpin(&author, &workspace, pair).unwrap()),
            _ => {}
        }
        running().unwrap().number
    })
    .await
}

/// A version of the probe that is not the one that is set; the first, where there is none to be found.
pub(super) async fn earlier_version(pair: &Pair, route: &str, names: &Names) -> Spelling {
    let path = names.path(route.strip_suffix("/{version}/revoke").unwrap());
    let (workspace, environment) = (&names.workspace.url, &names.environment.url);
    let path = format!("{path}?workspace={workspace}&environment={environment}");
    let told = pair.world.admin("GET", &path, &pair.world.operator, "").await;
    let versions = if told.status == 200 { told.json()["versions"].clone() } else { json!([]) };
    let earlier = versions.as_array().unwrap().iter().find(|one| one["current"] == false);
    Spelling::of(&earlier.map_or(1, |one| one["version"].as_u64().unwrap()).to_string())
}

/// A lease of an instance that boots there; of nobody, where nothing does.
pub(super) async fn lease(pair: &Pair, place: Place) -> Spelling {
    if place.environment == "development" {
        return Spelling::of(NO_LEASE);
    }
    let token = Some(pair.site(place.workspace).token(place.environment));
    let wanted = [("bootlace-lease", "60")];
    let booted =
        http::request(pair.world.boot_address(), "GET", "/v1/boot", token, &wanted, Vec::new()).await;
    assert_eq!(booted.status, 200, "{}", booted.text());
    Spelling::of(booted.header("bootlace-lease"))
}

/// A promotion of 18 to production that waits for somebody's approval; as if 17 ran there still.
pub(super) async fn waiting(pair: &Pair, place: Place) -> Spelling {
    let (host, workspace) = (Arc::clone(&pair.world.host), place.workspace.parse().unwrap());
    blocking(move || {
        let (checkout, production) = ("checkout".parse().unwrap(), place.environment.parse().unwrap());
        let author = Author::process("whoever asks");
        if host.activation(&workspace, &checkout, &production).unwrap().release != 17 {
            host.activate(&author, &workspace, (&checkout, &production), 17, Why::Rollback).unwrap();
        }
        let open = host.promotions(&workspace, &checkout).unwrap().into_iter();
        let mut open = open.filter(|one| one.status == Status::Deferred);
        let found = open.next().unwrap_or_else(|| {
            let to = Some(production);
            let asked = Requested { deployment: checkout, release: Some(18), from: None, to };
            host.promote(&author, &workspace, &asked).unwrap()
        });
        assert_eq!(found.status, Status::Deferred);
        Spelling::of(&found.id)
    })
    .await
}
