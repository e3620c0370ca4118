//! A no to what waits behind a link, and what takes its place.

use super::no::Doubting;
use super::*;

fn shop() -> (Arc<FakeExecutor>, Talk) {
    let executor = FakeExecutor::new(TWO);
    executor.shop.lock().sends_links = true;
    let mut talk = Talk::offline(&executor);
    talk.by_link = true;
    (executor, talk)
}

/// As it is while nobody has opened the link.
fn waits() -> Action {
    let mut waits = Action { action_id: "act_1".into(), ..Action::default() };
    waits.set_state(ActionState::Proposed);
    waits.needs = vec![GrantKind::Customer.into()];
    waits
}

fn lost() -> CallError {
    CallError::Lost("gone".into())
}

#[tokio::test]
async fn a_no_takes_back_what_waits_behind_a_link() {
    for text in ["No, don't.", "no", "please don't cancel it", "Nein, doch nicht"] {
        let (executor, mut talk) = shop();
        talk.say("cancel order #1001").await;
        executor.shop.lock().watch_script = [waits()].into();
        assert_eq!(talk.say(text).await.reply, reply::DROPPED, "{text}");
        assert_eq!(executor.shop.lock().withdrawn, ["prp_1"], "{text}");
        // Nothing waits any more.
        let told = talk.say("thanks").await.reply;
        assert!(!told.contains(reply::OPEN_THE_LINK) && !told.contains("checked"), "{told}");
    }
}

#[tokio::test]
async fn a_question_or_a_yes_takes_no_link_back() {
    let (executor, mut talk) = shop();
    talk.say("cancel order #1001").await;
    for text in ["yes", "where is order #1004?", "Wait, which order is that?"] {
        executor.shop.lock().watch_script = [waits()].into();
        let told = talk.say(text).await.reply;
        assert!(told.starts_with(reply::OPEN_THE_LINK), "{text}: {told}");
    }
    assert!(executor.shop.lock().withdrawn.is_empty());
}

/// Nor are they decided, which would send another link.
#[tokio::test]
async fn a_links_own_wish_said_again_and_a_question_about_it_are_answered_with_it() {
    let (executor, mut talk) = shop();
    let sent = talk.say("cancel order #1001").await.reply;
    for text in ["cancel order #1001", "yes, cancel order #1001"] {
        executor.shop.lock().watch_script = [waits()].into();
        assert_eq!(talk.say(text).await.reply, reply::OPEN_THE_LINK, "{text}");
    }
    executor.shop.lock().watch_script = [waits()].into();
    let told = talk.say("Wait, which order is that?").await.reply;
    let card = sent.split("\n\n").next().unwrap();
    assert_eq!(told, format!("{}\n\n{card}", reply::OPEN_THE_LINK));
    assert_eq!(executor.proposed().len(), 1);
    assert!(executor.shop.lock().withdrawn.is_empty());
}

/// As beside a card: neither a look-up that does not say of what, nor a write that no detail would
/// make sure enough.
#[tokio::test]
async fn what_cannot_take_a_cards_place_takes_no_links() {
    let (executor, mut talk) = shop();
    talk.say("cancel order #1001").await;
    executor.shop.lock().watch_script = [waits()].into();
    let told = talk.say("where is my order?").await.reply;
    assert_eq!(told, format!("{}\n\n{}", reply::OPEN_THE_LINK, reply::WITH_ITS_NUMBER));
    assert!(executor.shop.lock().withdrawn.is_empty());

    let executor = FakeExecutor::new(TWO);
    executor.shop.lock().sends_links = true;
    let mut talk = Talk::with(&executor, Arc::new(Doubting));
    talk.by_link = true;
    talk.say("cancel order #1001").await;
    executor.shop.lock().watch_script = [waits()].into();
    let turn = talk.say("refund order #1001").await;
    assert!(turn.reply.ends_with("Passed on."), "{}", turn.reply);
    assert!(executor.shop.lock().withdrawn.is_empty());
}

