//! A process's sockets, looked at again and again from outside: every one of them is
//! a listener of its own, a connection to such a listener, a connection to a peer it
//! may have, or a nameless pair that its runtime uses within itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(1);
/// For a socket that no table names to be named, or closed.
const CLOSING: Duration = Duration::from_secs(3);
/// `st` of a listener in `/proc/net/tcp`.
const LISTENS: &str = "0A";

/// Looks until told to end.
pub struct Watch {
    stop: Arc<AtomicBool>,
    looking: JoinHandle<Seen>,
}

/// What was seen.
#[derive(Debug, Default)]
pub struct Seen {
    pub looks: usize,
    /// Allowed peers that it was connected to.
    pub peers: BTreeSet<String>,
    /// Everything that must not be.
    pub strange: Vec<String>,
}

#[derive(Debug, Clone)]
enum Socket {
    Tcp {
        local: String,
        remote: String,
        listens: bool,
    },
    /// Of the Unix family; named ones can be reached by others.
    Unix {
        name: String,
    },
}

impl Watch {
    /// Over a process that listens at `own` and may connect to `may`.
    pub fn over(pid: u32, own: &[String], may: &[String]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let mut looks = Looks {
            pid,
            own: own.to_vec(),
            may: may.to_vec(),
            judged: BTreeSet::new(),
            unnamed: BTreeMap::new(),
            seen: Seen::default(),
        };
        let looking = std::thread::spawn(move || {
            while !told.load(Ordering::SeqCst) {
                looks.look();
                std::thread::sleep(PAUSE);
            }
            looks.seen
        });
        Self { stop, looking }
    }

    pub fn end(self) -> Seen {
        self.stop.store(true, Ordering::SeqCst);
        self.looking.join().unwrap()
    }
}

/// What is looked for, and what was found.
struct Looks {
    pid: u32,
    own: Vec<String>,
    may: Vec<String>,
    /// A socket keeps its number and its peer for life: the tables are read for new
    /// ones only, so that a look takes no time.
    judged: BTreeSet<u64>,
    /// In no table yet, or any more: on their way to a peer, or closed already. One
    /// that stays so is of a family that a planner has no use for.
    unnamed: BTreeMap<u64, Instant>,
    seen: Seen,
}

impl Looks {
    fn look(&mut self) {
        self.seen.looks += 1;
        let held: BTreeSet<u64> = held(self.pid).into_iter().collect();
        self.judged.retain(|inode| held.contains(inode));
        self.unnamed.retain(|inode, _| held.contains(inode));
        let new: Vec<u64> = held.difference(&self.judged).copied().collect();
        if new.is_empty() {
            return;
        }
        let mut tables = known(self.pid);
        for inode in new {
            match tables.remove(&inode) {
                Some(socket) => self.judge(inode, socket),
                None => {
                    let since = self.unnamed.entry(inode).or_insert_with(Instant::now);
                    if since.elapsed() > CLOSING {
                        self.judged.insert(inode);
                        self.seen.strange.push(format!("socket {inode} of no known family"));
                    }
                }
            }
        }
    }

    fn judge(&mut self, inode: u64, socket: Socket) {
        self.judged.insert(inode);
        match socket {
            Socket::Tcp { local, .. } if self.own.contains(&local) => {}
            Socket::Tcp { remote, listens: false, .. } if self.may.contains(&remote) => {
                self.seen.peers.insert(remote);
            }
            Socket::Unix { name } if name.is_empty() => {}
            strange => self.seen.strange.push(format!("{strange:?}")),
        }
    }
}

/// Inodes of the sockets among a process's open files.
fn held(pid: u32) -> Vec<u64> {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let targets = files.filter_map(|file| fs::read_link(file.path()).ok());
    targets
        .filter_map(|target| {
            target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
        })
        .collect()
}

/// Every TCP and Unix socket of its network, by inode.
fn known(pid: u32) -> BTreeMap<u64, Socket> {
    let read =
        |table: &str| fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
    let mut all = BTreeMap::new();
    for line in ["tcp", "tcp6"].map(read).iter().flat_map(|text| text.lines().skip(1)) {
        let parts: Vec<_> = line.split_whitespace().collect();
        let [_, local, remote, state, _, _, _, _, _, inode, ..] = parts.as_slice() else {
            continue;
        };
        let socket = Socket::Tcp {
            local: address(local),
            remote: address(remote),
            listens: *state == LISTENS,
        };
        all.insert(inode.parse().unwrap(), socket);
    }
    for line in read("unix").lines().skip(1) {
        let parts: Vec<_> = line.split_whitespace().collect();
        let Some(inode) = parts.get(6).and_then(|inode| inode.parse().ok()) else { continue };
        let name = parts.get(7).copied().unwrap_or_default().to_owned();
        all.insert(inode, Socket::Unix { name });
    }
    all
}

/// `0100007F:1F90` as `127.0.0.1:8080`; IPv6 stays as the kernel writes it.
fn address(hex: &str) -> String {
    let (host, port) = hex.split_once(':').unwrap();
    let port = u16::from_str_radix(port, 16).unwrap();
    match u32::from_str_radix(host, 16) {
        Ok(host) if hex.len() == 13 => {
            let [a, b, c, d] = host.to_le_bytes();
            format!("{a}.{b}.{c}.{d}:{port}")
        }
        _ => format!("[{host}]:{port}"),
    }
}
