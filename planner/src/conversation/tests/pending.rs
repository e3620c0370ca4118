//! Actions whose end is not known yet, beside whatever else is spoken of.

use std::collections::BTreeSet;

use tokio::sync::Barrier;
use tokio::time::timeout;

use super::super::fake::TOKEN;
use super::super::{Checking, Conversation, Stage};
use super::*;
use crate::subject;

fn parked() -> Action {
    Action {
        action_id: "act_1".into(),
        state: ActionState::Proposed.into(),
        said: "A colleague has to agree first.".into(),
        ..Action::default()
    }
}

#[tokio::test]
async fn an_action_that_waits_is_told_of_also_after_another_card_was_confirmed() {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::offline(&executor);
    talk.say("cancel order #1001").await;
    executor.shop.lock().execute_script = [Ok(parked())].into();
    executor.shop.lock().watch_script = [parked()].into();
    assert_eq!(talk.confirm().await.reply, parked().said);
    executor.shop.lock().watch_script = [parked()].into();
    let turn = talk.say("refund 2 of the mugs from order #1004").await;
    assert!(turn.reply.starts_with(&parked().said), "{}", turn.reply);
    // Beside the card it is looked at, and not told of again while it goes on.
    executor.shop.lock().watch_script = [parked()].into();
    let turn = talk.say("which order is it").await;
    assert!(turn.reply.starts_with(reply::ON_THE_CARD), "{}", turn.reply);
    assert_eq!(talk.confirm().await.reply, "It is cancelled. Receipt rcp_1.");
    executor.shop.lock().watch_script = [sealed(Outcome::Applied, "The first is done.")].into();
    let turn = talk.say("is it done?").await;
    assert!(turn.reply.starts_with("The first is done."), "{}", turn.reply);
    assert!(!talk.say("is it done?").await.reply.contains("The first is done."));
}

#[tokio::test(start_paused = true)]
async fn actions_that_wait_are_looked_at_together_and_told_of_in_their_order() {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::offline(&executor);
    for wish in ["cancel order #1001", "refund 2 of the mugs from order #1004"] {
        executor.shop.lock().watch_script = [parked()].into();
        talk.say(wish).await;
        executor.shop.lock().execute_script = [Ok(parked())].into();
        executor.shop.lock().watch_script = [parked()].into();
        talk.confirm().await;
    }
    executor.shop.lock().looks = Some(Arc::new(Barrier::new(2)));
    let ended = ["The first is done.", "The second is done."];
    executor.shop.lock().watch_script = ended.map(|said| sealed(Outcome::Applied, said)).into();
    let turn = timeout(Duration::from_secs(1), talk.say("is it done?")).await;
    let reply = turn.expect("nobody waits for the one before").reply;
    assert!(reply.starts_with(&ended.join("\n\n")), "{reply}");
}

fn says(code: Code) -> Result<Action, CallError> {
    Err(refused(Refusal::new(code, "not now")))
}

fn lost() -> Result<Action, CallError> {
    Err(CallError::Lost("gone".into()))
}

/// A yes whose answers were lost may have done it: a refusal that proves nothing is no end of it.
#[tokio::test(start_paused = true)]
async fn what_may_be_done_is_waited_for_also_where_the_executor_cannot_look() {
    for code in [Code::StoreUnavailable, Code::Internal, Code::Quarantined, Code::Overloaded] {
        let executor = FakeExecutor::new(TWO);
        let mut talk = Talk::offline(&executor);
        talk.say("cancel order #1001").await;
        executor.shop.lock().execute_script = [lost(), lost(), lost(), lost()].into();
        assert_eq!(talk.confirm().await.reply, reply::STILL_CHECKED);
        executor.shop.lock().execute_script = [says(code)].into();
        assert_eq!(talk.say("and now?").await.reply, reply::STILL_CHECKED, "{}", code.name());
        assert_eq!(talk.say("and now?").await.reply, "It is cancelled. Receipt rcp_1.");
        assert_eq!(executor.shop.lock().executed.last().unwrap().1, "signed");
    }
}

