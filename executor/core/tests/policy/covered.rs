//! Each guardrail is seen where it stands, and missed where it was taken away.

use countersign_core::contract::Catalog;
use countersign_core::contract::load::pack;
use countersign_core::coverage::{self, Guardrail, NAMES, Stands};

use crate::bundle::{READ, REFUND, policy, shipped, with};
use crate::packs::{Files, files, packs};

fn report(pack_files: &Files, policy_files: &Files, tool: &str) -> Vec<Guardrail> {
    let loaded = pack(pack_files);
    let problems: Vec<_> = loaded.problems.iter().map(ToString::to_string).collect();
    let loaded = loaded.pack.unwrap_or_else(|| panic!("{}", problems.join("\n")));
    let catalog = Catalog::load([loaded]).unwrap();
    coverage::of(&catalog.tools[tool], &policy(policy_files))
}

fn missing(guardrails: &[Guardrail]) -> Vec<&'static str> {
    let missing = guardrails.iter().filter(|guardrail| guardrail.stands == Stands::No);
    missing.map(|guardrail| guardrail.name).collect()
}

fn pack_files() -> Files {
    files(&packs().join("shopify"))
}

/// The contract of refunds with one part exchanged.
fn without(from: &str, to: &str) -> Files {
    let mut files = pack_files();
    let text = files.get_mut("contracts/refund_lines.yaml").unwrap();
    assert!(text.contains(from), "{from}");
    *text = text.replace(from, to);
    files
}

#[test]
fn coverage_report_of_what_ships() {
    let refund = report(&pack_files(), &shipped(), REFUND);
    assert_eq!(refund.len(), 11);
    assert!(refund.iter().map(|guardrail| guardrail.name).eq(NAMES));
    // How many pieces may be the model's own words: the customer sees it on the card.
    assert_eq!(missing(&refund), ["references", "approval"]);
    let read = report(&pack_files(), &shipped(), READ);
    assert_eq!(missing(&read), [""; 0]);
    assert_eq!(coverage::count(&read), (4, 4));
}

#[test]
fn coverage_report_misses_each_guardrail_that_is_taken_away() {
    let told = [
        (
            "from: [observation, utterance]\n    about: Which order.",
            "from: [observation, model]\n    about: Which order.",
            "references",
        ),
        (
            "confidence: { floor: 0.85, over: [ { amount: { USD: \"100.00\", EUR: \"100.00\", GBP: \"100.00\" }, floor: 0.9 } ] }",
            "confidence: { floor: 0.0 }",
            "confidence",
        ),
        ("confirm: customer\n", "confirm: none\n", "confirmation"),
        (
            "  probe: { on: 2026-11-21, source: \"https://shopify.dev/docs/api/usage/idempotent-requests\" }\n",
            "",
            "one effect",
        ),
    ];
    for (from, to, name) in told {
        let refund = report(&without(from, to), &shipped(), REFUND);
        assert!(missing(&refund).contains(&name), "{name}: {refund:#?}");
        let found = refund.iter().find(|guardrail| guardrail.name == name).unwrap();
        assert!(!found.add.is_empty() && !found.how.is_empty());
    }
    let settings = shipped()["settings.yaml"].clone();
    let elsewhere = settings.replace("tools: [\"*\"]", "tools: [\"shopify.change_address\"]");
    let unlimited = with("settings.yaml", &elsewhere);
    assert!(missing(&report(&pack_files(), &unlimited, REFUND)).contains(&"limits"));
    let approved = settings.replace("mode: auto }\n", "mode: approve, by: [support_lead] }\n");
    assert_ne!(approved, settings);
    let approved = report(&pack_files(), &with("settings.yaml", &approved), REFUND);
    assert!(!missing(&approved).contains(&"approval"));
    assert_eq!(approval(&approved), (Stands::Yes, "support_lead by mode"));
    let over = "confirm: customer\napprove:\n  - { over: { USD: \"50.00\" }, within: 30d, by: [support_lead] }\n";
    let over = report(&without("confirm: customer\n", over), &shipped(), REFUND);
    assert!(!missing(&over).contains(&"approval"), "{over:#?}");
}

fn approval(guardrails: &[Guardrail]) -> (Stands, &str) {
    let found = guardrails.iter().find(|guardrail| guardrail.name == "approval").unwrap();
    (found.stands, &found.how)
}

/// The refund under these lines of `modes`.
fn under(modes: &str) -> Vec<Guardrail> {
    let settings = shipped()["settings.yaml"].clone();
    let auto = "  - { tools: [\"shopify.*\"], mode: auto }\n";
    let lines = settings.replace(auto, modes);
    assert_ne!(lines, settings);
    report(&pack_files(), &with("settings.yaml", &lines), REFUND)
}

#[test]
fn coverage_report_counts_no_approval_below_the_line_that_takes_everybody() {
    let below = under(
        r#"  - { tools: ["shopify.*"], channel: web-chat, mode: auto }
  - { tools: ["shopify.*"], share: 1.0, mode: auto }
  - { tools: ["shopify.refund_lines"], mode: approve, by: [support_lead] }
"#,
    );
    let (stands, _) = approval(&below);
    assert_eq!(stands, Stands::No);
}

#[test]
fn coverage_report_says_for_whom_alone_a_mode_asks() {
    let narrowed = under(
        r#"  - { tools: ["shopify.*"], segment: b2b, share: 0.1, mode: approve, by: [support_lead] }
  - { tools: ["shopify.*"], mode: auto }
"#,
    );
    let told = "support_lead by mode, only for 10 % of the subjects, segment b2b";
    assert_eq!(approval(&narrowed), (Stands::Yes, told));
    let exempt = under(
        r#"  - { tools: ["shopify.*"], channel: web-chat, mode: auto }
  - { tools: ["shopify.*"], mode: approve, by: [support_lead] }
"#,
    );
    let told = "nobody for channel web-chat; support_lead by mode";
    assert_eq!(approval(&exempt), (Stands::Yes, told));
}

#[test]
fn coverage_report_misses_an_owner_and_what_the_state_must_be() {
    let told = |guardrails: &[Guardrail], name: &str| {
        let found = guardrails.iter().find(|guardrail| guardrail.name == name).unwrap();
        (found.stands, found.add)
    };
    let mut anybody = pack_files();
    let contract = anybody.get_mut("contracts/get_order.yaml").unwrap();
    let public = contract.replace("subject: customer_id == subject.customer_id\n", "");
    assert_ne!(*contract, public);
    *contract = public;
    let (stands, add) = told(&report(&anybody, &shipped(), READ), "owner");
    assert_eq!(stands, Stands::No);
    assert!(add.contains("add `subject`"), "{add}");

    let mut whatever = pack_files();
    let contract = whatever.get_mut("contracts/refund_lines.yaml").unwrap();
    let (before, rest) = contract.split_once("require:\n").unwrap();
    let (_, after) = rest.split_once("intent:").unwrap();
    *contract = format!("{before}intent:{after}");
    let (stands, add) = told(&report(&whatever, &shipped(), REFUND), "fresh state");
    assert_eq!(stands, Stands::No);
    assert!(add.contains("add `require`"), "{add}");
}
