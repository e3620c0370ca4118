//! The chain of one receipt: what was said and asked around it, its journal, its like, and
//! what people changed of the executor meanwhile. Collected here, judged by nobody here.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::lifecycle::Event;
use countersign_core::person::Person;
use countersign_proto::v1;
use countersign_shared::ids::TurnId;
use countersign_shared::receipt::Receipt;
use jiff::{SignedDuration, Timestamp};
use tonic::Status;

use super::audit::{failed, proof, receipt};
use crate::desk::Desk;
use crate::ports::{Named, ReceiptQuery, SealedReceipt, StoreError, Turn, TurnQuery};

/// Receipts and turns of the subject that are looked through.
const OWN: u32 = 500;
/// Receipts of the tenant that are looked through for the same object.
const OTHERS: u32 = 2_000;
/// Changes of the executor that are looked through.
const CHANGES: u32 = 500;
/// Around the receipt, where others' are looked for.
const AROUND: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A receipt that is in the log, read.
#[derive(Clone)]
pub(super) struct Read {
    pub(super) sealed: SealedReceipt,
    pub(super) receipt: Receipt,
}

impl Read {
    pub(super) fn of(sealed: SealedReceipt) -> Result<Self, Status> {
        let receipt = sealed.open().map_err(|e| failed(&e))?;
        Ok(Self { sealed, receipt })
    }

    /// Whether it was of somebody who is erased. What is said of the executor is of nobody.
    fn is_erased(&self) -> bool {
        self.gone().is_some()
    }

    /// Why what it said is gone, where it is.
    fn gone(&self) -> Option<StoreError> {
        self.sealed.gone().filter(|_| !self.receipt.asked.person.is_empty())
    }
}

/// Looks for what belongs to one receipt.
struct Search<'a> {
    desk: &'a Desk,
    of: &'a Receipt,
    left_out: Vec<String>,
}

/// Collects the chain of a receipt.
pub(super) async fn chain(
    desk: &Desk,
    sealed: SealedReceipt,
) -> Result<v1::GetChainResponse, Status> {
    let of = Read::of(sealed)?;
    // What it belongs to was told by what is gone.
    if let Some(why) = of.gone() {
        return Err(failed(&why));
    }
    let mut search = Search { desk, of: &of.receipt, left_out: Vec::new() };
    let events = search.events().await?;
    let began = match events.first() {
        Some(Event::Proposed(proposal)) => proposal.at(),
        Some(_) | None => of.receipt.sealed_at,
    };
    let related = search.related(&of.sealed).await?;
    let changes = search.changes(began).await?;
    let turns = search.turns().await?;
    let text = |event: &Event| serde_json::to_string(event).unwrap_or_default();
    Ok(v1::GetChainResponse {
        tlog_proof: proof(desk, of.sealed.index).await?,
        receipt: Some(receipt(of.sealed.clone(), true)),
        events_json: events.iter().map(text).collect(),
        turns: turns.into_iter().map(turn).collect(),
        related,
        changes,
        left_out: search.left_out,
    })
}

