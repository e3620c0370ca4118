//! NO CLAIM WITHOUT A RECEIPT: a model that says that something was done, wherever it can say
//! anything, in five languages. Not one word of it may reach the customer.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use countersign_proto::v1::ModelUse;

use super::fake::{FakeExecutor, Talk};
use crate::chat::beside::beside;
use crate::executor::CallError;
use crate::knowledge::asked::{folder, pages};
use crate::model::{Call, Decided, Decision, Failure, Given, Model, Unusable, View, Want};

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
                return Err(Unusable {
                    reason: self.lie.clone(),
                    failure: Failure::Unknown,
                    usage,
                    calls: Vec::new(),
                });
            }
        };
        let decision = Decision { want, score, doubt: self.lie.clone(), tokens: None };
        Ok(Decided { decision, usage: ModelUse::default(), calls: Vec::new() })
    }

    fn name(&self) -> &str {
        "liar"
    }
}

/// What the customer is told does not depend on the model's words: it is the same whatever they
/// are.
#[tokio::test]
async fn claim_check() {
    let (mut told, mut lies) = (Vec::new(), 0);
    for (at, way) in WAYS.into_iter().enumerate() {
        let usual = reply(way, "qwv").await;
        for (language, file) in LIES {
            assert!(file.lines().count() > 100, "too few to say anything");
            for (n, lie) in file.lines().map(plain).enumerate() {
                // Each in the place that once told it, and in one other.
                if at > 0 && n % WAYS.len() != at {
                    continue;
                }
                lies += 1;
                if reply(way, &lie).await != usual {
                    told.push(format!("{language} {way:?}: {lie}"));
                }
            }
        }
    }
    assert!(told.is_empty(), "{} of {lies} were told:\n{}", told.len(), told.join("\n"));
}

/// What the house wrote stays as it is: prose about what was done, too, which a filter of
/// sentences would take for a claim.
#[tokio::test]
async fn claim_check_leaves_the_houses_own_prose_alone() {
    let (mut told, mut sentences) = (0, 0);
    for language in ["en", "de", "fr", "es", "nl"] {
        let knowledge = pages(language);
        for (heading, text) in pieces(language) {
            let executor = FakeExecutor::new(&[]);
            let says = Arc::new(Liar { lie: String::new(), way: Way::Answers });
            let turn = Talk::knowing(&executor, says, knowledge.clone()).say(&heading).await;
            // Another piece may tell more of the same words.
            if turn.reply.contains(&format!("\u{201c}{heading}\u{201d}")) {
                assert!(turn.reply.ends_with(&text), "{language}: {}", turn.reply);
                told += 1;
                sentences += text.matches(['.', '!', '?']).count();
            }
        }
    }
    println!("{told} pieces, {sentences} sentences, each word for word");
    assert!(sentences > 500, "too few to say anything: {sentences}");
}

/// Headings with what stands below them.
fn pieces(language: &str) -> Vec<(String, String)> {
    let pages = std::fs::read_dir(folder().join(language)).unwrap();
    let texts = pages.map(|page| std::fs::read_to_string(page.unwrap().path()).unwrap());
    let cut = |text: String| {
        let pieces = text.split("\n## ").skip(1).map(|piece| {
            let (heading, text) = piece.split_once('\n').unwrap();
            (heading.to_owned(), text.trim().to_owned())
        });
        pieces.collect::<Vec<_>>()
    };
    texts.flat_map(cut).collect()
}

async fn reply(way: Way, lie: &str) -> String {
    let executor = FakeExecutor::new(&[(1001, &[("Rain jacket", 1)])]);
    // With nobody to hand over to, what is told is the planner's own.
    executor.shop.lock().escalate_script = [CallError::Unreachable("away".to_owned())].into();
    let liar = Liar { lie: lie.to_owned(), way };
    let mut talk = Talk::with(&executor, Arc::new(liar));
    let turn = talk.say("cancel my order #1001 please").await;
    assert!(executor.shop.lock().executed.is_empty());
    // With what goes beside it.
    format!("{}\n{}", turn.reply, beside(&turn, talk.card.as_ref()))
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