#[tokio::test]
async fn another_write_takes_the_place_of_what_waits_behind_a_link() {
    for text in ["No, cancel #1004 instead", "refund 2 of the mugs from order #1004"] {
        let (executor, mut talk) = shop();
        talk.say("cancel order #1001").await;
        executor.shop.lock().watch_script = [waits()].into();
        let told = talk.say(text).await.reply;
        assert!(told.starts_with(reply::DROPPED), "{text}: {told}");
        assert!(told.ends_with(&reply::link_sent("c…@example.com")), "{text}: {told}");
        assert!(!told.contains(reply::OPEN_THE_LINK), "{text}: {told}");
        assert_eq!(executor.shop.lock().withdrawn, ["prp_1"], "{text}");
        assert_eq!(executor.proposed().len(), 2, "{text}");
        // A no is one to the new one.
        executor.shop.lock().watch_script = [waits()].into();
        assert_eq!(talk.say("no").await.reply, reply::DROPPED, "{text}");
        assert_eq!(executor.shop.lock().withdrawn, ["prp_1", "prp_2"], "{text}");
    }
}

/// A yes behind the link was faster than the no, or nobody can tell: what is true is told.
#[tokio::test]
async fn a_link_that_cannot_be_taken_back_is_told_of() {
    let (executor, mut talk) = shop();
    talk.say("cancel order #1001").await;
    executor.shop.lock().watch_script = [waits()].into();
    executor.shop.lock().withdraw_script.push_back(Err(lost()));
    assert_eq!(talk.say("no").await.reply, reply::NO_ANSWER);
    executor.shop.lock().watch_script = [waits()].into();
    executor.shop.lock().withdraw_script.extend([Err(lost()), Err(lost())]);
    let told = talk.say("refund 2 of the mugs from order #1004").await.reply;
    assert_eq!(told, format!("{}\n\n{}", reply::NO_ANSWER, reply::NOT_TAKEN_UP));
    assert_eq!(executor.shop.lock().withdrawn, ["prp_1", "prp_1", "prp_2"]);

    let (executor, mut talk) = shop();
    talk.say("cancel order #1001").await;
    let done = sealed(Outcome::Applied, "It is cancelled.");
    executor.shop.lock().watch_script = [waits()].into();
    executor.shop.lock().withdraw_script.push_back(Ok(done));
    assert_eq!(talk.say("no").await.reply, "It is cancelled.");
    // It is told once.
    assert!(!talk.say("thanks").await.reply.contains("It is cancelled."));
}

/// Two that could not be taken back wait side by side.
#[tokio::test]
async fn a_no_and_another_write_take_back_every_link() {
    for text in ["no", "cancel order #1004"] {
        let (executor, mut talk) = shop();
        talk.say("cancel order #1001").await;
        executor.shop.lock().watch_script = [waits()].into();
        executor.shop.lock().withdraw_script.extend([Err(lost()), Err(lost())]);
        talk.say("refund 2 of the mugs from order #1004").await;
        // One of them still waits: it is not told as left.
        executor.shop.lock().watch_script = [waits(), waits()].into();
        executor.shop.lock().withdraw_script.push_back(Err(lost()));
        assert_eq!(talk.say("no").await.reply, reply::NO_ANSWER, "{text}");
        assert_eq!(executor.shop.lock().withdrawn[2..], ["prp_2", "prp_1"], "{text}");
        executor.shop.lock().watch_script = [waits()].into();
        let told = talk.say(text).await.reply;
        assert!(told.starts_with(reply::DROPPED), "{text}: {told}");
        assert_eq!(executor.shop.lock().withdrawn[4..], ["prp_2"], "{text}");
    }
}

/// What the customer has said yes to is no card any more.
#[tokio::test]
async fn a_yes_that_waits_for_staff_makes_no_way() {
    let (executor, mut talk) = shop();
    talk.say("cancel order #1001").await;
    let said = "A colleague has to agree first.";
    let parked = Action { said: said.into(), needs: vec![], ..waits() };
    executor.shop.lock().watch_script = [parked].into();
    let told = talk.say("refund 2 of the mugs from order #1004").await.reply;
    assert!(told.starts_with(said), "{told}");
    assert!(executor.shop.lock().withdrawn.is_empty());
}
