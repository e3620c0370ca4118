//! What a complaint comes from, told from the facts of its chain. It never guesses: where
//! they do not decide it, it says what is known.

use countersign_shared::receipt::{Argument, Attempt, Grant, Receipt};
use jiff::Timestamp;
use serde_json::Value as Json;

use super::collected::{Chain, Recorded};
use super::words::{hold, names, numbers, things};
use crate::receipts::flat;

/// Codes that are the policy's no.
const POLICY: [&str; 4] =
    ["POLICY_FORBIDS", "LIMIT_EXCEEDED", "VELOCITY_EXCEEDED", "APPROVAL_REQUIRED"];

/// Why it came as it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cause {
    /// Which kind; `None` where the facts do not decide it.
    pub(crate) kind: Option<Kind>,
    /// One sentence.
    pub(crate) sentence: String,
    /// What else is known.
    pub(crate) known: Vec<String>,
}

/// Kinds of causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Acted on something else than the words name.
    WrongEntity,
    /// What people said yes to was no longer so.
    StaleApproval,
    /// The backend said yes, and the read-back disagrees.
    LyingBackend,
    /// Another policy took effect meanwhile.
    PolicyEdit,
    /// The same had been done before.
    DuplicateAsk,
    /// A value that only the model had.
    ModelInvention,
}

impl Kind {
    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::WrongEntity => "wrong_entity",
            Self::StaleApproval => "stale_approval",
            Self::LyingBackend => "lying_backend",
            Self::PolicyEdit => "policy_edit",
            Self::DuplicateAsk => "duplicate_ask",
            Self::ModelInvention => "model_invention",
        }
    }
}

/// Tells a cause in one sentence, where the facts show it.
type Derive = fn(&Chain) -> Option<String>;

/// The cause of a chain: the first of these that its facts show.
pub(crate) fn of(chain: &Chain) -> Cause {
    let each: [(Kind, Derive); 6] = [
        (Kind::StaleApproval, stale_approval),
        (Kind::PolicyEdit, policy_edit),
        (Kind::LyingBackend, lying_backend),
        (Kind::WrongEntity, wrong_entity),
        (Kind::ModelInvention, model_invention),
        (Kind::DuplicateAsk, duplicate_ask),
    ];
    let mut found = each.iter().filter_map(|(kind, derive)| Some((*kind, derive(chain)?)));
    let first = found.next();
    let mut known: Vec<String> = found.map(|(_, sentence)| sentence).collect();
    known.extend(what_is_known(chain));
    match first {
        Some((kind, sentence)) => Cause { kind: Some(kind), sentence, known },
        None => Cause { kind: None, sentence: undecided(chain.receipt()), known },
    }
}

/// People said yes to a state that had moved when it was to be done.
fn stale_approval(chain: &Chain) -> Option<String> {
    let receipt = chain.receipt();
    if receipt.code != "STATE_CHANGED" {
        return None;
    }
    let last = |kind: &str| receipt.grants.iter().rev().find(|grant| grant.kind == kind);
    let (verb, grant) = match last("approval") {
        Some(grant) => ("approved", grant),
        None => ("confirmed", last("customer")?),
    };
    let (by, at, until) = (who(grant), time(grant.at), time(receipt.sealed_at));
    Some(format!(
        "{by} {verb} it at {at}, and by {until} the state had moved ({}): the yes was to what was \
         no longer so, and nothing was done.",
        moved(receipt),
    ))
}

/// The differences that the refusal names.
fn moved(receipt: &Receipt) -> String {
    let unchanged = receipt.gates.iter().find(|gate| gate.gate == "unchanged" && !gate.passed);
    let changes = unchanged.and_then(|gate| gate.facts.get("changes")?.as_array());
    let told = |change: &Json| {
        let text = |name: &str| change.get(name).map(flat::sentence).unwrap_or_default();
        format!("{}: {} is now {}", text("path"), text("before"), text("now"))
    };
    match changes {
        Some(changes) => changes.iter().map(told).collect::<Vec<_>>().join("; "),
        None => receipt.message.split("; asked again").next().unwrap_or_default().to_owned(),
    }
}

