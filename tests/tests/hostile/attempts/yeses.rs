//! What people said yes to, and what they did not.

use countersign_proto::v1;

use super::super::scene::Scene;

impl Scene<'_> {
    pub(super) async fn after_the_price_changed(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        let what = self.refund(&talk, 0, 2);
        let Some((id, card)) = self.offer(&talk, what).await else { return };
        let yes = self.yes(&alice, "a", &card);
        self.bank.change(&alice.orders[0], |order| order.price = 2000);
        self.execute(&talk.by, &id, &yes).await;
    }

    pub(super) async fn with_a_void_card(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        let what = self.refund(&talk, 0, 2);
        let Some((id, card)) = self.offer(&talk, what).await else { return };
        let yes = self.yes(&alice, "a", &card);
        self.clock.forward(25 * 3600);
        let again = self.here(&alice);
        self.execute(&again, &id, &yes).await;
    }

    /// Bob says yes to whatever he is shown.
    pub(super) async fn with_another_ones_yes(&mut self) {
        let (alice, bob) = (self.cast(0), self.cast(1));
        let talk = self.open(&alice, "a").await;
        let what = self.refund(&talk, 0, 2);
        let Some((id, card)) = self.offer(&talk, what).await else { return };
        let yes = self.yes(&bob, "a", &card);
        self.execute(&talk.by, &id, &yes).await;
    }

    pub(super) async fn with_a_yes_of_another_conversation(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        let what = self.refund(&talk, 0, 2);
        let Some((id, card)) = self.offer(&talk, what).await else { return };
        let yes = self.yes(&alice, "b", &card);
        self.execute(&talk.by, &id, &yes).await;
    }

    /// "Track your parcel?", an altered card, or the card of a smaller amount.
    pub async fn with_a_yes_to_another_card(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        let large = self.refund(&talk, 0, 5);
        let Some((id, card)) = self.offer(&talk, large).await else { return };
        let yes = match self.dice.below(3) {
            0 => {
                let harmless = self.track(&talk, 0);
                let Some((_, shown)) = self.offer(&talk, harmless).await else { return };
                self.yes(&alice, "a", &shown)
            }
            1 => {
                let text = card.text.replace("50.00", "5.00");
                self.yes(&alice, "a", &v1::Card { text, ..card })
            }
            _ => {
                let small = self.refund(&talk, 0, 1);
                let Some((_, shown)) = self.offer(&talk, small).await else { return };
                self.yes(&alice, "a", &shown)
            }
        };
        self.execute(&talk.by, &id, &yes).await;
    }

    pub(super) async fn without_a_yes(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        let what = self.refund(&talk, 0, 2);
        if self.dice.once_in(2) {
            self.run_step(&talk, what).await;
        } else if let Some((id, _)) = self.offer(&talk, what).await {
            self.execute(&talk.by, &id, "").await;
        }
    }

    pub(super) async fn with_an_approval_of_another_card(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        let mut both = Vec::new();
        for order in 0..2 {
            let what = self.refund(&talk, order, 6);
            let Some((id, card)) = self.offer(&talk, what).await else { return };
            let yes = self.yes(&alice, "a", &card);
            self.execute(&talk.by, &id, &yes).await;
            both.push((id, card));
        }
        let approval = self.approve("lead", "support_lead", &both[0].1);
        self.answer(&both[1].0, &approval).await;
    }

    /// A refund with the yes of its customer and these persons in these roles.
    pub async fn approved(&mut self, pieces: i64, by: &[(&str, &str)], who: usize) {
        let who = self.cast(who);
        let talk = self.open(&who, "a").await;
        let what = self.refund(&talk, 0, pieces);
        let Some((id, card)) = self.offer(&talk, what).await else { return };
        let yes = self.yes(&who, "a", &card);
        self.execute(&talk.by, &id, &yes).await;
        for (person, role) in by {
            self.clock.forward(1);
            let approval = self.approve(person, role, &card);
            self.answer(&id, &approval).await;
        }
    }

    /// The card was of another contract.
    pub(super) async fn after_the_contract_changed(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        let what = self.track(&talk, 0);
        let Some((id, card)) = self.offer(&talk, what).await else { return };
        let yes = self.yes(&alice, "a", &card);
        let door = std::mem::replace(&mut self.door, &self.later.changed);
        self.execute(&talk.by, &id, &yes).await;
        self.door = door;
    }

    /// Since the card was shown, the house wants to see it.
    pub(super) async fn after_the_mode_became_stricter(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        let what = self.track(&talk, 0);
        let Some((id, card)) = self.offer(&talk, what).await else { return };
        let yes = self.yes(&alice, "a", &card);
        let door = std::mem::replace(&mut self.door, &self.later.stricter);
        self.oracle.stricter = true;
        self.execute(&talk.by, &id, &yes).await;
        self.oracle.stricter = false;
        self.door = door;
    }

    /// The first of two approvers has left finance before the second says yes.
    pub(super) async fn after_an_approver_left(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        let what = self.refund(&talk, 0, 16);
        let Some((id, card)) = self.offer(&talk, what).await else { return };
        let yes = self.yes(&alice, "a", &card);
        self.execute(&talk.by, &id, &yes).await;
        let first = self.approve("fin1", "finance", &card);
        self.answer(&id, &first).await;
        let door = std::mem::replace(&mut self.door, &self.later.stricter);
        self.oracle.stricter = true;
        let second = self.approve("fin2", "finance", &card);
        self.answer(&id, &second).await;
        self.oracle.stricter = false;
        self.door = door;
    }
}
