//! Who is there: tokens, strength, and callers.

use serde_json::Value as Json;

use super::super::keys::Signer;
use super::super::scene::Scene;

impl Scene<'_> {
    /// Token, words, yes or approval that nobody gave.
    pub(super) async fn forged(&mut self) {
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
                let rogue = Signer::new("lead", self.keys.rogue);
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

    pub(super) async fn with_an_old_token(&mut self) {
        let alice = self.cast(0);
        let mut talk = self.open(&alice, "a").await;
        let now = self.clock.seconds();
        talk.by.token = self.keys.token(0, &alice.sub, &alice.customer, now - 900, now - 300);
        talk.by.who = None;
        let what = self.hold(&talk, 0);
        self.run_step(&talk, what).await;
    }

    /// The conversation was begun by somebody who was signed in.
    pub(super) async fn hardly_known(&mut self) {
        let alice = self.cast(0);
        let mut talk = self.open(&alice, "a").await;
        let now = self.clock.seconds();
        talk.by.token = self.keys.weak_token(0, &alice.sub, &alice.customer, now);
        talk.by.who = None;
        let what = self.hold(&talk, 0);
        self.run_step(&talk, what).await;
    }

    pub(super) async fn long_after_the_sign_in(&mut self) {
        let alice = self.cast(0);
        let talk = self.open(&alice, "a").await;
        let what = self.refund(&talk, 0, 2);
        let Some((id, card)) = self.offer(&talk, what).await else { return };
        let yes = self.yes(&alice, "a", &card);
        self.clock.forward(13 * 3600);
        self.execute(&talk.by, &id, &yes).await;
    }

    pub(super) async fn for_a_tenant_of_others(&mut self) {
        let wanda = self.cast(3);
        let talk = self.open(&wanda, "a").await;
        let what = self.hold(&talk, 0);
        self.run_step(&talk, what).await;
    }

    /// A statement that the issuer really made about her, and that is no token for here.
    pub(super) async fn with_another_statement(&mut self, change: impl FnOnce(&mut Json)) {
        let alice = self.cast(0);
        let mut talk = self.open(&alice, "a").await;
        let now = self.clock.seconds();
        talk.by.token = self.keys.changed_token(0, &alice.sub, &alice.customer, now, change);
        talk.by.who = None;
        let what = self.hold(&talk, 0);
        self.run_step(&talk, what).await;
    }

    /// Bob's refund waits for the house; the planner asks for what waits.
    pub(super) async fn look_at_what_waits(&mut self) {
        self.approved(6, &[], 1).await;
        self.ask_requests().await;
    }
}
