//! What a running executor sealed is derived again from nothing but its receipts and the
//! bundles that it kept; what was altered is found, and a policy is tried on the past.

use std::fs;

use countersign::pki::Role;
use serde_json::{Value as Json, json};

use super::support::pair::Pair;
use super::support::plans::{Desk, model, refusal, seen, step};

/// Done, refused in many ways, and taken back.
async fn a_day(pair: &Pair) {
    let mut desk = Desk::new(pair, pair.customer(1), "c1");
    desk.cancel("1001").await.unwrap();
    let order = desk.order("1002").await.unwrap();
    let id = || seen(&order, "/orders/0/id");
    for number in ["9999", "2001"] {
        refusal(desk.order(number).await);
        let gid = format!("gid://shopify/Order/{number}");
        let span = desk.say(&format!("cancel {gid}"), &gid);
        refusal(desk.propose(step("shopify.cancel_order", vec![("order_id", span)])).await);
    }
    refusal(desk.propose_cancel("1002").await);
    refusal(desk.propose(step("shopify.launch_rocket", vec![("order_id", id())])).await);
    let typed = model(&json!("gid://shopify/Order/1002"));
    refusal(desk.propose(step("shopify.cancel_order", vec![("order_id", typed)])).await);
    let mut unsure = desk.plan(vec![step("shopify.cancel_order", vec![("order_id", id())])]);
    for score in [0.5, f64::NAN, 7.0] {
        unsure.confidence.as_mut().unwrap().score = score;
        refusal(desk.propose_plan(unsure.clone()).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn decision_replay_of_a_running_executor() {
    let pair = Pair::executor_only().await;
    a_day(&pair).await;
    let flags = pair.executor_flags(Role::Auditor);
    let run = |words: &[&str]| pair.command(words);
    let at = |words: &[&str]| {
        let flags = flags.iter().map(String::as_str);
        run(&words.iter().copied().chain(flags).collect::<Vec<_>>())
    };
    let (good, said) = at(&["audit", "replay", "--all"]);
    assert!(good && said.contains("derived identically") && !said.contains("DIFFER"), "{said}");
    let (good, said) = at(&["audit", "bundles", "bundles"]);
    assert!(good && said.contains("2 policies and packs"), "{said}");

    // From here on the executor is not needed any more.
    let (good, lines) = at(&["receipts", "list", "--limit", "1000", "--json"]);
    assert!(good && lines.lines().count() > 8, "{lines}");
    fs::write(pair.path("past.jsonl"), &lines).unwrap();
    let offline = ["--receipts", "past.jsonl", "--bundles", "bundles"];
    let (good, said) = run(&[&["audit", "replay", "--all"], &offline[..]].concat());
    assert!(good, "{said}");

    // One gate turned over, one state altered: both are found, and named.
    let applied = lines.lines().find(|line| line.contains("\"outcome\":\"applied\"")).unwrap();
    let receipt: Json = serde_json::from_str(applied).unwrap();
    for (pointer, value, says) in [
        ("/gates/1/passed", json!(false), "gates[1].passed"),
        ("/code", json!("REPLY_LOST"), "code"),
        ("/facts/0/ask/basis/at", json!("2026-01-01T00:00:00Z"), "the receipt says"),
    ] {
        let mut altered = receipt.clone();
        *altered.pointer_mut(pointer).unwrap() = value;
        fs::write(pair.path("past.jsonl"), altered.to_string()).unwrap();
        let (good, said) = run(&[&["audit", "replay", "--all"], &offline[..]].concat());
        assert!(!good && said.contains(says), "{pointer}: {said}");
    }

    // A policy under which nobody would have been let through.
    fs::write(pair.path("past.jsonl"), &lines).unwrap();
    let rule = "\n@id(\"closed\")\nforbid (principal, action == Action::\"propose\", resource);\n";
    let edit = |name: &str, text: String| {
        if name == "policy.cedar" { format!("{text}{rule}") } else { text }
    };
    pair.change_policy(edit, &[]);
    let try_it = |since: &str| {
        let words = ["audit", "backtest", "--json", "--policy", "policy", "--since", since];
        let (good, said) = run(&[&words[..], &offline[..]].concat());
        assert!(good, "{said}");
        serde_json::from_str::<Json>(said.lines().next().unwrap()).unwrap()
    };
    let told = try_it("2026-01-01");
    let asks = json!({ "goes": ["customer"] });
    let side = told["different"].as_array().unwrap().iter().find(|side| side["was"] == asks);
    let side = side.unwrap_or_else(|| panic!("{told:#}"));
    assert_eq!(side["would"], json!({ "refused": "POLICY_FORBIDS" }));
    assert_eq!((&side["actions"], &side["receipts"][0]), (&json!(1), &receipt["receipt_id"]));
    assert_eq!(side["money"][0]["amount"], receipt["money"]["amount"]);
    assert_eq!(try_it("2099-01-01")["changed"], 0);
}
