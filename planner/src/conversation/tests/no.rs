//! A no to a card.

use async_trait::async_trait;

use super::*;
use crate::model::{Decided, Model, Unusable, View};

/// No yes counts any more after a no, also where it is signed (A YES IS SHOWN AND SIGNED).
#[tokio::test]
async fn a_no_takes_the_proposal_back() {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::offline(&executor);
    let card = "cancel order #1001";
    talk.say(card).await;
    assert_eq!(talk.say("no").await.reply, reply::DROPPED);
    talk.say(card).await;
    let turn = talk.say("actually no, cancel order #1004 instead").await;
    assert_eq!(turn.actions[0].code, "AWAITING_CONFIRMATION");
    let new = talk.card.clone().unwrap().text;
    assert_eq!(turn.reply, format!("{}\n\n{new}", reply::DROPPED));
    assert_eq!(executor.shop.lock().withdrawn.len(), 2);
    talk.say("no").await;

    // Where that cannot be said, the card stays, and so does the no.
    talk.say(card).await;
    let lost = CallError::Lost("gone".to_owned());
    executor.shop.lock().withdraw_script.push_back(Err(lost));
    assert_ne!(talk.say("no").await.reply, reply::DROPPED);
    assert_eq!(talk.say("no").await.reply, reply::DROPPED);

    // And where a yes was faster, nobody hears that it is left.
    talk.say(card).await;
    let done = sealed(Outcome::Applied, "It is cancelled.");
    executor.shop.lock().withdraw_script.push_back(Ok(done));
    assert!(talk.say("no").await.reply.contains("It is cancelled."));
}

/// Also beside a new wish: what has ended is told, and the wish is taken up.
#[tokio::test]
async fn a_new_wish_beside_a_no_outlives_what_was_faster() {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::offline(&executor);
    talk.say("cancel order #1001").await;
    let done = sealed(Outcome::Applied, "It is cancelled.");
    executor.shop.lock().withdraw_script.push_back(Ok(done));
    let turn = talk.say("no, cancel order #1004 instead").await;
    assert!(turn.reply.starts_with("It is cancelled.\n\n"), "{}", turn.reply);
    assert_eq!(turn.actions[1].code, "AWAITING_CONFIRMATION");
    let order = executor.proposed().last().unwrap().arguments["order_id"].clone();
    assert_eq!(order, json!("gid://shopify/Order/1004"));
}

#[tokio::test]
async fn a_refusal_to_take_back_leaves_the_card_unless_nothing_is_there() {
    for code in [Code::StoreUnavailable, Code::Overloaded, Code::Quarantined, Code::EffectsHalted] {
        let executor = FakeExecutor::new(TWO);
        let mut talk = Talk::offline(&executor);
        talk.say("cancel order #1001").await;
        let refusal = refused(Refusal::new(code, "later"));
        executor.shop.lock().withdraw_script.push_back(Err(refusal));
        assert_eq!(talk.say("no").await.reply, code.page().say);
        talk.say("yes").await;
        assert!(talk.card.is_some(), "{}", code.name());
    }
    for code in [Code::NotFound, Code::ProposalExpired, Code::ProposalSuperseded] {
        let executor = FakeExecutor::new(TWO);
        let mut talk = Talk::offline(&executor);
        talk.say("cancel order #1001").await;
        let refusal = refused(Refusal::new(code, "gone"));
        executor.shop.lock().withdraw_script.push_back(Err(refusal));
        assert_eq!(talk.say("no").await.reply, reply::DROPPED);
    }
}

