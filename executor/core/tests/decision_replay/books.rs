//! A pack of one till and the policies that were active at one time or another.

use std::collections::BTreeMap;

use countersign_core::contract::{Body, Catalog, Contract, WriteBody, load};
use countersign_core::policy::{Policy, SCHEMA, load::policy as read};
use countersign_core::replay::{Candidate, Shelf};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePublicKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;

pub(crate) type Files = BTreeMap<String, String>;

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
  id: { fact: id, pattern: "^[0-9]+$", at: /id, optional: true }
  owner: { fact: id, pattern: "^[a-z0-9]*$", at: /owner, optional: true }
  open: { fact: bool, at: /open }
  paid: { fact: money, amount: /paid, currency: /currency }
  marks: { list: { at: /marks, max: 10 }, of: { key: { text: 60, at: /key }, amount: { fact: money, amount: /amount, currency: /currency } } }
subject: owner == subject.owner
"#;

/// A write of the till. `refund` wants the customer's yes and, above 50 dollars, one of
/// finance; `credit` wants nobody.
fn write(name: &str, effect: &str, confirm: &str, approve: &str, floor: &str, key: &str) -> String {
    format!(
        r#"
tool: till.{name}
summary: Pay a sale back.
examples: ["pay back sale {{id}}"]
for: [customer, staff]
effect: {effect}
arguments:
  id: {{ type: string, pattern: "^[0-9]+$", from: [observation, utterance], about: The sale. }}
  why: {{ enum: [asked, damaged], from: [model, constant], default: asked, words: {{ damaged: [broken] }} }}
read: {{ sale: {{ tool: till.get_sale, with: {{ id: =args.id }} }} }}
subject: state.sale.owner == subject.owner
locks: [args.id]
money: state.sale.paid
require: [{{ code: TOO_LATE, that: state.sale.open }}]
intent: [args.id]
confidence: {{ floor: {floor}, over: [{{ amount: {{ USD: "100.00" }}, floor: 0.95 }}] }}
confirm: {confirm}
{approve}
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

const KEYED: &str =
    "{ class: server_key, window: 24h, irreversible: true, probe: { on: 2026-01-01, source: x } }";
const MARKED: &str = "{ class: marker, visible_within: 2s, probe: { on: 2026-01-01, source: x } }";

/// The pack, with this floor of confidence.
pub(crate) fn pack(floor: &str) -> Files {
    let approve = "approve: [{ over: { USD: \"50.00\" }, within: 30d, by: [finance] }]";
    let refund =
        write("refund", KEYED, "customer", approve, floor, "  key: { header: Idempotency-Key }");
    let credit = write("credit", MARKED, "none", "", floor, "");
    [("connector.yaml", CONNECTOR.to_owned()), ("contracts/get_sale.yaml", SALE.to_owned())]
        .into_iter()
        .chain([("contracts/refund.yaml", refund), ("contracts/credit.yaml", credit)])
        .map(|(name, text)| (name.to_owned(), text))
        .collect()
}

/// A policy with these modes, limits and rules beside the one that permits everything.
pub(crate) fn policy(modes: &str, limits: &str, rules: &str) -> Files {
    let person = |who: &str, role: &str| {
        format!(
            "  - {{ id: {who}, issuer: d, name: {who}, roles: [{role}], tenants: [t], keys: \
             [{{ kid: {who}, file: keys/{who}.pem }}] }}\n"
        )
    };
    let people = format!("people:\n{}{}", person("fay", "finance"), person("cal", "clerk"));
    let settings = format!(
        "modes: {modes}\nlimits: {limits}\nopen: {{ per_subject: 1000, per_planner: 100000 }}\n\
         subject_valid_for: 24h\nproposals_live: 24h\nactivation: {{ default: 1 }}\n"
    );
    let pem = |who: &str| key(who).verifying_key().to_public_key_pem(LineEnding::LF).unwrap();
    [
        ("policy.cedar", format!("@id(\"all\") permit (principal, action, resource);\n{rules}")),
        ("schema.cedarschema", SCHEMA.to_owned()),
        ("settings.yaml", settings),
        ("people.yaml", people),
        (
            "tests.yaml",
            "given: { tenant: t, workload: w, channel: c, on: 2026-01-01 }\nrows: []\n".to_owned(),
        ),
        ("keys/fay.pem", pem("fay")),
        ("keys/cal.pem", pem("cal")),
    ]
    .into_iter()
    .map(|(name, text)| (name.to_owned(), text))
    .collect()
}

pub(crate) const AUTO: &str = "[{ tools: [\"*\"], mode: auto }]";
pub(crate) const DAY: &str = "[{ name: day, per: customer, tools: [\"*\"], within: 1d, most: \
    { USD: \"200.00\" } }, { name: hour, per: tenant, tools: [\"*\"], within: 1h, count: 30 }]";

pub(crate) fn key(who: &str) -> SigningKey {
    SigningKey::from_bytes(&[who.as_bytes()[0]; 32])
}

/// What is active at one time.
pub(crate) struct Active {
    pub(crate) catalog: Catalog,
    pub(crate) policy: Policy,
}

impl Active {
    pub(crate) fn contract(&self, tool: &str) -> &Contract {
        &self.catalog.tools[tool]
    }

    pub(crate) fn write(&self, tool: &str) -> &WriteBody {
        let Body::Write(write) = &self.contract(tool).body else { panic!("a write") };
        write
    }
}

/// The books of every time, and the shelf on which they are kept.
pub(crate) struct Books {
    pub(crate) active: Vec<Active>,
    pub(crate) shelf: Shelf,
}

pub(crate) fn loaded_pack(files: &Files) -> load::LoadedPack {
    let loaded = load::pack(files);
    loaded.pack.unwrap_or_else(|| panic!("{:#?}", loaded.problems))
}

pub(crate) fn loaded_policy(files: &Files) -> Policy {
    let loaded = read(files, None);
    loaded.policy.unwrap_or_else(|| panic!("{:#?}", loaded.problems))
}

impl Books {
    pub(crate) fn of(all: &[(Files, Files)]) -> Self {
        let mut shelf = Shelf::default();
        let mut active = Vec::new();
        for (pack, policy) in all {
            shelf.add(pack).unwrap();
            shelf.add(policy).unwrap();
            let catalog = Catalog::load([loaded_pack(pack)]).unwrap();
            active.push(Active { catalog, policy: loaded_policy(policy) });
        }
        Self { active, shelf }
    }

    /// Three that follow each other: one that lets go, one that holds back, and the same
    /// with another contract.
    pub(crate) fn three() -> Self {
        let blocked = "@id(\"blocked\") forbid (principal is Customer, action in [Action::\"propose\", \
             Action::\"read\"], resource) when { principal.segment == \"blocked\" };\n\
             @id(\"no-confirm\") forbid (principal, action == Action::\"confirm\", resource) when \
             { context has amount && context.amount.minor > 15000 };\n\
             @id(\"late\") forbid (principal, action == Action::\"execute\", resource) when \
             { context.confidence < 850 };\n";
        let modes = "[{ tools: [\"till.credit\"], segment: vip, mode: shadow }, \
             { tools: [\"till.credit\"], segment: new, mode: approve, by: [finance] }, \
             { tools: [\"*\"], mode: auto }]";
        let (soft, firm) = (policy(AUTO, DAY, ""), policy(modes, DAY, blocked));
        let (old, new) = (pack("0.8"), pack("0.9"));
        Self::of(&[(old.clone(), soft), (old, firm.clone()), (new, firm)])
    }
}

/// A policy in the place of every other.
pub(crate) fn instead(policy: &Files) -> Candidate {
    Candidate { policy: Some(loaded_policy(policy)), ..Candidate::default() }
}
