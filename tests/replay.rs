//! Re-executable "why": every boot of the audit log is run again, from what its revision was made of, and
//! comes to the same digests: after swaps by API and by push, and after a restart.

use std::collections::BTreeSet;

use bootlace::{
    audit::{Query, RecordedBoot},
    id::Revision,
};
use serde_json::{Value, json};

use crate::world::{World, pair::Pair};

const ENV: &str = "/api/v1/deployments/checkout/env";
const SWAPS: u64 = 100;
const BOOTS: usize = 1_000;
const ENVIRONMENTS: [&str; 3] = ["production", "staging", "preview/pr-42"];

/// One change: mostly values by API, now and then a push of an environment's layer, or of a policy's
/// settings.
async fn swap(world: &mut World, number: u64) {
    let live = number + 1;
    match number % 10 {
        3 => {
            let levels = ["debug", "info", "warn", "error"];
            let file = "environments/staging.toml";
            let text: toml_edit::DocumentMut = world.site.file(file).parse().unwrap();
            assert!(text["variables"]["LOG_LEVEL"].is_value());
            let level = levels[usize::try_from(number / 10).unwrap() % 4];
            world.site.change_toml(file, |file| file["variables"]["LOG_LEVEL"] = toml_edit::value(level));
            push(world, live).await;
        }
        7 => {
            let percent = i64::try_from(10 + number % 80).unwrap();
            world.site.change_toml("policies.toml", |file| {
                let attachments = file["attachments"].as_array_of_tables_mut().unwrap();
                let canary =
                    attachments.iter_mut().find(|one| one["policy"].as_str() == Some("rotation-canary"));
                canary.unwrap()["settings"]["percent"] = toml_edit::value(percent);
            });
            push(world, live).await;
        }
        _ => {
            let environment = ENVIRONMENTS[usize::try_from(number).unwrap() % 3];
            let name = format!("KEY_{}", number % 7);
            let secret = number.is_multiple_of(4);
            let name = if secret { format!("SECRET_{name}") } else { name };
            let body = json!({
                "environment": environment, "name": name, "value": format!("value {number}"),
                "is_secret": secret, "description": "changes now and then",
            });
            let set = world.admin("POST", ENV, world.site.token("admin"), body.to_string()).await;
            assert_eq!(set.status, 200, "{}", set.text());
        }
    }
}

async fn push(world: &World, parent: u64) {
    let pushed = world.push(&world.site.bundle(Revision(parent)), parent).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
}

/// Every boot of the log, the newest first.
fn recorded(world: &World) -> Vec<RecordedBoot> {
    let query = Query { kind: Some("boot".into()), ..Query::default() };
    let (mut boots, mut cursor) = (Vec::new(), None);
    loop {
        let page = world.host.audit.page(&query, cursor, 500).unwrap();
        boots.extend(page.records.iter().map(|record| RecordedBoot::from_record(record).unwrap()));
        cursor = page.next;
        if cursor.is_none() {
            return boots;
        }
    }
}

async fn explained(world: &World, boot: &RecordedBoot, token: &str) -> (u16, Value) {
    let environment = boot.environment.as_str().replace('/', "%2F");
    let path = format!("/api/v1/deployments/checkout/explain?environment={environment}&boot={}", boot.id);
    let answer = world.admin("GET", &path, token, "").await;
    (answer.status, answer.json())
}

