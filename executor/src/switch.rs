//! The kill switches, held in memory over the store: asked when a write is proposed,
//! when it is claimed, and right before each sending.
//!
//! Turning one off is answered when (1) it is durable, with its receipt, (2) nothing
//! that it covers is begun any more, and (3) what was on its way has ended, or a second
//! has passed.

mod asked;
mod word;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::error::Refused;
use countersign_core::seal;
use countersign_core::switch::{Off, Reach, Switches};
use countersign_shared::ids::ReceiptId;
use countersign_shared::receipt::{Change, Changer};
use parking_lot::Mutex;

use crate::pipeline::Pipeline;
use crate::ports::Store;
use crate::turned::unavailable;
pub use asked::reason;
pub use word::Word;

/// How often and how long what is on its way is waited for.
const LOOK: Duration = Duration::from_millis(5);
const LOOKS: u32 = 200;
/// Between two looks at what other executors turned: off counts everywhere within 1 s.
const FOLLOW: Duration = Duration::from_millis(500);

/// Every switch, and what is being sent. Cheap to clone.
#[derive(Clone, Default)]
pub struct Switchboard {
    now: Arc<Mutex<Now>>,
    /// One change at a time: what a receipt calls the old setting was it.
    turning: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Now {
    switches: Switches,
    /// Tenant and tool of each request on its way.
    sending: HashMap<u64, (String, String)>,
    next: u64,
}

/// A request on its way, until dropped.
pub struct Sending {
    now: Arc<Mutex<Now>>,
    id: u64,
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.now.lock().sending.remove(&self.id);
    }
}

/// A change that an operator makes.
#[derive(Debug, Clone)]
pub struct Turn {
    /// What it reaches.
    pub reach: Reach,
    /// Off or on.
    pub off: bool,
    /// The operator's identity.
    pub by: String,
    /// Why.
    pub reason: String,
    /// What they signed for it; none where a certificate was enough.
    pub word: Option<Word>,
}

/// A change that was made.
#[derive(Debug)]
pub struct Turned {
    /// Its receipt.
    pub receipt: ReceiptId,
    /// Requests that were on their way before it and have not ended yet.
    pub under_way: usize,
}

impl Switchboard {
    /// As the store remembers it.
    #[must_use]
    pub fn new(switches: Switches) -> Self {
        let now = Now { switches, ..Now::default() };
        Self { now: Arc::new(Mutex::new(now)), turning: Arc::default() }
    }

    /// The switches as they stand.
    #[must_use]
    pub fn standing(&self) -> Switches {
        self.now.lock().switches.clone()
    }

    /// Whether a tenant's write may go on.
    ///
    /// # Errors
    /// `SWITCHED_OFF`.
    pub fn check(&self, tenant: &str, tool: &str) -> Result<(), Refused> {
        self.now.lock().switches.check(tenant, tool)
    }

    /// The switch that is off for a tenant's write.
    #[must_use]
    pub fn off_for(&self, tenant: &str, tool: &str) -> Option<Reach> {
        self.now.lock().switches.off_for(tenant, tool).cloned()
    }

    /// The same for a request that leaves at once; it is on its way until dropped.
    ///
    /// # Errors
    /// `SWITCHED_OFF`.
    pub fn send(&self, tenant: &str, tool: &str) -> Result<Sending, Refused> {
        let mut now = self.now.lock();
        now.switches.check(tenant, tool)?;
        now.next = now.next.wrapping_add(1);
        let id = now.next;
        now.sending.insert(id, (tenant.to_owned(), tool.to_owned()));
        Ok(Sending { now: Arc::clone(&self.now), id })
    }

    /// Turns a switch, for good and with a receipt (RECEIPT BEFORE REPLY).
    ///
    /// # Errors
    /// When the store did not take it: nothing is changed then, and nothing new can be
    /// sent either (INTENT FIRST).
    pub async fn turn(&self, pipeline: &Pipeline, turn: Turn) -> Result<Turned, Refused> {
        let _one = self.turning.lock().await;
        let at = pipeline.clock.now();
        if let Some(word) = &turn.word {
            word.stands(&turn.reach, &*pipeline.store, at).await?;
        }
        let receipt = ReceiptId::from_uuid(pipeline.clock.fresh_id());
        let word = |off: bool| if off { "off" } else { "on" }.to_owned();
        let jws = turn.word.map_or_else(String::new, Word::into_signed);
        let change = Change {
            what: format!("switch/{}", turn.reach),
            old: word(self.standing().get(&turn.reach).is_some()),
            new: word(turn.off),
            reason: turn.reason.clone(),
            by: vec![Changer { who: turn.by.clone(), reason: String::new(), jws }],
            note: String::new(),
        };
        let Turn { by, reason, .. } = turn;
        let off = turn.off.then(|| Off { by, reason, at, receipt: Some(receipt.clone()) });
        let leaf = seal::changed(change, &receipt, at);
        let tally = pipeline.metrics.tally(&leaf.receipt);
        pipeline
            .store
            .turn(turn.reach.clone(), off.clone(), leaf)
            .await
            .map_err(|e| unavailable(&e))?;
        tally.count();
        pipeline.sealed.notify_one();
        self.set(turn.reach.clone(), off);
        let under_way = if turn.off { self.drained(&turn.reach).await } else { 0 };
        Ok(Turned { receipt, under_way })
    }

    /// Follows what other executors on the same store turn, until it is dropped.
    pub async fn follow(self, store: Arc<dyn Store>) {
        loop {
            tokio::time::sleep(FOLLOW).await;
            let _one = self.turning.lock().await;
            match store.switches().await {
                Ok(switches) => self.now.lock().switches = switches,
                // What it was told stays; a store that is gone halts every effect.
                Err(error) => tracing::warn!(%error, "the switches are read again"),
            }
        }
    }

    fn set(&self, reach: Reach, off: Option<Off>) {
        let mut now = self.now.lock();
        now.switches = now.switches.with(reach, off);
    }

    /// Waits for what it covers to end; answers with how many have not.
    async fn drained(&self, reach: &Reach) -> usize {
        for _ in 0..LOOKS {
            if self.under_way(reach) == 0 {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        self.under_way(reach)
    }

    fn under_way(&self, reach: &Reach) -> usize {
        let now = self.now.lock();
        now.sending.values().filter(|(tenant, tool)| reach.covers(tenant, tool)).count()
    }
}
