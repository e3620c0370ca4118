//! What the pipeline needs from outside, as whole operations. Each that writes
//! says whether it did.

mod occasions;
mod persons;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::activation::{Active, Part};
use countersign_core::answer::{ReadFailure, Sent};
use countersign_core::claim::{Latest, Taken};
use countersign_core::contract::Contract;
use countersign_core::dispatch::Account;
use countersign_core::error::Refused;
use countersign_core::escalation::Case;
use countersign_core::grant::Granted;
use countersign_core::lifecycle::{Event, State};
use countersign_core::limit::{Budget, Spent};
use countersign_core::request::WireRequest;
use countersign_core::resolve::{Evidence, Observation};
use countersign_core::seal::Leaf;
use countersign_core::subject::{Matched, Subject};
use countersign_core::switch::{Off, Reach, Switches};
use countersign_shared::ids::{
    ActionId, EscalationId, ObservationId, ProposalId, ReceiptId, TurnId,
};
use countersign_shared::receipt::{self, Openings, Receipt};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use uuid::Uuid;

use crate::connector::Connections;
use crate::conversations::{Conversations, Cost};
use crate::lease::{self, Lease};
use crate::register::Register;
use crate::standing::{Quarantine, Standing};
pub use occasions::Occasions;
pub use persons::Persons;