/// A policy that took effect between the card and the end refused what the one before
/// had let through.
fn policy_edit(chain: &Chain) -> Option<String> {
    let receipt = chain.receipt();
    if receipt.outcome != "refused" || !POLICY.contains(&receipt.code.as_str()) {
        return None;
    }
    let began: Timestamp = chain.event("proposed")?.get("at")?.as_str()?.parse().ok()?;
    let edits = chain.changes.iter().rev().filter(|change| change.sealed_at >= began);
    let mut edits = edits.filter_map(|edit| Some((edit, edit.change.as_ref()?)));
    let (edit, change) = edits.find(|(_, change)| change.what == "policy")?;
    let by: Vec<_> = change.by.iter().map(|by| by.who.as_str()).collect();
    let by = if by.is_empty() { "nobody's signature".to_owned() } else { by.join(" and ") };
    Some(format!(
        "The policy was changed at {} by {by} (from {} to {}): the one before let this through \
         when it was proposed at {}, and the new one refused it with {} ({}).",
        time(edit.sealed_at),
        short(&change.old),
        short(&change.new),
        time(began),
        receipt.code,
        receipt.message,
    ))
}

/// The backend's yes, and a look that does not find what it said.
fn lying_backend(chain: &Chain) -> Option<String> {
    let receipt = chain.receipt();
    let accepted = |attempt: &&Attempt| attempt.verdict.get("accepted").is_some();
    let yes = receipt.attempts.iter().rev().find(accepted)?;
    let (saw, seen) = receipt.verification.sight.as_object()?.iter().next()?;
    let saw = match saw.as_str() {
        "wrong" => "something else than was asked for",
        "absent" => "nothing of it",
        "failed" => "that it failed",
        _ => return None,
    };
    let status = yes.status.map_or_else(String::new, |status| format!(" with HTTP {status}"));
    let backend = receipt.backend.as_ref().map_or("the backend", |b| b.account.as_str());
    let facts = flat::sentence(seen.get("facts").unwrap_or(seen));
    let facts = if facts.is_empty() { facts } else { format!(" ({facts})") };
    Some(format!(
        "{backend} said yes at {}{status}, and reading back found {saw}{facts}.",
        time(yes.ended_at.unwrap_or(yes.at)),
    ))
}

/// The words name one thing, and another was acted on.
fn wrong_entity(chain: &Chain) -> Option<String> {
    let receipt = chain.receipt();
    receipt.backend.as_ref()?;
    let words = words(chain);
    let in_order = |(id, text): &(&str, &str)| {
        let id = (*id).to_owned();
        numbers(text).into_iter().map(move |number| (id.clone(), number)).collect::<Vec<_>>()
    };
    let named: Vec<(String, String)> = words.iter().flat_map(in_order).collect();
    let (message, other) = named.last()?;
    let acted: Vec<&Argument> =
        receipt.arguments.iter().filter(|a| !things(&a.value).is_empty()).collect();
    let shown = names(&receipt.before);
    let numbers = shown.iter().flat_map(|name| numbers(name));
    let mut all = numbers.chain(acted.iter().flat_map(|a| things(&a.value)));
    if shown.is_empty() || all.any(|number| named.iter().any(|(_, named)| *named == number)) {
        return None;
    }
    let argument = acted.first()?;
    let shown: Vec<_> = shown.iter().map(String::as_str).collect();
    Some(format!(
        "Message {message} names {other}, and what was acted on is {}: the plan took {} from {} {}.",
        shown.join(", "),
        argument.path,
        argument.from,
        argument.at,
    ))
}