/// The answer to a yes was lost with its planner: the card is still known, and can do nothing.
#[tokio::test]
async fn a_card_that_was_refused_for_good_goes_with_a_no_and_makes_way() {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::offline(&executor);
    let sealed = |code| {
        let receipt_id = Some("rcp_3".into());
        Err(refused(Refusal { receipt_id, ..Refusal::new(code, "") }))
    };
    talk.say("cancel order #1001").await;
    executor.shop.lock().withdraw_script.push_back(sealed(Code::StateChanged));
    assert_eq!(talk.say("no").await.reply, reply::DROPPED);
    talk.say("cancel order #1001").await;
    executor.shop.lock().withdraw_script.push_back(sealed(Code::LimitExceeded));
    let turn = talk.say("cancel order #1004").await;
    assert!(turn.reply.starts_with(reply::DROPPED), "{}", turn.reply);
    let order = executor.proposed().last().unwrap().arguments["order_id"].clone();
    assert_eq!(order, json!("gid://shopify/Order/1004"));
    assert_eq!(talk.card.as_ref().unwrap().proposal_id, "prp_3");
    // That it may be done all the same is told.
    executor.shop.lock().withdraw_script.push_back(sealed(Code::AlreadyDone));
    let turn = talk.say("no").await;
    assert_eq!(turn.actions[0].code, "ALREADY_DONE");
    assert!(turn.reply.contains(Code::AlreadyDone.page().say), "{}", turn.reply);
}

#[tokio::test]
async fn a_question_beside_a_card_takes_nothing_back() {
    for text in [
        "How long do I have to wait for the refund?",
        "Is shipping not refunded too?",
        "ok, why not",
        "how long do refunds take?",
        "where is order #1004?",
    ] {
        let executor = FakeExecutor::new(TWO);
        let mut talk = Talk::offline(&executor);
        talk.say("cancel order #1001").await;
        let said = talk.say(text).await.reply;
        assert!(!said.contains(reply::DROPPED), "{text}: {said}");
        assert!(executor.shop.lock().withdrawn.is_empty(), "{text}");
        // The card still stands, so a no is one to it.
        assert_eq!(talk.card.as_ref().map(|card| card.proposal_id.as_str()), Some("prp_1"));
        assert_eq!(talk.say("no, leave it").await.reply, reply::DROPPED, "{text}");
        assert_eq!(executor.shop.lock().withdrawn, ["prp_1"], "{text}");
    }
}

#[tokio::test]
async fn the_cards_own_wish_said_again_is_a_yes_that_was_not_signed() {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::offline(&executor);
    talk.say("cancel order #1001").await;
    for text in ["cancel order #1001", "yes, cancel order #1001"] {
        let said = talk.say(text).await.reply;
        assert!(said.starts_with(reply::CONFIRM_ON_CARD), "{text}: {said}");
    }
    assert_eq!(executor.proposed().len(), 1);
    assert!(executor.shop.lock().withdrawn.is_empty());
}

/// What takes the card's place takes its proposal back, and says so.
#[tokio::test]
async fn a_new_write_beside_a_card_takes_the_first_one_back() {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::offline(&executor);
    talk.say("cancel order #1001").await;
    // Where that cannot be said, the card stays and the new proposal goes.
    let lost = CallError::Lost("gone".to_owned());
    executor.shop.lock().withdraw_script.push_back(Err(lost));
    let refund = "refund 2 of the mugs from order #1004";
    let stays = format!("{}\n\n{}", reply::NO_ANSWER, reply::NOT_TAKEN_UP);
    assert_eq!(talk.say(refund).await.reply, stays);
    assert_eq!(talk.card.clone().unwrap().proposal_id, "prp_1");
    assert_eq!(executor.shop.lock().withdrawn, ["prp_1", "prp_2"]);
    let turn = talk.say(refund).await;
    assert_eq!(executor.shop.lock().withdrawn, ["prp_1", "prp_2", "prp_1"]);
    let new = talk.card.clone().unwrap();
    assert_eq!(new.proposal_id, "prp_3");
    assert_eq!(turn.reply, format!("{}\n\n{}", reply::DROPPED, new.text));
    // Also where it asks back: the next answer is one to the question.
    let turn = talk.say("cancel order #1001 and order #1004").await;
    assert!(turn.reply.starts_with(reply::DROPPED), "{}", turn.reply);
    assert_eq!(executor.shop.lock().withdrawn.last().map(String::as_str), Some("prp_3"));
    assert!(talk.card.is_none());
}

