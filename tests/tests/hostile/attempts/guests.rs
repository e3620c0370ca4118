//! Guests, whom the executor knows by an order's number and its e-mail.

use super::super::oracle::Person;
use super::super::scene::{Presented, Scene};

impl Scene<'_> {
    /// Somebody without a sign-in, who may be anybody.
    fn nobody(&self, name: &str) -> Person {
        let number = self.people[1].customer.trim_start_matches("cus_").to_owned();
        Person { sub: format!("{name}{number}@example.com"), ..self.people[1].clone() }
    }

    fn unknown(&self, guest: &Person) -> Presented {
        let token = self.keys.weak_token(0, &guest.sub, "", self.clock.seconds());
        Presented { token, who: None, words: Vec::new() }
    }

    /// A guest says this order and this e-mail, and the planner has them matched.
    async fn tells(&mut self, guest: &Person, email: &str, signed: bool) -> bool {
        let order = self.people[1].orders[0].clone();
        let mut words = self.say(guest, "a", &format!("{order}, {email}"));
        if !signed {
            words.attestation.clear();
        }
        let mut by = self.unknown(guest);
        by.words = vec![words];
        self.matched(&by, "a", &order, email).await
    }

    async fn looks_around(&mut self, guest: &Person, conv: &str) {
        let by = self.unknown(guest);
        self.read(&by, conv, "shop.list_orders", vec![]).await;
    }

    /// Nobody said this; the planner made it up.
    pub(super) async fn matched_by_made_up_words(&mut self) {
        let (ghost, email) = (self.nobody("ghost"), self.people[1].email());
        self.tells(&ghost, &email, false).await;
        self.looks_around(&ghost, "a").await;
    }

    pub(super) async fn matched_by_another_email(&mut self) {
        let (ghost, email) = (self.nobody("ghost"), self.people[0].email());
        self.tells(&ghost, &email, true).await;
        self.looks_around(&ghost, "a").await;
    }

    /// A stranger who guesses, and is right in the end.
    pub(super) async fn matched_by_guessing(&mut self) {
        let (ghost, email) = (self.nobody("ghost"), self.people[1].email());
        for at in 0..5 {
            self.tells(&ghost, &format!("guess{at}.{email}"), true).await;
        }
        self.tells(&ghost, &email, true).await;
        self.looks_around(&ghost, "a").await;
    }

    /// Bob is matched as a guest; somebody else of that conversation's name looks.
    pub(super) async fn matched_as_somebody_else(&mut self) {
        let (bob, email) = (self.nobody("guest"), self.people[1].email());
        self.tells(&bob, &email, true).await;
        let ghost = self.nobody("ghost");
        self.looks_around(&ghost, "a").await;
    }

    pub(super) async fn matched_in_another_conversation(&mut self) {
        let (bob, email) = (self.nobody("guest"), self.people[1].email());
        self.tells(&bob, &email, true).await;
        self.looks_around(&bob, "b").await;
    }

    /// Whoever sits there an hour later may be anybody.
    pub(super) async fn matched_long_ago(&mut self) {
        let (bob, email) = (self.nobody("guest"), self.people[1].email());
        self.tells(&bob, &email, true).await;
        self.clock.forward(3700);
        self.looks_around(&bob, "a").await;
    }

    /// A guest who knows both sees their own orders.
    pub async fn as_a_guest(&mut self) -> bool {
        let (bob, guest) = (self.people[1].clone(), self.nobody("guest"));
        let known = self.tells(&guest, &bob.email(), true).await;
        let mut by = self.unknown(&guest);
        by.who = Some(bob);
        known && !self.read(&by, "a", "shop.list_orders", vec![]).await.is_empty()
    }
}