#[tokio::test(flavor = "multi_thread")]
async fn audited_boots_replayed_after_100_swaps_and_a_restart_come_to_every_digest_again() {
    let mut world = World::start().await;
    let regions = ["eu-west-1", "us-east-1", "ap-south-1"];
    let mut outcomes = BTreeSet::new();
    let mut booted = 0;
    for number in 0..SWAPS {
        for at in 0..BOOTS / usize::try_from(SWAPS).unwrap() {
            let facts = format!("region={}&instance=i-{booted}&attr.tier=gold", regions[(booted + at) % 3]);
            let answer = world.boot_with(ENVIRONMENTS[at % 3], &facts).await;
            outcomes.insert((ENVIRONMENTS[at % 3], answer.status));
            booted += 1;
        }
        swap(&mut world, number).await;
    }
    let world = world.restart().await;
    let boots = recorded(&world);
    assert_eq!(boots.len(), BOOTS);
    let allowed = boots.iter().filter(|boot| boot.outcome == "allowed").count();
    assert!(allowed > BOOTS / 2, "{outcomes:?}");
    let revisions: BTreeSet<_> = boots.iter().map(|boot| boot.revision).collect();
    let answers: BTreeSet<_> =
        boots.iter().filter_map(|boot| boot.answer.map(|one| one.to_string())).collect();
    assert_eq!(revisions.len() as u64, SWAPS);
    assert!(answers.len() > 100, "{} answers", answers.len());

    let mut last = None;
    for boot in boots {
        let (boot, replayed) = world.host.replay(boot).await.unwrap();
        assert_eq!(
            replayed.differs,
            [] as [&str; 0],
            "boot {} of {} at {}",
            boot.id,
            boot.environment,
            boot.revision
        );
        assert_eq!(replayed.prepared.plan.digest, boot.plan);
        if boot.environment.as_str() == "staging" {
            last = Some(boot);
        }
    }
    println!("{BOOTS} audited boots replayed after {SWAPS} swaps and a restart: every digest equal");

    // Another revision, another plan, other facts: each is told from what was recorded.
    let boot = last.unwrap();
    let (status, told) = explained(&world, &boot, world.site.token("viewer")).await;
    assert_eq!((status, &told["boot"]["same"]), (200, &json!(true)), "{told:#}");
    assert_eq!((&told["boot"]["id"], &told["revision"]), (&json!(boot.id), &json!(boot.revision.0)));
    let id = boot.id.clone();
    let wrong = RecordedBoot { revision: Revision(SWAPS), ..boot };
    let (wrong, replayed) = world.host.replay(wrong).await.unwrap();
    assert!(
        replayed.differs.contains(&"plan") && replayed.differs.contains(&"answer"),
        "{:?}",
        replayed.differs
    );
    assert_eq!(wrong.id, id);

    let viewer = world.site.token("viewer");
    let told = world.ok(viewer, &format!("explain --boot {id} -d checkout -e staging LOG_LEVEL")).await;
    let expected = format!("Boot {id}  allowed\nIt comes to the same again.\nLOG_LEVEL");
    assert!(told.starts_with(&expected), "{told}");
    assert!(told.ends_with("acme/checkout in staging, revision 1\n"), "{told}");
    let json = world.json(viewer, &format!("explain --boot {id} -d checkout -e staging")).await;
    assert_eq!(json["boot"]["same"], true);
    assert_eq!(world.cli(viewer, &format!("explain --boot {id} -d checkout -e production")).await.0, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boot_is_explained_to_nobody_else_s_token() {
    let pair = Pair::start().await;
    let booted = pair.world.boot("staging").await;
    assert_eq!(booted.status, 200, "{}", booted.text());
    let id = booted.header("bootlace-boot").to_owned();
    let path =
        |more: &str| format!("/api/v1/deployments/checkout/explain?environment=staging&boot={id}{more}");
    let ask = |token: &str, more: &str| {
        let (path, token) = (path(more), token.to_owned());
        let world = &pair.world;
        async move { world.admin("GET", &path, &token, "").await }
    };
    let own = ask(pair.world.site.token("viewer"), "").await;
    assert_eq!((own.status, &own.json()["boot"]["id"]), (200, &json!(id)));
    let others = pair.site("other").token("admin");
    for (token, more) in [
        (others, ""),
        (others, "&workspace=acme"),
        (pair.world.operator.as_str(), "&workspace=other"),
        (pair.world.site.token("acme preview viewer"), ""),
    ] {
        let answer = ask(token, more).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "not-found"), "{more}: {}", answer.text());
    }
}
