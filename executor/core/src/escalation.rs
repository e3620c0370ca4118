//! What goes to a person, why, and what they are handed with it.

use countersign_shared::codes::Code;
use countersign_shared::ids::{EscalationId, ObservationId, ReceiptId};
use countersign_shared::receipt::Receipt;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::contract::Pack;
use crate::digest;
use crate::lifecycle::Outcome;
use crate::person::Person;
use crate::resolve::Message;
use crate::subject::Subject;

/// Most characters of one text that is handed over.
const LONGEST: usize = 2000;

/// Why a person has to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nobody can tell what happened.
    InDoubt,
    /// What is there is not what was asked for, or is there twice.
    WrongEffect,
    /// Whose it is cannot be told.
    OwnerUnknown,
    /// The planner was not sure enough.
    Unsure,
    /// The backend warns of fraud.
    Fraud,
    /// More than the limits let through.
    OverLimit,
    /// It could not be sent, however long it was tried.
    Exhausted,
    /// The backend refused for good.
    BackendRefused,
    /// A person and the backend say different things.
    Disagreement,
    /// The planner handed it over.
    HandedOver,
    /// The pack's own rule wants a person.
    PackSays,
}

/// Built-in codes that go to a person, whatever the outcome.
const CODES: &[(Code, Reason)] = &[
    (Code::VerifyMismatch, Reason::WrongEffect),
    (Code::DuplicateEffect, Reason::WrongEffect),
    (Code::OwnerUnknown, Reason::OwnerUnknown),
    (Code::ConfidenceTooLow, Reason::Unsure),
    (Code::FraudFlagged, Reason::Fraud),
    (Code::LimitExceeded, Reason::OverLimit),
    (Code::CredentialRejected, Reason::BackendRefused),
    (Code::BackendRefused, Reason::BackendRefused),
    (Code::HumanDisagrees, Reason::Disagreement),
    (Code::Escalated, Reason::HandedOver),
    (Code::HistoryMissing, Reason::InDoubt),
];

/// Codes that go to a person once the last attempt has ended with them.
const LAST_ATTEMPT: &[Code] =
    &[Code::BackendThrottled, Code::BackendUnreachable, Code::EffectsHalted];

/// Whether a person has to look at how something ended, and why.
#[must_use]
pub fn of(outcome: Outcome, code: &str, pack: Option<&Pack>) -> Option<Reason> {
    if let Some((_, reason)) = CODES.iter().find(|(known, _)| known.name() == code) {
        return Some(*reason);
    }
    if outcome == Outcome::Unknown {
        return Some(Reason::InDoubt);
    }
    let last = LAST_ATTEMPT.iter().any(|known| known.name() == code);
    if last && outcome == Outcome::NotApplied {
        return Some(Reason::Exhausted);
    }
    let own = pack.and_then(|pack| pack.codes.get(code)).is_some_and(|own| own.escalate);
    own.then_some(Reason::PackSays)
}

/// A matter that waits for a person, with all they need to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Its id.
    pub id: EscalationId,
    /// What makes two of them one: an action, or a wish in a conversation.
    pub matter: String,
    /// Why a person has to look.
    pub reason: Reason,
    /// The receipt's code.
    pub code: String,
    /// The receipt's outcome.
    pub outcome: String,
    /// The tenant.
    pub tenant: String,
    /// Whose data it holds.
    pub person: Person,
    /// Who vouches for the subject.
    pub issuer: String,
    /// The subject.
    pub subject: String,
    /// The conversation.
    pub conversation: String,
    /// The caller's ticket; may be empty.
    pub external_ref: String,
    /// The tool; empty where none was chosen.
    pub tool: String,
    /// What the subject wrote, oldest first; where the planner handed over, its summary
    /// of it last.
    pub request: Vec<String>,
    /// How it was understood.
    pub interpretation: String,
    /// Why that was thought right.
    pub reasoning: String,
    /// What was tried.
    pub tried: Vec<String>,
    /// What should be done now.
    pub recommended: String,
    /// Reads that it rests on.
    pub observations: Vec<ObservationId>,
    /// The receipt that opened it.
    pub receipt: ReceiptId,
    /// The action; empty where there is none.
    pub action: String,
    /// Earlier receipts and actions that belong to it, as the planner names them.
    pub related: Vec<String>,
    /// When it was opened.
    pub at: Timestamp,
}

