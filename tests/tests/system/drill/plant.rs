//! Six things that go wrong, each as it would.

use std::pin::Pin;

use countersign_proto::v1;
use countersign_tests::sandbox::{Fault, StaffAct};
use serde_json::{Value, json};

use super::complaint::{Complaint, day};
use super::house::{House, email, order};
use crate::approvals::answer;
use crate::support::plans::{Desk, fields, list, model, seen, step, value};

/// Plants one at a place.
pub type Plant = for<'h> fn(&'h House, usize) -> Pin<Box<dyn Future<Output = Complaint> + 'h>>;

/// All of them.
pub const ALL: [Plant; 6] = [
    |house, n| Box::pin(wrong_entity(house, n)),
    |house, n| Box::pin(stale_approval(house, n)),
    |house, n| Box::pin(lying_backend(house, n)),
    |house, n| Box::pin(policy_edit(house, n)),
    |house, n| Box::pin(duplicate_ask(house, n)),
    |house, n| Box::pin(model_invention(house, n)),
];

fn desk(house: &House, n: usize) -> Desk<'_> {
    Desk::new(&house.pair, house.customer(n), &format!("c{n}"))
}

/// Tells a turn of a planner that is driven by hand: its message, and what it asked.
async fn tell(desk: &mut Desk<'_>, message: usize, calls: Value, reply: &str) {
    let told = json!({
        "heard": "new", "intent": "action", "reply": reply, "calls": calls,
        "models": [{ "model": "by-hand", "input_tokens": 900, "output_tokens": 40,
                     "latency_ms": 800, "decided": "tool" }],
    });
    let request = v1::RecordTurnRequest {
        subject_token: desk.who.token.clone(),
        conversation_id: desk.conversation.clone(),
        external_ref: "T-1".into(),
        message: desk.words.get(message).cloned(),
        told_json: told.to_string(),
    };
    desk.client.record_turn(request).await.unwrap();
}

/// The words name one order, the plan points to another, and the customer says yes to a
/// card that they did not read.
async fn wrong_entity(house: &House, n: usize) -> Complaint {
    let mut desk = desk(house, n);
    let said = format!("please cancel order #{}", order(n));
    desk.say(&said, "order");
    let orders = desk.read(step("shopify.list_orders", vec![])).await.unwrap();
    let all = value(&orders)["orders"].as_array().unwrap().clone();
    let at = all.iter().position(|order| order["name"] == "#1004").unwrap();
    let pointer = format!("/orders/{at}/id");
    let plan = step("shopify.cancel_order", vec![("order_id", seen(&orders, &pointer))]);
    let proposal = desk.propose(plan).await.unwrap();
    let from = format!("observation {} {pointer}", orders.observation_id);
    let call = json!({ "what": "propose", "tool": "shopify.cancel_order",
                       "arguments": { "order_id": from }, "proposal": proposal.proposal_id });
    tell(&mut desk, 0, json!([call]), "Please confirm the card.").await;
    let yes = desk.yes(&proposal);
    let done = desk.execute(&proposal, &yes).await.unwrap();
    assert_eq!(done.outcome(), v1::Outcome::Applied, "{done:?}");
    tell(&mut desk, 9, json!([executed(&done)]), &done.said).await;
    let names = format!("names {}", order(n));
    Complaint::of(email(n), "wrong_entity", &[&names, "is #1004", &orders.observation_id])
}

fn executed(action: &v1::Action) -> Value {
    json!({ "what": "execute", "receipt": action.receipt_id, "action": action.action_id,
            "proposal": action.proposal_id, "code": action.code })
}

