//! What brings the database to the newest layout.

use super::database::Database;
use super::fault::Fault;
use crate::store::migration::Migration;

pub(super) const KNOWN: [Migration; 16] = [
    Migration { number: 1, name: "schema", sql: include_str!("migrations/0001_schema.sql") },
    Migration { number: 2, name: "standing", sql: include_str!("migrations/0002_standing.sql") },
    Migration { number: 10, name: "persons", sql: include_str!("migrations/0010_persons.sql") },
    Migration { number: 11, name: "bundles", sql: include_str!("migrations/0011_bundles.sql") },
    Migration { number: 12, name: "sinks", sql: include_str!("migrations/0012_sinks.sql") },
    Migration { number: 14, name: "turns", sql: include_str!("migrations/0014_turns.sql") },
    Migration { number: 15, name: "register", sql: include_str!("migrations/0015_register.sql") },
    Migration {
        number: 16,
        name: "register_again",
        sql: include_str!("migrations/0016_register_again.sql"),
    },
    Migration { number: 17, name: "waits", sql: include_str!("migrations/0017_waits.sql") },
    Migration { number: 18, name: "overrides", sql: include_str!("migrations/0018_overrides.sql") },
    Migration { number: 19, name: "costs", sql: include_str!("migrations/0019_costs.sql") },
    Migration { number: 20, name: "ratings", sql: include_str!("migrations/0020_ratings.sql") },
    Migration {
        number: 21,
        name: "conversation_days",
        sql: include_str!("migrations/0021_conversation_days.sql"),
    },
    Migration { number: 22, name: "guests", sql: include_str!("migrations/0022_guests.sql") },
    Migration { number: 23, name: "owners", sql: include_str!("migrations/0023_owners.sql") },
    Migration { number: 24, name: "ended", sql: include_str!("migrations/0024_ended.sql") },
];

/// Applies what is missing. Executors that start together take turns.
pub(super) async fn migrate(db: &Database) -> Result<(), Fault> {
    Ok(countersign_shared::postgres::migrate(db, &KNOWN, "executor").await?)
}
