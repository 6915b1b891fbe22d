//! Promotions from the command line, against a real host: denied with every reason, waiting with what for and
//! what to type, approved by somebody else, and tried out before anybody promotes.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
    sync::Arc,
};

use bootlace::id::UnixSeconds;
use serde_json::{Value, json};

use crate::world::{
    NOON, Site, World, blocking,
    program::{Running, asking},
};

const TO_PRODUCTION: &str = "promote -d checkout --to production --confirm production";
const PROMOTIONS: &str = "/deployments/checkout/promotions";

/// Production wants a check beside the approval.
async fn gated() -> World {
    let mut site = Site::starter();
    site.guard("production", &[("required-checks", &[("checks", "e2e")])]);
    World::with(site).await
}

fn report(conclusion: &str) -> String {
    format!(
        "check report -d checkout --release 18 -e staging e2e --conclusion {conclusion} --measure error-rate=0.2:percent"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_is_denied_waits_and_is_approved_from_the_command_line() {
    let world = gated().await;
    let [admin, releaser, developer] =
        ["admin", "releaser", "developer"].map(|who| world.site.token(who).to_owned());

    let (code, printed, said) =
        world.cli(&releaser, TO_PRODUCTION.trim_end_matches(" --confirm production")).await;
    assert_eq!((code, printed.as_str()), (2, ""), "{said}");
    assert!(said.contains("say --confirm production to promote to it"), "{said}");

    let told = world.ok(&developer, &report("failure")).await;
    assert!(
        told.contains("18\tstaging\te2e\tfailure\t2026-11-22T12:00:00Z\terror-rate=0.2 percent"),
        "{told}"
    );
    let (code, printed, said) = world.cli(&releaser, TO_PRODUCTION).await;
    assert_eq!((code, printed.as_str()), (1, ""), "{said}");
    assert!(
        said.contains("\n  - e2e: check e2e failed in staging (check-failed, says policy required-checks)\n"),
        "{said}"
    );
    assert!(said.contains("put that right, then promote again"), "{said}");

    world.ok(&developer, &report("success")).await;
    let checks = world.ok(&releaser, "check list -d checkout --release 18 -e staging").await;
    assert_eq!(checks.lines().count(), 2, "{checks}");
    let waits = world.ok(&releaser, TO_PRODUCTION).await;
    let id = waits.lines().find_map(|line| line.strip_prefix("promotion\t")).unwrap();
    let expected = format!(
        "\
checkout release 18: staging -> production  waits
promotion\t{id}
asked for\tby releaser of the tests, 2026-11-22T12:00:00Z
waits\tsince 2026-11-22T12:00:00Z
waits for\tproduction wants the approval of somebody else (bootlace)
wants\t1 approval as releaser
until\t2026-11-29T12:00:00Z
next\tbootlace approve -d checkout {id}
"
    );
    assert_eq!(waits, expected);

    let (code, _, said) = world.cli(&admin, TO_PRODUCTION).await;
    assert!(code == 1 && said.contains("releaser of the tests") && said.contains(id), "{said}");
    let (code, _, said) =
        world.cli(&releaser, &format!("approve -d checkout {id} --confirm production")).await;
    assert!(code == 1 && said.contains("does not approve it"), "{said}");
    let other = "approve -d checkout -e production --release 17 --confirm production";
    let (code, _, said) = world.cli(&admin, other).await;
    assert!(code == 1 && said.contains("no promotion of release 17 waits for production"), "{said}");
    let done = world.ok(&admin, "approve -d checkout -e production --release 18 --confirm production").await;
    assert!(done.starts_with("checkout release 18: staging -> production  done\n"), "{done}");
    assert!(done.contains("approved by\tadmin of the tests (releaser)\n"), "{done}");
    assert_eq!(world.boot("production").await.json()["release"], 18);

    let shown = world.json(&developer, &format!("promote show -d checkout {id}")).await;
    assert_eq!((&shown["status"], &shown["id"]), (&json!("done"), &json!(id)));
    let listed = world.ok(&developer, "promote list -d checkout -e production").await;
    assert!(listed.contains(&format!("\n{id}\t18\tstaging\tproduction\tdone\t")), "{listed}");
    assert!(
        listed.contains("\tdenied\t") && listed.contains("check e2e failed in staging (required-checks)"),
        "{listed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_watches_a_promotion_sees_its_end() {
    let world = World::start().await;
    let releaser = world.site.token("releaser").to_owned();
    for (ends_well, code, end) in [(false, 1, "expired"), (true, 0, "done")] {
        let mut command = asking(world.admin_address(), &releaser);
        command.args(TO_PRODUCTION.split(' ')).arg("--watch").stdout(Stdio::piped());
        let (mut watching, mut lines) = blocking(move || {
            let mut child = command.spawn().unwrap();
            let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
            (Running(child), lines)
        })
        .await;
        let (lines, id) = blocking(move || {
            assert_eq!(lines.next().unwrap(), "checkout release 18: staging -> production  waits");
            let id = lines.next().unwrap().strip_prefix("promotion\t").unwrap().to_owned();
            (lines, id)
        })
        .await;
        if ends_well {
            let approve = format!("approve -d checkout {id} --confirm production");
            world.ok(world.site.token("admin"), &approve).await;
        } else {
            world.clock.advance(UnixSeconds(NOON.0 + 8 * 86_400));
            let host = Arc::clone(&world.host);
            blocking(move || host.advance_promotions()).await;
        }
        let (ended, rest) = blocking(move || (watching.ended(), lines.collect::<Vec<_>>())).await;
        assert_eq!(ended.code(), Some(code), "{rest:?}");
        let last = format!("checkout release 18: staging -> production  {end}");
        assert!(rest.contains(&last), "{rest:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_the_verdict_and_whose_boots_would_change_and_moves_nothing() {
    let world = World::start().await;
    let releaser = world.site.token("releaser");
    for number in 0..3 {
        let facts = format!("region=eu-west-1&instance=i-{number}");
        assert_eq!(world.boot_with("production", &facts).await.status, 200);
    }
    let line = "promote -d checkout --to production --dry-run";
    let printed = world.ok(releaser, line).await;
    assert!(printed.starts_with("checkout release 18: staging -> production  would wait\n"), "{printed}");
    for expected in [
        "wants\t1 approval as releaser\n",
        "checkout in production  3 answers would change\n",
        "\ni-1\tregion=eu-west-1\t1\tgiven other keys\t+TAX_API_KEY +TAX_PROVIDER\n",
        "\nrelease\t17\t18\n",
    ] {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
    let told = world.json(releaser, line).await;
    assert_eq!((&told["id"], &told["what_if"]["changed"]), (&Value::Null, &json!(3)));
    assert!(told["what_if"]["plan"]["same"] == json!(false), "{told}");
    for (denied, why) in
        [("--release 17", "release 17 is not active in staging"), ("--release 99", "no release 99")]
    {
        let (code, printed, said) = world.cli(releaser, &format!("{line} {denied}")).await;
        assert_eq!((code, said.as_str()), (1, ""));
        assert!(printed.contains("would be denied\n") && printed.contains(why), "{printed}");
    }
    let (code, _, said) = world.cli(world.site.token("developer"), line).await;
    assert!(code == 1 && said.contains("forbidden"), "{said}");
    assert_eq!(world.boot("production").await.json()["release"], 17);
    assert_eq!(world.by("viewer", "GET", PROMOTIONS, Value::Null).await.json()["promotions"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pipeline_is_a_picture_at_a_terminal_and_a_line_for_each_environment_in_a_pipe() {
    let world = gated().await;
    world.ok(world.site.token("developer"), &report("success")).await;
    let waits = world.json(world.site.token("releaser"), TO_PRODUCTION).await;
    let id = waits["id"].as_str().unwrap();
    let viewer = world.site.token("viewer");
    let piped = world.ok(viewer, "status -d checkout").await;
    let expected = format!(
        "\
DEPLOYMENT\tENVIRONMENT\tRELEASE\tSINCE\tBY\tWHY\tPROMOTES TO\tIS\tWAITS
checkout\tstaging\t18\t2026-11-22T12:00:00Z\t\tbegun\tproduction\t\t
checkout\tproduction\t17\t2026-11-22T12:00:00Z\t\tbegun\t\tprotected\trelease 18 by releaser of the tests: production wants the approval of somebody else (bootlace); 1 approval as releaser; bootlace approve -d checkout {id}
checkout\tpreview/pr-42\t19\t2026-11-22T12:00:00Z\t\tbegun\t\t\t
"
    );
    assert_eq!(piped, expected);
    assert!(world.ok(viewer, "status").await.contains(&expected[expected.find("checkout").unwrap()..]));
    let told = world.json(viewer, "status -d checkout").await;
    let stages = told["pipelines"][0]["stages"].clone();
    assert_eq!((&stages[0]["promotion"], &stages[1]["promotion"]["id"]), (&Value::Null, &json!(id)));
    let (code, _, said) = world.cli(viewer, "status -d nowhere").await;
    assert!(code == 1 && said.contains("not-found"), "{said}");

    // Who sees one end alone is told nothing of what goes on between the two.
    let wanted =
        json!({ "kind": "tenant", "principal": "eve", "role": "viewer", "environments": ["production"] });
    let limited = world.by("admin", "POST", "/tokens", wanted).await.json();
    let told = world.json(limited["token"].as_str().unwrap(), "status").await;
    let stages = told["pipelines"][0]["stages"].as_array().unwrap().clone();
    assert_eq!((stages.len(), &stages[0]["environment"]), (1, &json!("production")), "{told}");
    assert_eq!((&stages[0]["promotion"], &stages[0]["active"]["release"]), (&Value::Null, &json!(17)));
    assert!(!told.to_string().contains("staging"), "{told}");

    let Some(terminal) = world.terminal("status -d checkout --color never") else { return };
    let (code, seen) = blocking(move || terminal.end()).await;
    let expected = format!(
        "\
checkout  newest release 19
  ● staging        release 18  since 2026-11-22T12:00:00Z (begun)
  ┊ release 18 waits, asked for by releaser of the tests
  ┊   production wants the approval of somebody else (bootlace)
  ┊   wants 1 approval as releaser
  ┊   next: bootlace approve -d checkout {id}
  ▼ with approval
  ● production     release 17  since 2026-11-22T12:00:00Z (begun)

  ● preview/pr-42  release 19  since 2026-11-22T12:00:00Z (begun)

"
    );
    assert_eq!((code, seen.replace("\r\n", "\n")), (0, expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pipeline_shows_what_a_pin_holds_back_and_which_secrets_are_due() {
    let world = World::start().await;
    let [admin, releaser] = ["admin", "releaser"].map(|who| world.site.token(who).to_owned());
    let secret = json!({
        "environment": "staging", "name": "SIGNING_KEY", "value": "v1", "is_secret": true,
        "description": "signs", "rotate_every": 1,
    });
    let level = json!({ "environment": "production", "name": "EXTRA_LEVEL", "value": "1" });
    for body in [secret, level] {
        assert_eq!(world.by("admin", "POST", "/deployments/checkout/env", body).await.status, 200);
    }
    let plain = world.ok(&releaser, "status").await;
    assert!(!plain.contains("pinned") && !plain.contains("rotated"), "{plain}");

    let id = world.json(&releaser, TO_PRODUCTION).await["id"].as_str().unwrap().to_owned();
    let withdrawn = world.ok(&releaser, &format!("promote withdraw -d checkout {id}")).await;
    assert!(withdrawn.contains("withdrawn by "), "{withdrawn}");
    world.ok(&releaser, TO_PRODUCTION).await;
    world.ok(&admin, "approve -d checkout -e production --release 18 --confirm production").await;
    let back = json!({ "environment": "production", "configuration": true });
    let back = world.by("admin", "POST", "/deployments/checkout/rollback", back).await;
    assert_eq!(back.status, 200, "{}", back.text());
    world.clock.advance(UnixSeconds(NOON.0 + 86_400));
    let lines = world.ok(&releaser, "status -d checkout").await;
    let of = |environment: &str| lines.lines().find(|line| line.contains(environment)).unwrap().to_owned();
    let pinned = "\tprotected; pinned to the set of activation 1; held back: EXTRA_LEVEL";
    assert!(of("\tproduction\t17\t").contains(pinned), "{lines}");
    assert!(
        of("\tstaging\t18\t").contains("\tSIGNING_KEY is to be rotated since 2026-11-23T12:00:00Z\t"),
        "{lines}"
    );
    let told = world.json(&releaser, "status -d checkout").await;
    assert_eq!(told["rotations"][0]["name"], "SIGNING_KEY");
}
