//! The real executor behind its real service, in this process: its own pack and
//! policy, a store in a folder that goes with it, and a clock that jumps.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use countersign_core::contract::{self, Catalog};
use countersign_core::policy::{Policy, load};
use countersign_executor::config::Config;
use countersign_executor::desk::Desk;
use countersign_executor::driver::Driver;
use countersign_executor::packs;
use countersign_executor::pipeline::Pipeline;
use countersign_executor::ports::{Backends, Clock, Store};
use countersign_executor::running::Running;
use countersign_executor::store::sqlite::Sqlite;
use countersign_executor::subject::Subjects;
use countersign_executor::switch::Switchboard;
use countersign_shared::tlog::key::LogKey;
use jiff::Timestamp;
use tempfile::TempDir;

use super::bank::Bank;
use super::door::Door;
use super::keys::{ABROAD, Keys, TENANTS};

pub const PLANNER: &str = "spiffe://hostile.example/planner";

/// A clock that nobody waits for.
#[derive(Clone)]
pub struct Jumping(Arc<AtomicI64>);

impl Jumping {
    fn new() -> Self {
        Self(Arc::new(AtomicI64::new(1_780_000_000_000)))
    }

    pub fn seconds(&self) -> i64 {
        self.0.load(Ordering::SeqCst) / 1000
    }

    pub fn forward(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for Jumping {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).unwrap()
    }

    async fn until(&self, at: Timestamp) {
        self.0.fetch_max(at.as_millisecond(), Ordering::SeqCst);
        tokio::task::yield_now().await;
    }
}

/// What every world is made of, read once.
#[derive(Clone)]
pub struct Ground {
    pub catalog: Arc<Catalog>,
    pub policy: Arc<Policy>,
    /// The same shop, where tracking an order closes it.
    pub changed: Arc<Catalog>,
    /// The same policy, where the house looks at every tracking and fin1 has left finance.
    pub stricter: Arc<Policy>,
    pub hours: i64,
    pub keys: Keys,
}

/// The executor as it is after a new start, on the same store.
pub struct Later {
    /// With a contract that was changed, and activated.
    pub changed: Door,
    /// With the same contract, which nobody activated.
    pub tampered: Door,
    /// With a stricter policy.
    pub stricter: Door,
}

/// One executor with its backends.
pub struct World {
    pub desk: Desk,
    pub later: Later,
    pub bank: Bank,
    pub clock: Jumping,
    pub keys: Keys,
    pub ground: Ground,
    dir: TempDir,
}

impl Ground {
    pub fn new() -> Self {
        Self::with_sign_in_for(48)
    }

    /// Whoever signed in so many hours ago has to do so again.
    pub fn with_sign_in_for(hours: i64) -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile");
        let pack = packs::read_dir(&here.join("pack")).unwrap();
        let mut changed = pack.clone();
        let track = changed.get_mut("contracts/track.yaml").unwrap();
        *track = track.replace("=args.order_id, track]", "=args.order_id, close]");
        assert_ne!(changed, pack);
        let (catalog, changed) = (catalog(&pack), catalog(&changed));
        let keys = Keys::new();
        let mut files = BTreeMap::new();
        for name in ["policy.cedar", "schema.cedarschema", "settings.yaml", "tests.yaml"] {
            let text = std::fs::read_to_string(here.join("policy").join(name)).unwrap();
            files.insert(name.to_owned(), text);
        }
        let people = people(&keys);
        files.insert("people.yaml".to_owned(), people.clone());
        let settings = files.get_mut("settings.yaml").unwrap();
        *settings = settings.replace("valid_for: 48h", &format!("valid_for: {hours}h"));
        let usual = policy(&files, &catalog);
        let settings = files.get_mut("settings.yaml").unwrap();
        *settings = settings.replace("modes:\n", &format!("modes:\n{LOOKED_AT}"));
        let left = people.replace("name: fin1, roles: [finance]", "name: fin1, roles: [clerk]");
        assert_ne!(left, people);
        files.insert("people.yaml".to_owned(), left);
        let stricter = policy(&files, &catalog);
        Self { catalog, policy: usual, changed, stricter, keys, hours }
    }
}

const LOOKED_AT: &str = "  - { tools: [\"shop.track\"], mode: approve, by: [support_lead] }\n";

fn catalog(files: &BTreeMap<String, String>) -> Arc<Catalog> {
    let loaded = contract::load::pack(files);
    Arc::new(Catalog::load(loaded.pack).unwrap_or_else(|p| panic!("{p:?}")))
}

fn policy(files: &BTreeMap<String, String>, catalog: &Catalog) -> Arc<Policy> {
    let loaded = load::policy(files, Some(catalog));
    Arc::new(loaded.policy.unwrap_or_else(|| panic!("{:#?}", loaded.problems)))
}

impl Later {
    fn of(desk: &Desk, ground: &Ground, bank: &Bank, clock: &Jumping) -> Self {
        let again = |catalog: &Arc<Catalog>, policy: &Arc<Policy>, inactive: &[&str]| {
            let inactive = inactive.iter().map(|pack| (*pack).to_owned()).collect();
            let mut desk = desk.clone();
            let driver = driver(catalog, bank.clone(), clock.clone());
            desk.pipeline.catalog = Arc::clone(catalog);
            desk.pipeline.policy = Arc::clone(policy);
            desk.pipeline.driver = driver.without(inactive);
            Door::here(&desk)
        };
        Self {
            changed: again(&ground.changed, &ground.policy, &[]),
            tampered: again(&ground.changed, &ground.policy, &["shop"]),
            stricter: again(&ground.catalog, &ground.stricter, &[]),
        }
    }
}

