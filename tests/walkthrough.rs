//! The README's script: from an empty data directory to a `psql` in production, by command line alone. It
//! is run as it stands there, but for the addresses that the host listens on.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use tempfile::TempDir;

use crate::world::{
    blocking,
    program::{BOOTLACE, finish},
    service::{Postgres, free_port},
};

const STAGING: &str = "staging's own: p@ss/w%rd";
const PRODUCTION: &str = "production's own: ?x=1&y#z";

#[tokio::test(flavor = "multi_thread")]
async fn the_readmes_script_ends_in_productions_database() {
    let postgres = blocking(|| {
        let postgres = Postgres::start()?;
        postgres.create("orders_staging", "staging_role", STAGING);
        postgres.create("orders", "orders_role", PRODUCTION);
        Some(postgres)
    });
    let Some(postgres) = postgres.await else { return };
    let directory = TempDir::new().unwrap();
    let path = directory.path().to_owned();
    let bin = path.join("bin");
    fs::create_dir(&bin).unwrap();
    symlink(BOOTLACE, bin.join("bootlace")).unwrap();
    symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies"), path.join("policies")).unwrap();
    for (name, password) in [("staging", STAGING), ("production", PRODUCTION)] {
        fs::write(path.join(format!("{name}.password")), password).unwrap();
    }

    let (boot, admin) = (free_port(), free_port());
    let listening = format!("bootlace serve --boot 127.0.0.1:{boot} --admin 127.0.0.1:{admin} ");
    let script = script().replace("bootlace serve ", &listening);
    let script = script.replace("root.key &\n", "root.key & host=$!\n");
    let script = format!("set -eu\ntrap 'kill $host; wait' EXIT\n{script}");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).current_dir(&path);
    let paths = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{}:{paths}", bin.display(), postgres.programs().display()));
    command.env("PGPORT", postgres.port.to_string());
    command.env("BOOTLACE_URL", format!("http://127.0.0.1:{boot}"));
    command.env("BOOTLACE_ADMIN_URL", format!("http://127.0.0.1:{admin}"));
    let ended = blocking(move || finish(command)).await;

    let (said, complaints) = (text(&ended.stdout), text(&ended.stderr));
    assert!(ended.status.success(), "{said}\n{complaints}");
    assert_eq!(said.lines().last(), Some("orders|orders_role"), "{said}\n{complaints}");
    for expected in ["LOG_LEVEL", "region-affinity", "preview/pr-7", "DATABASE_URL"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    for secret in [STAGING, PRODUCTION, "p%40ss", "%3Fx%3D1"] {
        assert!(!said.contains(secret) && !complaints.contains(secret), "{said}\n{complaints}");
    }
}

/// The one block of the README that is marked as a script.
fn script() -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let (_, rest) = readme.split_once("```sh\n").unwrap();
    let (script, rest) = rest.split_once("\n```").unwrap();
    assert!(!rest.contains("```sh\n"), "there is one script in the README");
    script.to_owned()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
