//! Where the programs are that the demo and the benchmark start.

use std::env;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

/// The programs.
#[derive(Debug, Clone)]
pub(crate) struct Binaries {
    /// This program.
    pub(crate) own: PathBuf,
    beside: PathBuf,
}

impl Binaries {
    /// One of those that were looked for.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.beside.join(name)
    }
}

/// Finds them beside this program; under `cargo run` builds them first, so that they are of the
/// same source.
pub(crate) fn find(names: &[&str]) -> anyhow::Result<Binaries> {
    let own = env::current_exe().context("cannot tell where this program is")?;
    // Asked before building: a program that was replaced while it runs no longer knows its place.
    let beside = own.parent().context("this program lies in no folder")?.to_owned();
    let command = command(names, beside.file_name().and_then(OsStr::to_str).unwrap_or_default());
    if let Some(cargo) = env::var_os("CARGO") {
        build(&cargo, names, &command)?;
    }
    if let Some(missing) = names.iter().map(|name| beside.join(name)).find(|p| !p.is_file()) {
        anyhow::bail!("{} is not there: build it with `{}`", missing.display(), command.join(" "));
    }
    Ok(Binaries { own, beside })
}

fn build(cargo: &OsStr, names: &[&str], command: &[&str]) -> anyhow::Result<()> {
    let names = names.join(", ");
    writeln!(io::stderr(), "Building {names} (nothing to do when fresh)…")?;
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
///
/// `folder` is where cargo puts them, which it names after the profile.
fn command<'a>(names: &[&'a str], folder: &'a str) -> Vec<&'a str> {
    let names = ["countersign"].into_iter().chain(names.iter().copied());
    let bins = names.flat_map(|name| ["--bin", name]);
    let profile = match folder {
        "release" => vec!["--release"],
        "dist" => vec!["--profile", "dist"],
        _ => vec![],
    };
    ["cargo", "build", "--workspace"].into_iter().chain(profile).chain(bins).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_is_named_builds_all_of_them() {
        let line = command(&["executor", "sandbox"], "release").join(" ");
        assert_eq!(
            line,
            "cargo build --workspace --release --bin countersign --bin executor --bin sandbox"
        );
        let line = |folder| command(&["executor"], folder).join(" ");
        assert_eq!(line("debug"), "cargo build --workspace --bin countersign --bin executor");
        let shipped = "cargo build --workspace --profile dist --bin countersign --bin executor";
        assert_eq!(line("dist"), shipped);
    }
}
