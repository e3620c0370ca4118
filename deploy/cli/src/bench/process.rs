//! The processes that are compared: started, watched, stopped.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Deserialize;
use tokio::process::{Child, Command};

use super::postgres::Database;
use crate::guard::Guard;

/// For a process to say that it is ready.
const START: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Lines of a log that are shown when its process fails.
const TAIL: usize = 15;

/// What a process writes once it listens.
#[derive(Debug, Deserialize)]
struct Listening {
    grpc: String,
}

/// A process that listens.
#[derive(Debug, Clone)]
pub(super) struct Process {
    pub(super) id: u32,
    pub(super) address: String,
    /// From its start until it listened.
    pub(super) started: Duration,
}

/// Every process of the benchmark.
#[derive(Debug, Default)]
pub(super) struct Running {
    guard: Option<Guard>,
    children: Vec<Child>,
    group: u32,
    database: Option<Database>,
}

/// What to start.
#[derive(Debug)]
pub(super) struct Start<'a> {
    pub(super) name: &'a str,
    pub(super) program: &'a Path,
    pub(super) arguments: Vec<OsString>,
    /// The benchmark's folder.
    pub(super) dir: &'a Path,
    /// This program, for the guard.
    pub(super) own: &'a Path,
}

impl Running {
    /// Starts a process and waits until it listens. Its output goes to `NAME.log`.
    pub(super) async fn start(&mut self, start: &Start<'_>) -> anyhow::Result<Process> {
        let log = start.dir.join(format!("{}.log", start.name));
        let ready = ready_file(start.dir, start.name);
        let out = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let began = Instant::now();
        let mut command = Command::new(start.program);
        command
            .args(&start.arguments)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            // A group apart from the terminal's: Ctrl-C is the benchmark's to answer.
            .process_group(i32::try_from(self.group).unwrap_or_default())
            .kill_on_drop(true);
        let child = command.spawn();
        let mut child =
            child.with_context(|| format!("cannot start {}", start.program.display()))?;
        let id = child.id().with_context(|| format!("the {} ended at once", start.name))?;
        if self.guard.is_none() {
            // The first process leads the group that the others join.
            (self.guard, self.group) = (Some(Guard::over(id, start.own)?), id);
        }
        let listening = listening(&mut child, start.name, &ready, began).await;
        let started = began.elapsed();
        self.children.push(child);
        let address = listening.map_err(|e| e.context(tail(&log)))?.grpc;
        Ok(Process { id, address, started })
    }

    /// Makes the database, which goes with the processes.
    pub(super) async fn create(&mut self, database: Database) -> anyhow::Result<&Database> {
        // Known before it exists, so that it goes whatever ends this.
        let database = self.database.insert(database);
        database.create().await?;
        Ok(database)
    }

    /// Ends every process and removes the database; what they know is nobody's.
    pub(super) async fn stop(&mut self) -> anyhow::Result<()> {
        for mut child in self.children.drain(..) {
            // It may be gone already.
            let _gone = child.kill().await;
        }
        if let Some(guard) = self.guard.take() {
            guard.dismiss();
        }
        match self.database.take() {
            Some(database) => database.remove().await,
            None => Ok(()),
        }
    }
}

/// The file in which the process of this name says where it listens.
pub(super) fn ready_file(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.ready"))
}

async fn listening(
    child: &mut Child,
    name: &str,
    ready: &Path,
    began: Instant,
) -> anyhow::Result<Listening> {
    loop {
        if let Ok(text) = fs::read_to_string(ready) {
            return serde_json::from_str(&text)
                .with_context(|| format!("the {name}'s ready file says {text:?}"));
        }
        if let Some(status) = child.try_wait()? {
            anyhow::bail!("the {name} ended while starting ({status})");
        }
        let late = START.as_secs();
        anyhow::ensure!(began.elapsed() < START, "the {name} was not ready after {late} s");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().map(crate::text::printable).collect();
    let last = lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default();
    let shown: Vec<_> = last.iter().map(|line| format!("  | {line}")).collect();
    format!("the end of its log:\n{}", shown.join("\n"))
}

/// Processor time that a process has used, where the system tells (Linux).
pub(super) fn processor_time(id: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // After the name, which may hold anything: state is field 0, utime 11, stime 12.
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    // A tick is 10 ms on every Linux that Rust runs on.
    Some(Duration::from_millis(10 * (ticks(11)? + ticks(12)?)))
}

/// Bytes of memory that a process holds, where the system tells (Linux).
pub(super) fn resident(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_of_this_process() {
        let own = std::process::id();
        assert!(processor_time(own).is_some());
        assert!(resident(own).is_some_and(|bytes| bytes > 100 * 1024), "{:?}", resident(own));
    }
}
