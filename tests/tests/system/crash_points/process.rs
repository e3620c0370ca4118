//! One executor after another on the same store, each in a runtime of its own that
//! can be gone at any moment, and the one sandbox that outlives them all.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::contract::Catalog;
use countersign_executor::config::Config;
use countersign_executor::connector::Connections;
use countersign_executor::desk::Desk;
use countersign_executor::driver::Driver;
use countersign_executor::peer::{Caller, Role};
use countersign_executor::pipeline::Pipeline;
use countersign_executor::ports::{Clock, ReceiptQuery, Store};
use countersign_executor::service::executor::ExecutorService;
use countersign_executor::store::sqlite::{LogSource, Sqlite};
use countersign_executor::subject::Subjects;
use countersign_executor::switch::Switchboard;
use countersign_executor::vault::Vault;
use countersign_executor::{log, packs, policy, running};
use countersign_proto::v1;
use countersign_proto::v1::argument::Source;
use countersign_proto::v1::execute_request::Target;
use countersign_proto::v1::executor_server::Executor as _;
use countersign_shared::receipt::Receipt;
use countersign_shared::refusal::Refusal;
use countersign_shared::tlog::folder::Publisher;
use countersign_shared::tlog::key::{LogKey, Signer as _};
use countersign_shared::tlog::verify::{Options, verify_folder};
use countersign_tests::sandbox::{self, Effect, Sandbox};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::faulty::{Faulty, How};
use crate::support::pair::{ISSUER, lay_out};
use crate::support::people::{Customer, Signer};
use crate::support::plans::step;

/// Conversation of everything here.
const TALK: &str = "c1";

/// The sandbox, the people and the configuration; no executor yet.
pub struct Machine {
    shop: Runtime,
    world: Arc<World>,
    _dir: TempDir,
    catalog: Arc<Catalog>,
    config: Config,
    key: Arc<LogKey>,
}

/// The sandbox and those who sign.
struct World {
    sandbox: Sandbox,
    issuer: Signer,
    frontend: Signer,
}

impl World {
    fn mutations(&self) -> usize {
        self.sandbox.requests().iter().filter(|r| r.kind == "mutation").count()
    }
}

/// A store's folder, and the time that passes around it.
pub struct Life {
    dir: TempDir,
    clock: Arc<Jumping>,
    wrong: Mutex<Vec<String>>,
}

/// How a process came to its end.
pub enum Run<T> {
    /// At the fault.
    Crashed,
    /// After its work; `met`: the fault was reached on the way.
    Ended { met: bool, answer: T },
    /// Not at all.
    Late,
}

/// What a caller holds of a running executor.
pub struct Hands {
    /// Actions of an earlier process that it found unfinished.
    pub carried_on: usize,
    service: ExecutorService,
    store: Arc<dyn Store>,
    world: Arc<World>,
    who: Customer,
    words: Mutex<Vec<v1::AttestedMessage>>,
}

/// What really is, after it all.
pub struct Truth {
    pub effects: Vec<Effect>,
    pub mutations: usize,
    pub receipts: Vec<Receipt>,
    pub proposal_id: String,
    /// What the same wish is answered with now.
    pub again: Refusal,
    pub wrong: Vec<String>,
}

/// The machine's time plus every wait, which is over at once; the sandbox's time
/// jumps alike, so that nothing there is earlier than it would be.
struct Jumping {
    skipped: Mutex<SignedDuration>,
    world: Arc<World>,
}

#[async_trait]
impl Clock for Jumping {
    fn now(&self) -> Timestamp {
        Timestamp::now().saturating_add(*self.skipped.lock()).unwrap()
    }

    async fn until(&self, at: Timestamp) {
        let wait = at.duration_since(self.now());
        if wait.is_positive() {
            *self.skipped.lock() += wait;
            self.world.sandbox.advance(wait.unsigned_abs());
        }
        tokio::task::yield_now().await;
    }
}

impl Machine {
    pub fn new() -> Self {
        let shop = Runtime::new().unwrap();
        let sandbox = shop.block_on(Sandbox::start(sandbox::Config::default())).unwrap();
        let dir = TempDir::new().unwrap();
        let (issuer, frontend) = (Signer::new(1), Signer::new(2));
        lay_out(dir.path(), sandbox.base_url(), &issuer, &frontend, &Signer::new(3));
        let world = World { sandbox, issuer, frontend };
        let mut config = Config::load(&dir.path().join("executor.yaml")).unwrap();
        // One tenant is enough here, and each connection takes its time to set up.
        config.connections.truncate(1);
        let catalog = Arc::new(packs::load(&config.packs).unwrap());
        let key = Arc::new(log::key(&config.log).unwrap());
        Self { shop, world: Arc::new(world), _dir: dir, catalog, config, key }
    }

