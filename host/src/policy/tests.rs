//! Real guests against the real engine.

mod lanes;
mod promotion;
mod raw;

use std::{
    fs,
    path::Path,
    sync::{Arc, LazyLock, Mutex},
    time::{Duration, Instant},
};

use sha2::{Digest as _, Sha256};

use super::{fixtures::subject, *};
use crate::{
    id::Digest,
    model::{
        PolicyKind,
        question::{Answer, Attribute, Decision, Facts, Subject, Vary},
    },
};

/// The defaults, but for the wall clock: what a test says must not depend on how busy the machine
/// is that it runs on.
fn patient() -> EngineSettings {
    let limits = Limits { wall_ms: 20_000, chain_wall_ms: 20_000, ..Limits::default() };
    EngineSettings { limits, slots: 8, ..EngineSettings::default() }
}

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(&patient()).unwrap());

fn guest(name: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let sample = root.join("policies/dist").join(name);
    let test = root.join("tests/guests/dist").join(name);
    fs::read(if sample.exists() { sample } else { test }).unwrap()
}

fn load(engine: &Engine, name: &str) -> Arc<Loaded> {
    let component = guest(name);
    let artefact = engine.compile(&component).unwrap();
    Loaded::new(engine, Digest(Sha256::digest(&component).into()), &artefact).unwrap()
}

static HOSTILE: LazyLock<Arc<Loaded>> = LazyLock::new(|| load(&ENGINE, "hostile.wasm"));

fn link(loaded: &Arc<Loaded>, settings: &[(&str, &str)]) -> Link {
    let settings = settings.iter().map(|(key, value)| Attribute::new(*key, *value)).collect();
    let name = loaded.descriptor().name.clone();
    Link { loaded: Arc::clone(loaded), settings, name, tally: Arc::default() }
}

fn chain(engine: &Engine, links: Vec<Link>, subject: Arc<Subject>) -> Arc<Chain> {
    Arc::new(Chain::new(engine, links, subject).unwrap())
}

fn mode_on(loaded: &Arc<Loaded>, mode: &str) -> Arc<Chain> {
    chain(loaded.engine(), vec![link(loaded, &[("mode", mode)])], subject(8, 8))
}

fn ask(mode: &str) -> Result<Verdict, PolicyFailure> {
    mode_on(&HOSTILE, mode).decide(&Facts::default())
}

fn fails(mode: &str) -> FailureKind {
    let failure = ask(mode).unwrap_err();
    assert_eq!((failure.policy.as_str(), failure.link), ("hostile", 0), "{mode}");
    // Whatever happened, the next question is answered.
    assert!(ask("ok").is_ok(), "after {mode}");
    failure.kind
}

#[test]
fn guests_describe_themselves() {
    let loaded = load(&ENGINE, "region-affinity.wasm");
    assert_eq!(loaded.descriptor().name, "region-affinity");
    assert_eq!(loaded.descriptor().vary, Vary { region: true, ..Vary::default() });
    assert_eq!(loaded.kind(), PolicyKind::Resolve);
    assert!(!loaded.imports_wasi());
}

#[test]
fn settings_are_validated_and_all_that_is_wrong_is_listed() {
    let loaded = load(&ENGINE, "region-affinity.wasm");
    assert_eq!(loaded.validate_settings(&[]), Ok(Ok(())));
    let wrong = [Attribute::new("variables", ""), Attribute::new("regoin", "x")];
    let violations = loaded.validate_settings(&wrong).unwrap().unwrap_err();
    assert!(violations.len() >= 2, "{violations:?}");
}

#[test]
fn a_policy_that_changes_nothing_answers_nothing() {
    let verdict = ask("ok").unwrap();
    assert_eq!(verdict.answer, Answer::Resolved(Default::default()));
    assert!(verdict.fuel() > 0);
}

#[test]
fn the_replica_of_the_region_is_chosen() {
    let loaded = load(&ENGINE, "region-affinity.wasm");
    let chain = chain(&ENGINE, vec![link(&loaded, &[])], subject(2, 2));
    let facts = Facts { region: Some("us-east-1".into()), ..Facts::default() };
    let Answer::Resolved(resolution) = chain.decide(&facts).unwrap().answer else { panic!("denied") };
    let decisions: Vec<_> = resolution.assignments.iter().map(|a| (a.variable, a.decision.clone())).collect();
    assert_eq!(decisions, [(0, Decision::Bind(1)), (1, Decision::Bind(3))]);
}

