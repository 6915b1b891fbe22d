//! Everything that must not get in, and what must.

use std::{fs, path::Path};

use super::*;
use crate::{
    model::question::Attribute,
    policy::{EngineSettings, Limits, Memory},
};

const KEY: [u8; 32] = [9; 32];

fn engine() -> Engine {
    let limits = Limits { wall_ms: 20_000, chain_wall_ms: 20_000, ..Limits::default() };
    Engine::new(&EngineSettings { limits, memory: Memory::OnDemand, ..EngineSettings::default() }).unwrap()
}

fn uploads(dir: &Path) -> Uploads {
    Uploads::new(dir.to_owned(), &KEY, Compiler::InProcess, engine())
}

fn guest(path: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path)).unwrap()
}

fn sample() -> Vec<u8> {
    guest("policies/dist/least-privilege.wasm")
}

fn tenant() -> WorkspaceId {
    "acme".parse().unwrap()
}

/// The codes with which `uploaded` is refused.
fn codes(uploaded: &[u8]) -> Vec<&'static str> {
    let dir = tempfile::tempdir().unwrap();
    match uploads(dir.path()).admit(&tenant(), uploaded) {
        Err(UploadError::Refused(refusals)) => refusals.iter().map(|refusal| refusal.code).collect(),
        other => panic!("not refused: {other:?}"),
    }
}

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

#[test]
fn the_samples_and_the_test_guests_get_in() {
    let dir = tempfile::tempdir().unwrap();
    let uploads = uploads(dir.path());
    for path in [
        "policies/dist/four-eyes.wasm",
        "policies/dist/freeze-window.wasm",
        "policies/dist/least-privilege.wasm",
        "policies/dist/parity.wasm",
        "policies/dist/preview-isolation.wasm",
        "policies/dist/region-affinity.wasm",
        "policies/dist/required-checks.wasm",
        "policies/dist/rotation-canary.wasm",
        "tests/guests/dist/dump.wasm",
        "tests/guests/dist/gatecrash.wasm",
        "tests/guests/dist/hostile.wasm",
        "tests/guests/dist/wasi.wasm",
    ] {
        let loaded = uploads.admit(&tenant(), &guest(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        let rehearsed = rehearse(&loaded, "sample", &[]);
        // Settings that it cannot do without are the sample's own business.
        let refused = matches!(rehearsed, Err(RehearsalError::RefusedSettings(_)));
        assert!(refused || rehearsed.is_ok_and(|fuel| fuel > Some(0)), "{path}");
    }
}

#[test]
fn a_policy_is_compiled_once_and_shared() {
    let dir = tempfile::tempdir().unwrap();
    let uploads = uploads(dir.path());
    let first = uploads.admit(&tenant(), &sample()).unwrap();
    let second = uploads.admit(&"other".parse().unwrap(), &sample()).unwrap();
    assert!(Arc::ptr_eq(&first, &second));
}

#[test]
fn stored_code_is_used_after_a_restart_and_compiled_again_when_in_doubt() {
    let dir = tempfile::tempdir().unwrap();
    uploads(dir.path()).admit(&tenant(), &sample()).unwrap();
    let stored = || {
        let files: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        files[0].clone()
    };
    let good = fs::read(stored()).unwrap();
    // A program that compiles nothing: whatever gets in now comes from the store.
    let broken = Compiler::Child { program: "/bin/false".into(), arguments: Vec::new() };
    let restarted = || Uploads::new(dir.path().to_owned(), &KEY, broken.clone(), engine());
    assert!(restarted().admit(&tenant(), &sample()).is_ok());

    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    for bad in [&flipped[..], &good[..good.len() - 1], &good[..16], &[]] {
        fs::write(stored(), bad).unwrap();
        assert!(matches!(restarted().admit(&tenant(), &sample()), Err(UploadError::Compile(_))));
        assert!(uploads(dir.path()).admit(&tenant(), &sample()).is_ok());
        assert_eq!(fs::read(stored()).unwrap().len(), good.len());
    }
    let other_key = Uploads::new(dir.path().to_owned(), &[1; 32], broken, engine());
    assert!(matches!(other_key.admit(&tenant(), &sample()), Err(UploadError::Compile(_))));
}

#[test]
fn what_is_no_component_is_refused_by_what_it_is() {
    assert_eq!(codes(&vec![0; (1 << 20) + 1]), ["too-large"]);
    assert_eq!(codes(b"(component)"), ["text"]);
    assert_eq!(codes(b""), ["not-wasm"]);
    assert_eq!(codes(b"\0asm\x0e\0\x01\0"), ["wrong-version"]);
    let precompiled = engine().compile(&sample()).unwrap();
    assert_eq!(codes(precompiled.bytes()), ["precompiled"]);
}

#[test]
fn a_core_module_without_interface_types_is_refused_and_says_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let module = component("(module (func (export \"f\")))");
    let refused = uploads(dir.path()).admit(&tenant(), &module);
    assert!(refused.is_err(), "{refused:?}");
}

#[test]
fn malformed_and_truncated_components_are_refused() {
    let whole = sample();
    for length in [8, 9, 100, whole.len() / 2, whole.len() - 1] {
        let codes = codes(&whole[..length]);
        assert!(!codes.is_empty(), "{length}");
    }
}

#[test]
fn every_forbidden_import_is_listed_by_name_and_the_missing_world_too() {
    let dir = tempfile::tempdir().unwrap();
    let hostile = component(
        r#"(component
            (import "wasi:sockets/tcp@0.2.6" (instance))
            (import "wasi:http/outgoing-handler@0.2.0" (instance))
            (import "bootlace:policy/log@0.2.0" (instance))
            (import "bootlace:policy/log@0.1.7" (instance)))"#,
    );
    let Err(UploadError::Refused(refusals)) = uploads(dir.path()).admit(&tenant(), &hostile) else {
        panic!("not refused")
    };
    let listed: Vec<_> = refusals.iter().map(ToString::to_string).collect();
    assert_eq!(listed.len(), 5, "{listed:?}");
    for name in ["wasi:sockets/tcp@0.2.6", "wasi:http/outgoing-handler@0.2.0", "bootlace:policy/log@0.2.0"] {
        assert!(listed.iter().any(|line| line.contains(name)), "{name} in {listed:?}");
    }
}

