//! The two processes that are compared, and how much processor time they use.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Where a process says that it is ready, below the benchmark's folder.
pub const READY: &str = "forwarder.ready";

/// A process; it goes with the benchmark.
pub struct Process {
    child: Child,
    grpc: String,
}

/// The real executor.
pub fn executor(binary: &Path, dir: &Path) -> Process {
    let mut command = Command::new(binary);
    command.arg("--config").arg(dir.join("executor.yaml"));
    command.arg("--ready-file").arg(dir.join("executor.ready"));
    start(command, dir, "executor.ready")
}

/// This program again, as the forwarder.
pub fn forwarder(dir: &Path) -> Process {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("--forward-in").arg(dir);
    start(command, dir, READY)
}

impl Process {
    pub fn address(&self) -> &str {
        &self.grpc
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor time that a process has used, where the system tells (Linux).
pub fn processor_time(id: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // After the name, which may hold anything: state is field 0, utime 11, stime 12.
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    // A tick is 10 ms on every Linux that Rust runs on.
    Some(Duration::from_millis(10 * (ticks(11)? + ticks(12)?)))
}

fn start(mut command: Command, dir: &Path, ready: &str) -> Process {
    let log = fs::File::create(dir.join(ready).with_extension("log")).unwrap();
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let mut child = command.spawn().unwrap();
    let began = Instant::now();
    loop {
        if let Ok(text) = fs::read_to_string(dir.join(ready)) {
            let said: Value = serde_json::from_str(&text).unwrap();
            return Process { child, grpc: said["grpc"].as_str().unwrap().to_owned() };
        }
        let gone = child.try_wait().unwrap();
        if gone.is_some() || began.elapsed() > Duration::from_secs(30) {
            let _ = child.kill();
            let log = fs::read_to_string(dir.join(ready).with_extension("log")).unwrap();
            panic!("{ready} did not come ({gone:?}):\n{log}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Builds the executor, which is nothing when it is fresh.
pub fn build() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    // target/release/deps/actions-… → target/release
    let dir = own.parent().unwrap().parent().unwrap();
    assert!(dir.ends_with("release"), "run it with `cargo bench --bench actions`");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut build = Command::new(cargo);
    build.current_dir(root).args(["build", "--quiet", "--release", "--bin", "executor"]);
    assert!(build.status().unwrap().success(), "the executor does not build");
    dir.join("executor")
}
