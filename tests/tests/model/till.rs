//! The tool that the model asks for, and its three writes: two of one intent and one
//! of another, all on the same sale. Times are the smallest at which each bound counts.

use std::collections::BTreeMap;

use countersign_core::contract::{Body, Catalog, Contract, ReadBody, WriteBody, load};
use countersign_core::gate::Facts;
use countersign_core::grant::{self, Signers};
use countersign_core::lifecycle::{Event, State as Life, fold};
use countersign_core::limit::Spent;
use countersign_core::plan::{Confidence, ModelUse, Plan, Source, Step, admit};
use countersign_core::policy::Policy;
use countersign_core::proposal::{Asked, Fresh, draft};
use countersign_core::resolve::{Arguments, Evidence, resolve};
use countersign_core::signed::Keyring;
use countersign_core::state::State;
use countersign_core::subject::{Kind, Strength, Subject};
use countersign_core::value::Value;
use countersign_shared::ids::ActionId;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};

use crate::open;

/// A write: its place among the three.
pub(crate) type Write = u8;
/// How many there are.
pub(crate) const WRITES: usize = 3;
/// Which intent each write has.
pub(crate) const INTENT: [u8; WRITES] = [0, 0, 1];

/// One step of the clock, seconds.
const TICK: i64 = 300;
/// How long the backend keeps a key, ticks from its first use.
pub(crate) const WINDOW: u8 = 4;

/// What makes a resend safe, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    /// The backend knows our key for a while.
    ServerKey,
    /// The backend checks a version.
    CompareAndSet,
    /// The backend keeps our marker.
    Marker,
    /// Nothing of all that.
    Blind,
}

impl Class {
    /// `window` is what the contract says; what the backend does is [`WINDOW`].
    fn effect(self, window: &str) -> String {
        let rest = "visible_within: 5m, probe: { on: 2026-01-01, source: x }";
        match self {
            Self::ServerKey => format!("{{ class: server_key, window: {window}, {rest} }}"),
            Self::CompareAndSet => format!("{{ class: compare_and_set, {rest} }}"),
            Self::Marker => format!("{{ class: marker, {rest} }}"),
            Self::Blind => format!("{{ class: blind, irreversible: true, {rest} }}"),
        }
    }
}

/// A request may land one tick late, so the pack is quiet for as long.
const CONNECTOR: &str = r"
pack: till
summary: A till.
kind: http
credential: bearer
subject: [owner]
timeout: 30s
response_limit: 64KiB
quiet_period: 5m
codes:
  TOO_LATE: { cause: The sale is closed., remedy: Ask at the counter. }
  SOLD_ANEW: { cause: The sale was changed., remedy: Ask again. }
";

const SALE: &str = r#"
tool: till.get_sale
summary: One sale.
effect: none
arguments:
  id: { type: string, pattern: "^[0-9]+$", from: [model, utterance, observation], about: The sale. }
do: { http: { method: GET, path: [sales, =args.id] }, accept: [200] }
output:
  owner: { fact: id, pattern: "^[a-z0-9]*$", at: /owner, optional: true }
  open: { fact: bool, at: /open }
  version: { fact: int, at: /version }
  paid: { fact: money, amount: /paid, currency: /currency }
  marks: { list: { at: /marks, max: 10 }, of: { key: { text: 60, at: /key }, amount: { fact: money, amount: /amount, currency: /currency } } }
subject: owner == subject.owner
"#;

fn refund(effect: &str, key: &str) -> String {
    format!(
        r#"
tool: till.refund
summary: Pay a part of a sale back.
examples: ["pay back sale {{id}}"]
effect: {effect}
arguments:
  id: {{ type: string, pattern: "^[0-9]+$", from: [model], about: The sale. }}
  part: {{ type: string, pattern: "^[a-z]$", from: [model], about: Which part of it. }}
read: {{ sale: {{ tool: till.get_sale, with: {{ id: =args.id }} }} }}
subject: state.sale.owner == subject.owner
locks: [args.id]
money: state.sale.paid
require: [{{ code: TOO_LATE, that: state.sale.open }}]
intent: [args.id, args.part]
confidence: {{ floor: 0.8 }}
confirm: none
card: "Pay back {{money}}?"
do:
  http:
    method: POST
    path: [sales, =args.id, refunds]
    json: {{ amount: =money, note: =marker, version: =state.sale.version }}
  accept: [201]
  errors:
    by_status:
      - {{ status: 412, code: SOLD_ANEW, class: guard }}
      - {{ status: 422, code: TOO_LATE, class: terminal }}
    at: /error
{key}
verify:
  look: {{ tool: till.get_sale, with: {{ id: =args.id }} }}
  find: {{ in: looked.marks, as: found, ours: found.key == marker }}
  that: found.amount == money
  every: 1s
  within: 20s
output: {{ amount: found.amount }}
compensate: none
say: {{ applied: "Paid back {{money}} ({{receipt}})." }}
"#
    )
}

/// Contract, policy and subject, as the core takes them.
pub(crate) struct Till {
    catalog: Catalog,
    policy: Policy,
    subject: Subject,
}

