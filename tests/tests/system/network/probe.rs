//! Whether somebody gets somewhere, tried from where they are.

use std::process::{Command, Stdio};

use super::cable::{
    BACKEND, DATABASE, EXECUTOR, FRONTEND, INGRESS, INTERNET, MODEL, NAMES, Network, PLANNER,
    PLANNERS_DATABASE, PROMETHEUS, SECRETS, STAFF, STRANGER,
};

/// Every address and port of the world that somebody listens on.
pub const LISTENED: [(&str, u16); 11] = [
    (MODEL, 443),
    (MODEL, 80),
    (BACKEND, 443),
    (BACKEND, 80),
    (DATABASE, 5432),
    (PLANNERS_DATABASE, 5432),
    (SECRETS, 8200),
    (INTERNET, 443),
    (INTERNET, 53),
    (NAMES, 53),
    (FRONTEND, 8080),
];
const WORLD: &str = "world";
/// What the services serve: calls, their state for operators, and the console.
const SERVED: [(&str, u16); 5] =
    [(EXECUTOR, 7443), (EXECUTOR, 7480), (EXECUTOR, 8445), (PLANNER, 7543), (PLANNER, 7580)];
/// Who of the world calls for what of it, and gets nowhere else.
const CALLERS: [(&str, &[(&str, u16)]); 5] = [
    (FRONTEND, &[(PLANNER, 7543)]),
    (STAFF, &[(EXECUTOR, 7443)]),
    (INGRESS, &[(EXECUTOR, 8445)]),
    (PROMETHEUS, &[(EXECUTOR, 7480), (PLANNER, 7580)]),
    (STRANGER, &[]),
];

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
        let mut all = vec![];
        for (from, open) in CALLERS {
            let each = SERVED.iter();
            all.extend(each.map(|to| Self {
                place: WORLD,
                from,
                to: *to,
                open: open.contains(to),
            }));
        }
        for to in SERVED {
            let open = to == (EXECUTOR, 7443);
            let place = if to.0 == EXECUTOR { "planner" } else { "executor" };
            all.push(Self { place, from: "", to, open });
        }
        for to in LISTENED {
            let planner = [(MODEL, 443), (PLANNERS_DATABASE, 5432), (NAMES, 53)].contains(&to);
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
