//! The README's script, block by block in one shell: from an empty data directory to a `psql` in production, by
//! command line alone, then a release's way there and back, then another password for an application at work. It
//! is run as it stands there, but for the addresses that the host listens on.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command, time::Duration};

use tempfile::TempDir;

use crate::world::{
    blocking,
    program::{BOOTLACE, finish_group},
    service::{Postgres, free_port},
};

const STAGING: &str = "staging's own: p@ss/w%rd";
const PRODUCTION: &str = "production's own: ?x=1&y#z";
const NEXT: &str = "production's next: %41/@";
/// Longer than all of it takes on a busy machine.
const WHOLE: Duration = Duration::from_secs(300);
/// What the shell says between the blocks.
const END: &str = "== the block is done ==";

#[tokio::test(flavor = "multi_thread")]
async fn the_readmes_script_does_what_the_readme_says() {
    let postgres = blocking(|| {
        let postgres = Postgres::start()?;
        postgres.create("orders_staging", "staging_role", STAGING);
        postgres.create("orders", "orders_role", PRODUCTION);
        postgres.create_role("orders_next", NEXT);
        postgres.does("grant orders_role to orders_next");
        Some(postgres)
    });
    let Some(postgres) = postgres.await else { return };
    let directory = TempDir::new().unwrap();
    let path = directory.path().to_owned();
    let bin = path.join("bin");
    fs::create_dir(&bin).unwrap();
    symlink(BOOTLACE, bin.join("bootlace")).unwrap();
    symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies"), path.join("policies")).unwrap();
    for (name, password) in [("staging", STAGING), ("production", PRODUCTION), ("next", NEXT)] {
        fs::write(path.join(format!("{name}.password")), password).unwrap();
    }

    let (boot, admin) = (free_port(), free_port());
    let listening = format!("bootlace serve --boot 127.0.0.1:{boot} --admin 127.0.0.1:{admin} ");
    let blocks: Vec<_> = blocks().iter().map(|block| format!("{block}\necho '{END}'\n")).collect();
    let script = blocks.concat().replace("bootlace serve ", &listening);
    // What the host logs is its own; all else is in the order in which somebody would see it.
    let script = script.replace("root.key &\n", "root.key 2> serve.log & host=$!\n");
    let script = format!(
        "set -eu\nexec 2>&1\napp=\ntrap 'kill $host; kill $app 2> kill.log || :; wait' EXIT\n{script}"
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]).current_dir(&path);
    let paths = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{}:{paths}", bin.display(), postgres.programs().display()));
    command.env("PGPORT", postgres.port.to_string());
    command.env("DBA_URL", postgres.superuser_url());
    command.env("BOOTLACE_URL", format!("http://127.0.0.1:{boot}"));
    command.env("BOOTLACE_ADMIN_URL", format!("http://127.0.0.1:{admin}"));
    let ended = blocking(move || finish_group(command, WHOLE)).await;

    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    let logged = fs::read_to_string(path.join("serve.log")).unwrap_or_default();
    assert!(ended.status.success(), "{said}\n{logged}");
    for secret in [STAGING, PRODUCTION, NEXT, "p%40ss", "%3Fx%3D1", "%2541"] {
        assert!(!said.contains(secret) && !logged.contains(secret), "{said}\n{logged}");
    }
    let parts: Vec<_> = said.split(&format!("{END}\n")).collect();
    assert!(parts.len() == blocks.len() + 1 && blocks.len() >= SEEN.len(), "{said}");
    for (expected, mut rest) in SEEN.iter().zip(parts) {
        for line in *expected {
            let (_, after) =
                rest.split_once(line).unwrap_or_else(|| panic!("no {line:?} in {rest}\n---\n{said}"));
            rest = after;
        }
    }
}

/// What is seen of each block, in this order.
const SEEN: [&[&str]; 3] = [
    &["region-affinity", "preview/pr-7", "DATABASE_URL", "LOG_LEVEL", "orders|orders_role\n"],
    &[
        // Registered, and in staging.
        "release 1 of checkout is registered",
        "active in\tdevelopment\n",
        "checkout release 1: development -> staging  done\n",
        // Denied.
        "release 1 may not move to production (policy-denied",
        "- e2e: check e2e failed in staging (check-failed, says policy required-checks)\n",
        "not yet: 1\n",
        // Deferred.
        "checkout release 1: staging -> production  waits\n",
        "(four-eyes)\n",
        "wants\t1 approval as releaser\n",
        "checkout\tdevelopment\t1\t",
        "checkout\tproduction\t\t",
        "release 1 by ada: ",
        "whoever asks for a promotion does not approve it",
        "not by herself: 1\n",
        // Approved.
        "checkout release 1: staging -> production  done\n",
        "approved by\tgrace (releaser)\n",
        "\npays at https://pay.example\n",
        // The what-if finds who would lose a key, and so it is.
        "checkout release 2: staging -> production  would wait\n",
        "1 answer would change\n",
        "given other keys\t-PAYMENTS_URL\n",
        "checkout release 2: staging -> production  done\n",
        "\npays at nowhere\n",
        // Rolled back.
        "checkout in production: back from release 2 to 1",
        "orders_role\npays at https://pay.example\n",
        "checkout\tproduction\t1\t",
        "\tada\trollback\t",
    ],
    &[
        "the credential of orders in production, of role orders_next",
        "role orders_role can be dropped now",
        "orders_next\norders_next\norders_next\n",
        "never without a database\n",
    ],
];

/// The blocks of the README that are marked as scripts: one shell runs them one after the other.
fn blocks() -> Vec<String> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let blocks = readme.split("```sh\n").skip(1);
    blocks.map(|rest| rest.split_once("\n```").unwrap().0.to_owned()).collect()
}