/// What a planner hands over, in its own words.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Handover {
    /// Why: `ambiguity`, `distress` and so on.
    pub why: String,
    /// What is wanted.
    pub request: String,
    /// How it was understood.
    pub interpretation: String,
    /// Why that was thought right.
    pub reasoning: String,
    /// What was tried.
    pub tried: Vec<String>,
    /// What the planner would do.
    pub recommended: String,
    /// Reads that it rests on.
    pub observations: Vec<ObservationId>,
    /// Receipts and actions that belong to it.
    pub related: Vec<String>,
}

/// The matter that a receipt opens.
pub(crate) fn open(
    receipt: &Receipt,
    person: &Person,
    id: &ReceiptId,
    words: &[Message],
    reason: Reason,
    handover: Option<&Handover>,
) -> Case {
    let mut case = Case {
        id: EscalationId::of(id),
        matter: matter(receipt),
        reason,
        code: receipt.code.clone(),
        outcome: receipt.outcome.clone(),
        tenant: receipt.tenant.clone(),
        person: person.clone(),
        issuer: receipt.asked.issuer.clone(),
        subject: receipt.asked.subject.clone(),
        conversation: receipt.asked.conversation.clone(),
        external_ref: receipt.asked.external_ref.clone(),
        tool: receipt.tool.clone(),
        request: words.iter().map(|m| brief(&m.text)).collect(),
        interpretation: interpretation(receipt),
        reasoning: reasoning(receipt),
        tried: tried(receipt),
        recommended: reason.advice().to_owned(),
        observations: observations(receipt),
        receipt: id.clone(),
        action: receipt.action_id.clone(),
        related: Vec::new(),
        at: receipt.sealed_at,
    };
    if let Some(handed) = handover {
        case.hand(handed);
    }
    case
}

/// Opened twice, it is one matter still.
fn matter(receipt: &Receipt) -> String {
    if !receipt.action_id.is_empty() {
        return receipt.action_id.clone();
    }
    let asked = &receipt.asked;
    let who = [&receipt.tenant, &asked.issuer, &asked.subject, &asked.conversation];
    // Another message may be another wish; a conversation is handed over once.
    if receipt.code == Code::Escalated.name() {
        return handed(who.map(String::as_str));
    }
    let what = [&receipt.tool, &receipt.code];
    digest::of("countersign escalation v1", &(who, what, &asked.messages))
}

/// The matter of a conversation that a planner handed over.
#[must_use]
pub fn of_conversation(who: &Subject, conversation: &str) -> String {
    handed([&who.tenant, &who.issuer, &who.id, conversation])
}

fn handed(who: [&str; 4]) -> String {
    let (no_tool, no_words): (&str, [&str; 0]) = ("", []);
    digest::of("countersign escalation v1", &(who, [no_tool, Code::Escalated.name()], no_words))
}

fn interpretation(receipt: &Receipt) -> String {
    let each = receipt.arguments.iter().map(|a| format!("{} = {}", a.path, a.value));
    let arguments = each.collect::<Vec<_>>().join(", ");
    let money = receipt.money.map(|m| format!(", moving {} {}", m.currency(), m.amount()));
    brief(&format!("{} {arguments}{}", receipt.tool, money.unwrap_or_default()))
}

fn reasoning(receipt: &Receipt) -> String {
    let asked = &receipt.asked;
    let doubt =
        if asked.uncertainty_reason.is_empty() { "none" } else { &asked.uncertainty_reason };
    format!(
        "{}; the planner's confidence {}, its doubt: {doubt}",
        receipt.message, asked.confidence
    )
}

fn tried(receipt: &Receipt) -> Vec<String> {
    let attempt = |a: &countersign_shared::receipt::Attempt| {
        let status = a.status.map_or_else(|| "no status".to_owned(), |s| format!("status {s}"));
        brief(&format!("attempt {} at {}: {status}, {}", a.number, a.at, a.verdict))
    };
    let looks = &receipt.verification;
    let looked = (looks.looks > 0)
        .then(|| brief(&format!("read back {} times; last seen: {}", looks.looks, looks.sight)));
    receipt.attempts.iter().map(attempt).chain(looked).collect()
}

