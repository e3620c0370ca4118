//! What is this planner's for a turn. Dropped before its end was kept, it is given back as it
//! was, so that nobody waits for a turn that broke off.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::store::{Fence, Name, Store, What};

/// A conversation, or a turn of a thread.
#[must_use]
pub(crate) struct Held {
    store: Arc<dyn Store>,
    what: What,
    fence: Fence,
    given_back: bool,
}

impl Held {
    pub(super) fn conversation(store: &Arc<dyn Store>, name: Name, fence: Fence) -> Self {
        Self::of(store, What::Conversation(name), fence)
    }

    pub(super) fn turn(
        store: &Arc<dyn Store>,
        thread: Name,
        place: [u8; 32],
        fence: Fence,
    ) -> Self {
        Self::of(store, What::Turn { thread, place }, fence)
    }

    fn of(store: &Arc<dyn Store>, what: What, fence: Fence) -> Self {
        Self { store: Arc::clone(store), what, fence, given_back: false }
    }

    /// Keeps where a conversation stands with those whose it is, or how a turn ended, and gives
    /// it back.
    pub(crate) async fn keep(mut self, owners: &BTreeSet<String>, body: String) {
        let kept = match self.what {
            What::Conversation(name) => {
                let owners = owners.iter().cloned().collect();
                self.store.keep(name, self.fence, owners, body).await
            }
            What::Turn { thread, place } => {
                self.store.end_turn(thread, place, self.fence, body).await
            }
        };
        // What could not be kept is logged, and given back as it was.
        if let Ok(held) = kept {
            self.given_back = true;
            if !held {
                tracing::warn!(
                    "a turn was not remembered: another planner has it, or it was erased"
                );
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let (what, fence, store) = (self.what, self.fence, Arc::clone(&self.store));
        if self.given_back || store.shared().is_none() {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                if let Some(shared) = store.shared() {
                    shared.give_back(what, fence).await;
                }
            });
        }
    }
}
