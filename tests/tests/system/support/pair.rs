//! A sandbox, an executor and a planner in a folder that goes with the test.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use countersign::pki::{Role, init_ca, issue};
use countersign_proto::v1::audit_client::AuditClient;
use countersign_proto::v1::executor_client::ExecutorClient;
use countersign_proto::v1::planner_client::PlannerClient;
use countersign_shared::mtls::Channel;
use countersign_shared::mtls::{Material, MaterialFiles, SpiffeId, channel};
use countersign_tests::sandbox::{Effect, Sandbox};
use tempfile::TempDir;

use super::change::{shipped_pack, shipped_policy};
use super::people::{Customer, Signer};
use super::service::{Launch, Service, start};
use super::{bins, canary, change, people};

pub const DOMAIN: &str = "test.countersign.internal";
pub const ISSUER: &str = "https://shop.test.invalid";
pub const WIDGET: &str = "https://widget.test.invalid";
/// Vouches for colleagues.
const HOUSE: &str = "https://house.test.invalid";

/// The pair with everything around it; all of it stops when dropped.
pub struct Pair {
    pub dir: TempDir,
    pub sandbox: Sandbox,
    pub issuer: Signer,
    pub frontend: Signer,
    /// A second tenant's issuer: same shop software, another shop.
    pub other_issuer: Signer,
    /// What the services log from their next start on, in the syntax of `RUST_LOG`.
    pub logs: &'static str,
    executor: Service,
    planner: Option<Service>,
}

impl Drop for Pair {
    /// NO SECRET LEAVES: every test is one more look for it.
    fn drop(&mut self) {
        self.stop();
        if !std::thread::panicking() {
            let leaks = canary::leaks(self.dir.path());
            assert!(leaks.is_empty(), "a secret left:\n{}", leaks.join("\n"));
        }
    }
}

impl Pair {
    /// Sandbox and executor.
    pub async fn executor_only() -> Self {
        let dir = TempDir::new().unwrap();
        let sandbox = canary::shop().await;
        let (issuer, frontend, other_issuer) = (Signer::new(1), Signer::new(2), Signer::new(3));
        lay_out(dir.path(), sandbox.base_url(), &issuer, &frontend, &other_issuer);
        let (logs, executor) = ("info", start("executor", dir.path(), "info"));
        Self { dir, sandbox, issuer, frontend, other_issuer, logs, executor, planner: None }
    }

    /// All three.
    pub async fn start() -> Self {
        Self::read_by("{ kind: offline }").await
    }

    /// All three, with this model in the planner.
    pub async fn read_by(model: &str) -> Self {
        let mut pair = Self::executor_only().await;
        pair.start_planner(model);
        pair
    }

    /// With this model.
    pub fn start_planner(&mut self, model: &str) {
        self.start_planner_with(model, "");
    }

    /// With this model, and this added to its configuration.
    pub fn start_planner_with(&mut self, model: &str, more: &str) {
        let config = planner_config(&self.executor.grpc, model) + more;
        fs::write(self.path("planner.yaml"), config).unwrap();
        self.planner = Some(start("planner", self.dir.path(), self.logs));
    }