/// `at` begins with the observation's id.
fn observations(receipt: &Receipt) -> Vec<ObservationId> {
    let ids = receipt.arguments.iter().filter_map(|a| a.at.split(' ').next()?.parse().ok());
    let mut found: Vec<ObservationId> = ids.collect();
    found.dedup();
    found
}

fn brief(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

impl Case {
    /// The planner's own words, each cut to a length that a person reads.
    fn hand(&mut self, handed: &Handover) {
        self.request.push(brief(&handed.request));
        self.interpretation = brief(&handed.interpretation);
        self.reasoning = brief(&format!("{}: {}", handed.why, handed.reasoning));
        self.tried = handed.tried.iter().take(20).map(|t| brief(t)).collect();
        if !handed.recommended.is_empty() {
            self.recommended = brief(&handed.recommended);
        }
        self.observations = handed.observations.iter().take(40).cloned().collect();
        self.related = handed.related.iter().take(40).map(|r| brief(r)).collect();
    }
}

impl Reason {
    /// What a colleague should do.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::InDoubt => {
                "Look in the backend whether it happened, put it right, and finish it."
            }
            Self::WrongEffect => {
                "Compare what was expected with what is there, put it right in the backend, and finish it."
            }
            Self::OwnerUnknown => "Find out whose it is before anything is done.",
            Self::Unsure => {
                "Ask the customer what is meant, then do it yourself or let them ask again."
            }
            Self::Fraud => {
                "Look at the risk in the backend and decide; act there or clear the mark."
            }
            Self::OverLimit => "Decide whether this is right; if so, do it in the backend.",
            Self::Exhausted => {
                "See whether backend and executor are up; then let the customer ask again."
            }
            Self::BackendRefused => {
                "Find out why the backend refuses, put it right, and let it be asked again."
            }
            Self::Disagreement => "Finish it in the backend, or say that it was not done.",
            Self::HandedOver => "Read the conversation and answer the customer.",
            Self::PackSays => "Do it by the way that the code's page names.",
        }
    }

    /// As the queue spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InDoubt => "in_doubt",
            Self::WrongEffect => "wrong_effect",
            Self::OwnerUnknown => "owner_unknown",
            Self::Unsure => "unsure",
            Self::Fraud => "fraud",
            Self::OverLimit => "over_limit",
            Self::Exhausted => "exhausted",
            Self::BackendRefused => "backend_refused",
            Self::Disagreement => "disagreement",
            Self::HandedOver => "handed_over",
            Self::PackSays => "pack_says",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_unknown_goes_to_a_person_whatever_its_code() {
        for code in Code::ALL {
            assert!(of(Outcome::Unknown, code.name(), None).is_some(), "{}", code.name());
        }
        assert_eq!(of(Outcome::Unknown, "", None), Some(Reason::InDoubt));
    }

    #[test]
    fn refusals_go_to_a_person_where_only_one_can_help() {
        let mut found = Code::ALL.iter().filter(|c| of(Outcome::Refused, c.name(), None).is_some());
        let names: Vec<_> = found.by_ref().map(|c| c.name()).collect();
        let expected = [
            "OWNER_UNKNOWN",
            "CONFIDENCE_TOO_LOW",
            "BACKEND_REFUSED",
            "CREDENTIAL_REJECTED",
            "VERIFY_MISMATCH",
            "DUPLICATE_EFFECT",
            "LIMIT_EXCEEDED",
            "FRAUD_FLAGGED",
            "ESCALATED",
            "HUMAN_DISAGREES",
            "HISTORY_MISSING",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn what_cannot_be_sent_goes_to_a_person_after_the_last_attempt() {
        for code in LAST_ATTEMPT {
            assert_eq!(of(Outcome::NotApplied, code.name(), None), Some(Reason::Exhausted));
            assert_eq!(of(Outcome::Refused, code.name(), None), None);
        }
    }

    #[test]
    fn what_is_done_needs_nobody() {
        assert_eq!(of(Outcome::Applied, "", None), None);
        assert_eq!(of(Outcome::NotApplied, "", None), None);
    }
}