#[test]
fn the_same_question_gets_the_same_answer_for_the_same_fuel() {
    for name in ["region-affinity.wasm", "least-privilege.wasm", "wasi.wasm", "dump.wasm"] {
        let loaded = load(&ENGINE, name);
        let chain = chain(&ENGINE, vec![link(&loaded, &[])], subject(8, 32));
        let facts = Facts { region: Some("us-east-1".into()), ..Facts::default() };
        let first = chain.decide(&facts).unwrap();
        for _ in 0..20 {
            assert_eq!(chain.decide(&facts).unwrap(), first, "{name}");
        }
    }
}

#[test]
fn an_endless_loop_uses_up_its_fuel() {
    let kind = fails("loop");
    assert_eq!(kind, FailureKind::Fuel { limit: 10_000_000 });
    assert!(kind.is_deterministic());
}

#[test]
fn filling_memory_for_little_fuel_is_stopped_by_the_clock() {
    let limits = Limits { fuel: u64::MAX / 2, ..Limits::default() };
    let engine = Engine::new(&EngineSettings { limits, slots: 2, ..EngineSettings::default() }).unwrap();
    let hostile = load(&engine, "hostile.wasm");
    for mode in ["fill", "loop"] {
        let started = Instant::now();
        let failure = mode_on(&hostile, mode).decide(&Facts::default()).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Interrupted { limit_ms: 5 }, "{mode}");
        assert!(!failure.is_deterministic());
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    }
}

#[test]
fn memory_bombs_are_refused_by_name() {
    assert_eq!(fails("grow"), FailureKind::Memory { limit: 4 << 20 });
    assert_eq!(fails("allocate"), FailureKind::Memory { limit: 4 << 20 });
}

#[test]
fn endless_recursion_overflows_its_own_stack_only() {
    assert_eq!(fails("overflow"), FailureKind::Stack { limit: 256 << 10 });
    assert!(matches!(fails("overflow-memory"), FailureKind::Stack { .. } | FailureKind::Trap(_)));
}

#[test]
fn traps_and_panics_are_the_policys_own() {
    assert!(matches!(fails("trap"), FailureKind::Trap(_)));
    assert!(matches!(fails("panic"), FailureKind::Trap(_)));
}

#[test]
fn an_error_that_the_policy_reports_is_told_as_its_own() {
    assert_eq!(fails("error"), FailureKind::Reported(Reported::Internal("as asked".into())));
}

#[test]
fn a_log_flood_is_stopped_after_256_calls_and_keeps_32_lines() {
    let failure = ask("log-flood").unwrap_err();
    assert_eq!(failure.kind, FailureKind::HostCalls { limit: 256 });
    assert!(failure.log.len() <= 32);
    assert!(failure.log.iter().map(|line| line.text.len()).sum::<usize>() <= 4 << 10);
}

#[test]
fn a_log_line_above_the_limit_is_not_kept() {
    match ask("log-long-line") {
        Ok(verdict) => assert!(verdict.links[0].log.is_empty() && verdict.links[0].dropped_lines > 0),
        Err(failure) => assert_eq!(failure.kind, FailureKind::Contract),
    }
}

#[test]
fn answers_that_name_what_they_may_not_are_faults_with_names() {
    let fault = |mode| match fails(mode) {
        FailureKind::Answer(fault) => fault,
        other => panic!("{mode}: {other:?}"),
    };
    assert!(matches!(fault("out-of-range"), AnswerFault::UnknownCandidate { .. }));
    assert!(matches!(fault("foreign-candidate"), AnswerFault::ForeignCandidate { .. }));
    assert!(matches!(fault("template-secret"), AnswerFault::SecretInTemplate { .. }));
    assert!(matches!(fault("duplicate"), AnswerFault::Duplicate { .. }));
    assert!(matches!(fault("unknown-variable"), AnswerFault::UnknownVariable { .. }));
    assert_eq!(fails("long-answer"), FailureKind::Contract);
}

#[test]
fn a_secret_may_not_land_in_a_plain_variable() {
    let mut mixed = (*subject(2, 2)).clone();
    mixed.candidates[1].sensitivity = question_secret();
    let chain = chain(&ENGINE, vec![link(&HOSTILE, &[("mode", "secret-to-plain")])], Arc::new(mixed));
    let failure = chain.decide(&Facts::default()).unwrap_err();
    let variable = "SERVICE_0_URL".to_owned();
    assert_eq!(failure.kind, FailureKind::Answer(AnswerFault::SecretToPlain { variable }));
}

fn question_secret() -> crate::model::question::Sensitivity {
    crate::model::question::Sensitivity::Secret
}

#[test]
fn nothing_is_left_of_one_question_for_the_next() {
    let first = ask("count").unwrap();
    for _ in 0..64 {
        assert_eq!(ask("count").unwrap(), first);
    }
    ask("leave-marks").unwrap();
    let clean = ask("find-marks").unwrap();
    for _ in 0..64 {
        ask("leave-marks").unwrap();
        assert_eq!(ask("find-marks").unwrap(), clean);
    }
}

