#![allow(clippy::unwrap_used, reason = "tests")]

use countersign_core::error::Refused;
use countersign_core::lifecycle::fold;
use countersign_core::seal::Leaf;
use countersign_shared::codes::Code;
use countersign_shared::receipt::Gate;
use serde_json::json;

use super::*;
use crate::testing::{id, proposed};

/// An answer that does not count, a minute after the hour.
fn unheard() -> Leaf {
    let state = fold(vec![proposed(1, "i", "o")]).unwrap();
    let no = Refused::new(Code::ApproverNotAllowed, "no");
    let now = "2026-11-16T12:01:00Z".parse().unwrap();
    seal::not_granted(&state, None, &no, &id("rcp", 1).parse().unwrap(), now)
}

fn finish(by: &str) -> Grant {
    let text = |text: &str| text.to_owned();
    Grant {
        kind: text("finish"),
        by: text(by),
        issuer: String::new(),
        role: text("operator"),
        reason: String::new(),
        at: Timestamp::UNIX_EPOCH,
        card: String::new(),
        text: text("done"),
        signature: Json::Null,
    }
}

fn entry(receipt: &Receipt) -> Entry {
    Entry::of(receipt, &Queue::Stays)
}

fn actions(receipt: &Receipt) -> i64 {
    Day::of(receipt, &entry(receipt)).iter().map(|day| day.actions).sum()
}

#[test]
fn an_answer_that_did_not_count_is_no_action_and_the_refused_request_is_one() {
    let receipt = unheard().receipt;
    assert_eq!(actions(&receipt), 0);
    let gate = Gate { gate: "policy".into(), passed: true, facts: json!({}) };
    assert_eq!(actions(&Receipt { gates: vec![gate], ..receipt.clone() }), 1, "of the dry run");
    assert_eq!(actions(&Receipt { key: "cs-1".into(), ..receipt.clone() }), 1, "a refused claim");
    assert_eq!(actions(&Receipt { proposal_id: String::new(), ..receipt }), 1, "a refused plan");
}

#[test]
fn a_word_that_the_read_contradicts_settles_nothing() {
    let word = Receipt { grants: vec![finish("cleo")], key: "cs-1".into(), ..unheard().receipt };
    assert!(entry(&word).settles);
    assert_eq!(actions(&word), 1);
    let contradicted = Receipt { code: Code::HumanDisagrees.name().to_owned(), ..word };
    assert!(!entry(&contradicted).settles);
    assert_eq!(actions(&contradicted), 0);
}

#[test]
fn a_planner_s_own_name_of_a_tool_is_not_kept() {
    let receipt = Receipt { tool: "Ann Smith".into(), ..unheard().receipt };
    let named = Receipt { contract: "d".into(), ..receipt.clone() };
    let unnamed = Receipt { contract: String::new(), ..receipt };
    assert_eq!((entry(&named).tool.as_str(), entry(&unnamed).tool.as_str()), ("Ann Smith", ""));
}
