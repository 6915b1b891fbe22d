//! Hostile policies through the real host: the documented refusal for their own tenant, and nothing
//! at all for anybody else.

use std::path::Path;

use bootlace::{
    host::HostSettings,
    id::{PolicyName, Revision},
    policy::{Engine, EngineSettings, Limits, Memory},
    source,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::world::{
    Answer, Site, World,
    site::guest,
    tenants::{Tenants, attachment},
};

/// Where the hostile policy misbehaves; a rehearsal and a dry run happen elsewhere.
const HERE: &str = "region=mars";
/// A policy's name that is found again in what a host says.
const NAME: &str = "wicked";

/// Each mode of the hostile guest that is a failure, and the documented reason.
const MODES: [(&str, &str); 16] = [
    ("loop", "used all of its fuel (10000000)"),
    ("fill", "used all of its fuel (10000000)"),
    ("grow", "asked for more memory than its 4194304 bytes"),
    ("allocate", "memory"),
    ("overflow", "overflowed its stack of 262144 bytes"),
    ("overflow-memory", "trapped: "),
    ("trap", "trapped: "),
    ("panic", "trapped: "),
    ("log-flood", "called the host more than 256 times"),
    ("long-answer", "broke the contract: its answer is too large or not well formed"),
    ("out-of-range", ", which was not offered"),
    ("foreign-candidate", " to a candidate of "),
    ("secret-to-plain", "binds "),
    ("template-secret", "puts a secret into the template of "),
    ("duplicate", "decides twice about "),
    ("error", "reports an error of its own: as asked"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_misbehaves_costs_its_own_tenant_that_boot_and_nobody_else_anything() {
    let mut tenants = Tenants::start().await;
    let expected = tenants.boot("staging", "").await.environment();
    let neighbours = tenants.neighbours().await;
    for (mode, reason) in MODES {
        tenants.other.misbehave("staging", &[("mode", mode), ("only-in", "mars")]);
        tenants.push_accepted().await;
        for query in ["", "region=venus"] {
            let elsewhere = tenants.boot("staging", query).await;
            assert_eq!(elsewhere.status, 200, "{mode}: {}", elsewhere.text());
            assert_eq!(elsewhere.environment(), expected, "{mode}");
        }
        // Twice: remembered or not, the failure is the same.
        for _ in 0..2 {
            let failed = tenants.boot("staging", HERE).await;
            refused(&failed, mode, reason);
        }
        let other_environment = tenants.boot("production", HERE).await;
        assert_eq!(other_environment.status, 200, "{mode}");
    }
    let meanwhile = neighbours.stop().await;
    let afterwards = tenants.neighbours().await.stop().await;
    println!("other tenants' boots, all answered: {meanwhile:?} meanwhile, {afterwards:?} afterwards");
    assert!(meanwhile.iter().all(|count| *count >= MODES.len()), "{meanwhile:?}");
    assert!(afterwards.iter().all(|count| *count >= 1));
}

/// Never another value, never an empty configuration: a problem that names the policy and why.
fn refused(answer: &Answer, mode: &str, reason: &str) {
    assert_eq!(answer.status, 503, "{mode}: {}", answer.text());
    assert_eq!(answer.code(), "policy-failed", "{mode}");
    let problem = answer.json();
    assert_eq!(problem["policy"], NAME, "{mode}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(&format!("policy {NAME} failed")) && detail.contains(reason), "{mode}: {detail}");
    assert!(problem.get("env").is_none() && answer.header("etag").is_empty(), "{mode}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_has_fuel_without_end_is_stopped_by_the_clock() {
    let limit = |settings: &mut HostSettings| {
        settings.policy_limits =
            Limits { fuel: u64::MAX / 2, wall_ms: 1_000, chain_wall_ms: 10_000, ..Limits::default() };
    };
    let mut tenants = Tenants::with_settings(limit).await;
    tenants.other.misbehave("staging", &[("mode", "loop"), ("only-in", "mars")]);
    tenants.push_accepted().await;
    let neighbours = tenants.neighbours().await;
    refused(&tenants.boot("staging", HERE).await, "loop", "took more than 1000 milliseconds");
    assert_eq!(tenants.boot("staging", "").await.status, 200);
    let counts = neighbours.stop().await;
    println!("other tenants' boots meanwhile: {counts:?}");
    assert!(counts.iter().all(|count| *count > 10), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_omits_what_is_required_refuses_the_boot_by_the_keys_names() {
    let mut tenants = Tenants::start().await;
    tenants.other.misbehave("staging", &[("mode", "omit-all"), ("only-in", "mars")]);
    tenants.push_accepted().await;
    let refused = tenants.boot("staging", HERE).await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "missing-required"));
    let required = ["DATABASE_URL", "JWT_SIGNING_KEY", "PORT", "SESSION_SECRET", "STRIPE_KEY"];
    assert_eq!(refused.json()["keys"], serde_json::json!(required));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_always_misbehaves_is_not_let_in_and_the_live_generation_stays() {
    let mut tenants = Tenants::start().await;
    for (mode, reason) in MODES {
        tenants.other.misbehave("staging", &[("mode", mode)]);
        let refusal = tenants.push_refused().await;
        assert!(refusal.contains(&format!("policy {NAME}")), "{mode}: {refusal}");
        assert!(refusal.contains(reason), "{mode}: {refusal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_that_lie_about_where_they_are_are_refused_when_the_policy_is_rehearsed() {
    let mut tenants = Tenants::start().await;
    for (pointer, length) in [(0xffff_fff0, 1000), (0, u32::MAX), (131_072, 1), (1, 1)] {
        let attached = attachment(NAME, "environment = \"staging\"", &[]);
        tenants.other.govern(&[(NAME, lying(pointer, length))], &attached);
        let refusal = tenants.push_refused().await;
        assert!(refusal.contains(&format!("policy {NAME}")), "{refusal}");
        let known = refusal.contains("broke the contract") || refusal.contains("trapped");
        assert!(known, "{pointer:#x} {length}: {refusal}");
    }
    // The guest is otherwise sound: without the lie it gets in.
    let attached = attachment(NAME, "environment = \"staging\"", &[]);
    tenants.other.govern(&[(NAME, lying(0, 0))], &attached);
    tenants.push_accepted().await;
    assert_eq!(tenants.boot("staging", "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_policy_is_refused_by_name_and_rule_and_the_live_generation_stays() {
    let mut tenants = Tenants::start().await;
    let elf = std::fs::read("/proc/self/exe").unwrap()[..4096].to_vec();
    let sockets = wat("(component (import \"wasi:sockets/tcp@0.2.6\" (instance)))");
    let cases: [(&str, Vec<u8>, &[&str]); 8] = [
        ("forbidden import", sockets, &["imports wasi:sockets/tcp@0.2.6, which no policy gets"]),
        ("core module without types", wat("(module (func (export \"f\")))"), &["interface types", "export"]),
        ("precompiled", precompiled(), &["is compiled already"]),
        ("ELF", elf, &["is compiled already"]),
        ("wrong world", wat("(component)"), &["does not export bootlace:policy/lifecycle@0.1.0"]),
        ("text", b"(component)".to_vec(), &["is text; upload a binary component"]),
        ("nothing", Vec::new(), &["is not a WebAssembly component"]),
        ("truncated", guest("dump")[..1000].to_vec(), &["malformed"]),
    ];
    for (what, component, rules) in cases {
        let attached = attachment(NAME, "environment = \"staging\"", &[]);
        tenants.other.govern(&[(NAME, component)], &attached);
        let refusal = tenants.push_refused().await;
        assert!(refusal.contains(NAME), "{what}: {refusal}");
        assert!(rules.iter().any(|rule| refusal.contains(rule)), "{what}: {refusal}");
    }
    // Nothing of that stays behind: a sound policy gets in.
    tenants.other.misbehave("staging", &[("mode", "ok")]);
    tenants.push_accepted().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_over_the_size_limit_is_refused_by_the_directory_and_by_the_host() {
    let mut tenants = Tenants::start().await;
    tenants.other.misbehave("staging", &[]);
    let mut directory = tenants.other.directory();
    let component = vec![0; (1 << 20) + 1];
    let name: PolicyName = NAME.parse().unwrap();
    let policy = directory.configuration.policies.get_mut(&name).unwrap();
    policy.digest = bootlace::canonical::sha256(&component);
    policy.component = component.as_slice().into();
    let bundle = tenants.other.bundle_of(&directory, Revision(tenants.revision));
    let refused = tenants.world.push(&bundle, tenants.revision).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.text().contains(NAME) && refused.text().contains("1048576"), "{}", refused.text());
    tenants.other.govern(&[(NAME, component)], &attachment(NAME, "", &[]));
    let problems = source::load(&tenants.other.tree).unwrap_err().to_string();
    assert!(problems.contains(NAME) && problems.contains("at most 1048576"), "{problems}");
    assert_eq!(tenants.boot("staging", "").await.header("bootlace-revision"), tenants.revision.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_sees_the_facts_that_it_declared_and_no_others() {
    let mut tenants = Tenants::start().await;
    tenants.other.misbehave("staging", &[("mode", "undeclared-fact")]);
    tenants.push_accepted().await;
    let denied = tenants.boot("staging", "region=mars&zone=b&instance=i-7&attr.size=small").await;
    assert_eq!((denied.status, denied.code().as_str()), (403, "policy-denied"));
    let violation = &denied.json()["violations"][0];
    assert_eq!((&violation["policy"], &violation["code"]), (&NAME.into(), &"facts-seen".into()));
    let seen = "region=mars zone=withheld instance-id=withheld attributes=0 release-labels=0";
    assert_eq!(violation["message"], seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_question_meets_a_fresh_instance() {
    let mut tenants = Tenants::start().await;
    for (mode, annotation, fresh) in [("count", "calls", "1"), ("find-marks", "marks", "0")] {
        let attached = [
            attachment(NAME, "environment = \"staging\"", &[("mode", mode)]),
            attachment(NAME, "environment = \"production\"", &[("mode", "leave-marks")]),
        ];
        tenants.other.govern(&[(NAME, guest("hostile"))], &attached.concat());
        tenants.push_accepted().await;
        for question in 0..20 {
            let query = format!("region=r-{question}");
            assert_eq!(tenants.boot("production", &query).await.status, 200);
            assert_eq!(tenants.boot("staging", &query).await.status, 200);
            let explained = tenants.explain("staging", &query).await;
            assert_eq!(explained["annotations"][annotation], fresh, "{mode}, question {question}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wasi_policy_boots_in_a_closed_world_that_is_the_same_on_every_host() {
    let mut told = Vec::new();
    for _ in 0..2 {
        let mut site = Site::starter();
        site.govern(&[("wasi", guest("wasi"))], &attachment("wasi", "environment = \"staging\"", &[]));
        let world = World::with(site).await;
        for _ in 0..2 {
            assert_eq!(world.boot("staging").await.status, 200);
            let path = "/api/v1/deployments/checkout/explain?workspace=acme&environment=staging";
            let answer = world.admin("GET", path, &world.operator, []).await.json();
            told.push((answer["annotations"].clone(), answer["policies"][0]["fuel"].clone()));
        }
    }
    assert!(told.iter().all(|one| *one == told[0]), "{told:#?}");
    let (seen, fuel) = &told[0];
    assert!(fuel.as_u64().unwrap() > 0);
    for (what, expected) in [
        ("wall-clock-ns", "0"),
        ("elapsed-ns", "0"),
        ("arguments", "0"),
        ("environment", "0"),
        ("stdin-bytes", "0"),
    ] {
        assert_eq!(seen[what], expected, "{what}");
    }
    for closed in ["file", "directory"] {
        assert!(seen[closed].as_str().unwrap().starts_with("refused"), "{closed}: {seen}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wasi_policy_can_neither_sleep_nor_leave_nor_flood() {
    let mut tenants = Tenants::start().await;
    let with = |mode: &str| attachment(NAME, "environment = \"staging\"", &[("mode", mode)]);
    for mode in ["print-flood", "exit"] {
        tenants.other.govern(&[(NAME, guest("wasi"))], &with(mode));
        let refusal = tenants.push_refused().await;
        assert!(refusal.contains(&format!("policy {NAME}")), "{mode}: {refusal}");
    }
    // A timer is over at once: the minute that it would sleep is more than its clock allows.
    tenants.other.govern(&[(NAME, guest("wasi"))], &with("sleep"));
    tenants.push_accepted().await;
    assert_eq!(tenants.boot("staging", "").await.status, 200);
}

impl Site {
    /// Governs one environment by the hostile guest.
    fn misbehave(&mut self, environment: &str, settings: &[(&str, &str)]) {
        let place = format!("environment = \"{environment}\"");
        self.govern(&[(NAME, guest("hostile"))], &attachment(NAME, &place, settings));
    }
}

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

fn precompiled() -> Vec<u8> {
    let settings = EngineSettings { memory: Memory::OnDemand, ..EngineSettings::default() };
    Engine::new(&settings).unwrap().compile(&guest("dump")).unwrap().bytes().to_vec()
}

/// A policy by hand that resolves with a list of assignments at `pointer`, of `length`.
fn lying(pointer: u32, length: u32) -> Vec<u8> {
    let module = core_module(pointer, length);
    ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap()
}

/// The same as a core module with its interface types embedded, as a Rust compiler leaves it.
pub(crate) fn core_module(pointer: u32, length: u32) -> Vec<u8> {
    let words = [0, 0, pointer, length, 0, 0, 0, 0];
    let answer: String =
        words.iter().flat_map(|word| word.to_le_bytes()).map(|b| format!("\\{b:02x}")).collect();
    let mut module = wat(&format!(
        r#"(module
            (memory (export "memory") 2)
            (global $next (mut i32) (i32.const 4096))
            (data (i32.const 16) "raw\31.0.0")
            (data (i32.const 32) "\10\00\00\00\03\00\00\00\13\00\00\00\05\00\00\00\00")
            (data (i32.const 1024) "{answer}")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (global.set $next (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                (global.get $next)
                (global.set $next (i32.add (global.get $next) (local.get 3))))
            (func (export "bootlace:policy/lifecycle@0.1.0#describe") (result i32) (i32.const 32))
            (func (export "bootlace:policy/lifecycle@0.1.0#validate-settings") (param i32 i32) (result i32)
                (i32.const 512))
            (func (export "bootlace:policy/resolve@0.1.0#decide") (param i32) (result i32)
                (i32.const 1024)))"#
    ));
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/policy.wit");
    let package = resolve.push_str("policy.wit", &std::fs::read_to_string(wit).unwrap()).unwrap();
    let world = resolve.select_world(&[package], Some("resolve-policy")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    module
}
