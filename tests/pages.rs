//! The pages for operators say what is true: every metric in them is one that a host has, every
//! command and flag one that the program takes, every format one that the source knows, and
//! nothing is left out.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    deploy::{Line, commands_of, help, lines},
    world::{Site, World, files::sources},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_table_of_metrics_is_what_a_host_prints() {
    let printed = metrics().await;
    let told: BTreeSet<String> = rows(&page("docs/metrics.md")).map(|row| code(row[0])).collect();
    let told: BTreeSet<_> = told.into_iter().filter(|name| name.starts_with("bootlace_")).collect();
    assert_eq!(told, printed);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_alert_is_about_metrics_that_there_are_and_says_what_to_do() {
    let (runbook, printed) = (page("docs/runbook.md"), metrics().await);
    for name in names(&runbook, "bootlace_") {
        assert!(printed.contains(&name), "no host has {name}");
    }
    let answers =
        page("host/src/serve/respond.rs") + &page("host/src/serve/boot.rs") + &page("host/src/permit.rs");
    let named = runbook.split("outcome=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    let table = page("docs/metrics.md");
    let table = table.split("## Outcomes").nth(1).unwrap();
    let told = rows(table).map(|row| code(row[0])).filter(|outcome| outcome != "outcome");
    for outcome in named.chain(told) {
        assert!(answers.contains(&format!("\"{outcome}\"")), "no boot ends with {outcome}");
    }
    let alerts: Vec<_> = runbook.split("\n## ").skip(1).collect();
    assert!(alerts.len() >= 11);
    for alert in alerts {
        for part in ["**Means**", "**Look**", "**Do**", "**Over**"] {
            assert!(alert.contains(part), "no {part} in {}", alert.lines().next().unwrap());
        }
    }
}

#[test]
fn every_command_and_flag_is_one_that_the_program_takes() {
    let verbs = commands_of(&help(&[]));
    let takes = |verb: &[String], flag: &str| {
        help(verb).split_whitespace().any(|word| word.trim_end_matches(',') == flag)
    };
    for name in ["docs/runbook.md", "docs/upgrades.md", "docs/metrics.md"] {
        let text = page(name);
        for span in text.split('`').skip(1).step_by(2) {
            if span.starts_with("--") {
                assert!(takes(&["serve".to_owned()], span), "{name}: `bootlace serve` has no {span}");
            }
            for Line { verb, flags } in lines(span, &verbs) {
                for flag in flags {
                    assert!(takes(&verb, &flag), "{name}: `bootlace {}` has no {flag}", verb.join(" "));
                }
            }
        }
    }
}

#[test]
fn every_format_with_a_version_is_in_the_table_of_upgrades() {
    let mut known = BTreeSet::new();
    for (_, text) in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/src")) {
        known.extend(versioned(&text));
    }
    let told: BTreeSet<String> =
        versioned(&page("docs/upgrades.md").replace('`', "\"").replace("\"BLACE", "b\"BLACE"));
    assert_eq!(told, known);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_of_a_data_directory_is_in_the_table_of_upgrades() {
    let world = World::start().await;
    let told = page("docs/upgrades.md");
    let mut seen = 0;
    for entry in fs::read_dir(world.data.path()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap().replace("00000001", "*");
        // The host goes on while it is looked at, and may be writing one anew.
        let name = name.strip_suffix(".new").unwrap_or(&name);
        let named = [format!("`{name}`"), format!("`{name}/")].iter().any(|form| told.contains(form));
        assert!(named, "nothing says what becomes of {name}");
        seen += 1;
    }
    assert!(seen > 8);
}

#[test]
fn every_proof_is_a_test_that_there_is_and_every_file_of_tests_proves_something() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (tests, host) = (sources(here), sources(&here.join("../host")));
    let has = |all: &[(PathBuf, String)], module: &str| {
        let is_part =
            |path: &Path| path.iter().any(|part| Path::new(part).file_stem() == Some(OsStr::new(module)));
        all.iter().any(|(path, _)| is_part(path))
    };
    let mut proving = BTreeSet::new();
    for row in rows(&page("docs/proofs.md")).skip(1) {
        for proof in row[1].split('`').skip(1).step_by(2) {
            if let Some((module, test)) = proof.split_once("::") {
                let function = format!("fn {test}");
                let found = tests.iter().any(|(path, text)| {
                    path.file_stem().unwrap() == module && (test.is_empty() || text.contains(&function))
                });
                assert!(found, "no test is called {proof}");
                proving.insert(module.to_owned());
            } else if proof.starts_with("row_") {
                let function = format!("fn {proof}_");
                assert!(tests.iter().any(|(_, text)| text.contains(&function)), "no test is called {proof}");
            } else if let Some((_, name)) = proof.rsplit_once("--lib ").or(proof.rsplit_once("--test ")) {
                assert!(has(&host, name), "no module of the host is called {name}");
            }
        }
    }
    let names = fs::read_dir(here).unwrap().map(|entry| entry.unwrap().path());
    let files = names.filter(|path| path.extension().is_some_and(|kind| kind == "rs"));
    let files = files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    let unnamed: Vec<_> = files
        .filter(|name| !["main", "world", "tidy"].contains(&name.as_str()) && !proving.contains(name))
        .collect();
    assert_eq!(unnamed, [""; 0], "docs/proofs.md says nothing of these");
}

/// The names of a host's metrics, as they are asked for.
async fn metrics() -> BTreeSet<String> {
    let world = World::with(Site::small(1)).await;
    let answer = world.admin("GET", "/metrics", &world.operator, "").await;
    let types = answer.text().lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let name = |line: &str| match line.split_once(' ').unwrap() {
        (name, "counter") => format!("{name}_total"),
        (name, _) => name.to_owned(),
    };
    types.map(name).collect()
}

/// Prefixes such as `sealed:1:`, and the magic numbers of files, where a text literal holds them.
fn versioned(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for literal in text.split('"').skip(1) {
        if let Some((name, _)) = literal.split_once(":1:")
            && !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
        {
            found.insert(format!("{name}:1:"));
        }
    }
    for rest in text.split("b\"BLACE").skip(1) {
        let name: String = rest.chars().take_while(char::is_ascii_uppercase).collect();
        // Others are the domains of what is sealed, which no file begins with.
        if name.len() == 3 {
            found.insert(format!("BLACE{name}"));
        }
    }
    found
}

fn names(text: &str, prefix: &str) -> BTreeSet<String> {
    let part = |c: char| c.is_ascii_lowercase() || c == '_';
    let found =
        text.match_indices(prefix).map(|(at, _)| text[at..].chars().take_while(|c| part(*c)).collect());
    found.collect()
}

/// The cells of each row of the tables in a page.
fn rows(page: &str) -> impl Iterator<Item = Vec<&str>> {
    let rows = page.lines().filter(|line| line.starts_with('|') && !line.starts_with("|--"));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
}

/// What stands between the backticks.
fn code(cell: &str) -> String {
    cell.trim_start_matches('`').split('`').next().unwrap().to_owned()
}

fn page(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}
