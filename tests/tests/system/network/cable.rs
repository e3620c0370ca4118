//! Namespaces of the network, and the cables between them.

use std::process::Command;

/// Where pods are, as the policies know them by their labels.
pub const PLANNER: &str = "10.244.1.10";
pub const EXECUTOR: &str = "10.244.1.20";
pub const FRONTEND: &str = "10.244.1.30";
pub const STAFF: &str = "10.244.1.40";
pub const INGRESS: &str = "10.244.1.50";
pub const PROMETHEUS: &str = "10.244.1.51";
pub const NAMES: &str = "10.244.1.53";
/// A pod of nobody's.
pub const STRANGER: &str = "10.244.1.66";
/// In the blocks that the shipped policies name, all of RFC 5737.
pub const MODEL: &str = "192.0.2.10";
pub const BACKEND: &str = "198.51.100.10";
pub const DATABASE: &str = "203.0.113.5";
pub const PLANNERS_DATABASE: &str = "203.0.113.21";
/// In none of them: a store of secrets in the cluster, and somewhere on the internet.
pub const SECRETS: &str = "10.96.0.82";
pub const INTERNET: &str = "198.18.0.1";

const WORLD: [&str; 12] = [
    FRONTEND,
    STAFF,
    INGRESS,
    PROMETHEUS,
    NAMES,
    STRANGER,
    MODEL,
    BACKEND,
    DATABASE,
    PLANNERS_DATABASE,
    SECRETS,
    INTERNET,
];
const PLACES: [(&str, &[&str]); 3] =
    [("planner", &[PLANNER]), ("executor", &[EXECUTOR]), ("world", &WORLD)];

/// Three namespaces on one switch, which is a fourth.
pub struct Network {
    pub names: String,
    /// Whether it goes with this value.
    owned: bool,
}

/// What this machine lacks.
pub fn missing() -> Option<String> {
    let answers = |program: &str, words: &[&str]| {
        Command::new(program).args(words).output().is_ok_and(|out| out.status.success())
    };
    if !answers("nft", &["--version"]) || !answers("ip", &["-V"]) {
        return Some("`nft` or `ip` is not here (nftables, iproute2)".to_owned());
    }
    if !answers("kubectl", &["version", "--client"]) {
        return Some("`kubectl` is not here, which renders the policies".to_owned());
    }
    if !answers("python3", &["--version"]) {
        return Some("`python3` is not here, which tries the ways".to_owned());
    }
    if !answers("unshare", &["--net", "true"]) {
        return Some("namespaces of the network cannot be made by this user".to_owned());
    }
    None
}

impl Network {
    pub fn of(names: String) -> Self {
        Self { names, owned: false }
    }

    pub fn name(&self, place: &str) -> String {
        format!("{}-{place}", self.names)
    }

    pub fn lay(names: &str) -> Self {
        let network = Self { names: names.to_owned(), owned: true };
        let switch = network.name("switch");
        ip(&["netns", "add", &switch]);
        ip(&["-n", &switch, "link", "add", "bridge", "type", "bridge"]);
        ip(&["-n", &switch, "link", "set", "bridge", "up"]);
        for (place, addresses) in PLACES {
            let name = network.name(place);
            ip(&["netns", "add", &name]);
            let cable = ["link", "add", place, "type", "veth", "peer", "name", "eth0", "netns"];
            ip(&[&["-n", &switch][..], &cable, &[&name]].concat());
            ip(&["-n", &switch, "link", "set", place, "master", "bridge", "up"]);
            for device in ["lo", "eth0"] {
                ip(&["-n", &name, "link", "set", device, "up"]);
            }
            for address in addresses {
                ip(&["-n", &name, "address", "add", &format!("{address}/32"), "dev", "eth0"]);
            }
            // Everybody is one cable away. Who asks from the world is a frontend, if nothing else
            // is said.
            let own = addresses.first().copied().unwrap_or_default();
            ip(&["-n", &name, "route", "add", "default", "dev", "eth0", "src", own]);
        }
        network
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if self.owned {
            for place in ["planner", "executor", "world", "switch"] {
                let _ = Command::new("ip").args(["netns", "del", &self.name(place)]).status();
            }
        }
    }
}

fn ip(words: &[&str]) {
    let out = Command::new("ip").args(words).output().unwrap();
    assert!(out.status.success(), "ip {words:?}: {}", String::from_utf8_lossy(&out.stderr));
}
