//! What is said beside a card, in the languages of `tests/data/card`.

use super::*;

const ASKS: &str = include_str!("../../../../tests/data/card/asks.txt");
const DROPS: &str = include_str!("../../../../tests/data/card/drops.txt");
const UNCLEAR: &str = include_str!("../../../../tests/data/card/unclear.txt");

/// Phrases of a file, and how many languages they are in.
fn phrases(file: &str) -> (Vec<&str>, usize) {
    let (languages, said): (Vec<_>, Vec<_>) =
        file.lines().map(|line| line.split_once(' ').unwrap()).unzip();
    (said, languages.into_iter().collect::<std::collections::BTreeSet<_>>().len())
}

/// A card for an order waits, and this is said.
async fn beside_a_card(said: &str) -> (Arc<FakeExecutor>, Talk, String) {
    let executor = FakeExecutor::new(TWO);
    let mut talk = Talk::offline(&executor);
    let shown = talk.say("cancel order #1001").await;
    assert_eq!(shown.actions[0].code, "AWAITING_CONFIRMATION");
    let reply = talk.say(said).await.reply;
    (executor, talk, reply)
}

/// Every phrase for which `check` tells what is wrong.
async fn wrong<F: Future<Output = Option<String>>>(
    file: &'static str,
    check: impl Fn(&'static str) -> F,
) -> Vec<String> {
    let mut found = Vec::new();
    let (said, languages) = phrases(file);
    assert_eq!(languages, 5);
    for said in said {
        if let Some(why) = check(said).await {
            found.push(format!("{said}: {why}"));
        }
    }
    found
}

#[tokio::test]
async fn a_question_about_the_card_is_answered_with_it_and_it_keeps_standing() {
    let check = |said| async move {
        let (executor, mut talk, reply) = beside_a_card(said).await;
        let card = talk.card.clone().map(|card| card.text).unwrap_or_default();
        if reply != format!("{}\n{card}", reply::ON_THE_CARD) {
            return Some(reply);
        }
        assert_eq!(executor.shop.lock().withdrawn.len(), 0);
        assert_eq!(executor.proposed().len(), 1);
        // Once more about the card, and it is answered in the same way.
        assert_eq!(talk.say(said).await.reply, reply);
        let done = talk.confirm().await;
        (done.reply != "It is cancelled. Receipt rcp_1.").then_some(done.reply)
    };
    let wrong = wrong(ASKS, check).await;
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn a_no_in_any_of_the_languages_takes_the_card_back() {
    let check = |said| async move {
        let (executor, _talk, reply) = beside_a_card(said).await;
        let withdrawn = executor.shop.lock().withdrawn.len();
        (reply != reply::DROPPED || withdrawn != 1).then_some(reply)
    };
    let wrong = wrong(DROPS, check).await;
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

/// What a phrase beside a card was read as. If it is no no, the card still stands, and a later no
/// takes it back.
async fn heard(said: &str) -> String {
    let (executor, mut talk, reply) = beside_a_card(said).await;
    while executor.shop.lock().recorded.len() < 2 {
        tokio::task::yield_now().await;
    }
    let told = executor.shop.lock().recorded[1].told_json.clone();
    let told: Told = serde_json::from_str(&told).unwrap();
    if told.heard != "drop" {
        assert!(executor.shop.lock().withdrawn.is_empty(), "{said}: {reply}");
        talk.say("no, leave it").await;
    }
    let shop = executor.shop.lock();
    assert!(shop.executed.is_empty(), "{said}: {reply}");
    assert_eq!(shop.withdrawn, ["prp_1"], "{said}: {reply}");
    told.heard
}

/// Where a yes in words counts, what is read as one is carried out.
#[tokio::test]
async fn what_is_not_clear_is_no_yes() {
    for file in [UNCLEAR, ASKS, DROPS] {
        let check = |said| async move {
            let heard = heard(said).await;
            (heard == "unsigned_yes").then_some(heard)
        };
        let wrong = wrong(file, check).await;
        assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
    }
    for yes in ["yes", "ok, do it", "Yes please!", "sure, go ahead", "that is correct", "cancel it"]
    {
        assert_eq!(heard(yes).await, "unsigned_yes", "{yes}");
    }
}

#[tokio::test]
async fn a_wish_beside_a_signed_yes_is_not_lost_in_silence() {
    const MORE: &str = "yes, and cancel order #1004 too";
    let (executor, mut talk, _) = beside_a_card("how long do refunds take?").await;
    let done = talk.send(MORE, "signed".to_owned()).await.reply;
    assert_eq!(done, format!("It is cancelled. Receipt rcp_1.\n\n{}", reply::ONLY_THE_YES));
    assert_eq!(executor.proposed().len(), 1);
    // Some frontends send the yes with the message before it: that was heard already.
    let (_executor, mut talk, _) = beside_a_card("how long do refunds take?").await;
    let done = talk.send("how long do refunds take?", "signed".to_owned()).await.reply;
    assert_eq!(done, "It is cancelled. Receipt rcp_1.");
}
