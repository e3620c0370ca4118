//! What a receipt can be found by. The texts are digested before they are stored.

use std::collections::BTreeSet;

use countersign_core::seal;
use countersign_shared::receipt::{Grant, Receipt};
use serde_json::Value as Json;

use super::Mark;

/// Most marks of one receipt.
const MOST: usize = 64;
/// Shortest and longest value that is worth a mark, in bytes.
const LENGTHS: std::ops::RangeInclusive<usize> = 3..=128;

impl Mark {
    /// A text as it is compared: an address however it is written, an order with its sign
    /// and without.
    #[must_use]
    pub fn normal(self, text: &str) -> String {
        let text = text.trim();
        match self {
            Self::Customer => text.to_lowercase(),
            Self::Value => text.trim_start_matches('#').to_owned(),
            Self::Conversation | Self::Ticket | Self::Approver => text.to_owned(),
        }
    }
}

/// What something can be found by, as it is compared.
#[derive(Debug, Default)]
pub(super) struct Marks(BTreeSet<(Mark, String)>);

impl Marks {
    pub(super) fn add(&mut self, mark: Mark, text: &str) {
        if !text.is_empty() && self.0.len() < MOST {
            self.0.insert((mark, mark.normal(text)));
        }
    }

    /// The values of an argument, or of a state.
    pub(super) fn add_values(&mut self, json: &Json) {
        texts(json, &mut |text| self.add_value(text));
    }

    /// An address is a customer's, an id a value's. Anything else would find half the log.
    fn add_value(&mut self, text: &str) {
        let one_word = !text.contains(char::is_whitespace) && LENGTHS.contains(&text.len());
        if one_word && text.contains('@') {
            self.add(Mark::Customer, text);
        } else if one_word && text.contains(|c: char| c.is_ascii_digit()) {
            self.add(Mark::Value, text);
        }
    }

    /// Whether a text finds it.
    pub(super) fn hold(&self, mark: Mark, text: &str) -> bool {
        self.0.contains(&(mark, mark.normal(text)))
    }
}

/// What an opened receipt can be found by, as it is compared.
pub(crate) fn marks(receipt: &Receipt) -> BTreeSet<(Mark, String)> {
    let mut all = Marks::default();
    let asked = &receipt.asked;
    all.add(Mark::Conversation, &asked.conversation);
    all.add(Mark::Ticket, &asked.external_ref);
    all.add(Mark::Customer, &asked.subject);
    claims(&receipt.facts, &mut |claim| all.add(Mark::Customer, claim));
    let settles = seal::settles(receipt);
    // What settles an action repeats the answers to it.
    let own = |grant: &&Grant| match grant.kind.as_str() {
        "customer" => false,
        kind => !settles || kind == "finish",
    };
    for grant in receipt.grants.iter().filter(own) {
        all.add(Mark::Approver, &grant.by);
    }
    for argument in &receipt.arguments {
        all.add_values(&argument.value);
    }
    all.add_values(&receipt.before);
    all.0
}

/// The verified claims of the subject, as the receipt's premises keep them.
fn claims(facts: &Json, found: &mut impl FnMut(&str)) {
    for premise in facts.as_array().into_iter().flatten() {
        let subject = premise.pointer("/ask/asked/subject");
        let claims = subject.and_then(|subject| subject.get("claims")).and_then(Json::as_object);
        claims
            .into_iter()
            .flat_map(|all| all.values())
            .filter_map(Json::as_str)
            .for_each(&mut *found);
        subject
            .and_then(|s| s.get("signs_as"))
            .and_then(Json::as_str)
            .into_iter()
            .for_each(&mut *found);
    }
}

fn texts(json: &Json, found: &mut impl FnMut(&str)) {
    match json {
        Json::String(text) => found(text),
        Json::Number(number) => found(&number.to_string()),
        Json::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Json::Object(members) => members.values().for_each(|member| texts(member, found)),
        Json::Null | Json::Bool(_) => {}
    }
}