    /// A new shop and an empty store.
    pub fn life(&self) -> Life {
        self.world.sandbox.reset();
        let clock = Jumping { skipped: Mutex::default(), world: Arc::clone(&self.world) };
        Life { dir: TempDir::new().unwrap(), clock: Arc::new(clock), wrong: Mutex::default() }
    }

    /// One process from its start until `work` is done, the fault takes it away, or
    /// `patience` ends.
    pub fn run<T>(
        &self,
        life: &Life,
        fault: Option<(u32, How)>,
        patience: Duration,
        work: impl AsyncFnOnce(&Hands) -> T,
    ) -> Run<T> {
        let process = Runtime::new().unwrap();
        let ended = process.block_on(async {
            let (sqlite, _) = self.store(life);
            let shop = Arc::clone(&self.world);
            let faulty = Arc::new(Faulty::new(sqlite, fault, move || shop.mutations()));
            let desk = self.desk(life, Arc::clone(&faulty) as Arc<dyn Store>);
            let mut hands = Hands {
                carried_on: 0,
                store: Arc::clone(&faulty) as Arc<dyn Store>,
                service: ExecutorService::new(desk.clone()),
                world: Arc::clone(&self.world),
                who: self.world.issuer.customer(
                    ISSUER,
                    "customer1@example.com",
                    "gid://shopify/Customer/1",
                ),
                words: Mutex::default(),
            };
            let work = async {
                hands.carried_on = desk.recover().await.unwrap();
                work(&hands).await
            };
            let ended = tokio::select! {
                answer = work => Run::Ended { met: faulty.met(), answer },
                () = faulty.crashed.notified() => Run::Crashed,
                () = tokio::time::sleep(patience) => Run::Late,
            };
            life.wrong.lock().append(&mut faulty.wrong.lock());
            ended
        });
        // Every task of it ends where it stands.
        process.shutdown_timeout(Duration::from_secs(5));
        ended
    }

    /// Looks at ledger, store and log once everything has ended.
    pub fn truth(&self, life: &Life, patience: Duration, proposal: Option<&v1::Proposal>) -> Truth {
        let looked = self.run(life, None, patience, async |hands: &Hands| {
            assert_eq!(hands.store.unfinished().await.unwrap().len(), 0, "something is unfinished");
            let again = super::propose(hands, wish(proposal), 9).await;
            let again = Refusal::from_status(&again.expect_err("a repeat is known")).unwrap();
            let all = ReceiptQuery { limit: 100, ..ReceiptQuery::default() };
            let receipts = hands.store.receipts(all).await.unwrap();
            let receipts = receipts.iter().map(|r| serde_json::from_slice(&r.body).unwrap());
            (again, receipts.collect::<Vec<Receipt>>())
        });
        let Run::Ended { answer: (again, receipts), .. } = looked else { panic!("no last look") };
        self.log_verifies(life, receipts.len() as u64);
        Truth {
            effects: self.world.sandbox.ledger(),
            mutations: self.world.mutations(),
            receipts,
            proposal_id: proposal.map(|p| p.proposal_id.clone()).unwrap_or_default(),
            again,
            wrong: life.wrong.lock().clone(),
        }
    }

    fn log_verifies(&self, life: &Life, leaves: u64) {
        let folder = TempDir::new().unwrap();
        let _guard = self.shop.enter();
        let (_, source) = self.store(life);
        Publisher::new(folder.path(), self.key.verifier_key()).publish(&source).unwrap();
        let key = self.key.verifier_key();
        let verified = verify_folder(folder.path(), &key, Options::default()).unwrap();
        assert_eq!(verified.leaves, leaves);
    }

    fn store(&self, life: &Life) -> (Arc<dyn Store>, LogSource) {
        let path = life.dir.path().join("executor.db");
        let sqlite = Sqlite::open(&path, Arc::clone(&self.key)).unwrap();
        let source = sqlite.log_source();
        (Arc::new(sqlite), source)
    }

