//! The same with Redis: `REDIS_URL` leads the real `redis-cli` to the environment's own server.

use crate::world::{
    Site, World, blocking,
    program::{bootlace, finish},
    service::Redis,
};

const SERVERS: [(&str, &str); 2] =
    [("production", "c@che:/p#ss%20 &=\"ü"), ("staging", "st'ging\\n ?[]{}:@:@//")];

#[tokio::test(flavor = "multi_thread")]
async fn redis_cli_reaches_the_server_of_the_environment_that_it_runs_in() {
    let started = blocking(|| {
        let servers = SERVERS.map(|(environment, password)| Redis::start(password, environment));
        servers.into_iter().collect::<Option<Vec<_>>>()
    });
    let Some(servers) = started.await else { return };
    let mut site = Site::starter();
    let mut service = String::from("kind = \"redis\"\n");
    for ((environment, password), server) in SERVERS.into_iter().zip(&servers) {
        let credential = site.credential(environment, "cache");
        let credential = site.seal(&credential, password.as_bytes()).unwrap();
        let shared = if environment == "staging" { "shared-with = [\"preview/pr-42\"]\n" } else { "" };
        service += &format!(
            "[instances.{environment}]\ncredential = \"{credential}\"\n{shared}\
             [[instances.{environment}.endpoints]]\nhost = \"127.0.0.1\"\nport = {}\ndatabase = \"0\"\n\
             tls = \"disable\"\n",
            server.port
        );
    }
    site.write("services/cache.toml", service);
    let world = World::with(site).await;
    for (environment, server) in SERVERS.map(|(environment, _)| environment).into_iter().zip(&servers) {
        let script = "redis-cli -u \"$REDIS_URL\" get whoami && redis-cli -u \"$REDIS_URL\" config get port";
        let mut run = bootlace();
        run.env("BOOTLACE_URL", format!("http://{}", world.boot_address()));
        run.env("BOOTLACE_TOKEN", world.site.token(environment));
        run.args(["run", "--", "sh", "-c", script]);
        let output = blocking(|| finish(run)).await;
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(said, format!("{environment}\nport\n{}\n", server.port), "{output:?}");
    }
}
