//! The configuration files that the demo writes for its executor and its planner.

use std::path::Path;

use serde_json::Value as Json;

use super::console::{LISTEN, URL};
use super::keys::{COSIGNER, Identities, ORIGIN, TOKEN};

/// The demo's one tenant.
pub(super) const TENANT: &str = "demo-shop";
/// Who vouches for its customers.
pub(super) const ISSUER: &str = "https://shop.demo.invalid";
/// For whom the subjects' tokens are.
pub(super) const AUDIENCE: &str = "countersign";
/// The chat frontend: this terminal.
pub(super) const FRONTEND: &str = "demo-terminal";
/// Name of its keys.
pub(super) const KID: &str = "demo-1";

/// The model that the planner uses.
#[derive(Debug, Clone)]
pub(super) enum Model {
    Offline,
    Server { url: String, name: String, has_key: bool },
}

impl Model {
    /// How it is called in front of people.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Offline => "offline (built in, no server)".to_owned(),
            Self::Server { url, name, .. } => format!("{name} at {url}"),
        }
    }
}

/// `executor/executor.yaml`.
pub(super) fn executor(state: &Path, ids: &Identities, packs: &[String], shop: &str) -> String {
    let packs: String = packs
        .iter()
        .map(|pack| format!("  - {}\n", path(state, &format!("packs/{pack}"))))
        .collect();
    let (planner, auditor) = (text(ids.planner.as_str()), text(ids.auditor.as_str()));
    let (policy, credentials, shop) =
        (path(state, "policy"), path(state, "credentials"), text(shop));
    format!(
        "\
# Written by `countersign demo` at each start. SANDBOX: nothing behind it is real.
listen: 127.0.0.1:0
admin: 127.0.0.1:0
tls: {{ cert: tls/tls.crt, key: tls/tls.key, ca: tls/ca.crt }}
state: .
packs:
{packs}policy: {policy}
credentials: {credentials}
log: {{ origin: {ORIGIN}, key: log.key, cosigners: [cosign.pub] }}
callers:
  planners: [{planner}]
  auditors: [{auditor}]
issuers:
  - issuer: {ISSUER}
    audience: {AUDIENCE}
    tenant: {TENANT}
    keys: [{{ kid: {KID}, file: issuer.pub }}]
    claims: [email, customer_id]
    planners: [{planner}]
frontends:
  - id: {FRONTEND}
    tenant: {TENANT}
    keys: [{{ kid: {KID}, file: frontend.pub }}]
connections:
  - tenant: {TENANT}
    pack: shopify
    account: {TENANT}
    base_url: {shop}
    credential: {TOKEN}
    egress: {{ hosts: [127.0.0.1], private_networks: [127.0.0.0/8], plain_http: true }}
"
    )
}

/// What `executor/executor.yaml` says where the console is wanted.
pub(super) fn console() -> String {
    format!("console: {{ listen: {}, public_url: {} }}\n", text(LISTEN), text(URL))
}

/// `planner/planner.yaml`.
pub(super) fn planner(ids: &Identities, executor: &str, model: &Model) -> String {
    let (frontend, id) = (text(ids.frontend.as_str()), text(ids.executor.as_str()));
    let model = match model {
        Model::Offline => "{ kind: offline }".to_owned(),
        Model::Server { url, name, has_key } => {
            let key = if *has_key { ", api_key_file: model.key" } else { "" };
            format!("{{ kind: openai, url: {}, name: {}{key} }}", text(url), text(name))
        }
    };
    format!(
        "\
# Written by `countersign demo` at each start. SANDBOX: nothing behind it is real.
listen: 127.0.0.1:0
admin: 127.0.0.1:0
tls: {{ cert: tls/tls.crt, key: tls/tls.key, ca: tls/ca.crt }}
callers: [{frontend}]
executor: {{ address: {}, id: {id} }}
state: state
log: {{ keys: log.pub, cosign: {{ name: {COSIGNER}, key: cosign.key }} }}
model: {model}
",
        text(executor),
    )
}

/// A string as YAML takes it whatever is in it.
fn text(value: &str) -> String {
    Json::from(value).to_string()
}

fn path(state: &Path, below: &str) -> String {
    text(&state.join(below).to_string_lossy())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use std::fs;

    use countersign_executor::config::Config as ExecutorConfig;
    use countersign_planner::config::Config as PlannerConfig;

    use super::*;

    fn identities() -> Identities {
        let id = |role: &str| format!("spiffe://demo.countersign.internal/{role}").parse().unwrap();
        Identities {
            executor: id("executor"),
            planner: id("planner"),
            frontend: id("frontend"),
            auditor: id("auditor"),
            log_key: String::new(),
        }
    }

    #[test]
    fn the_executor_takes_what_is_written_for_it() {
        let folder = tempfile::tempdir().unwrap();
        // A folder name with everything that YAML gives a meaning to.
        let state = folder.path().join("a: \"b\" #c");
        fs::create_dir_all(&state).unwrap();
        let file = state.join("executor.yaml");
        let text = executor(&state, &identities(), &["shopify".into()], "http://127.0.0.1:4000");
        fs::write(&file, text).unwrap();
        let config = ExecutorConfig::load(&file).unwrap();
        assert_eq!(config.credentials, state.join("credentials"));
        assert_eq!(config.packs, [state.join("packs/shopify")]);
        assert_eq!(config.policy, state.join("policy"));
        assert_eq!(config.connections[0].problems(), []);
        assert_eq!(config.issuers[0].claims, ["email", "customer_id"]);
    }

    #[test]
    fn the_console_is_plain_on_this_machine_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path();
        let file = state.join("executor.yaml");
        let whole = executor(state, &identities(), &["shopify".into()], "http://127.0.0.1:4000");
        fs::write(&file, format!("{whole}{}", console())).unwrap();
        let page = ExecutorConfig::load(&file).unwrap().console.unwrap();
        assert!(!page.behind_ingress && page.tls.is_none());
        assert!(page.address().unwrap().ip().is_loopback());
        assert_eq!(page.site().unwrap().origin(), URL);
    }

    #[test]
    fn the_planner_takes_what_is_written_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("planner.yaml");
        let server = |has_key| Model::Server {
            url: "http://127.0.0.1:1/v1".into(),
            name: "a: b".into(),
            has_key,
        };
        for model in [Model::Offline, server(false), server(true)] {
            fs::write(&file, planner(&identities(), "127.0.0.1:4001", &model)).unwrap();
            PlannerConfig::load(&file).unwrap();
        }
    }
}
