//! A conversation that a person has.

use async_trait::async_trait;
use tokio::time::timeout;

use super::*;
use crate::model::{Decided, Model, Unusable, View};

#[tokio::test]
async fn a_person_who_has_it_is_left_to_it_and_hands_it_back_with_a_note() {
    let executor = FakeExecutor::new(&[(1001, &[("Mug", 1)])]);
    let mut talk = Talk::offline(&executor);
    let handed = talk.say("I want to speak to a human").await;
    assert_eq!(handed.reply, "Passed on.");
    // Nobody has taken it yet: the customer is not left without an answer.
    assert!(talk.say("cancel order #1001").await.reply.contains("1001"));
    executor.shop.lock().handover.taken = true;
    let held = talk.confirm().await;
    assert_eq!((held.reply.as_str(), held.intent()), (reply::WITH_A_COLLEAGUE, Intent::Escalate));
    assert_eq!(
        (held.actions[0].code.as_str(), held.actions[0].receipt_id.as_str()),
        ("ESCALATED", "rcp_9")
    );
    assert!(executor.shop.lock().executed.is_empty(), "a signed yes starts nothing meanwhile");
    let back = GetHandoverResponse {
        taken: true,
        closed_by_receipt_id: "rcp_20".to_owned(),
        note: "sent a new jacket".to_owned(),
        ..GetHandoverResponse::default()
    };
    executor.shop.lock().handover = back;
    let after = talk.say("where is order #1001?").await;
    assert!(after.reply.starts_with(reply::BACK_AGAIN), "{}", after.reply);
    assert!(after.actions.iter().any(|action| action.receipt_id == "rcp_20"), "{after:?}");
    // It is not asked about any more, and the note is what the next hand-over tells.
    executor.shop.lock().handover = GetHandoverResponse { taken: true, ..Default::default() };
    talk.say("I want to speak to a human").await;
    let told = executor.shop.lock().escalated.last().map(|asked| asked.tried.join("; "));
    assert!(told.is_some_and(|told| told.contains("rcp_20 sent a new jacket")));
}

#[tokio::test]
async fn who_has_it_and_cannot_be_told_keeps_it() {
    let executor = FakeExecutor::new(&[(1001, &[("Mug", 1)])]);
    let mut talk = Talk::offline(&executor);
    talk.say("I want to speak to a human").await;
    executor.shop.lock().handover.taken = true;
    executor.shop.lock().handover_refused = Some(Code::StoreUnavailable);
    assert!(talk.say("cancel order #1001").await.passing);
    executor.shop.lock().handover_refused = None;
    let held = talk.say("cancel order #1001").await;
    assert_eq!(held.reply, reply::WITH_A_COLLEAGUE);
    assert!(executor.proposed().is_empty());
    // What is not there any more is nobody's.
    executor.shop.lock().handover = GetHandoverResponse::default();
    assert!(talk.say("cancel order #1001").await.reply.contains("1001"));
}

#[tokio::test]
async fn a_hold_is_heeded_where_nothing_of_it_is_remembered() {
    let executor = FakeExecutor::new(&[(1001, &[("Mug", 1)])]);
    let open = |taken| GetHandoverResponse {
        taken,
        receipt_id: "rcp_9".to_owned(),
        ..GetHandoverResponse::default()
    };
    executor.shop.lock().handover = open(true);
    let mut talk = Talk::offline(&executor);
    let held = talk.say("cancel order #1001").await;
    assert_eq!(held.reply, reply::WITH_A_COLLEAGUE);
    assert_eq!(held.actions[0].receipt_id, "rcp_9");
    // Not taken yet, the customer is answered; taken, also a signed yes starts nothing.
    executor.shop.lock().handover = open(false);
    talk.say("cancel order #1001").await;
    assert_eq!(executor.proposed().len(), 1);
    executor.shop.lock().handover = open(true);
    assert_eq!(talk.confirm().await.reply, reply::WITH_A_COLLEAGUE);
    assert!(executor.shop.lock().executed.is_empty());
    // Its end is heard of, also beside a yes, and the card from before is not shown again.
    executor.shop.lock().handover.closed_by_receipt_id = "rcp_20".to_owned();
    let back = talk.say("yes").await;
    assert!(back.reply.starts_with(reply::BACK_AGAIN), "{}", back.reply);
    assert!(talk.card.is_none() && executor.shop.lock().executed.is_empty());
}

