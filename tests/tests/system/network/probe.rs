//! Whether somebody gets somewhere, tried from where they are.

use std::process::{Command, Stdio};

use super::cable::{
    BACKEND, DATABASE, EXECUTOR, FRONTEND, INTERNET, MODEL, NAMES, Network, PLANNER, SECRETS,
    STRANGER,
};

/// Every address and port of the world that somebody listens on.
pub const LISTENED: [(&str, u16); 10] = [
    (MODEL, 443),
    (MODEL, 80),
    (BACKEND, 443),
    (BACKEND, 80),
    (DATABASE, 5432),
    (SECRETS, 8200),
    (INTERNET, 443),
    (INTERNET, 53),
    (NAMES, 53),
    (FRONTEND, 8080),
];
const WORLD: &str = "world";

/// One try.
#[derive(Debug)]
pub struct Probe {
    place: &'static str,
    /// Which of the place's addresses; the first one where empty.
    from: &'static str,
    to: (&'static str, u16),
    /// Whether the policies open it.
    pub open: bool,
}

impl Probe {
    pub fn all() -> Vec<Self> {
        let open = |place, from, to| Self { place, from, to, open: true };
        let shut = |place, from, to| Self { place, from, to, open: false };
        let mut all = vec![
            open("planner", "", (EXECUTOR, 7443)),
            shut("planner", "", (EXECUTOR, 7480)),
            shut("executor", "", (PLANNER, 7543)),
            shut("executor", "", (PLANNER, 7580)),
            open(WORLD, FRONTEND, (PLANNER, 7543)),
            shut(WORLD, FRONTEND, (PLANNER, 7580)),
            shut(WORLD, FRONTEND, (EXECUTOR, 7443)),
            shut(WORLD, STRANGER, (PLANNER, 7543)),
            shut(WORLD, STRANGER, (EXECUTOR, 7443)),
            shut(WORLD, STRANGER, (EXECUTOR, 7480)),
        ];
        for to in LISTENED {
            let planner = to == (MODEL, 443) || to == (NAMES, 53);
            let executor = [(BACKEND, 443), (DATABASE, 5432), (NAMES, 53)].contains(&to);
            all.push(Self { place: "planner", from: "", to, open: planner });
            all.push(Self { place: "executor", from: "", to, open: executor });
        }
        all
    }

    /// Within a second: what is shut answers nothing.
    pub fn gets_there(&self, network: &Network) -> bool {
        let ((host, port), name) = (self.to, network.name(self.place));
        let mut tried = Command::new("ip");
        tried.args([
            "netns",
            "exec",
            &name,
            "python3",
            "-c",
            TRY,
            self.from,
            host,
            &port.to_string(),
        ]);
        tried.stderr(Stdio::null()).status().unwrap().success()
    }
}

const TRY: &str = "
import socket, sys
origin, host, port = sys.argv[1:]
socket.create_connection((host, int(port)), timeout=1, source_address=(origin, 0))
";
