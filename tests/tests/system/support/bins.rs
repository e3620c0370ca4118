//! The real binaries. Built when a test first asks, which is nothing when they are
//! fresh.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The folder with `executor`, `planner`, `sandbox` and `countersign`.
pub fn dir() -> &'static PathBuf {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| built(&["--bins"]))
}

/// The executor that dies where it is told to.
pub fn mortal() -> &'static PathBuf {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let feature = "countersign-executor/kill-points";
        built(&["--bin", "executor-kill-points", "--features", feature])
            .join("executor-kill-points")
    })
}

/// Builds these of the workspace, in the profile of this test; answers with where they are.
fn built(what: &[&str]) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    // target/PROFILE/deps/system-… → target/PROFILE
    let dir = own.parent().unwrap().parent().unwrap().to_owned();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--workspace"]);
    build.args(what);
    if dir.ends_with("release") {
        build.arg("--release");
    }
    assert!(build.status().unwrap().success(), "the binaries do not build");
    dir
}
