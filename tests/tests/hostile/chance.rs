//! Plans put together by chance from whatever the planner has seen: any token, any
//! words, any reference, any score.

use countersign_proto::v1;

use super::honest::{Talk, applied};
use super::parts::{piece, seen, step, typed};
use super::scene::Scene;

const TOOLS: [&str; 8] = [
    "shop.hold",
    "shop.hold",
    "shop.refund",
    "shop.pay_out",
    "shop.track",
    "shop.close",
    "shop.get_order",
    "shop.nothing",
];
const SCORES: [f64; 7] = [1.0, 1.0, 0.95, 0.8, 0.5, f64::NAN, -1.0];

impl Scene<'_> {
    /// Two people talk, and then anything is sent.
    pub async fn anything(&mut self, inputs: usize) {
        let cast = self.people.clone();
        let talks = [
            self.open(&cast[0], "a").await,
            self.open(&cast[1], "a").await,
            self.open(&cast[2], "a").await,
        ];
        let mut offers: Vec<(String, v1::Card)> = Vec::new();
        let mut yeses = vec![String::new()];
        for _ in 0..inputs {
            let mut talk = self.dice.pick(&talks).clone();
            match self.dice.below(8) {
                0..=3 => {
                    let plan = self.any_plan(&talks);
                    if self.dice.once_in(12) {
                        // Words that nobody signed.
                        talk.by.words[0].attestation.clear();
                    }
                    if self.dice.once_in(6) {
                        talk.by.words = talks.iter().map(|t| t.words.clone()).collect();
                    }
                    if self.dice.once_in(3) {
                        self.run(&talk.by, plan).await;
                    } else if let Some(made) = self.propose(&talk.by, plan).await
                        && let Some(card) = made.card
                    {
                        offers.push((made.proposal_id, card));
                    }
                }
                4 => {
                    // Somebody careless says yes to what they are shown.
                    let Some((_, card)) = self.any(&offers) else { continue };
                    let who = self.dice.pick(&cast[..3]).clone();
                    let yes = self.yes(&who, "a", &card);
                    yeses.push(yes);
                }
                5 | 6 => {
                    let Some((id, _)) = self.any(&offers) else { continue };
                    let yes = self.dice.pick(&yeses).clone();
                    self.execute(&talk.by, &id, &yes).await;
                }
                _ => {
                    let Some((id, _)) = self.any(&offers) else { continue };
                    let jws = self.dice.pick(&yeses).clone();
                    self.answer(&id, &jws).await;
                }
            }
        }
        self.ask_receipts(&talks[0].by).await;
    }

    /// One yes, spent by several calls at once.
    pub async fn at_once(&mut self) {
        let carol = self.people[5].clone();
        let talk = self.open(&carol, "at-once").await;
        let what = self.refund(&talk, 1, 1);
        let Some((id, card)) = self.offer(&talk, what).await else { return };
        let yes = self.yes(&carol, "at-once", &card);
        self.execute_at_once(&talk.by, &id, &yes, 3).await;
    }

    fn any<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        (!of.is_empty()).then(|| self.dice.pick(of).clone())
    }

    fn any_plan(&mut self, talks: &[Talk]) -> v1::Plan {
        let tool = *self.dice.pick(&TOOLS);
        let names: &[&str] = match tool {
            "shop.hold" => &["order_id", "locker", "day"],
            "shop.refund" => &["order_id", "quantity"],
            "shop.pay_out" => &["order_id", "amount", "account"],
            _ => &["order_id"],
        };
        let mut arguments: Vec<_> =
            names.iter().map(|name| (*name, self.any_source(name, talks))).collect();
        if self.dice.once_in(12) {
            arguments.pop();
        }
        if self.dice.once_in(12) {
            arguments.push(("surplus", typed(1)));
        }
        let mut steps = vec![step(tool, arguments)];
        if self.dice.once_in(20) {
            let mut second = steps[0].clone();
            second.id = "second".to_owned();
            steps.push(second);
        }
        let score = *self.dice.pick(&SCORES);
        let conv = *self.dice.pick(&["a", "a", "a", "b"]);
        self.plan(conv, score, steps)
    }

    /// Half of them what an honest planner would name.
    fn any_source(&mut self, name: &str, talks: &[Talk]) -> v1::Argument {
        let talk = self.dice.pick(talks).clone();
        let text = talk.words.text.clone();
        if self.dice.once_in(2) {
            let order = self.dice.below(4);
            return match name {
                "order_id" => seen(&talk.orders, &format!("/orders/{order}/id")),
                "locker" => seen(&talk.lockers, "/lockers/0/id"),
                "quantity" => typed(i64::try_from(self.dice.below(60)).unwrap() - 5),
                "day" => super::parts::span(&talk.words, super::honest::DAY),
                "amount" => super::parts::span(&talk.words, super::honest::AMOUNT),
                _ => super::parts::span(&talk.words, super::honest::ACCOUNT),
            };
        }
        match self.dice.below(5) {
            0 => {
                let places = ["/orders/0/note", "/orders", "", "/orders/0/left"];
                seen(&talk.orders, self.dice.pick::<&str>(&places))
            }
            1 => seen(&talk.lockers, "/lockers/0/customer_id"),
            2 => {
                let (from, to) = (self.dice.below(text.len()), self.dice.below(text.len() + 3));
                piece(&talk.words, from, to)
            }
            3 => typed(*self.dice.pick(&["ord_1", "lck_11", "2026-05-05", "1.00", "XX00000000"])),
            _ => {
                v1::Argument { source: Some(v1::argument::Source::Claim("customer_id".to_owned())) }
            }
        }
    }

    /// What an honest planner does among all this; all of it has to be done.
    pub async fn rightful(&mut self, times: usize) -> bool {
        let carol = self.people[5].clone();
        let talk = self.open(&carol, "honest").await;
        let mut all = true;
        for at in 0..times {
            let day = format!("2026-06-{:02}", at + 10);
            let words = self.say(&carol, "honest", &format!("bring it on {day}"));
            let mut talk = talk.clone();
            (talk.by.words, talk.words) = (vec![words.clone()], words.clone());
            let mut what = self.hold(&talk, at % 2);
            what.arguments.insert("day".to_owned(), super::parts::span(&words, &day));
            all &= applied(self.run_step(&talk, what).await);
        }
        all
    }
}
