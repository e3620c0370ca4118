//! The executor, which dies where a test says: `COUNTERSIGN_KILL_AT=intent:after:17`.

use std::process::ExitCode;

fn main() -> ExitCode {
    countersign_executor::process::main()
}
