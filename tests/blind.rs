//! A policy is blind: whatever it does, none of the workspace's secrets is anywhere that it, or
//! anybody but the instance that boots, could see.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bootlace::{
    canonical::sha256,
    id::Revision,
    model::question::{Attribute, Facts, Subject},
    policy::{Chain, Engine, EngineSettings, Limits, Link, Loaded, Memory},
    source::starter::{ACTIVE, POLICIES},
};

use crate::world::{
    Answer, Site, World, blocking,
    canaries::Canaries,
    files,
    program::{Premises, Program},
    site::{component, guest},
    tenants::attachment,
};

/// Everything that an instance may say about itself.
const FACTS: &str = "region=eu-west-1&zone=a&instance=i-1&attr.size=small&attr.rack=7";

/// The starter workspace with a policy in every place that tells all it can see.
fn dumped() -> Site {
    let mut site = Site::starter();
    let places = ["deployment = \"checkout\"", "environment = \"production\"", ""];
    let attached: String =
        places.iter().map(|place| attachment("dump", place, &[("note", "look")])).collect();
    site.govern(&[("dump", guest("dump"))], &attached);
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_tells_everything_it_sees_tells_no_secret() {
    let world = World::with(dumped()).await;
    let canaries = Canaries::of(&world.site);
    assert!(canaries.secrets.len() > 30, "{}", canaries.secrets.len());
    for (environment, _) in ACTIVE {
        let answer = world.boot_with(environment, FACTS).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        // It told what it saw: so it was there to see.
        assert!(answer.json()["warnings"].to_string().contains("STRIPE_KEY secret=true"));
        only_what_it_should_be_given(&canaries, environment, &answer);
        let named = environment.replace('/', "%2F");
        let path = format!("/api/v1/deployments/checkout/explain?workspace=acme&environment={named}&{FACTS}");
        let explained = world.admin("GET", &path, &world.operator, []).await;
        assert_eq!(explained.status, 200, "{}", explained.text());
        assert!(explained.text().contains("STRIPE_KEY secret=true"));
        canaries.absent_from("the explanation", &explained.body);
    }
}

/// `env` holds secrets of this environment only (and the credential of the cache that staging lends
/// the preview), and the rest of the answer none.
fn only_what_it_should_be_given(canaries: &Canaries, environment: &str, answer: &Answer) {
    let preview = environment == "preview/pr-42";
    let lent = canaries.of_environment("staging").find(|secret| preview && secret.contains("@cache"));
    for (name, value) in answer.environment() {
        let given = canaries.found_in(value.as_bytes());
        let own = |found: &&&str| {
            let mut mine = canaries.of_environment(environment).chain(lent);
            mine.any(|secret| found.starts_with(secret))
        };
        assert_eq!(given.iter().filter(own).count(), given.len(), "{name} in {environment}: {given:?}");
    }
    let mut rest = answer.json();
    rest["env"] = serde_json::Value::Null;
    canaries.absent_from("the answer beside its environment", rest.to_string());
    canaries.absent_from("the answer's headers", format!("{:?}", answer.headers));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_host_says_or_stores_holds_a_secret() {
    let world = World::with(dumped()).await;
    let canaries = Canaries::of(&world.site);
    for (environment, _) in ACTIVE {
        assert_eq!(world.boot_with(environment, FACTS).await.status, 200);
    }
    for refused in [
        world.get_boot("/v1/boot?environment=production", Some(world.site.token("staging"))).await,
        world.get_boot("/v1/boot", Some("blt_inst_none")).await,
        world.boot_with("production", "format=none").await,
        world.push(&world.site.bundle(Revision(0)), 0).await,
        world.push(b"no bundle", 1).await,
    ] {
        assert!(refused.status >= 400);
        canaries.absent_from("a refusal", &refused.body);
    }
    for path in [
        "/metrics",
        "/readyz",
        "/api/v1/snapshot?workspace=acme",
        "/api/v1/snapshot/bundle?workspace=acme",
        "/api/v1/snapshot/plans?workspace=acme",
        "/api/v1/snapshots?workspace=acme",
        "/api/v1/tokens?workspace=acme",
    ] {
        let answer = world.admin("GET", path, &world.operator, []).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        canaries.absent_from(path, &answer.body);
    }
    canaries.absent_from("the pushed bundle", world.site.bundle(Revision(1)));
    let files = files::files(world.data.path());
    for kind in ["blobs", "slot-a", "artefacts", "audit"] {
        assert!(files.iter().any(|path| path.to_str().unwrap().contains(kind)), "no {kind} in {files:?}");
    }
    for path in files {
        canaries.absent_from(&path.display().to_string(), fs::read(&path).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hosts_log_holds_no_secret_however_much_it_logs() {
    let mut site = dumped();
    let canaries = Canaries::of(&site);
    let premises = Premises::new(&site);
    let command = premises.command(&["--log", "trace"]);
    let mut program = blocking(|| Program::start(command)).await;
    let operator = premises.operator();
    let pushed = program.push(&site.bundle_for_today(&site.directory(), 0), 0, &operator).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    let mut tokens = Vec::new();
    for (environment, _) in ACTIVE {
        let token = program.mint(environment, &operator).await;
        let answer = program.get(&format!("/v1/boot?{FACTS}"), Some(&token)).await;
        // A host's own clock stops a policy after 5 ms, which a busy machine may take from it.
        let late = answer.status == 503 && answer.text().contains("milliseconds");
        assert!(answer.status == 200 || late, "{}", answer.text());
        tokens.push(token);
    }
    // Without policies nothing depends on a clock: the secrets are handed out.
    site.govern(&[], "");
    assert_eq!(program.push(&site.bundle_for_today(&site.directory(), 1), 1, &operator).await.status, 200);
    for token in &tokens {
        let answer = program.get("/v1/boot", Some(token)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(!canaries.found_in(&answer.body).is_empty());
    }
    let older = site.bundle_for_today(&site.directory(), 0);
    for (bundle, status) in [(older.as_slice(), 409), (b"no bundle", 422)] {
        assert_eq!(program.push(bundle, 0, &operator).await.status, status);
    }
    program.terminate();
    assert!(program.ended().success());
    let rest = program.rest_of_log().join("\n");
    let logged = format!("{:?}\n{rest}", program.log);
    assert!(logged.contains("a new generation is served"), "{logged}");
    canaries.absent_from("the log", logged);
}

/// Every sample policy and test guest, with settings that it takes.
fn policies() -> Vec<(&'static str, Vec<u8>, Vec<Attribute>)> {
    let settings = |name: &str| match name {
        "rotation-canary" => {
            vec![Attribute::new("percent", "50"), Attribute::new("variable", "JWT_SIGNING_KEY")]
        }
        _ => Vec::new(),
    };
    let samples = POLICIES.iter().map(|name| (*name, component(name)));
    let guests = ["dump", "hostile", "wasi"].map(|name| (name, guest(name)));
    samples.chain(guests).map(|(name, bytes)| (name, bytes, settings(name))).collect()
}

/// Asks every policy about everything that `world` serves, and hands what was in its memory, and
/// all that came of it, to `look`.
fn ask_all(world: &World, look: impl Fn(&str, &[u8]) + Send + Sync + 'static) -> usize {
    let looked = Arc::new(AtomicUsize::new(0));
    let look = Arc::new(look);
    let observer = {
        let (look, looked) = (Arc::clone(&look), Arc::clone(&looked));
        Arc::new(move |memory: &[u8]| {
            looked.fetch_add(1, Ordering::Relaxed);
            look("memory", memory);
        })
    };
    let limits = Limits { wall_ms: 20_000, chain_wall_ms: 20_000, ..Limits::default() };
    let settings = EngineSettings { limits, memory: Memory::Observed(observer), ..EngineSettings::default() };
    let engine = Engine::new(&settings).unwrap();
    let live = world.host.store.load_full();
    let served = live.workspace(&"acme".parse().unwrap()).unwrap();
    let subjects: Vec<Arc<Subject>> =
        served.pairs().map(|prepared| Arc::new(prepared.plan.subject())).collect();
    assert_eq!(subjects.len(), ACTIVE.len());
    for (name, bytes, settings) in policies() {
        let code = engine.compile(&bytes).unwrap();
        let loaded = Loaded::new(&engine, sha256(&bytes), &code).unwrap();
        for subject in &subjects {
            let link = Link {
                loaded: Arc::clone(&loaded),
                settings: settings.clone(),
                name: name.into(),
                tally: Arc::default(),
            };
            let chain = Chain::new(&engine, vec![link], Arc::clone(subject)).unwrap();
            let before = looked.load(Ordering::Relaxed);
            let verdict = chain.decide(&facts()).unwrap_or_else(|failure| panic!("{name}: {failure}"));
            assert!(looked.load(Ordering::Relaxed) > before, "{name}: no memory was looked at");
            look("verdict", format!("{verdict:?}").as_bytes());
        }
    }
    looked.load(Ordering::Relaxed)
}

fn facts() -> Facts {
    Facts {
        region: Some("eu-west-1".into()),
        zone: Some("a".into()),
        instance: Some("i-1".into()),
        attributes: vec![Attribute::new("size", "small")],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_policys_memory_ever_holds_a_secret() {
    let world = World::start().await;
    let canaries = Canaries::of(&world.site);
    let names = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&names);
    let looked = ask_all(&world, move |what, bytes| {
        canaries.absent_from(what, bytes);
        // The question was there: what it may see is found where a secret would be.
        let name = b"STRIPE_WEBHOOK_SECRET";
        seen.fetch_add(usize::from(bytes.windows(name.len()).any(|part| part == name)), Ordering::Relaxed);
    });
    let asked = policies().len() * ACTIVE.len();
    assert!(looked >= asked, "{looked}");
    assert!(names.load(Ordering::Relaxed) >= asked, "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_planted_where_policies_look_is_found() {
    let mut site = Site::starter();
    // In a label, which is no place for a secret, and in an environment's.
    let (secret, other) = ("demo/production@orders-db#1 %&=+", "demo-staging-STRIPE_KEY-v1");
    site.edit("services/orders-db.toml", "zone = \"b\"", &format!("zone = \"{secret}\""));
    site.edit("environments/staging.toml", "tier = \"shared\"", &format!("tier = \"{other}\""));
    let world = World::with(site).await;
    let canaries = Canaries::of(&world.site);
    let found = Arc::new([const { AtomicUsize::new(0) }; 2]);
    let counted = Arc::clone(&found);
    ask_all(&world, move |what, bytes| {
        for one in canaries.found_in(bytes) {
            assert!(one.starts_with(secret) || one.starts_with(other), "{what}: {one}");
            counted[usize::from(what == "verdict")].fetch_add(1, Ordering::Relaxed);
        }
    });
    let [memories, verdicts] = &*found;
    // By every policy's memory in its environment, and by the words of the one that tells all.
    assert!(memories.load(Ordering::Relaxed) >= 2 * policies().len(), "{found:?}");
    assert!(verdicts.load(Ordering::Relaxed) >= 2, "{found:?}");
}
