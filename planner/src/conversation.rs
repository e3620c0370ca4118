//! Conversations: where each stands, one turn at a time; kept over a restart.
//!
//! ```text
//!              ┌────────────── ask ──────────────▶ Choosing ──answer──┐
//! Listening ───┼─ propose ─▶ Confirming ─signed yes─▶ (carried out) ──┴─▶ Listening
//!     ▲        └─ already done ─▶ Repeating ─"again"─▶ Confirming
//!     └───────────────── no, or something new ◀── any ────────────────
//! ```
//!
//! Actions whose end is not known wait beside that, in `pending`: no card and no question takes
//! their place.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_proto::v1::{AttestedMessage, Card, Confidence, Observation};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::assemble::choose::Candidate;
use crate::assemble::{Question, Task};
use crate::checkpoint::Checkpoint;
use crate::memory::{Gone, Held, Memory, NotTaken};
use crate::stored;

mod carry;
mod decide;
mod drop;
mod ending;
mod guest;
mod hand;
mod held;
mod link;
mod pursue;
pub mod turn;

#[cfg(test)]
mod claims;
#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod paraphrases;
#[cfg(test)]
mod tests;

/// Messages of a conversation that spans may point into and models may see.
const MAX_MESSAGES: usize = 12;
/// Actions whose end is waited for; the oldest go first.
const MAX_PENDING: usize = 8;

/// Where a conversation stands.
#[derive(Debug, Default, Serialize, Deserialize)]
pub enum Stage {
    /// Nothing waits.
    #[default]
    Listening,
    /// We asked which, or for a detail.
    Choosing(Box<Choosing>),
    /// A card is shown.
    Confirming(Box<Confirming>),
    /// It was done before; "again" opens a new card.
    Repeating(Box<Repeating>),
    /// Where the version before kept an action whose end is not known.
    Checking(Box<Checking>),
}

impl Stage {
    /// Nothing waits for the customer's word any more: a person had the conversation since.
    fn forget_waiting(&mut self) {
        match self {
            Self::Listening | Self::Checking(_) => {}
            Self::Choosing(_) | Self::Confirming(_) | Self::Repeating(_) => *self = Self::Listening,
        }
    }
}

/// A task that waits for the customer's word.
#[derive(Debug, Serialize, Deserialize)]
pub struct Choosing {
    /// The task.
    pub task: Task,
    /// What we asked.
    pub question: Question,
    /// Answers that did not help so far.
    pub misses: u32,
}

/// A proposal that waits for a signed yes.
#[derive(Debug, Serialize, Deserialize)]
pub struct Confirming {
    /// The tool.
    pub tool: String,
    /// The card as the executor rendered it.
    #[serde(with = "stored::one")]
    pub card: Card,
    /// To propose anew where the state moved.
    pub task: Task,
    /// The earlier receipt that the card shows. Empty the first time.
    pub after_receipt_id: String,
    /// How sure the plan was when the card was shown.
    #[serde(default, with = "stored::one")]
    pub confidence: Confidence,
}

/// What was done before.
#[derive(Debug, Serialize, Deserialize)]
pub struct Repeating {
    /// The task.
    pub task: Task,
    /// The first receipt.
    pub receipt_id: String,
}

/// An action whose end is not known.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Checking {
    /// The tool; empty where only the proposal is known.
    pub tool: String,
    /// The proposal it came from.
    pub proposal_id: String,
    /// The action, once named.
    pub action_id: Option<String>,
    /// The yes, to ask the executor about the same proposal again.
    pub confirmation: String,
    /// What the card says, while the customer's yes to it is waited for behind a link.
    #[serde(default)]
    pub behind_a_link: Option<String>,
    /// A no to it could not be passed on yet: it is taken back, and not carried out any more.
    #[serde(default)]
    pub to_withdraw: bool,
}

impl Checking {
    /// Whether a no may be in time: nobody knows that a yes to it has counted.
    fn takes_a_no(&self) -> bool {
        self.behind_a_link.is_some() || self.action_id.is_none()
    }
}

