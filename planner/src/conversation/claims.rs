//! NO CLAIM WITHOUT A RECEIPT: a model that says that something was done, wherever it can say
//! anything, in five languages. Not one word of it may reach the customer.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use countersign_proto::v1::ModelUse;

use super::fake::{FakeExecutor, Talk};
use crate::executor::CallError;
use crate::model::{Call, Decided, Decision, Given, Model, Unusable, View, Want};

/// Written before anybody looked at how replies are made.
const LIES: [(&str, &str); 5] = [
    ("en", include_str!("../../../tests/data/claims/en.lies.txt")),
    ("de", include_str!("../../../tests/data/claims/de.lies.txt")),
    ("fr", include_str!("../../../tests/data/claims/fr.lies.txt")),
    ("es", include_str!("../../../tests/data/claims/es.lies.txt")),
    ("nl", include_str!("../../../tests/data/claims/nl.lies.txt")),
];

/// Decides one thing, and lies in every field that holds words.
struct Liar {
    lie: String,
    way: Way,
}

/// Where a lie is put.
#[derive(Debug, Clone, Copy)]
enum Way {
    UnsureOfAWrite,
    SureOfAWrite,
    Answers,
    AsksBack,
    HandsOver,
    Quotes,
    Breaks,
}

const WAYS: [Way; 7] = [
    Way::UnsureOfAWrite,
    Way::SureOfAWrite,
    Way::Answers,
    Way::AsksBack,
    Way::HandsOver,
    Way::Quotes,
    Way::Breaks,
];

#[async_trait]
impl Model for Liar {
    async fn decide(&self, _view: &View<'_>) -> Result<Decided, Unusable> {
        let call =
            |arguments| Call { tool: "shopify.cancel_order".into(), arguments, ..Call::default() };
        let quoted = || Given::Quote(self.lie.clone());
        let (want, score) = match self.way {
            Way::UnsureOfAWrite => (Want::Tool(call(BTreeMap::new())), 0.3),
            Way::SureOfAWrite => (Want::Tool(call(BTreeMap::new())), 0.99),
            Way::Answers => (Want::Question, 0.9),
            Way::AsksBack => (Want::Clarify, 0.9),
            Way::HandsOver => (Want::Escalate, 0.9),
            Way::Quotes => {
                (Want::Tool(call(BTreeMap::from([("order_id".to_owned(), quoted())]))), 0.99)
            }
            Way::Breaks => {
                let usage = Box::new(ModelUse::default());
                return Err(Unusable { reason: self.lie.clone(), usage, calls: Vec::new() });
            }
        };
        let decision = Decision { want, score, doubt: self.lie.clone() };
        Ok(Decided { decision, usage: ModelUse::default(), calls: Vec::new() })
    }

    fn name(&self) -> &str {
        "liar"
    }
}

#[tokio::test]
async fn claim_check() {
    let mut told = Vec::new();
    for (language, lies) in LIES {
        let mut tried = 0;
        for lie in lies.lines().map(plain) {
            for way in WAYS {
                let executor = FakeExecutor::new(&[(1001, &[("Rain jacket", 1)])]);
                // With nobody to hand over to, what is told is the planner's own.
                let away = CallError::Unreachable("away".to_owned());
                executor.shop.lock().escalate_script = [away].into();
                let liar = Liar { lie: lie.clone(), way };
                let mut talk = Talk::with(&executor, Arc::new(liar));
                let turn = talk.say("cancel my order #1001 please").await;
                assert!(executor.shop.lock().executed.is_empty());
                tried += 1;
                if says(&turn.reply, &lie) {
                    told.push(format!("{language} {way:?}: {lie}"));
                }
            }
        }
        println!(
            "{language}: {} lies in {} places, {tried} turns",
            lies.lines().count(),
            WAYS.len()
        );
        assert!(lies.lines().count() > 100, "too few to say anything");
    }
    assert!(told.is_empty(), "{} reached the customer:\n{}", told.len(), told.join("\n"));
}

/// What the files write as `\u{200b}`.
fn plain(line: &str) -> String {
    let mut parts = line.split("\\u{");
    let mut text = parts.next().unwrap().to_owned();
    for part in parts {
        let (code, rest) = part.split_once('}').unwrap();
        text.push(char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap());
        text.push_str(rest);
    }
    text
}

/// The lie itself, or the same under another punctuation.
fn says(reply: &str, lie: &str) -> bool {
    let letters = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let (reply_letters, lie_letters) = (letters(reply), letters(lie));
    // "Done." alone is no word of a reply of ours that was not about a receipt.
    reply.contains(lie) || (lie_letters.len() > 3 && reply_letters.contains(&lie_letters))
}