impl Till {
    /// `window` is how long the contract believes that the backend keeps a key.
    pub(crate) fn new(class: Class, window: &str) -> Self {
        let keyed = class == Class::ServerKey;
        let key = if keyed { "  key: { header: Idempotency-Key }" } else { "" };
        let files = [
            ("connector.yaml", CONNECTOR.to_owned()),
            ("contracts/get_sale.yaml", SALE.to_owned()),
            ("contracts/refund.yaml", refund(&class.effect(window), key)),
        ];
        let loaded = load::pack(&files.map(|(name, text)| (name.to_owned(), text)).into());
        let pack = loaded.pack.unwrap_or_else(|| panic!("{:#?}", loaded.problems));
        let mut catalog = Catalog::default();
        for contract in pack.contracts {
            catalog.tools.insert(contract.tool.clone(), contract);
        }
        Self { catalog, policy: open::policy(), subject: subject() }
    }

    pub(crate) fn contract(&self) -> &Contract {
        &self.catalog.tools["till.refund"]
    }

    pub(crate) fn write(&self) -> &WriteBody {
        let Body::Write(write) = &self.contract().body else { panic!("a write") };
        write
    }

    pub(crate) fn look(&self) -> (&Contract, &ReadBody) {
        let contract = &self.catalog.tools["till.get_sale"];
        let Body::Read(read) = &contract.body else { panic!("a read") };
        (contract, read)
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// A write that was proposed on this version of the sale and needs nobody's yes.
    pub(crate) fn granted(&self, write: Write, version: u8) -> Vec<Event> {
        let plan = plan(write);
        let arguments = self.arguments(&plan);
        let asked = self.asked(&plan);
        let state = sale(version, true);
        let facts = Facts {
            contract: self.contract(),
            policy: &self.policy,
            write: self.write(),
            arguments: &arguments,
            state: &state,
            asked: &asked,
            now: at(0),
        };
        let fresh =
            Fresh { proposal: format!("prp_{write:026}").parse().unwrap(), action: action(write) };
        let proposal = draft(&facts, fresh).unwrap().finish(&Spent::default()).unwrap();
        let proposed = Event::Proposed(Box::new(proposal));
        let Life::Proposed(parked) = fold([proposed.clone()]).unwrap() else { panic!() };
        let frontends = Keyring::default();
        let signers = Signers { frontends: &frontends, policy: &self.policy, origin: "" };
        let grants = grant::complete(&parked, self.contract(), &signers, at(0)).unwrap();
        vec![proposed, Event::Granted(Box::new(grants))]
    }

    fn arguments(&self, plan: &Plan) -> Arguments {
        let (step, contract) = admit(plan, &self.catalog).unwrap().write.unwrap();
        resolve(step, contract, &self.subject, &Evidence::default(), at(0)).unwrap()
    }

    fn asked(&self, plan: &Plan) -> Asked {
        Asked {
            channel: String::new(),
            caller: "spiffe://t/planner".into(),
            subject: self.subject.clone(),
            conversation: plan.conversation.clone(),
            external_ref: String::new(),
            messages: vec![],
            confidence: plan.confidence.clone(),
            model: plan.model.clone(),
            after_receipt: None,
            trace: String::new(),
        }
    }
}

/// The clock's time, ticks from the beginning.
pub(crate) fn at(tick: u8) -> Timestamp {
    let begin: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    begin.checked_add(SignedDuration::from_secs(TICK * i64::from(tick))).unwrap()
}

/// The first tick that is not before a time.
pub(crate) fn tick(time: Timestamp) -> u8 {
    let nanos = time.duration_since(at(0)).as_nanos();
    let tick = i128::from(TICK) * 1_000_000_000;
    u8::try_from((nanos + tick - 1).div_euclid(tick)).unwrap_or(u8::MAX)
}

/// The write's action.
pub(crate) fn action(write: Write) -> ActionId {
    format!("act_{write:026}").parse().unwrap()
}

/// The sale as the gates read it.
pub(crate) fn sale(version: u8, open: bool) -> State {
    let money = countersign_shared::money::Money::parse("5.00", "USD".parse().unwrap()).unwrap();
    let fields = [
        ("owner", Value::Str("ann".into())),
        ("open", Value::Bool(open)),
        ("version", Value::Int(i64::from(version))),
        ("paid", Value::Money(money)),
        ("marks", Value::List(vec![])),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    State::default().with("sale", Value::Object(fields.into()))
}

/// The sale as the backend answers to a look: so many effects bear this marker.
pub(crate) fn answer(marker: &str, marks: usize) -> Json {
    let mark = json!({ "key": marker, "amount": "5.00", "currency": "USD" });
    json!({ "owner": "ann", "open": true, "version": 0, "paid": "5.00", "currency": "USD",
            "marks": vec![mark; marks] })
}

fn plan(write: Write) -> Plan {
    let part = ["a", "b"][usize::from(INTENT[usize::from(write)])];
    let arguments = BTreeMap::from([
        ("id".to_owned(), Source::Model(json!("7"))),
        ("part".to_owned(), Source::Model(json!(part))),
    ]);
    Plan {
        conversation: "c".into(),
        external_ref: String::new(),
        steps: vec![Step { id: "a".into(), tool: "till.refund".into(), arguments }],
        confidence: Confidence { score: 0.9, ..Confidence::default() },
        model: ModelUse::default(),
        after_receipt: None,
    }
}

fn subject() -> Subject {
    Subject {
        tenant: "t".into(),
        issuer: "i".into(),
        id: "ann".into(),
        signs_as: "ann".into(),
        claims: BTreeMap::from([("owner".to_owned(), "ann".to_owned())]),
        kind: Kind::Customer,
        scopes: std::collections::BTreeSet::new(),
        segment: String::new(),
        strength: Strength::SignedIn,
        verified_at: at(0),
    }
}
