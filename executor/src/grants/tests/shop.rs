//! A shop of one order, that can be held up and away, and its pack.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use countersign_core::answer::{self, Barrier, ReadFailure, Sent};
use countersign_core::contract::Contract;
use countersign_core::dispatch::Account;
use countersign_core::request::WireRequest;
use countersign_core::subject::Subject;
use parking_lot::Mutex;
use serde_json::{Value as Json, json};
use tokio::sync::{Notify, Semaphore};

use crate::ports::Backends;

/// A refund of it takes two of finance.
pub(crate) const PACK: [(&str, &str); 3] = [
    ("connector.yaml", CONNECTOR),
    ("contracts/order.yaml", ORDER),
    ("contracts/refund.yaml", REFUND),
];

const CONNECTOR: &str = r#"
pack: shop
summary: A shop.
kind: http
credential: none
subject: [customer_id]
"#;

const ORDER: &str = r#"
tool: shop.order
summary: The customer's order.
effect: none
do: { http: { method: GET, path: [order] } }
output:
  id: { fact: id, at: /id }
  customer: { fact: id, at: /customer }
  price: { fact: money, minor: /price, currency: USD }
  refunds: { list: { at: /refunds, max: 9 }, of: { note: { text: 99, at: /note } } }
subject: customer == subject.customer_id
"#;

const REFUND: &str = r#"
tool: shop.refund
summary: Refund the customer's order.
examples: ["refund my order"]
effect: { class: server_key, window: 24h, irreversible: true, probe: { on: 2026-11-21, source: "https://shop.example/docs" } }
arguments:
  reason: { enum: [asked, damaged], from: [model, constant], default: asked, words: { damaged: [broken] } }
read: { order: { tool: shop.order } }
subject: state.order.customer == subject.customer_id
locks: [subject.customer_id]
money: state.order.price
intent: [subject.customer_id]
confidence: { floor: 0.8 }
confirm: none
approve: [{ over: { USD: "50.00" }, within: 30d, by: [finance, finance] }]
card: "Refund {money}?"
do:
  http: { method: POST, path: [refunds], json: { note: =marker, reason: =args.reason } }
  key: { header: Idempotency-Key }
verify:
  look: { tool: shop.order }
  find: { in: looked.refunds, as: found, ours: found.note == marker }
  that: found.note == marker
  every: 1s
  within: 1m
output: { note: found.note }
compensate: none
say: { applied: "Refunded {money}.", unknown: "I cannot tell yet." }
"#;

/// A backend that counts, and can be held up or away.
#[derive(Default)]
pub(crate) struct Shop {
    refunds: Mutex<Vec<Json>>,
    /// Reads until one of them is held, and what holds it.
    hold: Mutex<Option<(usize, Arc<Held>)>>,
    /// Reads until it is away.
    left: Mutex<Option<usize>>,
    /// Its replies to writes are lost.
    mute: AtomicBool,
    /// What happens while it does the first one.
    meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

/// A read that is under way for as long as the test wants.
pub(crate) struct Held {
    reached: Notify,
    free: Semaphore,
}

impl Held {
    pub(crate) async fn reached(&self) {
        self.reached.notified().await;
    }

    pub(crate) fn let_go(&self) {
        self.free.close();
    }
}

impl Shop {
    pub(crate) fn refunds(&self) -> usize {
        self.refunds.lock().len()
    }

    /// Holds the read of this number, from now on.
    pub(crate) fn hold(&self, read: usize) -> Arc<Held> {
        let held = Arc::new(Held { reached: Notify::new(), free: Semaphore::new(0) });
        *self.hold.lock() = Some((read, Arc::clone(&held)));
        held
    }

    /// Answers so many reads more.
    pub(crate) fn away_after(&self, reads: usize) {
        *self.left.lock() = Some(reads);
    }

    pub(crate) fn back(&self) {
        *self.left.lock() = None;
    }

    /// Does what it is asked for, and nobody hears of it.
    pub(crate) fn mute(&self) {
        self.mute.store(true, Ordering::SeqCst);
    }

    /// Has this happen while it does what it is asked for.
    pub(crate) fn meanwhile(&self, happens: impl FnOnce() + Send + 'static) {
        *self.meanwhile.lock() = Some(Box::new(happens));
    }

    fn is_away(&self) -> bool {
        let mut left = self.left.lock();
        let away = *left == Some(0);
        *left = left.map(|reads| reads.saturating_sub(1));
        away
    }

    async fn turn(&self) {
        let held = {
            let mut hold = self.hold.lock();
            let left = hold.take().map(|(reads, held)| (reads - 1, held));
            *hold = left.clone().filter(|(reads, _)| *reads > 0);
            left.filter(|(reads, _)| *reads == 0)
        };
        if let Some((_, held)) = held {
            held.reached.notify_one();
            assert!(held.free.acquire().await.is_err(), "it is closed, never opened");
        }
    }
}

#[async_trait]
impl Backends for Shop {
    fn account(&self, _: &str, _: &str) -> Option<Account> {
        Some(Account { account: "a".to_owned(), credential: String::new() })
    }

    async fn send(&self, _: &Subject, _: &Contract, request: &WireRequest) -> Sent {
        let refund = serde_json::from_slice(&request.body).unwrap();
        self.refunds.lock().push(refund);
        if let Some(happens) = self.meanwhile.lock().take() {
            happens();
        }
        if self.mute.load(Ordering::SeqCst) {
            return Sent::Lost { why: "cut".to_owned() };
        }
        Sent::Answered { status: 200, retry_after: None, replayed: false, body: b"{}".to_vec() }
    }

    async fn read(
        &self,
        _: &Subject,
        contract: &Contract,
        _: &WireRequest,
    ) -> Result<Json, ReadFailure> {
        self.turn().await;
        if self.is_away() {
            let why = "nobody answers".to_owned();
            return answer::read(contract, &Sent::NotSent { barrier: Barrier::Unreachable, why });
        }
        let refunds = self.refunds.lock().clone();
        let order = json!({ "id": "o1", "customer": "c1", "price": 8900, "refunds": refunds });
        let body = order.to_string().into_bytes();
        let sent = Sent::Answered { status: 200, retry_after: None, replayed: false, body };
        answer::read(contract, &sent)
    }
}
