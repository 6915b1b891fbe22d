//! `bootlace var`: values from the command line. A secret is no argument on its way in, and in no
//! output afterwards.

use std::{fs, io::Write as _, process::Stdio};

use bootlace::format::Format;
use serde_json::{Value, json};

use crate::{
    audit::records,
    world::{
        Site, World, blocking,
        program::{asking, finish},
    },
};

const STAGING: [&str; 4] = ["-d", "checkout", "-e", "staging"];
const SECRET: &str = "hunter2-hunter2-hunter2";

#[tokio::test(flavor = "multi_thread")]
async fn values_are_set_listed_told_and_unset() {
    let world = World::with(Site::small(0)).await;
    let before = world.environment("staging").await;
    let said = world.var("set", &["PAGE_SIZE=20", "GREETING=good morning, all", "EMPTY="], "").await;
    assert!(
        said.contains("revision 2") && said.contains("3 values of checkout in staging are set"),
        "{said}"
    );
    let base = ["set", "-d", "checkout", "BASE_ONLY=1", "--description", "of all"];
    world.vars(0, &base, "").await;
    world.var("set", &["PAGE_SIZE=50"], "").await;
    world.var("set", &["MULTILINE", "--keep-newline"], "one\ntwo\n").await;
    let staging = world.environment("staging").await;
    for (name, value) in [
        ("PAGE_SIZE", "50"),
        ("GREETING", "good morning, all"),
        ("EMPTY", ""),
        ("BASE_ONLY", "1"),
        ("MULTILINE", "one\ntwo\n"),
    ] {
        assert_eq!(staging[name], value, "{name}");
    }
    assert_eq!(world.environment("production").await["BASE_ONLY"], "1");

    let list = world.var("list", &[], "").await;
    let row = |name: &str| list.lines().find(|line| line.starts_with(&format!("{name}\t"))).unwrap();
    assert_eq!(row("GREETING"), "GREETING\tgood…\tdeployment-in-environment\t1\tapi\t2\t");
    assert_eq!(row("PAGE_SIZE"), "PAGE_SIZE\t…\tdeployment-in-environment\t2\tapi\t4\t");
    assert!(
        row("DATABASE_URL").contains("\t••••\tdeployment-in-environment\t")
            && row("BASE_ONLY").ends_with("of all")
    );
    let base = world.vars(0, &["list", "-d", "checkout"], "").await;
    assert!(base.contains("BASE_ONLY\t") && !base.contains("GREETING"), "{base}");

    let versions = world.var("versions", &["PAGE_SIZE"], "").await;
    let told: Vec<_> =
        versions.lines().skip(2).map(|line| line.split('\t').take(4).collect::<Vec<_>>()).collect();
    assert_eq!(told, [["*", "2", "plain", "4"], ["", "1", "plain", "2"]]);
    for name in ["PAGE_SIZE", "GREETING", "EMPTY", "MULTILINE"] {
        world.var("unset", &[name], "").await;
    }
    world.vars(0, &["unset", "-d", "checkout", "BASE_ONLY"], "").await;
    assert_eq!(world.environment("staging").await, before);
    assert!(
        world.vars(1, &[&["unset"][..], &STAGING, &["PAGE_SIZE"]].concat(), "").await.contains("not-found")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_comes_from_standard_input_or_a_file_and_is_in_no_output() {
    let world = World::with(Site::small(0)).await;
    let file = world.file("password.txt", &format!("{SECRET}-2\n"));
    let about = ["PASSWORD", "--secret", "--description", "opens"];
    let mut seen = vec![world.var("set", &about, &format!("{SECRET}\n")).await];
    assert_eq!(world.environment("staging").await["PASSWORD"], SECRET);
    // The next version needs no word of what it is.
    seen.push(world.var("set", &["PASSWORD", "--from-file", &file], "").await);
    assert_eq!(world.environment("staging").await["PASSWORD"], format!("{SECRET}-2"));
    for reading in [
        &["list"][..],
        &["list", "--reveal"],
        &["list", "--json"],
        &["list", "--reveal", "--json"],
        &["versions", "PASSWORD"],
        &["versions", "PASSWORD", "--json"],
        &["export"],
        &["unset", "PASSWORD", "--json"],
    ] {
        seen.push(world.var(reading[0], &reading[1..], "").await);
    }
    for refused in [
        &["set", "PASSWORD", "--secret", "--if-match", "1"][..],
        &["set", "bad name", "--secret"],
        &["set", "DB_PASSWORD", "--secret"],
        &["set", "NEW_ONE", "--secret"],
        &["set", "A=1", "--secret"],
        &["set", "A", "B=2", "--secret"],
        &["set", "PASSWORD", "--secret", "--no-such-option"],
    ] {
        let line = [&refused[..1], &STAGING, &refused[1..]].concat();
        let (code, printed, said) = world.run_var(world.site.token("admin"), &line, SECRET).await;
        assert!(code == 1 || code == 2, "{refused:?}: {said}");
        seen.extend([printed, said]);
    }
    for text in seen {
        assert!(!text.contains("hunter2") && !text.contains("secret-of"), "{text}");
    }
    let audit = format!("{:?}", records(world.data.path()));
    assert!(audit.contains("PASSWORD") && !audit.contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_show_a_secret_or_lose_it_is_wrong_usage() {
    let world = World::with(Site::small(0)).await;
    world.var("set", &["PASSWORD", "--secret", "--description", "opens"], SECRET).await;
    let many: Vec<String> = (0..33).map(|number| format!("KEY_{number}=x")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let unicode = "\u{e9}=1";
    for (line, expected) in [
        (&["PASSWORD=plain to everybody"][..], "PASSWORD is a secret"),
        (&["OTHER=1", "DB_PASSWORD=plain to everybody"], "DB_PASSWORD is a secret"),
        (&["NEW=1", "--secret"], "is no argument"),
        (&["NEW=1", "--from-file", "/etc/hostname"], "is no argument"),
        (&["NEW", "OTHER"], "NAME=VALUE"),
        (&["NEW", "--secret"], "no value came"),
        (&["NEW", "--from-file", "/nonexistent"], "cannot read"),
        (&["NEW=1", "OTHER=2", "--if-match", "1"], "about one variable"),
        (&[unicode], "not a valid variable"),
        (&many, "import"),
    ] {
        let line = [&["set"][..], &STAGING, line].concat();
        let said = world.vars(2, &line, "").await;
        assert!(said.contains(expected), "expected {expected}: {said}");
        assert!(!said.contains("everybody"), "{said}");
    }
    let base = ["set", "-d", "checkout", "NEW", "--secret", "--description", "x"];
    assert!(world.vars(2, &base, SECRET).await.contains("--environment"));
    let (code, _, said) =
        world.run_var(world.site.token("viewer"), &[&["list", "--reveal"][..], &STAGING].concat(), "").await;
    assert_eq!((code, said.contains("forbidden")), (1, true), "{said}");
    assert_eq!(world.environment("staging").await["PASSWORD"], SECRET);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_set_the_same_value_one_is_told() {
    let world = World::with(Site::small(0)).await;
    world.var("set", &["COUNTER=1", "--if-absent"], "").await;
    let line = |more: &[&'static str]| [&["set"][..], &STAGING, &["COUNTER=2"], more].concat();
    assert!(world.vars(1, &line(&["--if-absent"]), "").await.contains("conflict"));
    world.var("set", &["COUNTER=2", "--if-match", "2"], "").await;
    assert!(world.vars(1, &line(&["--if-match", "2"]), "").await.contains("conflict"));
    let unset = [&["unset"][..], &STAGING, &["COUNTER", "--if-match", "2"]].concat();
    assert!(world.vars(1, &unset, "").await.contains("conflict"));
    assert_eq!(world.environment("staging").await["COUNTER"], "2");
    world.var("unset", &["COUNTER", "--if-match", "3"], "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_plain_values_as_a_whole_masks_secrets_and_is_recorded() {
    let world = World::with(Site::small(0)).await;
    world.var("set", &["GREETING=it's a good morning"], "").await;
    world.var("set", &["PASSWORD", "--secret", "--description", "opens"], SECRET).await;
    let json: Value = serde_json::from_str(&world.var("export", &[], "").await).unwrap();
    assert_eq!(json["env"]["GREETING"], "it's a good morning");
    assert_eq!((&json["env"]["PASSWORD"], &json["environment"]), (&json!("••••"), &json!("staging")));
    assert!(json["masked"].as_array().unwrap().contains(&json!("DATABASE_URL")), "{json}");
    let mut asked = 1;
    for (format, greeting, password) in [
        (Format::Dotenv, "GREETING=\"it's a good morning\"\n", "PASSWORD='••••'\n"),
        (Format::Docker, "GREETING=it's a good morning\n", "PASSWORD=••••\n"),
        (Format::Systemd, "GREETING=\"it's a good morning\"\n", "PASSWORD=\"••••\"\n"),
        (Format::Shell, "export GREETING='it'\\''s a good morning'\n", "export PASSWORD='••••'\n"),
        (Format::K8sSecret, "\"GREETING\":\"aXQncyBhIGdvb2QgbW9ybmluZw==\"", "\"name\":\"plain-ones\""),
    ] {
        let more = ["--format", format.as_str(), "--name", "plain-ones"];
        let text = world.var("export", &more, "").await;
        assert!(text.contains(greeting) && text.contains(password), "{text}");
        let text = world.var("export", &[&more[..], &["--without-secrets"]].concat(), "").await;
        assert!(text.contains(greeting) && !text.contains("PASSWORD") && !text.contains("••••"), "{text}");
        asked += 2;
    }
    let unnamed = [&["export"][..], &STAGING, &["--format", "k8s-secret"]].concat();
    assert!(world.vars(2, &unnamed, "").await.contains("--name"));
    let (code, _, _) =
        world.run_var(world.site.token("viewer"), &[&["export"][..], &STAGING].concat(), "").await;
    assert_eq!(code, 1);
    let reveals = records(world.data.path()).iter().filter(|line| line["kind"] == "reveal").count();
    assert_eq!(reveals, asked);
}

impl World {
    /// What `bootlace var` prints for staging, if all is well.
    pub(crate) async fn var(&self, verb: &str, more: &[&str], input: &str) -> String {
        self.vars(0, &[&[verb][..], &STAGING, more].concat(), input).await
    }

    /// The same of any words, or with another exit code all that it says.
    pub(crate) async fn vars(&self, expected: i32, words: &[&str], input: &str) -> String {
        let (code, printed, said) = self.run_var(self.site.token("admin"), words, input).await;
        assert_eq!(code, expected, "{words:?}: {said}");
        if code == 0 { printed } else { printed + &said }
    }

    /// Exit code and both streams, neither of which ever shows a secret of these tests.
    pub(crate) async fn run_var(&self, token: &str, words: &[&str], input: &str) -> (i32, String, String) {
        let mut command = asking(self.admin_address(), token);
        let mut stdin = tempfile::tempfile().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        std::io::Seek::rewind(&mut stdin).unwrap();
        command.arg("var").args(words).stdin(Stdio::from(stdin));
        let output = blocking(|| finish(command)).await;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (printed, said) = (text(output.stdout), text(output.stderr));
        assert!(!printed.contains("hunter2") && !said.contains("hunter2"), "{words:?}: {printed}{said}");
        (output.status.code().unwrap(), printed, said)
    }

    /// A file beside the host's data.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.data.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}
