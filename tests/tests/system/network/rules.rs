//! Policies as packet filters: what a network plugin makes of them, each at its pod.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::cable::{EXECUTOR, FRONTEND, NAMES, Network, PLANNER, STAFF};
use super::rendered::{Rendered, list};

/// Puts the rules of the policies that select each pod before it.
pub fn load(network: &Network, rendered: &Rendered) {
    for pod in ["planner", "executor"] {
        let rules = format!(
            "table inet pod {{\n{}{}}}\n",
            chain(rendered, pod, ("ingress", "from"), "input", "saddr"),
            chain(rendered, pod, ("egress", "to"), "output", "daddr")
        );
        let mut nft = Command::new("ip")
            .args(["netns", "exec", &network.name(pod), "nft", "-f", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        nft.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
        assert!(nft.wait().unwrap().success(), "{rules}");
    }
}

/// One way of one pod: shut but for what a policy opens, and for answers.
fn chain(
    rendered: &Rendered,
    pod: &str,
    (way, end): (&str, &str),
    hook: &str,
    other: &str,
) -> String {
    let mut text = format!(
        "chain {way} {{ type filter hook {hook} priority 0; policy drop;\n\
         ct state established,related accept\nmeta {} lo accept\n",
        if hook == "input" { "iifname" } else { "oifname" }
    );
    for policy in rendered.of("NetworkPolicy").filter(|policy| selects(rendered, policy, pod)) {
        for rule in list(&policy["spec"][way]) {
            for peer in list(&rule[end]) {
                for port in list(&rule["ports"]) {
                    let protocol = port["protocol"].as_str().unwrap().to_lowercase();
                    let (addresses, port) = (addresses(peer), &port["port"]);
                    text += &format!("ip {other} {addresses} {protocol} dport {port} accept\n");
                }
            }
        }
    }
    text + "}\n"
}

fn selects(rendered: &Rendered, policy: &Value, pod: &str) -> bool {
    let pods = rendered.pods();
    let (_, template) = pods.iter().find(|(name, _)| *name == pod).unwrap();
    let labels = &template["metadata"]["labels"];
    let wanted = policy["spec"]["podSelector"]["matchLabels"].as_object();
    wanted.is_none_or(|all| all.iter().all(|(key, value)| labels[key] == *value))
}

/// Where those are whom a policy names.
fn addresses(peer: &Value) -> &str {
    if let Some(block) = peer["ipBlock"]["cidr"].as_str() {
        return block;
    }
    let (pods, spaces) =
        (&peer["podSelector"]["matchLabels"], &peer["namespaceSelector"]["matchLabels"]);
    match (pods["app.kubernetes.io/name"].as_str(), pods["k8s-app"].as_str()) {
        (Some("planner"), None) if spaces.is_null() => PLANNER,
        (Some("executor"), None) if spaces.is_null() => EXECUTOR,
        (None, Some("kube-dns")) => NAMES,
        (None, None) if spaces["countersign.dev/frontend"] == "true" => FRONTEND,
        (None, None) if spaces["countersign.dev/staff"] == "true" => STAFF,
        _ => panic!("nobody of this network: {peer}"),
    }
}
