#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod clocks;
mod crowd;
mod lost_commit;
mod recovered;
mod silent;

use std::time::Duration;

use tempfile::TempDir;

use super::cluster::{Cluster, USER};
use std::path::PathBuf;

use super::*;
use countersign_core::person::Person;
use countersign_core::seal;
use countersign_shared::receipt::Change;

use crate::conversations::Cost;
use crate::ports::Persons as _;
use crate::restore::tests::keys as log_keys;
use crate::store::Past as _;
use crate::store::conformance::{
    BEFORE_SUMS, Bed, action, ada, claim, conform, guest_and_matched, in_doubt, key, lifecycle,
    refused, says, summed, sums, the_end_of_a_matter_frees_what_came_back, turn,
};

use crate::testing::{granted, proposed};

conform!(super::bed);

/// A database, and the folder of credentials.
pub(crate) struct House {
    pub(super) cluster: Cluster,
    pub(super) credentials: TempDir,
}

pub(crate) async fn bed() -> House {
    House::of(&[])
}

impl House {
    fn of(settings: &[&str]) -> Self {
        Self { cluster: Cluster::start(settings), credentials: TempDir::new().unwrap() }
    }

    fn config(&self) -> PostgresConfig {
        Self::config_at(self.cluster.host())
    }

    fn config_at(host: &Path) -> PostgresConfig {
        let host = host.display();
        let text = format!(
            "{{ host: '{host}', database: postgres, user: {USER}, tls: 'off', lease: 6s, pool: 8 }}"
        );
        serde_saphyr::from_str(&text).unwrap()
    }

    /// The same for every executor of it.
    fn kek(&self) -> PathBuf {
        self.credentials.path().join("keys.kek")
    }

    pub(super) async fn join(&self, name: &str) -> Result<Postgres, StoreError> {
        self.join_at(self.cluster.host(), name).await
    }

    /// By the socket in this folder.
    async fn join_at(&self, host: &Path, name: &str) -> Result<Postgres, StoreError> {
        let vault = Vault::open(self.credentials.path()).unwrap();
        Postgres::open(&Self::config_at(host), &vault, name, &self.kek(), key()).await
    }

    async fn refuses(&self) -> String {
        self.join("a").await.map(drop).unwrap_err().to_string()
    }
}

#[async_trait]
impl Bed for House {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.join("bed").await.unwrap())
    }

    async fn source(&self) -> crate::store::LogSource {
        Box::new(self.join("source").await.unwrap().log_source())
    }
}

/// Makes a generation look dead: its lease ended long ago.
fn expire(house: &House, store: &Postgres) {
    house.cluster.sql(&format!(
        "UPDATE executors SET expires_at = now() - interval '1 h' WHERE generation = {}",
        store.instance.generation
    ));
}

#[tokio::test]
async fn who_is_taken_for_dead_writes_nothing_more() {
    let house = bed().await;
    let (old, new) = (house.join("a").await.unwrap(), house.join("b").await.unwrap());
    let (begun, state) = claim(&old, 1, "i1", "o1").await.unwrap();
    old.append(0, begun.clone(), &state).await.unwrap();
    let (reserved, claimed) = claim(&old, 2, "i2", "o2").await.unwrap();
    assert!(new.adopt().await.unwrap().is_empty(), "its lease holds");
    assert!(!new.holds(state.proposal().action()).await.unwrap());
    expire(&house, &old);
    assert_eq!(new.adopt().await.unwrap(), [action(1)]);
    assert!(new.holds(state.proposal().action()).await.unwrap());
    assert!(!old.holds(state.proposal().action()).await.unwrap());
    // Whatever the old one tries, with what it held and without.
    let fenced = |error: StoreError| error.to_string().contains("another executor took over");
    let (events, ended, leaf) = refused(state.clone(), 1);
    assert!(fenced(old.append(3, events.clone(), &ended).await.unwrap_err()));
    assert!(fenced(old.seal(leaf.clone(), Some((3, events.clone(), &ended))).await.unwrap_err()));
    assert!(fenced(old.seal(leaf.clone(), None).await.unwrap_err()));
    assert!(fenced(old.append(0, reserved, &claimed).await.unwrap_err()));
    assert!(fenced(old.probe().await.unwrap_err()));
    let State::Granted(granted) = lifecycle(&[proposed(3, "i3", "o3"), granted()]) else {
        panic!("granted")
    };
    let budget = Budget::default();
    assert!(fenced(old.claim(&granted, &budget, Timestamp::now()).await.unwrap_err()));
    assert_eq!(house.cluster.sql("SELECT count(*) FROM claims"), "0", "none is left behind");
    // The new one carries on, and what was only reserved is free.
    assert_eq!(new.seal(leaf, Some((3, events, &ended))).await.unwrap().index, 0);
    claim(&new, 4, "i2", "o2").await.unwrap();
    // The old one learns of it with its next renewal.
    old.fenced().cancelled().await;
}