/// Durable memory of the executor. A write is durable when its call returns `Ok`.
#[async_trait]
pub trait Store: Register + Conversations + Persons + Occasions + 'static {
    /// Takes key and locks for an action, or says what is known of them: one
    /// decision, whoever else asks at the same time (AT MOST ONE EFFECT). The
    /// inner result is the answer; it becomes durable with the next `append`.
    async fn claim(
        &self,
        granted: &Granted,
        budget: &Budget,
        now: Timestamp,
    ) -> Result<Result<Taken, Refused>, StoreError>;

    /// What is booked on a budget's accounts, claims under way included.
    async fn spent(&self, budget: &Budget, now: Timestamp) -> Result<Spent, StoreError>;

    /// What is known of an intent, without taking anything.
    async fn known(&self, intent: &str) -> Result<Option<Latest>, StoreError>;

    /// Gives back what `claim` took and `append` did not make durable.
    fn release(&self, action: &ActionId);

    /// Appends events to an action's journal, from `seq` on; `state` is where they
    /// lead.
    async fn append(&self, seq: u64, events: Vec<Event>, state: &State) -> Result<(), StoreError>;

    /// Puts a receipt into the log, with the events that lead to it and with what it
    /// does to the queue of people in the same commit (RECEIPT BEFORE REPLY). Answers with
    /// it as it stands in the log. `Conflict` where all it ends is a matter that is not open.
    async fn seal(
        &self,
        leaf: Leaf,
        action: Option<(u64, Vec<Event>, &State)>,
    ) -> Result<SealedReceipt, StoreError>;

    /// Ends one action with a receipt and begins another, in one commit.
    async fn replace(
        &self,
        leaf: Leaf,
        ended: (u64, Vec<Event>, &State),
        begun: (Vec<Event>, &State),
    ) -> Result<u64, StoreError>;

    /// Matters that wait, or waited, for a person; fewer than asked for are all that can be read.
    async fn escalations(&self, query: EscalationQuery) -> Result<Vec<Escalation>, StoreError>;

    /// An open matter goes out of one hand into another, `None` being nobody's; `false` where it
    /// is not open or in a third one. Where it is there already, it stays.
    async fn take(
        &self,
        id: &EscalationId,
        from: Option<String>,
        to: Option<String>,
    ) -> Result<bool, StoreError>;

    /// Keeps an observation.
    async fn observe(
        &self,
        owner: &Subject,
        conversation: &str,
        seen: Observation,
    ) -> Result<(), StoreError>;

    /// What references may point into: this subject's, in this conversation.
    async fn evidence(
        &self,
        owner: &Subject,
        conversation: &str,
        observations: Vec<ObservationId>,
        receipts: Vec<ReceiptId>,
    ) -> Result<Evidence, StoreError>;

    /// An action's journal; empty where this subject has no such action.
    async fn journal(&self, owner: &Subject, action: Named) -> Result<Vec<Event>, StoreError>;

    /// Journals of every action that waits for members of staff, oldest first.
    async fn waiting(&self) -> Result<Vec<Vec<Event>>, StoreError>;

    /// The journal of an action, whoever's it is; empty where there is none.
    async fn parked(&self, action: Named) -> Result<Vec<Event>, StoreError>;

    /// How many proposals since then wait for an answer.
    async fn open(
        &self,
        owner: &Subject,
        caller: &str,
        since: Timestamp,
    ) -> Result<Open, StoreError>;

    /// Journals of every action that was sent or claimed and has no receipt.
    async fn unfinished(&self) -> Result<Vec<Vec<Event>>, StoreError>;

    /// Takes over what executors that died were at. Answers with every begun action that
    /// is this executor's to carry on, whether it is under way or not.
    async fn adopt(&self) -> Result<Vec<ActionId>, StoreError>;

    /// Whether an action that was begun is this executor's to carry on.
    async fn holds(&self, action: &ActionId) -> Result<bool, StoreError>;

    /// Until when this executor may let bytes leave.
    fn lease(&self) -> Lease;

    /// Ends the lease, so that others need not wait for it to run out.
    async fn leave(&self) -> Result<(), StoreError>;

    /// Removes at most `most` of what is old and answers with how many went.
    /// Receipts and journals of actions that were begun stay.
    async fn purge(&self, old: Old, most: u32) -> Result<usize, StoreError>;

    /// Receipts that match, newest first.
    async fn receipts(&self, query: ReceiptQuery) -> Result<Vec<SealedReceipt>, StoreError>;

    /// The switches that are off.
    async fn switches(&self) -> Result<Switches, StoreError>;

    /// Turns a switch, `None` being on, with its receipt in the same commit. Answers
    /// with the receipt's index in the log.
    async fn turn(&self, reach: Reach, off: Option<Off>, leaf: Leaf) -> Result<u64, StoreError>;

    /// What is activated, by part; empty before the first start.
    async fn activated(&self) -> Result<BTreeMap<Part, Active>, StoreError>;

    /// Files of the active policy bundle; empty before the first start.
    async fn bundle(&self) -> Result<BTreeMap<String, String>, StoreError>;

    /// Activates, with the receipts in the same commit. `Conflict` where one of them is
    /// active already: another executor that started was faster.
    async fn activate(&self, all: Vec<Activation>, receipts: Vec<Leaf>) -> Result<(), StoreError>;

    /// How it stands towards its own history.
    async fn standing(&self) -> Result<Standing, StoreError>;

    /// When the newest receipt was sealed.
    async fn newest(&self) -> Result<Option<Timestamp>, StoreError>;

    /// It went back in time: from now on nothing is claimed, journaled or sealed in it,
    /// durably. The first reason stays.
    async fn quarantine(&self, why: Quarantine) -> Result<(), StoreError>;

    /// Whether it takes writes now: makes a small one durable. Answers with the time by its own
    /// clock, where it is shared and has one.
    async fn probe(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Counts a try to match against each of these; whether there were tries left for
    /// all of them.
    async fn count_try(&self, against: [String; 2], now: Timestamp) -> Result<bool, StoreError>;

    /// Keeps that a subject was matched in a conversation.
    async fn remember_match(
        &self,
        owner: &Subject,
        conversation: &str,
        matched: Matched,
    ) -> Result<(), StoreError>;

    /// The last match of a subject in a conversation, however long ago.
    async fn matched(
        &self,
        owner: &Subject,
        conversation: &str,
    ) -> Result<Option<Matched>, StoreError>;

    /// The newest signed checkpoint, empty for an empty log.
    async fn checkpoint(&self) -> Result<String, StoreError>;

    /// Hashes that prove a leaf's place in the tree of this size.
    async fn inclusion(&self, index: u64, size: u64) -> Result<Vec<[u8; 32]>, StoreError>;

    /// Hashes that prove that one size extends another.
    async fn consistency(&self, from: u64, to: u64) -> Result<Vec<[u8; 32]>, StoreError>;

    /// A legal hold on a person's data begins or ends, with its receipt in the same commit.
    /// Answers with the receipt's index in the log.
    async fn hold(&self, person: String, holds: bool, leaf: Leaf) -> Result<u64, StoreError>;

    /// Erases what is personal of these, each with a receipt in the same commit, or says
    /// why it has to wait. Their keys of idempotency and the log stay as they are. Once it
    /// answers nothing of theirs opens here, a second later nowhere.
    async fn erase(
        &self,
        persons: Vec<(String, Leaf)>,
        now: Timestamp,
    ) -> Result<Result<(), Refused>, StoreError>;

    /// Keeps a policy or a pack under its digest, for good.
    async fn keep_bundle(&self, digest: &str, files: Files) -> Result<(), StoreError>;

    /// The files of a policy or a pack that was kept.
    async fn kept_bundle(&self, digest: &str) -> Result<Option<Files>, StoreError>;

    /// Digests of everything that was kept.
    async fn kept_bundles(&self) -> Result<Vec<String>, StoreError>;

    /// Exact bytes of the leaves in this range, in order; as many as there are.
    async fn leaves(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, StoreError>;

    /// How far a sink of events is fed. Takes the sink where no executor that lives has it;
    /// `None` where another feeds it.
    async fn fed(&self, sink: &str) -> Result<Option<Fed>, StoreError>;

    /// Keeps how far a sink is fed. `Conflict` where this executor does not have it.
    async fn feed(&self, sink: &str, fed: Fed) -> Result<(), StoreError>;

    /// Keeps what a planner told of a turn.
    async fn record(&self, owner: &Subject, turn: Turn) -> Result<(), StoreError>;

    /// Turns that match, newest first.
    async fn turns(&self, query: TurnQuery) -> Result<Vec<Turn>, StoreError>;

    /// Digests of the persons that asked for something with this e-mail address in their
    /// token.
    async fn persons_of(&self, email: &str) -> Result<Vec<String>, StoreError>;
}

/// How far a sink of events is fed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fed {
    /// The log that the indexes below count in; empty before the first event.
    pub origin: String,
    /// The first leaf that the sink has not acknowledged.
    pub next: u64,
    /// Leaves below were perhaps sent already.
    pub upto: u64,
    /// How often those from `next` to `upto` were sent, or were about to be.
    pub attempt: u32,
}

