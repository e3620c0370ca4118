//! A till with one write, and how far a plan for it has come.

use super::*;

const CONNECTOR: &str = r"
pack: till
summary: A till.
kind: http
credential: bearer
subject: [owner]
timeout: 5s
response_limit: 64KiB
quiet_period: 10s
codes:
  TOO_LATE: { cause: The sale is closed., remedy: Ask at the counter. }
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
  paid: { fact: money, amount: /paid, currency: /currency }
  marks: { list: { at: /marks, max: 10 }, of: { key: { text: 60, at: /key }, amount: { fact: money, amount: /amount, currency: /currency } } }
subject: owner == subject.owner
"#;

fn refund(effect: &str, key: &str) -> String {
    format!(
        r#"
tool: till.refund
summary: Pay a sale back.
examples: ["pay back sale {{id}}"]
effect: {effect}
arguments:
  id: {{ type: string, pattern: "^[0-9]+$", from: [model], about: The sale. }}
read: {{ sale: {{ tool: till.get_sale, with: {{ id: =args.id }} }} }}
subject: state.sale.owner == subject.owner
locks: [args.id]
money: state.sale.paid
require: [{{ code: TOO_LATE, that: state.sale.open }}]
intent: [args.id]
confidence: {{ floor: 0.8, over: [{{ amount: {{ USD: "100.00" }}, floor: 0.95 }}] }}
confirm: none
card: "Pay back {{money}}?"
do:
  http:
    method: POST
    path: [sales, =args.id, refunds]
    json: {{ amount: =money, note: =marker }}
  accept: [201]
{key}
verify:
  look: {{ tool: till.get_sale, with: {{ id: =args.id }} }}
  find: {{ in: looked.marks, as: found, ours: found.key == marker }}
  that: found.amount == money
  human: looked.open == false
  every: 1s
  within: 20s
output: {{ amount: found.amount }}
compensate: none
say: {{ applied: "Paid back {{money}} ({{receipt}})." }}
"#
    )
}

pub(super) struct Shop {
    pub(super) catalog: Catalog,
    pub(super) policy: Policy,
    pub(super) subject: Subject,
    pub(super) now: Timestamp,
}

impl Shop {
    pub(super) fn new(effect: &str) -> Self {
        let key =
            if effect.contains("server_key") { "  key: { header: Idempotency-Key }" } else { "" };
        let write = refund(effect, key);
        let files = BTreeMap::from([
            ("connector.yaml".to_owned(), CONNECTOR.to_owned()),
            ("contracts/get_sale.yaml".to_owned(), SALE.to_owned()),
            ("contracts/refund.yaml".to_owned(), write),
        ]);
        let loaded = load::pack(&files);
        let pack = loaded.pack.unwrap_or_else(|| panic!("{:#?}", loaded.problems));
        let mut catalog = Catalog::default();
        for contract in pack.contracts {
            catalog.tools.insert(contract.tool.clone(), contract);
        }
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let subject = Subject {
            tenant: "t".into(),
            issuer: "i".into(),
            id: "ann".into(),
            signs_as: "ann".into(),
            claims: BTreeMap::from([("owner".to_owned(), "ann".to_owned())]),
            kind: countersign_core::subject::Kind::Customer,
            scopes: std::collections::BTreeSet::new(),
            segment: String::new(),
            strength: countersign_core::subject::Strength::SignedIn,
            verified_at: now,
        };
        Self { catalog, policy: open::policy(), subject, now }
    }

    pub(super) fn contract(&self) -> &Contract {
        &self.catalog.tools["till.refund"]
    }

    pub(super) fn plan(&self, score: f64) -> Plan {
        let arguments = BTreeMap::from([("id".to_owned(), Source::Model(json!("7")))]);
        Plan {
            conversation: "c".into(),
            external_ref: String::new(),
            steps: vec![Step { id: "a".into(), tool: "till.refund".into(), arguments }],
            confidence: Confidence { score, ..Confidence::default() },
            model: ModelUse::default(),
            after_receipt: None,
        }
    }

    pub(super) fn arguments(&self, plan: &Plan) -> Arguments {
        let (step, contract) = admit(plan, &self.catalog).unwrap().write.unwrap();
        resolve(step, contract, &self.subject, &Evidence::default(), self.now).unwrap()
    }

