//! One row per running executor: its generation is the fencing token, its `expires_at`
//! the lease. Local time counts from before the server was asked, so the lease ends here
//! before anybody takes the actions over there.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{GenericClient, Transaction};
use futures_util::FutureExt as _;
use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio_postgres::Row;
use tokio_util::sync::CancellationToken;

use super::database::{Database, all, first, run};
use super::fault::Fault;
use super::reserved::Reserved;
use crate::lease::{Lease, awake};
use crate::ports::StoreError;
use crate::store::known::damaged;

/// Between two renewals: a third of the lease.
const RENEWALS: u32 = 3;
/// A generation that is dead: an earlier one of this state folder, whose lock this process
/// holds, or one whose lease ended so long ago that its last request has ended too.
const DEAD: &str = "generation <> $1 AND (name = $2 AND generation < $1
    OR clock_timestamp() > expires_at + quiet_ms * interval '1 millisecond')";

/// This executor among others.
#[derive(Clone)]
pub(super) struct Instance {
    /// Its fencing token.
    pub(super) generation: i64,
    name: Arc<str>,
    length: Duration,
    pub(super) lease: Lease,
    /// Cancelled once another executor took over.
    pub(super) fenced: CancellationToken,
    /// Whether it has left the others; held while the lease is renewed.
    left: Arc<Mutex<bool>>,
}

/// A small write, in microseconds of the server's clock.
pub(super) struct Probed {
    /// What was written before, 0 at first.
    pub(super) found: i64,
    /// What is written now, which is always more.
    pub(super) wrote: i64,
    /// The server's time.
    pub(super) at: Timestamp,
}

impl Instance {
    /// Joins the others.
    pub(super) async fn register(
        db: &Database,
        name: &str,
        length: Duration,
    ) -> Result<Self, Fault> {
        let began = awake();
        let (lease, quiet) = (millis(length), millis(length / 2));
        let row = first(
            &db.client().await?,
            "INSERT INTO executors (name, expires_at, quiet_ms)
             VALUES ($1, clock_timestamp() + $2::bigint * interval '1 millisecond', $3)
             RETURNING generation",
            &[&name, &lease, &quiet],
        )
        .await?;
        let row = row.ok_or_else(|| damaged("no generation was given"))?;
        let instance = Self {
            generation: row.try_get(0)?,
            name: name.into(),
            length,
            lease: Lease::ended(awake),
            fenced: CancellationToken::new(),
            left: Arc::default(),
        };
        instance.lease.renew(began + length);
        Ok(instance)
    }

    /// Renews until another executor takes over; gives back what could not be given back
    /// at once.
    pub(super) async fn keep(self, own: Database, db: Database, reserved: Arc<Reserved>) {
        let every = self.length / RENEWALS;
        loop {
            tokio::time::sleep(every).await;
            match tokio::time::timeout(every, self.renew(&own)).await {
                Ok(Ok(())) => {}
                Ok(Err(Fault::Fenced)) => {
                    let why = StoreError::from(Fault::Fenced);
                    tracing::error!(generation = self.generation, %why, "this executor stops");
                    self.lease.renew(Duration::ZERO);
                    self.fenced.cancel();
                    return;
                }
                Ok(Err(fault)) => {
                    let error = StoreError::from(fault);
                    tracing::warn!(%error, left = ?self.lease.left(), "the lease was not renewed");
                    continue;
                }
                Err(_) => {
                    tracing::warn!(left = ?self.lease.left(), "the lease was not renewed in time");
                    continue;
                }
            }
            reserved.sweep(&db, self.generation);
        }
    }

    /// Renews no more, so that others take over as soon as the last request has ended.
    pub(super) async fn leave(&self, db: &Database) -> Result<(), Fault> {
        let mut left = self.left.lock().await;
        *left = true;
        self.lease.renew(Duration::ZERO);
        let sql = "UPDATE executors SET expires_at = clock_timestamp() WHERE generation = $1";
        run(&db.client().await?, sql, &[&self.generation]).await.map(drop)
    }