#[test]
fn structures_that_are_costly_to_compile_are_refused_before_they_are_compiled() {
    let module = |inner: &str| component(&format!("(component (core module {inner}))"));
    let params = "i32 ".repeat(17);
    assert!(codes(&module(&format!("(func (param {params}))"))).contains(&"function-type"));
    let locals = "(local i32) ".repeat(65);
    assert!(codes(&module(&format!("(func {locals})"))).contains(&"function-body"));
    let nested = format!("(func {} {})", "(block ".repeat(65), ")".repeat(65));
    assert!(codes(&module(&nested)).contains(&"function-body"));
    let long = format!("(func {})", "nop ".repeat(9000));
    assert!(codes(&module(&long)).contains(&"function-body"));
    let table = format!("(func (block (br_table {} 0 (i32.const 0))))", "0 ".repeat(257));
    assert!(codes(&module(&table)).contains(&"function-body"));
    assert!(codes(&module("(memory 65)")).contains(&"memory"));
    assert!(codes(&module("(table 5000 funcref)")).contains(&"table"));
    assert!(codes(&module("(func) (start 0)")).contains(&"start-function"));
    assert!(codes(&module(&"(func) ".repeat(4097))).contains(&"count"));
    assert!(codes(&module("(memory 1) (memory 1)")).contains(&"count"));
    let many = format!("(component (core module $m) {})", "(core instance (instantiate $m)) ".repeat(1000));
    assert!(codes(&component(&many)).contains(&"count"));
    let nested = format!("(component {})", "(component) ".repeat(1000));
    assert!(codes(&component(&nested)).contains(&"count"));
}