/// The new one may have replaced the first at the executor before it went.
#[tokio::test]
async fn a_yes_to_a_replaced_card_sends_nobody_to_one_that_is_gone() {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::offline(&executor);
    talk.say("cancel order #1001").await;
    executor.shop.lock().withdraw_script.push_back(Err(CallError::Lost("gone".to_owned())));
    talk.say("refund 2 of the mugs from order #1004").await;
    let replaced = refused(Refusal::new(Code::ProposalSuperseded, "prp_2 takes its place"));
    executor.shop.lock().execute_script.push_back(Err(replaced));
    let told = talk.confirm().await.reply;
    assert!(told.contains("if it still waits, or ask again"), "{told}");
}

/// An executor with one order, where this needs no yes of the customer.
fn without_a_card(name: &str) -> Arc<FakeExecutor> {
    let mut tools = tools(include_str!("../../../testdata/shopify_tools.json"));
    let named = tools.iter_mut().filter(|tool| tool.name == name);
    named.for_each(|tool| tool.needs_confirmation = false);
    let orders = vec![(1004, vec![("Enamel mug".to_owned(), 3)])];
    FakeExecutor::with_tools(orders, tools)
}

/// What has no card of its own may go on at the executor as soon as it is proposed.
#[tokio::test]
async fn a_new_write_without_a_card_is_not_proposed_beside_one_that_stays() {
    let executor = without_a_card("shopify.refund_lines");
    let mut talk = Talk::offline(&executor);
    talk.say("cancel order #1004").await;
    let lost = CallError::Lost("gone".to_owned());
    executor.shop.lock().withdraw_script.push_back(Err(lost));
    talk.say("refund 2 of the mugs from order #1004").await;
    assert_eq!(executor.proposed().len(), 1);
    assert_eq!(executor.shop.lock().withdrawn, ["prp_1"]);
}

/// Nor by an edited message: staff could say yes to it there, and it would take the place of an
/// earlier request that waits for them.
#[tokio::test]
async fn what_an_edited_message_wants_without_a_card_is_not_proposed() {
    let executor = without_a_card("shopify.cancel_order");
    let mut talk = Talk::offline(&executor);
    talk.edited = true;
    assert_eq!(talk.say("cancel order #1004").await.reply, reply::SAY_IT_ANEW);
    assert!(executor.proposed().is_empty() && executor.shop.lock().withdrawn.is_empty());
}

/// Where the tools said that it has a card, it is taken back; what was done meanwhile is told.
#[tokio::test]
async fn what_an_edited_message_wants_is_taken_back_where_it_turns_out_to_have_no_card() {
    let executor = FakeExecutor::new(TWO);
    executor.shop.lock().no_confirmation = true;
    let mut talk = Talk::offline(&executor);
    talk.edited = true;
    assert_eq!(talk.say("cancel order #1001").await.reply, reply::SAY_IT_ANEW);
    assert_eq!(executor.shop.lock().withdrawn, ["prp_1"]);
    let done = sealed(Outcome::Applied, "It is cancelled.");
    executor.shop.lock().withdraw_script.push_back(Ok(done));
    assert_eq!(talk.say("cancel order #1004").await.reply, "It is cancelled.");
    assert!(executor.shop.lock().executed.is_empty());
}

/// Where it cannot be taken back staff may still say yes to it, so it is waited for.
#[tokio::test]
async fn what_could_not_be_taken_back_and_may_go_on_is_not_told_as_left() {
    let executor = FakeExecutor::new(TWO);
    executor.shop.lock().no_confirmation = true;
    executor.shop.lock().withdraw_script.push_back(Err(CallError::Lost("gone".to_owned())));
    let mut talk = Talk::offline(&executor);
    talk.edited = true;
    assert_eq!(talk.say("cancel order #1001").await.reply, reply::STILL_CHECKED);
    executor.shop.lock().watch_script = [sealed(Outcome::Applied, "It is cancelled.")].into();
    assert_eq!(talk.say("and now?").await.reply, "It is cancelled.");
}

