//! The real executor behind its real service, in this process: its own pack and
//! policy, a store in a folder that goes with it, and a clock that jumps.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use countersign_core::contract::Catalog;
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
use super::keys::{Keys, TENANTS};

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
    pub hours: i64,
    pub keys: Keys,
}

/// One executor with its backends.
pub struct World {
    pub desk: Desk,
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
        let catalog = packs::load(&[here.join("pack")]).unwrap_or_else(|p| panic!("{p:#?}"));
        let keys = Keys::new();
        let mut files = BTreeMap::new();
        for name in ["policy.cedar", "schema.cedarschema", "settings.yaml", "tests.yaml"] {
            let text = std::fs::read_to_string(here.join("policy").join(name)).unwrap();
            files.insert(name.to_owned(), text);
        }
        files.insert("people.yaml".to_owned(), people(&keys));
        let settings = files.get_mut("settings.yaml").unwrap();
        *settings = settings.replace("valid_for: 48h", &format!("valid_for: {hours}h"));
        let loaded = load::policy(&files, Some(&catalog));
        let policy = loaded.policy.unwrap_or_else(|| panic!("{:#?}", loaded.problems));
        Self { catalog: Arc::new(catalog), policy: Arc::new(policy), keys, hours }
    }
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
        text += &format!(
            "  - {{ id: {id}, issuer: \"https://house.example\", name: {id}, roles: [{}], \
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
        Self { desk, bank, clock, keys: ground.keys.clone(), ground: ground.clone(), dir }
    }

    /// The process is gone and another has taken its place, on the same store.
    pub async fn restart(&mut self) {
        let (dir, store) = (self.dir.path(), open(self.dir.path()));
        self.desk = desk(&self.ground, dir, store, self.bank.clone(), self.clock.clone());
        self.desk.recover().await.unwrap();
    }
}

fn open(dir: &Path) -> Arc<dyn Store> {
    let secret = ed25519_dalek::SigningKey::from_bytes(&[4; 32]);
    let log = Arc::new(LogKey::new("hostile.example/log", secret).unwrap());
    Arc::new(Sqlite::open(&dir.join("executor.db"), log).unwrap())
}

fn desk(
    ground: &Ground,
    dir: &Path,
    store: Arc<dyn Store>,
    bank: impl Backends,
    clock: Jumping,
) -> Desk {
    let clock: Arc<dyn Clock> = Arc::new(clock);
    let backends: Arc<dyn Backends> = Arc::new(bank);
    let driver = Driver::new(Arc::clone(&ground.catalog), backends, Arc::clone(&clock));
    let pipeline = Pipeline {
        catalog: Arc::clone(&ground.catalog),
        policy: Arc::clone(&ground.policy),
        driver,
        store,
        switches: Switchboard::default(),
        clock,
        sealed: Arc::default(),
        raised: Arc::default(),
    };
    Desk {
        pipeline,
        subjects: Arc::new(subjects(&ground.keys, dir)),
        running: Running::default(),
        waiting: Arc::default(),
        origin: "".into(),
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
