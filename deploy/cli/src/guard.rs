//! Ends the processes of a demo or a benchmark when it is gone itself, however it went.
//!
//! A process of its own holds one end of a pipe and the command the other. When the command ends in
//! any way, the pipe closes; then whatever is left of the process group is ended.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::command::OK;

/// Between asking and ending.
const GRACE: Duration = Duration::from_secs(3);

/// What the guard takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The process group to end.
    group: i32,
}

/// Waits for the command to be gone and ends its processes.
///
/// # Errors
/// When the number is no process group.
pub(crate) fn guard(args: &Args) -> anyhow::Result<ExitCode> {
    let group = Pid::from_raw(args.group).filter(|_| args.group > 1);
    let group = group.context("not a process group")?;
    // Any end of the pipe is the end of the command.
    let _ended = io::stdin().lock().read_to_end(&mut Vec::new());
    let _gone = kill_process_group(group, Signal::TERM);
    thread::sleep(GRACE);
    let _gone = kill_process_group(group, Signal::KILL);
    Ok(ExitCode::from(OK))
}

/// A guard that watches this process.
#[derive(Debug)]
pub(crate) struct Guard(Child);

impl Guard {
    /// Starts a guard over a process group; `own` is this program.
    pub(crate) fn over(group: u32, own: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(own);
        command.arg("guard").arg(group.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Not in the terminal's group: Ctrl-C must not reach it before the command has answered.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        Ok(Self(command.spawn().context("cannot start the guard over its processes")?))
    }

    /// Ends the guard, once there is nothing left to guard.
    pub(crate) fn dismiss(mut self) {
        // It may have ended by itself.
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}
