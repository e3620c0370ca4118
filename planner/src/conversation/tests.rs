//! Whole conversations with the offline model against the hand-written executor.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "tests"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD;
use countersign_proto::v1::{Action, ActionState, GetHandoverResponse, GrantKind, Intent, Outcome};
use countersign_shared::codes::Code;
use countersign_shared::refusal::Refusal;
use countersign_shared::turn::Told;
use serde_json::json;

use super::fake::{FakeExecutor, Talk, refused, sealed, tools};
use super::{Conversations, Limits};
use crate::executor::CallError;
use crate::knowledge::Knowledge;
use crate::memory::Memory;
use crate::model::offline::Offline;
use crate::reply;

const TWO: &[(u32, &[(&str, i64)])] =
    &[(1001, &[("Rain jacket", 1), ("Wool scarf", 1)]), (1004, &[("Enamel mug", 3)])];
const ONE: &[(u32, &[(&str, i64)])] = &[(1001, &[("Rain jacket", 1)])];

#[tokio::test]
async fn cancel_is_proposed_confirmed_and_told_from_the_receipt() {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::offline(&executor);
    let turn = talk.say("please cancel my order #1001").await;
    assert_eq!(turn.intent(), Intent::Action);
    assert_eq!(turn.actions[0].code, "AWAITING_CONFIRMATION");
    assert_eq!(turn.reply, talk.card.clone().unwrap().text);
    assert!(turn.confidence.unwrap().score >= 0.95);
    assert_eq!(executor.proposed()[0].arguments["order_id"], json!("gid://shopify/Order/1001"));
    let turn = talk.confirm().await;
    assert_eq!(turn.reply, "It is cancelled. Receipt rcp_1.");
    assert_eq!(
        (turn.actions[0].outcome(), turn.actions[0].receipt_id.as_str()),
        (Outcome::Applied, "rcp_1")
    );
    assert_eq!(executor.shop.lock().executed, [("prp_1".to_owned(), "signed".to_owned())]);
}

#[tokio::test]
async fn without_a_number_two_orders_are_asked_about() {
    for (answer, number) in [
        ("the second one", "1004"),
        ("#1001", "1001"),
        ("1004 please", "1004"),
        ("the first", "1001"),
    ] {
        let executor = FakeExecutor::new(TWO);
        let mut talk = Talk::offline(&executor);
        let turn = talk.say("cancel my recent order please").await;
        assert_eq!(turn.intent(), Intent::Clarify);
        assert!(turn.reply.contains("#1001") && turn.reply.contains("#1004"), "{}", turn.reply);
        assert!(executor.proposed().is_empty());
        let turn = talk.say(answer).await;
        assert_eq!(turn.actions[0].code, "AWAITING_CONFIRMATION", "{answer}: {}", turn.reply);
        assert_eq!(
            executor.proposed()[0].arguments["order_id"],
            json!(format!("gid://shopify/Order/{number}"))
        );
    }
}

#[tokio::test]
async fn without_a_number_the_only_order_is_taken() {
    let executor = FakeExecutor::new(ONE);
    let turn = Talk::offline(&executor).say("I want to cancel my order").await;
    assert_eq!(turn.actions[0].code, "AWAITING_CONFIRMATION", "{}", turn.reply);
}

#[tokio::test]
async fn a_number_that_is_not_theirs_is_never_replaced_by_one_that_is() {
    let executor = FakeExecutor::new(ONE);
    let mut talk = Talk::offline(&executor);
    let turn = talk.say("cancel order #1999").await;
    assert_eq!(turn.actions[0].code, "ORDER_NOT_FOUND");
    let turn = talk.say("please cancel 1999 for me").await;
    assert!(executor.proposed().is_empty(), "{}", turn.reply);
}

#[tokio::test]
async fn two_order_numbers_are_asked_about() {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::offline(&executor);
    let turn = talk.say("cancel order #1001 and order #1004").await;
    assert_eq!(turn.intent(), Intent::Clarify, "{}", turn.reply);
    talk.say("#1004").await;
    assert_eq!(executor.proposed()[0].arguments["order_id"], json!("gid://shopify/Order/1004"));
}

