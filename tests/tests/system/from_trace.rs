//! A conversation that was held becomes a scenario that plays as it went.

use std::fs;

use countersign::pki::Role;
use countersign_proto::v1;
use countersign_tests::sandbox::StaffAct;

use super::support::pair::Pair;

const TICKET: &str = "T-7";
/// What the contract says of a cancellation, as a pattern in the file.
const CANCELLED: &str =
    r"Order .* is cancelled\\. .* goes back to your original payment method\\. Receipt .*\\.";

/// Says it, with a signed yes to this card; answers with the card that is shown.
async fn say(pair: &Pair, n: u32, text: &str, yes_to: Option<v1::Card>) -> Option<v1::Card> {
    use v1::converse_response::Event;
    let who = pair.customer(1);
    let yes = yes_to.map(|card| pair.frontend.yes(&who, "c1", &card)).unwrap_or_default();
    let request = v1::ConverseRequest {
        subject_token: who.token.clone(),
        conversation_id: "c1".into(),
        message: Some(pair.frontend.message(&who, "c1", &format!("m{n}"), text)),
        confirmation: yes,
        external_ref: TICKET.into(),
        ..v1::ConverseRequest::default()
    };
    let mut events = pair.planner().converse(request).await.unwrap().into_inner();
    let mut card = None;
    while let Some(event) = events.message().await.unwrap() {
        match event.event.unwrap() {
            Event::Card(shown) => card = Some(shown),
            Event::Progress(_) | Event::Turn(_) => {}
        }
    }
    card
}

fn run(pair: &Pair, words: &[&str], role: Option<Role>) -> (bool, String) {
    let flags = role.map(|role| pair.executor_flags(role)).unwrap_or_default();
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    pair.command(&[words, &flags].concat())
}

/// Waits until the executor was told of the last turn.
async fn told(pair: &Pair, turns: usize) {
    let asked = v1::FindRequest { external_ref: TICKET.into(), ..v1::FindRequest::default() };
    let mut audit = pair.audit(Role::Auditor);
    for _ in 0..200 {
        if audit.find(asked.clone()).await.unwrap().into_inner().turns.len() == turns {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the turns were not told");
}

#[tokio::test(flavor = "multi_thread")]
async fn from_trace_plays_as_it_went_and_fails_where_it_is_said_to_go_otherwise() {
    let pair = Pair::start().await;
    pair.sandbox.staff("#1003", &StaffAct::Refund { amount: Some("5.00".into()) }).unwrap();
    let words = [
        "refund one pair of the boot socks from order #1003",
        "yes",
        "change the address of order #1004 to 5 Elm Street, Portland, ME 04101",
        "yes",
        "cancel order #1001",
    ];
    let mut card = None;
    for (n, text) in (1..).zip(words) {
        card = say(&pair, n, text, card.filter(|_| text == "yes")).await;
    }
    // While the card waits, a colleague ships; the yes to it comes too late.
    pair.sandbox.staff("#1001", &StaffAct::Fulfill { tracking_number: None }).unwrap();
    let _none = say(&pair, 6, "yes", card).await;
    let _none = say(&pair, 7, words[0], None).await;
    told(&pair, 7).await;

    let words = ["eval", "from-trace", "--ticket", TICKET, "--out", "made.yaml"];
    let (made, said) = run(&pair, &words, Some(Role::Auditor));
    assert!(made, "{said}");
    let text = fs::read_to_string(pair.path("made.yaml")).unwrap();
    for personal in ["Elm", "04101", "Portland", "by hand"] {
        assert!(!text.contains(personal), "{personal}: {text}");
    }
    for part in [
        "{ order: \"#1003\", act: \"refund\", amount: \"5.00\" }",
        "{ meanwhile: { staff: { order: \"#1001\", act: \"fulfill\" } } }",
        "{ say: \"change the address of order #1004 to 1 Sample Street, Sampleton, ME 11111\" }",
        "ALREADY_DONE",
        "\"refund_created #1003 USD 12.0\"",
        CANCELLED,
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (passed, said) = run(&pair, &["eval", "made.yaml"], None);
    assert!(passed, "{said}\n{text}");

    // Each thing that is expected can fail.
    for (right, wrong) in [
        ("refund_created #1003 USD 12.0", "refund_created #1003 USD 13.0"),
        ("ALREADY_DONE", "ORDER_FULFILLED"),
        ("Receipt rcp_", "Receipt nobody_"),
        (CANCELLED, "Refunded .* on order"),
        ("Sampleton\"", "Samplewick\""),
    ] {
        assert!(text.contains(right), "{right}: {text}");
        fs::write(pair.path("wrong.yaml"), text.replacen(right, wrong, 1)).unwrap();
        let (passed, said) = run(&pair, &["eval", "wrong.yaml"], None);
        assert!(!passed, "{right}: {said}");
    }

    let kept = run(&pair, &["eval", "from-trace", "--ticket", TICKET, "--keep-personal"], {
        Some(Role::Auditor)
    });
    assert!(kept.0 && kept.1.contains("5 Elm Street, Portland, ME 04101"), "{}", kept.1);
    let (found, said) =
        run(&pair, &["eval", "from-trace", "--ticket", "T-none"], Some(Role::Auditor));
    assert!(!found && said.contains("audit find"), "{said}");
}