/// It may have failed after the effect: by reading the receipt for the answer.
#[tokio::test]
async fn a_yes_is_not_told_as_undone_by_a_refusal_that_proves_nothing() {
    for code in [Code::StoreUnavailable, Code::Internal, Code::Quarantined] {
        let executor = FakeExecutor::new(TWO);
        let mut talk = Talk::offline(&executor);
        talk.say("cancel order #1001").await;
        executor.shop.lock().execute_script = [says(code)].into();
        let turn = talk.confirm().await;
        assert_eq!(turn.reply, reply::STILL_CHECKED, "{}", code.name());
        assert_eq!(turn.actions[0].code, "IN_FLIGHT");
        assert_eq!(talk.say("and now?").await.reply, "It is cancelled. Receipt rcp_1.");
    }
}

/// A yes was refused for a moment, before anything was begun.
async fn in_doubt() -> (Arc<FakeExecutor>, Talk) {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::offline(&executor);
    talk.say("cancel order #1001").await;
    executor.shop.lock().execute_script = [says(Code::StoreUnavailable)].into();
    assert_eq!(talk.confirm().await.reply, reply::STILL_CHECKED);
    (executor, talk)
}

/// It is taken back, and never sent once more.
#[tokio::test]
async fn a_no_after_a_yes_whose_end_is_not_known_carries_nothing_out() {
    for text in ["then forget it, don't do it", "no", "Nein, doch nicht", "don't cancel #1001"] {
        let (executor, mut talk) = in_doubt().await;
        assert_eq!(talk.say(text).await.reply, reply::DROPPED, "{text}");
        talk.say("thanks").await;
        assert_eq!(executor.shop.lock().withdrawn, ["prp_1"], "{text}");
        assert_eq!(executor.shop.lock().executed.len(), 1, "{text}");
    }
    // The yes did count.
    let (executor, mut talk) = in_doubt().await;
    let done = sealed(Outcome::Applied, "It is cancelled. Receipt rcp_1.");
    executor.shop.lock().withdraw_script.push_back(Ok(done));
    assert_eq!(talk.say("no").await.reply, "It is cancelled. Receipt rcp_1.");
    assert!(!talk.say("thanks").await.reply.contains("It is cancelled."));
    assert_eq!(executor.shop.lock().executed.len(), 1);
    // What else is wanted is taken up.
    for text in ["no, cancel order #1004 instead", "Nein, cancel order #1004 instead"] {
        let (executor, mut talk) = in_doubt().await;
        let told = talk.say(text).await.reply;
        let card = talk.card.clone().unwrap().text;
        assert_eq!(told, format!("{}\n\n{card}", reply::DROPPED), "{text}");
        assert_eq!(executor.shop.lock().withdrawn, ["prp_1"], "{text}");
        assert_eq!(executor.shop.lock().executed.len(), 1, "{text}");
    }
}

/// It holds also while nobody can be told of it, over a restart too, and however often it is sent.
#[tokio::test]
async fn a_no_that_cannot_be_passed_on_is_told_as_such_and_stays_one() {
    let (executor, mut talk) = in_doubt().await;
    let away = || [says(Code::StoreUnavailable)];
    executor.shop.lock().withdraw_script.extend(away());
    let turn = talk.say("no").await;
    // A client's repeat is taken, not heard from before.
    assert_eq!((turn.reply.as_str(), turn.passing), (reply::NO_NOT_PASSED_ON, true));
    executor.shop.lock().withdraw_script.extend(away());
    assert_eq!(talk.say("no").await.reply, reply::NO_NOT_PASSED_ON);
    let kept = serde_json::to_value(&*talk.in_another_turn().await).unwrap();
    let kept: Conversation = serde_json::from_value(kept).unwrap();
    assert!(kept.pending[0].to_withdraw);
    executor.shop.lock().withdraw_script.extend(away());
    let told = talk.say("is it done?").await.reply;
    assert!(told.starts_with(reply::NO_NOT_PASSED_ON), "{told}");
    let told = talk.say("cancel order #1004").await.reply;
    assert!(told.starts_with(reply::DROPPED), "{told}");
    assert_eq!(executor.shop.lock().withdrawn, ["prp_1"; 4]);
    assert_eq!(executor.shop.lock().executed.len(), 1);
}

