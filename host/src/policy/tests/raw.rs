//! Guests by hand, for lies that no toolchain would tell, and proposals that the engine must
//! refuse.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::*;

/// A resolve policy whose `decide` answers what lies at 1024, and whose memory starts as `data`
/// says. The bump allocator begins at 4096.
fn raw(decide: &str, data: &str) -> Vec<u8> {
    let module = format!(
        r#"(module
            (memory (export "memory") 2)
            (global $next (mut i32) (i32.const 4096))
            (data (i32.const 16) "raw\31.0.0")
            (data (i32.const 32) "\10\00\00\00\03\00\00\00\13\00\00\00\05\00\00\00\00")
            {data}
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (global.set $next (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                (global.get $next)
                (global.set $next (i32.add (global.get $next) (local.get 3))))
            (func (export "bootlace:policy/lifecycle@0.1.0#describe") (result i32) (i32.const 32))
            (func (export "bootlace:policy/lifecycle@0.1.0#validate-settings") (param i32 i32) (result i32)
                (i32.const 512))
            (func (export "bootlace:policy/resolve@0.1.0#decide") (param i32) (result i32) {decide}))"#
    );
    let mut module = wat::parse_str(module).unwrap();
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("wit/policy.wit");
    let package = resolve.push_str("policy.wit", &fs::read_to_string(wit).unwrap()).unwrap();
    let world = resolve.select_world(&[package], Some("resolve-policy")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap()
}

fn decide(component: &[u8]) -> Result<Verdict, PolicyFailure> {
    let artefact = ENGINE.compile(component).unwrap();
    let loaded = Loaded::new(&ENGINE, Digest([0; 32]), &artefact).unwrap();
    chain(&ENGINE, vec![link(&loaded, &[])], subject(2, 2)).decide(&Facts::default())
}

/// An answer `resolved` with these assignments, as pointer and length.
fn resolved(pointer: u32, length: u32) -> String {
    let words = [0, 0, pointer, length, 0, 0, 0, 0];
    let bytes: String =
        words.iter().flat_map(|word| word.to_le_bytes()).map(|b| format!("\\{b:02x}")).collect();
    format!("(data (i32.const 1024) \"{bytes}\")")
}

#[test]
fn an_empty_answer_by_hand_is_an_answer() {
    let verdict = decide(&raw("(i32.const 1024)", &resolved(0, 0))).unwrap();
    assert_eq!(verdict.answer, Answer::Resolved(Default::default()));
}

#[test]
fn lists_that_lie_about_where_they_are_and_how_long_are_refused() {
    for (pointer, length) in
        [(0xffff_fff0, 1000), (0, u32::MAX), (4, u32::MAX / 16), (131_072, 1), (1, 1), (0, 100_000)]
    {
        let failure = decide(&raw("(i32.const 1024)", &resolved(pointer, length))).unwrap_err();
        assert!(
            matches!(failure.kind, FailureKind::Contract | FailureKind::Trap(_)),
            "{pointer:#x} {length}: {failure:?}"
        );
    }
}

#[test]
fn an_answer_outside_the_memory_or_not_aligned_is_refused() {
    for pointer in ["-4", "131072", "131068", "1025"] {
        let failure = decide(&raw(&format!("(i32.const {pointer})"), "")).unwrap_err();
        assert!(
            matches!(failure.kind, FailureKind::Contract | FailureKind::Trap(_)),
            "{pointer}: {failure:?}"
        );
    }
}

#[test]
fn an_answer_of_no_known_kind_is_refused() {
    let unknown = r#"(data (i32.const 1024) "\07\00\00\00\09")"#;
    assert!(decide(&raw("(i32.const 1024)", unknown)).is_err());
}

#[test]
fn two_worlds_or_none_are_no_policy() {
    let empty = ENGINE.compile(&wat::parse_str("(component)").unwrap()).unwrap();
    assert!(matches!(Loaded::new(&ENGINE, Digest([0; 32]), &empty), Err(LoadError::NoWorld)));
}

#[test]
fn a_function_of_another_type_is_refused_by_name() {
    let wrong = wat::parse_str(
        r#"(component
            (core module $m (func (export "f") (result i32) (i32.const 1)))
            (core instance $i (instantiate $m))
            (func $f (result u32) (canon lift (core func $i "f")))
            (instance $lifecycle (export "describe" (func $f)) (export "validate-settings" (func $f)))
            (instance $resolve (export "decide" (func $f)))
            (export "bootlace:policy/lifecycle@0.1.0" (instance $lifecycle))
            (export "bootlace:policy/resolve@0.1.0" (instance $resolve)))"#,
    )
    .unwrap();
    let artefact = ENGINE.compile(&wrong).unwrap();
    let refused = Loaded::new(&ENGINE, Digest([0; 32]), &artefact).unwrap_err();
    assert!(matches!(refused, LoadError::Type { function: "lifecycle.describe", .. }), "{refused}");
}

#[test]
fn the_engine_compiles_no_proposal_that_a_policy_does_not_need() {
    let refused = [
        ("gc structs", "(type (struct (field i32)))"),
        ("gc arrays", "(type (array i8))"),
        ("typed references", "(type $f (func)) (func (param (ref $f)))"),
        ("i31", "(func (param i31ref))"),
        ("externref", "(func (param externref))"),
        ("exceptions", "(tag (param i32))"),
        ("shared memory", "(memory 1 1 shared)"),
        ("atomics", "(memory 1) (func (drop (i32.atomic.load (i32.const 0))))"),
        ("memory64", "(memory i64 1)"),
        ("table64", "(table i64 1 funcref)"),
        ("two memories", "(memory 1) (memory 1)"),
        ("tail calls", "(func $f (return_call $f))"),
        ("simd", "(func (drop (v128.const i32x4 0 0 0 0)))"),
        (
            "relaxed simd",
            "(func (param v128) (result v128)
                (i32x4.relaxed_trunc_f32x4_s (local.get 0)))",
        ),
        ("custom page sizes", "(memory 1 (pagesize 1))"),
        (
            "wide arithmetic",
            "(func (param i64 i64 i64 i64) (result i64 i64)
                (i64.add128 (local.get 0) (local.get 1) (local.get 2) (local.get 3)))",
        ),
    ];
    for (proposal, inner) in refused {
        let component = wat::parse_str(format!("(component (core module {inner}))"));
        let component = component.unwrap_or_else(|error| panic!("{proposal}: {error}"));
        assert!(ENGINE.compile(&component).is_err(), "{proposal}");
    }
    for async_type in ["(component (type (stream u8)))", "(component (type (future u8)))"] {
        assert!(ENGINE.compile(&wat::parse_str(async_type).unwrap()).is_err(), "{async_type}");
    }
}

#[test]
fn more_than_the_pool_has_is_refused_when_loaded() {
    for inner in ["(memory 65)", "(table 5000 funcref)"] {
        let component =
            wat::parse_str(format!("(component (core module $m {inner}) (core instance (instantiate $m)))"));
        let artefact = ENGINE.compile(&component.unwrap()).unwrap();
        assert!(matches!(Loaded::new(&ENGINE, Digest([0; 32]), &artefact), Err(LoadError::Unusable(_))));
    }
}

#[test]
fn a_trap_by_hand_is_the_policys_own() {
    let failure = decide(&raw("(unreachable)", "")).unwrap_err();
    assert!(matches!(failure.kind, FailureKind::Trap(_)), "{failure:?}");
}
