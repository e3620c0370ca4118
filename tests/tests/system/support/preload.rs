//! Libraries that stand between a service and what it runs on, built where they are needed.

use std::path::{Path, PathBuf};
use std::process::Command;

/// This source, below `tests/system`, compiled into that folder: for `LD_PRELOAD`. `None`, and a
/// printed reason, where nothing compiles it.
pub fn build(source: &str, into: &Path) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/system").join(source);
    let library = into.join(source.file_name().unwrap()).with_extension("so");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut command = Command::new(compiler);
    command.args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", "-o"]);
    match command.arg(&library).arg(&source).status() {
        Ok(status) => {
            assert!(status.success(), "{} does not compile", source.display());
            Some(library)
        }
        Err(error) => {
            println!(
                "skipped: no C compiler ({error}): install one, for example with \
                 `apt-get install gcc libc6-dev`, or name it in CC"
            );
            None
        }
    }
}
