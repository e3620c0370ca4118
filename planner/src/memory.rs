//! What the planner remembers over a restart: where each conversation stands, what was said
//! in turns that came over HTTP, what models have cost. It is for going on, not for proof:
//! what was done is the executor's to say. Names are digests; texts are in clear, in a file
//! that is this user's alone or in a database that is the planners' alone, until nobody touched
//! them for so long, or until the executor says that whose they are was erased.
//!
//! ```text
//! a turn: take ──▶ (the turn) ──▶ keep, which gives back
//!           └ while it is in another turn: waits, and says so where that does not end
//! ```

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use countersign_shared::postgres::PostgresConfig;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::budget::{Amount, Cap};
use store::{Begun, Name, Store, Taken, What};

mod erased;
mod held;
mod postgres;
mod sqlite;
mod store;
mod volatile;

#[cfg(test)]
#[path = "../../executor/src/store/postgres/cluster.rs"]
pub(crate) mod cluster;
#[cfg(test)]
pub(crate) mod conformance;

pub(crate) use erased::Gone;
pub(crate) use held::Held;
pub(crate) use store::{Row, Unread};

/// How often the old is looked for.
const SWEEP: Duration = Duration::from_secs(3600);
/// Between two looks whether another turn has ended.
const AGAIN: Duration = Duration::from_millis(150);
/// Whoever waits for longer is told to come back, while a connection still lives to tell it on.
const PATIENCE: Duration = Duration::from_secs(45);

/// Remembers, or, without a place, forgets with the process. Clones share it.
#[derive(Clone)]
pub struct Memory {
    store: Arc<dyn Store>,
    /// Whoever has at hand what is kept here.
    hear: erased::Hearers,
    /// How long is waited for another turn.
    patience: Duration,
}

impl Default for Memory {
    fn default() -> Self {
        Self::over(volatile::Volatile::default())
    }
}

/// Why something is not this planner's for a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// It is in another turn, which does not end.
    Busy,
    /// Memory could not be read or written; that is logged.
    Unread,
}

impl From<Unread> for NotTaken {
    fn from(Unread: Unread) -> Self {
        Self::Unread
    }
}

/// A turn of a thread that was to begin.
pub(crate) enum Started {
    /// It is to be taken here.
    Here(Held),
    /// Another planner has taken it: how it ended.
    Ended(String),
    /// Another turn was begun since the thread was read: it is to be read again.
    Overtaken,
}

