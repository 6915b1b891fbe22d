//! What it is all for: one variable name, `DATABASE_URL`, and in each environment the real `psql`
//! ends up in that environment's own database.

use std::process::Output;

use crate::world::{
    Site, World, blocking,
    program::{bootlace, finish},
    service::Postgres,
};

/// Environment, database, role and password: everything that a URL must not hold as it is.
const DATABASES: [(&str, &str, &str, &str); 2] = [
    ("production", "orders", "checkout", "p@ss:w/rd#%&= ü"),
    ("staging", "orders staging", "check/out@staging", "?x=1&sslmode=require'[::1]\\\"+ 100%25"),
];
const QUERY: &str = "select current_database(), current_user";

#[tokio::test(flavor = "multi_thread")]
async fn psql_reaches_the_database_of_the_environment_that_it_runs_in() {
    let Some((world, _postgres)) = start().await else { return };
    for (environment, database, role, _) in DATABASES {
        let script = format!("exec psql -X \"$DATABASE_URL\" -Atc '{QUERY}'");
        let output = run(&world, environment, &["sh", "-c", &script]).await;
        assert_eq!(said(&output), format!("{database}|{role}\n"), "in {environment}");
        // The other way to say it, which leaves no URL among psql's arguments.
        let output = run(&world, environment, &["psql", "-XAtc", QUERY]).await;
        assert_eq!(said(&output), format!("{database}|{role}\n"), "in {environment}, by PG variables");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_environments_role_is_turned_away_by_the_others_database() {
    let Some((world, postgres)) = start().await else { return };
    let (_, other, ..) = DATABASES[0];
    let output = run(&world, "staging", &["psql", "-X", "-d", other, "-Atc", QUERY]).await;
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{complaint}");
    assert!(complaint.contains("permission denied for database"), "{complaint}");
    // The passwords are what lets anybody in: without, nobody gets in.
    let mut without = bootlace_run(&world, "staging", &["env", "-u", "PGPASSWORD", "psql", "-Xwc", QUERY]);
    without.env("PGPASSFILE", "/dev/null");
    let output = blocking(|| finish(without)).await;
    assert!(String::from_utf8_lossy(&output.stderr).contains("no password supplied"), "{output:?}");
    drop(postgres);
}

async fn start() -> Option<(World, Postgres)> {
    let postgres = blocking(|| {
        let postgres = Postgres::start()?;
        for (_, database, role, password) in DATABASES {
            postgres.create(database, role, password);
        }
        Some(postgres)
    })
    .await?;
    let site = site(postgres.port);
    Some((World::with(site).await, postgres))
}

/// The starter workspace, its policies included, with real databases.
fn site(port: u16) -> Site {
    let mut site = Site::starter();
    let mut service = String::from("kind = \"postgres\"\n");
    let preview = ("preview/pr-42", "none", "none", "none");
    for (environment, database, role, password) in DATABASES.into_iter().chain([preview]) {
        let credential = site.credential(environment, "orders-db");
        let credential = site.seal(&credential, password.as_bytes()).unwrap();
        service += &format!(
            "[instances.\"{environment}\"]\nuser = \"{role}\"\ncredential = \"{credential}\"\n\
             [[instances.\"{environment}\".endpoints]]\nhost = \"127.0.0.1\"\nport = {port}\n\
             database = \"{database}\"\ntls = \"disable\"\noptions = {{ connect_timeout = 10 }}\n"
        );
    }
    site.write("services/orders-db.toml", service);
    for (environment, database, role, password) in DATABASES {
        let secret = site.seal(&site.address(environment, "PGPASSWORD", 1), password.as_bytes()).unwrap();
        let table = format!("[environments.{environment}.variables]\n");
        let variables = format!(
            "{table}PGHOST = \"127.0.0.1\"\nPGPORT = \"{port}\"\nPGDATABASE = \"{database}\"\n\
             PGUSER = \"{role}\"\nPGPASSWORD = {{ secret = \"{secret}\", description = \"for psql\" }}\n"
        );
        site.edit("deployments/checkout.toml", &table, &variables);
    }
    // The policy least-privilege hands out what a release declares, and these.
    let always = "always = \"PGHOST,PGPORT,PGDATABASE,PGUSER,PGPASSWORD,";
    site.edit("policies.toml", "always = \"", always);
    site
}

async fn run(world: &World, environment: &str, command: &[&str]) -> Output {
    let command = bootlace_run(world, environment, command);
    blocking(|| finish(command)).await
}

fn bootlace_run(world: &World, environment: &str, command: &[&str]) -> std::process::Command {
    let mut run = bootlace();
    run.env("BOOTLACE_URL", format!("http://{}", world.boot_address()));
    run.env("BOOTLACE_TOKEN", world.site.token(environment));
    run.args(["run", "--"]).args(command);
    run
}

fn said(output: &Output) -> &str {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::str::from_utf8(&output.stdout).unwrap()
}
