//! A signed yes that leads to a person.

use super::*;

const LINK: &str = "https://yes.shop.example/receipt/rcp_3/x";

/// A card is shown, the state moves under the yes to it, and there is no new card to show.
async fn outrun(executor: &Arc<FakeExecutor>) -> Talk {
    let mut talk = Talk::offline(executor);
    talk.say("cancel order #1001").await;
    let changed = Refusal {
        receipt_id: Some("rcp_3".into()),
        receipt_link: Some(LINK.into()),
        ..Refusal::new(Code::StateChanged, "")
    };
    let mut shop = executor.shop.lock();
    shop.execute_script = [Err(refused(changed))].into();
    shop.no_card = true;
    talk
}

#[tokio::test]
async fn a_signed_yes_that_leads_to_a_person_is_handed_over_and_told_of() {
    let executor = FakeExecutor::new(ONE);
    let mut talk = outrun(&executor).await;
    let turn = talk.confirm().await;
    let told = format!("{}\n\nPassed on.\n\nYour receipt: {LINK}", reply::CHANGED);
    assert_eq!(turn.reply, told);
    assert_eq!(turn.intent(), Intent::Escalate);
    let ended = turn.actions.last().unwrap();
    assert_eq!((ended.code.as_str(), ended.receipt_id.as_str()), ("ESCALATED", "rcp_9"));
    assert!(talk.card.is_none());
    {
        let shop = executor.shop.lock();
        assert_eq!(shop.escalated.len(), 1);
        let handed = &shop.escalated[0];
        assert_eq!((handed.conversation_id.as_str(), handed.request.as_str()), ("c1", "yes"));
        let tried = handed.tried.join("; ");
        assert!(tried.contains("STATE_CHANGED") && tried.contains("rcp_3"), "{tried}");
        assert!(handed.interpretation.starts_with(reply::CHANGED), "{}", handed.interpretation);
        assert!(!handed.interpretation.contains(LINK), "{}", handed.interpretation);
    }
    // The conversation is theirs once they take it.
    executor.shop.lock().handover.taken = true;
    assert_eq!(talk.say("and now?").await.reply, reply::WITH_A_COLLEAGUE);
}

#[tokio::test]
async fn a_signed_yes_that_leads_to_nobody_says_of_no_one_that_they_know() {
    let executor = FakeExecutor::new(ONE);
    let mut talk = outrun(&executor).await;
    executor.shop.lock().escalate_script.push_back(CallError::Unreachable("gone".into()));
    let turn = talk.confirm().await;
    assert!(turn.reply.starts_with(reply::CHANGED), "{}", turn.reply);
    assert!(!turn.reply.contains("Passed on.") && turn.actions.is_empty(), "{}", turn.reply);
}

/// What the executor left to a person by itself is not handed over once more.
#[tokio::test]
async fn a_signed_yes_whose_action_is_with_a_person_is_not_handed_over_again() {
    let executor = FakeExecutor::new(ONE);
    let mut talk = Talk::offline(&executor);
    talk.say("cancel order #1001").await;
    let doubtful =
        Action { escalated: true, ..sealed(Outcome::Unknown, "A colleague looks at it.") };
    executor.shop.lock().execute_script = [Ok(doubtful)].into();
    let turn = talk.confirm().await;
    assert_eq!(
        (turn.reply.as_str(), turn.intent()),
        ("A colleague looks at it.", Intent::Escalate)
    );
    assert_eq!(turn.actions[0].receipt_id, "rcp_1");
    assert!(executor.shop.lock().escalated.is_empty());
}
