//! One executor with a tenant for each play: what happened in one play is nothing to another,
//! although all of them share the executor, its store and its log.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use countersign_executor::config::Config;
use countersign_shared::mtls::SpiffeId;
use countersign_shared::ready::Ready;
use countersign_shared::tlog::key::{LogKey, Signer as _, WitnessKey};
use serde_json::Value as Json;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::face::{Chat, Door, Face, KEY};
use crate::chat::frontend::{Frontend, Line};
use crate::chat::jws::Signer;
use crate::chat::voice::{Issuer, Voice};
use crate::demo::folder::{make, write_private};
use crate::demo::people::Person;
use crate::ed25519;
use crate::pki::{Role, init_ca, issue};

const DOMAIN: &str = "eval.countersign.internal";
const ORIGIN: &str = "eval.countersign.internal/log";
const COSIGNER: &str = "eval.countersign.internal/planner";
const AUDIENCE: &str = "countersign";
const KID: &str = "eval";
/// The sandbox shop's credential: name, and what it accepts.
pub(super) const TOKEN: (&str, &str) = ("sandbox", "sandbox-token");
/// For a service to begin.
const START: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// An executor and all that belongs to it.
pub(super) struct House {
    folder: TempDir,
    executor: String,
    _running: Service,
}

/// The planner of one play, and its doors.
pub(super) struct Planner {
    running: Service,
    grpc: String,
    chat: String,
}

impl Planner {
    /// Ends it, and waits until it has ended.
    pub(super) async fn end(self) {
        self.running.end().await;
    }
}

