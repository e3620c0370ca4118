//! A few fresh people and what they really say, see and sign.

use std::collections::BTreeMap;

use countersign_core::switch::Reach;
use countersign_executor::pipeline::Pipeline;
use countersign_executor::switch::Turn;
use countersign_proto::v1;

use super::bank::{Bank, Mood, Order};
use super::dice::Dice;
use super::door::Door;
use super::keys::{ABROAD, Keys, TENANTS};
use super::oracle::{Oracle, Person, Said, Yes};
use super::world::{Jumping, Later, World};

/// More than any window of the policy or of a contract.
const LONG: i64 = 40 * 86_400;

/// What came of a run.
#[derive(Default, Debug)]
pub struct Tally {
    pub inputs: u64,
    pub dispatched: u64,
    pub codes: BTreeMap<String, u64>,
    pub violations: Vec<String>,
}

/// Who a message is presented for, and with which words.
#[derive(Clone)]
pub struct Presented {
    pub token: String,
    /// Who really is there.
    pub who: Option<Person>,
    pub words: Vec<v1::AttestedMessage>,
}

/// One scenario.
pub struct Scene<'a> {
    pub door: &'a Door,
    pub later: &'a Later,
    pub bank: Bank,
    pub clock: Jumping,
    pub keys: Keys,
    pub dice: Dice,
    pub oracle: Oracle,
    pub tally: &'a mut Tally,
    pipeline: Pipeline,
    pub people: Vec<Person>,
    heard: usize,
}

impl<'a> Scene<'a> {
    /// Alice and Bob in the north, another Alice with the same name in the south, Wanda
    /// in the west, the boss, who is a customer in the north, and Carol, who only ever does
    /// what is right.
    pub fn new(world: &'a World, door: &'a Door, seed: u64, tally: &'a mut Tally) -> Self {
        world.clock.forward(LONG);
        world.bank.forget();
        let mut scene = Self {
            door,
            later: &world.later,
            bank: world.bank.clone(),
            clock: world.clock.clone(),
            keys: world.keys.clone(),
            dice: Dice::new(seed),
            oracle: Oracle::new(world.ground.hours * 3600),
            tally,
            pipeline: world.desk.pipeline.clone(),
            people: Vec::new(),
            heard: 0,
        };
        let cast =
            [(0, "alice"), (0, "bob"), (1, "alice"), (2, "wanda"), (0, "boss"), (0, "carol")];
        for (at, (tenant, name)) in cast.into_iter().enumerate() {
            let person = scene.person(tenant, name, seed * 10 + at as u64 + 1);
            scene.people.push(person);
        }
        scene
    }

    fn person(&mut self, tenant: usize, name: &str, number: u64) -> Person {
        let customer = format!("cus_{number}");
        let sub = match name {
            "boss" => "boss@example.com".to_owned(),
            // The two Alices have one name.
            _ => format!("{name}{}@example.com", number / 10),
        };
        let secret = format!("secret{number}x{}", self.dice.next());
        let ids: Vec<_> = (0..3).map(|at| format!("ord_{number}{at}")).collect();
        for (at, id) in ids.iter().enumerate() {
            let order = Order {
                tenant: TENANTS[tenant].to_owned(),
                owner: Some(customer.clone()),
                status: if at == 2 { "cancelled" } else { "paid" },
                price: 1000,
                left: 90_000,
                note: format!("{secret} ZZ99999999"),
                mood: Mood::Well,
            };
            self.bank.order(id, order);
        }
        let guest = Order {
            tenant: TENANTS[tenant].to_owned(),
            owner: None,
            status: "paid",
            price: 1000,
            left: 90_000,
            note: secret.clone(),
            mood: Mood::Well,
        };
        self.bank.order(&format!("ord_{number}9"), guest);
        let locker = format!("lck_{number}");
        self.bank.locker(&locker, TENANTS[tenant], &customer);
        let (orders, cancelled) = (ids[..2].to_vec(), ids[2].clone());
        Person { tenant, sub, customer, orders, cancelled, locker, secret }
    }

    /// The person, signed in just now.
    pub fn here(&self, who: &Person) -> Presented {
        let now = self.clock.seconds();
        let token = self.keys.token(who.tenant, &who.sub, &who.customer, now, now + 86_400 * 2);
        Presented { token, who: Some(who.clone()), words: Vec::new() }
    }

    /// The person really says this to their own frontend.
    pub fn say(&mut self, who: &Person, conv: &str, text: &str) -> v1::AttestedMessage {
        self.heard += 1;
        let (id, at) = (format!("m{}", self.heard), self.clock.seconds());
        self.oracle.said.push(Said {
            tenant: who.tenant,
            sub: who.sub.clone(),
            conv: conv.to_owned(),
            text: text.to_owned(),
            at,
        });
        self.keys.words(who.tenant, &who.sub, (conv, &id, text), at)
    }

    /// An operator turns a switch.
    pub async fn turn(&mut self, reach: &Reach, off: bool) {
        let turn =
            Turn { reach: reach.clone(), off, by: "op".into(), reason: "test".into(), word: None };
        let pipeline = self.pipeline.clone();
        pipeline.switches.turn(&pipeline, turn).await.unwrap();
        self.oracle.off = off;
    }

    /// The person really sees this card and says yes.
    pub fn yes(&mut self, who: &Person, conv: &str, card: &v1::Card) -> String {
        self.oracle.yeses.push(Yes {
            by: who.sub.clone(),
            tenant: who.tenant,
            conv: conv.to_owned(),
            text: card.text.clone(),
            proposal: card.proposal_id.clone(),
        });
        let at = self.clock.seconds();
        self.keys.yes(who.tenant, &who.sub, conv, card, at, 2 * 86_400)
    }

    /// An approver really sees this card and says yes, in this role.
    pub fn approve(&mut self, who: &str, role: &str, card: &v1::Card) -> String {
        let (id, roles, _) = self.keys.approvers.iter().find(|(id, ..)| *id == who).unwrap();
        // Who is bound to the south holds no role for anybody else.
        let asked = self.oracle.asks.get(&card.proposal_id).and_then(|ask| ask.who.as_ref());
        let south = asked.is_some_and(|who| TENANTS[who.tenant] == "south");
        let roles: &[&str] = if *id == ABROAD && !south { &[] } else { roles };
        self.oracle.approvals.push(((*id).to_owned(), roles, card.proposal_id.clone()));
        self.keys.approval(who, role, card, self.clock.seconds())
    }

    pub fn plan(&self, conv: &str, score: f64, steps: Vec<v1::Step>) -> v1::Plan {
        v1::Plan {
            conversation_id: conv.to_owned(),
            steps,
            confidence: Some(v1::Confidence { score, ..Default::default() }),
            ..Default::default()
        }
    }
}
