//! Where the three programs are that the demo starts.

use std::env;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

const NAMES: [&str; 3] = ["executor", "planner", "sandbox"];

/// The programs.
#[derive(Debug, Clone)]
pub(super) struct Binaries {
    /// This program.
    pub(super) own: PathBuf,
    pub(super) executor: PathBuf,
    pub(super) planner: PathBuf,
    pub(super) sandbox: PathBuf,
}

/// Finds them beside this program; under `cargo run` builds them first, so that they are of the
/// same source.
pub(super) fn find() -> anyhow::Result<Binaries> {
    let own = env::current_exe().context("cannot tell where this program is")?;
    // Asked before building: a program that was replaced while it runs no longer knows its place.
    let beside = own.parent().context("this program lies in no folder")?;
    let release = beside.file_name() == Some(OsStr::new("release"));
    if let Some(cargo) = env::var_os("CARGO") {
        build(&cargo, release)?;
    }
    if let Some(missing) = NAMES.map(|name| beside.join(name)).into_iter().find(|p| !p.is_file()) {
        anyhow::bail!(
            "{} is not there: build it with `{}`",
            missing.display(),
            command(release).join(" "),
        );
    }
    let [executor, planner, sandbox] = NAMES.map(|name| beside.join(name));
    Ok(Binaries { own, executor, planner, sandbox })
}

fn build(cargo: &OsStr, release: bool) -> anyhow::Result<()> {
    let command = command(release);
    writeln!(
        io::stderr(),
        "Building executor, planner and sandbox (nothing to do when they are fresh)…"
    )?;
    let mut build = Command::new(cargo);
    build.args(command.iter().skip(1)).stdout(io::stderr());
    if let Some(inside) = env::var_os("CARGO_MANIFEST_DIR").filter(|dir| Path::new(dir).is_dir()) {
        build.current_dir(inside);
    }
    let ended = build.status().context("cannot start cargo")?;
    anyhow::ensure!(ended.success(), "`{}` failed; its messages are above", command.join(" "));
    Ok(())
}

/// This program is among them although it runs: what all of them use is then built once, in the one
/// way in which `cargo run` has built it already.
fn command(release: bool) -> Vec<&'static str> {
    let names = ["countersign"].into_iter().chain(NAMES);
    let bins = names.flat_map(|name| ["--bin", name]);
    let release = release.then_some("--release");
    ["cargo", "build", "--workspace"].into_iter().chain(release).chain(bins).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_is_named_builds_all_three() {
        let line = command(true).join(" ");
        assert_eq!(
            line,
            "cargo build --workspace --release --bin countersign --bin executor --bin planner --bin sandbox"
        );
        assert!(!command(false).contains(&"--release"));
    }
}
