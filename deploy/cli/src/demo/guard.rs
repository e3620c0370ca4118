//! Ends the demo's processes when the demo itself is gone, however it went.
//!
//! A process of its own holds one end of a pipe and the demo the other. When the demo ends in any
//! way, the pipe closes; then whatever is left of the process group is ended.

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
pub struct GuardArgs {
    /// The process group to end.
    group: i32,
}

/// Waits for the demo to be gone and ends its processes.
///
/// # Errors
/// When the number is no process group.
pub fn guard(args: &GuardArgs) -> anyhow::Result<ExitCode> {
    let group = Pid::from_raw(args.group).filter(|_| args.group > 1);
    let group = group.context("not a process group")?;
    // Any end of the pipe is the end of the demo.
    let _ended = io::stdin().lock().read_to_end(&mut Vec::new());
    let _gone = kill_process_group(group, Signal::TERM);
    thread::sleep(GRACE);
    let _gone = kill_process_group(group, Signal::KILL);
    Ok(ExitCode::from(OK))
}

/// A guard that watches this process.
#[derive(Debug)]
pub(super) struct Guard(Child);

impl Guard {
    /// Starts a guard over a process group; `own` is this program.
    pub(super) fn over(group: u32, own: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(own);
        command.arg("demo-guard").arg(group.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Not in the terminal's group: Ctrl-C must not reach it before the demo has answered.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        Ok(Self(command.spawn().context("cannot start the demo's guard")?))
    }

    /// Ends the guard, once there is nothing left to guard.
    pub(super) fn dismiss(mut self) {
        // It may have ended by itself.
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}