#[tokio::test]
async fn a_signed_yes_beside_a_hand_back_tells_of_both() {
    let executor = FakeExecutor::new(&[(1001, &[("Mug", 1)])]);
    let mut talk = Talk::offline(&executor);
    talk.say("I want to speak to a human").await;
    talk.say("cancel order #1001").await;
    executor.shop.lock().handover.closed_by_receipt_id = "rcp_20".to_owned();
    let claims = URL_SAFE_NO_PAD.encode(r#"{"proposal":"prp_1"}"#);
    let both = talk.send("yes", format!("e30.{claims}.sig")).await;
    assert!(both.reply.starts_with(reply::BACK_AGAIN), "{}", both.reply);
    assert!(both.actions.iter().any(|action| action.receipt_id == "rcp_1"), "{both:?}");
}

/// An executor of a version before tells with its tools neither who has it nor its checkpoint.
#[tokio::test]
async fn an_executor_that_only_lists_its_tools_is_asked_who_has_it() {
    let executor = FakeExecutor::new(&[(1001, &[("Mug", 1)])]);
    executor.shop.lock().only_lists = true;
    let mut talk = Talk::offline(&executor);
    talk.say("cancel order #1001").await;
    assert_eq!(talk.confirm().await.reply, "It is cancelled. Receipt rcp_1.");
    executor.shop.lock().handover = GetHandoverResponse {
        taken: true,
        receipt_id: "rcp_9".to_owned(),
        ..GetHandoverResponse::default()
    };
    assert_eq!(talk.say("where is order #1001?").await.reply, reply::WITH_A_COLLEAGUE);
}

/// Also what ended meanwhile: nothing was looked at while a colleague had it.
#[tokio::test]
async fn what_ended_while_a_person_had_it_is_told_once_it_is_back() {
    let executor = FakeExecutor::new(&[(1001, &[("Mug", 1)])]);
    let mut talk = Talk::offline(&executor);
    talk.say("I want to speak to a human").await;
    talk.say("cancel order #1001").await;
    let waits = Action {
        action_id: "act_1".into(),
        state: ActionState::Proposed.into(),
        said: "A colleague has to agree first.".into(),
        ..Action::default()
    };
    executor.shop.lock().execute_script = [Ok(waits.clone())].into();
    executor.shop.lock().watch_script = [waits].into();
    talk.confirm().await;
    executor.shop.lock().handover.taken = true;
    executor.shop.lock().watch_script = [sealed(Outcome::Applied, "It is cancelled.")].into();
    assert_eq!(talk.say("and now?").await.reply, reply::WITH_A_COLLEAGUE);
    executor.shop.lock().handover.closed_by_receipt_id = "rcp_20".to_owned();
    let back = talk.say("hello?").await;
    assert_eq!(back.reply, format!("{}\n\nIt is cancelled.", reply::BACK_AGAIN));
    let receipts: Vec<_> = back.actions.iter().map(|action| action.receipt_id.as_str()).collect();
    assert_eq!(receipts, ["rcp_20", "rcp_1"]);
}

#[tokio::test]
async fn who_had_it_before_another_turn_of_it_ended_is_asked_again() {
    let executor = FakeExecutor::new(&[(1001, &[("Mug", 1)])]);
    let mut talk = Talk::offline(&executor);
    let before = talk.verified().await;
    talk.say("where is order #1001?").await;
    executor.shop.lock().handover = GetHandoverResponse {
        taken: true,
        receipt_id: "rcp_9".to_owned(),
        ..GetHandoverResponse::default()
    };
    let held = talk.send_as(before, "cancel order #1001", String::new()).await;
    assert_eq!(held.reply, reply::WITH_A_COLLEAGUE);
}

/// Never answers.
struct Silent;

#[async_trait]
impl Model for Silent {
    async fn decide(&self, _view: &View<'_>) -> Result<Decided, Unusable> {
        std::future::pending().await
    }

    fn name(&self) -> &str {
        "silent"
    }
}

#[tokio::test(start_paused = true)]
async fn who_had_it_before_a_turn_that_nobody_waited_for_broke_off_is_asked_again() {
    let executor = FakeExecutor::new(&[(1001, &[("Mug", 1)])]);
    let mut talk = Talk::with(&executor, Arc::new(Silent));
    let before = talk.verified().await;
    let breaks_off = timeout(Duration::from_secs(1), talk.say("where is order #1001?"));
    assert!(breaks_off.await.is_err());
    executor.shop.lock().handover = GetHandoverResponse {
        taken: true,
        receipt_id: "rcp_9".to_owned(),
        ..GetHandoverResponse::default()
    };
    let held = talk.send_as(before, "cancel order #1001", String::new());
    let held = timeout(Duration::from_secs(1), held).await.expect("the model is not asked");
    assert_eq!(held.reply, reply::WITH_A_COLLEAGUE);
}

#[tokio::test]
async fn who_had_it_before_another_turn_of_it_broke_off_is_asked_again() {
    let executor = FakeExecutor::new(&[(1001, &[("Mug", 1)])]);
    let mut talk = Talk::offline(&executor);
    let (before, other) = (talk.verified().await, talk.in_another_turn().await);
    executor.shop.lock().handover = GetHandoverResponse {
        taken: true,
        receipt_id: "rcp_9".to_owned(),
        ..GetHandoverResponse::default()
    };
    let breaks_off = async { drop(other) };
    let waits = talk.send_as(before, "cancel order #1001", String::new());
    let (held, ()) = futures_util::future::join(waits, breaks_off).await;
    assert_eq!(held.reply, reply::WITH_A_COLLEAGUE);
}
