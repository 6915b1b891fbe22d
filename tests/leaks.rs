//! No secret is anywhere but in the answer to the boot that it is for: not in the log at its most
//! talkative, not in an error or a metric, not in the data directory, not in a bundle.

use std::{fs, path::Path};

use crate::world::{
    Answer, Site, blocking, files, http,
    program::{Premises, Program},
};

/// The starter without policies: a real host's clock may interrupt those on a busy machine.
fn site() -> Site {
    let mut site = Site::starter_with(&[]);
    site.tree.remove("policies.toml");
    site.set_secret("production", "STRIPE_KEY", "demo-production-\nin-two-lines");
    site
}

struct Scan {
    /// What must not be found: text, and raw bytes.
    marks: Vec<Vec<u8>>,
}

impl Scan {
    fn check(&self, place: &str, bytes: &[u8]) {
        for mark in &self.marks {
            let found = bytes.windows(mark.len()).position(|window| window == mark);
            assert_eq!(found, None, "{place} holds {}", String::from_utf8_lossy(mark));
        }
    }

    /// Every file below `path`, and how many there were.
    fn files(&self, path: &Path) -> usize {
        let all = files::files(path);
        all.iter().for_each(|path| self.check(&path.display().to_string(), &fs::read(path).unwrap()));
        all.len()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_anywhere_but_in_the_answer_to_its_boot() {
    let site = site();
    let premises = Premises::new(&site);
    let command = premises.command(&["--log", "trace"]);
    let mut program = blocking(move || Program::start(command)).await;
    let operator = premises.operator();
    let good = site.bundle_for_today(&site.directory(), 0);
    let mut answers: Vec<Answer> = Vec::new();

    answers.push(program.push(b"demo-production-not-a-bundle", 0, &operator).await);
    answers.push(program.push(&good, 7, &operator).await);
    let pushed = program.push(&good, 0, &operator).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    answers.push(pushed);
    answers.push(program.push(&site.bundle_for_today(&site.directory(), 1), 1, &operator).await);
    let mut tokens = Vec::new();
    for environment in ["production", "staging", "preview/pr-42"] {
        tokens.push(program.mint(environment, &operator).await);
    }
    let (mut boots, mut refused) = (0, 0);
    for token in &tokens {
        let formats = ["json", "dotenv", "docker", "systemd", "shell", "k8s-secret", "xml"];
        for format in formats {
            let answer = program.get(&format!("/v1/boot?format={format}"), Some(token)).await;
            if answer.status == 200 {
                boots += 1;
            } else {
                refused += 1;
                answers.push(answer);
            }
        }
        // What comes in is not told, either: a secret may have been sent to the wrong place.
        for path in ["/v1/boot?environment=demo-production-x", "/v1/boot?demo-production-x=1"] {
            answers.push(program.get(path, Some(token)).await);
        }
        answers.push(program.get("/v1/boot", Some(&token.replace('b', "c"))).await);
    }
    assert_eq!((boots, refused), (17, 4), "one value has a line break, and there is no xml");
    let paths = [
        "/api/v1/snapshot",
        "/api/v1/snapshots",
        "/api/v1/snapshot/plans",
        "/api/v1/snapshot/bundle",
        "/api/v1/workspaces",
        "/api/v1/tokens",
        "/metrics",
        "/api/v1/deployments/checkout/explain",
    ];
    for path in paths {
        for environment in ["production", "staging", "preview%2Fpr-42"] {
            let path = format!("{path}?workspace=acme&environment={environment}");
            let answer = http::request(program.admin, "GET", &path, Some(&operator), &[], Vec::new()).await;
            assert_eq!(answer.status, 200, "{path}: {:?}", answer.body);
            answers.push(answer);
        }
    }
    program.terminate();
    let (log, ended) = blocking(move || {
        let rest = program.rest_of_log();
        let told: Vec<_> = program.log.iter().map(ToString::to_string).chain(rest).collect();
        (told.join("\n"), program.ended())
    })
    .await;
    assert!(ended.success());

    let root = site.root_key().to_file();
    let root_text = root.trim().rsplit(':').next().unwrap().to_owned();
    let mut marks: Vec<Vec<u8>> = ["demo-", "demo/", "demo%2F", "ZGVtby", "64656d6f2d"]
        .iter()
        .map(|mark| mark.as_bytes().to_vec())
        .collect();
    marks.push(root_text.into_bytes());
    marks.push(site.root_key_bytes().to_vec());
    marks.extend(tokens.iter().map(|token| token.as_bytes().to_vec()));
    let mut scan = Scan { marks };
    scan.check("the pushed bundle", &good);
    for answer in &answers {
        scan.check("an answer", &answer.body);
    }
    assert!(log.contains("a new generation is served") && log.contains("a change was refused"), "{log}");
    // Plain values are sealed on disk, too.
    scan.marks.extend([b"checkout.acme.example".to_vec(), b"orders@acme.example".to_vec()]);
    assert!(scan.files(&premises.data()) >= 8);
    // The operator's token has a file of its own, and is nowhere else.
    scan.marks.push(operator.into_bytes());
    scan.check("the log", log.as_bytes());
    fs::remove_file(premises.data().join("operator.token")).unwrap();
    scan.files(&premises.data());
}

#[test]
fn a_scan_that_finds_nothing_would_have_found_something() {
    let scan = Scan { marks: vec![b"demo-".to_vec()] };
    let directory = tempfile::TempDir::new().unwrap();
    let below = directory.path().join("below");
    fs::create_dir(&below).unwrap();
    fs::write(below.join("file"), "STRIPE_KEY=").unwrap();
    assert_eq!(scan.files(directory.path()), 1);
    fs::write(below.join("file"), "STRIPE_KEY=demo-production-STRIPE_KEY-v1").unwrap();
    assert!(std::panic::catch_unwind(|| scan.files(directory.path())).is_err());
}