#[test]
fn undeclared_facts_are_withheld() {
    let chain = mode_on(&HOSTILE, "undeclared-fact");
    let without = chain.decide(&Facts { region: Some("eu".into()), ..Facts::default() }).unwrap();
    let facts = Facts {
        region: Some("eu".into()),
        zone: Some("eu-1".into()),
        instance: Some("i-1".into()),
        attributes: vec![Attribute::new("team", "red")],
    };
    assert_eq!(chain.decide(&facts).unwrap(), without);
}

#[test]
fn the_broader_policy_has_the_last_word_and_sees_what_was_chosen() {
    let affinity = load(&ENGINE, "region-affinity.wasm");
    let dump = load(&ENGINE, "dump.wasm");
    let facts = Facts { region: Some("us-east-1".into()), ..Facts::default() };
    let links = vec![link(&affinity, &[]), link(&HOSTILE, &[("mode", "omit-all")]), link(&dump, &[])];
    let verdict = chain(&ENGINE, links, subject(2, 0)).decide(&facts).unwrap();
    assert_eq!(verdict.links.len(), 3);
    let Answer::Resolved(resolution) = verdict.answer else { panic!("denied") };
    for assignment in &resolution.assignments {
        assert_eq!((&assignment.decision, assignment.decided_by), (&Decision::Omit, 1));
    }
    let seen: Vec<_> = resolution.annotations.iter().filter(|a| a.key == "variable").collect();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|a| a.value.contains("chosen=None")), "{seen:?}");
}

#[test]
fn a_denial_ends_the_chain_and_names_who_denied() {
    let least = load(&ENGINE, "least-privilege.wasm");
    let mut unreleased = (*subject(1, 1)).clone();
    unreleased.release = None;
    let links = vec![link(&HOSTILE, &[]), link(&least, &[]), link(&HOSTILE, &[("mode", "trap")])];
    let verdict = chain(&ENGINE, links, Arc::new(unreleased)).decide(&Facts::default()).unwrap();
    let Answer::Denied(denial) = verdict.answer else { panic!("not denied") };
    assert_eq!(denial.denied_by, 1);
    assert_eq!(denial.violations[0].code, "no-active-release");
    assert_eq!(verdict.links.len(), 2);
}

#[test]
fn a_chain_is_bounded_and_its_digest_covers_its_settings() {
    let long = vec![link(&HOSTILE, &[]); 9];
    assert_eq!(
        Chain::new(&ENGINE, long, subject(1, 1)).unwrap_err(),
        ChainError::TooLong { count: 9, limit: 8 }
    );
    assert_ne!(mode_on(&HOSTILE, "ok").digest(), mode_on(&HOSTILE, "loop").digest());
    assert_eq!(mode_on(&HOSTILE, "ok").digest(), mode_on(&HOSTILE, "ok").digest());
}

#[test]
fn wasi_is_closed_and_the_same_every_time() {
    let wasi = load(&ENGINE, "wasi.wasm");
    assert!(wasi.imports_wasi());
    let chain = chain(&ENGINE, vec![link(&wasi, &[])], subject(1, 1));
    let verdict = chain.decide(&Facts::default()).unwrap();
    let Answer::Resolved(resolution) = &verdict.answer else { panic!("denied") };
    let said = |key: &str| resolution.annotations.iter().find(|a| a.key == key).map(|a| a.value.as_str());
    for (key, value) in [
        ("wall-clock-ns", "0"),
        ("elapsed-ns", "0"),
        ("arguments", "0"),
        ("environment", "0"),
        ("stdin-bytes", "0"),
    ] {
        assert_eq!(said(key), Some(value), "{key}");
    }
    for key in ["file", "directory"] {
        assert!(said(key).is_some_and(|answer| answer.starts_with("refused")), "{key}");
    }
    let output: Vec<_> = verdict.links[0].log.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(output, ["standard output of checkout", "standard error of checkout"]);
    assert_eq!(chain.decide(&Facts::default()).unwrap(), verdict);
}

#[test]
fn wasi_cannot_sleep_flood_or_end_the_process() {
    let wasi = load(&ENGINE, "wasi.wasm");
    let started = Instant::now();
    assert!(mode_on(&wasi, "sleep").decide(&Facts::default()).is_ok());
    assert!(started.elapsed() < Duration::from_secs(30));
    for mode in ["exit", "print-flood"] {
        let failure = mode_on(&wasi, mode).decide(&Facts::default()).unwrap_err();
        assert!(failure.is_deterministic(), "{mode}: {failure:?}");
        assert!(failure.log.iter().map(|line| line.text.len()).sum::<usize>() <= 4 << 10);
    }
}

