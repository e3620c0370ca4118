//! A sandbox, an executor and a planner in a folder that goes with the test.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use countersign::pki::{Role, init_ca, issue};
use countersign_proto::v1::audit_client::AuditClient;
use countersign_proto::v1::executor_client::ExecutorClient;
use countersign_proto::v1::planner_client::PlannerClient;
use countersign_shared::mtls::{Material, MaterialFiles, SpiffeId, channel};
use countersign_tests::sandbox::{Config, Effect, Sandbox};
use serde_json::Value;
use tempfile::TempDir;
use tonic::transport::Channel;

use super::bins;
use super::people::{Customer, Signer};

const DOMAIN: &str = "test.countersign.internal";
pub const ISSUER: &str = "https://shop.test.invalid";
pub const WIDGET: &str = "https://widget.test.invalid";

/// The pair with everything around it; all of it stops when dropped.
pub struct Pair {
    pub dir: TempDir,
    pub sandbox: Sandbox,
    pub issuer: Signer,
    pub frontend: Signer,
    /// A second tenant's issuer: same shop software, another shop.
    pub other_issuer: Signer,
    executor: Service,
    planner: Option<Service>,
}

/// A service as a process of its own; it ends when dropped.
pub struct Service {
    child: Child,
    pub grpc: String,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Pair {
    /// Sandbox and executor.
    pub async fn executor_only() -> Self {
        let dir = TempDir::new().unwrap();
        let sandbox = Sandbox::start(Config::default()).await.unwrap();
        let (issuer, frontend, other_issuer) = (Signer::new(1), Signer::new(2), Signer::new(3));
        lay_out(dir.path(), sandbox.base_url(), &issuer, &frontend, &other_issuer);
        let executor = start("executor", dir.path());
        Self { dir, sandbox, issuer, frontend, other_issuer, executor, planner: None }
    }

    /// All three.
    pub async fn start() -> Self {
        let mut pair = Self::executor_only().await;
        let config = planner_config(&pair.executor.grpc);
        fs::write(pair.path("planner.yaml"), config).unwrap();
        pair.planner = Some(start("planner", pair.dir.path()));
        pair
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Kills the executor without a word and starts another on the same folder.
    pub fn restart_executor(&mut self) {
        self.kill_executor();
        self.executor = start("executor", self.dir.path());
    }

    pub fn kill_executor(&mut self) {
        self.executor.child.kill().unwrap();
        self.executor.child.wait().unwrap();
    }

    pub fn executor_address(&self) -> &str {
        &self.executor.grpc
    }

    /// From the next start on, the shop's pack with each file as `edit` leaves it, by
    /// its name; without those that it answers with `None`.
    pub fn change_pack(&self, edit: impl Fn(&str, String) -> Option<String>) {
        let (shipped, own) = (shipped_pack(), self.path("packs/shopify"));
        for folder in ["", "contracts", "documents"] {
            fs::create_dir_all(own.join(folder)).unwrap();
            for file in fs::read_dir(shipped.join(folder)).unwrap().map(Result::unwrap) {
                let name = file.file_name().into_string().unwrap();
                if file.file_type().unwrap().is_dir() {
                    continue;
                }
                if let Some(text) = edit(&name, fs::read_to_string(file.path()).unwrap()) {
                    fs::write(own.join(folder).join(name), text).unwrap();
                }
            }
        }
        self.change_config(&shipped.display().to_string(), "packs/shopify");
    }

    /// From the next start on, the shipped policy with each file as `edit` leaves it, by
    /// its name, and these public keys beside it.
    pub fn change_policy(&self, edit: impl Fn(&str, String) -> String, keys: &[(&str, &Signer)]) {
        let own = self.path("policy");
        let first = !own.exists();
        let from = if first { shipped_policy() } else { own.clone() };
        fs::create_dir_all(own.join("keys")).unwrap();
        for file in fs::read_dir(&from).unwrap().map(Result::unwrap) {
            let name = file.file_name().into_string().unwrap();
            if file.file_type().unwrap().is_file() && !name.ends_with(".md") {
                let text = edit(&name, fs::read_to_string(file.path()).unwrap());
                fs::write(own.join(name), text).unwrap();
            }
        }
        for (name, key) in keys {
            fs::write(own.join(format!("keys/{name}.pem")), key.public_pem()).unwrap();
        }
        if first {
            self.change_config(&from.display().to_string(), "policy");
        }
    }

    /// Starts an executor that refuses to; answers with what it said.
    pub fn refused_start(&mut self) -> String {
        self.kill_executor();
        let out = Command::new(bins::dir().join("executor"))
            .arg("--config")
            .arg(self.path("executor.yaml"))
            .output()
            .unwrap();
        assert!(!out.status.success());
        String::from_utf8([out.stdout, out.stderr].concat()).unwrap()
    }

    /// Runs `countersign` with these words; answers with whether it did it, and what it said.
    pub fn command(&self, words: &[&str]) -> (bool, String) {
        let mut command = Command::new(bins::dir().join("countersign"));
        let out = command.args(words).current_dir(self.dir.path()).output().unwrap();
        (out.status.success(), String::from_utf8([out.stdout, out.stderr].concat()).unwrap())
    }

    /// The flags that say where the executor is, as this role.
    pub fn executor_flags(&self, role: Role) -> Vec<String> {
        let id = format!("spiffe://{DOMAIN}/executor");
        let tls = format!("pki/{}", role.as_str());
        ["--executor", &self.executor.grpc, "--tls", &tls, "--executor-id", &id]
            .map(str::to_owned)
            .to_vec()
    }

    /// From the next start on, these lines beside the executor's configuration.
    pub fn add_config(&self, lines: &str) {
        let path = self.path("executor.yaml");
        let config = fs::read_to_string(&path).unwrap();
        fs::write(path, format!("{config}{lines}")).unwrap();
    }

    /// From the next start on, this instead of that in the executor's configuration.
    pub fn change_config(&self, that: &str, this: &str) {
        let path = self.path("executor.yaml");
        let config = fs::read_to_string(&path).unwrap();
        assert!(config.contains(that), "{config}");
        fs::write(path, config.replace(that, this)).unwrap();
    }

    pub fn customer(&self, number: u32) -> Customer {
        let (email, id) = who(number);
        self.issuer.customer(ISSUER, &email, &id)
    }

    /// A visitor of the shop's widget, whom only the widget asserts.
    pub fn guest(&self, name: &str) -> Customer {
        self.issuer.customer(WIDGET, name, "gid://shopify/Customer/2")
    }

    /// The same person at another tenant.
    pub fn elsewhere(&self, number: u32) -> Customer {
        let (email, id) = who(number);
        self.other_issuer.customer("https://other.test.invalid", &email, &id)
    }

    pub fn channel(&self, role: Role) -> Channel {
        let material = material(&self.path("pki"), role);
        let expected: SpiffeId = format!("spiffe://{DOMAIN}/executor").parse().unwrap();
        channel(&self.executor.grpc, material, expected).unwrap()
    }

    /// The executor as the planner sees it.
    pub fn executor(&self) -> ExecutorClient<Channel> {
        ExecutorClient::new(self.channel(Role::Planner))
    }

    pub fn audit(&self, role: Role) -> AuditClient<Channel> {
        AuditClient::new(self.channel(role))
    }

    /// The planner as a chat frontend sees it.
    pub fn planner(&self) -> PlannerClient<Channel> {
        let material = material(&self.path("pki"), Role::Frontend);
        let expected: SpiffeId = format!("spiffe://{DOMAIN}/planner").parse().unwrap();
        let address = &self.planner.as_ref().unwrap().grpc;
        PlannerClient::new(channel(address, material, expected).unwrap())
    }

    /// Effects that really happened, those of staff left out.
    pub fn effects(&self) -> Vec<Effect> {
        self.sandbox.ledger().into_iter().filter(|e| !e.staff).collect()
    }

    /// Mutations that reached the shop.
    pub fn mutations(&self) -> usize {
        self.sandbox.requests().iter().filter(|r| r.kind == "mutation").count()
    }

    pub fn log_key(&self) -> String {
        fs::read_to_string(self.path("log.pub")).unwrap()
    }
}

fn who(number: u32) -> (String, String) {
    (format!("customer{number}@example.com"), format!("gid://shopify/Customer/{number}"))
}

fn material(pki: &Path, role: Role) -> std::sync::Arc<Material> {
    Material::open(MaterialFiles::in_dir(&pki.join(role.as_str()))).unwrap()
}

/// Starts the service that `NAME.yaml` in the folder configures.
pub fn start(name: &str, dir: &Path) -> Service {
    let ready = dir.join(format!("{name}.ready"));
    let _ = fs::remove_file(&ready);
    let log = fs::File::options()
        .create(true)
        .append(true)
        .open(dir.join(format!("{name}.log")))
        .unwrap();
    let mut child = Command::new(bins::dir().join(name))
        .arg("--config")
        .arg(dir.join(format!("{name}.yaml")))
        .arg("--ready-file")
        .arg(&ready)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let began = Instant::now();
    loop {
        if let Ok(text) = fs::read_to_string(&ready) {
            let said: Value = serde_json::from_str(&text).unwrap();
            return Service { child, grpc: said["grpc"].as_str().unwrap().to_owned() };
        }
        let gone = child.try_wait().unwrap();
        if gone.is_some() || began.elapsed() > Duration::from_secs(60) {
            let _ = child.kill();
            let log = fs::read_to_string(dir.join(format!("{name}.log"))).unwrap();
            panic!("{name} did not start ({gone:?}):\n{log}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Keys, certificates, credentials and the executor's configuration.
pub fn lay_out(dir: &Path, shop: String, issuer: &Signer, frontend: &Signer, other: &Signer) {
    let pki = dir.join("pki");
    init_ca(&pki, DOMAIN).unwrap();
    for role in [
        Role::Executor,
        Role::Planner,
        Role::Frontend,
        Role::Auditor,
        Role::Approver,
        Role::Operator,
    ] {
        issue(&pki, role, &pki).unwrap();
    }
    let credentials = dir.join("credentials");
    fs::create_dir(&credentials).unwrap();
    fs::set_permissions(&credentials, fs::Permissions::from_mode(0o700)).unwrap();
    let secret = credentials.join("shopify_token");
    fs::write(&secret, "sandbox-token\n").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(dir.join("issuer.pem"), issuer.public_pem()).unwrap();
    fs::write(dir.join("other.pem"), other.public_pem()).unwrap();
    fs::write(dir.join("frontend.pem"), frontend.public_pem()).unwrap();
    let log = Signer::new(4);
    fs::write(dir.join("log.pem"), log.secret_pem()).unwrap();
    fs::set_permissions(dir.join("log.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(dir.join("log.pub"), log_key()).unwrap();
    fs::write(dir.join("executor.yaml"), executor_config(&shop)).unwrap();
}

fn log_key() -> String {
    use countersign_shared::tlog::key::{LogKey, Signer as _};
    let secret = ed25519_dalek::SigningKey::from_bytes(&[4; 32]);
    LogKey::new("test.countersign/log", secret).unwrap().verifier_key().to_string()
}

fn shipped_pack() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../executor/packs/shopify")
}

fn shipped_policy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../executor/policy")
}

fn executor_config(shop: &str) -> String {
    let packs = shipped_pack();
    let (packs, policy) = (packs.display(), shipped_policy());
    let policy = policy.display();
    let connection = |tenant: &str| {
        format!(
            r#"  - tenant: {tenant}
    pack: shopify
    account: sandbox-shop
    base_url: "{shop}"
    credential: shopify_token
    egress: {{ hosts: ["127.0.0.1"], private_networks: ["127.0.0.0/8"], plain_http: true }}
"#
        )
    };
    let connections = format!("{}{}", connection("demo-shop"), connection("other-shop"));
    format!(
        r#"listen: 127.0.0.1:0
admin: 127.0.0.1:0
tls: {{ cert: pki/executor/tls.crt, key: pki/executor/tls.key, ca: pki/executor/ca.crt }}
state: state
packs: ["{packs}"]
policy: "{policy}"
credentials: credentials
log: {{ origin: test.countersign/log, key: log.pem }}
callers:
  planners: ["spiffe://{DOMAIN}/planner"]
  auditors: ["spiffe://{DOMAIN}/auditor"]
  approvers: ["spiffe://{DOMAIN}/approver"]
  operators: ["spiffe://{DOMAIN}/operator"]
issuers:
  - issuer: "{ISSUER}"
    audience: countersign
    tenant: demo-shop
    keys: [{{ kid: dev, file: issuer.pem }}]
    claims: [email, customer_id]
    planners: ["spiffe://{DOMAIN}/planner"]
  - issuer: "{WIDGET}"
    audience: countersign
    tenant: demo-shop
    keys: [{{ kid: dev, file: issuer.pem }}]
    claims: [email, customer_id]
    strength: {{ default: asserted }}
    planners: ["spiffe://{DOMAIN}/planner"]
  - issuer: "https://other.test.invalid"
    audience: countersign
    tenant: other-shop
    keys: [{{ kid: dev, file: other.pem }}]
    claims: [email, customer_id]
    planners: ["spiffe://{DOMAIN}/planner"]
frontends:
  - id: demo-frontend
    tenant: demo-shop
    keys: [{{ kid: dev, file: frontend.pem }}]
  - id: demo-frontend
    tenant: other-shop
    keys: [{{ kid: dev, file: frontend.pem }}]
connections:
{connections}"#
    )
}

fn planner_config(executor: &str) -> String {
    format!(
        r#"listen: 127.0.0.1:0
admin: 127.0.0.1:0
tls: {{ cert: pki/planner/tls.crt, key: pki/planner/tls.key, ca: pki/planner/ca.crt }}
callers: ["spiffe://{DOMAIN}/frontend"]
executor: {{ address: "{executor}", id: "spiffe://{DOMAIN}/executor" }}
model: {{ kind: offline }}
"#
    )
}