#[tokio::test]
async fn an_action_is_its_holders_and_a_claim_comes_first() {
    let house = bed().await;
    let (one, two) = (house.join("a").await.unwrap(), house.join("b").await.unwrap());
    let (mut events, state) = claim(&one, 1, "i1", "o1").await.unwrap();
    assert_eq!(two.append(0, events.clone(), &state).await, Err(StoreError::Conflict));
    one.append(0, events.clone(), &state).await.unwrap();
    let (more, ended, leaf) = refused(state, 1);
    assert_eq!(two.append(3, more.clone(), &ended).await, Err(StoreError::Conflict));
    assert_eq!(two.seal(leaf, Some((3, more, &ended))).await, Err(StoreError::Conflict));
    assert_eq!(two.checkpoint().await.unwrap(), "");
    // Without a claim nothing is begun, whatever the journal says.
    events[0] = proposed(2, "i2", "o2");
    assert_eq!(one.append(0, events.clone(), &lifecycle(&events)).await, Err(StoreError::Conflict));
    assert_eq!(house.cluster.sql("SELECT count(*) FROM actions"), "1");
}

#[tokio::test]
async fn an_earlier_process_of_the_same_folder_is_dead_at_once() {
    let house = bed().await;
    let old = house.join("a").await.unwrap();
    let (begun, state) = claim(&old, 1, "i1", "o1").await.unwrap();
    old.append(0, begun.clone(), &state).await.unwrap();
    let other = house.join("b").await.unwrap();
    let again = house.join("a").await.unwrap();
    assert!(other.adopt().await.unwrap().is_empty());
    assert_eq!(again.adopt().await.unwrap(), [action(1)]);
    assert_eq!(house.cluster.sql("SELECT count(*) FROM executors"), "2");
}

#[tokio::test]
async fn who_leaves_holds_no_lease_and_is_taken_over_after_its_requests() {
    let house = bed().await;
    let (old, new) = (house.join("a").await.unwrap(), house.join("b").await.unwrap());
    let (begun, state) = claim(&old, 1, "i1", "o1").await.unwrap();
    old.append(0, begun.clone(), &state).await.unwrap();
    assert!(!old.lease().left().is_zero());
    old.leave().await.unwrap();
    assert!(old.lease().left().is_zero());
    assert!(new.adopt().await.unwrap().is_empty(), "its last request may be under way");
    house.cluster.sql("UPDATE executors SET expires_at = expires_at - interval '1 h'");
    assert_eq!(new.adopt().await.unwrap(), [action(1)]);
}

/// Its transaction is ended by the server, and it finds that out.
#[tokio::test]
async fn who_stops_in_the_seat_loses_it() {
    let house = bed().await;
    let (stopped, other) = (house.join("a").await.unwrap(), house.join("b").await.unwrap());
    let mut client = stopped.db.client().await.unwrap();
    let seat = client.transaction().await.unwrap();
    let row = seat.query_one("SELECT size, root FROM tree FOR UPDATE", &[]).await.unwrap();
    let state = lifecycle(&[proposed(1, "i1", "o1")]);
    assert_eq!(other.seal(refused(state, 1).2, None).await.unwrap().index, 0);
    let upon: (i64, Vec<u8>) = (row.get(0), row.get(1));
    let late = seat
        .execute("UPDATE tree SET note = 'x' WHERE size = $1 AND root = $2", &[&upon.0, &upon.1])
        .await;
    assert!(late.is_err(), "{late:?}");
}

