//! This planner's row among others, renewed as long as the process is well.

use std::sync::OnceLock;
use std::time::Duration;

use countersign_shared::postgres::{Database, Unavailable, first, run};
use parking_lot::Mutex;
use tokio_util::task::AbortOnDropHandle;

/// Between two renewals: a third of the lease.
const RENEWALS: u32 = 3;

/// Holds where a row of this table is in no turn. One of this planner's own is a turn as well:
/// its end may still have to be kept.
macro_rules! free {
    ($table:literal) => {
        concat!(
            "(",
            $table,
            ".holder IS NULL OR NOT EXISTS (SELECT 1 FROM planners WHERE generation = ",
            $table,
            ".holder AND expires_at > clock_timestamp()))"
        )
    };
}
pub(super) use free;

/// The row. Its connection is its own: no number of turns can keep it from being renewed.
pub(super) struct Lease {
    own: Database,
    length: Duration,
    holder: OnceLock<i64>,
    renewing: Mutex<Option<AbortOnDropHandle<()>>>,
}

impl Lease {
    pub(super) fn new(own: Database, length: Duration) -> Self {
        Self { own, length, holder: OnceLock::new(), renewing: Mutex::default() }
    }

    /// This planner among others; `None` before it has joined them.
    pub(super) fn holder(&self) -> Option<i64> {
        self.holder.get().copied()
    }

    /// Joins the others, and renews from then on.
    pub(super) async fn begin(&self) -> Result<(), Unavailable> {
        let sql = "
            INSERT INTO planners (expires_at)
            VALUES (clock_timestamp() + $1::bigint * interval '1 millisecond')
            RETURNING generation";
        let row = first(&self.own.client().await?, sql, &[&millis(self.length)]).await?;
        let row = row.ok_or_else(|| Unavailable::because("no generation was given"))?;
        let holder: i64 = row.try_get(0)?;
        let _first = self.holder.set(holder);
        let renewing = tokio::spawn(renew(self.own.clone(), holder, self.length));
        *self.renewing.lock() = Some(AbortOnDropHandle::new(renewing));
        Ok(())
    }

    /// Whether the server answers. Nothing can be asked of it before this planner has joined.
    pub(super) async fn reached(&self) -> Result<(), Unavailable> {
        self.holder().ok_or_else(|| Unavailable::because("this planner has not joined yet"))?;
        run(&self.own.client().await?, "SELECT 1", &[]).await?;
        Ok(())
    }

    /// Leaves them.
    pub(super) async fn end(&self) -> Result<(), Unavailable> {
        drop(self.renewing.lock().take());
        let Some(holder) = self.holder() else { return Ok(()) };
        let sql = "DELETE FROM planners WHERE generation = $1";
        run(&self.own.client().await?, sql, &[&holder]).await?;
        Ok(())
    }
}

/// Whoever was taken for dead goes on as well: what others took meanwhile is fenced by itself.
async fn renew(own: Database, holder: i64, length: Duration) {
    let every = length / RENEWALS;
    let sql = "
        INSERT INTO planners (generation, expires_at)
        VALUES ($1, clock_timestamp() + $2::bigint * interval '1 millisecond')
        ON CONFLICT (generation) DO UPDATE SET expires_at = excluded.expires_at";
    loop {
        tokio::time::sleep(every).await;
        let renewed = async {
            run(&own.client().await?, sql, &[&holder, &millis(length)]).await?;
            Ok::<_, Unavailable>(())
        };
        match tokio::time::timeout(every, renewed).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the planner's lease was not renewed"),
            Err(_) => tracing::warn!("the planner's lease was not renewed in time"),
        }
    }
}

fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}
