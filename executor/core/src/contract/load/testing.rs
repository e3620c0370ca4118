//! Packs for tests.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;

/// Files of a pack, as the loader takes them.
pub(crate) type Files = BTreeMap<String, String>;

/// Every pack that ships with the executor.
pub(crate) fn shipped_packs() -> Vec<Files> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packs");
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.join("connector.yaml").is_file()).map(|path| folder(&path)).collect()
}

fn folder(dir: &Path) -> Files {
    let mut files = Files::new();
    let mut open = vec![dir.to_owned()];
    while let Some(at) = open.pop() {
        for entry in std::fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
                files.insert(name, text);
            }
        }
    }
    files
}

/// A small HTTP pack: two reads and a write.
pub(crate) fn example_pack() -> Files {
    [
        ("connector.yaml", CONNECTOR),
        ("contracts/find_order.yaml", FIND_ORDER),
        ("contracts/refunds.yaml", REFUNDS),
        ("contracts/refund.yaml", REFUND),
    ]
    .map(|(path, text)| (path.to_owned(), text.to_owned()))
    .into()
}

const CONNECTOR: &str = r##"pack: shop
summary: A small shop's own API.
kind: http
credential: bearer
subject: [customer]
timeout: 5s
response_limit: 256KiB
codes:
  NOT_PAID: { cause: Nothing was paid., remedy: Wait for the payment., say: "This order has not been paid yet." }
"##;

const FIND_ORDER: &str = r##"tool: shop.find_order
summary: Find an order by its number.
examples: ["where is order {number}"]
effect: none
arguments:
  number: { type: string, pattern: "^[0-9]{3,10}$", from: [utterance], extract: "#([0-9]{3,10})", about: The order's number. }
do:
  http: { method: GET, path: [v1, orders], query: { number: =args.number, customer: =subject.customer } }
  pages: { next: /next, into: cursor, max: 3, list: /orders }
output:
  orders:
    list: { at: /orders, max: 10 }
    of:
      id: { fact: id, pattern: "^o_[0-9]+$", at: /id }
      customer: { fact: id, at: /customer, optional: true }
      total: { fact: money, minor: /total, currency: /currency }
      status: { fact: [PAID, OPEN], at: /status }
      placed: { fact: time, at: /placed }
      note: { text: 200, at: /note, optional: true }
      tags: { list: { at: /tags, max: 5, more: drop }, of: { fact: id, at: "" } }
subject: orders.customer == subject.customer
empty: { at: orders, code: NOT_FOUND }
label: "{id}, {total}, placed {placed}"
say: "Found {orders.map(o, o.id)}."
"##;

const REFUNDS: &str = r##"tool: shop.refunds
summary: The refunds of an order.
effect: none
arguments:
  order: { type: string, pattern: "^o_[0-9]+$", from: [observation], obtain: [ { tool: shop.find_order, at: /orders/*/id, match: /orders/*/note } ] }
do:
  http: { method: GET, path: [v1, orders, =args.order, refunds] }
  errors: { by_status: [ { status: 404, code: NOT_FOUND, class: terminal } ] }
output:
  customer: { fact: id, at: /customer }
  total: { fact: money, amount: /total, currency: USD }
  status: { fact: [PAID, OPEN], at: /status }
  refunds: { list: { at: /refunds, max: 50 }, of: { id: { fact: id, at: /id }, amount: { fact: money, amount: /amount, currency: USD }, note: { text: 200, at: /note, optional: true } } }
subject: customer == subject.customer
"##;

const REFUND: &str = r##"tool: shop.refund
summary: Refund a whole order.
examples: ["refund order {number}"]
effect: { class: server_key, window: 24h, irreversible: true, probe: { on: 2026-11-20, source: "https://shop.example/docs" } }
arguments:
  order: { type: string, pattern: "^o_[0-9]+$", from: [observation], obtain: [ { tool: shop.find_order, at: /orders/*/id } ] }
  reason: { enum: [asked, damaged], from: [model, constant], default: asked, words: { damaged: [broken] } }
read:
  order: { tool: shop.refunds, with: { order: =args.order } }
subject: state.order.customer == subject.customer
locks: [args.order]
money: state.order.total
require:
  - { code: NOT_PAID, that: 'state.order.status == "PAID"' }
  - { code: NOT_PAID, that: 'state.order.refunds.map(r, minor(r.amount)).sum() < minor(money)' }
intent: [args.order]
confidence: { floor: 0.85, over: [ { amount: { USD: "100.00" }, floor: 0.95 } ] }
confirm: customer
card: "Refund {money} for order {args.order}?"
do:
  http: { method: POST, path: [v1, orders, =args.order, refunds], json: { amount: =minor(money), reason: =args.reason, note: =marker } }
  accept: [200, 201]
  key: { header: Idempotency-Key }
  errors: { at: /error, codes: [ { match: already, code: ALREADY_DONE, class: guard } ], by_status: [ { status: 404, code: NOT_FOUND, class: terminal } ] }
  response: { id: { fact: id, at: /id, optional: true } }
verify:
  look: { tool: shop.refunds, with: { order: =args.order } }
  find: { in: looked.refunds, as: found, ours: 'found.id == response.id || found.note == marker' }
  that: 'found.amount == money'
  every: 1s
  within: 1m
output: { refund_id: found.id, amount: found.amount }
compensate: none
say:
  applied: "Refunded {money}. Receipt {receipt}."
  unknown: "A colleague will check the refund of order {args.order}."
"##;
