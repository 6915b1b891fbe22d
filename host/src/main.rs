//! The `bootlace` binary: parse, build, run, exit code.
fn main() {}
