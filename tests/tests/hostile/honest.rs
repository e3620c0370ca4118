//! What an honest planner does for honest people: it reads, refers to what it read and
//! to what was said, and shows the card.

use countersign_proto::v1;

use super::oracle::Person;
use super::parts::{seen, span, step, typed};
use super::scene::{Presented, Scene};

/// One person in one conversation, with what was read and said there.
#[derive(Clone)]
pub struct Talk {
    pub by: Presented,
    pub conv: String,
    /// The observation of the own orders.
    pub orders: String,
    /// The observation of the own lockers.
    pub lockers: String,
    pub words: v1::AttestedMessage,
}

/// Days that people name; the first is what `words` says.
pub const DAY: &str = "2026-05-05";
pub const AMOUNT: &str = "12.50";
pub const ACCOUNT: &str = "DE12345678";

impl Scene<'_> {
    /// Opens a conversation: the person speaks, the planner reads. Two inputs.
    pub async fn open(&mut self, who: &Person, conv: &str) -> Talk {
        let text = format!("bring it on {DAY}, or pay {AMOUNT} to {ACCOUNT}, whenever you like");
        self.open_saying(who, conv, &text).await
    }

    pub async fn open_saying(&mut self, who: &Person, conv: &str, text: &str) -> Talk {
        let words = self.say(who, conv, text);
        let mut by = self.here(who);
        by.words = vec![words.clone()];
        let orders = self.read(&by, conv, "shop.list_orders", vec![]).await;
        let lockers = self.read(&by, conv, "shop.list_lockers", vec![]).await;
        Talk { by, conv: conv.to_owned(), orders, lockers, words }
    }

    /// The id of what was read; empty where it was refused.
    pub async fn read(
        &mut self,
        by: &Presented,
        conv: &str,
        tool: &str,
        arguments: Vec<(&str, v1::Argument)>,
    ) -> String {
        let plan = self.plan(conv, 0.95, vec![step(tool, arguments)]);
        let done = self.run(by, plan).await;
        let first = done.and_then(|done| done.observations.into_iter().next());
        first.map(|o| o.observation_id).unwrap_or_default()
    }

    pub fn hold(&self, talk: &Talk, order: usize) -> v1::Step {
        step(
            "shop.hold",
            vec![
                ("order_id", seen(&talk.orders, &format!("/orders/{order}/id"))),
                ("locker", seen(&talk.lockers, "/lockers/0/id")),
                ("day", span(&talk.words, DAY)),
            ],
        )
    }

    pub fn refund(&self, talk: &Talk, order: usize, pieces: i64) -> v1::Step {
        let order = seen(&talk.orders, &format!("/orders/{order}/id"));
        step("shop.refund", vec![("order_id", order), ("quantity", typed(pieces))])
    }

    pub fn pay_out(&self, talk: &Talk, order: usize) -> v1::Step {
        step(
            "shop.pay_out",
            vec![
                ("order_id", seen(&talk.orders, &format!("/orders/{order}/id"))),
                ("amount", span(&talk.words, AMOUNT)),
                ("account", span(&talk.words, ACCOUNT)),
            ],
        )
    }

    pub fn track(&self, talk: &Talk, order: usize) -> v1::Step {
        let order = seen(&talk.orders, &format!("/orders/{order}/id"));
        step("shop.track", vec![("order_id", order)])
    }

    pub async fn offer(&mut self, talk: &Talk, what: v1::Step) -> Option<(String, v1::Card)> {
        let plan = self.plan(&talk.conv, 0.95, vec![what]);
        let proposal = self.propose(&talk.by, plan).await?;
        Some((proposal.proposal_id, proposal.card?))
    }

    /// Proposes, shows the card, and carries it out with the person's yes.
    pub async fn agreed(&mut self, talk: &Talk, what: v1::Step) -> Option<v1::Action> {
        let (id, card) = self.offer(talk, what).await?;
        let who = talk.by.who.clone()?;
        let yes = self.yes(&who, &talk.conv, &card);
        self.execute(&talk.by, &id, &yes).await
    }

    pub async fn run_step(&mut self, talk: &Talk, what: v1::Step) -> Option<v1::Action> {
        self.run_surely(talk, what, 0.95).await
    }

    pub async fn run_surely(
        &mut self,
        talk: &Talk,
        what: v1::Step,
        score: f64,
    ) -> Option<v1::Action> {
        let plan = self.plan(&talk.conv, score, vec![what]);
        self.run(&talk.by, plan).await?.action
    }
}

/// Whether it was carried out and found.
pub fn applied(action: Option<v1::Action>) -> bool {
    action.is_some_and(|a| a.outcome() == v1::Outcome::Applied)
}
