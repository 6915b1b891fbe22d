//! What `docs/deploy` tells people to type works: every command line in it is checked against the
//! program's own help, every probe against a real host, and units against systemd where it is
//! installed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::world::{
    self, Site, World, blocking,
    program::{Premises, Program, bootlace, finish},
};

#[test]
fn every_command_line_is_one_that_the_program_takes() {
    let verbs = commands_of(&help(&[]));
    let mut seen = BTreeSet::new();
    for (path, text) in files("docs/deploy") {
        for Line { verb, flags } in lines(&text, &verbs) {
            let help = help(&verb);
            for flag in &flags {
                let known = help.split_whitespace().any(|word| word.trim_end_matches(',') == flag);
                assert!(known, "{}: `bootlace {}` has no {flag}", path.display(), verb.join(" "));
            }
            seen.insert(format!("{}: {}", path.file_name().unwrap().display(), verb.join(" ")));
        }
    }
    // That the files are read as they are meant, too.
    let expected = [
        "Containerfile: health",
        "Containerfile: run",
        "Containerfile: serve",
        "README.md: health",
        "README.md: keygen root",
        "README.md: token mint instance",
        "bootlace-push.service: health",
        "bootlace-push.service: snapshot push",
        "bootlace.service: serve",
        "checkout.service: run",
        "host.yaml: serve",
        "init.yaml: boot",
        "run.yaml: run",
    ];
    assert_eq!(seen, expected.map(str::to_owned).into());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_probe_is_answered() {
    let world = World::with(Site::small(1)).await;
    let mut probes = BTreeSet::new();
    for (_, text) in files("docs/deploy/kubernetes") {
        let after = text.split("httpGet: { path: ").skip(1);
        probes.extend(after.map(|rest| rest.split(',').next().unwrap().to_owned()));
    }
    assert_eq!(probes.iter().map(String::as_str).collect::<Vec<_>>(), ["/livez", "/readyz"]);
    for path in probes {
        let answer = world.get_boot(&path, None).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_says_what_a_health_check_wants_to_know() {
    let world = World::empty(Site::small(1), |_| {}).await;
    let url = format!("http://{}", world.boot_address());
    let check = move |more: &'static [&'static str]| {
        let mut command = bootlace();
        command.env("BOOTLACE_URL", &url).arg("health").args(more);
        blocking(|| finish(command))
    };
    let output = check(&[]).await;
    assert_eq!(output.status.code(), Some(1), "nothing to serve yet: {output:?}");
    assert!(check(&["--live"]).await.status.success());
    let pushed = world.push(&world.site.bundle(bootlace::id::Revision(0)), 0).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    let output = check(&[]).await;
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"ready\n"[..]));
    assert_eq!(check(&["--json"]).await.stdout, b"{\"status\":\"ready\"}\n");
    assert_eq!(check(&["--url", "http://127.0.0.1:9"]).await.status.code(), Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_key_may_be_a_service_managers_credential() {
    let premises = Premises::new(&Site::small(1));
    // The mode that an access list shows as; others cannot look into its directory.
    let key = premises.path("root.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o440)).unwrap();
    for (directory, taken) in
        [(None, false), (Some(premises.path("elsewhere")), false), (key.parent().map(Path::to_owned), true)]
    {
        let mut command = premises.command(&[]);
        if let Some(directory) = &directory {
            command.env("CREDENTIALS_DIRECTORY", directory);
        }
        if taken {
            drop(blocking(|| Program::start(command)).await);
        } else {
            let output = blocking(|| finish(command)).await;
            let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.code() == Some(2) && complaint.contains("chmod 600"), "{complaint}");
        }
    }
}

#[test]
fn units_are_what_systemd_takes() {
    let place = TempDir::new().unwrap();
    let program = env!("CARGO_BIN_EXE_bootlace-under-test");
    for (path, text) in files("docs/deploy/systemd") {
        for required in ["NoNewPrivileges=yes", "DynamicUser=yes", "ProtectSystem=strict", "LimitCORE=0"] {
            assert!(text.lines().any(|line| line == required), "{}: no {required}", path.display());
        }
        // systemd looks whether the programs are there.
        let text = text.replace("/usr/bin/bootlace", program);
        fs::write(place.path().join(path.file_name().unwrap()), text).unwrap();
    }
    if finish_quietly(Command::new("systemd-analyze").arg("--version")).is_none() {
        return; // The flags of each ExecStart= are checked above in any case.
    }
    let units = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().path());
    let verified = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(units).output().unwrap();
    let said = String::from_utf8_lossy(&verified.stderr);
    // What it says about the machine's other units is none of ours.
    let place = place.path().to_str().unwrap();
    let ours: Vec<_> =
        said.lines().filter(|line| line.contains(place) || line.contains("bootlace")).collect();
    assert!(ours.is_empty(), "{ours:#?}");
    let unit = format!("{place}/bootlace.service");
    let rated = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=20", "--no-pager", &unit])
        .output();
    let rated = rated.unwrap();
    assert!(
        rated.status.success(),
        "exposed more than 2.0 of 10:\n{}",
        String::from_utf8_lossy(&rated.stdout)
    );
}

/// One command line: its verb, as words, and its flags.
pub(crate) struct Line {
    pub(crate) verb: Vec<String>,
    pub(crate) flags: Vec<String>,
}

/// The command lines in a unit, a Containerfile, a manifest or a page. A command begins with the
/// program's name and a verb, and ends at `--`, or with what is none of its words any more.
pub(crate) fn lines(text: &str, verbs: &[String]) -> Vec<Line> {
    let text = text.replace(['"', '\'', '[', ']', ',', '\\', '`', '(', ')'], " ");
    let mut words = text
        .split_inclusive('\n')
        .flat_map(|line| line.split_whitespace())
        .filter(|word| !["args:", "CMD", "#"].contains(word))
        .peekable();
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        // `CMD` alone holds a verb's words, after an `ENTRYPOINT` that holds the program's.
        if !(word == "bootlace" || word.ends_with("/bootlace")) {
            continue;
        }
        let mut line = Line { verb: Vec::new(), flags: Vec::new() };
        let mut below = verbs.to_vec();
        while let Some(verb) = words.next_if(|word| below.iter().any(|verb| verb == word)) {
            line.verb.push(verb.to_owned());
            below = commands_of(&help(&line.verb));
        }
        if line.verb.is_empty() {
            continue;
        }
        let ends =
            |word: &&str| *word == "--" || word.ends_with(':') || word.contains('=') || *word == "bootlace";
        while let Some(word) = words.next_if(|word| !ends(word)) {
            if word.starts_with('-') {
                line.flags.push(word.to_owned());
            }
        }
        found.push(line);
    }
    found
}

/// The verbs that a help page lists.
pub(crate) fn commands_of(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("    "));
    listed.filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect()
}

pub(crate) fn help(verb: &[String]) -> String {
    thread_local! {
        static KNOWN: std::cell::RefCell<BTreeMap<Vec<String>, String>> = const { std::cell::RefCell::new(BTreeMap::new()) };
    }
    if let Some(known) = KNOWN.with_borrow(|known| known.get(verb).cloned()) {
        return known;
    }
    let mut command = bootlace();
    let output = finish({
        command.args(verb).arg("--help");
        command
    });
    assert!(output.status.success(), "{verb:?}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    KNOWN.with_borrow_mut(|known| known.insert(verb.to_vec(), text.clone()));
    text
}

fn files(below: &str) -> Vec<(PathBuf, String)> {
    let found = world::files::files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(below));
    assert!(!found.is_empty());
    found.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// Nothing where there is no such program.
fn finish_quietly(command: &mut Command) -> Option<()> {
    command.output().ok().map(drop)
}
