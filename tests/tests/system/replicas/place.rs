//! The folder that the executors work in: certificates, keys, the pack, the configuration
//! that theirs are made from. It goes with the test.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use countersign::pki::{Role, init_ca, issue};
use countersign_shared::mtls::Channel;
use countersign_shared::mtls::{Material, MaterialFiles, SpiffeId, channel};
use tempfile::TempDir;

use crate::people::Signer;

const DOMAIN: &str = "bench.countersign.internal";
const ISSUER: &str = "https://till.bench.invalid";

/// The till's credential.
pub const TOKEN: &str = "till-token";

const CONNECTOR: &str = r"
pack: till
summary: A till.
kind: http
credential: bearer
subject: [owner]
timeout: 5s
response_limit: 64KiB
quiet_period: 10s
codes:
  TOO_LATE: { cause: The sale is closed., remedy: Ask at the counter. }
";

const SALE: &str = r#"
tool: till.get_sale
summary: One sale.
effect: none
arguments:
  id: { type: string, pattern: "^[0-9]+$", from: [model, observation], about: The sale. }
do: { http: { method: GET, path: [sales, =args.id] }, accept: [200] }
output:
  owner: { fact: id, pattern: "^[a-z0-9]*$", at: /owner, optional: true }
  open: { fact: bool, at: /open }
  paid: { fact: money, amount: /paid, currency: /currency }
  marks: { list: { at: /marks, max: 10 }, of: { key: { text: 60, at: /key }, amount: { fact: money, amount: /amount, currency: /currency } } }
subject: owner == subject.owner
"#;

const REFUND: &str = r#"
tool: till.refund
summary: Pay a sale back.
examples: ["pay back sale {id}"]
effect: { class: server_key, window: 24h, irreversible: true, probe: { on: 2026-01-01, source: "the benchmark's own till" } }
arguments:
  id: { type: string, pattern: "^[0-9]+$", from: [model], about: The sale. }
read: { sale: { tool: till.get_sale, with: { id: =args.id } } }
subject: state.sale.owner == subject.owner
locks: [args.id]
money: state.sale.paid
require: [{ code: TOO_LATE, that: state.sale.open }]
intent: [args.id]
confidence: { floor: 0.8 }
confirm: none
card: "Pay back {money}?"
do:
  http:
    method: POST
    path: [sales, =args.id, refunds]
    json: { amount: =money, note: =marker }
  accept: [201]
  key: { header: Idempotency-Key }
verify:
  look: { tool: till.get_sale, with: { id: =args.id } }
  find: { in: looked.marks, as: found, ours: found.key == marker }
  that: found.amount == money
  every: 1s
  within: 20s
output: { amount: found.amount }
compensate: none
say: { applied: "Paid back {money} ({receipt})." }
"#;

/// The same without a key, so that each landing is an effect of its own.
fn credit() -> String {
    let changes = [
        ("till.refund", "till.credit"),
        ("pay back sale", "credit sale"),
        ("server_key, window: 24h, irreversible: true", "marker, visible_within: 1s"),
        ("=args.id, refunds]", "=args.id, credits]"),
        ("  key: { header: Idempotency-Key }\n", ""),
    ];
    changes.into_iter().fold(REFUND.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    })
}

/// Everybody may, without limits: what is measured is the way there.
const SETTINGS: &str = r#"modes: [{ tools: ["till.*"], mode: auto }]
limits: []
open: { per_subject: 1000000, per_planner: 1000000 }
subject_valid_for: 24h
proposals_live: 24h
activation: { default: 1 }
"#;
const RULES: &str = "@id(\"everybody\") permit (principal, action, resource);\n";

/// Where the test happens.
pub struct Place {
    dir: TempDir,
    token: String,
}

impl Place {
    pub fn lay_out(till: SocketAddr) -> Self {
        // Beside the build, so on the disk that a store would be on.
        let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let (path, issuer) = (dir.path(), Signer::new(1));
        let pki = path.join("pki");
        init_ca(&pki, DOMAIN).unwrap();
        for role in [Role::Executor, Role::Planner, Role::Auditor] {
            issue(&pki, role, &pki).unwrap();
        }
        let pack = path.join("till");
        fs::create_dir_all(pack.join("contracts")).unwrap();
        fs::write(pack.join("connector.yaml"), CONNECTOR).unwrap();
        fs::write(pack.join("contracts/get_sale.yaml"), SALE).unwrap();
        fs::write(pack.join("contracts/refund.yaml"), REFUND).unwrap();
        fs::write(pack.join("contracts/credit.yaml"), credit()).unwrap();
        let policy = path.join("policy");
        countersign_executor::policy::write_shipped(&policy).unwrap();
        fs::write(policy.join("settings.yaml"), SETTINGS).unwrap();
        fs::write(policy.join("policy.cedar"), RULES).unwrap();
        fs::create_dir(path.join("credentials")).unwrap();
        private(&path.join("credentials"), 0o700);
        fs::write(path.join("credentials/till_token"), TOKEN).unwrap();
        private(&path.join("credentials/till_token"), 0o600);
        fs::write(path.join("issuer.pem"), issuer.public_pem()).unwrap();
        fs::write(path.join("log.pem"), Signer::new(4).secret_pem()).unwrap();
        private(&path.join("log.pem"), 0o600);
        // All of one database wrap the keys of persons under one key.
        fs::write(path.join("keys.kek"), "5a".repeat(32)).unwrap();
        private(&path.join("keys.kek"), 0o600);
        fs::write(path.join("executor.yaml"), config(till)).unwrap();
        let token = issuer.sign(&serde_json::json!({
            "iss": ISSUER, "aud": "countersign", "sub": "ann@example.com", "owner": "ann",
            "iat": jiff::Timestamp::now().as_second(),
            "exp": jiff::Timestamp::now().as_second() + 3600,
        }));
        Self { dir, token }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The subject's token, the same for every call.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// A connection to a process here; both bear the executor's identity.
    pub fn channel(&self, role: Role, address: &str) -> Channel {
        let expected: SpiffeId = format!("spiffe://{DOMAIN}/executor").parse().unwrap();
        channel(address, material(self.dir(), role), expected).unwrap()
    }
}

/// A role's certificate, read from the folder.
pub fn material(dir: &Path, role: Role) -> Arc<Material> {
    Material::open(MaterialFiles::in_dir(&dir.join("pki").join(role.as_str()))).unwrap()
}

fn private(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn config(till: SocketAddr) -> String {
    format!(
        r#"listen: 127.0.0.1:0
admin: 127.0.0.1:0
tls: {{ cert: pki/executor/tls.crt, key: pki/executor/tls.key, ca: pki/executor/ca.crt }}
state: state
packs: [till]
policy: policy
credentials: credentials
log: {{ origin: bench.countersign/log, key: log.pem }}
keys: keys.kek
callers:
  planners: ["spiffe://{DOMAIN}/planner"]
  auditors: ["spiffe://{DOMAIN}/auditor"]
issuers:
  - issuer: "{ISSUER}"
    audience: countersign
    tenant: bench
    keys: [{{ kid: dev, file: issuer.pem }}]
    claims: [owner]
    planners: ["spiffe://{DOMAIN}/planner"]
frontends: []
connections:
  - tenant: bench
    pack: till
    account: bench-till
    base_url: "http://{till}/executor"
    credential: till_token
    egress: {{ hosts: ["127.0.0.1"], private_networks: ["127.0.0.0/8"], plain_http: true }}
"#
    )
}
