//! One action from what was said to its receipt, as a person reads it: a pure function of
//! the opened receipt. What is erased reads so.

mod gates;
mod json;
mod seen;

use countersign_shared::codes::Code;
use countersign_shared::ids::made_at;
use countersign_shared::receipt::{Attempt, Receipt};
use jiff::Timestamp;
use serde_json::Value as Json;

use json::{difference, words};
pub use seen::{Row, rows, sight, times};

/// One step of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// When, where that is known.
    pub at: Option<Timestamp>,
    /// Which step.
    pub step: Step,
    /// What is told of it: name and text.
    pub lines: Vec<(String, String)>,
}

/// The steps, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// What the subject said.
    Said,
    /// What the planner made of it.
    Planned,
    /// What the rules said, and what they saw.
    Gated,
    /// What people answered.
    Granted,
    /// What was sent, and where.
    Sent,
    /// What came back.
    Answered,
    /// What is different now.
    Changed,
    /// How the outcome was established.
    Verified,
    /// The receipt.
    Sealed,
}

impl Step {
    /// Its name, for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Said => "Said",
            Self::Planned => "Planned",
            Self::Gated => "Gated",
            Self::Granted => "Granted",
            Self::Sent => "Sent",
            Self::Answered => "Answered",
            Self::Changed => "Changed",
            Self::Verified => "Verified",
            Self::Sealed => "Receipt",
        }
    }
}

/// The timeline of a receipt. Steps that did not happen are not in it.
#[must_use]
pub fn of(receipt: &Receipt, index: u64) -> Vec<Moment> {
    let all = [
        said(receipt),
        planned(receipt),
        gated(receipt),
        granted(receipt),
        sent(receipt),
        answered(receipt),
        changed(receipt),
        verified(receipt),
        sealed(receipt, index),
    ];
    all.into_iter().filter(|moment| !moment.lines.is_empty()).collect()
}

fn moment(step: Step, at: Option<Timestamp>, lines: Vec<(String, String)>) -> Moment {
    Moment { at, step, lines: lines.into_iter().filter(|(_, text)| !text.is_empty()).collect() }
}

fn line(name: &str, text: impl Into<String>) -> (String, String) {
    (name.to_owned(), text.into())
}

/// The plan and the words that it rests on, as the premises keep them.
fn asked(receipt: &Receipt) -> Option<&Json> {
    receipt.facts.as_array()?.iter().find_map(|premise| premise.pointer("/ask/asked"))
}

fn said(receipt: &Receipt) -> Moment {
    let kept = asked(receipt).and_then(|asked| asked.get("messages")).and_then(Json::as_array);
    let text = |id: &str| {
        let of = |message: &&Json| message.get("id").and_then(Json::as_str) == Some(id);
        kept?.iter().find(of)?.get("text")?.as_str()
    };
    let mut lines = Vec::new();
    for message in &receipt.asked.messages {
        let name = format!("{} through {}", message.id, message.frontend);
        let digest = || format!("SHA-256 {}", message.sha256);
        lines.push((name, text(&message.id).map_or_else(digest, str::to_owned)));
    }
    lines.push(line("Conversation", &receipt.asked.conversation));
    lines.push(line("Ticket", &receipt.asked.external_ref));
    lines.push(line("Subject", &receipt.asked.subject));
    moment(Step::Said, None, lines)
}

fn planned(receipt: &Receipt) -> Moment {
    let asked = &receipt.asked;
    let mut lines = vec![
        line("Tool", &receipt.tool),
        line("Amount", receipt.money.map_or_else(String::new, |money| money.to_string())),
    ];
    for argument in &receipt.arguments {
        let text = format!("{} (from {}: {})", words(&argument.value), argument.from, argument.at);
        lines.push((argument.path.clone(), text));
    }
    if !asked.caller.is_empty() && !receipt.tool.is_empty() {
        lines.push(line(
            "Confidence",
            format!("{:.2} {}", asked.confidence, asked.uncertainty_reason),
        ));
    }
    lines.push(line("Recommended", &asked.recommended_action));
    if !asked.model.is_empty() {
        let tokens = asked.input_tokens.saturating_add(asked.output_tokens);
        lines.push(line("Model", format!("{}, {tokens} tokens", asked.model)));
    }
    lines.push(line("Planner", &asked.caller));
    moment(Step::Planned, time(made_at(&receipt.proposal_id)), lines)
}

fn gated(receipt: &Receipt) -> Moment {
    moment(Step::Gated, None, gates::lines(&receipt.gates))
}