    async fn renew(&self, db: &Database) -> Result<(), Fault> {
        let left = self.left.lock().await;
        if *left {
            return Ok(());
        }
        const RENEW: &str = "
            UPDATE executors
            SET expires_at = clock_timestamp() + $2::bigint * interval '1 millisecond'
            WHERE generation = $1";
        let (began, me, length) = (awake(), self.generation, millis(self.length));
        let renewed =
            db.ask(|db| async move { run(db, RENEW, &[&me, &length]).await }.boxed()).await?;
        if renewed == 0 {
            return Err(Fault::Fenced);
        }
        self.lease.renew(began + self.length);
        Ok(())
    }

    /// Makes a small write durable.
    pub(super) async fn probe(&self, db: &impl GenericClient) -> Result<Probed, Fault> {
        const PROBE: &str = "
            UPDATE executors AS own
            SET probed_at = greatest(clock_timestamp(), was.at + interval '1 microsecond')
            FROM (SELECT probed_at AS at FROM executors WHERE generation = $1) AS was
            WHERE own.generation = $1
            RETURNING coalesce((extract(epoch FROM was.at) * 1000000)::bigint, 0),
                      (extract(epoch FROM own.probed_at) * 1000000)::bigint,
                      (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        let row = first(db, PROBE, &[&self.generation]).await?.ok_or(Fault::Fenced)?;
        let at = Timestamp::from_microsecond(row.try_get(2)?).map_err(damaged)?;
        Ok(Probed { found: row.try_get(0)?, wrote: row.try_get(1)?, at })
    }

    /// Generations that are dead, oldest first.
    pub(super) async fn dead(&self, db: &impl GenericClient) -> Result<Vec<i64>, Fault> {
        let sql = format!("SELECT generation FROM executors WHERE {DEAD} ORDER BY generation");
        let rows = all(db, &sql, &[&self.generation, &&*self.name]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Takes over what a dead generation carried; nothing where it is not dead after all.
    /// Waits for what it has under way in the store, which holds its row.
    pub(super) async fn take_over(&self, db: &Transaction<'_>, dead: i64) -> Result<(), Fault> {
        let me = self.generation;
        fence(db, me).await?;
        let sql =
            format!("SELECT generation FROM executors WHERE generation = $3 AND {DEAD} FOR UPDATE");
        if first(db, &sql, &[&me, &&*self.name, &dead]).await?.is_none() {
            return Ok(());
        }
        // INTENT FIRST: nothing of what was only reserved was sent.
        let sql = "DELETE FROM claims WHERE holder = $1 RETURNING action_id";
        let reserved: Vec<String> =
            all(db, sql, &[&dead]).await?.iter().map(text).collect::<Result<_, _>>()?;
        run(db, "DELETE FROM locks WHERE action_id = ANY($1)", &[&reserved]).await?;
        run(db, "DELETE FROM spending WHERE action_id = ANY($1)", &[&reserved]).await?;
        let sql = "UPDATE actions SET holder = $1 WHERE holder = $2";
        let begun = run(db, sql, &[&me, &dead]).await?;
        run(db, "DELETE FROM executors WHERE generation = $1", &[&dead]).await?;
        tracing::info!(generation = dead, actions = begun, "took over from an executor");
        Ok(())
    }
}

/// Who has no generation writes nothing. Holds the row until the transaction ends, so that
/// nobody takes over in the middle of it.
pub(super) async fn fence(db: &impl GenericClient, me: i64) -> Result<(), Fault> {
    let sql = "SELECT generation FROM executors WHERE generation = $1 FOR KEY SHARE";
    first(db, sql, &[&me]).await?.map(drop).ok_or(Fault::Fenced)
}

fn text(row: &Row) -> Result<String, Fault> {
    Ok(row.try_get(0)?)
}

fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}