/// A service in this process.
struct Service {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Service {
    /// Ends it, and waits until it has ended.
    async fn end(mut self) {
        if let Some(stop) = self.stop.take() {
            let _gone = stop.send(());
        }
        // How it ended is nothing to the play, which is over.
        let _ended = (&mut self.task).await;
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl House {
    /// Starts one over these shops, a tenant each, with these files in the policy's place.
    pub(super) async fn open(
        policy: &BTreeMap<String, String>,
        shops: &[String],
    ) -> anyhow::Result<Self> {
        let made = tempfile::Builder::new().prefix("countersign-eval-").tempdir();
        let folder = made.context("cannot make a temporary folder")?;
        lay_out(folder.path(), policy)?;
        let file = folder.path().join("executor.yaml");
        fs::write(&file, executor(shops))?;
        let (config, ready) = (Config::load(&file)?, folder.path().join("executor.json"));
        let at = ready.clone();
        let running =
            serve(
                |stop| async move { countersign_executor::run::run(config, Some(&at), stop).await },
            );
        let (running, listening) = started(running, &ready).await.context("the executor")?;
        Ok(Self { folder, executor: listening.grpc.to_string(), _running: running })
    }

    /// A planner of its own for one play.
    pub(super) async fn planner(
        &self,
        play: usize,
        model: &str,
        pages: &BTreeMap<String, String>,
    ) -> anyhow::Result<Planner> {
        let home = self.folder.path();
        let name = |what: &str| home.join(format!("planner-{play}{what}"));
        let mut text = planner(&self.executor, play, model);
        if !pages.is_empty() {
            write_all(&name("-pages"), pages)?;
            text.push_str(&format!("knowledge: {{ folder: planner-{play}-pages }}\n"));
        }
        fs::write(name(".yaml"), text)?;
        let config = countersign_planner::config::Config::load(&name(".yaml"))?;
        let opened = countersign_planner::run::Opened::of(&config)?;
        let (ready, at) = (name(".json"), name(".json"));
        let running = serve(|stop| async move {
            countersign_planner::run::run(config, opened, Some(&at), stop).await
        });
        let (running, listening) = started(running, &ready).await.context("the planner")?;
        let chat = listening.chat.context("the planner has no HTTP door")?;
        Ok(Planner { running, grpc: listening.grpc.to_string(), chat: format!("http://{chat}") })
    }

    /// A chat frontend of one play's tenant at a planner's door, with this person at it.
    pub(super) fn face(
        &self,
        play: usize,
        planner: &Planner,
        person: &Person,
        door: Door,
    ) -> anyhow::Result<Face> {
        let voice = self.voice(play, person)?;
        Ok(match door {
            Door::Grpc => {
                let tls = self.folder.path().join("pki/frontend");
                let id: SpiffeId = id("planner").parse()?;
                let line = Line { address: planner.grpc.clone(), id, tls };
                Face::Grpc { frontend: Box::new(Frontend::open(&line, voice)?), last: None }
            }
            Door::Chat => Face::Chat(Box::new(Chat {
                client: reqwest::Client::builder().no_proxy().build()?,
                url: planner.chat.clone(),
                voice,
                conversation: format!("chat-{}", Uuid::now_v7().simple()),
                messages: Vec::new(),
                card: None,
                last: None,
            })),
        })
    }

    fn voice(&self, play: usize, person: &Person) -> anyhow::Result<Voice> {
        let signer = |name: &str| -> anyhow::Result<Signer> {
            let key = ed25519::read(&self.folder.path().join(format!("{name}.key")))?;
            Ok(Signer::new(key, KID))
        };
        let claims = [("email", person.email), ("customer_id", person.customer_id)];
        Ok(Voice {
            subject: person.subject.to_owned(),
            claims: claims.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            issuer: Issuer {
                name: issuer(play),
                audience: AUDIENCE.to_owned(),
                signer: signer("issuer")?,
            },
            frontend: format!("frontend-{play}"),
            signer: signer("frontend")?,
        })
    }

    /// Address, certificate and identity for whoever reads receipts.
    pub(super) fn auditor(&self) -> anyhow::Result<(String, PathBuf, SpiffeId)> {
        let tls = self.folder.path().join("pki/auditor");
        Ok((self.executor.clone(), tls, id("executor").parse()?))
    }
}

fn serve<F, R>(run: F) -> Service
where
    F: FnOnce(std::pin::Pin<Box<dyn Future<Output = ()> + Send>>) -> R,
    R: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let (stop, stopped) = oneshot::channel::<()>();
    let until = Box::pin(async move {
        let _dropped = stopped.await;
    });
    Service { stop: Some(stop), task: tokio::spawn(run(until)) }
}

/// Waits until it says where it listens.
async fn started(mut service: Service, file: &Path) -> anyhow::Result<(Service, Ready)> {
    let until = Instant::now() + START;
    while Instant::now() < until {
        if let Ok(text) = fs::read_to_string(file) {
            return Ok((service, serde_json::from_str(&text)?));
        }
        if service.task.is_finished() {
            (&mut service.task).await??;
            anyhow::bail!("it ended while starting");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    anyhow::bail!("it was not ready after {} s", START.as_secs())
}

fn lay_out(home: &Path, policy: &BTreeMap<String, String>) -> anyhow::Result<()> {
    let pki = home.join("pki");
    init_ca(&pki, DOMAIN)?;
    for role in [Role::Executor, Role::Planner, Role::Frontend, Role::Auditor] {
        issue(&pki, role, &pki)?;
    }
    let keys = ["issuer", "frontend", "log", "cosign"];
    for name in keys {
        let key = ed25519::generate()?;
        write_private(&home.join(format!("{name}.key")), &ed25519::private_pem(&key)?)?;
        let public = match name {
            "log" => LogKey::new(ORIGIN, key)?.verifier_key().to_string(),
            "cosign" => WitnessKey::new(COSIGNER, key)?.verifier_key().to_string(),
            _person => ed25519::public_pem(&key)?,
        };
        fs::write(home.join(format!("{name}.pub")), public)?;
    }
    write_private(&home.join("http.keys"), KEY)?;
    make(&home.join("credentials"))?;
    write_private(&home.join("credentials").join(TOKEN.0), TOKEN.1)?;
    countersign_executor::packs::write_shipped(&home.join("packs"))?;
    countersign_executor::policy::write_shipped(&home.join("policy"))?;
    write_all(&home.join("policy"), policy)
}

fn write_all(folder: &Path, files: &BTreeMap<String, String>) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    for (name, text) in files {
        anyhow::ensure!(!name.contains('/'), "{name} is no file name");
        fs::write(folder.join(name), text)?;
    }
    Ok(())
}

fn id(role: &str) -> String {
    format!("spiffe://{DOMAIN}/{role}")
}

fn issuer(play: usize) -> String {
    format!("https://{play}.eval.invalid")
}

fn executor(shops: &[String]) -> String {
    let (planner, auditor) = (id("planner"), id("auditor"));
    let (mut issuers, mut frontends, mut connections) =
        (String::new(), String::new(), String::new());
    for (play, shop) in shops.iter().enumerate() {
        let (issuer, shop) = (issuer(play), Json::from(shop.as_str()));
        issuers.push_str(&format!(
            "  - {{ issuer: \"{issuer}\", audience: {AUDIENCE}, tenant: play-{play}, \
             keys: [{{ kid: {KID}, file: issuer.pub }}], claims: [email, customer_id], \
             planners: [\"{planner}\"] }}\n"
        ));
        frontends.push_str(&format!(
            "  - {{ id: frontend-{play}, tenant: play-{play}, \
             keys: [{{ kid: {KID}, file: frontend.pub }}] }}\n"
        ));
        connections.push_str(&format!(
            "  - {{ tenant: play-{play}, pack: shopify, account: play-{play}, base_url: {shop}, \
             credential: {}, egress: {{ hosts: [127.0.0.1], private_networks: [127.0.0.0/8], \
             plain_http: true }} }}\n",
            TOKEN.0
        ));
    }
    format!(
        "\
listen: 127.0.0.1:0
admin: 127.0.0.1:0
tls: {{ cert: pki/executor/tls.crt, key: pki/executor/tls.key, ca: pki/executor/ca.crt }}
state: executor
packs: [packs/shopify]
policy: policy
credentials: credentials
log: {{ origin: {ORIGIN}, key: log.key, cosigners: [cosign.pub] }}
callers: {{ planners: [\"{planner}\"], auditors: [\"{auditor}\"] }}
issuers:
{issuers}frontends:
{frontends}connections:
{connections}"
    )
}

fn planner(executor: &str, play: usize, model: &str) -> String {
    let (frontend, id) = (id("frontend"), id("executor"));
    format!(
        "\
listen: 127.0.0.1:0
admin: 127.0.0.1:0
tls: {{ cert: pki/planner/tls.crt, key: pki/planner/tls.key, ca: pki/planner/ca.crt }}
callers: [\"{frontend}\"]
per_minute_each: 600
executor: {{ address: \"{executor}\", id: \"{id}\" }}
state: planner-{play}-state
log: {{ keys: log.pub, cosign: {{ name: {COSIGNER}, key: cosign.key }} }}
model: {model}
chat:
  listen: 127.0.0.1:0
  frontends:
    - {{ name: eval, keys: http.keys, subject: {{ token: X-Subject-Token }}, signs: true }}
"
    )
}
