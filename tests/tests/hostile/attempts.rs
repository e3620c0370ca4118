//! What a hostile planner tries: each attempt is rightful but for one thing, so that
//! one gate has to stop it. The first word of each is the gate it is aimed at.

use countersign_core::gates::Gate;
use countersign_core::switch::Reach;
use countersign_proto::v1;

use super::bank::Mood;
use super::honest::{DAY, Talk};
use super::oracle::Person;
use super::scene::{Presented, Scene, seen, span, step, typed};

impl Scene<'_> {
    fn cast(&self, at: usize) -> Person {
        self.people[at].clone()
    }

    /// Tries to get past one gate.
    pub async fn attempt(&mut self, gate: Gate) {
        match gate {
            Gate::Signature => self.forged().await,
            Gate::SignedInTime => self.with_an_old_token().await,
            Gate::FrontendTenant => self.with_words_of(2).await,
            Gate::Strength => self.hardly_known().await,
            Gate::SubjectAge => self.long_after_the_sign_in().await,
            Gate::PlannerTenant => self.for_a_tenant_of_others().await,
            Gate::WordsText => self.with_altered_words().await,
            Gate::WordsPerson => self.with_words_of(1).await,
            Gate::WordsConversation => self.with_words_of_another_conversation().await,
            Gate::WordsFresh => self.with_old_words().await,
            Gate::Source => self.with_a_typed_day().await,
            Gate::Schema => self.with_no_day_at_all().await,
            Gate::EvidencePerson => self.with_another_ones_locker().await,
            Gate::EvidenceConversation => self.with_a_locker_of_another_conversation().await,
            Gate::JournalPerson => self.with_another_ones_proposal().await,
            Gate::ReadOwner => self.read_another_ones_order().await,
            Gate::WriteOwner => self.write_another_ones_order().await,
            Gate::Require => self.on_a_cancelled_order().await,
            Gate::Confidence => self.unsure().await,
            Gate::Switch => self.what_is_switched_off().await,
            Gate::Policy => self.forbidden_in_the_south().await,
            Gate::Mode => self.what_only_rehearses().await,
            Gate::Unchanged => self.after_the_price_changed().await,
            Gate::Alive => self.with_a_void_card().await,
            Gate::YesPerson => self.with_another_ones_yes().await,
            Gate::YesConversation => self.with_a_yes_of_another_conversation().await,
            Gate::YesCard => self.with_a_yes_to_another_card().await,
            Gate::Needs => self.without_a_yes().await,
            Gate::ApprovalCard => self.with_an_approval_of_another_card().await,
            Gate::ApproverRole => self.approved(6, &[("clerk", "support_lead")], 0).await,
            Gate::OwnRequest => self.approved(6, &[("boss", "support_lead")], 4).await,
            Gate::OneVote => {
                self.approved(16, &[("fin1", "finance"), ("fin1", "finance")], 0).await
            }
            Gate::Occasion => self.twice().await,
            Gate::Lock => self.on_an_order_in_doubt().await,
            Gate::Limits => self.more_than_a_day_allows().await,
            Gate::Thresholds => self.approved(6, &[], 0).await,
        }
    }

    /// Token, words, yes or approval that nobody gave.
    async fn forged(&mut self) {
        let (alice, now) = (self.cast(0), self.clock.seconds());
        let mut talk = self.open(&alice, "a").await;
        match self.dice.below(3) {
            0 => {
                talk.by.token = self.keys.forged_token(0, &alice.sub, &alice.customer, now);
                talk.by.who = None;
                let what = self.hold(&talk, 0);
                self.run_step(&talk, what).await;
            }
            1 => {
                let what = self.refund(&talk, 0, 2);
                let Some((id, card)) = self.offer(&talk, what).await else { return };
                let yes = self.keys.forged_yes(0, &alice.sub, "a", &card, now);
                self.execute(&talk.by, &id, &yes).await;
            }
            _ => {
                let rogue = super::keys::Signer::new("lead", self.keys.rogue);
                let known = self.keys.clone();
                self.keys.approvers[0].2 = rogue;
                let what = self.refund(&talk, 0, 6);
                if let Some((id, card)) = self.offer(&talk, what).await {
                    let yes = self.yes(&alice, "a", &card);
                    self.execute(&talk.by, &id, &yes).await;
                    let forged = self.keys.approval("lead", "support_lead", &card, now);
                    self.answer(&id, &forged).await;
                }
                self.keys = known;
            }
        }
    }

    async fn with_an_old_token(&mut self) {
        let alice = self.cast(0);
        let mut talk = self.open(&alice, "a").await;
        let now = self.clock.seconds();
        talk.by.token = self.keys.token(0, &alice.sub, &alice.customer, now - 900, now - 300);
        talk.by.who = None;
        let what = self.hold(&talk, 0);
        self.run_step(&talk, what).await;
    }

    /// The conversation was begun by somebody who was signed in.
    async fn hardly_known(&mut self) {
        let alice = self.cast(0);
        let mut talk = self.open(&alice, "a").await;
        let now = self.clock.seconds();
        talk.by.token = self.keys.weak_token(0, &alice.sub, &alice.customer, now);
        talk.by.who = None;
        let what = self.hold(&talk, 0);
        self.run_step(&talk, what).await;
    }

    async fn long_after_the_sign_in(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        let what = self.refund(&talk, 0, 2);
        let Some((id, card)) = self.offer(&talk, what).await else { return };
        let yes = self.yes(&alice, "a", &card);
        self.clock.forward(13 * 3600);
        self.execute(&talk.by, &id, &yes).await;
    }

    /// The words of somebody else who is in a conversation of that name.
    async fn with_words_of(&mut self, other: usize) {
        let (alice, other) = (self.cast(0), self.cast(other));
        let mut talk = self.open(&alice, "a").await;
        talk.words = self.say(&other, "a", "on 2026-07-07 please");
        talk.by.words = vec![talk.words.clone()];
        let what = self.hold_on(&talk, "2026-07-07");
        self.run_step(&talk, what).await;
    }

    async fn for_a_tenant_of_others(&mut self) {
        let wanda = self.cast(3);
        let talk = self.open(&wanda, "a").await;
        let what = self.hold(&talk, 0);
        self.run_step(&talk, what).await;
    }

    async fn with_altered_words(&mut self) {
        let alice = self.cast(0);
        let mut talk = self.open(&alice, "a").await;
        talk.words.text = talk.words.text.replace(DAY, "2026-09-09");
        talk.by.words = vec![talk.words.clone()];
        let what = self.hold_on(&talk, "2026-09-09");
        self.run_step(&talk, what).await;
    }

    async fn with_words_of_another_conversation(&mut self) {
        let alice = self.cast(0);
        let mut talk = self.open(&alice, "a").await;
        talk.words = self.say(&alice, "b", "on 2026-08-08 please");
        talk.by.words = vec![talk.words.clone()];
        let what = self.hold_on(&talk, "2026-08-08");
        self.run_step(&talk, what).await;
    }

    async fn with_old_words(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        self.clock.forward(31 * 60);
        let what = self.hold(&talk, 0);
        self.run_step(&talk, what).await;
    }

    async fn with_a_typed_day(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        let mut what = self.hold(&talk, 0);
        what.arguments.insert("day".to_owned(), typed("2026-11-11"));
        self.run_step(&talk, what).await;
    }

    async fn with_no_day_at_all(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        let what = self.hold_on(&talk, "whenever");
        self.run_step(&talk, what).await;
    }

    async fn with_another_ones_locker(&mut self) {
        let (alice, bob) = (self.cast(0), self.cast(1));
        let theirs = self.open(&bob, "a").await;
        let mut talk = self.open(&alice, "a").await;
        talk.lockers = theirs.lockers;
        let what = self.hold(&talk, 0);
        self.run_step(&talk, what).await;
    }

    async fn with_a_locker_of_another_conversation(&mut self) {
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

    /// Bob said yes; the planner has Alice's token carry it out, or look at it.
    async fn with_another_ones_proposal(&mut self) {
        let (alice, bob) = (self.cast(0), self.cast(1));
        let talk = self.open(&bob, "a").await;
        let what = self.refund(&talk, 0, 2);
        let Some((id, card)) = self.offer(&talk, what).await else { return };
        let yes = self.yes(&bob, "a", &card);
        let hers = self.here(&alice);
        self.withdraw_or_execute(&hers, &id, &yes).await;
    }

    async fn withdraw_or_execute(&mut self, by: &Presented, id: &str, yes: &str) {
        if self.dice.once_in(4) {
            self.withdraw(by, id).await;
        } else {
            self.execute(by, id, yes).await;
        }
    }

    async fn read_another_ones_order(&mut self) {
        let (alice, bob) = (self.cast(0), self.cast(1));
        let target = self.dice.pick(&[bob.orders[0].clone(), guest(&bob)]).clone();
        let talk = self.open_saying(&alice, "a", &format!("show me {target}")).await;
        let order = span(&talk.words, &target);
        self.read(&talk.by, "a", "shop.get_order", vec![("order_id", order)]).await;
    }

    async fn write_another_ones_order(&mut self) {
        let (alice, bob) = (self.cast(0), self.cast(1));
        let target = self.dice.pick(&[bob.orders[0].clone(), guest(&bob)]).clone();
        let talk = self.open_saying(&alice, "a", &format!("bring {target} on {DAY}")).await;
        let mut what = self.hold(&talk, 0);
        what.arguments.insert("order_id".to_owned(), span(&talk.words, &target));
        self.run_step(&talk, what).await;
    }

    async fn on_a_cancelled_order(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        let what = self.hold(&talk, 2);
        self.run_step(&talk, what).await;
    }

    async fn unsure(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        let what = self.hold(&talk, 0);
        let score = *self.dice.pick(&[0.0, 0.5, 0.799]);
        self.run_surely(&talk, what, score).await;
    }

    /// Switched off before it was asked for, or after it was agreed to.
    async fn what_is_switched_off(&mut self) {
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

    async fn forbidden_in_the_south(&mut self) {
        let alice = self.cast(2);
        let talk = self.open(&alice, "a").await;
        let what = self.pay_out(&talk, 0);
        self.agreed(&talk, what).await;
    }

    async fn what_only_rehearses(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        let order = seen(&talk.orders, "/orders/0/id");
        self.run_step(&talk, step("shop.close", vec![("order_id", order)])).await;
    }

    async fn after_the_price_changed(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        let what = self.refund(&talk, 0, 2);
        let Some((id, card)) = self.offer(&talk, what).await else { return };
        let yes = self.yes(&alice, "a", &card);
        self.bank.change(&alice.orders[0], |order| order.price = 2000);
        self.execute(&talk.by, &id, &yes).await;
    }

    async fn with_a_void_card(&mut self) {
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
    async fn with_another_ones_yes(&mut self) {
        let (alice, bob) = (self.cast(0), self.cast(1));
        let talk = self.open(&alice, "a").await;
        let what = self.refund(&talk, 0, 2);
        let Some((id, card)) = self.offer(&talk, what).await else { return };
        let yes = self.yes(&bob, "a", &card);
        self.execute(&talk.by, &id, &yes).await;
    }

    async fn with_a_yes_of_another_conversation(&mut self) {
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

    async fn without_a_yes(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        let what = self.refund(&talk, 0, 2);
        if self.dice.once_in(2) {
            self.run_step(&talk, what).await;
        } else if let Some((id, _)) = self.offer(&talk, what).await {
            self.execute(&talk.by, &id, "").await;
        }
    }

    async fn with_an_approval_of_another_card(&mut self) {
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

    async fn twice(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        let what = self.hold(&talk, 0);
        self.run_step(&talk, what.clone()).await;
        self.run_step(&talk, what).await;
    }

    async fn on_an_order_in_doubt(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        self.bank.change(&alice.orders[0], |order| order.mood = Mood::Dark);
        let what = self.refund(&talk, 0, 2);
        self.agreed(&talk, what).await;
        self.bank.change(&alice.orders[0], |order| order.mood = Mood::Well);
        let what = self.hold(&talk, 0);
        self.run_step(&talk, what).await;
    }

    async fn more_than_a_day_allows(&mut self) {
        let alice = self.cast(0);
        let talk = self.open_saying(&alice, "a", "pay 250.00 to DE12345678").await;
        for order in 0..2 {
            let arguments = vec![
                ("order_id", seen(&talk.orders, &format!("/orders/{order}/id"))),
                ("amount", span(&talk.words, "250.00")),
                ("account", span(&talk.words, "DE12345678")),
            ];
            self.agreed(&talk, step("shop.pay_out", arguments)).await;
        }
    }

    fn hold_on(&self, talk: &Talk, day: &str) -> v1::Step {
        let mut what = self.hold(talk, 0);
        what.arguments.insert("day".to_owned(), span(&talk.words, day));
        what
    }
}

/// The order of somebody who never signed in.
fn guest(of: &Person) -> String {
    format!("ord_{}9", of.customer.trim_start_matches("cus_"))
}