#[tokio::test]
async fn the_named_item_is_refunded_and_no_other() {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::offline(&executor);
    talk.say("the jacket from order #1001 is torn, I want my money back").await;
    let lines = executor.proposed()[0].arguments["lines"].clone();
    assert_eq!(lines.as_array().unwrap().len(), 1);
    assert_eq!(lines[0]["line_id"], json!("gid://shopify/LineItem/10010"));
}

#[tokio::test]
async fn an_open_item_is_asked_about_and_all_of_them_are_all() {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::offline(&executor);
    let turn = talk.say("refund order #1001").await;
    assert!(
        turn.reply.contains("Rain jacket") && turn.reply.contains("Wool scarf"),
        "{}",
        turn.reply
    );
    talk.say("all of them").await;
    assert_eq!(executor.proposed()[0].arguments["lines"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_only_item_is_not_taken_for_another_that_was_named() {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::offline(&executor);
    let turn = talk.say("the jacket from order #1004 is torn, refund it please").await;
    assert!(
        turn.reply.contains("Do you mean this one?") && turn.reply.contains("Enamel mug"),
        "{}",
        turn.reply
    );
    assert!(executor.proposed().is_empty());
    talk.say("no").await;
    assert!(executor.proposed().is_empty());
}

#[tokio::test]
async fn a_stated_number_of_pieces_is_what_is_refunded() {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::offline(&executor);
    talk.say("refund 2 of the mugs from order #1004").await;
    assert_eq!(executor.proposed()[0].arguments["lines"][0]["quantity"], json!(2));
}

#[tokio::test]
async fn a_no_drops_the_card_and_a_yes_in_words_is_not_signed() {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::offline(&executor);
    talk.say("cancel order #1001").await;
    let turn = talk.say("yes").await;
    assert!(turn.reply.starts_with(reply::CONFIRM_ON_CARD));
    assert!(talk.card.is_some());
    assert_eq!(talk.say("no, leave it").await.reply, reply::DROPPED);
    assert!(executor.shop.lock().executed.is_empty());
}

#[tokio::test]
async fn a_changed_mind_proposes_the_new_wish() {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::offline(&executor);
    talk.say("cancel order #1001").await;
    talk.say("actually no, cancel order #1004 instead").await;
    assert_eq!(
        executor.proposed().last().unwrap().arguments["order_id"],
        json!("gid://shopify/Order/1004")
    );
}

#[tokio::test]
async fn it_means_what_was_spoken_of_last() {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::offline(&executor);
    let turn = talk.say("where is order #1004?").await;
    assert_eq!(
        (turn.intent(), turn.reply.as_str()),
        (Intent::Question, "Order #1004 is on its way.")
    );
    let turn = talk.say("then cancel it please").await;
    assert_eq!(
        executor.proposed()[0].arguments["order_id"],
        json!("gid://shopify/Order/1004"),
        "{}",
        turn.reply
    );
}

#[tokio::test]
async fn a_refused_proposal_is_told_in_the_executors_words() {
    let executor = FakeExecutor::new(TWO);
    let refusal = Refusal {
        code: "ORDER_FULFILLED".into(),
        say: "It has already shipped.".into(),
        receipt_id: Some("rcp_7".into()),
        ..Refusal::default()
    };
    executor.shop.lock().propose_script.push_back(refused(refusal));
    let turn = Talk::offline(&executor).say("cancel order #1001").await;
    assert_eq!(turn.reply, "It has already shipped.");
    assert_eq!(
        (turn.actions[0].code.as_str(), turn.actions[0].receipt_id.as_str()),
        ("ORDER_FULFILLED", "rcp_7")
    );
}

#[tokio::test]
async fn done_before_shows_the_first_receipt_and_again_carries_it() {
    let executor = FakeExecutor::new(TWO);
    let link = "https://yes.shop.example/receipt/rcp_1/x";
    let refusal = Refusal {
        receipt_id: Some("rcp_1".into()),
        receipt_link: Some(link.into()),
        ..Refusal::new(Code::AlreadyDone, "")
    };
    executor.shop.lock().propose_script.push_back(refused(refusal));
    let mut talk = Talk::offline(&executor);
    let turn = talk.say("cancel order #1001").await;
    assert!(turn.reply.ends_with(&format!("\n\nYour receipt: {link}")), "{}", turn.reply);
    assert_eq!(
        (turn.actions[0].code.as_str(), turn.actions[0].receipt_id.as_str()),
        ("ALREADY_DONE", "rcp_1")
    );
    talk.say("do it again").await;
    assert_eq!(executor.proposed()[0].after, "rcp_1");
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_asked_about_until_the_receipt() {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::offline(&executor);
    talk.say("cancel order #1001").await;
    {
        let mut shop = executor.shop.lock();
        let in_flight =
            Refusal { action_id: Some("act_1".into()), ..Refusal::new(Code::InFlight, "") };
        shop.execute_script =
            [Err(CallError::Lost("deadline".into())), Err(refused(in_flight))].into();
        shop.watch_script = [sealed(Outcome::Applied, "It is cancelled.")].into();
    }
    assert_eq!(talk.confirm().await.reply, "It is cancelled.");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_end_is_told_as_unknown_and_as_known_once_it_is() {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::offline(&executor);
    talk.say("cancel order #1001").await;
    let unsealed = Action {
        action_id: "act_1".into(),
        state: ActionState::Verifying.into(),
        ..Action::default()
    };
    executor.shop.lock().execute_script = [Ok(unsealed.clone())].into();
    executor.shop.lock().watch_script = [unsealed.clone(), unsealed].into();
    assert_eq!(talk.confirm().await.reply, reply::STILL_CHECKED);
    assert_eq!(talk.say("and now?").await.reply, reply::STILL_CHECKED);
    executor.shop.lock().watch_script = [sealed(Outcome::Applied, "It is cancelled.")].into();
    assert_eq!(talk.say("hello?").await.reply, "It is cancelled.");
}

#[tokio::test]
async fn without_a_frontend_that_signs_the_yes_is_given_behind_a_link() {
    let executor = FakeExecutor::new(TWO);
    executor.shop.lock().sends_links = true;
    let mut talk = Talk::offline(&executor);
    talk.by_link = true;
    let turn = talk.say("cancel order #1001").await;
    assert!(turn.reply.ends_with(&reply::link_sent("c…@example.com")), "{}", turn.reply);
    assert!(turn.reply.contains("cancel_order"), "the card is told: {}", turn.reply);
    assert_eq!(turn.actions[0].code, "AWAITING_CONFIRMATION");
    assert!(talk.card.is_none() && !turn.reply.contains("http"), "{}", turn.reply);
    let mut waits = Action { action_id: "act_1".into(), ..Action::default() };
    waits.set_state(ActionState::Proposed);
    waits.needs = vec![GrantKind::Customer.into()];
    executor.shop.lock().watch_script = [waits].into();
    assert_eq!(talk.say("yes").await.reply, reply::OPEN_THE_LINK);
    executor.shop.lock().watch_script = [sealed(Outcome::Applied, "It is cancelled.")].into();
    assert_eq!(talk.say("done").await.reply, "It is cancelled.");
    assert!(executor.shop.lock().executed.is_empty(), "no yes goes through the planner");
}

#[tokio::test]
async fn an_action_that_is_not_there_is_not_looked_for_for_ever() {
    let executor = FakeExecutor::new(TWO);
    executor.shop.lock().sends_links = true;
    let mut talk = Talk::offline(&executor);
    talk.by_link = true;
    talk.say("cancel order #1001").await;
    assert_eq!(talk.say("done").await.reply, reply::STILL_CHECKED);
    executor.shop.lock().forgotten = true;
    let turn = talk.say("done").await;
    assert_eq!(turn.actions[0].code, "NOT_FOUND");
    assert_ne!(turn.reply, reply::STILL_CHECKED);
    // The conversation goes on with something new.
    let turn = talk.say("cancel order #1001").await;
    assert_eq!(turn.actions[0].code, "AWAITING_CONFIRMATION");
}

#[tokio::test]
async fn without_a_card_and_without_a_link_a_person_takes_over() {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::offline(&executor);
    talk.by_link = true;
    assert_eq!(talk.say("cancel order #1001").await.intent(), Intent::Escalate);
    assert!(talk.card.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_executor_claims_nothing_and_the_card_survives() {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::offline(&executor);
    executor.shop.lock().list_script.push_back(CallError::Unreachable("refused".into()));
    assert_eq!(talk.say("cancel order #1001").await.reply, reply::UNREACHABLE);
    talk.say("cancel order #1001").await;
    executor.shop.lock().execute_script = [Err(CallError::Unreachable("refused".into()))].into();
    let turn = talk.confirm().await;
    assert_eq!((turn.reply.as_str(), turn.actions.len()), (reply::UNREACHABLE, 0));
    assert_eq!(talk.confirm().await.reply, "It is cancelled. Receipt rcp_1.");
}

#[tokio::test]
async fn a_changed_state_shows_a_new_card() {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::offline(&executor);
    talk.say("cancel order #1001").await;
    executor.shop.lock().execute_script =
        [Err(refused(Refusal::new(Code::StateChanged, "")))].into();
    let turn = talk.confirm().await;
    assert!(turn.reply.starts_with(reply::CHANGED), "{}", turn.reply);
    assert_eq!(talk.card.as_ref().unwrap().proposal_id, "prp_2");
    executor.shop.lock().execute_script =
        [Err(refused(Refusal::new(Code::ProposalExpired, "")))].into();
    let turn = talk.confirm().await;
    assert!(turn.reply.starts_with(reply::TOO_LATE), "nothing changed: {}", turn.reply);
    assert_eq!(talk.card.unwrap().proposal_id, "prp_3");
}

#[tokio::test]
async fn what_needs_no_grant_is_carried_out_at_once() {
    let executor = FakeExecutor::new(TWO);
    executor.shop.lock().no_confirmation = true;
    let turn = Talk::offline(&executor).say("cancel order #1001").await;
    assert_eq!(turn.actions[0].outcome(), Outcome::Applied);
}

#[tokio::test]
async fn people_get_people_and_questions_do_nothing() {
    for (text, intent) in [
        ("I want to speak to a human", Intent::Escalate),
        ("how long do refunds take?", Intent::Question),
        ("can I still cancel if it was packed already?", Intent::Question),
        ("do not cancel my order #1001", Intent::Clarify),
        ("hello", Intent::Clarify),
    ] {
        let executor = FakeExecutor::new(TWO);
        let turn = Talk::offline(&executor).say(text).await;
        assert_eq!(turn.intent(), intent, "{text}: {}", turn.reply);
        assert!(executor.proposed().is_empty());
    }
}

#[tokio::test]
async fn a_wish_for_a_person_is_handed_over_and_the_reply_is_the_executors() {
    let executor = FakeExecutor::new(TWO);
    let turn = Talk::offline(&executor).say("I want to speak to a human").await;
    assert_eq!(turn.reply, "Passed on.");
    let ended = turn.actions.last().unwrap();
    assert_eq!((ended.code.as_str(), ended.receipt_id.as_str()), ("ESCALATED", "rcp_9"));
    let shop = executor.shop.lock();
    assert_eq!(shop.escalated[0].request, "I want to speak to a human");
    assert!(shop.proposed.is_empty() && shop.executed.is_empty());
}

/// What became of the card is told before it.
#[tokio::test]
async fn a_card_that_is_taken_back_is_told_of_where_a_person_takes_over() {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::offline(&executor);
    talk.say("cancel order #1001").await;
    let turn = talk.say("no, I want to speak to a human").await;
    assert_eq!(turn.reply, format!("{}\n\nPassed on.", reply::DROPPED));
    assert_eq!(executor.shop.lock().withdrawn.len(), 1);
}

#[tokio::test]
async fn what_was_not_handed_over_is_not_said_to_be() {
    let executor = FakeExecutor::new(TWO);
    let lost = CallError::Unreachable("gone".into());
    executor.shop.lock().escalate_script.push_back(lost);
    let turn = Talk::offline(&executor).say("I want to speak to a human").await;
    assert_eq!(turn.intent(), Intent::Escalate);
    assert!(!turn.reply.contains("passed") && turn.actions.is_empty(), "{}", turn.reply);
}

#[test]
fn conversations_are_bounded_in_number_and_age() {
    let limits = Limits { count: 2, idle: Duration::from_secs(10) };
    let all = Conversations::new(limits);
    let start = Instant::now();
    let busy = all.enter("a", start);
    all.enter("b", start + Duration::from_secs(1));
    all.enter("c", start + Duration::from_secs(2));
    assert_eq!(all.count(), 2, "b went: a is in a turn");
    drop(busy);
    all.enter("d", start + Duration::from_secs(60));
    assert_eq!(all.count(), 1, "the idle ones went");
}

/// Nothing about shops is built in: other tools work from their own declarations.
mod card;
mod hand;
mod held;
mod link;
mod no;
mod pending;
mod reads;
mod sure;

mod other_tools {
    use super::*;

    fn executor() -> Arc<FakeExecutor> {
        FakeExecutor::with_tools(
            Vec::new(),
            tools(include_str!("../../testdata/stranger_tools.json")),
        )
    }

    #[tokio::test]
    async fn a_stated_reference_is_found_without_an_extract_rule() {
        let executor = executor();
        let turn = Talk::offline(&executor)
            .say("Please refund payment PAY-2222, I was billed twice")
            .await;
        assert_eq!(turn.actions[0].code, "AWAITING_CONFIRMATION", "{}", turn.reply);
        let proposed = executor.proposed();
        assert_eq!(proposed[0].arguments["payment_id"], json!("p2222"));
        assert_eq!(proposed[0].arguments["reason"], json!("duplicate"));
    }

    #[tokio::test]
    async fn without_a_reference_the_payments_are_offered() {
        let executor = executor();
        let mut talk = Talk::offline(&executor);
        let turn = talk.say("I'd like my money back").await;
        assert!(
            turn.reply.contains("PAY-1111, EUR 5.00") && turn.reply.contains("PAY-2222"),
            "{}",
            turn.reply
        );
        talk.say("the one over 7.50").await;
        assert_eq!(executor.proposed()[0].arguments["payment_id"], json!("p2222"));
        assert!(
            !executor.proposed()[0].arguments.contains_key("reason"),
            "the contract's constant stands"
        );
    }

    #[tokio::test]
    async fn words_that_no_lexicon_knows_work_from_the_examples() {
        let executor = executor();
        let mut talk = Talk::offline(&executor);
        let turn = talk.say("please extend my loan").await;
        assert_eq!(turn.intent(), Intent::Clarify);
        assert_eq!(turn.reply, "I need one more detail: the number of your library card.");
        talk.say("it's L12345").await;
        assert_eq!(executor.proposed()[0].tool, "library.extend_loan");
        assert_eq!(executor.proposed()[0].arguments["card"], json!("L12345"));
    }

    #[tokio::test]
    async fn a_tools_own_results_are_listed_by_their_label() {
        let turn = Talk::offline(&executor()).say("show my payments").await;
        assert_eq!(turn.reply, "This is what I found:\n- PAY-1111, EUR 5.00\n- PAY-2222, EUR 7.50");
    }
}

#[tokio::test]
async fn a_guest_says_order_and_e_mail_and_gets_what_they_wanted_first() {
    let executor = FakeExecutor::new(TWO);
    executor.shop.lock().guest = true;
    let mut talk = Talk::offline(&executor);
    let turn = talk.say("track my order #1001").await;
    assert!(turn.reply.contains("order number and the e-mail"), "{}", turn.reply);
    let turn = talk.say("#1001, mallory@example.com").await;
    assert_eq!(turn.actions[0].code, "MATCH_FAILED", "{}", turn.reply);
    talk.say("1001").await;
    let turn = talk.say("sorry: ada@example.com").await;
    assert_eq!(turn.reply, "Order #1001 is on its way.");
    let matched = [("1001".to_owned(), "ada@example.com".to_owned())];
    assert_eq!(executor.shop.lock().matched, matched);
    // What was matched once is not asked again.
    assert_eq!(talk.say("track my order #1001").await.reply, "Order #1001 is on its way.");
}

#[tokio::test]
async fn a_conversation_is_also_of_whoever_is_matched_in_it() {
    let (executor, folder) = (FakeExecutor::new(TWO), tempfile::tempdir().unwrap());
    let memory = Memory::open(folder.path()).unwrap();
    let others = (memory.clone(), Knowledge::default());
    let mut talk = Talk::remembering(executor.clone(), Arc::new(Offline), others);
    {
        let mut shop = executor.shop.lock();
        (shop.guest, shop.kept_under, shop.matched_under) = (true, "k1".into(), "k2".into());
    }
    talk.say("track my order #1001").await;
    assert_eq!(memory.keys().await.unwrap(), ["k1"]);
    assert_eq!(talk.say("#1001, ada@example.com").await.reply, "Order #1001 is on its way.");
    assert_eq!(memory.keys().await.unwrap(), ["k1", "k2"]);
}

#[tokio::test]
async fn a_guest_who_is_matched_and_may_not_all_the_same_is_asked_to_sign_in() {
    let executor = FakeExecutor::new(TWO);
    let strength = || refused(Refusal::new(Code::StrengthRequired, "sign in"));
    executor.shop.lock().propose_script.extend([strength(), strength()]);
    let mut talk = Talk::offline(&executor);
    let turn = talk.say("cancel order #1001").await;
    assert_eq!(turn.actions[0].code, "STRENGTH_REQUIRED");
    let turn = talk.say("1001 and ada@example.com").await;
    assert_eq!(turn.reply, reply::SIGN_IN);
    // Another message without an address is heard as it is.
    assert_eq!(talk.say("thanks, leave it").await.actions, []);
}

#[tokio::test]
async fn a_question_about_the_house_is_answered_from_its_pages_and_a_wish_is_not() {
    let pages = tempfile::tempdir().unwrap();
    let page = "# Returns\n\nSend it back within 30 days. To cancel an order, ask us.\n";
    std::fs::write(pages.path().join("returns.md"), page).unwrap();
    let config = crate::config::KnowledgeConfig::Folder(pages.path().to_owned());
    let knowledge = Knowledge::open(&config).unwrap();
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::knowing(&executor, Arc::new(Offline), knowledge);
    let turn = talk.say("within how many days can I send something back?").await;
    assert_eq!(turn.intent(), Intent::Question, "{}", turn.reply);
    assert!(turn.reply.contains("30 days") && turn.reply.contains("returns.md"), "{}", turn.reply);
    let turn = talk.say("please cancel my order #1001").await;
    assert_eq!(turn.actions[0].code, "AWAITING_CONFIRMATION", "{}", turn.reply);
    let turn = talk.say("no, leave it").await;
    assert!(turn.actions.is_empty());
    let turn = talk.say("what does the moon weigh").await;
    assert!(!turn.reply.contains("returns.md"), "{}", turn.reply);
}

#[tokio::test]
async fn each_turn_is_told_as_it_was_and_nobody_waits_for_it() {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::offline(&executor);
    let asked = talk.say("please cancel my order #1001").await;
    let done = talk.confirm().await;
    while executor.shop.lock().recorded.len() < 2 {
        tokio::task::yield_now().await;
    }
    let recorded = executor.shop.lock().recorded.clone();
    let told = |at: usize| serde_json::from_str::<Told>(&recorded[at].told_json).unwrap();
    let (first, second) = (told(0), told(1));
    assert_eq!(recorded[0].message.as_ref().unwrap().text, "please cancel my order #1001");
    assert_eq!((first.heard.as_str(), first.intent.as_str()), ("new", "action"));
    assert_eq!((&first.reply, &second.reply), (&asked.reply, &done.reply));
    assert_eq!(first.models[0].decided, "tool shopify.cancel_order");
    let proposed = first.calls.iter().find(|call| call.what == "propose").unwrap();
    let from = proposed.arguments["order_id"].as_str().unwrap();
    let read = first.calls.iter().find(|call| call.what == "read").unwrap();
    assert_eq!(from, format!("observation {} /orders/0/id", read.observation));
    assert_eq!((second.confirmed.as_str(), proposed.proposal.as_str()), ("prp_1", "prp_1"));
    let executed = second.calls.iter().find(|call| call.what == "execute").unwrap();
    assert_eq!((executed.outcome.as_str(), executed.receipt.as_str()), ("applied", "rcp_1"));
}