/// A longer one of the same name by the same key, as a server that was promised to another has it.
#[tokio::test]
async fn a_log_that_grew_another_way_is_not_sealed_upon() {
    let (house, other) = (bed().await, bed().await);
    let (store, elsewhere) = (house.join("a").await.unwrap(), other.join("a").await.unwrap());
    let leaf = |n: u32| {
        let (what, [old, new, reason, note]) = (format!("change/{n}"), Default::default());
        let change = Change { what, old, new, reason, by: vec![], note };
        let id = ReceiptId::from_uuid(uuid::Uuid::from_u128(u128::from(n)));
        seal::changed(change, &id, Timestamp::now())
    };
    store.seal(leaf(1), None).await.unwrap();
    elsewhere.seal(leaf(2), None).await.unwrap();
    elsewhere.seal(leaf(3), None).await.unwrap();
    let copy = house.credentials.path().join("copy");
    other.cluster.dump(&copy);
    house.cluster.restore(&copy);
    assert_eq!(store.seal(leaf(4), None).await, Err(StoreError::Quarantined));
    store.probe().await.unwrap();
    let why = store.standing().await.unwrap().quarantine.unwrap().why;
    assert!(why.contains("not those of the 2"), "{why}");
    assert_eq!(house.cluster.sql("SELECT size FROM tree"), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_matter_frees_the_object_of_what_came_back() {
    let (house, back) = (bed().await, in_doubt().await);
    let vault = Vault::open(house.credentials.path()).unwrap();
    let (config, kek) = (house.config(), house.kek());
    let keys = log_keys(house.credentials.path(), 7);
    let restore = tokio::task::spawn_blocking(move || {
        let mut past = Offline::open(&config, &vault, "a", &kek, &keys).unwrap();
        past.restore(&back, &Standing::default(), &key(), Timestamp::now()).unwrap();
    });
    restore.await.unwrap();
    the_end_of_a_matter_frees_what_came_back(&house.join("a").await.unwrap()).await;
}

#[tokio::test]
async fn an_edited_log_is_noticed_at_the_next_start() {
    let house = bed().await;
    let state = lifecycle(&[proposed(1, "i1", "o1")]);
    house.join("a").await.unwrap().seal(refused(state, 1).2, None).await.unwrap();
    drop(house.join("a").await.unwrap());
    house.cluster.sql("UPDATE nodes SET hash = decode(repeat('00', 32), 'hex')");
    assert!(house.refuses().await.contains("does not lead to its own checkpoint"));
}

#[tokio::test]
async fn another_key_does_not_open_the_store() {
    let house = bed().await;
    let state = lifecycle(&[proposed(1, "i1", "o1")]);
    house.join("a").await.unwrap().seal(refused(state, 1).2, None).await.unwrap();
    let other = ed25519_dalek::SigningKey::from_bytes(&[8; 32]);
    let other = Arc::new(LogKey::new("test/log", other).unwrap());
    let vault = Vault::open(house.credentials.path()).unwrap();
    assert!(Postgres::open(&house.config(), &vault, "a", &house.kek(), other).await.is_err());
}

#[tokio::test]
async fn settings_that_lose_commits_and_standbys_are_refused() {
    let mut house = House::of(&["fsync=off"]);
    assert!(house.refuses().await.contains("fsync = off"));
    house.cluster.restart(&["full_page_writes=off"]);
    assert!(house.refuses().await.contains("full_page_writes = off"));
    house.cluster.restart(&["synchronous_commit=off"]);
    assert!(house.refuses().await.contains("synchronous_commit = off"));
    assert_eq!(
        house.cluster.sql("SELECT count(*) FROM pg_tables WHERE tablename = 'actions'"),
        "0"
    );
    // Told otherwise while it runs: the next probe notices, and sessions keep what they had.
    house.cluster.restart(&[]);
    let store = house.join("a").await.unwrap();
    store.probe().await.unwrap();
    house.cluster.sql("ALTER SYSTEM SET synchronous_commit = off");
    house.cluster.sql("ALTER SYSTEM SET fsync = off");
    house.cluster.sql("SELECT pg_reload_conf()");
    let why = loop {
        match store.probe().await {
            Err(error) => break error.to_string(),
            Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    assert!(why.contains("fsync = off"), "{why}");
    let kept = store.db.client().await.unwrap();
    let kept = kept.query_one("SHOW synchronous_commit", &[]).await.unwrap();
    assert_eq!(kept.get::<_, &str>(0), "on");
    house.cluster.sql("ALTER SYSTEM RESET ALL");
    house.cluster.restart_as_standby();
    assert!(house.refuses().await.contains("is a standby"));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_that_start_together_make_the_tables_once() {
    let house = Arc::new(bed().await);
    let starts: Vec<_> = (0..6)
        .map(|n| {
            let house = Arc::clone(&house);
            tokio::spawn(async move { house.join(&n.to_string()).await.map(drop) })
        })
        .collect();
    for start in starts {
        start.await.unwrap().unwrap();
    }
    let all = migrate::KNOWN.iter().map(|one| format!("{}\t{}", one.number, one.name));
    let all: Vec<_> = std::iter::once("0\t".to_owned()).chain(all).collect();
    assert_eq!(house.cluster.sql("SELECT number, name FROM migrations ORDER BY 1"), all.join("\n"));
}

#[tokio::test]
async fn sums_of_conversations_follow_from_rows_that_were_there() {
    let house = bed().await;
    let store = house.join("a").await.unwrap();
    let before = summed(&store).await;
    drop(store);
    house.cluster.sql(BEFORE_SUMS);
    assert_eq!(sums(&house.join("a").await.unwrap()).await, before);
}

/// Two turns of one conversation, told at once, are one conversation.
#[tokio::test(flavor = "multi_thread")]
async fn turns_that_are_told_at_once_are_one_conversation() {
    let house = bed().await;
    let store = Arc::new(house.join("a").await.unwrap());
    let told = (0..8).map(|days| {
        let store = Arc::clone(&store);
        let cost = Some(Cost { currency: "USD".into(), micros: 1 });
        let turn = Turn { cost, ..turn(&ada(), "c", days) };
        tokio::spawn(async move { store.record(&ada(), turn).await })
    });
    for told in told.collect::<Vec<_>>() {
        told.await.unwrap().unwrap();
    }
    let (costs, _) = sums(&*store).await;
    let all = costs.iter().map(|day| (day.spent.micros, day.spent.conversations));
    assert_eq!(all.fold((0, 0), |sum, day| (sum.0 + day.0, sum.1 + day.1)), (8, 1));
}

/// The other has the guest's key at hand still, and asks the database whether it stands.
#[tokio::test(flavor = "multi_thread")]
async fn a_guest_who_was_erased_elsewhere_is_named_by_no_turn() {
    let house = bed().await;
    let (one, other) = (house.join("a").await.unwrap(), house.join("b").await.unwrap());
    let [guest, matched] = guest_and_matched(&one).await;
    one.record(&matched, turn(&matched, "c", 2)).await.unwrap();
    let named = || house.cluster.sql("SELECT count(*) FROM turns WHERE guest IS NOT NULL");
    assert_eq!(named(), "1");
    let person = other.person(&Person::of(&guest));
    other.erase(vec![(person, says(9))], Timestamp::now()).await.unwrap().unwrap();
    // Refused, or told without the guest where it has heard of the erasure by then.
    drop(one.record(&matched, turn(&matched, "c", 1)).await);
    assert_eq!(named(), "0");
}

#[tokio::test]
async fn a_newer_or_an_edited_layout_is_refused() {
    let house = bed().await;
    drop(house.join("a").await.unwrap());
    house.cluster.sql("INSERT INTO migrations VALUES (1000, 'later', 'x')");
    let why = house.refuses().await;
    assert!(why.contains("newer executor (migration 1000; this one knows"), "{why}");
    house.cluster.sql("DELETE FROM migrations WHERE number = 1000; UPDATE migrations SET sha256 = '00' WHERE number = 1");
    assert!(house.refuses().await.contains("migration 1 of this store is not the one"));
}

#[tokio::test]
async fn the_password_comes_from_its_file_and_is_shown_nowhere() {
    let mut house = bed().await;
    house.cluster.sql("ALTER ROLE countersign PASSWORD 'hunter2-right'");
    let hba = house.cluster.host().join("data/pg_hba.conf");
    std::fs::write(hba, "local all all scram-sha-256\n").unwrap();
    house.cluster.restart(&[]);
    let file = house.credentials.path().join("db");
    let mut config = house.config();
    config.password = Some("db".to_owned());
    let vault = Vault::open(house.credentials.path()).unwrap();
    let open = async |secret: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::write(&file, secret).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let vault = Vault::open(house.credentials.path()).unwrap();
        Postgres::open(&config, &vault, "a", &house.kek(), key()).await.map(drop)
    };
    let missing =
        Postgres::open(&config, &vault, "a", &house.kek(), key()).await.map(drop).unwrap_err();
    assert!(missing.to_string().contains("credential `db`: no such file"), "{missing}");
    let wrong = open("hunter2-wrong").await.unwrap_err().to_string();
    assert!(wrong.contains("password authentication failed"), "{wrong}");
    assert!(!wrong.contains("hunter2"), "{wrong}");
    open("hunter2-right\n").await.unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}

/// Encrypted, and with a certificate of whom it is told to trust.
#[tokio::test]
async fn the_servers_certificate_is_verified() {
    let mut house = bed().await;
    let authority = |name: &str| {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(house.credentials.path().join(name), certificate.pem()).unwrap();
        rcgen::Issuer::new(params, key)
    };
    let (ours, _other) = (authority("ours.pem"), authority("other.pem"));
    let own = rcgen::KeyPair::generate().unwrap();
    let server = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let server = server.signed_by(&own, &ours).unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    house.cluster.restart_with_tls(free, &server.pem(), &own.serialize_pem());
    let open = async |host: &str, ca: &str| {
        let mut config = house.config();
        (config.host, config.port) = (host.to_owned(), free);
        let ca = Some(house.credentials.path().join(ca));
        config.tls = Tls::On(Verified { ca });
        let vault = Vault::open(house.credentials.path()).unwrap();
        Postgres::open(&config, &vault, "a", &house.kek(), key()).await
    };
    let store = open("localhost", "ours.pem").await.unwrap();
    let row = store.db.client().await.unwrap();
    let row = row.query_one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[]).await;
    assert!(row.unwrap().get::<_, bool>(0));
    for (host, ca) in [("localhost", "other.pem"), ("127.0.0.1", "ours.pem")] {
        let why = open(host, ca).await.map(drop).unwrap_err().to_string();
        assert!(why.contains("TLS") && why.contains("certificate"), "{why}");
    }
}

/// A connection that the server ends is not used again, and nothing is done twice.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_end_take_only_their_own_transaction_with_them() {
    let house = bed().await;
    let store = Arc::new(house.join("a").await.unwrap());
    let seals: Vec<_> = (0..60)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let leaf = refused(lifecycle(&[proposed(n, &format!("i{n}"), "o")]), n).2;
                tokio::time::sleep(Duration::from_millis(u64::from(n) * 10)).await;
                store.seal(leaf, None).await.is_ok()
            })
        })
        .collect();
    for _ in 0..6 {
        house.cluster.sql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE application_name = 'countersign a'",
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut sealed = 0;
    for seal in seals {
        sealed += usize::from(seal.await.unwrap());
    }
    let query = ReceiptQuery { limit: 99, ..ReceiptQuery::default() };
    let stands = store.receipts(query).await.unwrap().len();
    assert!(stands >= sealed && sealed > 0, "{stands} stand, {sealed} were told");
    // One log, whole.
    drop(store);
    house.join("a").await.unwrap();
}