#[tokio::test]
async fn wasi_policies_run_from_within_a_runtime_without_panicking() {
    let wasi = load(&ENGINE, "wasi.wasm");
    let chain = chain(&ENGINE, vec![link(&wasi, &[])], subject(1, 1));
    chain.decide(&Facts::default()).unwrap();
}

#[test]
fn a_full_pool_is_busy_and_nobodys_fault() {
    let limits = Limits { fuel: u64::MAX / 2, wall_ms: 500, chain_wall_ms: 500, ..Limits::default() };
    let engine = Engine::new(&EngineSettings { limits, slots: 1, ..EngineSettings::default() }).unwrap();
    let hostile = load(&engine, "hostile.wasm");
    let (slow, quick) = (mode_on(&hostile, "loop"), mode_on(&hostile, "ok"));
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| slow.decide(&Facts::default()));
        let mut busy = 0;
        while !slow.is_finished() {
            if let Err(failure) = quick.decide(&Facts::default()) {
                assert!(failure.is_busy() && !failure.is_deterministic(), "{failure:?}");
                busy += 1;
            }
        }
        // Either may have had the slot first; the other was told that the host is busy.
        let slow = slow.join().unwrap().unwrap_err();
        assert!(busy > 0 || slow.is_busy(), "{slow:?}");
    });
    assert!(quick.decide(&Facts::default()).is_ok());
}

#[test]
fn a_pool_that_does_not_fit_falls_back_and_says_so() {
    let settings = EngineSettings { slots: 1 << 24, ..patient() };
    let engine = Engine::new(&settings).unwrap();
    assert!(matches!(engine.allocation(), Allocation::Fallback { .. }), "{:?}", engine.allocation());
    let hostile = load(&engine, "hostile.wasm");
    assert!(mode_on(&hostile, "ok").decide(&Facts::default()).is_ok());
    assert!(matches!(Engine::new(&patient()).unwrap().allocation(), Allocation::Pool { slots: 8 }));
}

#[test]
fn code_compiled_without_a_pool_loads_with_one() {
    let compiler = Engine::new(&EngineSettings { memory: Memory::OnDemand, ..patient() }).unwrap();
    assert_eq!(compiler.configuration(), ENGINE.configuration());
    let artefact = compiler.compile(&guest("hostile.wasm")).unwrap();
    assert!(Loaded::new(&ENGINE, Digest([0; 32]), &artefact).is_ok());
}

/// All memory of one question to `guest`.
fn observed(guest: &str, facts: &Facts) -> Vec<u8> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let observer: MemoryObserver = Arc::new(move |bytes: &[u8]| sink.lock().unwrap().push(bytes.to_vec()));
    let engine = Engine::new(&EngineSettings { memory: Memory::Observed(observer), ..patient() }).unwrap();
    let loaded = load(&engine, guest);
    seen.lock().unwrap().clear();
    chain(&engine, vec![link(&loaded, &[])], subject(2, 2)).decide(facts).unwrap();
    let mut memories = seen.lock().unwrap();
    assert_eq!(memories.len(), 1);
    memories.remove(0)
}

#[test]
fn undeclared_facts_and_labels_never_reach_a_policys_memory() {
    let facts = Facts {
        region: Some("canary-region".into()),
        zone: Some("canary-zone".into()),
        instance: Some("canary-instance".into()),
        attributes: vec![Attribute::new("canary-key", "canary-value")],
    };
    let contains = |memory: &[u8], text: &str| memory.windows(text.len()).any(|w| w == text.as_bytes());
    let told = ["canary-region", "canary-zone", "canary-instance", "canary-key", "canary-value", "branch"];
    // It declares all of them: what an observer looks for can be found.
    let open = observed("dump.wasm", &facts);
    assert!(told.iter().all(|text| contains(&open, text)));
    // It declares none.
    let closed = observed("least-privilege.wasm", &facts);
    assert!(contains(&closed, "SERVICE_0_URL"));
    assert!(told.iter().all(|text| !contains(&closed, text)));
    // It declares the region.
    let region = observed("region-affinity.wasm", &facts);
    let seen: Vec<_> = told.iter().filter(|text| contains(&region, text)).collect();
    assert_eq!(seen, [&"canary-region"]);
}

#[test]
fn the_engine_and_its_clock_end_together() {
    let engine = Engine::new(&EngineSettings { slots: 1, ..patient() }).unwrap();
    let weak = engine.wasmtime().weak();
    drop(engine);
    let deadline = Instant::now() + Duration::from_secs(10);
    while weak.upgrade().is_some() && Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert!(weak.upgrade().is_none());
}
