//! The pack `stripe` through real processes: keys, markers and guards as Stripe keeps them.

use std::path::Path;
use std::time::Duration;

use countersign_proto::v1::{self, Outcome};
use countersign_tests::sandbox::{Effect, Fault, FaultSpec, StripeAct};
use jiff::Timestamp;
use serde_json::json;

use super::action_flow::receipt;
use super::support::pair::{ISSUER, Pair};
use super::support::people::Customer;
use super::support::plans::{Desk, refusal, seen, step};

/// What the policy says of customers and this pack.
pub const PERMIT: &str = r#"
@id("stripe-for-customers")
permit (
    principal is Customer,
    action in [Action::"read", Action::"propose", Action::"execute", Action::"confirm"],
    resource in Pack::"stripe"
)
when { principal.strength >= 2 };
"#;

/// A pair that knows Stripe too, with the pack as `edit` leaves each of its files.
async fn pair_with(edit: impl Fn(String) -> String) -> Pair {
    let mut pair = Pair::executor_only().await;
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../executor/packs/stripe");
    let own = pair.path("packs/stripe");
    std::fs::create_dir_all(own.join("contracts")).unwrap();
    std::fs::copy(shipped.join("connector.yaml"), own.join("connector.yaml")).unwrap();
    for file in std::fs::read_dir(shipped.join("contracts")).unwrap().map(Result::unwrap) {
        let text = edit(std::fs::read_to_string(file.path()).unwrap());
        std::fs::write(own.join("contracts").join(file.file_name()), text).unwrap();
    }
    let connector = std::fs::read_to_string(own.join("connector.yaml")).unwrap();
    // Stripe may need longer; the rule is the same.
    let quick = connector.replace("quiet_period: 80s", "quiet_period: 1s");
    std::fs::write(own.join("connector.yaml"), quick.replace("timeout: 20s", "timeout: 2s"))
        .unwrap();
    pair.change_policy(
        |name, text| match name {
            "policy.cedar" => text + PERMIT,
            "settings.yaml" => text.replace(
                "  - { tools: [\"shopify.*\"], mode: auto }\n",
                "  - { tools: [\"shopify.*\", \"stripe.*\"], mode: auto }\n",
            ),
            _ => text,
        },
        &[],
    );
    let packs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../executor/packs/shopify");
    let packs = format!("[\"{}\"", packs.display());
    pair.change_config(&packs, &format!("{packs}, \"packs/stripe\""));
    pair.change_config("[email, customer_id]", "[email, customer_id, stripe_customer]");
    let url = pair.sandbox.base_url();
    pair.add_config(&format!(
        "  - {{ tenant: demo-shop, pack: stripe, account: acct_sandbox, base_url: \"{url}\", \
         credential: shopify_token, egress: {{ hosts: [\"127.0.0.1\"], \
         private_networks: [\"127.0.0.0/8\"], plain_http: true }} }}\n"
    ));
    pair.restart_executor();
    pair
}

async fn pair() -> Pair {
    pair_with(|text| text).await
}

fn customer(pair: &Pair, number: u32) -> Customer {
    let (now, email) = (Timestamp::now().as_second(), format!("customer{number}@example.com"));
    let token = pair.issuer.sign(&json!({
        "iss": ISSUER, "aud": "countersign", "sub": email, "iat": now, "exp": now + 3600,
        "email": email, "stripe_customer": format!("cus_Sandbox{number}"),
    }));
    Customer { email, token }
}

/// Proposes to refund what is left of the customer's latest payment.
async fn propose_refund(desk: &mut Desk<'_>) -> Result<v1::Proposal, tonic::Status> {
    let charges = desk.read(step("stripe.list_charges", vec![])).await?;
    let charge = seen(&charges, "/charges/0/id");
    desk.propose(step("stripe.refund_charge", vec![("charge_id", charge)])).await
}

/// Proposes this about the subscription at this place of the list.
async fn propose(desk: &mut Desk<'_>, tool: &str, at: &str) -> Result<v1::Proposal, tonic::Status> {
    let own = desk.read(step("stripe.list_subscriptions", vec![])).await?;
    let mut arguments = vec![("subscription_id", seen(&own, at))];
    let plans;
    if tool == "stripe.change_plan" {
        plans = desk.read(step("stripe.list_prices", vec![])).await?;
        // By price: yearly, team, studio, starter, friends.
        arguments.push(("price_id", seen(&plans, "/prices/1/id")));
    }
    desk.propose(step(tool, arguments)).await
}

async fn done(desk: &mut Desk<'_>, proposal: &v1::Proposal) -> v1::Action {
    let yes = desk.yes(proposal);
    desk.execute(proposal, &yes).await.unwrap()
}

fn refunds(pair: &Pair) -> Vec<Effect> {
    pair.effects().into_iter().filter(|e| e.kind == "refund_created").collect()
}

