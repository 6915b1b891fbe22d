//! The rows of what Bootlace offers, each as tests that begin with the row's number: a real host,
//! real pushes, real boots.

mod row_01;
mod row_03;
mod row_06;
mod row_07;
mod row_08;
mod row_09;
mod row_10;
mod row_11;
mod row_12;
mod row_13;
mod row_14;
mod row_15;
mod row_16;
mod row_17;
mod row_18;
mod row_19;
mod row_20;

use bootlace::source;

use crate::world::{Answer, Site, World};

const APP: &str = "deployments/checkout.toml";

/// Everything that is wrong with a directory, one a line.
fn problems(site: &Site) -> String {
    source::load(&site.tree).map_or_else(|problems| problems.to_string(), |_| String::new())
}

/// What `explain` says of one key.
async fn explained(world: &World, environment: &str, key: &str) -> serde_json::Value {
    let environment = environment.replace('/', "%2F");
    let path = format!("/api/v1/deployments/checkout/explain?environment={environment}&key={key}");
    let answer = world.admin("GET", &path, world.site.token("viewer"), "").await;
    answer.json()["keys"][0].clone()
}

/// Pushes what was made against revision 1, which is served, and expects a refusal after which that
/// is what is still served.
async fn refused(world: &World, bundle: &[u8], expected: &str) -> Answer {
    let before = world.boot("production").await;
    let answer = world.push(bundle, 1).await;
    assert_eq!((answer.status, answer.code().as_str()), (422, "invalid"), "{}", answer.text());
    assert!(answer.text().contains(expected), "expected {expected}: {}", answer.text());
    let after = world.boot("production").await;
    assert_eq!((after.header("etag"), after.text()), (before.header("etag"), before.text()));
    answer
}