/// A value that no words of the customer hold.
fn model_invention(chain: &Chain) -> Option<String> {
    let receipt = chain.receipt();
    if receipt.code == "REFERENCE_REQUIRED" {
        return typed_and_refused(chain);
    }
    let words = words(chain);
    // Without all of the words nobody can say what is not in them.
    if words.is_empty() || words.len() < receipt.asked.messages.len() {
        return None;
    }
    // One of something is what is meant where no number is said.
    let plain = |value: &Json| value.as_u64() == Some(1);
    let held = |value: &Json| words.iter().any(|(_, text)| hold(text, value));
    let invented = |a: &&Argument| a.from == "model" && !plain(&a.value) && !held(&a.value);
    let argument = receipt.arguments.iter().find(invented)?;
    Some(format!(
        "{} = {} was typed by the model ({}): no message of the customer holds it.",
        argument.path,
        flat::sentence(&argument.value),
        receipt.asked.model,
    ))
}

fn typed_and_refused(chain: &Chain) -> Option<String> {
    let receipt = chain.receipt();
    let mut calls = chain.turns.iter().flat_map(|t| &t.turn.told.calls).rev();
    let call = calls.find(|call| call.receipt == receipt.receipt_id)?;
    let typed = flat::lines(&call.arguments);
    let (path, value) = typed.iter().find(|(_, from)| from.starts_with("model "))?;
    let value = value.trim_start_matches("model ");
    Some(format!(
        "{path} = {value} was typed by the model ({}), which may not be: it was refused with {}.",
        receipt.asked.model, receipt.code,
    ))
}

/// Asked once more after it had been done.
fn duplicate_ask(chain: &Chain) -> Option<String> {
    let receipt = chain.receipt();
    let again = |turn: &&Recorded| {
        let mut calls = turn.turn.told.calls.iter();
        calls.any(|call| call.code == "ALREADY_DONE" && call.receipt == receipt.receipt_id)
    };
    let again = chain.turns.iter().find(again)?;
    Some(format!(
        "The same was asked for again at {} in conversation {}; it had been done at {}, by this \
         receipt, so it was not done once more (ALREADY_DONE).",
        time(again.at),
        again.conversation,
        time(receipt.sealed_at),
    ))
}

/// Words that the receipt rests on: those whose digest it holds.
fn words(chain: &Chain) -> Vec<(&str, &str)> {
    let messages = &chain.receipt().asked.messages;
    let text = |sha256: &str| {
        let said = chain.turns.iter().filter_map(|turn| turn.turn.message.as_ref());
        said.filter(|said| said.sha256 == sha256).map(|said| said.text.as_str()).next()
    };
    messages.iter().filter_map(|m| Some((m.id.as_str(), text(&m.sha256)?))).collect()
}

/// Facts that bear on it, whatever the cause.
fn what_is_known(chain: &Chain) -> Vec<String> {
    let receipt = chain.receipt();
    let mut known = Vec::new();
    let typed = receipt.arguments.iter().filter(|a| a.from == "model");
    known.extend(
        typed.map(|a| format!("the model typed {} = {}", a.path, flat::sentence(&a.value))),
    );
    let failed = receipt.gates.iter().filter(|gate| !gate.passed);
    known.extend(failed.map(|gate| format!("the gate {} said no", gate.gate)));
    let unknown = receipt.asked.messages.len().saturating_sub(words(chain).len());
    if unknown > 0 {
        known.push(format!("the text of {unknown} of its messages is not recorded"));
    }
    known
}

fn undecided(receipt: &Receipt) -> String {
    let said = [receipt.outcome.as_str(), &receipt.code, &receipt.message];
    let said: Vec<_> = said.into_iter().filter(|text| !text.is_empty()).collect();
    format!("The facts show no cause beside the outcome itself: {}.", said.join(", "))
}

fn who(grant: &Grant) -> String {
    if grant.role.is_empty() { grant.by.clone() } else { format!("{} ({})", grant.by, grant.role) }
}

fn time(at: Timestamp) -> String {
    at.strftime("%F %T UTC").to_string()
}

/// A digest, as far as people tell them apart.
fn short(digest: &str) -> String {
    digest.chars().take(15).collect()
}

#[cfg(test)]
mod tests;
