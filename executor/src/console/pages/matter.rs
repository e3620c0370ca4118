//! What the receipts of a matter say of it: what was tried, why a person has to look, and
//! how a person ended it.

use countersign_shared::ids::ReceiptId;
use countersign_shared::receipt::{Attempt, Receipt};
use serde_json::Value as Json;

use crate::console::Console;
use crate::console::view::{clock, words};
use crate::timeline::{Row, rows, sight, times};

/// How a person ended it.
pub(super) struct End {
    /// `done` or `not done`.
    pub(super) word: String,
    pub(super) by: String,
    pub(super) at: String,
    pub(super) note: String,
    pub(super) receipt: String,
}

/// One thing that was tried, and what was seen of it.
pub(super) struct Try {
    pub(super) text: String,
    pub(super) rows: Vec<Row>,
}

impl Console {
    /// Somebody of the house by their name; by their id, where the policy knows them no more.
    pub(super) fn named(&self, id: &str) -> String {
        let people = self.desk.pipeline.policy.people();
        people.get(id).map_or(id, |person| &person.name).to_owned()
    }
}

/// A receipt of a matter that the visitor may see; none where it cannot be read now.
pub(super) async fn receipt(console: &Console, id: &ReceiptId) -> Option<Receipt> {
    console.desk.receipt(id).await.ok().flatten().map(|(_, receipt)| receipt)
}

/// The person's word that a receipt ends a matter with.
pub(super) fn end(receipt: &Receipt, named: impl Fn(&str) -> String) -> Option<End> {
    let word = receipt.grants.iter().rev().find(|grant| grant.kind == "finish")?;
    Some(End {
        word: word.text.clone(),
        by: named(&word.by),
        at: clock(word.at),
        note: word.reason.clone(),
        receipt: receipt.receipt_id.clone(),
    })
}

/// Each sending with its answer, and what was read back.
pub(super) fn tried(receipt: &Receipt) -> Vec<Try> {
    let sent =
        receipt.attempts.iter().map(|attempt| Try { text: attempted(attempt), rows: vec![] });
    let verification = &receipt.verification;
    let looked = (verification.looks > 0).then(|| {
        let (told, rows) = sight(&verification.sight);
        let times = times(verification.looks);
        Try { text: format!("Read back {times}. {told}"), rows }
    });
    sent.chain(looked).collect()
}

fn attempted(attempt: &Attempt) -> String {
    let status = attempt.status.map_or_else(String::new, |status| format!(" (HTTP {status})"));
    let verdict = verdict(&attempt.verdict);
    format!("Attempt {}, {}: {verdict}{status}.", attempt.number, clock(attempt.at))
}

fn verdict(verdict: &Json) -> String {
    let Some((kind, held)) = verdict.as_object().and_then(|all| all.iter().next()) else {
        return "what came of it is not known".to_owned();
    };
    let message = verdict.get("message").map(words).unwrap_or_default();
    let with = |told: &str| format!("{told} {}: {message}", words(held));
    match kind.as_str() {
        "accepted" => "the backend took it".to_owned(),
        "rejected" => with("the backend refused it,"),
        "already_so" => with("the backend says that it is so already,"),
        "throttled" => "the backend was asked too often".to_owned(),
        "not_sent" => format!("nothing was sent: {}", words(held)),
        "lost" => format!("no whole answer came: {}", words(held)),
        "credential_rejected" => "the backend did not take the credential".to_owned(),
        "switched_off" => format!("it was switched off: {}", words(held)),
        _ => words(verdict),
    }
}

/// Why a person has to look, where the receipt says it with a rule: without the rule.
pub(super) fn why(receipt: &Receipt) -> Option<String> {
    let seen = receipt.verification.sight.as_object()?.values().next()?;
    let rule = seen.pointer("/facts/rule")?.as_str()?;
    let (told, _) = receipt.message.split_once(rule)?;
    let told = match told.trim_end_matches(": ") {
        "expected beside found" => "What was read back is not what was asked for",
        told => told,
    };
    let asked = &receipt.asked;
    let doubt = match asked.uncertainty_reason.as_str() {
        "" => String::new(),
        doubt => format!("; its doubt: {doubt}"),
    };
    Some(format!("{told}. The planner’s confidence was {:.2}{doubt}.", asked.confidence))
}

/// A refusal with what was read in words, where the core has it as JSON.
pub(super) fn plain(message: &str) -> String {
    let read = message.split_once(": {").and_then(|(told, facts)| {
        let facts: Json = serde_json::from_str(&format!("{{{facts}")).ok()?;
        Some((told, rows(&facts)))
    });
    let Some((told, rows)) = read else { return message.to_owned() };
    let each = rows.iter().map(|row| format!(" {}: {}.", row.name, row.text()));
    let mut letters = told.chars();
    let first = letters.next().map_or_else(String::new, |first| first.to_uppercase().to_string());
    format!("{first}{}.{}", letters.as_str(), each.collect::<String>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_says_what_was_read_without_a_rule() {
        let facts = json!({ "rule": "looked.cancelled_at != null", "looked.cancelled_at": null });
        let message = format!("it is said to be done, and the read does not show it: {facts}");
        assert_eq!(
            plain(&message),
            "It is said to be done, and the read does not show it. \
             cancelled at: expected anything but none, found none."
        );
        assert_eq!(plain("try again: later"), "try again: later");
    }

    #[test]
    fn an_answer_is_told_in_words() {
        assert_eq!(verdict(&json!({ "accepted": { "id": "o1" } })), "the backend took it");
        let refused = json!({ "rejected": "ORDER_NOT_FOUND", "message": "no such order" });
        assert_eq!(verdict(&refused), "the backend refused it, ORDER_NOT_FOUND: no such order");
    }
}
