//! The `bootlace` binary. Everything it does is in the library, where tests reach it.

use std::{alloc::System, process::ExitCode};

use zeroizing_alloc::ZeroAlloc;

/// Wipes memory when it is freed. Wiping a buffer at the end of its life is not enough: a `Vec`
/// that grew, a parser's scratch space or a connection's read buffer each left a copy of a secret
/// behind, and only the allocator sees them all.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    bootlace::cli::main()
}
