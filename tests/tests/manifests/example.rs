//! The overlay that a house copies: its own names everywhere, and the console.

use std::fs;

use serde_json::{Value, json};

use crate::check::{Check, put, without};
use crate::console;
use crate::network::{Way, block, names, namespaces, pods_of, same, ways};
use crate::rendered::{Rendered, root};

const POLICY: &str = "NetworkPolicy";

pub const CHECKS: &[Check] = &[
    Check {
        says: "no name and no key of the base is left",
        holds: own,
        broken: &[
            put("Certificate", "planner", "/spec/uris/0", "spiffe://shop.example/planner"),
            put(
                "StatefulSet",
                "executor",
                "/spec/template/spec/containers/0/image",
                "registry.shop.example/countersign/executor:0.1.0",
            ),
            put(
                "ConfigMap",
                "public-keys",
                "/data/accounts.pub",
                "\"-----BEGIN PUBLIC KEY-----\\n\
                 MCowBQYDK2VwAyEAqjjMl0i+i3AZqQXmfHS+2BFDkVbuDY9NwJ3TXlWUpwg=\\n\
                 -----END PUBLIC KEY-----\\n\"",
            ),
        ],
    },
    Check {
        says: "the ways are those of the base, with the house's addresses, and one to the console",
        holds: open,
        broken: &[
            put(
                POLICY,
                "ingress-to-console",
                "/spec/ingress/0/from/0",
                "{ namespaceSelector: {} }",
            ),
            put(POLICY, "ingress-to-console", "/spec/ingress/0/from", "[]"),
            put(POLICY, "ingress-to-console", "/spec/ingress/0/ports/0/port", "7480"),
            put(POLICY, "ingress-to-console", "/spec/podSelector", "{}"),
            without(POLICY, "ingress-to-console", ""),
            put(
                POLICY,
                "executor-to-backends",
                "/spec/egress/0/to/0/ipBlock/cidr",
                "198.51.100.0/24",
            ),
        ],
    },
    Check {
        says: "the console listens where the ingress leads, and is known by its host",
        holds: listens,
        broken: &[
            put("ConfigMap", "executor-config", "/data/executor.yaml", "'listen: x'"),
            put("Ingress", "console", "/spec/rules/0/host", "other.house.example"),
            put(
                "StatefulSet",
                "executor",
                "/spec/template/spec/containers/0/ports/[console]/containerPort",
                "8446",
            ),
        ],
    },
];

pub fn own(all: &Rendered) -> Result<(), String> {
    // The policy is the base's on purpose; the table in it speaks of the base's planner.
    let policy = all.config_map("executor-policy")?;
    let ours = |object: &&Value| *object != policy && object.to_string().contains("shop.example");
    if let Some(object) = all.objects.iter().find(ours) {
        return Err(format!("{} {}", object["kind"], object["metadata"]["name"]));
    }
    let keys = &all.config_map("public-keys")?["data"];
    for file in ["log.pub", "cosign.pub", "accounts.pub", "web-chat.pub"] {
        let base = root().join("deploy/kustomize/base/config/keys").join(file);
        let base = fs::read_to_string(base).unwrap();
        if keys[file].as_str().is_none_or(|text| text.trim() == base.trim()) {
            return Err(format!("{file}: the base's, of which nobody has the private half"));
        }
    }
    Ok(())
}

fn open(all: &Rendered) -> Result<(), String> {
    let controller = json!({
        "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "traefik" } },
    });
    let to_executor: [Way; 3] = [
        (pods_of("planner"), vec![7443]),
        (namespaces("countersign.dev/staff"), vec![7443]),
        (controller.to_string(), vec![8445]),
    ];
    same(ways(all, "executor", "ingress", "from"), to_executor)?;
    let to_planner = [(namespaces("countersign.dev/frontend"), vec![7543])];
    same(ways(all, "planner", "ingress", "from"), to_planner)?;
    let of_executor = [names(), (block("198.51.100.7/32"), vec![443])];
    same(ways(all, "executor", "egress", "to"), of_executor)?;
    let of_planner = [names(), (pods_of("executor"), vec![7443])];
    same(ways(all, "planner", "egress", "to"), of_planner)
}

fn listens(all: &Rendered) -> Result<(), String> {
    let text = &all.config_map("executor-config")?["data"]["executor.yaml"];
    let config: Value = serde_saphyr::from_str(text.as_str().unwrap_or_default())
        .map_err(|error| error.to_string())?;
    let (host, port) = console::way(all)?;
    let wanted = json!({
        "listen": format!("0.0.0.0:{port}"),
        "public_url": format!("https://{host}"),
        "behind_ingress": true,
    });
    let found = &config["console"];
    if *found == wanted { Ok(()) } else { Err(format!("{found}, {wanted}")) }
}
