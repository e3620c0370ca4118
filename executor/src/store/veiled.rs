//! Rows as they are written: personal values sealed, identities as digests. And the way
//! back. Both stores on disk share it.

mod read;
mod written;

use std::sync::Arc;

use countersign_core::gates::Gate;
use countersign_core::person::Person;
use countersign_core::subject::Subject;
use countersign_shared::ids::ActionId;
use countersign_shared::receipt::Openings;
use jiff::Timestamp;

use super::email;
use super::register::EntryRow;
use super::row::Row;
use crate::conversations::Cost;
use crate::ports::{ReceiptQuery, SealedReceipt, StoreError, TurnQuery};
use crate::store::known::damaged;
use crate::veil::{PersonKey, Veil};
pub(super) use read::{
    entries, entries_now, evidence, is_lost, is_lost_now, journal, journal_now, journals, match_of,
    matters, receipts, sealed_at, seen_rows, turns,
};
pub(super) use written::{
    append, append_now, leaf, leaf_now, logged, lost, lost_now, matched, observation, seen_text,
    turn,
};

/// Whose a row is, by digests.
#[derive(Debug, Clone, Default)]
pub(super) struct Whose {
    pub(super) tenant: String,
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) conversation: String,
}

/// Events to append, and where they lead.
pub(super) struct Append {
    pub(super) row: Row,
    pub(super) whose: Whose,
    pub(super) person: String,
    /// The asker's address, where there is one.
    pub(super) email: Option<String>,
    /// Observations that it points into, for the purge.
    pub(super) rests_on: String,
    pub(super) seq: u64,
    pub(super) events: Vec<Vec<u8>>,
    pub(super) key: Arc<PersonKey>,
}

/// A leaf, with what lies beside the log.
pub(super) struct LeafRow {
    pub(super) receipt_id: String,
    pub(super) whose: Whose,
    pub(super) person: String,
    pub(super) tool: String,
    pub(super) external_ref: String,
    pub(super) bytes: Vec<u8>,
    pub(super) openings: Option<Vec<u8>>,
    /// The openings in clear, for whoever seals it: they are in no row.
    clear: Openings,
    pub(super) queue: QueueRow,
    pub(super) entry: EntryRow,
    pub(super) key: Option<Arc<PersonKey>>,
}

impl LeafRow {
    /// The receipt as it will be read again, once its index is known. Takes the openings.
    pub(super) fn receipt(&mut self) -> Result<SealedReceipt, StoreError> {
        Ok(SealedReceipt {
            id: self.receipt_id.parse().map_err(damaged)?,
            index: 0,
            body: self.bytes.clone(),
            openings: std::mem::take(&mut self.clear),
            lost: false,
        })
    }
}

/// What a leaf does to the queue of people.
pub(super) enum QueueRow {
    Stays,
    Opens(Box<CaseRow>),
    Closes(String),
}

/// A matter that waits for a person.
pub(super) struct CaseRow {
    pub(super) id: String,
    pub(super) matter: String,
    pub(super) whose: Whose,
    pub(super) person: String,
    pub(super) observations: Vec<String>,
    pub(super) body: Vec<u8>,
}

/// An observation or a match.
pub(super) struct SeenRow {
    pub(super) whose: Whose,
    pub(super) person: String,
    pub(super) body: Vec<u8>,
    pub(super) key: Arc<PersonKey>,
}

/// A turn as a planner told it.
pub(super) struct TurnRow {
    pub(super) id: String,
    pub(super) whose: Whose,
    /// Whom the token names, where they were matched to somebody else and are not erased since.
    pub(super) guest: Option<Guest>,
    pub(super) email: Option<String>,
    pub(super) external_ref: String,
    pub(super) body: Vec<u8>,
    /// When it was told, counted from 1970-01-01, UTC.
    pub(super) day: i64,
    pub(super) cost: Option<Cost>,
    pub(super) key: Arc<PersonKey>,
}

/// A guest who was matched. Their match lies under their key: erased since, they have none.
pub(super) struct Guest {
    pub(super) digest: String,
    pub(super) key: Arc<PersonKey>,
}

/// A journal as it was read.
#[derive(Debug, Default)]
pub(super) struct JournalRows {
    pub(super) action: String,
    /// Whether there was more, which is erased.
    pub(super) erased: bool,
    /// By their place in it.
    pub(super) events: Vec<(u64, Vec<u8>)>,
}

