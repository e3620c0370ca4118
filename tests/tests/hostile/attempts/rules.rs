//! What the contract, the policy and the operators forbid.

use countersign_core::switch::Reach;
use countersign_proto::v1;

use super::super::bank::Mood;
use super::super::honest::Talk;
use super::super::oracle::MOST_CARDS;
use super::super::parts::{seen, span, step};
use super::super::scene::Scene;

impl Scene<'_> {
    pub(super) async fn on_a_cancelled_order(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        let what = self.hold(&talk, 2);
        self.run_step(&talk, what).await;
    }

    pub(super) async fn unsure(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        let what = self.hold(&talk, 0);
        let score = *self.dice.pick(&[0.0, 0.5, 0.799]);
        self.run_surely(&talk, what, score).await;
    }

    /// Switched off before it was asked for, or after it was agreed to.
    pub(super) async fn what_is_switched_off(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        let what = self.refund(&talk, 0, 2);
        let Some((id, card)) = self.offer(&talk, what).await else { return };
        let yes = self.yes(&alice, "a", &card);
        let all = [
            Reach::All,
            Reach::Tenant("north".into()),
            Reach::Pack("shop".into()),
            Reach::Tool("shop.refund".into()),
        ];
        let reach = self.dice.pick(&all).clone();
        self.turn(&reach, true).await;
        self.execute(&talk.by, &id, &yes).await;
        let what = self.refund(&talk, 1, 3);
        self.agreed(&talk, what).await;
        self.turn(&reach, false).await;
    }

    pub(super) async fn what_only_rehearses(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        let order = seen(&talk.orders, "/orders/0/id");
        self.run_step(&talk, step("shop.close", vec![("order_id", order)])).await;
    }

    pub(super) async fn twice(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        let what = self.hold(&talk, 0);
        self.run_step(&talk, what.clone()).await;
        self.run_step(&talk, what).await;
    }

    pub(super) async fn on_an_order_in_doubt(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        self.bank.change(&alice.orders[0], |order| order.mood = Mood::Dark);
        let what = self.refund(&talk, 0, 2);
        self.agreed(&talk, what).await;
        self.bank.change(&alice.orders[0], |order| order.mood = Mood::Well);
        let what = self.hold(&talk, 0);
        self.run_step(&talk, what).await;
    }

    pub(super) async fn more_than_is_allowed(&mut self) {
        if self.dice.once_in(2) {
            self.more_money_than_a_day_allows().await;
        } else {
            self.more_often_than_an_hour_allows().await;
        }
    }

    async fn more_money_than_a_day_allows(&mut self) {
        let alice = self.cast(0);
        let talk = self.open_saying(&alice, "a", "pay 250.00 to DE12345678").await;
        for order in 0..2 {
            let what = self.pay(&talk, order, "250.00");
            self.agreed(&talk, what).await;
        }
    }

    async fn more_often_than_an_hour_allows(&mut self) {
        let alice = self.cast(0);
        let days: Vec<_> = (1..=9).map(|day| format!("2026-07-0{day}")).collect();
        let talk = self.open_saying(&alice, "a", &days.join(" or ")).await;
        for day in days {
            let what = self.hold_on(&talk, &day);
            self.run_step(&talk, what).await;
        }
    }

    /// Money that would go the other way.
    pub(super) async fn for_less_than_nothing(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        self.bank.change(&alice.orders[0], |order| order.price = -1000);
        let what = self.refund(&talk, 0, 2);
        self.agreed(&talk, what).await;
    }

    /// One card more than may wait at once.
    pub(super) async fn with_a_flood_of_cards(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        for pieces in 1..=i64::try_from(MOST_CARDS).unwrap() + 1 {
            let what = self.refund(&talk, 0, pieces);
            self.offer(&talk, what).await;
        }
    }

    pub(super) async fn read_what_the_policy_forbids(&mut self) {
        let alice = self.cast(2);
        let talk = self.open(&alice, "a").await;
        let order = seen(&talk.orders, "/orders/0/id");
        self.read(&talk.by, "a", "shop.delivery", vec![("order_id", order)]).await;
    }

    /// In the south nobody may ask to track, and no refund is carried out.
    pub(super) async fn in_the_south(&mut self, tool: &str) {
        let alice = self.cast(2);
        let talk = self.open(&alice, "a").await;
        let what = match tool {
            "shop.track" => self.track(&talk, 0),
            _ => self.refund(&talk, 0, 2),
        };
        self.agreed(&talk, what).await;
    }

    /// More than a yes in a chat is good for.
    pub(super) async fn with_a_yes_to_too_much(&mut self) {
        let alice = self.cast(0);
        let talk = self.open_saying(&alice, "a", "pay 350.00 to DE12345678").await;
        let what = self.pay(&talk, 0, "350.00");
        self.agreed(&talk, what).await;
    }

    fn pay(&self, talk: &Talk, order: usize, amount: &str) -> v1::Step {
        let mut what = self.pay_out(talk, order);
        what.arguments.insert("amount".to_owned(), span(&talk.words, amount));
        what
    }

    /// The pack on the disk is not the one that was activated.
    pub(super) async fn with_a_pack_that_nobody_activated(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        let door = std::mem::replace(&mut self.door, &self.later.tampered);
        let what = self.track(&talk, 0);
        self.agreed(&talk, what).await;
        self.door = door;
    }

    /// Two that are small each, with both cards shown before either is done.
    pub(super) async fn small_ones_one_after_the_other(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        let mut both = Vec::new();
        for order in 0..2 {
            let what = self.refund(&talk, order, 4);
            let Some((id, card)) = self.offer(&talk, what).await else { return };
            both.push((id, self.yes(&alice, "a", &card)));
        }
        for (id, yes) in both {
            self.execute(&talk.by, &id, &yes).await;
        }
    }
}
