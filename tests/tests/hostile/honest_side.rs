//! Honest people are served, however oddly they talk.

use super::door::Door;
use super::honest::{Talk, applied};
use super::parts::{seen, span, step};
use super::run::{Progress, SCENES, number};
use super::scene::{Scene, Tally};
use super::world::{Ground, World};

const BEFORE: [&str; 6] = ["", "  ", "pls!! ", "😀🚀 ", "PLEASE ", "ähm… so — "];
const AFTER: [&str; 5] = ["", "   ", " 🙏", "\n\nthx", " (or not? yes, do)"];

#[tokio::test]
async fn hostile_planner_honest_conversations_are_served() {
    let wanted = number("COUNTERSIGN_HONEST", 300);
    let ground = Ground::new();
    let mut world = World::new(&ground);
    let mut tally = Tally::default();
    let first = number("COUNTERSIGN_HOSTILE_SEED", 1);
    let mut progress = Progress::new();
    for seed in first..first + wanted {
        if seed.is_multiple_of(SCENES) {
            world = World::new(&ground);
        }
        let door = Door::here(&world.desk);
        let mut scene = Scene::new(&world, &door, seed, &mut tally);
        let kind = scene.dice.below(8);
        let served = scene.served(kind).await;
        assert!(served, "seed {seed}, kind {kind}: {:?}", scene.tally.codes);
        assert!(tally.violations.is_empty(), "seed {seed}: {:?}", tally.violations);
        progress.say(|| format!("seed {seed} of {wanted} honest conversations"));
    }
    println!("{wanted} honest conversations, all served; {} inputs", tally.inputs);
}

impl Scene<'_> {
    /// One conversation of a kind; whether the person got what they wanted.
    async fn served(&mut self, kind: usize) -> bool {
        let carol = self.people[5].clone();
        let (before, after) = (*self.dice.pick(&BEFORE), *self.dice.pick(&AFTER));
        let text = format!("{before}Bring it on 2026-05-05,  PAY 12.50 to DE12345678{after}");
        let talk = self.open_saying(&carol, "a", &text).await;
        match kind {
            0 => {
                let what = self.hold(&talk, 0);
                applied(self.run_step(&talk, what).await)
            }
            1 => self.asks_again(&talk).await,
            2 => self.changes_their_mind(&talk).await,
            3 => self.has_two_orders(&talk).await,
            4 => self.wants_much(&talk).await,
            5 => self.wants_it_once_more(&talk).await,
            6 => self.as_a_guest().await,
            _ => self.says_it_in_two_messages(&talk).await,
        }
    }

    /// Done once; asked again it is answered with what is known.
    async fn asks_again(&mut self, talk: &Talk) -> bool {
        let what = self.pay_out(talk, 0);
        let (id, card) = self.offer(talk, what.clone()).await.unwrap();
        let who = talk.by.who.clone().unwrap();
        let yes = self.yes(&who, &talk.conv, &card);
        let first = self.execute(&talk.by, &id, &yes).await;
        let again = self.execute(&talk.by, &id, &yes).await;
        let told =
            first.as_ref().zip(again.as_ref()).is_some_and(|(a, b)| a.receipt_id == b.receipt_id);
        let known = self.tally.codes.get("ALREADY_DONE").copied().unwrap_or(0);
        let asked = self.offer(talk, what).await;
        let now = self.tally.codes.get("ALREADY_DONE").copied().unwrap_or(0);
        applied(first) && told && asked.is_none() && now == known + 1
    }

    async fn changes_their_mind(&mut self, talk: &Talk) -> bool {
        let what = self.refund(talk, 0, 3);
        let (id, _) = self.offer(talk, what).await.unwrap();
        self.withdraw(&talk.by, &id).await;
        let what = self.refund(talk, 0, 2);
        applied(self.agreed(talk, what).await)
    }

    async fn has_two_orders(&mut self, talk: &Talk) -> bool {
        let (one, two) = (self.refund(talk, 0, 1), self.refund(talk, 1, 1));
        applied(self.agreed(talk, one).await) && applied(self.agreed(talk, two).await)
    }

    /// What was done is done again by a yes to the card that says so.
    async fn wants_it_once_more(&mut self, talk: &Talk) -> bool {
        let what = self.refund(talk, 0, 1);
        let Some(first) = self.agreed(talk, what.clone()).await else { return false };
        let mut plan = self.plan(&talk.conv, 0.95, vec![what]);
        plan.after_receipt_id = first.receipt_id.clone();
        let Some(again) = self.propose(&talk.by, plan).await else { return false };
        let (who, card) = (talk.by.who.clone().unwrap(), again.card.unwrap());
        let yes = self.yes(&who, &talk.conv, &card);
        let second = self.execute(&talk.by, &again.proposal_id, &yes).await;
        card.text.contains("done before") && applied(Some(first)) && applied(second)
    }

    /// An amount that a person of the house looks at.
    async fn wants_much(&mut self, talk: &Talk) -> bool {
        let what = self.refund(talk, 0, 6);
        let (id, card) = self.offer(talk, what).await.unwrap();
        let who = talk.by.who.clone().unwrap();
        let yes = self.yes(&who, &talk.conv, &card);
        let waits = self.execute(&talk.by, &id, &yes).await.is_some();
        let approval = self.approve("lead", "support_lead", &card);
        waits && applied(self.answer(&id, &approval).await)
    }

    async fn says_it_in_two_messages(&mut self, talk: &Talk) -> bool {
        let who = talk.by.who.clone().unwrap();
        let more = self.say(&who, &talk.conv, "no wait, 8.00 💶");
        let mut talk = talk.clone();
        talk.by.words.push(more.clone());
        let arguments = vec![
            ("order_id", seen(&talk.orders, "/orders/1/id")),
            ("amount", span(&more, "8.00")),
            ("account", span(&talk.words, "DE12345678")),
        ];
        applied(self.agreed(&talk, step("shop.pay_out", arguments)).await)
    }
}
