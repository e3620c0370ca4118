//! A service as a process of its own.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::Value;

use super::bins;

/// A service that runs; it ends when dropped.
pub struct Service {
    child: Mutex<Child>,
    pub grpc: String,
    /// Where `/readyz` is.
    pub admin: String,
    /// Where chat is served over HTTP; empty where it is not.
    pub chat: String,
}

/// What is started, and with what around it.
#[derive(Clone)]
pub struct Launch {
    pub program: PathBuf,
    pub environment: Vec<(&'static str, String)>,
}

impl Launch {
    /// The program of this name, as it ships.
    pub fn shipped(name: &str) -> Self {
        Self { program: bins::dir().join(name), environment: vec![] }
    }

    /// With this in its environment as well.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.environment.push((name, value.to_string()));
        self
    }

    /// Starts the service that `NAME.yaml` in the folder configures, and waits until it
    /// serves.
    ///
    /// # Errors
    /// How it ended where it did not come that far.
    pub fn start(&self, name: &str, dir: &Path, logs: &str) -> Result<Service, ExitStatus> {
        let ready = dir.join(format!("{name}.ready"));
        let _ = fs::remove_file(&ready);
        let log = dir.join(format!("{name}.log"));
        let log = fs::File::options().create(true).append(true).open(log).unwrap();
        let mut child = Command::new(&self.program)
            .arg("--config")
            .arg(dir.join(format!("{name}.yaml")))
            .arg("--ready-file")
            .arg(&ready)
            .env("RUST_LOG", logs)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let began = Instant::now();
        loop {
            if let Ok(text) = fs::read_to_string(&ready) {
                let said: Value = serde_json::from_str(&text).unwrap();
                let address = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
                let child = Mutex::new(child);
                let [grpc, admin, chat] = ["grpc", "admin", "chat"].map(address);
                return Ok(Service { child, grpc, admin, chat });
            }
            if began.elapsed() > Duration::from_secs(60) {
                let _ = child.kill();
            }
            if let Some(gone) = child.try_wait().unwrap() {
                return Err(gone);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Service {
    pub fn pid(&self) -> u32 {
        self.child.lock().id()
    }

    pub fn is_gone(&self) -> bool {
        self.child.lock().try_wait().unwrap().is_some()
    }

    /// The signal that ended it.
    pub fn ended_by(&self) -> Option<i32> {
        self.child.lock().wait().unwrap().signal()
    }

    /// Waits until it has ended by itself.
    pub fn ends(&self) {
        self.child.lock().wait().unwrap();
    }

    /// Tells it to stop, as whoever supervises it does.
    pub fn terminate(&self) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    /// Whether it has ended by itself, and well.
    pub fn ended_well(&self) -> Option<bool> {
        self.child.lock().try_wait().unwrap().map(|status| status.success())
    }

    /// Ends it without a word; nothing where it has ended.
    pub fn stop(&self) {
        let mut child = self.child.lock();
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts the service that `NAME.yaml` in the folder configures.
pub fn start(name: &str, dir: &Path, logs: &str) -> Service {
    Launch::shipped(name).start(name, dir, logs).unwrap_or_else(|gone| {
        let log = fs::read_to_string(dir.join(format!("{name}.log"))).unwrap();
        panic!("{name} did not start ({gone}):\n{log}");
    })
}