    pub(super) fn propose(&self, plan: &Plan, state: &State) -> Result<Event, Refused> {
        let arguments = self.arguments(plan);
        let asked = self.asked(plan);
        let facts = self.facts(&arguments, &asked, state);
        let fresh = Fresh {
            proposal: format!("prp_{:026}", 1).parse().unwrap(),
            action: format!("act_{:026}", 1).parse().unwrap(),
        };
        let proposal = draft(&facts, fresh)?.finish(&Spent::default())?;
        Ok(Event::Proposed(Box::new(proposal)))
    }

    pub(super) fn asked(&self, plan: &Plan) -> Asked {
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

    pub(super) fn write(&self) -> &WriteBody {
        let Body::Write(write) = &self.contract().body else { panic!("a write") };
        write
    }

    pub(super) fn facts<'a>(
        &'a self,
        arguments: &'a Arguments,
        asked: &'a Asked,
        state: &'a State,
    ) -> Facts<'a> {
        Facts {
            contract: self.contract(),
            policy: &self.policy,
            write: self.write(),
            arguments,
            state,
            asked,
            now: self.now,
        }
    }

    /// Everything up to the first attempt, as a journal.
    pub(super) fn sent(&self) -> Vec<Event> {
        let plan = self.plan(0.9);
        let state = sale("ann", true, "5.00");
        let mut journal = vec![self.propose(&plan, &state).unwrap()];
        let Life::Proposed(parked) = fold(journal.clone()).unwrap() else { panic!() };
        let frontends = Keyring::default();
        let signers = Signers { frontends: &frontends, policy: &self.policy, origin: "" };
        let grants = grant::complete(&parked, self.contract(), &signers, self.now).unwrap();
        journal.push(Event::Granted(Box::new(grants)));
        let Life::Granted(granted) = fold(journal.clone()).unwrap() else { panic!() };
        let (proposal, contract) = (granted.proposal(), self.contract());
        let budget = Budget::of(proposal, &[], contract, self.write(), &self.policy);
        let taken = claim::decide(&granted, &Known::default(), &budget, self.now).unwrap();
        journal.push(Event::Claimed(taken));
        let Life::Claimed(claimed) = fold(journal.clone()).unwrap() else { panic!() };
        let (arguments, asked) = (self.arguments(&plan), self.asked(&plan));
        let clearance = gate::decide(&claimed, &self.facts(&arguments, &asked, &state)).unwrap();
        journal.push(Event::Cleared(Box::new(clearance)));
        let Life::Cleared(cleared) = fold(journal.clone()).unwrap() else { panic!() };
        let account = Account { account: "a".into(), credential: "c".into() };
        let intent = dispatch::prepare(&cleared, self.contract(), account, self.now).unwrap();
        journal.push(Event::Intended(Box::new(intent)));
        journal
    }

    pub(super) fn ask(&self, journal: &[Event], after: i64) -> Ask {
        let now = self.now.checked_add(SignedDuration::from_secs(after)).unwrap();
        ask(&fold(journal.to_vec()).unwrap(), self.contract(), now)
    }

    pub(super) fn answered(&self, verdict: Verdict) -> Event {
        let status = (!matches!(verdict, Verdict::Lost { .. })).then_some(422);
        Event::Answered(Box::new(AttemptResult {
            at: self.now,
            status,
            verdict,
            raw: String::new(),
        }))
    }

    pub(super) fn looked(&self, sight: Sight, after: i64) -> Event {
        let at = self.now.checked_add(SignedDuration::from_secs(after)).unwrap();
        Event::Looked(Box::new(Look { at, looked: Value::Null, sight }))
    }
}

pub(super) fn sale(owner: &str, open: bool, paid: &str) -> State {
    let money = countersign_shared::money::Money::parse(paid, "USD".parse().unwrap()).unwrap();
    let owner = if owner.is_empty() { Value::Null } else { Value::Str(owner.into()) };
    let sale = Value::Object(BTreeMap::from([
        ("owner".to_owned(), owner),
        ("open".to_owned(), Value::Bool(open)),
        ("paid".to_owned(), Value::Money(money)),
        ("marks".to_owned(), Value::List(vec![])),
    ]));
    State::default().with("sale", sale)
}
