//! Who waits for which action. A caller's deadline or disconnect ends its waiting,
//! never the action.

use std::collections::HashMap;
use std::sync::Arc;

use countersign_core::lifecycle::State;
use countersign_shared::ids::ActionId;
use parking_lot::Mutex;
use tokio::sync::watch;

/// A step that a waiting caller sees.
#[derive(Debug, Clone)]
pub struct Step {
    /// Where the action stands.
    pub state: Arc<State>,
    /// Its receipt's index in the log, once sealed.
    pub leaf: Option<u64>,
}

/// Tells those who wait.
pub struct Progress {
    tell: watch::Sender<Option<Step>>,
    action: ActionId,
    all: Running,
}

impl Progress {
    /// Tells of a step.
    pub fn tell(&self, state: Arc<State>, leaf: Option<u64>) {
        self.tell.send_replace(Some(Step { state, leaf }));
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
pub struct Running(Arc<Mutex<HashMap<ActionId, watch::Receiver<Option<Step>>>>>);

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
    pub fn follow(&self, action: &ActionId) -> Option<watch::Receiver<Option<Step>>> {
        self.0.lock().get(action).cloned()
    }
}
