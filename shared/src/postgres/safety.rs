//! Refuses a server on which a commit would not be durable, on every new connection.

use std::time::Duration;

use tokio_postgres::Client;

use super::said;

/// `server_version_num` of the oldest version that is tested.
const OLDEST: i32 = 150_000;
/// A transaction that nobody goes on with is ended: it may hold what others wait for.
const IDLE: Duration = Duration::from_secs(3);
/// Longest wait for a row that somebody else holds.
const LOCK: Duration = Duration::from_secs(8);
/// Longest statement.
const STATEMENT: Duration = Duration::from_secs(15);

/// Pinned for the session: a change of the server's configuration must not weaken it.
const SETTINGS: &str = "
    SELECT current_setting('server_version_num')::int, current_setting('fsync'),
           current_setting('full_page_writes'),
           set_config('synchronous_commit', current_setting('synchronous_commit'), false),
           pg_is_in_recovery()";

/// What decides whether a commit is durable.
#[derive(Debug, Clone)]
struct Settings {
    version: i32,
    fsync: String,
    full_page_writes: String,
    synchronous_commit: String,
    standby: bool,
}

/// Checks a new connection and sets its limits.
///
/// # Errors
/// What is unsafe, and what to do about it.
pub(super) async fn prepare(client: &Client) -> Result<(), String> {
    check(client).await?;
    let limits = format!(
        "SET default_transaction_isolation = 'read committed';
         SET idle_in_transaction_session_timeout = {};
         SET lock_timeout = {};
         SET statement_timeout = {}",
        IDLE.as_millis(),
        LOCK.as_millis(),
        STATEMENT.as_millis()
    );
    client.batch_execute(&limits).await.map_err(|error| said(&error))
}

/// Checks a connection again: the server may have been told otherwise since.
///
/// # Errors
/// What is unsafe, and what to do about it.
pub async fn check(client: &Client) -> Result<(), String> {
    let found = async {
        let row = client.query_one(SETTINGS, &[]).await?;
        Ok(Settings {
            version: row.try_get(0)?,
            fsync: row.try_get(1)?,
            full_page_writes: row.try_get(2)?,
            synchronous_commit: row.try_get(3)?,
            standby: row.try_get(4)?,
        })
    };
    found.await.map_err(|error: tokio_postgres::Error| said(&error))?.durable()
}

impl Settings {
    fn durable(&self) -> Result<(), String> {
        let unsafe_setting = |name: &str, found: &str| {
            Err(format!(
                "PostgreSQL has {name} = {found}: commits could be lost. Set {name} = on in its \
                 configuration"
            ))
        };
        if self.version < OLDEST {
            return Err(format!(
                "PostgreSQL {} is too old: use 15 or newer",
                self.version / 10_000
            ));
        }
        if self.standby {
            return Err("this PostgreSQL is a standby: give the address of the primary, \
                        `store.postgres.host`"
                .to_owned());
        }
        match (self.fsync.as_str(), self.full_page_writes.as_str()) {
            ("on", "on") => {}
            ("on", found) => return unsafe_setting("full_page_writes", found),
            (found, _) => return unsafe_setting("fsync", found),
        }
        match self.synchronous_commit.as_str() {
            "off" => unsafe_setting("synchronous_commit", "off"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_would_lose_commits_is_refused() {
        let safe = Settings {
            version: 150_000,
            fsync: "on".into(),
            full_page_writes: "on".into(),
            synchronous_commit: "remote_apply".into(),
            standby: false,
        };
        safe.durable().unwrap();
        let refused = |change: fn(&mut Settings), says: &str| {
            let mut settings = safe.clone();
            change(&mut settings);
            let why = settings.durable().unwrap_err();
            assert!(why.contains(says), "{why}");
        };
        refused(|s| s.version = 140_011, "PostgreSQL 14 is too old");
        refused(|s| s.fsync = "off".into(), "fsync = off");
        refused(|s| s.full_page_writes = "off".into(), "full_page_writes = off");
        refused(|s| s.synchronous_commit = "off".into(), "synchronous_commit = off");
        refused(|s| s.standby = true, "address of the primary");
    }
}
