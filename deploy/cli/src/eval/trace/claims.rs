//! What moved, what must be told, and what must never be: the words that a contract has for
//! success, where nothing succeeded.

use std::sync::LazyLock;

use countersign_executor::packs;
use countersign_shared::receipt::Receipt;
use regex::Regex;
use serde_json::Value as Json;

use super::super::scenario::{Expect, Expected, Mode};
use super::talk::Answer;
use crate::conversation::Conversation;

/// Characters of a reply that are compared where nothing else happened.
const OPENING: usize = 80;

/// What is expected, and what nobody but the reader knows.
pub(super) fn of(
    held: &Conversation,
    actions: Vec<Expected>,
    model: &[Answer],
) -> (Expect, Vec<String>) {
    let (effects, by_hand) = effects(&held.receipts);
    let replies: Vec<&str> = held.turns.iter().map(|told| told.turn.told.reply.as_str()).collect();
    let applied = |tool: &str| {
        let done = |action: &Expected| action.outcome.as_deref() == Some("applied");
        actions.iter().any(|action| action.tool == tool && done(action))
    };
    let mut told = Vec::new();
    if actions.iter().any(|action| action.outcome.as_deref() == Some("applied")) {
        told.push("Receipt rcp_".to_owned());
    } else if actions.is_empty() && effects.is_empty() {
        // A line of nothing but figures would match anything.
        let says = |opening: &String| opening.chars().any(char::is_alphabetic);
        told.extend(replies.iter().map(|reply| opening(reply)).filter(says));
    }
    let never_told = successes().filter(|(tool, _)| !applied(tool)).map(|(_, words)| words);
    // An earlier receipt may have been told again.
    let never_told = never_told.filter(|words| !replies.iter().any(|reply| matches(words, reply)));
    let expect = Expect {
        effects,
        told,
        never_told: never_told.collect(),
        model_calls: Some(model.len()).filter(|calls| *calls > 0),
        actions,
    };
    (expect, by_hand)
}

/// The way of failing that a conversation is about, by its first refusal.
pub(super) fn mode(actions: &[Expected]) -> Mode {
    let codes = actions.iter().filter_map(|action| action.code.as_deref());
    codes.filter_map(mode_of).next().unwrap_or(Mode::Overconfidence)
}

fn mode_of(code: &str) -> Option<Mode> {
    Some(match code {
        "AWAITING_CONFIRMATION" | "ESCALATED" => return None,
        "ALREADY_DONE" | "IN_FLIGHT" | "DUPLICATE_EFFECT" => Mode::Duplicate,
        "STATE_CHANGED" | "PROPOSAL_EXPIRED" | "PROPOSAL_SUPERSEDED" => Mode::StaleState,
        "TOOL_UNKNOWN" | "PLAN_TOO_MANY_WRITES" | "POLICY_FORBIDS" => Mode::HallucinatedTool,
        "ARGUMENT_INVALID"
        | "ARGUMENT_UNEXPECTED"
        | "REFERENCE_REQUIRED"
        | "REFERENCE_UNKNOWN"
        | "SPAN_INVALID" => Mode::HallucinatedArgument,
        "NOT_THE_SUBJECTS" | "OWNER_UNKNOWN" | "MATCH_FAILED" => Mode::WrongEntity,
        "CONFIDENCE_TOO_LOW" | "MODEL_UNUSABLE" => Mode::Overconfidence,
        "VELOCITY_EXCEEDED" | "TOO_MANY_OPEN" => Mode::RetryStorm,
        other if other.ends_with("_NOT_FOUND") => Mode::WrongEntity,
        _another_refusal => Mode::MissingPrecondition,
    })
}

