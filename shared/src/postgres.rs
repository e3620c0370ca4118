//! The way to a PostgreSQL that a service shares with others of its kind: what its
//! configuration says, connections on which a commit is durable, transactions that nobody can
//! leave halfway, and a layout that only grows.

mod config;
mod connect;
mod database;
mod migrate;
mod safety;

pub use config::{PostgresConfig, Tls, Verified};
pub use connect::{Connector, Password};
pub use database::{Database, Passes, With, all, first, plain, run};
pub use migrate::migrate;
pub use safety::check;

use std::error::Error as _;

use tokio_postgres::error::SqlState;

/// What was asked of the server did not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Unavailable {
    why: String,
    passes: bool,
}

impl Unavailable {
    /// For this reason; trying the same again does not help.
    pub fn because(why: impl Into<String>) -> Self {
        Self { why: why.into(), passes: false }
    }
}

impl Passes for Unavailable {
    fn passes(&self) -> bool {
        self.passes
    }
}

impl From<tokio_postgres::Error> for Unavailable {
    fn from(error: tokio_postgres::Error) -> Self {
        Self { why: said(&error), passes: in_the_way(&error) }
    }
}

/// Whether others were in the way, so that the same transaction may hold when begun again. Also
/// where nothing is known but that an earlier statement failed: of several that were sent together,
/// those behind it may be heard first, and asked again it says why.
#[must_use]
pub fn in_the_way(error: &tokio_postgres::Error) -> bool {
    let passing = [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::IN_FAILED_SQL_TRANSACTION,
    ];
    error.code().is_some_and(|code| passing.contains(code))
}

/// What went wrong, without the rows that it went wrong with.
#[must_use]
pub fn said(error: &tokio_postgres::Error) -> String {
    if let Some(db) = error.as_db_error() {
        return format!("PostgreSQL: {} ({})", db.message(), db.code().code());
    }
    let mut text = format!("PostgreSQL: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
