//! What every world is made of, read once: pack, policy, keys, certificates.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use countersign::pki::{Role, init_ca, issue};
use countersign_core::contract::{self, Catalog};
use countersign_core::policy::{Policy, load};
use countersign_executor::config::Config;
use countersign_executor::packs;
use countersign_executor::subject::Subjects;
use countersign_shared::mtls::{Material, MaterialFiles, SpiffeId};
use countersign_shared::tlog::key::LogKey;
use tempfile::TempDir;

use super::keys::{Keys, TENANTS};

/// Shared by every world.
pub struct Ground {
    pub catalog: Arc<Catalog>,
    pub policy: Arc<Policy>,
    pub subjects: Arc<Subjects>,
    pub keys: Keys,
    pub log: Arc<LogKey>,
    pub executor: Arc<Material>,
    pub planner: Arc<Material>,
    pub frontend: Arc<Material>,
}

const SETTINGS: &str = "\
modes: [ { tools: [\"shop.*\"], mode: auto } ]
limits: [ { name: customer_day, per: customer, tools: [\"*\"], within: 1d, most: { USD: \"900000.00\" } } ]
open: { per_subject: 100, per_planner: 1000 }
subject_valid_for: 48h
proposals_live: 24h
activation: { default: 1 }
";

const RULES: &str = "\
@id(\"customers\")
permit (
    principal is Customer,
    action in [Action::\"read\", Action::\"propose\", Action::\"execute\", Action::\"confirm\"],
    resource
);
";

impl Ground {
    pub fn get() -> &'static Self {
        static GROUND: OnceLock<Ground> = OnceLock::new();
        GROUND.get_or_init(Self::new)
    }

    fn new() -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simulation");
        let loaded = contract::load::pack(&packs::read_dir(&here.join("pack")).unwrap());
        let catalog = Arc::new(Catalog::load(loaded.pack).unwrap_or_else(|p| panic!("{p:?}")));
        let keys = Keys::new();
        let dir = TempDir::new().unwrap();
        init_ca(dir.path(), "sim.example").unwrap();
        let material = |role| material(dir.path(), role);
        let secret = ed25519_dalek::SigningKey::from_bytes(&[4; 32]);
        Self {
            policy: policy(&catalog),
            catalog,
            subjects: Arc::new(subjects(&keys, dir.path())),
            keys,
            log: Arc::new(LogKey::new("sim.example/log", secret).unwrap()),
            executor: material(Role::Executor),
            planner: material(Role::Planner),
            frontend: material(Role::Frontend),
        }
    }
}

/// The workload of this role.
pub fn id(role: &str) -> SpiffeId {
    format!("spiffe://sim.example/{role}").parse().unwrap()
}

/// Opened on a runtime that never runs again, so that nothing reads files in a simulation.
fn material(dir: &Path, role: Role) -> Arc<Material> {
    issue(dir, role, dir).unwrap();
    let still = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let files = MaterialFiles::in_dir(&dir.join(role.as_str()));
    let material = still.block_on(async { Material::open(files) }).unwrap();
    still.shutdown_background();
    material
}

fn policy(catalog: &Catalog) -> Arc<Policy> {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../executor/policy");
    let schema = std::fs::read_to_string(shipped.join("schema.cedarschema")).unwrap();
    let tests = "given: { tenant: north, workload: w, channel: c, on: 2026-01-01 }\nrows: []\n";
    let files = [
        ("policy.cedar", RULES),
        ("schema.cedarschema", schema.as_str()),
        ("settings.yaml", SETTINGS),
        ("people.yaml", "people: []\n"),
        ("tests.yaml", tests),
    ];
    let files: BTreeMap<_, _> =
        files.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    let loaded = load::policy(&files, Some(catalog));
    Arc::new(loaded.policy.unwrap_or_else(|| panic!("{:#?}", loaded.problems)))
}

/// One tenant: who vouches for its people and for their words.
fn subjects(keys: &Keys, dir: &Path) -> Subjects {
    let file = |name: &str, pem: &str| {
        let path = dir.join(format!("{name}.pem"));
        std::fs::write(&path, pem).unwrap();
        path.display().to_string()
    };
    let tenant = TENANTS[0];
    let issuer = file("issuer", &keys.issuers[0].public_pem);
    let frontend = file("frontend", &keys.frontends[0].public_pem);
    let text = format!(
        "listen: a\nadmin: a\ntls: {{ cert: a, key: a, ca: a }}\nstate: a\npacks: []\npolicy: a\n\
         credentials: a\nlog: {{ origin: a, key: a }}\ncallers: {{ planners: [] }}\n\
         connections: []\n\
         issuers: [ {{ issuer: \"https://{tenant}.example\", audience: countersign, \
           tenant: {tenant}, claims: [customer_id], planners: [\"{}\"], \
           keys: [ {{ kid: issuer-{tenant}, file: \"{issuer}\" }} ] }} ]\n\
         frontends: [ {{ id: frontend-{tenant}, tenant: {tenant}, \
           keys: [ {{ kid: frontend-{tenant}, file: \"{frontend}\" }} ] }} ]\n",
        id("planner")
    );
    let config = dir.join("executor.yaml");
    std::fs::write(&config, text).unwrap();
    Subjects::load(&Config::load(&config).unwrap()).unwrap()
}
