//! One executor after another on the same store, each in a runtime of its own that
//! can be gone at any moment, and the one sandbox that outlives them all.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::contract::Catalog;
use countersign_executor::config::Config;
use countersign_executor::connector::Connections;
use countersign_executor::desk::Desk;
use countersign_executor::driver::Driver;
use countersign_executor::pipeline::Pipeline;
use countersign_executor::ports::{Backends, Clock, Store};
use countersign_executor::store::sqlite::{LogSource, Sqlite};
use countersign_executor::subject::Subjects;
use countersign_executor::switch::Switchboard;
use countersign_executor::vault::Vault;
use countersign_executor::{log, packs, policy, running};
use countersign_proto::v1;
use countersign_shared::receipt::Receipt;
use countersign_shared::refusal::Refusal;
use countersign_shared::tlog::folder::Publisher;
use countersign_shared::tlog::key::{LogKey, Signer as _};
use countersign_shared::tlog::verify::{Options, verify_folder};
use countersign_tests::sandbox::{Effect, Sandbox};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::faulty::{Faulty, How, ReadOnly};
use super::hands::Hands;
use super::outage::{Away, Reached};
use crate::support::canary;
use crate::support::pair::lay_out;
use crate::support::people::Signer;

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
pub(super) struct World {
    pub(super) sandbox: Sandbox,
    pub(super) issuer: Signer,
    pub(super) frontend: Signer,
}

impl Life {
    /// So much time passes.
    pub fn pass(&self, time: SignedDuration) {
        self.clock.skip(time);
    }

    /// Objects that an action holds.
    pub fn locks(&self) -> u32 {
        let db = rusqlite::Connection::open(self.dir.path().join("executor.db")).unwrap();
        db.query_row("SELECT count(*) FROM locks", [], |row| row.get(0)).unwrap()
    }

    /// How long the shop takes no write.
    pub(super) fn away(&self) -> &Away {
        &self.clock.away
    }

    /// Whether its store takes no writes.
    pub(super) fn read_only(&self) -> &ReadOnly {
        &self.read_only
    }

    /// What was seen that must never be.
    pub fn wrong(&self) -> Vec<String> {
        self.wrong.lock().clone()
    }
}

impl Jumping {
    fn skip(&self, time: SignedDuration) {
        *self.skipped.lock() += time;
        self.world.sandbox.advance(time.unsigned_abs());
    }
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
    read_only: Arc<ReadOnly>,
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
    away: Arc<Away>,
}

#[async_trait]
impl Clock for Jumping {
    fn now(&self) -> Timestamp {
        Timestamp::now().saturating_add(*self.skipped.lock()).unwrap()
    }

    async fn until(&self, at: Timestamp) {
        self.away.pause().await;
        let wait = at.duration_since(self.now());
        if wait.is_positive() {
            self.skip(wait);
        }
        tokio::task::yield_now().await;
    }
}

impl Machine {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// With what `change` makes of its configuration.
    pub fn with(change: impl FnOnce(&Path)) -> Self {
        let shop = Runtime::new().unwrap();
        let sandbox = shop.block_on(canary::shop());
        let dir = TempDir::new().unwrap();
        let (issuer, frontend) = (Signer::new(1), Signer::new(2));
        lay_out(dir.path(), sandbox.base_url(), &issuer, &frontend, &Signer::new(3));
        change(dir.path());
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
        let (world, away) = (Arc::clone(&self.world), Arc::new(Away::never()));
        let clock = Jumping { skipped: Mutex::default(), world, away };
        Life {
            dir: TempDir::new().unwrap(),
            clock: Arc::new(clock),
            read_only: Arc::default(),
            wrong: Mutex::default(),
        }
    }

    /// Effects that really happened, those of staff left out.
    pub fn effects(&self) -> Vec<Effect> {
        self.world.sandbox.ledger().into_iter().filter(|e| !e.staff).collect()
    }

    /// Requests to change something that reached the shop.
    pub fn mutations(&self) -> usize {
        self.world.mutations()
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
            let store = (sqlite, Arc::clone(&life.read_only));
            let faulty = Arc::new(Faulty::new(store, fault, move || shop.mutations()));
            let desk = self.desk(life, Arc::clone(&faulty) as Arc<dyn Store>);
            let mut hands = Hands::new(desk, Arc::clone(&self.world));
            let work = async {
                hands.carried_on = hands.desk.recover().await.unwrap();
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
            let again = super::propose(hands, wish(proposal), 9).await;
            let again = Refusal::from_status(&again.expect_err("a repeat is known")).unwrap();
            (again, hands.receipts().await)
        });
        let Run::Ended { answer: (again, receipts), .. } = looked else { panic!("no last look") };
        self.log_verifies(life, receipts.len() as u64);
        Truth {
            effects: self.world.sandbox.ledger(),
            mutations: self.world.mutations(),
            receipts,
            proposal_id: proposal.map(|p| p.proposal_id.clone()).unwrap_or_default(),
            again,
            wrong: life.wrong(),
        }
    }

    /// The published log holds so many receipts and verifies.
    pub fn log_verifies(&self, life: &Life, leaves: u64) {
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
        let sqlite = Sqlite::open(&path, None, Arc::clone(&self.key)).unwrap();
        let source = sqlite.log_source();
        (Arc::new(sqlite), source)
    }

    fn desk(&self, life: &Life, store: Arc<dyn Store>) -> Desk {
        let vault = Vault::open(&self.config.credentials).unwrap();
        let there = Connections::build(&self.config.connections, &self.catalog, &vault).unwrap();
        let backends: Arc<dyn Backends> =
            Arc::new(Reached { there, away: Arc::clone(&life.clock.away) });
        let clock = Arc::clone(&life.clock) as Arc<dyn Clock>;
        let pipeline = Pipeline {
            catalog: Arc::clone(&self.catalog),
            policy: Arc::new(policy::load(&self.config.policy, &self.catalog).unwrap()),
            driver: Driver::new(Arc::clone(&self.catalog), backends, Arc::clone(&clock)),
            store,
            vitals: countersign_executor::vitals::Vitals::default(),
            metrics: countersign_executor::metrics::Metrics::default(),
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
            counting: Default::default(),
            flood: countersign_executor::flood::Flood::default(),
            room: countersign_executor::room::Room::default(),
            load: countersign_executor::load::Load::default(),
            waiting: Arc::default(),
            origin: "".into(),
            confirm: None,
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
