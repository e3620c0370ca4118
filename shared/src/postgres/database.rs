//! Connections and transactions. Each transaction runs in a task of its own: a caller
//! that goes away drops its future, never a transaction halfway.

use std::borrow::Cow;
use std::time::Duration;

use deadpool_postgres::{Client, GenericClient, Hook, HookError, Pool, PoolError, Runtime};
use deadpool_postgres::{Manager, ManagerConfig, Object, RecyclingMethod, Transaction};
use futures_util::future::BoxFuture;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};

use super::{Connector, Unavailable, safety, said};

/// Longest wait for a connection.
const WAIT: Duration = Duration::from_secs(5);
/// How often a transaction is begun before it is given up.
const TRIES: usize = 6;

/// Why a transaction did not hold.
pub trait Passes {
    /// Whether the same transaction may hold when it is begun again.
    fn passes(&self) -> bool;
}

/// Connections to the writer endpoint. Clones share them.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    /// Longest that one has what it is asked for under way.
    limit: Option<Duration>,
}

/// A connection that is closed, unless its work came to an end: whatever it is asked next would
/// wait behind.
struct Lent(Option<Client>);

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            drop(Object::take(client));
        }
    }
}

impl Database {
    /// At most so many connections, made when they are needed.
    ///
    /// # Errors
    /// When there cannot be so many.
    pub fn new(connector: Connector, most: usize) -> Result<Self, Unavailable> {
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let settings = connector.settings().clone();
        let manager = Manager::from_connect(settings, connector, recycling);
        let check = Hook::async_fn(|client, _| {
            Box::pin(async move { safety::prepare(client).await.map_err(HookError::message) })
        });
        let pool = Pool::builder(manager)
            .max_size(most)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(WAIT))
            .post_create(check)
            .build()
            .map_err(|error| Unavailable::because(error.to_string()))?;
        Ok(Self { pool, limit: None })
    }

    /// The same connections, where none may be silent for longer.
    #[must_use]
    pub fn within(&self, limit: Duration) -> Self {
        Self { limit: Some(limit), ..self.clone() }
    }

    /// A connection, to read or for one statement.
    ///
    /// # Errors
    /// When there is none.
    pub async fn client(&self) -> Result<Client, Unavailable> {
        self.pool.get().await.map_err(|error| {
            let why = match error {
                PoolError::Backend(error) => said(&error),
                PoolError::PostCreateHook(HookError::Message(why)) => why.into_owned(),
                PoolError::Timeout(_) => "PostgreSQL: no connection within 5 s".to_owned(),
                PoolError::PostCreateHook(_)
                | PoolError::Closed
                | PoolError::NoRuntimeSpecified => {
                    format!("PostgreSQL: {error}")
                }
            };
            Unavailable::because(why)
        })
    }

    /// What one connection is asked for. Where that is cut off, by the limit or by whoever waits
    /// for it, the connection is closed.
    ///
    /// # Errors
    /// As the work fails, and when there is no connection or no answer.
    pub async fn ask<T, E, W>(&self, work: W) -> Result<T, E>
    where
        E: From<Unavailable>,
        W: for<'a> FnOnce(&'a Client) -> BoxFuture<'a, Result<T, E>> + Send,
    {
        let mut lent = Lent(None);
        let client = lent.0.insert(self.client().await?);
        let done = self.limited(work(client)).await?;
        lent.0 = None;
        done
    }

    async fn limited<T>(&self, work: impl Future<Output = T>) -> Result<T, Unavailable> {
        let Some(limit) = self.limit else { return Ok(work.await) };
        let silent = format!("PostgreSQL: no answer within {} s", limit.as_secs());
        timeout(limit, work).await.map_err(|_| Unavailable::because(silent))
    }

    /// One transaction: all of it or nothing. Begun again where others were in its way.
    ///
    /// # Errors
    /// Why it did not hold.
    pub async fn write<T, E, W>(&self, work: W) -> Result<T, E>
    where
        T: Send + 'static,
        E: Passes + From<Error> + From<Unavailable> + Send + 'static,
        W: for<'a> Fn(&'a Transaction<'_>) -> BoxFuture<'a, Result<T, E>> + Send + Sync + 'static,
    {
        let database = self.clone();
        let task = tokio::spawn(async move {
            let mut left = TRIES;
            loop {
                left = left.saturating_sub(1);
                match database.attempt(&work).await {
                    Err(fault) if E::passes(&fault) && left > 0 => {}
                    done => return done,
                }
            }
        });
        task.await.map_err(|error| Unavailable::because(error.to_string()))?
    }

    async fn attempt<T, E, W>(&self, work: &W) -> Result<T, E>
    where
        E: From<Error> + From<Unavailable>,
        W: for<'a> Fn(&'a Transaction<'_>) -> BoxFuture<'a, Result<T, E>>,
    {
        let mut lent = Lent(None);
        let client = lent.0.insert(self.client().await?);
        let done = self.limited(async {
            let db = client.transaction().await?;
            let done = work(&db).await?;
            db.commit().await?;
            Ok(done)
        });
        let done = done.await?;
        lent.0 = None;
        done
    }
}

/// Parameters of a statement.
pub type With<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Every row of a query, prepared once per connection.
///
/// # Errors
/// As the server says.
pub async fn all(db: &impl GenericClient, sql: &str, with: With<'_>) -> Result<Vec<Row>, Error> {
    let statement = db.prepare_cached(sql).await?;
    db.query(&statement, with).await
}

/// The one row of a query, if there is any.
///
/// # Errors
/// As the server says.
pub async fn first(
    db: &impl GenericClient,
    sql: &str,
    with: With<'_>,
) -> Result<Option<Row>, Error> {
    Ok(all(db, sql, with).await?.into_iter().next())
}

/// How many rows a statement changed.
///
/// # Errors
/// As the server says.
pub async fn run(db: &impl GenericClient, sql: &str, with: With<'_>) -> Result<u64, Error> {
    let statement = db.prepare_cached(sql).await?;
    db.execute(&statement, with).await
}

/// Text for a column that is compared and never read back: PostgreSQL has no text with a
/// NUL in it. No two texts become the same.
#[must_use]
pub fn plain(text: &str) -> Cow<'_, str> {
    const STANDS_FOR: &str = "\u{FFFD}";
    if !text.contains(['\0', '\u{FFFD}']) {
        return text.into();
    }
    text.replace(STANDS_FOR, "\u{FFFD}\u{FFFD}").replace('\0', "\u{FFFD}0").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_the_server_cannot_hold_stays_distinct() {
        assert_eq!(plain("a b"), "a b");
        let each = ["\0", "\u{FFFD}", "\u{FFFD}0", "\u{FFFD}\0", "\0\u{FFFD}", "0"];
        let stored: std::collections::BTreeSet<_> = each.into_iter().map(plain).collect();
        assert_eq!(stored.len(), each.len());
        assert!(stored.iter().all(|text| !text.contains('\0')));
    }
}
