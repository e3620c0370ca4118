//! Who waits for which action. A caller's deadline or disconnect ends its waiting,
//! never the action.

use std::collections::HashMap;
use std::sync::Arc;

use countersign_core::lifecycle::State;
use countersign_shared::ids::ActionId;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::pipeline::Life;
use crate::ports::SealedReceipt;

/// A step that a waiting caller sees.
#[derive(Debug, Clone)]
pub struct Step {
    /// Where the action stands.
    pub state: Arc<State>,
    /// Its receipt, where this process sealed it.
    pub told: Option<Arc<Told>>,
}

/// A receipt that was sealed just now.
#[derive(Debug)]
pub struct Told {
    /// As it stands in the log.
    pub sealed: SealedReceipt,
    /// What it tells the customer.
    pub said: String,
}

/// The steps that an action takes from now on; they end with it.
pub type Changes = watch::Receiver<Option<Step>>;

/// Tells those who wait.
pub struct Progress {
    tell: watch::Sender<Option<Step>>,
    action: ActionId,
    all: Running,
}

impl Progress {
    /// Tells of a step.
    pub fn tell(&self, step: Step) {
        self.tell.send_replace(Some(step));
    }
}

/// However an action's task ends, it is not under way any more.
impl Drop for Progress {
    fn drop(&mut self) {
        self.all.0.lock().remove(&self.action);
    }
}

/// Every action under way in this process.
#[derive(Clone, Default)]
pub struct Running(Arc<Mutex<HashMap<ActionId, Changes>>>);

impl Running {
    /// Registers an action; `None` where it is under way already.
    #[must_use]
    pub fn start(&self, action: &ActionId) -> Option<Progress> {
        let mut all = self.0.lock();
        if all.contains_key(action) {
            return None;
        }
        let (tell, hear) = watch::channel(None);
        all.insert(action.clone(), hear);
        Some(Progress { tell, action: action.clone(), all: self.clone() })
    }

    /// Follows an action that is under way.
    #[must_use]
    pub fn follow(&self, action: &ActionId) -> Option<Changes> {
        self.0.lock().get(action).cloned()
    }

    /// Waits until nothing is under way.
    pub async fn idle(&self) {
        while let Some(mut changes) = self.any() {
            while changes.changed().await.is_ok() {}
        }
    }

    fn any(&self) -> Option<Changes> {
        self.0.lock().values().next().cloned()
    }

    /// Where an action stands and, while it is under way, its changes from there on.
    /// `read` reads its journal.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn watch<E, R>(&self, read: impl Fn() -> R) -> Result<(Step, Option<Changes>), E>
    where
        R: Future<Output = Result<Life, E>>,
    {
        let mut life = read().await?;
        while life.state().receipt().is_none() {
            if let Some(mut changes) = self.follow(life.action()) {
                // What is under way is further than its journal.
                let told = changes.borrow_and_update().clone();
                return Ok((told.unwrap_or_else(|| life.step()), Some(changes)));
            }
            // It may have come to its end since the journal was read; nobody tells then.
            let known = life.seq();
            life = read().await?;
            if life.seq() == known {
                break;
            }
        }
        Ok((life.step(), None))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use tokio_stream::StreamExt as _;
    use tokio_stream::wrappers::WatchStream;

    use super::*;
    use crate::testing::{granted, proposed, refused, sealed};

    fn life(steps: usize) -> Life {
        let journal = [proposed(1, "i", "o"), granted(), refused("no"), sealed(1)];
        Life::resume(journal.into_iter().take(steps).collect()).unwrap()
    }

    #[tokio::test]
    async fn an_action_that_ends_while_its_journal_is_read_is_seen_sealed() {
        let running = Running::default();
        let progress = Mutex::new(running.start(life(1).action()));
        // The first reading is over when the action ends.
        let read = || async {
            let steps = progress.lock().take().map_or(4, |_| 1);
            Ok::<_, ()>(life(steps))
        };
        let (step, changes) = running.watch(read).await.unwrap();
        assert!(step.state.receipt().is_some(), "{}", step.state.name());
        assert!(changes.is_none());
    }

    #[tokio::test]
    async fn what_is_under_way_is_told_from_where_it_stands_to_its_end() {
        let running = Running::default();
        let progress = running.start(life(1).action()).unwrap();
        progress.tell(life(2).step());
        let (step, changes) = running.watch(async || Ok::<_, ()>(life(1))).await.unwrap();
        assert_eq!(step.state.name(), "granted");
        progress.tell(life(4).step());
        drop(progress);
        let told = WatchStream::from_changes(changes.unwrap()).collect::<Vec<_>>().await;
        let told: Vec<_> = told.into_iter().flatten().map(|s| s.state.name()).collect();
        assert_eq!(told, ["sealed"]);
    }

    #[tokio::test]
    async fn it_is_idle_once_all_have_ended() {
        let running = Running::default();
        running.idle().await;
        let other = Life::resume(vec![proposed(2, "i2", "o2")]).unwrap();
        let (first, second) = (running.start(life(1).action()), running.start(other.action()));
        let waiting = tokio::spawn({
            let running = running.clone();
            async move { running.idle().await }
        });
        tokio::task::yield_now().await;
        drop(first);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(second);
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn what_waits_and_what_has_ended_is_told_as_it_is() {
        let running = Running::default();
        for steps in [1, 4] {
            let (step, changes) = running.watch(async || Ok::<_, ()>(life(steps))).await.unwrap();
            assert_eq!(step.state.name(), life(steps).state().name());
            assert!(changes.is_none());
        }
    }
}