/// A folder's files: path inside it, and text.
pub type Files = BTreeMap<String, String>;
/// A turn as a planner told it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Its id, which sorts by the time it was told.
    pub id: TurnId,
    /// The tenant.
    pub tenant: String,
    /// Who vouches for the subject.
    pub issuer: String,
    /// The subject.
    pub subject: String,
    /// The conversation.
    pub conversation: String,
    /// The caller's ticket; may be empty.
    pub external_ref: String,
    /// The W3C trace id; may be empty.
    pub trace: String,
    /// JSON text of a [`countersign_shared::turn::Turn`].
    pub body: String,
    /// What its models cost, which stands beside it in clear. `None` where it is read again.
    #[serde(skip)]
    pub cost: Option<Cost>,
}

/// Which turns.
#[derive(Debug, Clone, Default)]
pub struct TurnQuery {
    /// Only this person's, by digest; empty means any.
    pub person: String,
    /// Only this tenant's; empty means any.
    pub tenant: String,
    /// Only of this conversation; empty means any.
    pub conversation: String,
    /// Only with this ticket; empty means any.
    pub external_ref: String,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
    /// At most this many.
    pub limit: u32,
}

impl TurnQuery {
    /// Columns that have to be as asked.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let asked = [
            ("tenant", &self.tenant),
            ("person", &self.person),
            ("conversation", &self.conversation),
            ("external_ref", &self.external_ref),
        ];
        asked.into_iter().filter(|(_, v)| !v.is_empty()).map(|(column, v)| (column, v.as_str()))
    }
}

