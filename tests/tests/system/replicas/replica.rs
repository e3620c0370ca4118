//! One executor of several: a process with a state folder of its own.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use countersign::pki::Role;
use countersign_proto::v1::executor_client::ExecutorClient;
use countersign_shared::mtls::Channel;

use super::place::Place;
use crate::support::bins;
use crate::support::cluster::{Cluster, USER};

/// As short as it may be.
pub const LEASE: Duration = Duration::from_secs(6);

/// A running executor; it ends when dropped.
pub struct Replica {
    number: usize,
    folder: PathBuf,
    address: String,
    child: Child,
}

/// Half a lease, at most.
pub fn shorten_requests(place: &Place) {
    let connector = place.dir().join("till/connector.yaml");
    let text = fs::read_to_string(&connector).unwrap();
    fs::write(connector, text.replace("timeout: 5s", "timeout: 3s")).unwrap();
}

impl Replica {
    /// The place's executor, with a folder and an address of its own.
    pub fn start(place: &Place, cluster: &Cluster, number: usize) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let folder = place.dir().to_owned();
        let config = fs::read_to_string(folder.join("executor.yaml")).unwrap();
        let config = config.replace("listen: 127.0.0.1:0", &format!("listen: {free}"));
        let config = config.replace("state: state", &format!("state: state-{number}"));
        let (host, lease) = (cluster.host().display(), LEASE.as_secs());
        let store = format!(
            "store: {{ postgres: {{ host: {host}, database: postgres, user: {USER}, tls: off, lease: {lease}s }} }}\n"
        );
        fs::write(folder.join(format!("{number}.yaml")), format!("{config}{store}")).unwrap();
        let child = spawn(&bins::dir().join("executor"), &folder, number, None);
        let replica = Self { number, folder, address: free.to_string(), child };
        replica.ready();
        replica
    }

    /// Another process on the same folder.
    pub fn start_again(&mut self) {
        self.child = spawn(&bins::dir().join("executor"), &self.folder, self.number, None);
        self.ready();
    }

    /// Another process on the same folder, up to where it ends itself.
    pub fn dies_at(&mut self, place: &str) {
        let (mortal, aim) = (bins::mortal().clone(), ("COUNTERSIGN_KILL_AT", place));
        self.child = spawn(&mortal, &self.folder, self.number, Some(aim));
        let began = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(began.elapsed() < Duration::from_secs(60), "it does not come to {place}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn client(&self, place: &Place) -> ExecutorClient<Channel> {
        ExecutorClient::new(place.channel(Role::Planner, &self.address))
    }

    /// Its folder's name among executors.
    pub fn name(&self) -> String {
        fs::read_to_string(self.state().join("executor.id")).unwrap()
    }

    pub fn state(&self) -> PathBuf {
        self.folder.join(format!("state-{}", self.number))
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Goes on after it was stopped, and waits until it has ended by itself; answers with what it
    /// said from there on. What it was at may have the last word.
    pub fn wakes_and_ends(&mut self) -> String {
        let before = self.log().len();
        self.signal("CONT");
        let status = self.child.wait().unwrap();
        assert!(!status.success(), "it ended as if nothing had happened");
        self.log().split_off(before)
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join(format!("{}.log", self.number))).unwrap()
    }

    fn ready(&self) {
        let (ready, began) = (self.folder.join(format!("{}.ready", self.number)), Instant::now());
        while !ready.exists() {
            assert!(began.elapsed() < Duration::from_secs(60), "{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Its folder may be gone by now.
        let log = fs::read_to_string(self.folder.join(format!("{}.log", self.number)));
        if let (true, Ok(log)) = (std::thread::panicking(), log) {
            println!("--- executor {}:\n{log}", self.number);
        }
    }
}

fn spawn(program: &Path, folder: &Path, number: usize, environment: Option<(&str, &str)>) -> Child {
    let ready = folder.join(format!("{number}.ready"));
    let _ = fs::remove_file(&ready);
    let log = folder.join(format!("{number}.log"));
    let log = fs::File::options().create(true).append(true).open(log).unwrap();
    Command::new(program)
        .envs(environment)
        .arg("--config")
        .arg(folder.join(format!("{number}.yaml")))
        .arg("--ready-file")
        .arg(ready)
        .env("RUST_LOG", "warn,countersign_executor=info")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}
