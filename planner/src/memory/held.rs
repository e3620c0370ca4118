//! What is this planner's for a turn. It is made before it is asked for: whatever becomes of the
//! answer, it is given back, so that nobody waits for a turn that broke off or never was.
//!
//! ```text
//! asked for ─▶ here ─▶ keep ──held──▶ over
//!     │          │       └ unread: again, in the background, while nobody else has it
//!     └──────────┴─ dropped: given back as it was, however long that takes
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::sleep;

use super::store::{Fence, Name, Store, Unread, What};

/// Between two tries at first; then twice as long each time.
const FIRST: Duration = Duration::from_secs(1);
/// Between two tries at most.
const LONGEST: Duration = Duration::from_secs(10);
/// Tries to keep an end, about ten minutes: a failure that does not pass must not hold what it
/// is about for ever.
const TRIES: usize = 60;
/// Longer than any statement of a connection that was cut may go on at the server.
const OVER: Duration = Duration::from_secs(20);

/// A conversation, or a turn of a thread.
#[must_use]
pub(crate) struct Held {
    store: Arc<dyn Store>,
    what: What,
    fence: Fence,
    stands: Stands,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// Nobody knows whether it is this planner's.
    AskedFor,
    Here,
    /// It is not, or not any more.
    Over,
}

/// What is kept at the end.
struct End {
    owners: Vec<String>,
    body: String,
}

impl Held {
    /// For a turn that nobody else has, nor ever had.
    pub(super) fn asked_for(store: &Arc<dyn Store>, what: What) -> Result<Self, Unread> {
        let fence = store.shared().map_or(Ok(Fence::default()), |shared| shared.fence())?;
        Ok(Self { store: Arc::clone(store), what, fence, stands: Stands::AskedFor })
    }

    /// Of a planner that is alone.
    pub(super) fn alone(store: &Arc<dyn Store>, name: Name) -> Self {
        let (what, fence) = (What::Conversation(name), Fence::default());
        Self { store: Arc::clone(store), what, fence, stands: Stands::Here }
    }

    pub(super) fn fence(&self) -> Fence {
        self.fence
    }

    /// It was given.
    pub(super) fn here(self) -> Self {
        self.and(Stands::Here)
    }

    /// It was not given.
    pub(super) fn over(self) {
        drop(self.and(Stands::Over));
    }

    fn and(mut self, stands: Stands) -> Self {
        self.stands = stands;
        self
    }

    /// Keeps where a conversation stands, or how a turn ended, with those whose it is, and gives
    /// it back. Where that fails among several planners it goes on in the background: until then
    /// it is nobody else's, so that no turn is taken again whose end is known.
    pub(crate) async fn keep(self, owners: &BTreeSet<String>, body: String) {
        let end = End { owners: owners.iter().cloned().collect(), body };
        match self.kept(&end).await {
            Ok(held) => self.ended(held),
            Err(Unread) if self.store.shared().is_some() => {
                drop(tokio::spawn(self.keep_later(end)));
            }
            // Logged.
            Err(Unread) => {}
        }
    }

    /// The fence makes it harmless to do it twice.
    async fn keep_later(self, end: End) {
        for wait in waits().take(TRIES) {
            sleep(wait).await;
            if let Ok(held) = self.kept(&end).await {
                return self.ended(held);
            }
        }
        tracing::error!("how a turn ended could not be kept: it may be taken again");
    }

    /// Whether it was still held.
    async fn kept(&self, end: &End) -> Result<bool, Unread> {
        let (owners, body) = (end.owners.clone(), end.body.clone());
        match self.what {
            What::Conversation(name) => self.store.keep(name, self.fence, owners, body).await,
            What::Turn { thread, place } => {
                self.store.end_turn(thread, place, self.fence, owners, body).await
            }
        }
    }

    fn ended(self, held: bool) {
        if !held {
            tracing::warn!("a turn was not remembered: another planner has it, or it was erased");
        }
        self.over();
    }

    /// Gives it back before it returns.
    #[cfg(test)]
    pub(crate) async fn give_back(self) {
        give_back(&*self.store, self.what, self.fence).await;
        self.over();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let (what, fence, store) = (self.what, self.fence, Arc::clone(&self.store));
        if self.stands == Stands::Over || store.shared().is_none() {
            return;
        }
        let asked_for = self.stands == Stands::AskedFor;
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                give_back(&*store, what, fence).await;
                if asked_for {
                    // The question may have been answered after that.
                    sleep(OVER).await;
                    give_back(&*store, what, fence).await;
                }
            });
        }
    }
}

/// Gives back as it was, until the process ends: as long as it lives, others take what it holds
/// for held.
async fn give_back(store: &dyn Store, what: What, fence: Fence) {
    let Some(shared) = store.shared() else { return };
    for wait in waits() {
        if shared.give_back(what, fence).await.is_ok() {
            return;
        }
        sleep(wait).await;
    }
}

fn waits() -> impl Iterator<Item = Duration> + Send {
    std::iter::successors(Some(FIRST), |wait| Some(wait.saturating_mul(2).min(LONGEST)))
}