/// One of two has approved a refund when a colleague refunds a part in the shop itself.
async fn stale_approval(house: &House, n: usize) -> Complaint {
    let mut desk = desk(house, n);
    let found = desk.order("1001").await.unwrap();
    let whole = desk.whole(&found).await.unwrap();
    let refund = desk.refund_step(&found, &whole);
    let proposal = desk.propose(refund).await.unwrap();
    let call = json!({ "what": "propose", "tool": "shopify.refund_lines",
                       "proposal": proposal.proposal_id });
    tell(&mut desk, 0, json!([call]), "Please confirm the card.").await;
    let yes = desk.yes(&proposal);
    let parked = desk.execute(&proposal, &yes).await.unwrap();
    tell(&mut desk, 9, json!([executed(&parked)]), "A colleague has to approve this.").await;
    let (done, said) = answer(&house.pair, "approve", "bob", &proposal.proposal_id);
    assert!(done, "{said}");
    let act = StaffAct::Refund { amount: Some("1.00".to_owned()) };
    house.pair.sandbox.staff("#1001", &act).unwrap();
    let (done, said) = answer(&house.pair, "approve", "carol", &proposal.proposal_id);
    assert!(!done && said.contains("STATE_CHANGED"), "{said}");
    Complaint::of(email(n), "stale_approval", &["bob (finance) approved", "PARTIALLY_REFUNDED"])
}

/// The shop answers 200 and does nothing.
async fn lying_backend(house: &House, n: usize) -> Complaint {
    let conversation = format!("c{n}");
    let text = format!("please cancel my order #{}", order(n));
    let asked = house.say(n, &conversation, "m1", &text, None).await;
    house.pair.sandbox.fault(Fault::NoEffect);
    let done = house.say(n, &conversation, "m2", "yes", asked.card.as_ref()).await;
    assert_eq!(done.actions[0].code, "VERIFY_MISMATCH", "{}", done.reply);
    Complaint::of(email(n), "lying_backend", &["sandbox-shop said yes", "HTTP 200"])
}

/// A card is shown, and before it is confirmed another policy takes effect.
async fn policy_edit(house: &House, n: usize) -> Complaint {
    let conversation = format!("c{n}");
    let text = format!("please cancel my order #{}", order(n));
    let asked = house.say(n, &conversation, "m1", &text, None).await;
    let says = ["ann and ben", "LIMIT_EXCEEDED", "let this through"];
    let late = asked.card.map(|card| (n, card));
    Complaint { late, ..Complaint::of(email(n), "policy_edit", &says) }
}

/// The customer of a late card says yes.
pub async fn confirm_late(house: &House, complaint: &mut Complaint) {
    let (n, card) = complaint.late.take().unwrap();
    let done = house.say(n, &format!("c{n}"), "m2", "yes", Some(&card)).await;
    assert_eq!(done.actions[0].code, "LIMIT_EXCEEDED", "{}", done.reply);
    complaint.day = day();
}

/// The same order is cancelled once more, in another conversation.
async fn duplicate_ask(house: &House, n: usize) -> Complaint {
    assert_eq!(house.cancel(n).await, "applied");
    let text = format!("cancel order #{}", order(n));
    let again = house.say(n, &format!("c{n}-again"), "m1", &text, None).await;
    assert_eq!(again.actions[0].code, "ALREADY_DONE", "{}", again.reply);
    let says = format!("conversation c{n}-again");
    Complaint::of(email(n), "duplicate_ask", &[&says, "ALREADY_DONE"])
}

/// The model refunds two of something of which nobody said how many.
async fn model_invention(house: &House, n: usize) -> Complaint {
    let mut desk = desk(house, n);
    let found = desk.order(&order(n)).await.unwrap();
    desk.say("the postcards came damaged, a refund please", "postcards");
    let whole = desk.whole(&found).await.unwrap();
    let line =
        fields(vec![("line_id", seen(&whole, "/lines/0/id")), ("quantity", model(&json!(2)))]);
    let id = seen(&found, "/orders/0/id");
    let plan = step("shopify.refund_lines", vec![("order_id", id), ("lines", list(vec![line]))]);
    let proposal = desk.propose(plan).await.unwrap();
    let call = json!({ "what": "propose", "tool": "shopify.refund_lines",
                       "proposal": proposal.proposal_id });
    tell(&mut desk, 0, json!([]), "What about it?").await;
    tell(&mut desk, 1, json!([call]), "Please confirm the card.").await;
    let yes = desk.yes(&proposal);
    let done = desk.execute(&proposal, &yes).await.unwrap();
    assert_eq!(done.outcome(), v1::Outcome::Applied, "{done:?}");
    Complaint::of(email(n), "model_invention", &["lines[0].quantity = 2", "(by-hand)"])
}