#[test]
fn one_compilation_of_a_tenant_at_a_time() {
    let compiling = Mutex::default();
    let acme = tenant();
    let turn = Turn::take(&compiling, &acme);
    assert!(turn.is_some());
    assert!(Turn::take(&compiling, &acme).is_none());
    assert!(Turn::take(&compiling, &"other".parse().unwrap()).is_some());
    drop(turn);
    assert!(Turn::take(&compiling, &acme).is_some());
}

#[test]
fn settings_that_a_policy_refuses_fail_its_rehearsal() {
    let dir = tempfile::tempdir().unwrap();
    let loaded = uploads(dir.path()).admit(&tenant(), &sample()).unwrap();
    let fuel = rehearse(&loaded, "least", &[Attribute::new("always", "PATH")]).unwrap().unwrap();
    assert!(fuel > 0);
    let refused = rehearse(&loaded, "least", &[Attribute::new("alwais", "PATH")]);
    assert!(matches!(refused, Err(RehearsalError::RefusedSettings(_))), "{refused:?}");
}

#[test]
fn a_policy_that_fails_fails_its_rehearsal() {
    let dir = tempfile::tempdir().unwrap();
    let loaded = uploads(dir.path()).admit(&tenant(), &guest("tests/guests/dist/hostile.wasm")).unwrap();
    for mode in ["trap", "loop", "grow", "out-of-range"] {
        let failed = rehearse(&loaded, "hostile", &[Attribute::new("mode", mode)]);
        assert!(matches!(failed, Err(RehearsalError::Decide(_))), "{mode}: {failed:?}");
    }
}

#[test]
fn a_promotion_policy_is_rehearsed_with_a_promotion() {
    let dir = tempfile::tempdir().unwrap();
    let uploads = uploads(dir.path());
    let loaded = uploads.admit(&tenant(), &guest("tests/guests/dist/gatecrash.wasm")).unwrap();
    let rehearsed = |mode| rehearse(&loaded, "gatecrash", &[Attribute::new("mode", mode)]);
    for mode in ["allow", "deny", "defer"] {
        assert!(rehearsed(mode).unwrap() > Some(0), "{mode}");
    }
    for mode in ["trap", "loop", "error", "deny-for-nothing", "giant-reason", "unknown-role"] {
        let failed = rehearsed(mode);
        assert!(matches!(failed, Err(RehearsalError::Decide(_))), "{mode}: {failed:?}");
    }
}

#[test]
fn a_trial_goes_the_whole_way_and_says_what_was_seen() {
    let engine = engine();
    let trial = Trial::new(&engine, &Compiler::InProcess, &sample()).unwrap();
    assert_eq!(trial.component, sample());
    assert!(!trial.was_module && trial.code_bytes > 0);
    assert!(trial.surface.exports.iter().any(|name| name == "bootlace:policy/resolve@0.1.0"));
    assert!(trial.surface.imports.iter().all(|name| name.starts_with("bootlace:policy/types@")));
    let wasi = Trial::new(&engine, &Compiler::InProcess, &guest("tests/guests/dist/wasi.wasm")).unwrap();
    assert!(wasi.surface.imports.iter().any(|name| name.starts_with("wasi:cli/")));
    let refused = Trial::new(&engine, &Compiler::InProcess, b"(component)");
    assert!(matches!(refused, Err(UploadError::Refused(list)) if list[0].code == "text"));
}

#[test]
fn a_sweep_removes_what_nothing_names_and_keeps_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let way_in = uploads(&dir.path().join("artefacts"));
    assert_eq!(way_in.sweep([]).unwrap(), 0, "nothing is there yet");
    let kept = way_in.admit(&tenant(), &sample()).unwrap().digest();
    let served = way_in.admit(&tenant(), &guest("policies/dist/region-affinity.wasm")).unwrap();
    assert_eq!(way_in.sweep([kept]).unwrap(), 0, "nor what is loaded");
    drop(served);
    assert_eq!(way_in.sweep([kept]).unwrap(), 1);
    let left: Vec<_> = fs::read_dir(dir.path().join("artefacts")).unwrap().collect();
    let name = left[0].as_ref().unwrap().file_name();
    assert!(left.len() == 1 && name.to_str().unwrap().starts_with(&hex::encode(kept.0)), "{name:?}");
}
