//! Who was given what, and who was refused: one record each, written before the answer, naming
//! keys and never a value. Where no record can be written, no secret is handed out.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use bootlace::id::Revision;
use rustix::process::{Resource, Rlimit, prlimit};
use serde_json::Value;

use crate::world::{
    Site, World, blocking, http,
    program::{Premises, Program, bootlace, finish},
};

/// Every record under a data directory, in order; each must be a whole JSON object.
pub(crate) fn records(data: &Path) -> Vec<Value> {
    let mut files: Vec<_> =
        fs::read_dir(data.join("audit")).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let texts = files.iter().map(|file| fs::read_to_string(file).unwrap());
    // A kill may leave the last line of a file torn.
    let whole = texts.map(|text| text[..text.rfind('\n').map_or(0, |end| end + 1)].to_owned());
    let lines: Vec<_> = whole.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    let records =
        lines.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")));
    // What the log says about itself is apart.
    let about_itself = ["file", "seal", "checkpoint", "removed"];
    records.filter(|record: &Value| !about_itself.contains(&record["kind"].as_str().unwrap())).collect()
}

fn of_kind(records: &[Value], kind: &str) -> Vec<Value> {
    records.iter().filter(|record| record["kind"] == kind).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_boot_is_one_record_that_names_its_keys_and_no_value() {
    let world = World::start().await;
    let mut answers = Vec::new();
    for (environment, query) in [
        ("production", "region=us-east-1&instance=i-7&attr.tier=gold"),
        ("production", "format=dotenv"),
        ("staging", ""),
        ("staging", "instance=i-8"),
        ("preview/pr-42", ""),
    ] {
        let answer = world.boot_with(environment, query).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        // What was answered is recorded already.
        let boots = of_kind(&records(world.data.path()), "boot");
        assert_eq!(boots.len(), answers.len() + 1);
        assert_eq!(boots[answers.len()]["id"], answer.header("bootlace-boot"));
        answers.push((environment, answer));
    }
    let records = records(world.data.path());
    let told = of_kind(&records, "given").into_iter();
    let told: BTreeMap<_, _> = told.map(|given| (given["given"].to_string(), given)).collect();
    assert_eq!(told.len(), 4, "once for both boots in staging, whose answers are the same");
    for (record, (environment, answer)) in of_kind(&records, "boot").iter().zip(&answers) {
        assert_eq!((&record["outcome"], &record["environment"]), (&"allowed".into(), &(*environment).into()));
        assert_eq!((&record["workspace"], &record["deployment"]), (&"acme".into(), &"checkout".into()));
        assert_eq!(record["principal"], format!("{environment} of the tests"));
        if answer.header("content-type") == "application/json" {
            let given: Vec<_> = answer.environment().into_keys().collect();
            let told = &told[&record["given"].to_string()];
            assert_eq!(told["names"], Value::from(given));
            assert_eq!(told["plan"], answer.json()["digest"]);
        }
    }
    // All that the instance told, whatever a policy saw of it.
    let first = &of_kind(&records, "boot")[0];
    assert_eq!((&first["region"], &first["instance"]), (&"us-east-1".into(), &"i-7".into()));
    assert_eq!(first["attributes"], serde_json::json!([["tier", "gold"]]), "{first}");
    let text = format!("{records:?}");
    for part in ["demo-", "demo/", "demo%2F", "acme.internal", "bl_"] {
        assert!(!text.contains(part), "{part} in {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_handed_out_is_recorded_as_that() {
    let mut site = Site::starter();
    // A preview that cannot do without staging's cache is denied by its policy; a line break is
    // more than `docker` carries.
    site.edit("deployments/checkout.toml", "[environments.\"preview/pr-42\".bindings]", "[environments.\"preview/pr-42\"]\nrequired = [\"REDIS_URL\"]\n\n[environments.\"preview/pr-42\".bindings]");
    site.set_secret("staging", "STRIPE_KEY", "demo-staging-\nin-two-lines");
    let world = World::with(site).await;
    let etag = world.boot("staging").await.header("etag").to_owned();
    let unchanged = world.boot_as("staging", "GET", "", &[("if-none-match", &etag)], "").await;
    let denied = world.boot("preview/pr-42").await;
    let refused = world.boot_with("staging", "format=docker").await;
    assert_eq!((unchanged.status, denied.status, refused.status), (304, 403, 422));
    let boots = of_kind(&records(world.data.path()), "boot");
    let outcomes: Vec<_> = boots.iter().map(|boot| boot["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["allowed", "unchanged", "policy-denied", "invalid"]);
    for boot in &boots[1..] {
        assert!(boot["given"].is_null(), "nothing was handed out: {boot}");
        assert!(boot["plan"].is_string() && boot["policies"].is_string(), "{boot}");
    }
    assert_eq!(boots[1]["id"], unchanged.header("bootlace-boot"));
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_recorded_whether_made_or_refused() {
    let world =
        World::with_settings(Site::starter(), |settings| settings.bundle_limits.bundle_bytes = 1 << 20).await;
    let admin = world.site.token("admin").to_owned();
    let wanted = r#"{"kind":"instance","principal":"pod","deployment":"checkout","environment":"staging"}"#;
    let id =
        world.admin("POST", "/api/v1/tokens", &admin, wanted).await.json()["id"].as_str().unwrap().to_owned();
    world.admin("DELETE", &format!("/api/v1/tokens/{id}"), &admin, "").await;
    let good = world.site.bundle(Revision(1));
    assert_eq!(world.push(&good, 0).await.status, 409);
    assert_eq!(world.push(b"not a bundle", 1).await.status, 422);
    assert_eq!(world.push(&vec![0; (1 << 20) + 1], 1).await.status, 413);
    assert_eq!(world.push(&good, 1).await.status, 200);
    let rollback = [("if-match", "\"2\"")];
    let path = "/api/v1/snapshot/rollback?workspace=acme";
    let (address, token) = (world.admin_address(), Some(world.operator.as_str()));
    let rolled = http::request(address, "POST", path, token, &rollback, br#"{"revision":1}"#.to_vec()).await;
    assert_eq!(rolled.status, 200, "{}", rolled.text());

    let records = records(world.data.path());
    let told: Vec<_> = records
        .iter()
        .map(|record| {
            let text = |key: &str| record[key].as_str().unwrap().to_owned();
            (text("kind"), text("outcome"), text("principal"))
        })
        .collect();
    let expected = [
        ("start", "done", "host"),
        ("push", "done", "operator"),
        ("token-mint", "done", "admin of the tests"),
        ("token-revoke", "done", "admin of the tests"),
        ("push", "conflict", "operator"),
        ("push", "invalid", "operator"),
        ("push", "too-large", "operator"),
        ("push", "done", "operator"),
        ("rollback", "done", "operator"),
    ];
    assert_eq!(told, expected.map(|(kind, outcome, who)| (kind.into(), outcome.into(), who.into())));
    assert_eq!(
        (&records[2]["details"]["token"], &records[3]["details"]["token"]),
        (&id.clone().into(), &id.into())
    );
    assert_eq!(records[8]["details"]["content_of"], 1);
}

/// The same command, for a process that is told of a file's limit instead of being killed by it.
fn patient_of_limits(command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).stdin(std::process::Stdio::null());
    shell
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(command.get_program())
        .args(command.get_args());
    shell
}

/// The kernel itself refuses to write: what a full disk does, for this one process, and for root.
#[tokio::test(flavor = "multi_thread")]
async fn where_no_record_can_be_written_no_secret_is_handed_out() {
    let site = Site::small(1);
    let premises = Premises::new(&site);
    let command = patient_of_limits(&premises.command(&[]));
    let program = blocking(move || Program::start(command)).await;
    let operator = premises.operator();
    assert_eq!(program.push(&site.bundle_for_today(&site.directory(), 0), 0, &operator).await.status, 200);
    let token = program.mint("production", &operator).await;
    let boot = || program.get("/v1/boot", Some(&token));
    assert_eq!(boot().await.environment()["FLAG"], "1");
    let before = records(&premises.data()).len();

    let unlimited =
        prlimit(Some(program.pid()), Resource::Fsize, Rlimit { current: Some(0), maximum: None }).unwrap();
    for _ in 0..40 {
        let refused = boot().await;
        assert_eq!((refused.status, refused.code().as_str()), (503, "busy"), "{}", refused.text());
        assert!(!refused.header("retry-after").is_empty());
        assert!(!refused.text().contains("production 1") && !refused.text().contains("FLAG"));
    }
    let metrics = http::request(program.admin, "GET", "/metrics", Some(&operator), &[], Vec::new()).await;
    assert!(metrics.text().contains("bootlace_audit_failures_total 40"), "{}", metrics.text());
    let files = fs::read_dir(premises.data().join("audit")).unwrap().count();
    assert!(files <= 2, "{files} files: refused boots must not fill the directory");

    prlimit(Some(program.pid()), Resource::Fsize, unlimited).unwrap();
    assert_eq!(boot().await.environment()["FLAG"], "1", "it goes on where it can write again");
    let after = records(&premises.data());
    assert_eq!(of_kind(&after, "boot").len(), 2, "{after:#?}");
    assert!(after.len() > before);
}

/// `bootlace audit …` on the data directory of a host, and what it printed.
fn audit(premises: &Premises, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = bootlace();
    command.arg("audit").args(arguments).arg("--data").arg(premises.data());
    let output = finish(command);
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_a_real_host_is_verified_queried_and_exported_by_command() {
    let site = Site::small(1);
    let premises = Premises::new(&site);
    let command = premises.command(&[]);
    let mut program = blocking(move || Program::start(command)).await;
    let operator = premises.operator();
    assert_eq!(program.push(&site.bundle_for_today(&site.directory(), 0), 0, &operator).await.status, 200);
    let token = program.mint("production", &operator).await;
    for _ in 0..5 {
        assert_eq!(program.get("/v1/boot", Some(&token)).await.status, 200);
    }
    program.terminate();
    let (program, premises) = blocking(move || {
        let _ = program.rest_of_log();
        assert!(program.ended().success());
        (program, premises)
    })
    .await;
    drop(program);
    blocking(move || {
        // Whoever audits takes these with him.
        let data = premises.data();
        fs::rename(data.join("audit-verifier-00000001.key"), premises.path("verifier.key")).unwrap();
        fs::copy(data.join("audit.signer"), premises.path("signer.pub")).unwrap();
        let (code, kept) = audit(&premises, &["checkpoint"]);
        assert_eq!(code, Some(0), "{kept}");
        premises.write("kept.jsonl", &kept);
        let path = |name| premises.path(name).display().to_string();
        let (key, signer, kept) = (path("verifier.key"), path("signer.pub"), path("kept.jsonl"));
        let verify = ["verify", "--json", "--key", &key, "--signer", &signer, "--checkpoint", &kept];
        let (code, text) = audit(&premises, &verify);
        assert_eq!(code, Some(0), "{text}");
        let report: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&report["sound"], &report["closed"], &report["open"]),
            (&true.into(), &true.into(), &0.into())
        );

        let (_, page) =
            audit(&premises, &["query", "--json", "--key-name", "FLAG", "-e", "production", "--limit", "3"]);
        let page: Value = serde_json::from_str(&page).unwrap();
        assert_eq!(page["records"].as_array().unwrap().len(), 3);
        let after = page["next"].as_str().unwrap();
        let (_, page) = audit(&premises, &["query", "--json", "--key-name", "FLAG", "--after", after]);
        assert_eq!(serde_json::from_str::<Value>(&page).unwrap()["records"].as_array().unwrap().len(), 2);
        let (code, exported) = audit(&premises, &["export", "--key-name", "FLAG"]);
        assert_eq!(
            (code, exported.lines().count()),
            (Some(0), 6),
            "five boots and their keys' names: {exported}"
        );
        let (code, text) = audit(&premises, &["query"]);
        assert!(code == Some(0) && text.contains("token-mint"), "{text}");

        let log = data.join("audit/00000001.jsonl");
        let changed = fs::read_to_string(&log).unwrap().replacen("allowed", "refused", 1);
        fs::write(&log, changed).unwrap();
        let (code, text) = audit(&premises, &verify[..2]);
        assert!(code == Some(1) && text.contains("00000001.jsonl:"), "{text}");
        let (code, text) = audit(&premises, &["verify", "--key", &kept]);
        assert_eq!(code, Some(2), "{text}");
    })
    .await;
}
