//! What the pipeline needs from outside, as whole operations. Each that writes
//! says whether it did.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_core::answer::{ReadFailure, Sent};
use countersign_core::claim::Taken;
use countersign_core::contract::Contract;
use countersign_core::dispatch::Account;
use countersign_core::error::Refused;
use countersign_core::grant::Granted;
use countersign_core::lifecycle::{Event, State};
use countersign_core::request::WireRequest;
use countersign_core::resolve::{Evidence, Observation};
use countersign_core::seal::Leaf;
use countersign_core::subject::Subject;
use countersign_shared::ids::{ActionId, ObservationId, ProposalId, ReceiptId};
use jiff::Timestamp;
use serde_json::Value as Json;

use crate::connector::Connections;

/// Durable memory of the executor. A write is durable when its call returns `Ok`.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Takes key and locks for an action, or says what is known of them: one
    /// decision, whoever else asks at the same time (AT MOST ONE EFFECT). The
    /// inner result is the answer; it becomes durable with the next `append`.
    async fn claim(
        &self,
        granted: &Granted,
        now: Timestamp,
    ) -> Result<Result<Taken, Refused>, StoreError>;

    /// What is known of an intent, without taking anything.
    async fn known(
        &self,
        intent: &str,
    ) -> Result<Option<countersign_core::claim::Latest>, StoreError>;

    /// Gives back what `claim` took and `append` did not make durable.
    fn release(&self, action: &ActionId);

    /// Appends events to an action's journal, from `seq` on; `state` is where they
    /// lead.
    async fn append(&self, seq: u64, events: Vec<Event>, state: &State) -> Result<(), StoreError>;

    /// Puts a receipt into the log, with the events that lead to it in the same
    /// commit (RECEIPT BEFORE REPLY). Answers with its index in the log.
    async fn seal(
        &self,
        leaf: Leaf,
        action: Option<(u64, Vec<Event>, &State)>,
    ) -> Result<u64, StoreError>;

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

    /// Journals of every action that was sent or claimed and has no receipt.
    async fn unfinished(&self) -> Result<Vec<Vec<Event>>, StoreError>;

    /// Removes at most `most` of what is old and answers with how many went.
    /// Receipts and journals of actions that were begun stay.
    async fn purge(&self, old: Old, most: u32) -> Result<usize, StoreError>;

    /// Receipts that match, newest first.
    async fn receipts(&self, query: ReceiptQuery) -> Result<Vec<SealedReceipt>, StoreError>;

    /// Whether it takes writes now: makes a small one durable.
    async fn probe(&self) -> Result<(), StoreError>;

    /// The newest signed checkpoint, empty for an empty log.
    async fn checkpoint(&self) -> Result<String, StoreError>;

    /// Hashes that prove a leaf's place in the tree of this size.
    async fn inclusion(&self, index: u64, size: u64) -> Result<Vec<[u8; 32]>, StoreError>;

    /// Hashes that prove that one size extends another.
    async fn consistency(&self, from: u64, to: u64) -> Result<Vec<[u8; 32]>, StoreError>;
}

/// How an action is named.
#[derive(Debug, Clone)]
pub enum Named {
    /// By its own id.
    Action(ActionId),
    /// By the proposal it came from.
    Proposal(ProposalId),
}

/// What may go.
#[derive(Debug, Clone, Copy)]
pub struct Old {
    /// Observations made before, unless an unfinished action points into them.
    pub observed: Timestamp,
    /// Proposals made before and never carried out.
    pub proposed: Timestamp,
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
    /// Only below this index.
    pub before: Option<u64>,
    /// At most this many.
    pub limit: u32,
}

/// A receipt as the log holds it.
#[derive(Debug, Clone)]
pub struct SealedReceipt {
    /// Its id.
    pub id: ReceiptId,
    /// Its index.
    pub index: u64,
    /// The leaf's exact bytes.
    pub body: Vec<u8>,
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
    async fn send(&self, tenant: &str, contract: &Contract, request: &WireRequest) -> Sent;

    /// The raw answer to a read, with all its pages.
    async fn read(
        &self,
        tenant: &str,
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

    async fn send(&self, tenant: &str, contract: &Contract, request: &WireRequest) -> Sent {
        let pack = &contract.pack;
        Self::send(self, tenant, pack, request, pack.timeout).await
    }

    async fn read(
        &self,
        tenant: &str,
        contract: &Contract,
        request: &WireRequest,
    ) -> Result<Json, ReadFailure> {
        Self::read(self, tenant, contract, request, contract.pack.timeout).await
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
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn until(&self, at: Timestamp) {
        let wait = at.duration_since(Timestamp::now());
        if let Ok(wait) = wait.try_into() {
            tokio::time::sleep(wait).await;
        }
    }
}