/// Proposals that wait for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Open {
    /// Of the subject.
    pub subject: u32,
    /// Of the planner, for whomever.
    pub planner: u32,
}

/// How an action is named.
#[derive(Debug, Clone)]
pub enum Named {
    /// As the one that waits for members of staff with this intent.
    Intent(String),
    /// By its own id.
    Action(ActionId),
    /// By the proposal it came from.
    Proposal(ProposalId),
}

/// What may go.
#[derive(Debug, Clone, Copy)]
pub struct Old {
    /// Matches of guests made before.
    pub matched: Timestamp,
    /// Observations made before, unless an unfinished action points into them.
    pub observed: Timestamp,
    /// Proposals made before and never carried out.
    pub proposed: Timestamp,
    /// Plaintext of what was sealed or told before: openings, journals, settled matters,
    /// turns.
    pub sealed: Timestamp,
}

/// A part that takes effect.
#[derive(Debug, Clone)]
pub struct Activation {
    /// Of what.
    pub part: Part,
    /// As it is from now on.
    pub active: Active,
    /// The bundle's files, for the policy: later changes are signed by its people.
    pub bundle: Option<BTreeMap<String, String>>,
}

/// How a matter stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stand {
    /// Open, oldest first.
    #[default]
    Open,
    /// Open and nobody's yet, newest first.
    Untaken,
    /// Ended, what ended last first.
    Ended,
    /// Any, oldest first.
    Any,
}

/// Which matters.
#[derive(Debug, Clone, Default)]
pub struct EscalationQuery {
    /// Only this one.
    pub id: Option<EscalationId>,
    /// Only of this matter; empty means any.
    pub matter: String,
    /// Only this tenant's; empty means any.
    pub tenant: String,
    /// How they stand, and in what order they come.
    pub stand: Stand,
    /// Only those that this person is at; empty means any.
    pub taken_by: String,
    /// Only those that come after this one in that order.
    pub after: Option<EscalationId>,
    /// At most this many.
    pub limit: u32,
}

/// A matter as the queue holds it.
#[derive(Debug, Clone)]
pub struct Escalation {
    /// What it is about.
    pub case: Case,
    /// The reads that it rests on, as they were then.
    pub seen: Vec<Observation>,
    /// Who is at it.
    pub taken_by: Option<String>,
    /// The receipt that ended it.
    pub closed_by: Option<ReceiptId>,
}

/// Which receipts.
#[derive(Debug, Clone, Default)]
pub struct ReceiptQuery {
    /// Only this one.
    pub id: Option<ReceiptId>,
    /// Only this subject's: tenant, issuer, id.
    pub owner: Option<(String, String, String)>,
    /// Only this tenant's.
    pub tenant: Option<String>,
    /// Only with this ticket.
    pub external_ref: Option<String>,
    /// Only of this tool.
    pub tool: Option<String>,
    /// Only sealed not before.
    pub from: Option<Timestamp>,
    /// Only sealed before.
    pub to: Option<Timestamp>,
    /// Only below this index.
    pub before: Option<u64>,
    /// At most this many.
    pub limit: u32,
}

/// A receipt as the log holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedReceipt {
    /// Its id.
    pub id: ReceiptId,
    /// Its index.
    pub index: u64,
    /// The leaf's exact bytes: personal values are covered.
    pub body: Vec<u8>,
    /// What opens them; empty once they are erased.
    pub openings: Openings,
    /// Whether what opens them is there, under a key that is lost.
    pub lost: bool,
}

