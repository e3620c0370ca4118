//! Two planners on one PostgreSQL, as processes: a conversation goes on at whichever is asked,
//! also where the other was killed in the middle of a turn, nothing is done twice, also where two
//! things are said at once, what models may cost is one budget, and without the database they are
//! not ready.

mod couple;
mod model;

use std::time::Duration;

use countersign_tests::sandbox::{Fault, FaultSpec};
use serde_json::Value;

use couple::{Couple, text};
use model::Counting;

/// When one is killed, after a request was sent to it.
const AFTER: [u64; 5] = [0, 15, 60, 250, 900];

#[tokio::test(flavor = "multi_thread")]
async fn planners_go_on_with_each_others_conversations() {
    let mut couple = Couple::start("{ kind: offline }").await;
    let status = couple.body("where is my order #1001?", None);
    // The same request at both at once is one turn.
    let (one, other) = tokio::join!(couple.post(0, &status), couple.post(1, &status));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(text(&one), text(&other));
    // What was spoken of at one is known at the other.
    let wish = couple.body("then cancel it please", None);
    let asked = couple.post(1, &wish).await.unwrap();
    let card = asked["countersign"]["card"].clone();
    assert!(card["text"].as_str().unwrap().contains("#1001"), "{asked}");
    let yes = couple.body("yes", Some(&card));
    let done = couple.post(0, &yes).await.unwrap();
    assert_eq!(action(&done)["outcome"], "applied", "{done}");
    assert_eq!(text(&couple.post(1, &yes).await.unwrap()), text(&done));
    assert_eq!(couple.cancels(), 1, "{:?}", couple.pair.effects());
}

#[tokio::test(flavor = "multi_thread")]
async fn planners_take_up_what_a_killed_one_left_and_repeat_nothing() {
    let mut in_flight = 0;
    for after in AFTER {
        let mut couple = Couple::start("{ kind: offline }").await;
        let wish = couple.body("please cancel my order #1001", None);
        let asked = couple.killed(0, &wish, after).await;
        let card = asked["countersign"]["card"].clone();
        assert!(card["text"].as_str().unwrap().contains("#1001"), "{asked}");
        assert_eq!(couple.cancels(), 0);
        couple.start_again(0);
        // The shop answers late, so that the turn is long.
        couple.pair.sandbox.fault(FaultSpec { after_ms: 700, ..Fault::Slow.into() });
        let yes = couple.body("yes", Some(&card));
        let done = couple.killed(1, &yes, after).await;
        if action(&done)["outcome"] != "applied" && action(&done)["code"] != "ALREADY_DONE" {
            // It was still under way: the next message hears how it ended.
            in_flight += 1;
            tokio::time::sleep(Duration::from_secs(1)).await;
            let ask = couple.body("is it done?", None);
            let heard = couple.post(0, &ask).await.unwrap();
            assert_eq!(action(&heard)["outcome"], "applied", "{heard}");
        }
        couple.start_again(1);
        assert_eq!(text(&couple.post(1, &yes).await.unwrap()), text(&done));
        assert_eq!(couple.cancels(), 1, "killed after {after} ms: {:?}", couple.pair.effects());
    }
    println!("killed {} times, {in_flight} times with the action under way", AFTER.len() * 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn planners_told_two_things_at_once_do_neither_twice() {
    let mut couple = Couple::start("{ kind: offline }").await;
    let status = couple.body("where is my order #1001?", None);
    couple.post(0, &status).await.unwrap();
    // As from two windows: each goes on from what was said before, at another planner.
    let before = couple.said.clone();
    let mut windows = [before.clone(), before];
    let wishes = ["please cancel my order #1001", "cancel order #1001 now, please"];
    let asked = couple.each_says(&mut windows, wishes, [None, None]).await;
    let cards = asked.each_ref().map(|(_, answer)| &answer["countersign"]["card"]);
    for card in cards {
        assert!(card["text"].as_str().unwrap().contains("#1001"), "{asked:?}");
    }
    let done = couple.each_says(&mut windows, ["yes", "yes"], cards.map(Some)).await;
    assert_eq!(couple.cancels(), 1, "{done:?}");
    assert!(done.iter().any(|(_, answer)| action(answer)["outcome"] == "applied"), "{done:?}");
    // Each is heard again at the other one, and nothing is done for it.
    for (which, (body, answer)) in done.iter().enumerate() {
        assert_eq!(text(&couple.post(1 - which, body).await.unwrap()), text(answer));
    }
    assert_eq!(couple.cancels(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn planners_without_their_database_are_not_ready_until_it_is_back() {
    let mut couple = Couple::start("{ kind: offline }").await;
    couple.readiness(true).await;
    couple.cluster.stop();
    for page in couple.readiness(false).await {
        assert!(page.contains("the planners' database does not answer"), "{page}");
    }
    let wish = couple.body("please cancel my order #1001", None);
    assert_eq!(couple.post(0, &wish).await, None, "a turn that nobody could remember");
    couple.cluster.restart(&[]);
    couple.readiness(true).await;
    let asked = couple.post(1, &wish).await.unwrap();
    assert!(asked["countersign"]["card"]["text"].as_str().unwrap().contains("#1001"), "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn planners_show_again_what_one_of_them_took_away_and_lose_no_receipt() {
    let mut couple = Couple::start("{ kind: offline }").await;
    let wish = couple.body("please cancel my order #1001", None);
    let card = couple.post(0, &wish).await.unwrap()["countersign"]["card"].clone();
    let yes = couple.body("yes", Some(&card));
    let done = couple.post(0, &yes).await.unwrap();
    let receipt = action(&done)["receipt_id"].as_str().unwrap().to_owned();
    let kept = couple.kept_receipts(0);
    assert!(kept.contains(&receipt), "{kept}");
    let newest = "SELECT encode(note, 'hex') FROM checkpoints";
    let shown = couple.cluster.sql(newest);
    assert!(!shown.is_empty());
    // As a planner does whose configuration does not have the log's new key yet; and what is no
    // checkpoint of the log, and hides those that are.
    for spoiled in ["DELETE FROM checkpoints", "UPDATE checkpoints SET size = 1000000000"] {
        couple.cluster.sql(spoiled);
        let status = couple.body("where is my order #1001?", None);
        couple.post(0, &status).await.unwrap();
        assert_eq!(couple.cluster.sql(newest), shown, "{spoiled}");
        assert_eq!(couple.kept_receipts(0), kept);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn planners_share_a_budget_and_are_never_over_by_one_call() {
    // A decision may take two, and with an answer like this one it does.
    const CALLS: usize = 58;
    let model = Counting::start().await;
    let routed = format!(
        "{{ kind: routed, cheap: {{ url: \"http://{}/v1\", name: rambler }}, \
         budgets: {{ tenant_day: {{ calls: {CALLS} }} }} }}",
        model.address
    );
    let couple = Couple::start(&routed).await;
    let turns = (0..200).map(|turn| couple.asks_oddly(turn % 2, turn));
    let heard: Vec<Value> = futures_util::future::join_all(turns).await;
    assert_eq!(heard.len(), 200);
    assert_eq!(model.asked(), CALLS);
}

fn action(answer: &Value) -> &Value {
    &answer["countersign"]["actions"][0]
}
