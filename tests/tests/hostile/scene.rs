//! A few fresh people and a planner that speaks for them. Every message to the
//! executor goes through here, so that the oracle sees what came of it.

use std::collections::BTreeMap;

use countersign_core::switch::Reach;
use countersign_executor::pipeline::Pipeline;
use countersign_executor::switch::Turn;
use countersign_proto::v1;
use countersign_proto::v1::argument::Source;
use countersign_proto::v1::execute_request::Target;
use countersign_shared::refusal::Refusal;
use tonic::Status;

use super::bank::{Bank, Mood, Order};
use super::dice::Dice;
use super::door::Door;
use super::keys::{Keys, TENANTS};
use super::oracle::{Ask, Oracle, Person, Said, Yes};
use super::world::{Jumping, World};

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
    pub fn new(world: &World, door: &'a Door, seed: u64, tally: &'a mut Tally) -> Self {
        world.clock.forward(LONG);
        world.bank.forget();
        let mut scene = Self {
            door,
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
        let turn = Turn { reach: reach.clone(), off, by: "op".into(), reason: "test".into() };
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

    fn ask(&self, by: &Presented, conv: &str, score: f64) -> Ask {
        Ask { who: by.who.clone(), conv: conv.to_owned(), score, at: self.clock.seconds() }
    }

    pub async fn propose(&mut self, by: &Presented, plan: v1::Plan) -> Option<v1::Proposal> {
        let score = plan.confidence.as_ref().map_or(0.0, |c| c.score);
        let ask = self.ask(by, &plan.conversation_id, score);
        let before = self.bank.happened();
        let request = v1::ProposeRequest {
            subject_token: by.token.clone(),
            messages: by.words.clone(),
            plan: Some(plan),
        };
        let answer = self.door.propose(request).await;
        self.look(before, &ask, "", by, &answer);
        let proposal = answer.ok()?.proposal?;
        self.oracle.asks.insert(proposal.proposal_id.clone(), ask);
        Some(proposal)
    }

    /// A plan that needs no yes, or pretends to.
    pub async fn run(&mut self, by: &Presented, plan: v1::Plan) -> Option<v1::ExecuteResponse> {
        let score = plan.confidence.as_ref().map_or(0.0, |c| c.score);
        let ask = self.ask(by, &plan.conversation_id, score);
        let (before, conv) = (self.bank.happened(), plan.conversation_id.clone());
        let request = v1::ExecuteRequest {
            subject_token: by.token.clone(),
            target: Some(Target::Plan(plan)),
            messages: by.words.clone(),
            confirmation: String::new(),
        };
        let answer = self.door.execute(request).await;
        self.look(before, &ask, "", by, &answer);
        let answer = answer.ok()?;
        self.lockers_seen(by, &conv, &answer);
        Some(answer)
    }

    fn lockers_seen(&mut self, by: &Presented, conv: &str, answer: &v1::ExecuteResponse) {
        let Some(who) = &by.who else { return };
        for seen in answer.observations.iter().filter(|o| o.tool == "shop.list_lockers") {
            let value: serde_json::Value = serde_json::from_str(&seen.value_json).unwrap();
            for locker in value["lockers"].as_array().into_iter().flatten() {
                let id = locker["id"].as_str().unwrap_or_default().to_owned();
                let entry = (who.tenant, who.sub.clone(), conv.to_owned(), id);
                self.oracle.seen.insert(entry);
            }
        }
    }

    pub async fn execute(
        &mut self,
        by: &Presented,
        proposal: &str,
        yes: &str,
    ) -> Option<v1::Action> {
        let before = self.bank.happened();
        let nobody = Ask { who: None, conv: String::new(), score: 0.0, at: 0 };
        let mut ask = self.oracle.asks.get(proposal).cloned().unwrap_or(nobody);
        // Who sets it off has to be who asked for it.
        if ask.who != by.who {
            ask.who = None;
        }
        let request = v1::ExecuteRequest {
            subject_token: by.token.clone(),
            target: Some(Target::ProposalId(proposal.to_owned())),
            messages: Vec::new(),
            confirmation: yes.to_owned(),
        };
        let answer = self.door.execute(request).await;
        self.look(before, &ask, proposal, by, &answer);
        answer.ok()?.action
    }

    /// The same call, several times at once.
    pub async fn execute_at_once(
        &mut self,
        by: &Presented,
        proposal: &str,
        yes: &str,
        times: usize,
    ) {
        let mut before = self.bank.happened();
        let Some(ask) = self.oracle.asks.get(proposal).cloned() else { return };
        let call = || v1::ExecuteRequest {
            subject_token: by.token.clone(),
            target: Some(Target::ProposalId(proposal.to_owned())),
            messages: Vec::new(),
            confirmation: yes.to_owned(),
        };
        let calls = (0..times).map(|_| self.door.execute(call()));
        for answer in futures_util::future::join_all(calls).await {
            self.look(before, &ask, proposal, by, &answer);
            before = self.bank.happened();
        }
    }

    /// An approver's answer, whoever hands it over.
    pub async fn answer(&mut self, proposal: &str, jws: &str) -> Option<v1::Action> {
        let before = self.bank.happened();
        let nobody = Ask { who: None, conv: String::new(), score: 0.0, at: 0 };
        let ask = self.oracle.asks.get(proposal).cloned().unwrap_or(nobody);
        let by = Presented { token: String::new(), who: ask.who.clone(), words: Vec::new() };
        let request =
            v1::AnswerRequestRequest { proposal_id: proposal.to_owned(), jws: jws.to_owned() };
        let answer = self.door.answer(request).await;
        self.look(before, &ask, proposal, &by, &answer);
        answer.ok()?.action
    }

    pub async fn ask_action(&mut self, by: &Presented, action: &str) {
        let ask = self.ask(by, "", 0.0);
        let before = self.bank.happened();
        let request =
            v1::GetActionRequest { subject_token: by.token.clone(), action_id: action.to_owned() };
        let answer = self.door.action(request).await;
        self.look(before, &ask, "", by, &answer);
    }

    pub async fn withdraw(&mut self, by: &Presented, proposal: &str) {
        let ask = self.ask(by, "", 0.0);
        let before = self.bank.happened();
        let request = v1::WithdrawRequest {
            subject_token: by.token.clone(),
            proposal_id: proposal.to_owned(),
        };
        let answer = self.door.withdraw(request).await;
        self.look(before, &ask, "", by, &answer);
    }

    pub async fn ask_receipts(&mut self, by: &Presented) {
        let ask = self.ask(by, "", 0.0);
        let before = self.bank.happened();
        let request = v1::ListReceiptsRequest {
            subject_token: by.token.clone(),
            page_size: 20,
            ..Default::default()
        };
        let answer = self.door.receipts(request).await;
        let shown = answer.map(|page| {
            let bodies = page.receipts.iter();
            bodies.map(|r| String::from_utf8_lossy(&r.body).into_owned()).collect::<Vec<_>>()
        });
        self.look(before, &ask, "", by, &shown);
    }

    /// The oracle's turn, after each message.
    fn look<T: std::fmt::Debug>(
        &mut self,
        before: usize,
        ask: &Ask,
        proposal: &str,
        by: &Presented,
        answer: &Result<T, Status>,
    ) {
        self.tally.inputs += 1;
        let now = self.clock.seconds();
        for effect in self.bank.since(before) {
            self.tally.dispatched += 1;
            if let Err(why) = self.oracle.judge(&self.bank, &effect, ask, proposal, now) {
                self.tally.violations.push(why);
            }
        }
        let text = match answer {
            Ok(answer) => format!("{answer:?}"),
            Err(status) => {
                let refusal = Refusal::from_status(status);
                let code = refusal.map_or_else(|| status.code().to_string(), |r| r.code);
                *self.tally.codes.entry(code).or_default() += 1;
                format!("{status:?}")
            }
        };
        for other in self.people.iter().filter(|p| by.who.as_ref() != Some(*p)) {
            let hidden = [Some(&other.secret), answer.is_ok().then_some(&other.locker)];
            if hidden.into_iter().flatten().any(|secret| shows(&text, secret)) {
                self.tally.violations.push(format!("{} is shown to {:?}", other.sub, by.who));
            }
        }
    }
}

/// The whole word, not the beginning of a longer one.
fn shows(text: &str, secret: &str) -> bool {
    text.match_indices(secret).any(|(at, _)| {
        let next = text[at + secret.len()..].chars().next();
        next.is_none_or(|c| !c.is_ascii_digit())
    })
}

pub fn step(tool: &str, arguments: Vec<(&str, v1::Argument)>) -> v1::Step {
    let arguments = arguments.into_iter().map(|(name, a)| (name.to_owned(), a)).collect();
    v1::Step { id: format!("s-{}", tool.len()), tool: tool.to_owned(), arguments }
}

pub fn seen(observation: &str, pointer: &str) -> v1::Argument {
    let reference =
        v1::ObservationRef { observation_id: observation.to_owned(), pointer: pointer.to_owned() };
    v1::Argument { source: Some(Source::Observation(reference)) }
}

pub fn typed(json: impl Into<serde_json::Value>) -> v1::Argument {
    v1::Argument { source: Some(Source::ModelJson(json.into().to_string())) }
}

/// The place of `part` in a message; nothing where it is not there.
pub fn span(message: &v1::AttestedMessage, part: &str) -> v1::Argument {
    let start = message.text.find(part).unwrap_or(0);
    piece(message, start, start + part.len())
}

pub fn piece(message: &v1::AttestedMessage, start: usize, end: usize) -> v1::Argument {
    let span = v1::UtteranceSpan {
        message_id: message.message_id.clone(),
        start: u32::try_from(start).unwrap(),
        end: u32::try_from(end).unwrap(),
    };
    v1::Argument { source: Some(Source::Utterance(span)) }
}
