//! The rows of what Bootlace offers, each as tests that begin with the row's number: a real host,
//! real pushes, real boots.

mod row_19;

use bootlace::id::Revision;

use crate::world::{Answer, Site, World};

const APP: &str = "deployments/checkout.toml";

/// Pushes `site` to a host that serves revision 1 of something else, and expects a refusal after
/// which that is what it still serves.
async fn refused(world: &World, site: &Site, expected: &str) -> Answer {
    let before = world.boot("production").await;
    let answer = world.push(&site.bundle(Revision(1)), 1).await;
    assert_eq!((answer.status, answer.code().as_str()), (422, "invalid"), "{}", answer.text());
    assert!(answer.text().contains(expected), "expected {expected}: {}", answer.text());
    let after = world.boot("production").await;
    assert_eq!((after.header("etag"), after.text()), (before.header("etag"), before.text()));
    answer
}