impl Search<'_> {
    async fn events(&self) -> Result<Vec<Event>, Status> {
        let Ok(action) = self.of.action_id.parse() else { return Ok(Vec::new()) };
        let journal = self.desk.pipeline.store.parked(Named::Action(action)).await;
        journal.map_err(|e| failed(&e))
    }

    async fn receipts(&mut self, query: ReceiptQuery, what: &str) -> Result<Vec<Read>, Status> {
        let limit = query.limit;
        let found = self.desk.pipeline.store.receipts(query).await.map_err(|e| failed(&e))?;
        self.count(found.len(), limit, what);
        found.into_iter().map(Read::of).collect()
    }

    fn count(&mut self, found: usize, limit: u32, what: &str) {
        if u32::try_from(found).is_ok_and(|found| found >= limit) {
            self.left_out.push(format!("only the newest {limit} {what} were looked through"));
        }
    }

    /// Of the same wish, object or conversation, oldest first.
    async fn related(&mut self, this: &SealedReceipt) -> Result<Vec<v1::Receipt>, Status> {
        let of = self.of;
        if of.tenant.is_empty() {
            return Ok(Vec::new());
        }
        let owner = Some((of.tenant.clone(), of.asked.issuer.clone(), of.asked.subject.clone()));
        let own = ReceiptQuery { owner, limit: OWN, ..ReceiptQuery::default() };
        let others = ReceiptQuery {
            tenant: Some(of.tenant.clone()),
            from: of.sealed_at.saturating_sub(AROUND).ok(),
            to: of.sealed_at.saturating_add(AROUND).ok(),
            limit: OTHERS,
            ..ReceiptQuery::default()
        };
        let own = self.receipts(own, "receipts of the subject").await?;
        let others = self.receipts(others, "receipts of the tenant around it").await?;
        let like = own.into_iter().chain(others);
        let like = like.filter(|read| !read.is_erased() && is_like(of, &read.receipt));
        let all: BTreeMap<u64, SealedReceipt> =
            like.map(|read| (read.sealed.index, read.sealed)).collect();
        let all = all.into_values().filter(|sealed| sealed.index != this.index);
        Ok(all.map(|sealed| receipt(sealed, false)).collect())
    }

    /// What was active when it began, and what changed until its end, oldest first.
    async fn changes(&mut self, began: Timestamp) -> Result<Vec<v1::Receipt>, Status> {
        let query = ReceiptQuery {
            tenant: Some(String::new()),
            to: self.of.sealed_at.checked_add(SignedDuration::from_millis(1)).ok(),
            limit: CHANGES,
            ..ReceiptQuery::default()
        };
        let found = self.receipts(query, "changes of the executor").await?;
        let mut held = BTreeSet::new();
        let mut kept = Vec::new();
        for read in found {
            let Some(change) = &read.receipt.change else { continue };
            // Newest first: the first of a part from before is the one that held.
            if read.receipt.sealed_at >= began || held.insert(change.what.clone()) {
                kept.push(read.sealed);
            }
        }
        kept.reverse();
        Ok(kept.into_iter().map(|sealed| receipt(sealed, false)).collect())
    }

    /// Of its conversation, and those elsewhere that name it, oldest first.
    async fn turns(&mut self) -> Result<Vec<Turn>, Status> {
        let of = self.of;
        if of.asked.conversation.is_empty() {
            return Ok(Vec::new());
        }
        let [tenant, issuer, subject] =
            [&of.tenant, &of.asked.issuer, &of.asked.subject].map(Clone::clone);
        let conversation = TurnQuery {
            tenant: tenant.clone(),
            conversation: of.asked.conversation.clone(),
            limit: OWN,
            ..TurnQuery::default()
        };
        let who = Person::Named { tenant, issuer, id: subject };
        let person = self.desk.pipeline.store.person(&who);
        let own = TurnQuery { person, limit: OWN, ..TurnQuery::default() };
        let mut all: BTreeMap<TurnId, Turn> = BTreeMap::new();
        for (query, what) in
            [(conversation, "turns of the conversation"), (own, "turns of the subject")]
        {
            let found = self.desk.pipeline.store.turns(query).await.map_err(|e| failed(&e))?;
            self.count(found.len(), OWN, what);
            all.extend(found.into_iter().map(|turn| (turn.id.clone(), turn)));
        }
        let names = [&of.receipt_id, &of.action_id, &of.proposal_id];
        let names_it =
            |turn: &Turn| names.iter().any(|id| !id.is_empty() && turn.body.contains(*id));
        let belongs = |turn: &Turn| turn.conversation == of.asked.conversation || names_it(turn);
        Ok(all.into_values().filter(belongs).collect())
    }
}

/// Of the same wish, object or conversation.
fn is_like(this: &Receipt, other: &Receipt) -> bool {
    let named = |a: &str, b: &str| !a.is_empty() && a == b;
    let same_conversation = this.asked.issuer == other.asked.issuer
        && this.asked.subject == other.asked.subject
        && named(&this.asked.conversation, &other.asked.conversation);
    same_conversation
        || named(&this.intent, &other.intent)
        || this.locks.iter().any(|object| other.locks.contains(object))
}

/// A turn on the wire.
pub(super) fn turn(turn: Turn) -> v1::RecordedTurn {
    v1::RecordedTurn {
        at: turn.id.made_at(),
        tenant: turn.tenant,
        issuer: turn.issuer,
        subject: turn.subject,
        conversation_id: turn.conversation,
        external_ref: turn.external_ref,
        trace: turn.trace,
        body_json: turn.body,
    }
}
