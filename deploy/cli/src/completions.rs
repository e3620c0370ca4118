//! `countersign completions`: completion scripts, generated from the command line itself.

use std::io::{self, Write};
use std::process::ExitCode;

use clap_complete::Shell;

/// Prints the script for `shell`.
pub(crate) fn run(shell: Shell, command: &mut clap::Command) -> anyhow::Result<ExitCode> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, command, name, &mut script);
    io::stdout().write_all(&script)?;
    Ok(ExitCode::from(crate::command::OK))
}
