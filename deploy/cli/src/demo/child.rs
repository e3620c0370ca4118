//! One process of the demo: started, waited for, stopped.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child as Process, Command};

use super::users::Who;

/// For a process to say that it is ready.
const START: Duration = Duration::from_secs(30);
/// For a process to end by itself.
const STOP: Duration = Duration::from_secs(12);
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// Lines of a log that are shown when its process fails.
const TAIL: usize = 15;
/// What the processes get of this one's environment: nothing that could hold a secret.
const ENVIRONMENT: [&str; 6] =
    ["PATH", "RUST_LOG", "RUST_BACKTRACE", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"];

/// What to start.
#[derive(Debug)]
pub(super) struct Start<'a> {
    pub(super) who: Who,
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
    /// The demo's state folder.
    pub(super) state: &'a Path,
    /// The file that the process writes once it listens.
    pub(super) ready: PathBuf,
    /// Numeric user and group; this process's own where there is none.
    pub(super) user: Option<u32>,
    /// The process group to join; a new one where there is none.
    pub(super) group: Option<u32>,
}

/// A process that was started.
#[derive(Debug)]
pub(super) struct Child {
    who: Who,
    process: Process,
    pid: u32,
    log: PathBuf,
}

impl Child {
    /// Starts a process; its output goes to `logs/NAME.log`.
    pub(super) fn start(start: &Start<'_>) -> anyhow::Result<Self> {
        let name = start.who.name();
        let log = start.state.join("logs").join(format!("{name}.log"));
        let out = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        // One of an earlier run would tell an address where nobody listens.
        if start.ready.exists() {
            fs::remove_file(&start.ready)?;
        }
        let mut command = Command::new(&start.program);
        command
            .args(&start.arguments)
            .current_dir(start.state.join(name))
            .env_clear()
            .envs(ENVIRONMENT.into_iter().filter_map(|name| Some((name, env::var_os(name)?))))
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            // A group apart from the terminal's: Ctrl-C is the demo's to answer, in order.
            .process_group(start.group.and_then(|g| i32::try_from(g).ok()).unwrap_or(0))
            .kill_on_drop(true);
        if let Some(id) = start.user {
            command.uid(id).gid(id);
        }
        let process = command.spawn();
        let process =
            process.with_context(|| format!("cannot start {}", start.program.display()))?;
        let pid = process.id().with_context(|| format!("the {name} ended at once"))?;
        Ok(Self { who: start.who, process, pid, log })
    }

    pub(super) fn who(&self) -> Who {
        self.who
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// What the process writes into `file` once it listens.
    pub(super) async fn ready(&mut self, file: &Path) -> anyhow::Result<String> {
        let until = Instant::now() + START;
        loop {
            if let Ok(text) = fs::read_to_string(file) {
                return Ok(text);
            }
            self.alive(until)?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until its status page says that it is ready.
    pub(super) async fn healthy(
        &mut self,
        client: &reqwest::Client,
        url: &str,
    ) -> anyhow::Result<()> {
        let until = Instant::now() + START;
        loop {
            let answer = client.get(url).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            self.alive(until)?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Asks it to end, and ends it where it does not.
    pub(super) async fn stop(mut self) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        // It is gone, or it is ours to signal: either way there is nothing to report.
        let _gone = pid.map(|pid| kill_process(pid, Signal::TERM));
        if tokio::time::timeout(STOP, self.process.wait()).await.is_err() {
            let _gone = self.process.kill().await;
        }
    }

    fn alive(&mut self, until: Instant) -> anyhow::Result<()> {
        let name = self.who.name();
        if let Some(status) = self.process.try_wait()? {
            anyhow::bail!("the {name} ended while starting ({status}).\n{}", self.tail());
        }
        let late = START.as_secs();
        anyhow::ensure!(
            Instant::now() < until,
            "the {name} was not ready after {late} s.\n{}",
            self.tail()
        );
        Ok(())
    }

    /// The end of its log, and where the rest is.
    fn tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().map(crate::text::printable).collect();
        let last = lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default();
        let shown: Vec<_> = last.iter().map(|line| format!("  | {line}")).collect();
        format!(
            "The end of its log:\n{}\nRun the demo again with --state DIR to keep the whole log, and RUST_LOG=debug to have more in it.",
            shown.join("\n"),
        )
    }
}