/// What an append says is so, whenever its connection ends; and nothing stays reserved.
#[tokio::test(flavor = "multi_thread")]
async fn an_append_whose_answer_was_lost_is_told_as_it_is() {
    let house = bed().await;
    let store = Arc::new(house.join("a").await.unwrap());
    let appends: Vec<_> = (0..60)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(u64::from(n) * 10)).await;
                let events = vec![proposed(n, &format!("i{n}"), &format!("o{n}")), granted()];
                let State::Granted(granted) = lifecycle(&events) else { panic!("granted") };
                let taken = store.claim(&granted, &Budget::default(), Timestamp::now()).await;
                let appended = match taken {
                    Ok(taken) => {
                        let mut events = events;
                        events.push(Event::Claimed(taken.unwrap()));
                        let state = lifecycle(&events);
                        store.append(0, events, &state).await.is_ok()
                    }
                    Err(_) => false,
                };
                store.release(granted.proposal().action());
                (granted.proposal().action().clone(), appended)
            })
        })
        .collect();
    for _ in 0..8 {
        house.cluster.sql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE application_name = 'countersign a'",
        );
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    for append in appends {
        let (action, appended) = append.await.unwrap();
        let journal = store.parked(Named::Action(action)).await;
        assert_eq!(journal.unwrap().len(), if appended { 3 } else { 0 });
    }
    while house.cluster.sql("SELECT count(*) FROM claims") != "0" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let begun = house.cluster.sql("SELECT count(*) FROM actions");
    assert_eq!(house.cluster.sql("SELECT count(*) FROM locks"), begun);
}

#[tokio::test]
async fn a_sink_is_fed_by_one_executor_and_taken_from_the_dead() {
    let house = bed().await;
    let (one, two) = (house.join("a").await.unwrap(), house.join("b").await.unwrap());
    assert_eq!(one.fed("soc").await, Ok(Some(Fed::default())));
    assert_eq!(two.fed("soc").await, Ok(None));
    let fed = Fed { origin: "test/log".into(), next: 0, upto: 4, attempt: 1 };
    assert_eq!(two.feed("soc", fed.clone()).await, Err(StoreError::Conflict));
    one.feed("soc", fed.clone()).await.unwrap();
    house.cluster.sql("DELETE FROM executors WHERE name = 'a'");
    assert_eq!(two.fed("soc").await, Ok(Some(fed.clone())));
    assert!(one.feed("soc", Fed { next: 4, ..fed }).await.is_err(), "it is fenced");
}
