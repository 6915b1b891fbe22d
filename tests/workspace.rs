//! A workspace from nothing to a boot, with the real program alone: `init`, `seal`, `snapshot`,
//! `token`, as a person types them.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::world::program::{Program, bootlace, finish};

const SECRET: &str = "sk_live_a\"b$c\\d";

/// A person's machine: a current directory, and a home of its own.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(TempDir::new().unwrap());
        desk.done("init acme");
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, line: &str) -> Command {
        let mut command = bootlace();
        command.current_dir(self.0.path()).env("XDG_CONFIG_HOME", self.path("home"));
        command.args(line.split_whitespace());
        command
    }

    fn run(&self, line: &str) -> Output {
        finish(self.command(line))
    }

    /// Runs something that works, and gives what it prints.
    fn done(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same, as JSON.
    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.done(&format!("{line} --json"))).unwrap()
    }

    /// Runs something that does not, and gives what it complains about.
    fn refused(&self, line: &str, code: i32) -> String {
        let output = self.run(line);
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{line}: {complaint}");
        complaint
    }

    fn edit(&self, path: &str, change: impl FnOnce(String) -> String) {
        let path = self.path(path);
        fs::write(&path, change(fs::read_to_string(&path).unwrap())).unwrap();
    }

    /// Seals what comes on standard input.
    fn seal(&self, arguments: &str, value: &str) -> String {
        let mut child = self
            .command(&format!("seal acme {arguments}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn serve(&self) -> Program {
        Program::start(self.command(
            "serve --data data --root-key acme-keys/root.key --trust acme-keys/operator.key.pub \
             --bootstrap acme --boot 127.0.0.1:0 --admin 127.0.0.1:0 --log-format json",
        ))
    }
}

#[test]
fn what_init_leaves_can_be_committed_and_its_keys_are_private() {
    let desk = Desk::new();
    let mode = |name: &str| fs::metadata(desk.path(name)).unwrap().permissions().mode() & 0o777;
    for private in ["root.key", "operator.key", "tokens/production.token", "tokens/preview-pr-42.token"] {
        let name = format!("acme-keys/{private}");
        assert_eq!(mode(&name), 0o600, "{name}");
        let text = fs::read_to_string(desk.path(&name)).unwrap();
        let shared = texts_under(&desk.path("acme"));
        assert!(shared.iter().all(|file| !file.contains(text.trim())), "{name} is in the directory");
    }
    assert_eq!((mode("acme-keys"), mode("acme-keys/tokens")), (0o700, 0o700));
    assert!(desk.refused("init acme", 2).contains("not empty"));
    assert!(desk.refused("init other --keys other/keys", 2).contains("other/keys"));
}

#[test]
fn a_directory_is_built_compared_and_its_mistakes_are_listed_at_once() {
    let desk = Desk::new();
    desk.done("snapshot build acme --signer acme-keys/operator.key");
    let inspected = desk.json("snapshot inspect acme.bundle");
    assert_eq!((&inspected["trusted"], &inspected["parent"]), (&Value::Bool(true), &Value::from(0)));
    assert_eq!(inspected["plans"].as_array().unwrap().len(), 3);
    assert_eq!(desk.json("snapshot diff acme.bundle acme")["changes"], Value::Array(Vec::new()));

    desk.edit("acme/deployments/checkout.toml", |text| text.replacen("WORKERS = 16", "WORKERS = 17", 1));
    let changes = desk.json("snapshot diff acme.bundle acme")["changes"].clone();
    assert_eq!(changes.as_array().unwrap().len(), 1);
    assert_eq!((&changes[0]["key"], &changes[0]["change"]), (&"WORKERS".into(), &"changed".into()));

    // Nobody else's machine trusts this signer.
    let mut elsewhere = desk.command("snapshot inspect acme.bundle --json");
    elsewhere.env("XDG_CONFIG_HOME", desk.path("elsewhere"));
    let seen: Value = serde_json::from_slice(&finish(elsewhere).stdout).unwrap();
    assert_eq!((&seen["trusted"], &seen["plans"]), (&Value::Bool(false), &Value::Null));

    desk.edit("acme/deployments/checkout.toml", |text| text.replacen("PORT = {", "PORT = { x = 1,", 1));
    desk.edit("acme/environments/staging.toml", |text| {
        format!("{text}\nUNKNOWN = {{ secret = \"plain\" }}\n")
    });
    let complaint = desk.refused("snapshot build acme --signer acme-keys/operator.key", 2);
    assert!(complaint.contains("acme/deployments/checkout.toml:"), "{complaint}");
    assert!(complaint.contains("acme/environments/staging.toml:"), "{complaint}");
    assert!(!complaint.contains("plain\""), "{complaint}");
}

#[test]
fn nothing_is_sealed_to_keys_that_a_pull_request_swapped() {
    let (desk, attacker) = (Desk::new(), Desk::new());
    fs::write(desk.path("secret"), SECRET).unwrap();
    let seal = "seal acme -e staging -d checkout STRIPE_KEY --from secret";
    assert!(desk.done(seal).starts_with("sealed:1:"));
    fs::copy(attacker.path("acme/keys.toml"), desk.path("acme/keys.toml")).unwrap();
    assert!(desk.refused(seal, 1).contains("--trust"));
    // The workspace's id as well, so that no pin of ours is about it.
    fs::copy(attacker.path("acme/workspace.toml"), desk.path("acme/workspace.toml")).unwrap();
    assert!(desk.refused(seal, 1).contains("--trust"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_secret_reaches_a_boot_and_pushes_do_not_collide() {
    let desk = Desk::new();
    let sealed = desk.seal("-e staging -d checkout STRIPE_KEY", &format!("{SECRET}\n"));
    desk.edit("acme/deployments/checkout.toml", |text| in_staging(&text, "STRIPE_KEY", &sealed));
    desk.done("snapshot build acme --signer acme-keys/operator.key --out first.bundle");

    let host = desk.serve();
    let admin = format!("--admin-url http://{} --token-file data/operator.token", host.admin);
    let pushed = desk.json(&format!("snapshot push acme --signer acme-keys/operator.key {admin}"));
    assert_eq!(pushed["revision"], 1);
    let diff = desk.json(&format!("snapshot diff acme {admin}"));
    assert_eq!((&diff["from"], &diff["changes"]), (&"revision 1".into(), &Value::Array(Vec::new())));

    let token = fs::read_to_string(desk.path("acme-keys/tokens/staging.token")).unwrap();
    let answer = host.get("/v1/boot", Some(token.trim())).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.environment()["STRIPE_KEY"], SECRET);

    // Built for a new workspace, and by now there is one.
    let complaint = desk.refused(&format!("snapshot push first.bundle {admin}"), 1);
    assert!(complaint.contains("build again with --parent 1"), "{complaint}");
    let back = desk.json(&format!("snapshot rollback --to 1 --workspace acme {admin}"));
    assert_eq!((&back["revision"], &back["digest"]), (&Value::from(2), &pushed["digest"]));

    let minted =
        desk.json(&format!("token mint instance -d checkout -e staging --out new --workspace acme {admin}"));
    assert_eq!(minted["token"], Value::Null);
    let token = fs::read_to_string(desk.path("new")).unwrap();
    assert_eq!(host.get("/v1/boot", Some(token.trim())).await.status, 200);
    desk.done(&format!("token revoke {} --workspace acme {admin}", minted["id"].as_str().unwrap()));
    assert_eq!(host.get("/v1/boot", Some(token.trim())).await.status, 401);
    assert!(
        !desk.done(&format!("token list --workspace acme {admin}")).contains(minted["id"].as_str().unwrap())
    );
}

#[test]
fn an_environment_gets_a_new_key_and_offline_tokens_join_the_directory() {
    let desk = Desk::new();
    let keygen =
        "keygen environment acme staging --root-key acme-keys/root.key --signer acme-keys/operator.key";
    assert!(desk.refused(keygen, 2).contains("--replace"));
    desk.done(&format!("{keygen} --replace"));
    let id = "0123456789abcdef0123456789abcdef";
    fs::write(desk.path("acme/environments/qa.toml"), format!("type = \"test\"\nid = \"{id}\"\n")).unwrap();
    desk.done(&keygen.replace("staging", "qa"));
    assert!(desk.seal("-e qa KEY", "value").starts_with("sealed:1:"));

    let snippet = desk.done("token mint --offline instance -d checkout -e staging --out offline");
    let token = fs::read_to_string(desk.path("offline")).unwrap();
    assert!(!snippet.contains(token.trim()));
    desk.edit("acme/bootstrap.toml", |text| text + &snippet);
    desk.done("snapshot build acme --signer acme-keys/operator.key");
}

/// The text with the secret `name` of staging replaced.
fn in_staging(text: &str, name: &str, sealed: &str) -> String {
    let mut document: toml_edit::DocumentMut = text.parse().unwrap();
    document["environments"]["staging"]["variables"][name]["secret"] = toml_edit::value(sealed);
    document.to_string()
}

/// Every text file under a directory.
fn texts_under(directory: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let texts = |path: PathBuf| {
        if path.is_dir() { texts_under(&path) } else { fs::read_to_string(path).into_iter().collect() }
    };
    entries.flat_map(texts).collect()
}
