//! A customer's message becomes one verified, receipted action.

use countersign::pki::Role;
use countersign_proto::v1;
use countersign_proto::v1::planner_client::PlannerClient;
use countersign_shared::mtls::Channel;
use countersign_shared::receipt::{Receipt, opened};
use countersign_shared::tlog::key::VerifierKey;
use countersign_shared::tlog::proof::LogProof;

use super::support::pair::Pair;
use super::support::people::Customer;
use super::support::plans::{Desk, refusal};

#[tokio::test(flavor = "multi_thread")]
async fn action_flow_cancels_once_and_proves_it() {
    let pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let done = desk.cancel("1001").await.unwrap();
    assert_eq!(done.outcome(), v1::Outcome::Applied, "{done:?}");
    assert_eq!(done.state(), v1::ActionState::Sealed);
    assert!(done.said.contains("#1001") && done.said.contains(&done.receipt_id), "{}", done.said);
    // The ledger is the oracle: one cancellation, through our credential.
    let effects = pair.effects();
    assert_eq!(effects.iter().filter(|e| e.kind == "order_cancelled").count(), 1, "{effects:?}");
    assert!(effects.iter().all(|e| e.by == "sandbox" && e.name == "#1001"), "{effects:?}");
    assert_eq!(pair.mutations(), 1);

    let receipt = receipt(&pair, &done.receipt_id).await;
    assert_eq!(receipt.outcome, "applied");
    assert_eq!(receipt.asked.subject, "customer1@example.com");
    assert!(receipt.asked.caller.ends_with("/planner"));
    assert_eq!(receipt.backend.as_ref().unwrap().credential, "shopify_token");
    assert_eq!(receipt.attempts.len(), 1);
    assert_eq!(receipt.attempts[0].status, Some(200));
    assert_eq!(receipt.grants.len(), 1);
    assert!(receipt.gates.iter().any(|g| g.gate == "subject" && g.passed));
    assert_eq!(receipt.verification.evidence, ["response", "read_back"]);
    assert_eq!(receipt.arguments[0].from, "observation");
    assert!(!receipt.before.is_null() && !receipt.after.is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn action_flow_answers_a_repeat_with_the_first_receipt() {
    let pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let proposal = desk.propose_cancel("1001").await.unwrap();
    let yes = desk.yes(&proposal);
    let first = desk.execute(&proposal, &yes).await.unwrap();
    // The same call again is a replay, not a second action.
    let again = desk.execute(&proposal, &yes).await.unwrap();
    assert_eq!(again.receipt_id, first.receipt_id);
    // Asked anew, here and in another conversation.
    for conversation in ["c1", "c2"] {
        let mut desk = Desk::new(&pair, pair.customer(1), conversation);
        let refused = refusal(desk.propose_cancel("1001").await);
        assert_eq!(refused.code, "ALREADY_DONE");
        assert_eq!(refused.receipt_id.as_deref(), Some(first.receipt_id.as_str()));
    }
    assert_eq!(pair.mutations(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn action_flow_is_watched_to_its_end() {
    let pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let done = desk.cancel("1001").await.unwrap();
    let request = v1::WatchActionRequest {
        subject_token: desk.who.token.clone(),
        action_id: done.action_id.clone(),
    };
    let mut steps = desk.client.watch_action(request).await.unwrap().into_inner();
    let mut last = None;
    while let Some(step) = steps.message().await.unwrap() {
        last = step.action;
    }
    assert_eq!(last.unwrap().receipt_id, done.receipt_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn action_flow_takes_two_callers_at_once_as_one() {
    let pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let proposal = desk.propose_cancel("1001").await.unwrap();
    let yes = desk.yes(&proposal);
    let mut calls = Vec::new();
    for _ in 0..8 {
        let (mut client, token) = (desk.client.clone(), desk.who.token.clone());
        let (id, confirmation) = (proposal.proposal_id.clone(), yes.clone());
        calls.push(tokio::spawn(async move {
            let target = v1::execute_request::Target::ProposalId(id);
            let request = v1::ExecuteRequest {
                subject_token: token,
                target: Some(target),
                messages: vec![],
                confirmation,
            };
            client.execute(request).await
        }));
    }
    let mut receipts = std::collections::BTreeSet::new();
    for call in calls {
        if let Ok(answer) = call.await.unwrap() {
            receipts.insert(answer.into_inner().action.unwrap().receipt_id);
        }
    }
    assert_eq!(receipts.len(), 1, "one receipt for all who waited: {receipts:?}");
    assert_eq!(pair.mutations(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn action_flow_refunds_the_jacket_of_two_items() {
    use super::support::plans::{fields, list, model, seen, step, value};
    let pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let order = desk.order("1001").await.unwrap();
    let id = || seen(&order, "/orders/0/id");
    let whole = desk.read(step("shopify.get_order", vec![("order_id", id())])).await.unwrap();
    let lines = value(&whole)["lines"].as_array().unwrap().clone();
    let jacket = lines.iter().position(|l| l["title"] == "Denim Jacket").unwrap();
    let line = fields(vec![
        ("line_id", seen(&whole, &format!("/lines/{jacket}/id"))),
        ("quantity", model(&serde_json::json!(1))),
    ]);
    let arguments = vec![("order_id", id()), ("lines", list(vec![line]))];
    let proposal = desk.propose(step("shopify.refund_lines", arguments)).await.unwrap();
    // The amount is the shop's own, never the model's.
    assert_eq!((proposal.amount.as_str(), proposal.currency.as_str()), ("89.00", "USD"));
    let yes = desk.yes(&proposal);
    let done = desk.execute(&proposal, &yes).await.unwrap();
    assert_eq!(done.outcome(), v1::Outcome::Applied, "{done:?}");
    let refunds: Vec<_> =
        pair.effects().into_iter().filter(|e| e.kind == "refund_created").collect();
    assert_eq!(refunds.len(), 1);
    assert!(refunds[0].idempotency_key.as_ref().is_some_and(|k| k.starts_with("cs-")));
}

#[tokio::test(flavor = "multi_thread")]
async fn action_flow_holds_a_whole_conversation() {
    let pair = Pair::start().await;
    let who = pair.customer(1);
    let first = converse(&pair, &who, "m1", "please cancel my order #1001", None).await;
    let card = first.card.expect("a card is shown");
    assert!(card.text.contains("#1001"), "{}", card.text);
    assert!(pair.effects().is_empty(), "nothing happens before the yes");
    let second = converse(&pair, &who, "m2", "yes", Some(&card)).await;
    let turn = second.turn;
    assert_eq!(turn.intent(), v1::Intent::Action);
    assert_eq!(turn.actions.len(), 1, "{turn:?}");
    assert_eq!(turn.actions[0].outcome(), v1::Outcome::Applied, "{turn:?}");
    assert!(turn.reply.contains(&turn.actions[0].receipt_id), "{}", turn.reply);
    assert_eq!(pair.effects().iter().filter(|e| e.kind == "order_cancelled").count(), 1);
    let receipt = receipt(&pair, &turn.actions[0].receipt_id).await;
    assert_eq!(receipt.asked.messages[0].id, "m1", "the words that it rests on");
    assert_eq!(receipt.asked.model, "offline");
    let third = converse(&pair, &who, "m3", "cancel order #1001", None).await.turn;
    assert_eq!(third.actions[0].code, "ALREADY_DONE", "{third:?}");
    assert_eq!(third.actions[0].receipt_id, turn.actions[0].receipt_id);
    assert_eq!(pair.mutations(), 1);
}

pub struct Said {
    pub card: Option<v1::Card>,
    pub turn: v1::Turn,
}

pub async fn converse(
    pair: &Pair,
    who: &Customer,
    id: &str,
    text: &str,
    yes_to: Option<&v1::Card>,
) -> Said {
    converse_with(&pair.planner(), pair, who, id, text, yes_to).await
}

/// The same with another planner than the pair's.
pub async fn converse_with(
    planner: &PlannerClient<Channel>,
    pair: &Pair,
    who: &Customer,
    id: &str,
    text: &str,
    yes_to: Option<&v1::Card>,
) -> Said {
    use v1::converse_response::Event;
    let request = v1::ConverseRequest {
        subject_token: who.token.clone(),
        conversation_id: "chat-1".into(),
        message: Some(pair.frontend.message(who, "chat-1", id, text)),
        confirmation: yes_to.map(|c| pair.frontend.yes(who, "chat-1", c)).unwrap_or_default(),
        external_ref: String::new(),
        confirm_by_link: false,
        edited: false,
        branch: String::new(),
    };
    let mut events = planner.clone().converse(request).await.unwrap().into_inner();
    let mut card = None;
    while let Some(event) = events.message().await.unwrap() {
        match event.event.unwrap() {
            Event::Progress(_) => {}
            Event::Card(shown) => card = Some(shown),
            Event::Turn(turn) => return Said { card, turn },
        }
    }
    panic!("the stream ended without a turn");
}

/// An action's receipt, its place in the log proved against the public key.
pub async fn receipt(pair: &Pair, id: &str) -> Receipt {
    let mut audit = pair.audit(Role::Auditor);
    let request = v1::GetReceiptRequest { subject_token: String::new(), receipt_id: id.to_owned() };
    let sealed = audit.get_receipt(request).await.unwrap().into_inner().receipt.unwrap();
    let request =
        v1::GetInclusionProofRequest { subject_token: String::new(), receipt_id: id.to_owned() };
    let proof = audit.get_inclusion_proof(request).await.unwrap().into_inner().tlog_proof;
    let key = VerifierKey::parse(&pair.log_key()).unwrap();
    LogProof::parse(proof.as_bytes()).unwrap().verify(&key, &sealed.body).unwrap();
    opened(&sealed.body, &sealed.openings).unwrap()
}