impl SealedReceipt {
    /// The receipt as it may be shown: what is erased reads `ERASED`.
    ///
    /// # Errors
    /// When it is no receipt, or the openings are another's.
    pub fn open(&self) -> Result<Receipt, StoreError> {
        receipt::open(&self.body, &self.openings).map_err(|e| StoreError::Damaged(e.to_string()))
    }

    /// Whether what it said is gone.
    #[must_use]
    pub fn is_erased(&self) -> bool {
        self.gone().is_some()
    }

    /// Why what it said is gone, where it is.
    #[must_use]
    pub fn gone(&self) -> Option<StoreError> {
        let why = if self.lost { StoreError::KeyLost } else { StoreError::Erased };
        self.openings.0.is_empty().then_some(why)
    }
}

/// Why the store could not do it. Whatever the reason: no effect follows (ERRORS
/// REFUSE).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It cannot be read or written.
    #[error("the store cannot be used: {0}")]
    Unavailable(String),
    /// Its content contradicts itself.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// Somebody else wrote the same journal.
    #[error("the action was changed by another writer")]
    Conflict,
    /// It went back in time and only reads (TWO KEEP THE HISTORY).
    #[error(
        "the store went back in time and is in quarantine: stop the executor and run \
         `countersign recover`"
    )]
    Quarantined,
    /// What it says of a person was erased, at their wish or by its age.
    #[error("what is personal of it was erased")]
    Erased,
    /// What it says of a person opens with a key that is not there, and was not destroyed.
    #[error(
        "what is personal of it opens with a key that is lost: it comes back with the newest copy \
         of the keys of persons"
    )]
    KeyLost,
    /// The log has no such leaf or size.
    #[error("the log does not reach that far")]
    OutOfRange,
}

/// Systems of record: where each tenant's requests go, and what comes back.
#[async_trait]
pub trait Backends: Send + Sync + 'static {
    /// Names of the account and the credential behind a tenant's connection to a
    /// pack; `None` where there is no such connection.
    fn account(&self, tenant: &str, pack: &str) -> Option<Account>;

    /// Sends a write, at most once (AT MOST ONE EFFECT).
    async fn send(&self, subject: &Subject, contract: &Contract, request: &WireRequest) -> Sent;

    /// The raw answer to a read, with all its pages.
    async fn read(
        &self,
        subject: &Subject,
        contract: &Contract,
        request: &WireRequest,
    ) -> Result<Json, ReadFailure>;
}

#[async_trait]
impl Backends for Connections {
    fn account(&self, tenant: &str, pack: &str) -> Option<Account> {
        let account = Self::account(self, tenant, pack)?;
        let (account, credential) = (account.account.clone(), account.credential_id.clone());
        Some(Account { account, credential })
    }

    async fn send(&self, subject: &Subject, contract: &Contract, request: &WireRequest) -> Sent {
        let pack = &contract.pack;
        Self::send(self, subject, pack, request, pack.timeout).await
    }

    async fn read(
        &self,
        subject: &Subject,
        contract: &Contract,
        request: &WireRequest,
    ) -> Result<Json, ReadFailure> {
        Self::read(self, subject, contract, request, contract.pack.timeout).await
    }
}

impl From<Connections> for Arc<dyn Backends> {
    fn from(connections: Connections) -> Self {
        Arc::new(connections)
    }
}

/// Time, given from outside.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
    /// Waits until then.
    async fn until(&self, at: Timestamp);
    /// Time that nobody sets, from any beginning on: its own, where nobody sets it.
    fn awake(&self) -> Duration {
        self.now().duration_since(Timestamp::UNIX_EPOCH).unsigned_abs()
    }
    /// An id that was never given before, and sorts by the time.
    fn fresh_id(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn awake(&self) -> Duration {
        lease::awake()
    }

    async fn until(&self, at: Timestamp) {
        let wait = at.duration_since(Timestamp::now());
        if let Ok(wait) = wait.try_into() {
            tokio::time::sleep(wait).await;
        }
    }
}
