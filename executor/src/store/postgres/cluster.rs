//! For tests: a PostgreSQL of one's own, on a Unix socket, gone with the value. Where the
//! server is not installed, tests fail and say so.
#![allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests; not every one needs all of it"
)]

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// The role and the database of tests.
pub(crate) const USER: &str = "countersign";

/// A running server with a database `postgres`, owned by [`USER`].
pub(crate) struct Cluster {
    folder: TempDir,
    port: String,
    server: Child,
}

impl Cluster {
    /// With settings beside the defaults, such as `fsync=off`.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        if root() {
            succeed(Command::new("chown").arg("postgres").arg(folder.path()));
        }
        let data = folder.path().join("data");
        let mut init = owned(&tool("initdb"));
        init.args([
            "--no-locale",
            "--encoding=UTF8",
            "--no-sync",
            "--auth=trust",
            "-U",
            USER,
            "-D",
        ]);
        succeed(init.arg(&data));
        let server = Self::serve(folder.path(), settings);
        let cluster = Self { folder, port: "5432".to_owned(), server };
        cluster.ready();
        cluster
    }

    /// Ends with the thread that starts it, also where that is killed.
    fn serve(folder: &Path, settings: &[&str]) -> Child {
        let mut server = Command::new("setpriv");
        server.arg("--pdeathsig=KILL");
        if root() {
            server.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
        }
        server.arg(tool("postgres")).arg("-D").arg(folder.join("data")).arg("-k").arg(folder);
        server.args(["-c", "listen_addresses="]);
        for setting in settings {
            server.args(["-c", setting]);
        }
        let log = std::fs::File::create(folder.join("log")).unwrap();
        server.stdout(Stdio::null()).stderr(log).spawn().expect("setpriv of util-linux")
    }

    /// Also on this port of the loopback address, with this certificate and its key, in PEM.
    pub(crate) fn restart_with_tls(&mut self, port: u16, certificate: &str, key: &str) {
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let file = self.folder.path().join("data").join(name);
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
            if root() {
                succeed(Command::new("chown").arg("postgres").arg(&file));
            }
        }
        self.stop();
        let port = format!("port={port}");
        self.server =
            Self::serve(self.folder.path(), &["ssl=on", "listen_addresses=127.0.0.1", &port]);
        self.port = port.replace("port=", "");
        self.ready();
    }

    fn ready(&self) {
        for _ in 0..1500 {
            let mut ask = Command::new(tool("pg_isready"));
            ask.args(["-p", &self.port]);
            if ask.arg("-q").arg("-h").arg(self.host()).status().is_ok_and(|s| s.success()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("PostgreSQL does not start:\n{}", self.log());
    }

    /// Folder of the socket: what `host` takes.
    pub(crate) fn host(&self) -> &Path {
        self.folder.path()
    }

    /// What the server said.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Runs SQL as the owner; answers with its rows, tab by tab.
    pub(crate) fn sql(&self, sql: &str) -> String {
        let mut psql = Command::new(tool("psql"));
        psql.args(["-X", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-U", USER]);
        psql.args(["-d", "postgres", "-p", &self.port, "-c", sql]).arg("-h").arg(self.host());
        String::from_utf8(succeed(&mut psql).stdout).unwrap().trim().to_owned()
    }

    /// Copies the database into a file, as its own tool does.
    pub(crate) fn dump(&self, file: &Path) {
        let mut dump = Command::new(tool("pg_dump"));
        dump.args(["--format=custom", "--serializable-deferrable", "-U", USER, "-p", &self.port]);
        succeed(dump.arg("-h").arg(self.host()).arg("-f").arg(file).arg("postgres"));
    }

    /// Puts such a copy in the place of what is there.
    pub(crate) fn restore(&self, file: &Path) {
        let mut restore = Command::new(tool("pg_restore"));
        restore.args(["--clean", "--if-exists", "--single-transaction", "-U", USER]);
        restore.args(["-d", "postgres", "-p", &self.port]).arg("-h").arg(self.host());
        succeed(restore.arg(file));
    }

    /// Stops it as a crash does, and starts it again with other settings.
    pub(crate) fn restart(&mut self, settings: &[&str]) {
        self.stop();
        self.server = Self::serve(self.folder.path(), settings);
        self.ready();
    }

    /// Makes it a standby that follows nobody.
    pub(crate) fn restart_as_standby(&mut self) {
        self.stop();
        std::fs::write(self.folder.path().join("data/standby.signal"), "").unwrap();
        self.server = Self::serve(self.folder.path(), &[]);
        self.ready();
    }

    /// As a crash does.
    pub(crate) fn stop(&mut self) {
        let pid = self.server.id().to_string();
        let _ = Command::new("kill").args(["-QUIT", &pid]).status();
        let _ = self.server.wait();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

fn root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id");
    id.stdout == b"0\n"
}

/// A program of the newest version that is installed.
fn tool(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |path: &Path| path.file_name().and_then(OsStr::to_str)?.parse::<u32>().ok();
    let newest = versions.map(|entry| entry.path()).max_by_key(|path| number(path));
    let newest =
        newest.expect("no PostgreSQL under /usr/lib/postgresql: install Debian's `postgresql`");
    newest.join("bin").join(name)
}

/// The server refuses to run as root.
fn owned(program: &Path) -> Command {
    if !root() {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program);
    command
}

fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    output
}
