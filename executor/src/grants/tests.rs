#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

pub(crate) mod house;
pub(crate) mod shop;

use countersign_core::lifecycle::Outcome;
use countersign_shared::attest::Decision::{Approve, Reject};
use countersign_shared::codes::Code;

use house::{House, people};

const FINANCE: [&str; 3] = ["bob", "carol", "dave"];

#[tokio::test]
async fn a_no_that_comes_beside_a_yes_ends_the_request_and_the_yes_hears_it() {
    let house = House::of(&FINANCE);
    let asked = house.propose().await;
    house.answer("bob", &asked, Approve).await.unwrap();
    // Carol's yes is the last one that is missing; while its read is under way, Dave says no.
    let held = house.shop.hold(1);
    let yes = house.answering("carol", &asked, Approve);
    held.reached().await;
    let no = house.answer("dave", &asked, Reject).await.unwrap_err();
    held.let_go();
    let yes = yes.await.unwrap().unwrap_err();
    assert!(no.refused.is(Code::ApprovalRejected), "{no:?}");
    assert!(yes.refused.is(Code::ApprovalRejected), "{yes:?}");
    assert_eq!(yes.receipt, no.receipt, "one end, one receipt");
    assert_eq!(house.receipts().await, [("refused".into(), "bob dave".into())]);
    assert_eq!(house.shop.refunds(), 0);
}

#[tokio::test]
async fn a_no_that_comes_after_the_last_yes_stops_nothing() {
    let house = House::of(&FINANCE);
    let asked = house.propose().await;
    house.answer("bob", &asked, Approve).await.unwrap();
    // The first read looks whether the request stands, the second is the gate's.
    let held = house.shop.hold(2);
    let yes = house.answering("carol", &asked, Approve);
    held.reached().await;
    let no = house.answer("dave", &asked, Reject).await.unwrap_err();
    assert!(no.refused.is(Code::ApproverNotAllowed), "{no:?}");
    held.let_go();
    let done = yes.await.unwrap().unwrap();
    assert_eq!(done.state.outcome(), Some(Outcome::Applied));
    assert_eq!(house.shop.refunds(), 1);
}

#[tokio::test]
async fn a_yes_of_somebody_who_left_the_role_is_asked_for_anew_and_its_seat_is_free() {
    let mut house = House::of(&FINANCE);
    let asked = house.propose().await;
    house.answer("bob", &asked, Approve).await.unwrap();
    house.employ(people(&["carol", "dave"], &["bob"]));
    let turned = house.answer("carol", &asked, Approve).await.unwrap_err();
    assert!(turned.refused.is(Code::ApproverNotAllowed), "{turned:?}");
    assert_eq!(house.shop.refunds(), 0);
    // The older one has ended; the new one has no answer yet and takes two of now.
    let newer = turned.refused.other_action.unwrap();
    let newer = house.waiting(&newer).await;
    assert_eq!((newer.votes().len(), newer.missing().count()), (0, 2));
    assert!(house.answer("bob", newer.proposal(), Approve).await.is_err());
    for who in ["carol", "dave"] {
        house.answer(who, newer.proposal(), Approve).await.unwrap();
    }
    assert_eq!(house.shop.refunds(), 1);
    let ends = [
        ("applied".into(), "carol dave".into()),
        // Bob's answer, which does not count any more.
        ("refused".into(), String::new()),
        ("refused".into(), "bob carol".into()),
    ];
    assert_eq!(house.receipts().await, ends);
}

#[tokio::test]
async fn a_backend_that_is_away_at_the_last_gate_uses_no_yes_up() {
    let house = House::of(&FINANCE);
    let asked = house.propose().await;
    house.answer("bob", &asked, Approve).await.unwrap();
    // There for the look whether the request stands, and then away.
    house.shop.away_after(1);
    let turned = house.answer("carol", &asked, Approve).await.unwrap_err();
    assert!(turned.refused.passes(), "{turned:?}");
    assert_eq!(house.desk.sweep().await.unwrap(), 1, "it waits, and is tried");
    house.settled(&asked).await;
    let waits = house.waiting(asked.action().as_str()).await;
    assert_eq!((waits.votes().len(), waits.missing().count()), (2, 0), "nobody is asked again");
    assert_eq!((house.receipts().await.len(), house.shop.refunds()), (0, 0));

    house.shop.back();
    assert_eq!(house.desk.sweep().await.unwrap(), 1);
    house.settled(&asked).await;
    assert_eq!(house.receipts().await, [("applied".into(), "bob carol".into())]);
    assert_eq!(house.shop.refunds(), 1);
    assert_eq!(house.desk.sweep().await.unwrap(), 0, "nothing waits any more");
}

/// The shop carries every request out anew, so a second one is a second refund.
#[tokio::test]
async fn a_lost_reply_is_looked_for_while_the_clock_is_behind_what_was_written() {
    let house = House::of(&FINANCE);
    let asked = house.propose().await;
    house.answer("bob", &asked, Approve).await.unwrap();
    house.shop.mute();
    let ahead = jiff::Timestamp::now().checked_add(jiff::SignedDuration::from_hours(1));
    let vitals = house.desk.pipeline.vitals.clone();
    house.shop.meanwhile(move || vitals.wrote(ahead.ok()));
    let done = house.answer("carol", &asked, Approve).await.unwrap();
    assert_eq!(done.state.outcome(), Some(Outcome::Applied));
    assert_eq!(house.shop.refunds(), 1);
}
