//! An executor: the real desk behind the real services, on the database in memory.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use countersign_executor::config::Callers;
use countersign_executor::desk::Desk;
use countersign_executor::driver::Driver;
use countersign_executor::flood::Flood;
use countersign_executor::load::Load;
use countersign_executor::peer::Authorize;
use countersign_executor::pipeline::Pipeline;
use countersign_executor::ports::{Clock, Store, StoreError};
use countersign_executor::room::Room;
use countersign_executor::running::Running;
use countersign_executor::service::audit::AuditService;
use countersign_executor::service::executor::ExecutorService;
use countersign_executor::store::memory::{Line, Memory};
use countersign_executor::switch::Switchboard;
use countersign_executor::vitals::{Disk, Found, Vitals, Watch};
use countersign_proto::v1::audit_server::AuditServer;
use countersign_proto::v1::executor_server::ExecutorServer;
use countersign_shared::mtls::server;
use countersign_shared::peer::Guard;
use parking_lot::Mutex;
use tokio::time::sleep;

use super::connector::Connector;
use super::dice::Dice;
use super::ground::{Ground, id};
use super::wire;
use super::world::World;

/// Their hosts.
pub const EXECUTORS: [&str; 2] = ["exec-a", "exec-b"];
/// Between two looks for what a dead executor left.
const ADOPT: Duration = Duration::from_millis(700);

/// What happens to an executor from outside; it outlives its crashes.
#[derive(Clone, Default)]
pub struct Switches {
    /// The database is out of reach.
    pub cut: Arc<AtomicBool>,
    /// Its disk is nearly full.
    pub full: Arc<AtomicBool>,
    /// How far its wall clock is off by itself, in milliseconds.
    pub skew: Arc<AtomicI64>,
    /// How far somebody set it, in milliseconds.
    pub set: Arc<AtomicI64>,
}

impl Switches {
    /// How far its wall clock is off, in milliseconds.
    pub fn off(&self) -> i64 {
        self.skew.load(Ordering::SeqCst) + self.set.load(Ordering::SeqCst)
    }
}

/// Runs until it is crashed.
pub async fn run(world: Arc<World>, host: &'static str, switches: Switches) -> turmoil::Result {
    let dice = Mutex::new(world.dice(&format!("line of {host} at {}", world.now())));
    let line: Arc<dyn Line> =
        Arc::new(Database { world: Arc::clone(&world), cut: Arc::clone(&switches.cut), dice });
    let store = loop {
        let database = Arc::clone(&world.database);
        match Memory::open(database, Arc::clone(&line), host, world.awake()).await {
            Ok(store) => break store,
            Err(_) => sleep(Duration::from_millis(200)).await,
        }
    };
    let clock = world.clock(host, switches.clone());
    let desk = desk(world.ground, store, clock);
    tokio::spawn(watch(&desk.pipeline, &switches.full).await.run());
    world.tell(format!("{host} is up"));
    tokio::spawn(adopt(desk.clone(), host, Arc::clone(&world)));
    let incoming = wire::listen(Arc::clone(&world.ground.executor)).await?;
    let callers = Callers {
        planners: vec![id("planner").to_string().parse()?],
        auditors: Vec::new(),
        operators: Vec::new(),
        approvers: Vec::new(),
    };
    server(wire::limits())
        .layer(Guard::new(Authorize::new(callers)))
        .add_service(ExecutorServer::new(ExecutorService::new(desk.clone())))
        .add_service(AuditServer::new(AuditService::new(desk, BTreeSet::new())))
        .serve_with_incoming(incoming)
        .await?;
    Ok(())
}

/// Looks before anything is served, as in production.
async fn watch(pipeline: &Pipeline, full: &Arc<AtomicBool>) -> Watch {
    loop {
        let Pipeline { vitals, store, clock, metrics, .. } = pipeline.clone();
        let disk = StateDisk { full: Arc::clone(full) };
        match Watch::begin(vitals, disk, store, clock, metrics).await {
            Ok(watch) => return watch,
            Err(_) => sleep(Duration::from_millis(200)).await,
        }
    }
}

async fn adopt(desk: Desk, host: &'static str, world: Arc<World>) {
    loop {
        if let Ok(adopted) = desk.recover().await
            && adopted > 0
        {
            world.tell(format!("{host} carries on {adopted}"));
        }
        sleep(ADOPT).await;
    }
}

fn desk(ground: &Ground, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Desk {
    let catalog = Arc::clone(&ground.catalog);
    let pipeline = Pipeline {
        driver: Driver::new(Arc::clone(&catalog), Connector::backends(), Arc::clone(&clock)),
        catalog,
        policy: Arc::clone(&ground.policy),
        store,
        switches: Switchboard::default(),
        vitals: Vitals::default(),
        metrics: countersign_executor::metrics::Metrics::default(),
        clock,
        sealed: Arc::default(),
        raised: Arc::default(),
    };
    Desk {
        pipeline,
        subjects: Arc::clone(&ground.subjects),
        running: Running::default(),
        counting: Default::default(),
        flood: Flood::default(),
        load: Load::default(),
        room: Room::default(),
        waiting: Arc::default(),
        origin: "".into(),
        confirm: None,
    }
}

/// The disk of a state folder. The log's key is always on it.
struct StateDisk {
    full: Arc<AtomicBool>,
}

#[async_trait]
impl Disk for StateDisk {
    async fn look(&mut self) -> Found {
        let free = if self.full.load(Ordering::SeqCst) { 0 } else { 1 << 40 };
        Found { free: Ok(free), reserved: true, key: Ok(()) }
    }
}

/// The way to the database: slow now and then, cut, or losing a question or an answer.
struct Database {
    world: Arc<World>,
    cut: Arc<AtomicBool>,
    dice: Mutex<Dice>,
}

impl Database {
    async fn pass(&self, lost: &'static str) -> Result<(), StoreError> {
        let (fate, millis) = {
            let mut dice = self.dice.lock();
            (dice.below(1000), 1 + dice.next() % 6)
        };
        let rate = self.world.rates.database;
        let slow = fate >= rate && fate < 2 * rate;
        if slow {
            self.world.fault("database slow", []);
        }
        sleep(Duration::from_millis(if slow { millis * 200 } else { millis })).await;
        if self.cut.load(Ordering::SeqCst) {
            sleep(Duration::from_millis(300)).await;
            return Err(StoreError::Unavailable("cut off".to_owned()));
        }
        if fate < rate {
            self.world.fault(lost, []);
            return Err(StoreError::Unavailable(lost.to_owned()));
        }
        Ok(())
    }
}

#[async_trait]
impl Line for Database {
    async fn there(&self) -> Result<(), StoreError> {
        self.pass("database question lost").await
    }

    async fn back(&self) -> Result<(), StoreError> {
        self.pass("database answer lost").await
    }
}