    fn desk(&self, life: &Life, store: Arc<dyn Store>) -> Desk {
        let vault = Vault::open(&self.config.credentials).unwrap();
        let connections =
            Connections::build(&self.config.connections, &self.catalog, &vault).unwrap();
        let clock = Arc::clone(&life.clock) as Arc<dyn Clock>;
        let pipeline = Pipeline {
            catalog: Arc::clone(&self.catalog),
            policy: Arc::new(policy::load(&self.config.policy, &self.catalog).unwrap()),
            driver: Driver::new(Arc::clone(&self.catalog), connections, Arc::clone(&clock)),
            store,
            switches: Switchboard::default(),
            clock,
            sealed: Arc::new(tokio::sync::Notify::new()),
            raised: Arc::default(),
        };
        let subjects = Arc::new(Subjects::load(&self.config).unwrap());
        Desk {
            pipeline,
            subjects,
            running: running::Running::default(),
            waiting: Arc::default(),
            origin: "".into(),
        }
    }
}

fn wish(proposal: Option<&v1::Proposal>) -> super::Wish {
    match proposal.map(|p| p.tool.as_str()) {
        Some("shopify.cancel_order") => super::Wish::Cancel,
        Some("shopify.refund_lines") => super::Wish::Refund,
        other => panic!("no proposal came of it: {other:?}"),
    }
}

impl Hands {
    pub fn sandbox(&self) -> &Sandbox {
        &self.world.sandbox
    }

    /// Until nothing is left of an earlier process.
    pub async fn recovered(&self) {
        while !self.store.unfinished().await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// An answer as it is, or `STORE_UNAVAILABLE`: nothing else may go wrong here.
    pub fn told<T>(&self, answer: Result<T, tonic::Status>) -> Result<T, Refusal> {
        answer.map_err(|status| {
            let refusal = Refusal::from_status(&status).expect("a refusal of ours");
            assert_eq!(refusal.code, "STORE_UNAVAILABLE", "{refusal:?}");
            refusal
        })
    }

    pub async fn order(&self, number: &str, turn: u32) -> Result<v1::Observation, tonic::Status> {
        let (id, text) = (format!("m{turn}"), format!("it is about order #{number}"));
        *self.words.lock() = vec![self.world.frontend.message(&self.who, TALK, &id, &text)];
        let start = text.find(number).unwrap();
        let span = v1::UtteranceSpan {
            message_id: id,
            start: u32::try_from(start).unwrap(),
            end: u32::try_from(start + number.len()).unwrap(),
        };
        let number = v1::Argument { source: Some(Source::Utterance(span)) };
        self.read(step("shopify.find_order", vec![("number", number)])).await
    }

    pub async fn read(&self, step: v1::Step) -> Result<v1::Observation, tonic::Status> {
        let request = v1::ExecuteRequest {
            subject_token: self.who.token.clone(),
            target: Some(Target::Plan(plan(step))),
            messages: self.words.lock().clone(),
            confirmation: String::new(),
        };
        let done = self.service.execute(by_planner(request)).await?.into_inner();
        Ok(done.observations.into_iter().next().unwrap())
    }

    pub async fn propose(&self, step: v1::Step) -> Result<v1::Proposal, tonic::Status> {
        let request = v1::ProposeRequest {
            subject_token: self.who.token.clone(),
            messages: self.words.lock().clone(),
            plan: Some(plan(step)),
        };
        let made = self.service.propose(by_planner(request)).await?.into_inner();
        Ok(made.proposal.unwrap())
    }

    pub async fn execute(&self, proposal: &v1::Proposal) -> Result<v1::Action, tonic::Status> {
        let card = proposal.card.as_ref().unwrap();
        let request = v1::ExecuteRequest {
            subject_token: self.who.token.clone(),
            target: Some(Target::ProposalId(proposal.proposal_id.clone())),
            messages: vec![],
            confirmation: self.world.frontend.yes(&self.who, TALK, card),
        };
        let done = self.service.execute(by_planner(request)).await?.into_inner();
        Ok(done.action.unwrap())
    }
}

fn plan(step: v1::Step) -> v1::Plan {
    let confidence = v1::Confidence { score: 0.99, ..Default::default() };
    v1::Plan {
        conversation_id: TALK.into(),
        steps: vec![step],
        confidence: Some(confidence),
        ..Default::default()
    }
}

/// As the table of callers hands it on.
fn by_planner<T>(message: T) -> tonic::Request<T> {
    let id = "spiffe://test.countersign.internal/planner".parse().unwrap();
    let mut request = tonic::Request::new(message);
    request.extensions_mut().insert(Caller { id, role: Role::Planner });
    request
}
