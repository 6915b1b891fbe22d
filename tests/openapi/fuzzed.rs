//! schemathesis reads `/openapi.json`, asks whatever that lets it ask and some that it does not, and
//! compares every answer with what the document says of it.

use std::{env, fs, path::PathBuf, process::Command};

use serde_json::json;

use crate::world::{
    World, blocking,
    service::{on_path, skip},
};

/// Requests that are generated at least, in all runs together.
const REQUESTS: u64 = 5_000;
/// An operation's examples in each run; the coverage of its parameters comes on top of that.
const EXAMPLES: &str = "220";
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance,response_headers_conformance";

/// One run: whose token, which listener, and what is not left to chance.
struct Run {
    name: &'static str,
    url: String,
    paths: &'static str,
    token: String,
    /// As schemathesis.toml has them: so that there is something to be answered.
    parameters: String,
}

const ADMIN: &str = "^/(?!v1/)";
const BOOT: &str = "^/v1/";
/// What there is: of `explain`, the environments; of a deployment, it, a lease and a promotion of it.
const KNOWN: &str = r#"
[[operations]]
include-operation-id = "explain"
parameters = { "path.id" = "checkout", "query.environment" = ["staging", "production"] }
[[operations]]
include-path-regex = "^/api/v1/deployments/"
parameters = { "path.id" = "checkout", "path.promotion" = "@PROMOTION@", "path.lease" = "@LEASE@" }
"#;
// Who makes workspaces by the hundred is told so much that mixing it into what is asked next takes
// schemathesis longer than all the rest; the tenant's runs do that.
const OF_OPERATORS: &str = r#"
[phases.fuzzing.extra-data-sources]
responses = false
[phases.coverage.extra-data-sources]
responses = false
[phases.examples.extra-data-sources]
responses = false
[parameters]
"query.workspace" = "acme"
"#;

/// What of a deployment has names of the host's making: a promotion that waits, and a lease.
async fn known(world: &World) -> String {
    let path = "/deployments/checkout/promotions";
    let waits = world.by("releaser", "POST", path, json!({ "to": "production" })).await;
    assert_eq!(waits.status, 202, "{}", waits.text());
    let leased = world.boot_as("staging", "GET", "", &[("bootlace-lease", "3600")], "").await;
    assert!(!leased.header("bootlace-lease").is_empty(), "{}", leased.text());
    KNOWN
        .replace("@PROMOTION@", waits.json()["id"].as_str().unwrap())
        .replace("@LEASE@", leased.header("bootlace-lease"))
}

fn schemathesis() -> Option<PathBuf> {
    let named = env::var_os("BOOTLACE_SCHEMATHESIS").map(PathBuf::from);
    let found = named.or_else(|| on_path("schemathesis"));
    if found.is_none() {
        skip("schemathesis", "python3-venv; then BOOTLACE_SCHEMATHESIS=$(tests/schemathesis/install DIR)");
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_is_other_than_the_document_says() {
    let Some(program) = schemathesis() else { return };
    let world = World::start().await;
    let (admin, boot) =
        (format!("http://{}", world.admin_address()), format!("http://{}", world.boot_address()));
    let document = format!("{admin}/openapi.json");
    let known = known(&world).await;
    let run = |name, url: &String, paths, token: &str, parameters: &str| Run {
        name,
        url: url.clone(),
        paths,
        token: token.to_owned(),
        parameters: parameters.to_owned(),
    };
    let tenant = world.site.token("admin");
    let runs = [
        run("tenant, by chance", &admin, ADMIN, tenant, ""),
        run("tenant", &admin, ADMIN, tenant, &known),
        run("operator", &admin, ADMIN, &world.operator, &format!("{OF_OPERATORS}{known}")),
        run("instance", &boot, BOOT, world.site.token("staging"), ""),
    ];
    // Side by side: they are waited for, and mostly they wait for themselves.
    let started = runs.map(|run| {
        let (program, document) = (program.clone(), document.clone());
        tokio::spawn(blocking(move || generated(&program, &document, &run)))
    });
    let mut sum = 0;
    for run in started {
        sum += run.await.unwrap();
    }
    assert!(sum >= REQUESTS, "{sum} requests were generated");
    // The host is none the worse for it.
    assert_eq!(world.boot("staging").await.status, 200);
}

/// Runs it, and gives how many requests were generated.
fn generated(program: &PathBuf, document: &str, run: &Run) -> u64 {
    let directory = tempfile::TempDir::new().unwrap();
    fs::write(directory.path().join("schemathesis.toml"), &run.parameters).unwrap();
    let mut command = Command::new(program);
    command.current_dir(directory.path()).arg("--no-color").args(["run", document, "--url", &run.url]);
    command.args(["-H", &format!("Authorization: Bearer {}", run.token)]);
    command.args(["--include-path-regex", run.paths, "--checks", CHECKS, "--mode", "all"]);
    command.args(["--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES]);
    command.args(["--seed", "1", "--no-shrink", "--generation-database", "none"]);
    command.args(["--continue-on-failure", "--suppress-health-check", "all"]);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}: {text}{}", run.name, String::from_utf8_lossy(&output.stderr));
    // `  890 generated, 890 passed`
    let line = text.lines().find(|line| line.contains(" generated, ")).unwrap_or_else(|| panic!("{text}"));
    line.split_whitespace().next().and_then(|count| count.replace(',', "").parse().ok()).expect(line)
}
