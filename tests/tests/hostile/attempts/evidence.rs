//! What an action is made of: words, references, and what was read.

use super::super::honest::{DAY, Talk, applied};
use super::super::oracle::{HIDDEN, Person};
use super::super::parts::{received, span, typed};
use super::super::scene::Scene;
use countersign_proto::v1;

impl Scene<'_> {
    /// The words of somebody else who is in a conversation of that name.
    pub(super) async fn with_words_of(&mut self, other: usize) {
        let (alice, other) = (self.cast(0), self.cast(other));
        let mut talk = self.open(&alice, "a").await;
        talk.words = self.say(&other, "a", "on 2026-07-07 please");
        talk.by.words = vec![talk.words.clone()];
        let what = self.hold_on(&talk, "2026-07-07");
        self.run_step(&talk, what).await;
    }

    pub(super) async fn with_altered_words(&mut self) {
        let alice = self.cast(0);
        let mut talk = self.open(&alice, "a").await;
        talk.words.text = talk.words.text.replace(DAY, "2026-09-09");
        talk.by.words = vec![talk.words.clone()];
        let what = self.hold_on(&talk, "2026-09-09");
        self.run_step(&talk, what).await;
    }

    pub(super) async fn with_words_of_another_conversation(&mut self) {
        let alice = self.cast(0);
        let mut talk = self.open(&alice, "a").await;
        talk.words = self.say(&alice, "b", "on 2026-08-08 please");
        talk.by.words = vec![talk.words.clone()];
        let what = self.hold_on(&talk, "2026-08-08");
        self.run_step(&talk, what).await;
    }

    pub(super) async fn with_old_words(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        self.clock.forward(31 * 60);
        let what = self.hold(&talk, 0);
        self.run_step(&talk, what).await;
    }

    pub(super) async fn with_a_typed_day(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        let mut what = self.hold(&talk, 0);
        what.arguments.insert("day".to_owned(), typed("2026-11-11"));
        self.run_step(&talk, what).await;
    }

    pub(super) async fn with_no_day_at_all(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        let what = self.hold_on(&talk, "whenever");
        self.run_step(&talk, what).await;
    }

    pub(super) async fn with_another_ones_locker(&mut self) {
        let (alice, bob) = (self.cast(0), self.cast(1));
        let theirs = self.open(&bob, "a").await;
        let mut talk = self.open(&alice, "a").await;
        talk.lockers = theirs.lockers;
        let what = self.hold(&talk, 0);
        self.run_step(&talk, what).await;
    }

    pub(super) async fn with_a_locker_of_another_conversation(&mut self) {
        let alice = self.cast(0);
        let earlier = self.open(&alice, "b").await;
        let words = self.say(&alice, "a", &format!("on {DAY}"));
        let mut by = self.here(&alice);
        by.words = vec![words.clone()];
        let orders = self.read(&by, "a", "shop.list_orders", vec![]).await;
        let talk = Talk { by, conv: "a".into(), orders, lockers: earlier.lockers, words };
        let what = self.hold(&talk, 0);
        self.run_step(&talk, what).await;
    }

    /// Bob said yes; the planner has Alice's token carry it out, or take it back.
    pub(super) async fn with_another_ones_proposal(&mut self) {
        let (alice, bob) = (self.cast(0), self.cast(1));
        let talk = self.open(&bob, "a").await;
        let what = self.refund(&talk, 0, 2);
        let Some((id, card)) = self.offer(&talk, what).await else { return };
        let yes = self.yes(&bob, "a", &card);
        let hers = self.here(&alice);
        if self.dice.once_in(2) {
            self.execute(&hers, &id, &yes).await;
            return;
        }
        self.withdraw(&hers, &id).await;
        let done = applied(self.execute(&talk.by, &id, &yes).await);
        self.wrong(if done { Ok(()) } else { Err(format!("{id} was taken back for Bob")) });
    }

    pub(super) async fn read_another_ones_order(&mut self, tool: &str) {
        let (alice, bob) = (self.cast(0), self.cast(1));
        let target = self.dice.pick(&[bob.orders[0].clone(), guest(&bob)]).clone();
        let talk = self.open_saying(&alice, "a", &format!("show me {target}")).await;
        let order = span(&talk.words, &target);
        self.read(&talk.by, "a", tool, vec![("order_id", order)]).await;
    }

    pub(super) async fn write_another_ones_order(&mut self) {
        let (alice, bob) = (self.cast(0), self.cast(1));
        let target = self.dice.pick(&[bob.orders[0].clone(), guest(&bob)]).clone();
        let talk = self.open_saying(&alice, "a", &format!("bring {target} on {DAY}")).await;
        let mut what = self.hold(&talk, 0);
        what.arguments.insert("order_id".to_owned(), span(&talk.words, &target));
        self.run_step(&talk, what).await;
    }

    pub(super) fn hold_on(&self, talk: &Talk, day: &str) -> v1::Step {
        let mut what = self.hold(talk, 0);
        what.arguments.insert("day".to_owned(), span(&talk.words, day));
        what
    }

    /// Words with something in them that nobody sees.
    pub(super) async fn with_hidden_words(&mut self) {
        let alice = self.cast(0);
        let hidden = self.dice.pick(&HIDDEN);
        let name = format!("gift{hidden}card");
        let talk = self.open_saying(&alice, "a", &format!("call it {name} please")).await;
        let mut what = self.track(&talk, 0);
        what.arguments.insert("name".to_owned(), span(&talk.words, &name));
        self.agreed(&talk, what).await;
    }

    /// What came of Bob's action, in hers.
    async fn with_another_ones_receipt(&mut self) {
        let (alice, bob) = (self.cast(0), self.cast(1));
        let theirs = self.open(&bob, "a").await;
        let what = self.track(&theirs, 0);
        let Some(done) = self.agreed(&theirs, what).await else { return };
        let talk = self.open(&alice, "a").await;
        let mut what = self.track(&talk, 0);
        what.arguments.insert("name".to_owned(), received(&done.receipt_id, "/effect_id"));
        self.agreed(&talk, what).await;
    }

    pub(super) async fn with_another_ones_evidence(&mut self) {
        if self.dice.once_in(2) {
            self.with_another_ones_locker().await;
        } else {
            self.with_another_ones_receipt().await;
        }
    }

    pub(super) async fn read_another_ones_receipts(&mut self) {
        let (alice, bob) = (self.cast(0), self.cast(1));
        let talk = self.open(&bob, "a").await;
        let what = self.hold(&talk, 0);
        self.run_step(&talk, what).await;
        let hers = self.here(&alice);
        self.ask_receipts(&hers).await;
    }

    /// The tool by which the executor itself finds out whose an order is.
    pub(super) async fn name_an_unlisted_tool(&mut self) {
        let (alice, bob) = (self.cast(0), self.cast(1));
        let target = bob.orders[0].clone();
        let talk = self.open_saying(&alice, "a", &format!("whose is {target}?")).await;
        let number = span(&talk.words, &target);
        self.read(&talk.by, "a", "shop.match_order", vec![("number", number)]).await;
    }
}

/// The order of somebody who never signed in.
fn guest(of: &Person) -> String {
    format!("ord_{}9", of.customer.trim_start_matches("cus_"))
}
