//! The console behind an ingress.

use serde_json::json;

use crate::check::{Check, put, without};
use crate::rendered::{Rendered, list};

const SERVICE: &str = "Service";
const INGRESS: &str = "Ingress";
const COOKIE: &str = "traefik.ingress.kubernetes.io/service.sticky.cookie";

/// What the component adds, to whatever overlay.
pub const CHECKS: &[Check] = &[
    Check {
        says: "one host leads to the console, over TLS, by the names of the overlay",
        holds: leads,
        broken: &[
            without(INGRESS, "console", "/spec/tls"),
            put(INGRESS, "console", "/spec/tls/0/hosts/0", "other.example"),
            put(INGRESS, "console", "/spec/tls/0/secretName", "console-names"),
            put(INGRESS, "console", "/spec/ingressClassName", "console-names"),
            put(INGRESS, "console", "/spec/rules/0/http/paths/0/backend/service/name", "executor"),
            put(SERVICE, "console", "/spec/ports/0/targetPort", "grpc"),
            put(SERVICE, "console", "/spec/selector", "{ app.kubernetes.io/name: planner }"),
            without("StatefulSet", "executor", "/spec/template/spec/containers/0/ports/[console]"),
        ],
    },
    Check {
        says: "a browser stays with the executor that has its session",
        holds: stays,
        broken: &[
            put(
                SERVICE,
                "console",
                "/metadata/annotations/traefik.ingress.kubernetes.io~1service.sticky.cookie",
                "'false'",
            ),
            without(
                SERVICE,
                "console",
                "/metadata/annotations/traefik.ingress.kubernetes.io~1service.sticky.cookie.secure",
            ),
        ],
    },
    Check {
        says: "who looks at an executor that begins no effects reaches it",
        holds: |all| {
            let service = all.get(SERVICE, "console")?;
            want(service["spec"]["publishNotReadyAddresses"] == true, "switches are out of reach")
        },
        broken: &[without(SERVICE, "console", "/spec/publishNotReadyAddresses")],
    },
];

fn want(holds: bool, why: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why.to_owned()) }
}

/// Where a person's browser comes from, and the port that it gets to.
pub fn way(all: &Rendered) -> Result<(String, u64), String> {
    let [rule] = list(&all.get(INGRESS, "console")?["spec"]["rules"]) else {
        return Err("not one host".to_owned());
    };
    let host = rule["host"].as_str().unwrap_or_default();
    let pod = &all.get("StatefulSet", "executor")?["spec"]["template"]["spec"];
    let ports = list(&pod["containers"][0]["ports"]);
    let port = ports.iter().find(|port| port["name"] == "console");
    let port = port.and_then(|port| port["containerPort"].as_u64()).ok_or("no port")?;
    Ok((host.to_owned(), port))
}

fn leads(all: &Rendered) -> Result<(), String> {
    let (host, _) = way(all)?;
    let ingress = &all.get(INGRESS, "console")?["spec"];
    let [tls] = list(&ingress["tls"]) else { return Err("plain HTTP".to_owned()) };
    want(tls["hosts"] == json!([host]), "a certificate for another host")?;
    for name in [&ingress["ingressClassName"], &tls["secretName"], &json!(host)] {
        let given = name.as_str().is_some_and(|name| !["", "console-names"].contains(&name));
        want(given, "a name that the overlay did not give")?;
    }
    let backend = json!({ "service": { "name": "console", "port": { "name": "http" } } });
    want(ingress["rules"][0]["http"]["paths"][0]["backend"] == backend, "it leads elsewhere")?;
    let service = &all.get(SERVICE, "console")?["spec"];
    want(service["selector"] == json!({ "app.kubernetes.io/name": "executor" }), "other pods")?;
    let ports = json!([{ "name": "http", "port": 80, "targetPort": "console" }]);
    want(service["ports"] == ports, "another port")
}

fn stays(all: &Rendered) -> Result<(), String> {
    let told = &all.get(SERVICE, "console")?["metadata"]["annotations"];
    for key in [COOKIE.to_owned(), format!("{COOKIE}.secure"), format!("{COOKIE}.httponly")] {
        want(told[&key] == "true", &key)?;
    }
    Ok(())
}
