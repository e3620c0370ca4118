//! That the search would have found a leak: one is planted in each place, in each form, by the
//! way in which things really get there, and nothing else is changed.

use std::fs;
use std::path::Path;

use countersign_proto::v1;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use tempfile::TempDir;
use tonic::{Response, Status};

use super::deployment::Deployment;
use super::heard::{COMMANDS, CONSOLE, Heard, PAGES, RPC};
use crate::support::canary;
use crate::support::leaks::{Search, files, forms};

/// Every value of every table, as the store's own reader sees it: on disk, one may be cut
/// in pieces.
pub fn rows(database: &Path) -> Vec<u8> {
    let copy = copied(database);
    all_rows(&Connection::open(copy.path().join("executor.db")).unwrap())
}

fn all_rows(store: &Connection) -> Vec<u8> {
    let mut tables = store.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
    let tables = tables.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let mut bytes = Vec::new();
    for table in tables.map(Result::unwrap) {
        let mut all = store.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = all.column_count();
        let mut rows = all.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..columns {
                if let ValueRef::Text(value) | ValueRef::Blob(value) = row.get_ref(column).unwrap()
                {
                    bytes.extend_from_slice(value);
                    bytes.push(b'\n');
                }
            }
        }
    }
    assert!(!bytes.is_empty());
    bytes
}

/// The database with its write-ahead log.
fn copied(database: &Path) -> TempDir {
    let copy = TempDir::new().unwrap();
    for end in ["", "-wal"] {
        let from = format!("{}{end}", database.display());
        fs::copy(from, copy.path().join(format!("executor.db{end}"))).unwrap();
    }
    copy
}

pub fn each_leak_is_found(deployment: &Deployment, search: &Search, heard: &Heard) {
    for secret in deployment.secrets() {
        for (form, bytes) in forms(&secret.bytes) {
            let hits = search.hits("", &bytes);
            let told = hits.iter().filter(|hit| hit.contains(&secret.name)).count();
            assert!(told >= 1, "{} {form}: {hits:?}", secret.name);
        }
    }
    let folder = deployment.house.pair.dir.path();
    let places = heard.places();
    for place in [RPC, COMMANDS, PAGES, CONSOLE] {
        assert!(places.contains_key(place), "nothing was heard of {place}");
    }
    let token = canary::token();
    let mut planted = 0;
    for (form, bytes) in forms(token.as_bytes()) {
        let leak = String::from_utf8(bytes).unwrap();
        let found = |place: &str, bytes: &[u8]| {
            let hits = search.hits(place, bytes);
            assert!(hits.iter().any(|hit| hit.contains("the shop's token")), "{place}: {form}");
        };
        for (place, bytes) in &places {
            let with = Heard::default();
            with.note(place, &bytes[bytes.len().saturating_sub(4096)..]);
            plant(&with, place, &leak);
            found(place, &with.places()[place]);
        }
        for log in ["executor.log", "planner.log"] {
            let line = format!("{{\"level\":\"TRACE\",\"message\":\"sent {leak}\"}}\n");
            found(log, &[&end_of(&folder.join(log)), line.as_bytes()].concat());
        }
        found("a webhook", format!("{}{leak}", deployment.hook.bodies()).as_bytes());
        in_the_store(&folder.join("state/executor.db"), &leak, &found);
        in_the_log(&folder.join("state/log"), &leak, search);
        planted += 1;
    }
    println!("{planted} forms of a leak found in each place");
}

/// The way in which an answer gets there.
fn plant(heard: &Heard, place: &'static str, leak: &str) {
    if place == RPC {
        let action = v1::Action { said: leak.to_owned(), ..v1::Action::default() };
        heard.rpc(Ok(Response::new(v1::GetActionResponse { action: Some(action) })));
        heard.rpc::<v1::GetActionResponse>(Err(Status::internal(leak)));
    } else {
        heard.note(place, leak);
    }
}

fn end_of(file: &Path) -> Vec<u8> {
    let bytes = fs::read(file).unwrap();
    bytes[bytes.len().saturating_sub(4096)..].to_vec()
}

/// A row that was written, and not yet moved out of the write-ahead log.
fn in_the_store(database: &Path, leak: &str, found: &impl Fn(&str, &[u8])) {
    let copy = copied(database);
    let file = copy.path().join("executor.db");
    let store = Connection::open(&file).unwrap();
    let reason = "INSERT INTO switches (reach, off) VALUES ('tool/planted', ?1)";
    store.execute(reason, [leak]).unwrap();
    found("rows of the store", &all_rows(&store));
    let wal = fs::read(copy.path().join("executor.db-wal")).unwrap();
    found("executor.db-wal", &wal);
    drop(store);
    // Closing moved it.
    found("executor.db", &fs::read(file).unwrap());
}

/// A receipt with it, as an entry of a tile.
fn in_the_log(log: &Path, leak: &str, search: &Search) {
    let copy = TempDir::new().unwrap();
    for file in files(log) {
        let to = copy.path().join(file.strip_prefix(log).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(file, to).unwrap();
    }
    assert!(search.below(copy.path(), |_| false).is_empty());
    let is_tile = |file: &std::path::PathBuf| file.to_str().unwrap().contains("/entries/");
    let tile = files(copy.path()).into_iter().find(is_tile).expect("a receipt was published");
    let receipt = serde_json::json!({ "said": leak }).to_string();
    let length = u16::try_from(receipt.len()).unwrap().to_be_bytes();
    let whole = [&fs::read(&tile).unwrap(), &length[..], receipt.as_bytes()].concat();
    fs::write(tile, whole).unwrap();
    let hits = search.below(copy.path(), |_| false);
    assert!(hits.iter().any(|hit| hit.contains("the shop's token")), "a tile: {leak}");
}
