//! `bootlace run` gets out of the way: it starts nothing that is not complete, and once it has
//! started something, it *is* that.

use std::{collections::BTreeMap, process::Command};

use tempfile::TempDir;

use crate::world::{
    Site, World, blocking,
    program::{Running, bootlace, finish},
    site::guest,
    small::expected,
};

#[tokio::test(flavor = "multi_thread")]
async fn run_becomes_the_command_in_the_same_process() {
    let world = World::with(Site::small(1)).await;
    let mut command = run(&world, "production", &["sh", "-c", "echo $$"]);
    let child = Running(command.stdout(std::process::Stdio::piped()).spawn().unwrap());
    let (pid, output) = (child.0.id(), blocking(|| child.output()).await);
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{pid}\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_gets_its_environments_values_and_no_token() {
    let world = World::with(Site::small(7)).await;
    for environment in ["production", "staging"] {
        let mut command = run(&world, environment, &["env", "-0"]);
        command.env("BOOTLACE_TOKEN_FILE", "").env("FLAG", "inherited").env("KEPT", "1");
        let output = blocking(|| finish(command)).await;
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let pairs = text.split_terminator('\0').map(|pair| pair.split_once('=').unwrap());
        let mut given: BTreeMap<String, String> =
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        for inherited in ["PATH", "BOOTLACE_URL", "KEPT"] {
            assert!(given.remove(inherited).is_some(), "{inherited} is inherited");
        }
        assert_eq!(given, expected(environment, 7));
        assert!(!text.contains(world.site.token(environment)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_started_when_a_required_key_is_missing() {
    // A directory that lacks a required key is not accepted to begin with, so a policy takes it away.
    let mut site = Site::small(1);
    let policies = "[policies.greedy]\ncomponent = \"policies/greedy.wasm\"\n[[attachments]]\n\
                    policy = \"greedy\"\nenvironment = \"production\"\nsettings = { mode = \"omit-all\" }\n";
    site.write("policies.toml", policies).write("policies/greedy.wasm", guest("hostile"));
    let world = World::with(site).await;
    let directory = TempDir::new().unwrap();
    let marker = directory.path().join("started");
    let output = blocking({
        let command = run(&world, "production", &["touch", marker.to_str().unwrap()]);
        || finish(command)
    })
    .await;
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{complaint}");
    assert!(complaint.contains("DATABASE_URL") && complaint.contains("missing-required"), "{complaint}");
    assert!(output.stdout.is_empty() && !marker.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_is_the_commands_own() {
    let world = World::with(Site::small(1)).await;
    let started: [(&[&str], i32); 4] = [
        (&["sh", "-c", "exit 7"], 7),
        (&["true"], 0),
        (&["bootlace-no-such-command"], 127),
        (&["/etc/passwd"], 126),
    ];
    for (command, code) in started {
        let ran = run(&world, "staging", command);
        let output = blocking(|| finish(ran)).await;
        assert_eq!(output.status.code(), Some(code), "{command:?}: {output:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_not_there_is_told_apart_from_one_that_refuses() {
    let world = World::with(Site::small(1)).await;
    let mut stranger = run(&world, "staging", &["true"]);
    stranger.env("BOOTLACE_TOKEN", "bl_instance_of_nobody");
    let mut nobody = run(&world, "staging", &["true"]);
    nobody.env("BOOTLACE_TOKEN", "");
    let mut nowhere = run(&world, "staging", &["true"]);
    // Nothing listens on the discard port.
    nowhere.env("BOOTLACE_URL", "http://127.0.0.1:9");
    let codes = blocking(|| [stranger, nobody, nowhere].map(|run| finish(run).status.code())).await;
    assert_eq!(codes, [Some(1), Some(2), Some(3)]);
}

fn run(world: &World, environment: &str, command: &[&str]) -> Command {
    let mut run = bootlace();
    run.env("BOOTLACE_URL", format!("http://{}", world.boot_address()));
    run.env("BOOTLACE_TOKEN", world.site.token(environment));
    run.args(["run", "--"]).args(command);
    run
}
