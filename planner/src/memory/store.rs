//! What memory asks of where it lies: whole operations, each durable or not done.

use std::collections::HashSet;

use async_trait::async_trait;

use crate::budget::{Amount, Cap};

/// A name, as it is kept: its digest.
pub(crate) type Name = [u8; 32];

/// Memory could not be read or written; that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unread;

/// A turn of a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) place: [u8; 32],
    pub(crate) number: i64,
    pub(crate) body: String,
}

/// Whose something is for a turn: the planner, and which of its turns. No two are the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Fence {
    pub(super) holder: i64,
    pub(super) turn: i64,
}

/// A conversation that was taken: where it stood.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) body: Option<String>,
}

/// What became of a turn that was to begin.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Begun {
    /// It is this planner's.
    Here,
    /// Somebody is at it.
    Elsewhere,
    /// It has ended, so.
    Ended(String),
    /// Another turn of the thread has its number: it was begun since the thread was read.
    Overtaken,
}

/// What can be held for a turn.
#[derive(Debug, Clone, Copy)]
pub(super) enum What {
    Conversation(Name),
    Turn { thread: Name, place: [u8; 32] },
}

/// Where memory lies.
#[async_trait]
pub(super) trait Store: Send + Sync {
    /// What planners share here; `None` where there is one planner.
    fn shared(&self) -> Option<&dyn Shared>;

    /// Takes a conversation for a turn; `None` while it is in another one.
    async fn take(&self, name: Name, fence: Fence) -> Result<Option<Taken>, Unread>;

    /// Keeps where a conversation stands with those whose it is, and gives it back: both or
    /// neither. Whether it was still held.
    async fn keep(
        &self,
        name: Name,
        fence: Fence,
        owners: Vec<String>,
        body: String,
    ) -> Result<bool, Unread>;

    /// The newest turns of a thread, at most so many.
    async fn turns(&self, thread: Name, most: i64) -> Result<Vec<Row>, Unread>;

    /// Keeps that a turn is begun, unless somebody is at it: by the time that this is settled.
    async fn begin_turn(&self, thread: Name, row: Row, fence: Fence) -> Result<Begun, Unread>;

    /// Waits until all that was asked for before is kept.
    async fn settled(&self) -> Result<(), Unread>;

    /// Keeps how a turn ended that is held with those whose its thread is, and gives it back: all
    /// or nothing. Where it is gone since, it was erased, and nothing is kept of it. Whether it
    /// was kept.
    async fn end_turn(
        &self,
        thread: Name,
        place: [u8; 32],
        fence: Fence,
        owners: Vec<String>,
        body: String,
    ) -> Result<bool, Unread>;

    /// What has one of these names is kept under this key of a person: before whatever is
    /// asked for after it.
    async fn belongs(&self, kept_under: String, names: Vec<Name>) -> Result<(), Unread>;

    /// Every key under which something is kept.
    async fn keys(&self) -> Result<Vec<String>, Unread>;

    /// Forgets everything that is kept under these keys; answers with its names.
    async fn forget_all_of(&self, keys: Vec<String>) -> Result<HashSet<Name>, Unread>;

    /// Forgets what nobody touched since then, in seconds since 1970.
    async fn forget_before(&self, before: i64) -> Result<(), Unread>;

    /// What an account has spent.
    async fn spent(&self, account: Name) -> Result<Amount, Unread>;

    /// Adds this to every account, or, where that is over the cap of one, to none: that one's
    /// place. All at once, whoever else reserves.
    async fn reserve(
        &self,
        accounts: [(Name, Cap); 3],
        most: Amount,
    ) -> Result<Result<(), usize>, Unread>;

    /// What was used takes the place of what was reserved.
    async fn settle(
        &self,
        accounts: [Name; 3],
        reserved: Amount,
        used: Amount,
    ) -> Result<(), Unread>;
}

/// What planners do only where they share memory.
#[async_trait]
pub(super) trait Shared: Send + Sync {
    /// Joins the others, before anything else is asked.
    async fn join(&self) -> anyhow::Result<()>;

    /// Leaves them: what was held is theirs at once.
    async fn leave(&self);

    /// For a turn that nobody else has, nor ever had.
    fn fence(&self) -> Result<Fence, Unread>;

    /// Gives back what is held, as it was.
    async fn give_back(&self, what: What, fence: Fence) -> Result<(), Unread>;

    /// Whether it answers, however many turns ask it at the same time.
    async fn reached(&self) -> Result<(), Unread>;

    /// The newest checkpoint that a planner verified, of a log with one of these names: what is
    /// said to be its size, and its note.
    async fn checkpoint(&self, origins: Vec<String>) -> Result<Option<(i64, Vec<u8>)>, Unread>;

    /// Takes a checkpoint away that is none.
    async fn drop_checkpoint(&self, note: Vec<u8>) -> Result<(), Unread>;

    /// Keeps a checkpoint, if it is newer.
    async fn keep_checkpoint(&self, origin: String, size: i64, note: Vec<u8>)
    -> Result<(), Unread>;
}
