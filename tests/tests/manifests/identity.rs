//! Certificates, as the peers demand them: one SPIFFE URI, for both sides of a handshake.

use countersign_shared::mtls::SpiffeId;
use serde_json::{Value, json};

use crate::check::{Check, put, without};
use crate::rendered::{Rendered, list};

const CERTIFICATE: &str = "Certificate";

pub const CHECKS: &[Check] = &[
    Check {
        says: "each certificate names one workload, the one that its peers believe",
        holds: identities,
        broken: &[
            put(CERTIFICATE, "executor", "/spec/uris/-", "spiffe://shop.example/planner"),
            put(CERTIFICATE, "planner", "/spec/uris/0", "spiffe://shop.example/executor"),
            put(CERTIFICATE, "planner", "/spec/uris/0", "https://shop.example/planner"),
            put(CERTIFICATE, "executor", "/spec/dnsNames", "[executor]"),
        ],
    },
    Check {
        says: "certificates are short and renewed with a new key",
        holds: renewed,
        broken: &[
            put(CERTIFICATE, "executor", "/spec/renewBefore", "24h"),
            put(CERTIFICATE, "planner", "/spec/duration", "2160h"),
            put(CERTIFICATE, "planner", "/spec/privateKey/rotationPolicy", "Never"),
            put(CERTIFICATE, "executor", "/spec/privateKey/algorithm", "RSA"),
            put(CERTIFICATE, "executor", "/spec/usages", "[server auth]"),
        ],
    },
    Check {
        says: "what is issued is what is mounted",
        holds: mounted,
        broken: &[
            put(CERTIFICATE, "planner", "/spec/secretName", "tls"),
            without("StatefulSet", "executor", "/spec/template/spec/volumes/[tls]"),
        ],
    },
];

fn uri(certificate: &Value) -> Result<SpiffeId, String> {
    let spec = &certificate["spec"];
    for other in ["dnsNames", "ipAddresses", "emailAddresses", "otherNames"] {
        if spec.get(other).is_some() {
            return Err(format!("{other}: peers compare nothing but the URI"));
        }
    }
    let [uri] = list(&spec["uris"]) else { return Err("not one URI".to_owned()) };
    uri.as_str().unwrap_or_default().parse().map_err(|e| format!("{uri}: {e}"))
}

fn config(all: &Rendered, service: &str) -> Result<Value, String> {
    let text = &all.config_map(&format!("{service}-config"))?["data"][format!("{service}.yaml")];
    serde_saphyr::from_str(text.as_str().unwrap_or_default()).map_err(|e| e.to_string())
}

fn identities(all: &Rendered) -> Result<(), String> {
    let executor = uri(all.get(CERTIFICATE, "executor")?)?;
    let planner = uri(all.get(CERTIFICATE, "planner")?)?;
    let believed = (config(all, "planner")?, config(all, "executor")?);
    if believed.0["executor"]["id"] != executor.as_str() {
        return Err(format!("the planner does not believe {executor}"));
    }
    if believed.1["callers"]["planners"] != json!([planner.as_str()]) {
        return Err(format!("the executor does not let {planner} call"));
    }
    Ok(())
}

fn hours(value: &Value) -> Result<u32, String> {
    let text = value.as_str().and_then(|text| text.strip_suffix('h'));
    text.and_then(|hours| hours.parse().ok()).ok_or_else(|| format!("{value}: not in hours"))
}

fn renewed(all: &Rendered) -> Result<(), String> {
    for certificate in all.of(CERTIFICATE) {
        let spec = &certificate["spec"];
        let (life, before) = (hours(&spec["duration"])?, hours(&spec["renewBefore"])?);
        if life > 48 || before * 2 > life || before == 0 {
            return Err(format!("{life} h, renewed {before} h before"));
        }
        let key = json!({ "algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always" });
        if spec["privateKey"] != key {
            return Err(format!("{}", spec["privateKey"]));
        }
        if spec["usages"] != json!(["digital signature", "server auth", "client auth"]) {
            return Err(format!("{}", spec["usages"]));
        }
    }
    Ok(())
}

fn mounted(all: &Rendered) -> Result<(), String> {
    for (name, pod) in all.pods() {
        let secret = &all.get(CERTIFICATE, name)?["spec"]["secretName"];
        let volumes = list(&pod["spec"]["volumes"]);
        if !volumes.iter().any(|volume| volume["secret"]["secretName"] == *secret) {
            return Err(format!("{name} does not mount {secret}"));
        }
    }
    Ok(())
}