fn driver(catalog: &Arc<Catalog>, bank: impl Backends, clock: Jumping) -> Driver {
    let backends: Arc<dyn Backends> = Arc::new(bank);
    Driver::new(Arc::clone(catalog), backends, Arc::new(clock))
}

fn people(keys: &Keys) -> String {
    let mut text = "people:\n".to_owned();
    for (id, roles, signer) in &keys.approvers {
        let pem = signer.public_pem.replace('\n', "\\n");
        // The boss is a customer as well.
        let own = if *id == "boss" {
            "[{ issuer: \"https://north.example\", id: \"boss@example.com\" }]"
        } else {
            "[]"
        };
        let tenants = if *id == ABROAD { "south".to_owned() } else { TENANTS.join(", ") };
        text += &format!(
            "  - {{ id: {id}, issuer: \"https://house.example\", name: {id}, roles: [{}], tenants: [{tenants}], \
             keys: [{{ kid: {id}, pem: \"{pem}\" }}], subjects: {own} }}\n",
            roles.join(", ")
        );
    }
    text
}

impl World {
    pub fn new(ground: &Ground) -> Self {
        let memory = Path::new("/dev/shm");
        // Nothing here has to outlive the process, and a disk costs a hundred times more.
        let dir = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap();
        let (bank, clock) = (Bank::default(), Jumping::new());
        let store = open(dir.path());
        let desk = desk(ground, dir.path(), store, bank.clone(), clock.clone());
        let later = Later::of(&desk, ground, &bank, &clock);
        let (keys, ground) = (ground.keys.clone(), ground.clone());
        Self { desk, later, bank, clock, keys, ground, dir }
    }

    /// The process is gone and another has taken its place, on the same store.
    pub async fn restart(&mut self) {
        let (dir, store) = (self.dir.path(), open(self.dir.path()));
        self.desk = desk(&self.ground, dir, store, self.bank.clone(), self.clock.clone());
        self.later = Later::of(&self.desk, &self.ground, &self.bank, &self.clock);
        self.desk.recover().await.unwrap();
    }
}

fn open(dir: &Path) -> Arc<dyn Store> {
    let secret = ed25519_dalek::SigningKey::from_bytes(&[4; 32]);
    let log = Arc::new(LogKey::new("hostile.example/log", secret).unwrap());
    Arc::new(Sqlite::open(&dir.join("executor.db"), None, log).unwrap())
}

fn desk(
    ground: &Ground,
    dir: &Path,
    store: Arc<dyn Store>,
    bank: impl Backends,
    clock: Jumping,
) -> Desk {
    let driver = driver(&ground.catalog, bank, clock.clone());
    let clock: Arc<dyn Clock> = Arc::new(clock);
    let pipeline = Pipeline {
        catalog: Arc::clone(&ground.catalog),
        policy: Arc::clone(&ground.policy),
        driver,
        store,
        vitals: countersign_executor::vitals::Vitals::default(),
        metrics: countersign_executor::metrics::Metrics::default(),
        switches: Switchboard::default(),
        clock,
        sealed: Arc::default(),
        raised: Arc::default(),
    };
    Desk {
        pipeline,
        subjects: Arc::new(subjects(&ground.keys, dir)),
        running: Running::default(),
        counting: Default::default(),
        flood: countersign_executor::flood::Flood::default(),
        room: countersign_executor::room::Room::default(),
        load: countersign_executor::load::Load::default(),
        waiting: Arc::default(),
        origin: "".into(),
        confirm: None,
    }
}

/// Three tenants with keys of their own; the last one belongs to another planner.
fn subjects(keys: &Keys, dir: &Path) -> Subjects {
    let (mut issuers, mut frontends) = (String::new(), String::new());
    for (at, tenant) in TENANTS.iter().enumerate() {
        let file = |name: &str, pem: &str| {
            let path = dir.join(format!("{name}-{tenant}.pem"));
            std::fs::write(&path, pem).unwrap();
            path.display().to_string()
        };
        let issuer = file("issuer", &keys.issuers[at].public_pem);
        let frontend = file("frontend", &keys.frontends[at].public_pem);
        let planner = if *tenant == "west" { "spiffe://hostile.example/other" } else { PLANNER };
        issuers += &format!(
            "  - {{ issuer: \"https://{tenant}.example\", audience: countersign, tenant: {tenant}, \
             keys: [{{ kid: issuer-{tenant}, file: \"{issuer}\" }}], claims: [customer_id], \
             strength: {{ claim: acr, values: {{ weak: asserted }} }}, \
             planners: [\"{planner}\"] }}\n"
        );
        frontends += &format!(
            "  - {{ id: frontend-{tenant}, tenant: {tenant}, \
             keys: [{{ kid: frontend-{tenant}, file: \"{frontend}\" }}] }}\n"
        );
    }
    let text = format!(
        "listen: a\nadmin: a\ntls: {{ cert: a, key: a, ca: a }}\nstate: a\npacks: []\npolicy: a\n\
         credentials: a\nlog: {{ origin: a, key: a }}\ncallers: {{ planners: [] }}\n\
         connections: []\nissuers:\n{issuers}frontends:\n{frontends}"
    );
    let config = dir.join("executor.yaml");
    std::fs::write(&config, text).unwrap();
    Subjects::load(&Config::load(&config).unwrap()).unwrap()
}