/// One conversation.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Conversation {
    /// Where it stands.
    pub stage: Stage,
    /// The newest messages, oldest first.
    #[serde(with = "stored::many")]
    pub messages: Vec<AttestedMessage>,
    /// What was read, oldest first.
    #[serde(with = "stored::many")]
    pub observations: Vec<Observation>,
    /// What the last turn was about, by argument name.
    pub focus: BTreeMap<String, Candidate>,
    /// Actions whose end is not known, oldest first.
    #[serde(default)]
    pub pending: Vec<Checking>,
    /// What has ended, for models.
    #[serde(default)]
    pub checkpoint: Checkpoint,
    /// The receipt of what was handed to a person and has not come back.
    #[serde(default)]
    pub handed: Option<String>,
    /// What a guest wanted who was asked who they are.
    pub unmatched: Option<guest::Wanted>,
    /// Keys of those whose it is, as the executor names them.
    #[serde(default)]
    pub kept_under: BTreeSet<String>,
    /// How many of the newest messages were not understood yet.
    pub open_messages: usize,
    /// Whether memory was asked for it.
    #[serde(skip)]
    recalled: bool,
    /// When its last turn here ended.
    #[serde(skip)]
    ended: Option<Instant>,
    /// Whether a turn of it is under way here; still so at the next one where it broke off.
    #[serde(skip)]
    in_turn: bool,
}

impl Conversation {
    /// Is this planner's for a turn, and goes on where it stood when it was last kept.
    ///
    /// # Errors
    /// ERRORS REFUSE: when somebody may be in the middle of a turn of it.
    async fn take(&mut self, memory: &Memory, name: &str) -> Result<Held, NotTaken> {
        if memory.is_shared() {
            *self = Self::default();
        }
        if self.recalled {
            return Ok(memory.alone(name));
        }
        let (held, kept) = match memory.take(name).await {
            // What a planner that is alone cannot read costs the customer a question asked twice.
            Err(NotTaken::Unread) if !memory.is_shared() => return Ok(memory.alone(name)),
            taken => taken?,
        };
        match kept.as_deref().map(serde_json::from_str::<Self>).transpose() {
            Ok(Some(kept)) => *self = kept.brought_up(),
            Ok(None) => {}
            // Written by another version: the executor knows what was done.
            Err(error) => tracing::warn!(%error, "a conversation begins anew"),
        }
        self.recalled = true;
        Ok(held)
    }

    /// Whether no turn of it ended since then.
    fn is_as_it_was(&self, at: Instant) -> bool {
        self.ended.is_none_or(|ended| ended < at)
    }

    /// Keeps where it stands. What could not be recalled is not written over; what others may
    /// change is not at hand any more.
    async fn keep(&mut self, memory: &Memory, held: Held) {
        if self.recalled {
            match serde_json::to_string(self) {
                Ok(body) => held.keep(&self.kept_under, body).await,
                Err(error) => tracing::error!(%error, "a conversation was not remembered"),
            }
        }
        if memory.is_shared() {
            *self = Self::default();
        }
    }

    /// Whose it is. Under another key than before, they were erased since: it begins anew.
    fn is_of(&mut self, kept_under: &str) {
        if kept_under.is_empty() {
            return;
        }
        if !self.kept_under.is_empty() && !self.kept_under.contains(kept_under) {
            *self = Self { recalled: self.recalled, ended: self.ended, ..Self::default() };
        }
        self.kept_under.insert(kept_under.to_owned());
    }

    /// As this version keeps it: what is being checked is no stage any more.
    fn brought_up(mut self) -> Self {
        match std::mem::take(&mut self.stage) {
            Stage::Checking(checking) => self.wait_for(*checking),
            stage @ (Stage::Listening
            | Stage::Choosing(_)
            | Stage::Confirming(_)
            | Stage::Repeating(_)) => self.stage = stage,
        }
        self
    }

    /// An action's end is waited for; once for each proposal.
    fn wait_for(&mut self, checking: Checking) {
        self.no_longer_wait_for(&checking.proposal_id);
        self.pending.push(checking);
        let surplus = self.pending.len().saturating_sub(MAX_PENDING);
        self.pending.drain(..surplus);
    }