impl Memory {
    /// Opens or makes the file in the folder.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        Ok(Self::over(sqlite::Sqlite::open(folder)?))
    }

    /// In a database that planners share. Nothing is asked of it before [`Self::join`].
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub fn on(config: &PostgresConfig) -> anyhow::Result<Self> {
        Ok(Self::over(postgres::Postgres::new(config)?))
    }

    fn over(store: impl Store + 'static) -> Self {
        let (store, hear) = (Arc::new(store), erased::Hearers::default());
        Self { store, hear, patience: PATIENCE }
    }

    /// Waits for no other turn.
    #[cfg(test)]
    pub(crate) fn impatient(self) -> Self {
        Self { patience: Duration::ZERO, ..self }
    }

    /// Waits for another turn, as long as there is patience since then.
    ///
    /// # Errors
    /// When there is none left.
    pub(crate) async fn again(&self, began: Instant) -> Result<(), NotTaken> {
        if began.elapsed() > self.patience {
            tracing::warn!("another turn does not end");
            return Err(NotTaken::Busy);
        }
        tokio::time::sleep(AGAIN).await;
        Ok(())
    }

    /// Joins the other planners, where there can be any.
    ///
    /// # Errors
    /// When the database cannot be used, with what to do about it.
    pub async fn join(&self) -> anyhow::Result<()> {
        match self.store.shared() {
            Some(shared) => shared.join().await,
            None => Ok(()),
        }
    }

    /// Leaves the other planners: they need not wait for what is held here.
    pub async fn leave(&self) {
        if let Some(shared) = self.store.shared() {
            shared.leave().await;
        }
    }

    /// Whether other planners may change what is kept: then nothing is true that is only at hand.
    pub(crate) fn is_shared(&self) -> bool {
        self.store.shared().is_some()
    }

    /// Takes a conversation for a turn, once it is in no other: where it stands, `None` where it
    /// is new or was forgotten.
    ///
    /// # Errors
    /// When it cannot be read, or the other turn does not end.
    pub(crate) async fn take(&self, name: &str) -> Result<(Held, Option<String>), NotTaken> {
        let (name, began) = (digest(name), Instant::now());
        loop {
            let held = Held::asked_for(&self.store, What::Conversation(name))?;
            if let Some(Taken { body }) = self.store.take(name, held.fence()).await? {
                return Ok((held.here(), body));
            }
            held.over();
            self.again(began).await?;
        }
    }

    /// A conversation of a planner that is alone, and has it at hand.
    pub(crate) fn alone(&self, name: &str) -> Held {
        Held::alone(&self.store, digest(name))
    }

    /// The newest turns of a thread, at most so many.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) async fn turns(&self, thread: &str, most: usize) -> Result<Vec<Row>, Unread> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.store.turns(digest(thread), most).await
    }

    /// Keeps that a turn of a thread is begun, once nobody is at it: before [`Self::settled`]
    /// returns. It holds nobody's words. There is patience since `began`.
    ///
    /// # Errors
    /// When somebody may be at it and that cannot be told, or it does not end.
    pub(crate) async fn begin_turn(
        &self,
        thread: &str,
        row: &Row,
        began: Instant,
    ) -> Result<Started, NotTaken> {
        let thread = digest(thread);
        loop {
            let what = What::Turn { thread, place: row.place };
            let held = Held::asked_for(&self.store, what)?;
            match self.store.begin_turn(thread, row.clone(), held.fence()).await {
                Ok(Begun::Here) => return Ok(Started::Here(held.here())),
                Ok(Begun::Ended(body)) => {
                    held.over();
                    return Ok(Started::Ended(body));
                }
                Ok(Begun::Overtaken) => {
                    held.over();
                    return Ok(Started::Overtaken);
                }
                Ok(Begun::Elsewhere) => held.over(),
                // A memory of one planner that fails costs the customer a question asked twice.
                Err(Unread) if !self.is_shared() => return Ok(Started::Here(held.here())),
                Err(Unread) => return Err(NotTaken::Unread),
            }
            self.again(began).await?;
        }
    }

    /// Waits until what was begun is kept. What a planner that is alone could not keep costs the
    /// customer a question asked twice; that is logged.
    pub(crate) async fn settled(&self) {
        let _logged = self.store.settled().await;
    }

    /// Whether what is remembered can be asked for; a file of one's own always can.
    ///
    /// # Errors
    /// When it cannot.
    pub(crate) async fn reached(&self) -> Result<(), Unread> {
        match self.store.shared() {
            Some(shared) => shared.reached().await,
            None => Ok(()),
        }
    }

    /// What an account has spent.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) async fn spent(&self, account: &str) -> Result<Amount, Unread> {
        self.store.spent(digest(account)).await
    }

    /// Adds this to every account, or, where that is over the cap of one, to none: that one's
    /// place. Kept before it returns.
    ///
    /// # Errors
    /// When that cannot be told.
    pub(crate) async fn reserve(
        &self,
        accounts: [(&str, Cap); 3],
        most: Amount,
    ) -> Result<Result<(), usize>, Unread> {
        self.store.reserve(accounts.map(|(name, cap)| (digest(name), cap)), most).await
    }

    /// What was used takes the place of what was reserved. Where it cannot be written, the
    /// accounts keep what they had.
    pub(crate) async fn settle(&self, accounts: [&str; 3], reserved: Amount, used: Amount) {
        let _logged = self.store.settle(accounts.map(digest), reserved, used).await;
    }

    /// The newest checkpoint that a planner of several verified, of a log with one of these
    /// names (TWO KEEP THE HISTORY): what is said to be its size, and its note.
    pub(crate) async fn checkpoint(&self, origins: Vec<String>) -> Option<(u64, Vec<u8>)> {
        let (size, note) = self.store.shared()?.checkpoint(origins).await.ok().flatten()?;
        Some((u64::try_from(size).unwrap_or_default(), note))
    }

    /// Takes a checkpoint away that is none: it would hide those of other planners.
    pub(crate) async fn drop_checkpoint(&self, note: Vec<u8>) {
        if let Some(shared) = self.store.shared() {
            let _logged = shared.drop_checkpoint(note).await;
        }
    }

    /// Shows a verified checkpoint to the other planners.
    pub(crate) async fn keep_checkpoint(&self, origin: &str, size: u64, note: Vec<u8>) {
        if let Some(shared) = self.store.shared() {
            let size = i64::try_from(size).unwrap_or(i64::MAX);
            let _logged = shared.keep_checkpoint(origin.to_owned(), size, note).await;
        }
    }

    /// Forgets what nobody touched for so long, now and then, until the process ends.
    pub async fn sweep(self, kept: SignedDuration) {
        loop {
            let before = Timestamp::now().checked_sub(kept).map_or(0, Timestamp::as_second);
            let _logged = self.store.forget_before(before).await;
            tokio::time::sleep(SWEEP).await;
        }
    }

    /// What has one of these names is kept under this key of a person, before whatever is kept
    /// after it.
    pub(crate) async fn belongs(&self, kept_under: &str, names: &[&str]) {
        if kept_under.is_empty() {
            return;
        }
        let names = names.iter().filter(|name| !name.is_empty()).map(|name| digest(name));
        let _logged = self.store.belongs(kept_under.to_owned(), names.collect()).await;
    }

    /// Every key under which something is kept.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) async fn keys(&self) -> Result<Vec<String>, Unread> {
        self.store.keys().await
    }

    /// Forgets everything that is kept under these, and tells whoever has it at hand.
    pub(crate) async fn forget_all_of(&self, keys: BTreeSet<String>) {
        let Ok(names) = self.store.forget_all_of(keys.into_iter().collect()).await else { return };
        let count = names.len();
        self.hear.told(&Gone::of(names));
        tracing::info!(names = count, "what was remembered of an erased person is gone");
    }
}

fn digest(name: &str) -> Name {
    Sha256::digest(name).into()
}

fn now() -> i64 {
    Timestamp::now().as_second()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn another_turn_is_waited_for_as_long_as_a_connection_lives() {
        let (memory, began) = (Memory::default(), Instant::now());
        while memory.again(began).await.is_ok() {}
        let waited = began.elapsed().as_secs_f64();
        assert!((45.0..46.0).contains(&waited), "{waited} s");
    }
}