/// A receipt as it was read.
pub(super) struct ReceiptRow {
    pub(super) id: String,
    pub(super) index: u64,
    pub(super) body: Vec<u8>,
    pub(super) openings: Option<Vec<u8>>,
}

/// A matter as it was read.
pub(super) struct MatterRow {
    pub(super) id: String,
    pub(super) body: Vec<u8>,
    /// Observations as they are sealed, by id.
    pub(super) seen: Vec<(String, Vec<u8>)>,
    pub(super) taken_by: Option<String>,
    pub(super) closed_by: Option<String>,
}

/// A person who is erased.
#[derive(Debug, Clone)]
pub(super) struct Erasure {
    pub(super) person: String,
    pub(super) at: Timestamp,
}

impl TurnRow {
    /// The guest as the row names them.
    pub(super) fn named(&self) -> Option<&str> {
        self.guest.as_ref().map(|guest| guest.digest.as_str())
    }

    /// Whose the conversation is.
    pub(super) fn owner(&self) -> &str {
        self.guest.as_ref().map_or(&self.whose.subject, |guest| &guest.digest)
    }
}

fn event_name(action: &str, seq: u64) -> String {
    format!("event {seq} of {action}")
}

fn observation_name(id: &str) -> String {
    format!("observation {id}")
}

fn matter_name(id: &str) -> String {
    format!("escalation {id}")
}

fn openings_name(receipt: &str) -> String {
    format!("openings of {receipt}")
}

fn turn_name(id: &str) -> String {
    format!("turn {id}")
}

/// Binds a match to its person and its conversation once more than the row's own key does.
fn match_name(whose: &Whose) -> String {
    let subject = Some(&*whose.subject).filter(|_| Gate::MatchPerson.is_on());
    let conversation = Some(&*whose.conversation).filter(|_| Gate::MatchConversation.is_on());
    format!("match of {} in {}", subject.unwrap_or_default(), conversation.unwrap_or_default())
}

impl Whose {
    fn new(veil: &Veil, tenant: &str, issuer: &str, id: &str, conversation: &str) -> Self {
        let named = Person::Named {
            tenant: tenant.to_owned(),
            issuer: issuer.to_owned(),
            id: id.to_owned(),
        };
        Self {
            tenant: tenant.to_owned(),
            issuer: issuer.to_owned(),
            subject: if id.is_empty() { String::new() } else { veil.person(&named) },
            conversation: veil.digest("conversation v1", conversation),
        }
    }

    pub(super) fn of(veil: &Veil, owner: &Subject, conversation: &str) -> Self {
        Self::new(veil, &owner.tenant, &owner.issuer, &owner.id, conversation)
    }

    /// A guest goes by the name in the token.
    pub(super) fn guest(veil: &Veil, owner: &Subject, conversation: &str) -> Self {
        Self::new(veil, &owner.tenant, &owner.issuer, &owner.signs_as, conversation)
    }
}

/// A matter's digest holds its subject; an action's id holds nothing.
pub(super) fn matter(veil: &Veil, matter: &str) -> String {
    match matter.parse::<ActionId>() {
        Ok(_) => matter.to_owned(),
        Err(_) => veil.digest("matter v1", matter),
    }
}

/// What tries to match are counted against: an address can be guessed by its digest.
pub(super) fn tries(veil: &Veil, against: [String; 2]) -> [String; 2] {
    against.map(|what| veil.digest("try v1", &what))
}

/// An address, as persons are found by it.
pub(super) fn email(veil: &Veil, address: &str) -> String {
    veil.digest("email v1", &email::normal(address))
}

fn email_of(veil: &Veil, subject: &Subject) -> Option<String> {
    email::of(subject).map(|address| email(veil, &address))
}

/// The same question with digests in it.
pub(super) fn turn_query(veil: &Veil, query: TurnQuery) -> TurnQuery {
    TurnQuery {
        conversation: veil.digest("conversation v1", &query.conversation),
        external_ref: veil.digest("external ref v1", &query.external_ref),
        ..query
    }
}

/// The same question with digests in it.
pub(super) fn query(veil: &Veil, query: ReceiptQuery) -> ReceiptQuery {
    let subject = |(tenant, issuer, id): (String, String, String)| {
        let whose = Whose::new(veil, &tenant, &issuer, &id, "");
        (tenant, issuer, whose.subject)
    };
    ReceiptQuery {
        owner: query.owner.map(subject),
        external_ref: query.external_ref.map(|text| veil.digest("external ref v1", &text)),
        ..query
    }
}
