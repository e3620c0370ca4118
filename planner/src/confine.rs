//! The process locks itself in before it talks to anybody: it may read its own
//! files and connect to its two peers, and nothing else. Works where the kernel
//! has Landlock; where it does not, the start says so.

use std::net::ToSocketAddrs;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, NetPort, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, path_beneath_rules,
};

use crate::config::{Config, KnowledgeConfig};

/// The kernel interface that the rules are written for; older kernels enforce
/// what they know.
const WRITTEN_FOR: ABI = ABI::V5;

/// What the process still needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs {
    /// Read, with everything beneath.
    pub read: Vec<PathBuf>,
    /// Read and written, with everything beneath.
    pub write: Vec<PathBuf>,
    /// TCP ports to connect to.
    pub ports: Vec<u16>,
}

/// Name resolution, loaded libraries, time zones.
const SYSTEM: &[&str] = &[
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/dev/null",
    "/dev/urandom",
];
/// Public certificate authorities, for model servers.
const AUTHORITIES: &[&str] =
    &["/etc/ssl", "/etc/pki", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates"];
/// Name resolution over TCP.
const DNS: u16 = 53;

impl Needs {
    /// What this configuration asks for. A folder is named where files in it are
    /// replaced while the process runs, so keep nobody else's secrets beside them.
    #[must_use]
    pub fn of(config: &Config, ready_file: Option<&Path>) -> Self {
        let mut read: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
        let tls = [
            Some(&config.tls.cert),
            Some(&config.tls.key),
            Some(&config.tls.ca),
            config.tls.crl.as_ref(),
        ];
        let chat = config.chat.as_ref().and_then(|chat| chat.tls.as_ref());
        let chat = chat.into_iter().flat_map(|chat| [&chat.cert, &chat.key]);
        let tls = tls.into_iter().flatten().chain(chat);
        read.extend(tls.filter_map(|path| path.parent()).map(Path::to_owned));
        let mut ports: Vec<u16> = port(&config.executor.address).into_iter().chain([DNS]).collect();
        for server in config.model.servers() {
            read.extend(AUTHORITIES.iter().map(PathBuf::from));
            ports.extend(server.url.port_or_known_default());
        }
        if let Some(KnowledgeConfig::Search(search)) = &config.knowledge {
            read.extend(AUTHORITIES.iter().map(PathBuf::from));
            ports.extend(search.url.port_or_known_default());
        }
        if let Some(store) = &config.store {
            read.extend(store.files().filter_map(Path::parent).map(Path::to_owned));
            if !store.postgres.host.starts_with('/') {
                ports.push(store.postgres.port);
            }
        }
        if let Some(telemetry) = &config.telemetry {
            ports.extend(port(telemetry.otlp.trim_end_matches('/')));
        }
        let folder = |file: &Path| {
            std::path::absolute(file).ok().and_then(|f| f.parent().map(Path::to_owned))
        };
        let write = ready_file.and_then(folder).into_iter().chain(config.state.clone()).collect();
        Self { read, write, ports }
    }
}

fn port(address: &str) -> Option<u16> {
    let written = address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    written.or_else(|| address.to_socket_addrs().ok()?.next().map(|a| a.port()))
}

/// How much of it the kernel enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confined {
    /// Everything asked for.
    Fully,
    /// Files, perhaps not connections: an older kernel.
    Partly,
    /// Nothing: the kernel has no Landlock, or it is switched off.
    Not,
}

/// Locks the calling thread in, and every thread it starts from then on: call it
/// before there are others. There is no way back.
///
/// # Errors
/// When the kernel takes a rule back that it said it knows.
pub fn confine(needs: &Needs) -> Result<Confined, RulesetError> {
    let everything = AccessFs::from_all(WRITTEN_FOR);
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(everything)?
        .handle_access(AccessNet::ConnectTcp)?
        .create()?
        .add_rules(path_beneath_rules(&needs.read, AccessFs::from_read(WRITTEN_FOR)))?
        .add_rules(path_beneath_rules(&needs.write, everything))?
        .add_rules(
            needs
                .ports
                .iter()
                .map(|port| Ok::<_, RulesetError>(NetPort::new(*port, AccessNet::ConnectTcp))),
        )?
        .restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Confined::Fully,
        RulesetStatus::PartiallyEnforced => Confined::Partly,
        RulesetStatus::NotEnforced => Confined::Not,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

    use super::*;

    #[test]
    fn certificates_are_read_again_also_those_of_the_chat() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("planner.yaml");
        let yaml = "listen: a\nadmin: a\ntls: { cert: own/a, key: own/a, ca: own/a }\ncallers: []\n\
            executor: { address: a, id: \"spiffe://shop.example/executor\" }\n\
            chat:\n  listen: a\n  tls: { cert: shown/a, key: hidden/a }\n  frontends:\n    - name: web\n      keys: keys\n\
            \x20     subject: { token: X-Subject-Token }\n      conversation: X-Chat\n";
        std::fs::write(&file, yaml).unwrap();
        let needs = Needs::of(&Config::load(&file).unwrap(), None);
        for read in ["own", "shown", "hidden"] {
            assert!(needs.read.contains(&folder.path().join(read)), "{read}: {needs:?}");
        }
    }

    /// In a thread of its own: the restriction ends with it.
    #[test]
    fn a_confined_thread_reads_and_connects_only_where_it_may() {
        let told = std::thread::spawn(|| {
            let own = tempfile::tempdir().unwrap();
            let others = tempfile::tempdir().unwrap();
            for folder in [&own, &others] {
                std::fs::write(folder.path().join("file"), "x").unwrap();
            }
            let open = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let shut = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let needs = Needs {
                read: vec![own.path().to_owned()],
                write: vec![],
                ports: vec![open.local_addr().unwrap().port()],
            };
            let confined = confine(&needs).unwrap();
            let reads = |folder: &Path| std::fs::read(folder.join("file")).is_ok();
            let connects = |to: &std::net::TcpListener| {
                std::net::TcpStream::connect(to.local_addr().unwrap()).is_ok()
            };
            assert!(reads(own.path()) && connects(&open));
            match confined {
                Confined::Fully => assert!(!reads(others.path()) && !connects(&shut)),
                Confined::Partly => assert!(!reads(others.path())),
                Confined::Not => println!("skipped: this kernel has no Landlock"),
            }
            confined
        });
        println!("confined: {:?}", told.join().unwrap());
    }
}