/// It may be with staff by now, who may say yes to it; a card without a yes comes to nothing.
#[tokio::test]
async fn a_lost_proposal_is_told_as_not_started_only_where_nothing_goes_on_without_a_yes() {
    let lost = || CallError::Lost("gone".to_owned());
    let executor = without_a_card("shopify.cancel_order");
    let mut talk = Talk::offline(&executor);
    executor.shop.lock().propose_script.push_back(lost());
    let turn = talk.say("cancel order #1004").await;
    assert_eq!((turn.reply.as_str(), turn.passing), (reply::PERHAPS_PASSED_ON, true));
    let away = CallError::Unreachable("refused".to_owned());
    executor.shop.lock().propose_script.push_back(away);
    assert_eq!(talk.say("cancel order #1004").await.reply, reply::UNREACHABLE);
    executor.shop.lock().propose_script.push_back(lost());
    let turn = talk.say("refund 2 of the mugs from order #1004").await;
    assert_eq!((turn.reply.as_str(), turn.passing), (reply::NO_ANSWER, true));
}

/// The built-in reader, which is not sure of refunds.
pub(super) struct Doubting;

#[async_trait]
impl Model for Doubting {
    async fn decide(&self, view: &View<'_>) -> Result<Decided, Unusable> {
        let mut decided = Offline.decide(view).await?;
        if view.text.contains("refund") {
            decided.decision.score = 0.3;
        }
        Ok(decided)
    }

    fn name(&self) -> &str {
        "doubting"
    }
}

/// What goes to a person takes no card's place.
#[tokio::test]
async fn a_wish_that_is_not_sure_enough_leaves_the_card() {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::with(&executor, Arc::new(Doubting));
    talk.say("cancel order #1001").await;
    let turn = talk.say("refund 2 of the mugs from order #1004").await;
    assert_eq!((turn.reply.as_str(), turn.intent()), ("Passed on.", Intent::Escalate));
    assert_eq!(turn.actions[0].code, "CONFIDENCE_TOO_LOW");
    assert!(executor.shop.lock().withdrawn.is_empty());
    assert_eq!(executor.proposed().len(), 1);
    assert_eq!(talk.confirm().await.reply, "It is cancelled. Receipt rcp_1.");
}

/// What was faster than the no is told with its receipt; its link is for nobody but the customer.
#[tokio::test]
async fn the_link_to_a_receipt_closes_the_reply_and_is_not_handed_over() {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::with(&executor, Arc::new(Doubting));
    talk.say("cancel order #1001").await;
    let link = "https://yes.shop.example/receipt/rcp_1/x";
    let done = Action { receipt_link: link.into(), ..sealed(Outcome::Applied, "It is cancelled.") };
    executor.shop.lock().withdraw_script.push_back(Ok(done));
    let turn = talk.say("no, refund 2 of the mugs from order #1004 instead").await;
    let told = format!("It is cancelled.\n\nPassed on.\n\nYour receipt: {link}");
    assert_eq!((turn.intent(), turn.reply), (Intent::Escalate, told));
    let handed = executor.shop.lock().escalated[0].interpretation.clone();
    assert!(handed.starts_with("It is cancelled.") && !handed.contains(link), "{handed}");
}

/// No answer to a question would make it surer. Where no card waits, it is asked first.
#[tokio::test]
async fn a_wish_that_lacks_a_detail_and_is_not_sure_enough_leaves_the_card() {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::with(&executor, Arc::new(Doubting));
    talk.say("cancel order #1001").await;
    let turn = talk.say("refund order #1001").await;
    assert_eq!((turn.reply.as_str(), turn.intent()), ("Passed on.", Intent::Escalate));
    assert_eq!(turn.actions[0].code, "CONFIDENCE_TOO_LOW");
    assert!(executor.shop.lock().withdrawn.is_empty());
    assert_eq!(talk.confirm().await.reply, "It is cancelled. Receipt rcp_1.");
    talk.anew();
    assert_eq!(talk.say("refund order #1001").await.intent(), Intent::Clarify);
}