    /// The newest one that waits for the customer's yes behind a link.
    fn behind_a_link(&self) -> Option<&Checking> {
        self.pending.iter().rev().find(|checking| checking.behind_a_link.is_some())
    }

    /// Whether a card, or a link, waits for the customer's yes.
    fn waits_for_a_yes(&self) -> bool {
        matches!(self.stage, Stage::Confirming(_)) || self.behind_a_link().is_some()
    }

    /// A no to this proposal is passed on as soon as that can be done.
    fn withdraw_later(&mut self, proposal_id: &str) {
        let of = self.pending.iter_mut().filter(|checking| checking.proposal_id == proposal_id);
        of.for_each(|checking| checking.to_withdraw = true);
    }

    /// Where to look for what came of this proposal.
    fn found_at(&mut self, proposal_id: &str, action_id: &str) {
        let of = self.pending.iter_mut().filter(|checking| checking.proposal_id == proposal_id);
        of.for_each(|checking| checking.action_id = Some(action_id.to_owned()));
    }

    /// The customer's yes to this proposal is not waited for any more.
    fn yes_was_given(&mut self, proposal_id: &str) {
        let of = self.pending.iter_mut().filter(|checking| checking.proposal_id == proposal_id);
        of.for_each(|checking| checking.behind_a_link = None);
    }

    /// What came of this proposal is known.
    fn no_longer_wait_for(&mut self, proposal_id: &str) {
        self.pending.retain(|checking| checking.proposal_id != proposal_id);
    }

    /// Adds a message; an id seen before replaces its text, as in a frontend's retry.
    pub fn hear(&mut self, message: AttestedMessage) {
        self.messages.retain(|m| m.message_id != message.message_id);
        self.messages.push(message);
        let surplus = self.messages.len().saturating_sub(MAX_MESSAGES);
        self.messages.drain(..surplus);
    }
}

/// How many conversations are kept, and how long.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// At most this many; the one idle longest goes first.
    pub count: usize,
    /// One that was idle for longer goes where room is needed.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { count: 10_000, idle: Duration::from_secs(3600) }
    }
}

/// All conversations, each behind its own lock.
#[derive(Debug, Default)]
pub struct Conversations {
    limits: Limits,
    kept: Mutex<HashMap<String, Kept>>,
}

#[derive(Debug)]
struct Kept {
    conversation: Arc<tokio::sync::Mutex<Conversation>>,
    touched: Instant,
}

impl Conversations {
    /// None yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, kept: Mutex::default() }
    }

    /// The conversation of this key, new where there is none. Lock it for a turn.
    pub fn enter(&self, key: &str, now: Instant) -> Arc<tokio::sync::Mutex<Conversation>> {
        let mut kept = self.kept.lock();
        if !kept.contains_key(key) {
            self.make_room(&mut kept, now);
        }
        let entry = kept
            .entry(key.to_owned())
            .or_insert_with(|| Kept { conversation: Arc::default(), touched: now });
        entry.touched = now;
        Arc::clone(&entry.conversation)
    }

    /// Forgets the old; where all are young, the one idle longest. A conversation
    /// in the middle of a turn stays.
    fn make_room(&self, kept: &mut HashMap<String, Kept>, now: Instant) {
        if kept.len() < self.limits.count {
            return;
        }
        let busy = |k: &Kept| Arc::strong_count(&k.conversation) > 1;
        kept.retain(|_, k| busy(k) || now.duration_since(k.touched) < self.limits.idle);
        while kept.len() >= self.limits.count {
            let idle = kept.iter().filter(|(_, k)| !busy(k)).min_by_key(|(_, k)| k.touched);
            let Some(oldest) = idle.map(|(key, _)| key.clone()) else { return };
            kept.remove(&oldest);
        }
    }

    /// Forgets what memory forgot.
    pub(crate) fn forget(&self, gone: &Gone) {
        self.kept.lock().retain(|key, _| !gone.has(key));
    }

    /// How many are kept.
    #[must_use]
    pub fn count(&self) -> usize {
        self.kept.lock().len()
    }
}
