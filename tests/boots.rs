//! The main job: each environment's instances get what is theirs, and nothing else.

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn each_environment_gets_its_own_database_url() {
    let world = World::start().await;
    let production = world.environment("production").await;
    let staging = world.environment("staging").await;
    let preview = world.environment("preview/pr-42").await;
    println!("{production:#?}");
    println!("{staging:#?}");
    println!("{preview:#?}");
    assert!(production["DATABASE_URL"].starts_with("postgres://checkout:demo%2Fproduction%40"));
    assert!(staging["DATABASE_URL"].contains("demo%2Fstaging%40"));
    assert_ne!(production["STRIPE_KEY"], staging["STRIPE_KEY"]);
}
