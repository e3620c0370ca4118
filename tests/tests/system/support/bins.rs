//! The real binaries. Built when a test first asks, which is nothing when they are
//! fresh.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The folder with `executor`, `planner`, `sandbox` and `countersign`.
pub fn dir() -> &'static PathBuf {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let own = std::env::current_exe().unwrap();
        // target/PROFILE/deps/system-… → target/PROFILE
        let dir = own.parent().unwrap().parent().unwrap().to_owned();
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.current_dir(env!("CARGO_MANIFEST_DIR")).args([
            "build",
            "--quiet",
            "--workspace",
            "--bins",
        ]);
        if dir.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success(), "the binaries do not build");
        dir
    })
}
