//! The executor.

use std::process::ExitCode;

/// Actions are made of many small values: with the system's own allocator a fifth of their
/// time went there.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    countersign_executor::process::main()
}
