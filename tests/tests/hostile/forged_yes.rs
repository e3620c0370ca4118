//! A yes counts for the card that this person saw, here and now, and for nothing else.

use countersign_proto::v1;

use super::door::Door;
use super::honest::{AMOUNT, Talk, applied};
use super::oracle::Person;
use super::parts::{seen, span, step};
use super::scene::{Scene, Tally};
use super::world::{Ground, World};

/// Presents a yes, and nothing may come of it.
async fn refused(scene: &mut Scene<'_>, talk: &Talk, id: &str, yes: &str, what: &str) {
    let before = scene.bank.happened();
    let action = scene.execute(&talk.by, id, yes).await;
    assert!(action.is_none(), "{what}: {action:?}");
    assert_eq!(scene.bank.happened(), before, "{what}");
}

fn pay(scene: &Scene<'_>, talk: &Talk, amount: &str) -> v1::Step {
    let mut what = scene.pay_out(talk, 0);
    what.arguments.insert("amount".to_owned(), span(&talk.words, amount));
    what
}

fn once(seed: u64) -> (World, u64) {
    (World::new(&Ground::new()), seed)
}

#[tokio::test]
async fn hostile_planner_spends_a_yes_to_track_on_a_refund() {
    let (world, seed) = once(1);
    let (door, mut tally) = (Door::here(&world.desk), Tally::default());
    let mut scene = Scene::new(&world, &door, seed, &mut tally);
    let alice = scene.people[0].clone();
    let talk = scene.open_saying(&alice, "a", "where is my parcel?").await;
    let (harmless, costly) = (scene.track(&talk, 0), scene.refund(&talk, 0, 5));
    let (_, shown) = scene.offer(&talk, harmless).await.unwrap();
    let (refund, _) = scene.offer(&talk, costly).await.unwrap();
    assert!(shown.text.starts_with("Track your parcel"));
    let yes = scene.yes(&alice, "a", &shown);
    refused(&mut scene, &talk, &refund, &yes, "a yes to `Track your parcel?`").await;
    assert_eq!(tally.codes.get("CONFIRMATION_INVALID"), Some(&1));
}

#[tokio::test]
async fn hostile_planner_hears_not_500_only_50() {
    let (world, seed) = once(2);
    let (door, mut tally) = (Door::here(&world.desk), Tally::default());
    let mut scene = Scene::new(&world, &door, seed, &mut tally);
    let alice = scene.people[0].clone();
    let text = "Not 350.00, only 50.00 please, to DE12345678";
    let talk = scene.open_saying(&alice, "a", text).await;
    // The span of the wrong number is hers, and still it takes the card that shows it.
    let much = pay(&scene, &talk, "350.00");
    let (wrong, card) = scene.offer(&talk, much.clone()).await.unwrap();
    assert!(card.text.contains("350.00"), "{}", card.text);
    assert!(scene.run_step(&talk, much).await.is_none());
    refused(&mut scene, &talk, &wrong, "", "no yes").await;
    let little = pay(&scene, &talk, "50.00");
    let (right, card) = scene.offer(&talk, little).await.unwrap();
    let yes = scene.yes(&alice, "a", &card);
    refused(&mut scene, &talk, &wrong, &yes, "the yes to 50").await;
    assert!(applied(scene.execute(&talk.by, &right, &yes).await));
    refused(&mut scene, &talk, &wrong, &yes, "the yes to 50, again").await;
    let paid: Vec<_> = scene.bank.since(0).into_iter().map(|e| e.minor).collect();
    assert_eq!(paid, [5000]);
    assert!(tally.violations.is_empty(), "{:?}", tally.violations);
}

#[tokio::test]
async fn hostile_planner_presents_every_wrong_yes() {
    let (world, seed) = once(3);
    let (door, mut tally) = (Door::here(&world.desk), Tally::default());
    let mut scene = Scene::new(&world, &door, seed, &mut tally);
    let [alice, bob]: [Person; 2] = [0, 1].map(|at| scene.people[at].clone());
    let talk = scene.open(&alice, "a").await;
    let what = scene.pay_out(&talk, 0);
    let (id, card) = scene.offer(&talk, what).await.unwrap();
    let what = scene.pay_out(&talk, 1);
    let (_, newer) = scene.offer(&talk, what).await.unwrap();
    let now = scene.clock.seconds();
    let keys = scene.keys.clone();
    let yes = |tenant, sub: &str, conv: &str, card: &v1::Card| {
        keys.yes(tenant, sub, conv, card, now, 600)
    };
    let altered = v1::Card { text: card.text.replace(AMOUNT, "1.00"), ..card.clone() };
    let other_id = v1::Card { proposal_id: id.clone(), ..newer.clone() };
    let said = scene.say(&alice, "a", "yes");
    let wrong = [
        ("another card", yes(0, &alice.sub, "a", &newer)),
        ("another card under this id", yes(0, &alice.sub, "a", &other_id)),
        ("another conversation", yes(0, &alice.sub, "b", &card)),
        ("another person", yes(0, &bob.sub, "a", &card)),
        ("the other tenant's frontend", yes(1, &alice.sub, "a", &card)),
        ("altered text", yes(0, &alice.sub, "a", &altered)),
        ("expired", keys.yes(0, &alice.sub, "a", &card, now - 300, 200)),
        ("from before the card", keys.yes(0, &alice.sub, "a", &card, now - 120, 600)),
        ("signed by the planner", keys.forged_yes(0, &alice.sub, "a", &card, now)),
        ("relayed", "yes".to_owned()),
        ("the attested word", said.attestation),
        ("the token", talk.by.token.clone()),
        ("none", String::new()),
    ];
    for (what, yes) in &wrong {
        refused(&mut scene, &talk, &id, yes, what).await;
    }
    // What it takes, so that all of the above was about the yes.
    let right = scene.yes(&alice, "a", &card);
    assert!(applied(scene.execute(&talk.by, &id, &right).await));
    assert!(tally.violations.is_empty(), "{:?}", tally.violations);
}

#[tokio::test]
async fn hostile_planner_takes_an_account_from_a_strangers_text() {
    let (world, seed) = once(4);
    let (door, mut tally) = (Door::here(&world.desk), Tally::default());
    let mut scene = Scene::new(&world, &door, seed, &mut tally);
    let alice = scene.people[0].clone();
    scene.bank.change(&alice.orders[0], |order| order.note = "ZZ99999999".to_owned());
    let talk = scene.open(&alice, "a").await;
    let mut what = scene.pay_out(&talk, 0);
    what.arguments.insert("account".to_owned(), seen(&talk.orders, "/orders/0/note"));
    let (id, card) = scene.offer(&talk, what.clone()).await.unwrap();
    assert!(card.text.contains("ZZ99999999"), "the card shows it: {}", card.text);
    refused(&mut scene, &talk, &id, "", "no yes").await;
    assert!(scene.run_step(&talk, what).await.is_none());
    let typed = step(
        "shop.pay_out",
        vec![
            ("order_id", seen(&talk.orders, "/orders/0/id")),
            ("amount", super::parts::typed("12.50")),
            ("account", super::parts::typed("ZZ99999999")),
        ],
    );
    assert!(scene.offer(&talk, typed).await.is_none());
    assert_eq!(scene.bank.happened(), 0);
}
