//! The store that the storm goes over.

use std::collections::BTreeSet;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::support::change;
use crate::support::cluster::Cluster;
use crate::support::pair::Pair;

/// A kind of store, with what the storm has to know of it.
pub trait Shelf {
    /// What a reader calls it.
    fn name(&self) -> &'static str;

    /// Lets the pair's next executor use a new one.
    fn install(&self, pair: &Pair);

    /// Actions that were begun and have no receipt, while no executor runs. Changes
    /// nothing: what recovers a store is the executor's start.
    fn unfinished(&self, pair: &Pair) -> BTreeSet<String>;
}

/// One database, one executor at a time.
pub struct Postgres(Cluster);

impl Postgres {
    pub fn start() -> Self {
        Self(Cluster::start(&[]))
    }
}

impl Shelf for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn install(&self, pair: &Pair) {
        change::on_postgres(pair.dir.path(), &self.0);
    }

    fn unfinished(&self, _pair: &Pair) -> BTreeSet<String> {
        // A first start that was killed leaves a database without tables.
        if self.0.sql("SELECT to_regclass('actions') IS NULL") == "t" {
            return BTreeSet::new();
        }
        let begun =
            "SELECT action_id FROM actions WHERE state NOT IN ('proposed', 'waiting', 'sealed')";
        self.0.sql(begun).lines().map(str::to_owned).collect()
    }
}

/// One file, one executor.
pub struct Sqlite;

impl Shelf for Sqlite {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn install(&self, _pair: &Pair) {}

    fn unfinished(&self, pair: &Pair) -> BTreeSet<String> {
        let path = pair.path("state/executor.db");
        if !path.exists() {
            return BTreeSet::new();
        }
        let db = Connection::open(path).unwrap();
        // Its write-ahead log stays as the killed process left it.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
        let sql =
            "SELECT action_id FROM actions WHERE state NOT IN ('proposed', 'waiting', 'sealed')";
        // A first start that was killed leaves a file without tables.
        let Ok(mut select) = db.prepare(sql) else { return BTreeSet::new() };
        let rows = select.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }
}