async fn refund_with(pair: &Pair, fault: impl Into<FaultSpec>) -> v1::Action {
    let mut desk = Desk::new(pair, customer(pair, 1), "c1");
    let proposal = propose_refund(&mut desk).await.unwrap();
    pair.sandbox.fault(fault);
    done(&mut desk, &proposal).await
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_a_refund_is_applied_once_and_a_part_is_what_was_said() {
    let pair = pair().await;
    let mut desk = Desk::new(&pair, customer(&pair, 1), "c1");
    let charges = desk.read(step("stripe.list_charges", vec![])).await.unwrap();
    let part = desk.say("please refund $20 of it", "20");
    let arguments = vec![("charge_id", seen(&charges, "/charges/0/id")), ("amount", part)];
    let proposal = desk.propose(step("stripe.refund_charge", arguments)).await.unwrap();
    let card = &proposal.card.as_ref().unwrap().text;
    assert!(card.contains("USD 20.00") && card.contains("you said 20"), "{card}");
    let first = done(&mut desk, &proposal).await;
    assert_eq!(first.outcome(), Outcome::Applied, "{first:?}");
    let made = refunds(&pair);
    assert_eq!((made.len(), made[0].amount.as_deref()), (1, Some("20.00")));
    let receipt = receipt(&pair, &first.receipt_id).await;
    assert_eq!(made[0].idempotency_key, Some(receipt.key));
    assert!(made[0].marker.as_ref().unwrap().starts_with("cs-"));
    // The same again is answered with what is known; the rest is another wish.
    let charges = desk.read(step("stripe.list_charges", vec![])).await.unwrap();
    let part = desk.say("please refund $20 of it", "20");
    let arguments = vec![("charge_id", seen(&charges, "/charges/0/id")), ("amount", part)];
    let again = desk.propose(step("stripe.refund_charge", arguments)).await;
    assert_eq!(refusal(again).code, "ALREADY_DONE");
    let rest = propose_refund(&mut desk).await.unwrap();
    assert_eq!(done(&mut desk, &rest).await.outcome(), Outcome::Applied);
    let money: Vec<_> = refunds(&pair).into_iter().filter_map(|e| e.amount).collect();
    assert_eq!(money, ["20.00", "29.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_a_lost_reply_is_replayed_with_the_same_key() {
    let pair = pair().await;
    let action = refund_with(&pair, Fault::LostReply).await;
    assert_eq!((action.outcome(), action.attempts), (Outcome::Applied, 2), "{action:?}");
    assert_eq!((pair.mutations(), refunds(&pair).len()), (2, 1), "sent twice, done once");
    let answered: Vec<_> = pair
        .sandbox
        .requests()
        .into_iter()
        .filter(|r| r.kind == "mutation")
        .map(|r| r.answered)
        .collect();
    assert_eq!(answered, ["cut", "replayed"]);
    let evidence = receipt(&pair, &action.receipt_id).await.verification.evidence;
    assert_eq!(evidence, ["replay", "read_back"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_a_stored_500_resolves_nothing_and_the_refund_is_looked_for() {
    let pair = pair().await;
    let action = refund_with(&pair, Fault::ErrorAfter).await;
    assert_eq!(action.outcome(), Outcome::Applied, "{action:?}");
    assert_eq!(refunds(&pair).len(), 1);
    let receipt = receipt(&pair, &action.receipt_id).await;
    assert!(receipt.attempts.iter().all(|attempt| attempt.status == Some(500)));
    assert_eq!(receipt.verification.evidence, ["read_back"], "a replayed 500 is no evidence");
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_a_key_in_use_is_waited_for() {
    let pair = pair().await;
    // Longer than the time-out: the repeat meets the first request still in flight.
    let action = refund_with(&pair, FaultSpec { after_ms: 2600, ..Fault::Slow.into() }).await;
    assert_eq!(action.outcome(), Outcome::Applied, "{action:?}");
    assert_eq!(refunds(&pair).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_past_the_window_nothing_is_sent_again_and_the_marker_is_looked_for() {
    // Five minutes of margin are kept of every window: of this one nothing is left.
    let pair = pair_with(|text| text.replace("window: 24h", "window: 5m")).await;
    let action = refund_with(&pair, Fault::LostReply).await;
    assert_eq!((action.outcome(), action.attempts), (Outcome::Applied, 1), "{action:?}");
    // Stripe has forgotten the key: whoever sends it now pays twice.
    pair.sandbox.advance(Duration::from_hours(25));
    assert_eq!((pair.mutations(), refunds(&pair).len()), (1, 1), "never sent twice");
    let evidence = receipt(&pair, &action.receipt_id).await.verification.evidence;
    assert_eq!(evidence, ["read_back"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_past_the_window_what_is_not_found_stays_unknown() {
    let pair = pair_with(|text| text.replace("window: 24h", "window: 5m")).await;
    let action = refund_with(&pair, Fault::ErrorBefore).await;
    assert_eq!((action.outcome(), action.code.as_str()), (Outcome::Unknown, "REPLY_LOST"));
    assert_eq!((pair.mutations(), refunds(&pair).len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_a_refund_by_hand_meanwhile_is_not_told_as_ours() {
    let pair = pair().await;
    let action = refund_with(&pair, Fault::StaffChange).await;
    assert_eq!(
        (action.outcome(), action.code.as_str()),
        (Outcome::NotApplied, "NOTHING_LEFT_TO_REFUND"),
        "{action:?}"
    );
    assert_eq!(refunds(&pair).len(), 0);
    let evidence = receipt(&pair, &action.receipt_id).await.verification.evidence;
    assert_eq!(evidence, ["response", "read_back"], "the guard was not believed before a look");
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_a_refund_that_the_bank_returns_is_not_applied() {
    let pair = pair().await;
    let mut desk = Desk::new(&pair, customer(&pair, 1), "c1");
    let proposal = propose_refund(&mut desk).await.unwrap();
    let yes = desk.yes(&proposal);
    pair.sandbox.fault(FaultSpec { after_ms: 600_000, ..Fault::RefundPending.into() });
    let call = desk.executing(&proposal, yes);
    while refunds(&pair).is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let returned = StripeAct::ReturnRefunds { charge: "ch_Sandbox1".to_owned() };
    pair.sandbox.stripe_staff(&returned).unwrap();
    call.await.unwrap().unwrap();
    let action = desk.execute(&proposal, "").await.unwrap();
    assert_eq!(action.outcome(), Outcome::NotApplied, "{action:?}");
    let charge = pair.sandbox.stripe("ch_Sandbox1").unwrap();
    assert_eq!(charge["charge"]["amount_refunded"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_another_customers_payment_is_refused() {
    let pair = pair().await;
    let mut theirs = Desk::new(&pair, customer(&pair, 2), "c1");
    let listed = theirs.read(step("stripe.list_charges", vec![])).await.unwrap();
    let charge = theirs.say("refund ch_Sandbox1", "ch_Sandbox1");
    let answer = theirs.propose(step("stripe.refund_charge", vec![("charge_id", charge)])).await;
    assert_eq!(refusal(answer).code, "NOT_THE_SUBJECTS");
    assert!(!listed.value_json.contains("ch_Sandbox1"));
    // Whose token names no customer of Stripe owns nothing there.
    let mut nobody = Desk::new(&pair, pair.customer(1), "c2");
    let asked = pair.sandbox.requests().len();
    refusal(nobody.read(step("stripe.list_charges", vec![])).await);
    assert_eq!(
        pair.sandbox.requests().len(),
        asked,
        "a request without its customer is everybody's"
    );
    assert_eq!(pair.mutations(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_each_change_of_a_subscription_is_applied_once() {
    let pair = pair().await;
    let mut desk = Desk::new(&pair, customer(&pair, 1), "c1");
    // Newest first: the studio plan, then the starter plan, which is paused.
    let steps = [
        ("stripe.resume_subscription", "/subscriptions/1/id", "payments_resumed"),
        ("stripe.change_plan", "/subscriptions/0/id", "plan_changed"),
        ("stripe.pause_subscription", "/subscriptions/0/id", "payments_paused"),
        ("stripe.cancel_subscription", "/subscriptions/1/id", "cancellation_scheduled"),
    ];
    for (tool, at, kind) in steps {
        let proposal = propose(&mut desk, tool, at).await.unwrap();
        pair.sandbox.fault(Fault::LostReply);
        let action = done(&mut desk, &proposal).await;
        assert_eq!(
            (action.outcome(), action.attempts),
            (Outcome::Applied, 2),
            "{tool}: {action:?}"
        );
        let happened = pair.effects().into_iter().filter(|e| e.kind == kind).count();
        assert_eq!(happened, 1, "{tool}");
        let again = propose(&mut desk, tool, at).await;
        assert_eq!(refusal(again).code, "ALREADY_DONE", "{tool}");
    }
    assert_eq!(pair.effects().len(), steps.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_says_yes_to_a_change_and_does_half_of_it() {
    let pair = pair().await;
    let mut desk = Desk::new(&pair, customer(&pair, 1), "c1");
    let proposal = propose(&mut desk, "stripe.cancel_subscription", "/subscriptions/0/id").await;
    pair.sandbox.fault(Fault::HalfEffect);
    let action = done(&mut desk, &proposal.unwrap()).await;
    assert_eq!((action.outcome(), action.code.as_str()), (Outcome::Unknown, "VERIFY_MISMATCH"));
}
