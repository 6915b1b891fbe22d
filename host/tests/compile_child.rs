//! The process that compiles: this test is its own child, as the host is.

use std::{env, fs, path::Path, process::ExitCode};

use bootlace::{
    policy::{Engine, EngineSettings, Limits},
    upload::{Compiler, UploadError, Uploads, compile_child_main},
};

const VERB: &str = "compile-policy";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [verb, job @ ..] = arguments.as_slice()
        && verb == VERB
    {
        return compile_child_main(job);
    }
    components_and_modules_are_compiled_by_the_child();
    println!("components_and_modules_are_compiled_by_the_child ... ok");
    a_child_that_needs_too_much_memory_is_stopped();
    println!("a_child_that_needs_too_much_memory_is_stopped ... ok");
    a_child_that_takes_too_long_is_stopped();
    println!("a_child_that_takes_too_long_is_stopped ... ok");
    ExitCode::SUCCESS
}

fn uploads(dir: &Path, limits: Limits, compiler: Compiler) -> Uploads {
    let engine = Engine::new(&EngineSettings { limits, slots: 4, ..EngineSettings::default() });
    Uploads::new(dir.to_owned(), &[3; 32], compiler, engine.expect("an engine"))
}

fn this_program() -> Compiler {
    Compiler::this_program().expect("a path")
}

fn sample() -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    fs::read(root.join("policies/dist/least-privilege.wasm")).expect("the sample is committed")
}

fn components_and_modules_are_compiled_by_the_child() {
    let dir = tempfile::tempdir().expect("a directory");
    let uploads = uploads(dir.path(), Limits::default(), this_program());
    let tenant = "acme".parse().expect("a name");
    let loaded = uploads.admit(&tenant, &sample()).expect("the sample gets in");
    assert_eq!(loaded.descriptor().name, "least-privilege");
    // A core module without interface types gets as far as the child, which says what is missing.
    let module = b"\0asm\x01\0\0\0";
    let refused = uploads.admit(&tenant, module);
    assert!(matches!(refused, Err(UploadError::Compile(_) | UploadError::Refused(_))), "{refused:?}");
}

fn a_child_that_needs_too_much_memory_is_stopped() {
    let dir = tempfile::tempdir().expect("a directory");
    let limits = Limits { compile_memory_bytes: 24 << 20, ..Limits::default() };
    let refused =
        uploads(dir.path(), limits, this_program()).admit(&"acme".parse().expect("a name"), &sample());
    assert!(matches!(refused, Err(UploadError::Compile(_))), "{refused:?}");
}

fn a_child_that_takes_too_long_is_stopped() {
    let dir = tempfile::tempdir().expect("a directory");
    let limits = Limits { compile_wall_seconds: 1, ..Limits::default() };
    let sleeper =
        Compiler::Child { program: "/bin/sh".into(), arguments: vec!["-c".into(), "sleep 60".into()] };
    let started = std::time::Instant::now();
    let refused = uploads(dir.path(), limits, sleeper).admit(&"acme".parse().expect("a name"), &sample());
    assert!(matches!(refused, Err(UploadError::Compile(_))), "{refused:?}");
    assert!(started.elapsed().as_secs() < 20);
}
