//! The shipped NetworkPolicies, as packet filters between namespaces of the kernel's: what they
//! open is enough for a whole conversation, and everything else is shut.
//!
//! ```text
//! planner ──┐             ┌── executor     each with the rules of the policies that select it
//!           ├── switch ───┤
//! world ────┘             └── (frontends, staff, ingress, Prometheus, names, model, backends,
//!                              databases, the rest)
//! ```
//! The test calls itself again inside the world, so that its sandbox and its sockets are there.
//! Skipped, and said so, where this is not root or `ip`, `nft` or `kubectl` is missing.

mod cable;
mod pods;
mod probe;
#[path = "../manifests/rendered.rs"]
#[allow(dead_code, reason = "of another test; not all of it is needed here")]
mod rendered;
mod rules;

use std::process::Command;

use cable::{Network, missing};
use pods::Pods;
use probe::Probe;
use rendered::Rendered;

/// Set where the test runs inside: what its namespaces' names begin with.
const INSIDE: &str = "COUNTERSIGN_NETWORK";

#[tokio::test(flavor = "multi_thread")]
async fn network() {
    if let Ok(names) = std::env::var(INSIDE) {
        return conversation_and_nothing_else(&Network::of(names)).await;
    }
    if let Some(what) = missing() {
        println!("skipped: {what}");
        return;
    }
    let network = Network::lay(&format!("cs{}", std::process::id()));
    let mut again = Command::new("ip");
    again.args(["netns", "exec", &network.name("world")]).arg(std::env::current_exe().unwrap());
    again.args(["--exact", "network::network", "--nocapture"]).env(INSIDE, &network.names);
    let ended = again.status().unwrap();
    drop(network);
    assert!(ended.success(), "inside: {ended}");
}

/// The overlay with PostgreSQL, and the policies of the components for Prometheus and the console.
fn with_components() -> Rendered {
    let mut all = Rendered::overlay("postgres").expect("`missing` has asked for kubectl");
    for component in ["monitoring", "console"] {
        let file = format!("deploy/kustomize/components/{component}/network.yaml");
        let text = std::fs::read_to_string(rendered::root().join(file)).unwrap();
        all.objects.extend(serde_saphyr::from_multiple::<serde_json::Value>(&text).unwrap());
    }
    all
}

async fn conversation_and_nothing_else(network: &Network) {
    let rendered = with_components();
    let pods = Pods::start(network).await;
    for probe in Probe::all() {
        assert!(probe.gets_there(network), "without rules all is open: {probe:?}");
    }
    rules::load(network, &rendered);
    let found: Vec<_> = std::thread::scope(|scope| {
        let probes = Probe::all().into_iter();
        let asked: Vec<_> =
            probes.map(|probe| scope.spawn(move || (probe.gets_there(network), probe))).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    let wrong: Vec<_> = found.iter().filter(|(there, probe)| *there != probe.open).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    pods.converse().await;
    let open = found.iter().filter(|(there, _)| *there).count();
    println!(
        "{open} ways open, {} shut; a conversation with an action went through",
        found.len() - open
    );
}
