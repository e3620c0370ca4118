//! Two conversations race for the last of a customer's budget: one passes. What is in
//! doubt stays booked, what is proved undone is given back.

use std::time::Duration;

use countersign_proto::v1;
use countersign_proto::v1::execute_request::Target;

use super::bank::Mood;
use super::door::Door;
use super::honest::{Talk, applied};
use super::parts::{seen, span, step};
use super::run::number;
use super::scene::{Scene, Tally};
use super::world::{Ground, World};

/// Pays 250 of the 400 that a day allows.
fn pay(talk: &Talk, order: usize) -> v1::Step {
    step(
        "shop.pay_out",
        vec![
            ("order_id", seen(&talk.orders, &format!("/orders/{order}/id"))),
            ("amount", span(&talk.words, "250.00")),
            ("account", span(&talk.words, "DE12345678")),
        ],
    )
}

const SAID: &str = "bring it on 2026-05-05, pay 250.00 to DE12345678";

/// A call that carries out a proposal, with everything it needs.
async fn ready(scene: &mut Scene<'_>, talk: &Talk, what: v1::Step) -> v1::ExecuteRequest {
    let (id, card) = scene.offer(talk, what).await.unwrap();
    let who = talk.by.who.clone().unwrap();
    let yes = scene.yes(&who, &talk.conv, &card);
    v1::ExecuteRequest {
        subject_token: talk.by.token.clone(),
        target: Some(Target::ProposalId(id)),
        messages: Vec::new(),
        confirmation: yes,
    }
}

fn passed(answer: &Result<v1::ExecuteResponse, tonic::Status>) -> bool {
    answer.as_ref().is_ok_and(|answer| applied(answer.action.clone()))
}

/// Two conversations of one customer.
async fn conversations(scene: &mut Scene<'_>) -> [Talk; 2] {
    let alice = scene.people[0].clone();
    let one = scene.open_saying(&alice, "one", SAID).await;
    [one, scene.open_saying(&alice, "two", SAID).await]
}

/// Both at once: one passes.
async fn one_of(scene: &mut Scene<'_>, door: &Door, seed: u64, each: [(&Talk, v1::Step); 2]) {
    let [(one, what), (two, other)] = each;
    let first = ready(scene, one, what).await;
    let second = ready(scene, two, other).await;
    let (first, second) = tokio::join!(door.execute(first), door.execute(second));
    assert!(passed(&first) != passed(&second), "seed {seed}: {first:?} {second:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn budget_race_one_of_two_conversations_gets_the_last_of_it() {
    let rounds = number("COUNTERSIGN_RACE_ROUNDS", 100);
    let world = World::new(&Ground::new());
    let (door, mut tally) = (Door::here(&world.desk), Tally::default());
    for seed in 1..=rounds {
        let mut scene = Scene::new(&world, &door, seed, &mut tally);
        let [one, two] = conversations(&mut scene).await;
        let each = [(&one, pay(&one, 0)), (&two, pay(&two, 1))];
        one_of(&mut scene, &door, seed, each).await;
        assert_eq!(scene.bank.happened(), 1, "seed {seed}");
    }
    println!("{rounds} rounds for the last of the money: one effect in each");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn budget_race_one_of_two_conversations_is_the_last_of_the_count() {
    let rounds = number("COUNTERSIGN_RACE_ROUNDS", 100) / 4;
    let world = World::new(&Ground::new());
    let (door, mut tally) = (Door::here(&world.desk), Tally::default());
    for seed in 1..=rounds {
        let mut scene = Scene::new(&world, &door, seed, &mut tally);
        let alice = scene.people[0].clone();
        let [one, two] = conversations(&mut scene).await;
        for at in 0..7 {
            let what = scene.refund(&one, 0, at + 1);
            let done = if at < 2 { applied(scene.agreed(&one, what).await) } else { false };
            if !done {
                let text = format!("bring it on 2026-06-{:02}", at + 10);
                let words = scene.say(&alice, "one", &text);
                let mut talk = one.clone();
                (talk.by.words, talk.words) = (vec![words.clone()], words.clone());
                let mut what = scene.hold(&talk, 0);
                what.arguments.insert("day".to_owned(), span(&words, &text[12..]));
                assert!(applied(scene.run_step(&talk, what).await), "{:?}", scene.tally.codes);
            }
        }
        let each = [(&one, scene.track(&one, 0)), (&two, scene.track(&two, 1))];
        one_of(&mut scene, &door, seed, each).await;
        assert_eq!(scene.bank.happened(), 8, "seed {seed}");
    }
    println!("{rounds} rounds for the last of the count: one effect in each");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn budget_race_what_is_in_doubt_stays_booked_and_what_is_undone_is_given_back() {
    let ground = Ground::new();
    for seed in 1..=number("COUNTERSIGN_RACE_ROUNDS", 100) / 10 {
        for (how, left) in [(Mood::Hangs, false), (Mood::Dark, false), (Mood::Refuses, true)] {
            let mut world = World::new(&ground);
            let mut tally = Tally::default();
            let door = Door::here(&world.desk);
            let mut scene = Scene::new(&world, &door, seed, &mut tally);
            let alice = scene.people[0].clone();
            let talk = scene.open_saying(&alice, "a", SAID).await;
            let first = ready(&mut scene, &talk, pay(&talk, 0)).await;
            let second = ready(&mut scene, &talk, pay(&talk, 1)).await;
            scene.bank.change(&alice.orders[0], |order| order.mood = how);
            let (bank, clock) = (scene.bank.clone(), scene.clock.clone());
            if how == Mood::Hangs {
                // The intent is durable and the request has arrived; then the process is gone.
                let desk = world.desk.clone();
                let gone = tokio::spawn(async move { Door::here(&desk).execute(first).await });
                while bank.happened() == 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                gone.abort();
                bank.change(&alice.orders[0], |order| order.mood = Mood::Dark);
                world.restart().await;
            } else {
                assert!(!passed(&door.execute(first).await), "{how:?}");
            }
            clock.forward(1);
            let again = Door::here(&world.desk).execute(second).await;
            assert_eq!(passed(&again), left, "seed {seed}, {how:?}: {again:?}");
        }
    }
}

#[tokio::test]
async fn budget_race_what_is_refused_before_dispatch_is_given_back() {
    let world = World::new(&Ground::new());
    let (door, mut tally) = (Door::here(&world.desk), Tally::default());
    let mut scene = Scene::new(&world, &door, 1, &mut tally);
    let alice = scene.people[0].clone();
    let talk = scene.open_saying(&alice, "a", SAID).await;
    let first = ready(&mut scene, &talk, pay(&talk, 0)).await;
    let second = ready(&mut scene, &talk, pay(&talk, 1)).await;
    scene.bank.change(&alice.orders[0], |order| order.status = "cancelled");
    assert!(door.execute(first).await.is_err());
    assert!(passed(&door.execute(second).await));
    assert_eq!(scene.bank.happened(), 1);
}