fn granted(receipt: &Receipt) -> Moment {
    let each = receipt.grants.iter().map(|grant| {
        let role =
            if grant.role.is_empty() { String::new() } else { format!(" as {}", grant.role) };
        let reason =
            if grant.reason.is_empty() { String::new() } else { format!(": {}", grant.reason) };
        let name = match grant.kind.as_str() {
            "customer" => "The customer said yes",
            "approval" => "Approved",
            "rejection" => "Rejected",
            "finish" if receipt.code == Code::HumanDisagrees.name() => {
                "A person's word, which the read contradicts"
            }
            _ => "Settled by a person",
        };
        // What a person says of how it ended stands where others have the card's text.
        let word = match grant.kind.as_str() {
            "finish" if !grant.text.is_empty() => format!("{}, says ", grant.text),
            _ => String::new(),
        };
        (name.to_owned(), format!("{word}{}{role}, {}{reason}", grant.by, clock(grant.at)))
    });
    let last = receipt.grants.iter().map(|grant| grant.at).max();
    moment(Step::Granted, last, each.collect())
}

fn sent(receipt: &Receipt) -> Moment {
    let Some(backend) = &receipt.backend else { return moment(Step::Sent, None, Vec::new()) };
    let mut lines = vec![
        line("Connector", &backend.pack),
        line("Account", &backend.account),
        line("Credential, by name", &backend.credential),
        line("SHA-256 of the request", &backend.request),
        line("Idempotency key", &receipt.key),
    ];
    let each = receipt.attempts.iter();
    lines.extend(each.map(|a| (format!("Attempt {}", a.number), clock(a.at))));
    moment(Step::Sent, receipt.attempts.first().map(|attempt| attempt.at), lines)
}

fn answered(receipt: &Receipt) -> Moment {
    let line = |attempt: &Attempt| {
        let status = attempt.status.map_or_else(|| "no status".to_owned(), |s| format!("HTTP {s}"));
        (format!("Attempt {}", attempt.number), format!("{status}: {}", words(&attempt.verdict)))
    };
    let ended = receipt.attempts.iter().filter(|attempt| attempt.ended_at.is_some());
    let last = receipt.attempts.iter().filter_map(|attempt| attempt.ended_at).max();
    moment(Step::Answered, last, ended.map(line).collect())
}

fn changed(receipt: &Receipt) -> Moment {
    let mut lines = difference(&receipt.before, &receipt.after);
    if let Some(change) = &receipt.change {
        lines.push(line(
            &change.what,
            format!("{} → {}: {}", change.old, change.new, change.reason),
        ));
        lines.extend(change.by.iter().map(|by| line("By", format!("{} {}", by.who, by.reason))));
    }
    moment(Step::Changed, None, lines)
}

fn verified(receipt: &Receipt) -> Moment {
    let verification = &receipt.verification;
    let mut lines = vec![line("Evidence", verification.evidence.join(", "))];
    if verification.looks > 0 {
        lines.push(line("Read back", times(verification.looks)));
    }
    if !verification.sight.is_null() {
        let (told, rows) = sight(&verification.sight);
        lines.push(line("Seen", told));
        lines.extend(rows.iter().map(|row| (row.name.clone(), row.text())));
    }
    if !receipt.output.is_null() {
        lines.push(line("Yields", words(&receipt.output)));
    }
    moment(Step::Verified, None, lines)
}

fn sealed(receipt: &Receipt, index: u64) -> Moment {
    let outcome = if receipt.code.is_empty() {
        receipt.outcome.clone()
    } else {
        format!("{} ({})", receipt.outcome, receipt.code)
    };
    let counted = receipt.counted.as_ref().map_or_else(String::new, |counted| {
        let each = counted.codes.iter().map(|(code, count)| format!("{code} {count}"));
        each.collect::<Vec<_>>().join(", ")
    });
    let lines = vec![
        line("Outcome", outcome),
        line("Done by", &receipt.performed_by),
        line("Because", &receipt.message),
        line("Told", &receipt.said),
        line("Next", &receipt.next),
        line("Counted refusals", counted),
        line("Receipt", &receipt.receipt_id),
        line("In the log at", index.to_string()),
    ];
    moment(Step::Sealed, Some(receipt.sealed_at), lines)
}

fn time(milliseconds: Option<i64>) -> Option<Timestamp> {
    Timestamp::from_millisecond(milliseconds?).ok()
}

/// A point in time as people read it.
#[must_use]
pub fn clock(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests;
