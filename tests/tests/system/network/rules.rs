//! Policies as packet filters: what a network plugin makes of them, each at its pod. A field that
//! is not known here is no policy that was tried: it ends the test.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::cable::{EXECUTOR, FRONTEND, INGRESS, NAMES, Network, PLANNER, PROMETHEUS, STAFF};
use super::rendered::Rendered;

/// Puts the rules of the policies that select each pod before it.
pub fn load(network: &Network, rendered: &Rendered) {
    for pod in ["planner", "executor"] {
        let policies = selecting(rendered, pod);
        let rules = format!(
            "table inet pod {{\n{}{}}}\n",
            chain(&policies, Way::Ingress),
            chain(&policies, Way::Egress)
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

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Policy {
    pod_selector: Selector,
    policy_types: Vec<Way>,
    #[serde(default)]
    ingress: Vec<Rule>,
    #[serde(default)]
    egress: Vec<Rule>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Way {
    Ingress,
    Egress,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    #[serde(default)]
    from: Vec<Peer>,
    #[serde(default)]
    to: Vec<Peer>,
    #[serde(default)]
    ports: Vec<Port>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Peer {
    pod_selector: Option<Selector>,
    namespace_selector: Option<Selector>,
    ip_block: Option<Block>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Selector {
    #[serde(default)]
    match_labels: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    cidr: String,
    #[serde(default)]
    except: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Port {
    #[serde(default)]
    protocol: Protocol,
    /// By number; a name is not known here.
    port: Option<u16>,
    end_port: Option<u16>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
enum Protocol {
    #[default]
    #[serde(rename = "TCP")]
    Tcp,
    #[serde(rename = "UDP")]
    Udp,
}

fn selecting(rendered: &Rendered, pod: &str) -> Vec<Policy> {
    let pods = rendered.pods();
    let (_, template) = pods.iter().find(|(name, _)| *name == pod).unwrap();
    let labels = &template["metadata"]["labels"];
    let read = |policy: &serde_json::Value| -> Policy {
        serde_json::from_value(policy["spec"].clone()).unwrap_or_else(|e| panic!("{e}: {policy}"))
    };
    let selects = |policy: &Policy| {
        policy.pod_selector.match_labels.iter().all(|(key, value)| labels[key] == value.as_str())
    };
    rendered.of("NetworkPolicy").map(read).filter(selects).collect()
}

/// One way of one pod: answers, itself, and what a policy opens. The rest is shut as soon as one
/// policy is about this way.
fn chain(policies: &[Policy], way: Way) -> String {
    let (name, hook, device) = match way {
        Way::Ingress => ("ingress", "input", "iifname"),
        Way::Egress => ("egress", "output", "oifname"),
    };
    let about: Vec<_> = policies.iter().filter(|one| one.policy_types.contains(&way)).collect();
    let rest = if about.is_empty() { "accept" } else { "drop" };
    let mut text = format!(
        "chain {name} {{ type filter hook {hook} priority 0; policy {rest};\n\
         ct state established,related accept\nmeta {device} lo accept\n"
    );
    for rule in about.iter().flat_map(|policy| policy.rules(way)) {
        for who in rule.whom(way) {
            for what in rule.ports() {
                text += &format!("{who}{what}accept\n");
            }
        }
    }
    text + "}\n"
}

impl Policy {
    fn rules(&self, way: Way) -> &[Rule] {
        match way {
            Way::Ingress => &self.ingress,
            Way::Egress => &self.egress,
        }
    }
}

/// Kubernetes: no list, no limit. An empty condition is met by all.
impl Rule {
    fn whom(&self, way: Way) -> Vec<String> {
        let (peers, side) = match way {
            Way::Ingress => (&self.from, "saddr"),
            Way::Egress => (&self.to, "daddr"),
        };
        let all = peers.iter().map(|peer| peer.condition(side));
        if peers.is_empty() { vec![String::new()] } else { all.collect() }
    }

    fn ports(&self) -> Vec<String> {
        let all = self.ports.iter().map(Port::condition);
        if self.ports.is_empty() { vec![String::new()] } else { all.collect() }
    }
}

impl Peer {
    fn condition(&self, side: &str) -> String {
        if let (None, None, Some(Block { cidr, except })) =
            (&self.pod_selector, &self.namespace_selector, &self.ip_block)
        {
            let not = except.iter().map(|not| format!("ip {side} != {not} "));
            return format!("ip {side} {cidr} {}", not.collect::<String>());
        }
        assert!(self.ip_block.is_none(), "an ipBlock stands alone: {self:?}");
        format!("ip {side} {} ", self.address())
    }

    /// Where those are whom the labels name, all of them.
    fn address(&self) -> &'static str {
        let labels = |selector: &Option<Selector>| {
            let all = selector.as_ref().map(|all| all.match_labels.iter());
            all.map(|all| all.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>())
        };
        let (pods, spaces) = (labels(&self.pod_selector), labels(&self.namespace_selector));
        let known = WHO.iter().find(|(pod, space, _)| {
            let is = |found: &Option<Vec<_>>, wanted: &Option<&str>| {
                found.as_ref().map(|all| all.join(",")).as_deref() == *wanted
            };
            is(&pods, pod) && is(&spaces, space)
        });
        known.unwrap_or_else(|| panic!("nobody of this network: {self:?}")).2
    }
}

/// Labels of pods, of namespaces, and where those are. Without a namespace it is the pair's own.
const WHO: [(Option<&str>, Option<&str>, &str); 7] = [
    (Some("app.kubernetes.io/name=planner"), None, PLANNER),
    (Some("app.kubernetes.io/name=executor"), None, EXECUTOR),
    (Some("k8s-app=kube-dns"), Some("kubernetes.io/metadata.name=kube-system"), NAMES),
    (None, Some("countersign.dev/frontend=true"), FRONTEND),
    (None, Some("countersign.dev/staff=true"), STAFF),
    (
        Some("app.kubernetes.io/name=prometheus"),
        Some("kubernetes.io/metadata.name=monitoring"),
        PROMETHEUS,
    ),
    // The component's own word, which an overlay puts its ingress controller's namespace for.
    (None, Some("kubernetes.io/metadata.name=console-names"), INGRESS),
];

impl Port {
    fn condition(&self) -> String {
        let protocol = match self.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        match (self.port, self.end_port) {
            (None, None) => format!("meta l4proto {protocol} "),
            (Some(port), None) => format!("{protocol} dport {port} "),
            (Some(port), Some(end)) => format!("{protocol} dport {port}-{end} "),
            (None, Some(_)) => panic!("endPort without port: {self:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// What policies with these `spec`s leave a way of the pods that they select.
    fn opened(way: Way, specs: &[Value]) -> (bool, Vec<String>) {
        let read = |spec: &Value| {
            let mut spec = spec.clone();
            spec["podSelector"] = json!({});
            serde_json::from_value(spec).unwrap()
        };
        let text = chain(&specs.iter().map(read).collect::<Vec<_>>(), way);
        let lines = text.lines().filter(|line| line.ends_with(" accept") || *line == "accept");
        // Answers and itself stand first.
        (text.contains("policy drop;"), lines.skip(2).map(str::to_owned).collect())
    }

    #[test]
    fn network_rules_shut_only_the_ways_that_a_policy_is_about() {
        let inward = json!({ "policyTypes": ["Ingress"], "egress": [{}] });
        assert_eq!(opened(Way::Ingress, std::slice::from_ref(&inward)), (true, vec![]));
        assert_eq!(opened(Way::Egress, std::slice::from_ref(&inward)), (false, vec![]));
        assert_eq!(opened(Way::Egress, &[]), (false, vec![]), "selected by none");
        let outward = json!({ "policyTypes": ["Egress"] });
        assert_eq!(opened(Way::Egress, &[inward, outward]), (true, vec![]));
    }

    #[test]
    fn network_rules_without_a_list_have_no_limit() {
        let all = json!({ "policyTypes": ["Ingress"], "ingress": [{}] });
        assert_eq!(opened(Way::Ingress, &[all]), (true, vec!["accept".to_owned()]));
        let ports = json!({ "policyTypes": ["Egress"], "egress": [{ "ports": [{ "port": 53 }] }] });
        assert_eq!(opened(Way::Egress, &[ports]).1, ["tcp dport 53 accept"]);
        let planner =
            json!({ "podSelector": { "matchLabels": { "app.kubernetes.io/name": "planner" } } });
        let peers =
            json!({ "policyTypes": ["Ingress"], "ingress": [{ "from": [planner], "ports": [] }] });
        assert_eq!(opened(Way::Ingress, &[peers]).1, [format!("ip saddr {PLANNER} accept")]);
    }

    #[test]
    fn network_rules_know_ranges_of_ports_and_holes_in_blocks() {
        let rule = json!({
            "to": [{ "ipBlock": { "cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "10.2.0.0/16"] } }],
            "ports": [{ "protocol": "UDP", "port": 8000, "endPort": 8010 }, { "protocol": "TCP" }],
        });
        let policy = json!({ "policyTypes": ["Egress"], "egress": [rule] });
        let block = "ip daddr 10.0.0.0/8 ip daddr != 10.1.0.0/16 ip daddr != 10.2.0.0/16";
        let wanted = ["udp dport 8000-8010", "meta l4proto tcp"];
        let wanted = wanted.map(|port| format!("{block} {port} accept"));
        assert_eq!(opened(Way::Egress, &[policy]).1, wanted);
    }

    #[test]
    fn network_rules_end_at_what_they_do_not_know() {
        let expression = json!({ "key": "a", "operator": "Exists" });
        let labels = json!({ "app.kubernetes.io/name": "planner" });
        for from in [
            json!({ "podSelector": { "matchExpressions": [expression.clone()] } }),
            json!({ "podSelector": { "matchLabels": labels, "matchExpressions": [expression] } }),
            json!({ "podSelector": {} }),
            json!({ "namespaceSelector": {} }),
            json!({ "podSelector": { "matchLabels": { "k8s-app": "kube-dns" } } }),
            json!({ "podSelector": { "matchLabels": labels }, "namespaceSelector": {} }),
            json!({ "ipBlock": { "cidr": "10.0.0.0/8" }, "podSelector": {} }),
        ] {
            let policy = json!({ "policyTypes": ["Ingress"], "ingress": [{ "from": [from] }] });
            assert!(
                std::panic::catch_unwind(|| opened(Way::Ingress, &[policy])).is_err(),
                "{from}"
            );
        }
        for port in
            [json!({ "port": "admin" }), json!({ "endPort": 5 }), json!({ "protocol": "SCTP" })]
        {
            let policy = json!({ "policyTypes": ["Ingress"], "ingress": [{ "ports": [port] }] });
            assert!(
                std::panic::catch_unwind(|| opened(Way::Ingress, &[policy])).is_err(),
                "{port}"
            );
        }
        let untyped = json!({ "ingress": [] });
        assert!(std::panic::catch_unwind(|| opened(Way::Ingress, &[untyped])).is_err());
    }
}