    /// Ends both services without a word.
    pub fn stop(&mut self) {
        self.executor.stop();
        self.planner = None;
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Kills the executor without a word and starts another on the same folder.
    pub fn restart_executor(&mut self) {
        self.kill_executor();
        self.executor = start("executor", self.dir.path(), self.logs);
    }

    /// Kills the executor and starts one that remembers nothing: it activates what it finds.
    pub fn begin_anew(&mut self) {
        self.kill_executor();
        fs::remove_dir_all(self.path("state")).unwrap();
        self.restart_executor_after_kill();
    }

    /// Starts one where the last was killed.
    pub fn restart_executor_after_kill(&mut self) {
        self.executor = start("executor", self.dir.path(), self.logs);
    }

    pub fn executor_pid(&self) -> u32 {
        self.executor.pid()
    }

    pub fn executor_is_gone(&self) -> bool {
        self.executor.is_gone()
    }

    /// The signal that ended it.
    pub fn executor_ended_by(&self) -> Option<i32> {
        self.executor.ended_by()
    }

    /// Waits until it has ended by itself.
    pub fn executor_ends(&self) {
        self.executor.ends();
    }

    /// Tells the executor to stop, as whoever supervises it does.
    pub fn terminate_executor(&self) {
        self.executor.terminate();
    }

    /// Whether it has ended by itself, and well.
    pub fn executor_ended_well(&self) -> Option<bool> {
        self.executor.ended_well()
    }

    pub fn kill_executor(&self) {
        self.executor.stop();
    }

    /// Kills the executor and starts one as `launch` says.
    ///
    /// # Errors
    /// How it ended where it did not come to serve.
    pub fn launch_executor(&mut self, launch: &Launch) -> Result<(), ExitStatus> {
        self.kill_executor();
        self.executor = launch.start("executor", self.dir.path(), self.logs)?;
        Ok(())
    }

    /// What `/readyz` answers now: whether effects may begin, and why not.
    pub fn readiness(&self) -> (bool, String) {
        self.asked_for_readiness().unwrap()
    }

    /// The same of an executor that may be gone.
    pub fn asked_for_readiness(&self) -> std::io::Result<(bool, String)> {
        readiness(&self.executor.admin)
    }

    /// What the planner's `/readyz` answers now.
    pub fn planner_readiness(&self) -> (bool, String) {
        readiness(&self.planner.as_ref().unwrap().admin).unwrap()
    }

    /// What the executor tells at `/metrics`, and what the planner does.
    pub fn metrics(&self) -> (String, String) {
        let told = |service: &Service| page(&service.admin, "metrics").unwrap_or_default();
        (told(&self.executor), self.planner.as_ref().map(told).unwrap_or_default())
    }

    /// Waits until `/readyz` is green, or red.
    pub async fn turns(&self, ready: bool) -> String {
        let began = Instant::now();
        loop {
            let (now, said) = self.readiness();
            if now == ready {
                return said;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "still {now}: {said}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub fn executor_address(&self) -> &str {
        &self.executor.grpc
    }

    /// From the next start on, the shop's pack with each file as `edit` leaves it, by
    /// its name; without those that it answers with `None`.
    pub fn change_pack(&self, edit: impl Fn(&str, String) -> Option<String>) {
        change::pack(self.dir.path(), edit);
    }

    /// From the next start on, the policy with each file as `edit` leaves it, by its name,
    /// and these public keys beside it.
    pub fn change_policy(&self, edit: impl Fn(&str, String) -> String, keys: &[(&str, &Signer)]) {
        change::policy(self.dir.path(), edit, keys);
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
        command(self.dir.path(), words)
    }

    /// The same, while everybody else goes on.
    pub async fn command_beside(&self, words: &'static [&'static str]) -> (bool, String) {
        let dir = self.dir.path().to_owned();
        tokio::task::spawn_blocking(move || command(&dir, words)).await.unwrap()
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
        change::config(self.dir.path(), that, this);
    }

    pub fn customer(&self, number: u32) -> Customer {
        let (email, id) = who(number);
        self.issuer.customer(ISSUER, &email, &id)
    }

    /// A visitor of the shop's widget, whom only the widget asserts.
    pub fn guest(&self, name: &str) -> Customer {
        self.issuer.customer(WIDGET, name, "gid://shopify/Customer/2")
    }

    /// Somebody of the house, with these scopes.
    pub fn colleague(&self, name: &str, scope: &str) -> Customer {
        self.issuer.colleague(HOUSE, name, scope)
    }

    /// The same person at another tenant.
    pub fn elsewhere(&self, number: u32) -> Customer {
        let (email, id) = who(number);
        self.other_issuer.customer("https://other.test.invalid", &email, &id)
    }

    pub fn channel(&self, role: Role) -> Channel {
        self.channel_to("executor", &self.executor.grpc, role)
    }

    /// To the workload of this name at this address.
    pub fn channel_to(&self, name: &str, address: &str, role: Role) -> Channel {
        let material = material(&self.path("pki"), role);
        let expected: SpiffeId = format!("spiffe://{DOMAIN}/{name}").parse().unwrap();
        channel(address, material, expected).unwrap()
    }

    /// The executor as the planner sees it.
    pub fn executor(&self) -> ExecutorClient<Channel> {
        ExecutorClient::new(self.channel(Role::Planner))
    }

    pub fn audit(&self, role: Role) -> AuditClient<Channel> {
        AuditClient::new(self.channel(role))
    }

    /// Kills the planner without a word.
    pub fn kill_planner(&mut self) {
        self.planner = None;
    }

    /// Where the planner serves chat over HTTP.
    pub fn chat(&self) -> String {
        format!("http://{}", self.planner.as_ref().unwrap().chat)
    }

    /// The planner as a chat frontend sees it.
    pub fn planner(&self) -> PlannerClient<Channel> {
        let address = &self.planner.as_ref().unwrap().grpc;
        PlannerClient::new(self.channel_to("planner", address, Role::Frontend))
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

fn command(dir: &Path, words: &[&str]) -> (bool, String) {
    let mut command = Command::new(bins::dir().join("countersign"));
    let out = command.args(words).current_dir(dir).output().unwrap();
    (out.status.success(), String::from_utf8([out.stdout, out.stderr].concat()).unwrap())
}

/// What `/readyz` at this address answers.
pub fn readiness(admin: &str) -> std::io::Result<(bool, String)> {
    let answer = page(admin, "readyz")?;
    Ok((answer.starts_with("HTTP/1.1 200"), answer))
}

/// What a status page at this address answers.
pub fn page(admin: &str, name: &str) -> std::io::Result<String> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(admin)?;
    let request = format!("GET /{name} HTTP/1.1\r\nhost: service\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    // A process that is killed while it is asked leaves an answer without an end.
    if !answer.contains("\r\n\r\n") {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(answer)
}

fn who(number: u32) -> (String, String) {
    (format!("customer{number}@example.com"), format!("gid://shopify/Customer/{number}"))
}

pub fn material(pki: &Path, role: Role) -> std::sync::Arc<Material> {
    Material::open(MaterialFiles::in_dir(&pki.join(role.as_str()))).unwrap()
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
    fs::write(&secret, format!("{}\n", canary::token())).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(dir.join("issuer.pem"), issuer.public_pem()).unwrap();
    fs::write(dir.join("other.pem"), other.public_pem()).unwrap();
    fs::write(dir.join("frontend.pem"), frontend.public_pem()).unwrap();
    let log = Signer::new(4);
    fs::write(dir.join("log.pem"), log.secret_pem()).unwrap();
    fs::set_permissions(dir.join("log.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(dir.join("log.pub"), log_key()).unwrap();
    let planner = Signer::new(5);
    fs::write(dir.join("cosign.pem"), planner.secret_pem()).unwrap();
    fs::set_permissions(dir.join("cosign.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(dir.join("cosign.pub"), cosign_key()).unwrap();
    fs::write(dir.join("executor.yaml"), executor_config(&shop)).unwrap();
}

fn log_key() -> String {
    use countersign_shared::tlog::key::{LogKey, Signer as _};
    let secret = ed25519_dalek::SigningKey::from_bytes(&people::seed(4));
    LogKey::new("test.countersign/log", secret).unwrap().verifier_key().to_string()
}

fn cosign_key() -> String {
    use countersign_shared::tlog::key::WitnessKey;
    let secret = ed25519_dalek::SigningKey::from_bytes(&people::seed(5));
    WitnessKey::new("test.countersign/planner", secret).unwrap().verifier_key().to_string()
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
log: {{ origin: test.countersign/log, key: log.pem, cosigners: [cosign.pub] }}
callers:
  planners: ["spiffe://{DOMAIN}/planner"]
  auditors: ["spiffe://{DOMAIN}/auditor"]
  approvers: [{{ id: "spiffe://{DOMAIN}/approver", tenants: [demo-shop] }}]
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
  - issuer: "{HOUSE}"
    audience: countersign
    tenant: demo-shop
    kind: staff
    scopes_claim: scope
    keys: [{{ kid: dev, file: issuer.pem }}]
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

/// A planner's configuration, before an executor at this address.
pub fn planner_config(executor: &str, model: &str) -> String {
    format!(
        r#"listen: 127.0.0.1:0
admin: 127.0.0.1:0
tls: {{ cert: pki/planner/tls.crt, key: pki/planner/tls.key, ca: pki/planner/ca.crt }}
callers: ["spiffe://{DOMAIN}/frontend"]
per_minute: 4000000000
per_minute_each: 4000000000
executor: {{ address: "{executor}", id: "spiffe://{DOMAIN}/executor" }}
state: planner-state
log: {{ keys: log.pub, cosign: {{ name: test.countersign/planner, key: cosign.pem }} }}
model: {model}
"#
    )
}