/// It says no to that, and the yes stands.
#[tokio::test]
async fn a_no_to_what_was_asked_last_is_none_to_a_yes_of_before() {
    let (executor, mut talk) = in_doubt().await;
    executor.shop.lock().execute_script = [says(Code::StoreUnavailable)].into();
    let told = talk.say("cancel my recent order please").await.reply;
    assert!(told.ends_with("#1004, USD 20.00, placed 2026-11-01"), "{told}");
    let told = talk.say("no, never mind").await.reply;
    assert_eq!(told, format!("{}\n\n{}", reply::STILL_CHECKED, reply::DROPPED));
    assert!(executor.shop.lock().withdrawn.is_empty());
    assert_eq!(executor.shop.lock().executed.len(), 2);
    assert_eq!(talk.say("and now?").await.reply, "It is cancelled. Receipt rcp_1.");
}

/// The planner that handed it over is gone with what it knew, and the yes comes again.
#[tokio::test]
async fn a_repeated_yes_is_waited_for_where_the_executor_cannot_look() {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::offline(&executor);
    let yes = URL_SAFE_NO_PAD.encode(r#"{"proposal":"prp_1"}"#);
    executor.shop.lock().execute_script = [says(Code::StoreUnavailable)].into();
    let turn = talk.send("yes", format!("e30.{yes}.sig")).await;
    assert_eq!(turn.reply, reply::STILL_CHECKED);
    assert_eq!(talk.say("and now?").await.reply, "It is cancelled. Receipt rcp_1.");
}

fn checking(proposal: usize) -> Checking {
    Checking {
        tool: "shopify.refund_lines".to_owned(),
        proposal_id: format!("prp_{proposal}"),
        ..Checking::default()
    }
}

#[test]
fn what_waits_is_kept_and_told_to_models_also_as_the_version_before_kept_it() {
    let mut now = Conversation::default();
    now.wait_for(checking(1));
    let mut before = serde_json::to_value(Conversation::default()).unwrap();
    before.as_object_mut().unwrap().remove("pending");
    before["stage"] = json!({ "Checking": checking(1) });
    for kept in [serde_json::to_value(&now).unwrap(), before] {
        let kept = serde_json::from_value::<Conversation>(kept).unwrap().brought_up();
        assert!(matches!(kept.stage, Stage::Listening));
        let block = kept.checkpoint.shown(&kept.stage, &kept.pending, &kept.focus);
        assert_eq!(block["going_on"][0]["the_end_of"], "prp_1", "{block}");
    }
}

/// What is taken from memory is brought up first.
#[tokio::test]
async fn what_the_version_before_was_checking_is_told_of_once_it_has_ended() {
    let (executor, folder) = (FakeExecutor::new(TWO), tempfile::tempdir().unwrap());
    let memory = Memory::open(folder.path()).unwrap();
    let before = Checking { action_id: Some("act_1".to_owned()), ..checking(1) };
    let stage = Stage::Checking(Box::new(before));
    let before = serde_json::to_string(&Conversation { stage, ..Conversation::default() }).unwrap();
    let name = format!("c1\n\n{}", subject::key(TOKEN));
    let (held, _) = memory.take(&name).await.unwrap();
    held.keep(&BTreeSet::new(), before).await;
    let others = (memory, Knowledge::default());
    let mut talk = Talk::remembering(executor.clone(), Arc::new(Offline), others);
    executor.shop.lock().watch_script = [sealed(Outcome::Applied, "It is cancelled.")].into();
    assert_eq!(talk.say("hello?").await.reply, "It is cancelled.");
}

#[test]
fn what_waits_is_waited_for_once_and_not_without_bound() {
    let mut conversation = Conversation::default();
    for proposal in [0, 1, 1].into_iter().chain(2..9) {
        conversation.wait_for(checking(proposal));
    }
    let waits: Vec<&str> = conversation.pending.iter().map(|c| c.proposal_id.as_str()).collect();
    assert_eq!(waits, ["prp_1", "prp_2", "prp_3", "prp_4", "prp_5", "prp_6", "prp_7", "prp_8"]);
}