/// What the sandbox's ledger has to show of what was applied.
fn effects(receipts: &[Receipt]) -> (Vec<String>, Vec<String>) {
    let (mut effects, mut by_hand) = (Vec::new(), Vec::new());
    for receipt in receipts {
        let (tool, id) = (&receipt.tool, &receipt.receipt_id);
        match receipt.outcome.as_str() {
            "applied" => match effects_of(receipt) {
                Some(of_it) => effects.extend(of_it),
                None => by_hand.push(format!("{tool}: say in `effects` what it does ({id})")),
            },
            "unknown" => by_hand.push(format!(
                "{tool}: nobody knows what came of it ({id}): make `world` and `effects` so"
            )),
            _nothing_moved => {}
        }
    }
    (effects, by_hand)
}

fn effects_of(receipt: &Receipt) -> Option<Vec<String>> {
    let name = receipt.output.get("order").or_else(|| receipt.before.pointer("/order/name"))?;
    let name = name.as_str()?;
    let paid = receipt.money.filter(|money| money.minor() != 0).map(|money| {
        let amount = money.amount().normalize().to_string();
        let dot = if amount.contains('.') { "" } else { ".0" };
        format!("refund_created {name} {} {amount}{dot}", money.currency())
    });
    Some(match receipt.tool.as_str() {
        "shopify.cancel_order" => {
            [Some(format!("order_cancelled {name}")), paid].into_iter().flatten().collect()
        }
        "shopify.refund_lines" => paid.into_iter().collect(),
        "shopify.change_address" => {
            vec![format!("address_changed {name}"), format!("metafield_set {name}")]
        }
        _another_tool => return None,
    })
}

/// Each write of the shop's pack, and how its contract tells that it was done, as a pattern.
fn successes() -> impl Iterator<Item = (String, String)> {
    let contracts = packs::shipped().filter(|(path, _)| path.starts_with("shopify/contracts/"));
    contracts.filter_map(|(_, text)| {
        let contract: Json = serde_saphyr::from_str(text).ok()?;
        let say = contract.pointer("/say/applied")?.as_str()?;
        Some((contract.get("tool")?.as_str()?.to_owned(), pattern(say)))
    })
}

/// A template's own words, and anything where it puts values.
fn pattern(template: &str) -> String {
    let mut words = template.split('{');
    let first = regex::escape(words.next().unwrap_or_default());
    let rest = words.map(|part| {
        let own = part.split_once('}').map_or("", |(_, own)| own);
        format!(".*{}", regex::escape(own))
    });
    first + &rest.collect::<String>()
}

/// How a reply begins, whatever its numbers are.
fn opening(reply: &str) -> String {
    static NUMBER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("[0-9]+").ok());
    let line: String = reply.lines().next().unwrap_or_default().chars().take(OPENING).collect();
    let line = regex::escape(&line);
    NUMBER.as_ref().map_or(line.clone(), |number| number.replace_all(&line, ".*").into_owned())
}

fn matches(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contracts_words_of_success_are_known_in_a_reply() {
        let cancelled = "Order #1001 is cancelled. USD 130.00 goes back to your original payment \
                         method. Receipt rcp_1.";
        let found: Vec<_> = successes().filter(|(_, words)| matches(words, cancelled)).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        let waits = "Cancel order #1001? USD 130.00 goes back to the original payment method.";
        assert!(successes().count() >= 3 && !successes().any(|(_, words)| matches(&words, waits)));
    }

    #[test]
    fn the_first_refusal_says_what_it_is_about() {
        let coded = |code: &str| Expected {
            tool: String::new(),
            outcome: None,
            code: Some(code.to_owned()),
            arguments: std::collections::BTreeMap::new(),
        };
        let mode = |codes: &[&str]| mode(&codes.iter().map(|code| coded(code)).collect::<Vec<_>>());
        assert_eq!(mode(&["AWAITING_CONFIRMATION", "STATE_CHANGED"]), Mode::StaleState);
        assert_eq!(mode(&["ORDER_NOT_FOUND"]), Mode::WrongEntity);
        assert_eq!(mode(&["ORDER_FULFILLED", "ALREADY_DONE"]), Mode::MissingPrecondition);
        assert_eq!(mode(&["AWAITING_CONFIRMATION"]), Mode::Overconfidence);
    }
}