/// Such as by a floor that counts from some amount on, which only the executor knows.
#[tokio::test]
async fn a_wish_that_the_executor_refuses_leaves_the_card() {
    for code in [Code::ConfidenceTooLow, Code::LimitExceeded] {
        let executor = FakeExecutor::new(TWO);
        let mut talk = Talk::offline(&executor);
        let shown = talk.say("cancel order #1001").await;
        let refusal = refused(Refusal::new(code, "no"));
        executor.shop.lock().propose_script.push_back(refusal);
        let turn = talk.say("refund 2 of the mugs from order #1004").await;
        assert_eq!(turn.reply, code.page().say);
        assert_eq!(turn.actions[0].code, code.name());
        assert_eq!(talk.card.as_ref().map(|card| card.proposal_id.as_str()), Some("prp_1"));
        assert!(executor.shop.lock().withdrawn.is_empty());
        let done = talk.confirm().await;
        assert_eq!(done.reply, "It is cancelled. Receipt rcp_1.");
        assert_eq!(done.confidence, shown.confidence, "that of its own plan");
    }
}

/// Where no more may wait for an answer, the card is one of those that do.
#[tokio::test]
async fn a_wish_for_which_there_is_no_room_beside_the_card_takes_its_room() {
    let refund = "refund 2 of the mugs from order #1004";
    let too_many = || refused(Refusal::new(Code::TooManyOpen, "1 of this subject"));
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::offline(&executor);
    talk.say("cancel order #1001").await;
    executor.shop.lock().propose_script.push_back(too_many());
    let turn = talk.say(refund).await;
    let new = talk.card.clone().unwrap();
    assert_eq!(turn.reply, format!("{}\n\n{}", reply::DROPPED, new.text));
    assert_eq!(executor.proposed()[1].tool, "shopify.refund_lines");
    assert_eq!(executor.shop.lock().withdrawn, ["prp_1"]);

    // Once, and only for a card that goes.
    executor.shop.lock().propose_script.extend([too_many(), too_many()]);
    let said = Code::TooManyOpen.page().say;
    let turn = talk.say("cancel order #1001").await;
    assert_eq!(turn.reply, format!("{}\n\n{said}", reply::DROPPED));
    executor.shop.lock().propose_script.push_back(too_many());
    assert_eq!(talk.say(refund).await.reply, said);
    assert_eq!(executor.proposed().len(), 2);
}

/// A question takes the card's place: the next words answer one thing only.
#[tokio::test]
async fn a_wish_that_was_fulfilled_before_takes_the_card_back_to_ask_whether_again() {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::offline(&executor);
    talk.say("cancel order #1001").await;
    let refusal =
        Refusal { receipt_id: Some("rcp_1".into()), ..Refusal::new(Code::AlreadyDone, "") };
    executor.shop.lock().propose_script.push_back(refused(refusal));
    let turn = talk.say("refund 2 of the mugs from order #1004").await;
    assert!(turn.reply.starts_with(reply::DROPPED), "{}", turn.reply);
    assert_eq!(executor.shop.lock().withdrawn, ["prp_1"]);
    assert!(talk.card.is_none());
    talk.say("do it again").await;
    assert_eq!(executor.proposed()[1].after, "rcp_1");
}

/// Nothing new is begun beside a yes that was faster and goes on, and that is said.
#[tokio::test]
async fn a_wish_beside_a_card_that_stays_is_not_lost_in_silence() {
    let going_on = Action {
        action_id: "act_1".into(),
        state: ActionState::Verifying.into(),
        said: "I've started on that.".into(),
        ..Action::default()
    };
    for (text, wish, gone) in [
        ("refund 2 of the mugs from order #1004", true, &["prp_1", "prp_2"][..]),
        ("no, cancel order #1004 instead", true, &["prp_1"][..]),
        ("no, leave it", false, &["prp_1"][..]),
    ] {
        let executor = FakeExecutor::new(TWO);
        let mut talk = Talk::offline(&executor);
        talk.say("cancel order #1001").await;
        executor.shop.lock().withdraw_script.push_back(Ok(going_on.clone()));
        let told = talk.say(text).await.reply;
        let rest = if wish { format!("\n\n{}", reply::NOT_TAKEN_UP) } else { String::new() };
        assert_eq!(told, format!("{}{rest}", going_on.said), "{text}");
        assert_eq!(executor.shop.lock().withdrawn, gone, "{text}");
        assert!(talk.card.is_none() && executor.shop.lock().executed.is_empty(), "{text}");
    }
}
