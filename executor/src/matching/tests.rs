#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use countersign_core::answer::{self, Barrier, ReadFailure, Sent};
use countersign_core::contract::{Catalog, Contract};
use countersign_core::dispatch::Account;
use countersign_core::plan::admit;
use countersign_core::request::WireRequest;
use countersign_core::resolve::Message;
use parking_lot::Mutex;
use serde_json::json;

use super::*;
use crate::ports::{Backends, Clock};

const CONNECTOR: &str = r#"
pack: shop
summary: A shop.
kind: http
credential: none
subject: [customer_id, email]
match:
  tool: shop.match_order
  with: { number: =order }
  claims: { email: /orders/0/email, customer_id: /orders/0/customer_id }
"#;

const MATCH: &str = r##"
tool: shop.match_order
summary: An order by its number, whoever it belongs to.
effect: none
arguments:
  number: { type: string, pattern: "^#?[0-9]{3,10}$", from: [utterance] }
do: { http: { method: GET, path: [orders], query: { number: =args.number } } }
output:
  orders:
    list: { at: /orders, max: 1 }
    of:
      customer_id: { fact: id, at: /customer, optional: true }
      email: { text: 200, at: /email, optional: true }
empty: { at: orders, code: NOT_FOUND }
"##;

fn catalog() -> Catalog {
    let files = [("connector.yaml", CONNECTOR), ("contracts/match_order.yaml", MATCH)];
    crate::testing::catalog(&files)
}

/// A backend that knows one order, and may be away.
#[derive(Default)]
struct Shop {
    asked: AtomicUsize,
    away: std::sync::atomic::AtomicBool,
}

#[async_trait]
impl Backends for Shop {
    fn account(&self, _: &str, _: &str) -> Option<Account> {
        Some(Account { account: "a".to_owned(), credential: String::new() })
    }

    async fn send(&self, _: &Subject, _: &Contract, _: &WireRequest) -> Sent {
        panic!("a match writes nothing")
    }

    async fn read(
        &self,
        _: &Subject,
        contract: &Contract,
        request: &WireRequest,
    ) -> Result<Json, ReadFailure> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let orders = if request.query.contains("1001") {
            json!([{ "customer": "c1", "email": "Anna@Example.com" }])
        } else if request.query.contains("3001") {
            json!([{ "customer": null, "email": "guest@example.com" }])
        } else {
            json!([])
        };
        let body = json!({ "orders": orders }).to_string().into_bytes();
        let sent = if self.away.load(Ordering::SeqCst) {
            Sent::NotSent { barrier: Barrier::Egress, why: "away".to_owned() }
        } else {
            Sent::Answered { status: 200, retry_after: None, replayed: false, body }
        };
        answer::read(contract, &sent)
    }
}

struct Hands(Mutex<Timestamp>);

#[async_trait]
impl Clock for Hands {
    fn now(&self) -> Timestamp {
        *self.0.lock()
    }

    async fn until(&self, _: Timestamp) {}
}

struct Room {
    desk: Desk,
    shop: Arc<Shop>,
    clock: Arc<Hands>,
    folder: tempfile::TempDir,
}

fn room() -> Room {
    let folder = tempfile::tempdir().unwrap();
    let shop = Arc::new(Shop::default());
    let clock = Arc::new(Hands(Mutex::new("2026-01-01T12:00:00Z".parse().unwrap())));
    let desk = desk(&folder, &shop, &clock);
    Room { desk, shop, clock, folder }
}

fn desk(folder: &tempfile::TempDir, shop: &Arc<Shop>, clock: &Arc<Hands>) -> Desk {
    let backends: Arc<dyn Backends> = Arc::clone(shop) as _;
    let clock: Arc<dyn Clock> = Arc::clone(clock) as _;
    let active = (catalog(), crate::testing::policy());
    crate::testing::desk(folder.path(), active, backends, clock)
}

fn guest(id: &str) -> Subject {
    serde_json::from_value(json!({
        "tenant": "t", "issuer": "i", "id": id, "signs_as": id, "claims": { "customer_id": "asserted" },
        "kind": "customer", "scopes": [], "segment": "", "strength": "asserted",
        "verified_at": "2026-01-01T12:00:00Z",
    }))
    .unwrap()
}

impl Room {
    fn later(&self, seconds: i64) {
        let mut now = self.clock.0.lock();
        *now = now.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap();
    }

    /// The guest says both in one message.
    async fn say(
        &self,
        id: &str,
        order: &str,
        email: &str,
    ) -> Result<(Timestamp, Person), Refused> {
        let message = Message {
            id: "m1".into(),
            text: format!("{order} {email}"),
            frontend: "web".into(),
            signed_at: self.clock.now(),
        };
        let subject = self.desk.known_as(guest(id), "planner", "c1").await.unwrap();
        let request = Request { caller: "planner".into(), subject, messages: vec![message] };
        let (cut, end) = (order.len(), order.len() + 1 + email.len());
        let span = |start, end| Span { message: "m1".into(), start, end };
        let (order, email) = (span(0, cut), span(cut + 1, end));
        let answer = self.desk.match_subject(&request, "c1", &order, &email).await;
        answer.map_err(|turned| {
            assert!(turned.receipt.is_some(), "{}", turned.refused);
            turned.refused
        })
    }

    async fn strength(&self, id: &str, conversation: &str) -> Strength {
        self.desk.known_as(guest(id), "planner", conversation).await.unwrap().strength
    }
}

#[tokio::test]
async fn order_and_e_mail_of_one_customer_raise_a_guest_for_an_hour_in_one_conversation() {
    let room = room();
    assert_eq!(room.strength("g", "c1").await, Strength::Asserted);
    let (_, who) = room.say("g", "#1001", " anna@EXAMPLE.com").await.unwrap();
    let raised = room.desk.known_as(guest("g"), "planner", "c1").await.unwrap();
    assert_eq!(who, Person::of(&raised));
    assert_ne!(who, Person::of(&guest("g")), "not whoever bears the name");
    let (_, again) = room.say("g", "#1001", "anna@example.com").await.unwrap();
    assert_eq!(again, who);
    assert_eq!(raised.strength, Strength::Matched);
    assert_eq!(raised.claim("customer_id"), Some("c1"), "what was asserted is gone");
    assert_eq!(room.strength("g", "c2").await, Strength::Asserted, "another conversation");
    assert_eq!(room.strength("h", "c1").await, Strength::Asserted, "another guest");
    // It survives the process, and ends by itself.
    let again = desk(&room.folder, &room.shop, &room.clock);
    assert_eq!(
        again.known_as(guest("g"), "planner", "c1").await.unwrap().strength,
        Strength::Matched
    );
    room.later(3599);
    assert_eq!(room.strength("g", "c1").await, Strength::Matched);
    room.later(1);
    assert_eq!(room.strength("g", "c1").await, Strength::Asserted);
}

#[tokio::test]
async fn every_failure_is_the_same_and_asks_the_same() {
    let room = room();
    let mut answers = Vec::new();
    for (id, order, email) in [
        ("a", "1001", "other@example.com"),
        ("b", "9999", "anna@example.com"),
        ("c", "3001", "guest@example.com"),
    ] {
        let before = room.shop.asked.load(Ordering::SeqCst);
        answers.push(room.say(id, order, email).await.unwrap_err());
        assert_eq!(room.shop.asked.load(Ordering::SeqCst), before + 1, "{order}");
    }
    for _ in 0..5 {
        let _counted = room.say("d", "8888", "x@example.com").await;
    }
    let before = room.shop.asked.load(Ordering::SeqCst);
    answers.push(room.say("d", "1001", "anna@example.com").await.unwrap_err());
    assert_eq!(room.shop.asked.load(Ordering::SeqCst), before + 1, "also when tries are used up");
    room.shop.away.store(true, Ordering::SeqCst);
    answers.push(room.say("e", "1001", "anna@example.com").await.unwrap_err());
    assert!(answers.first().unwrap().is(Code::MatchFailed));
    for answer in &answers {
        assert_eq!(answer, answers.first().unwrap());
    }
    for id in ["a", "b", "c", "d", "e"] {
        assert_eq!(room.strength(id, "c1").await, Strength::Asserted, "{id}");
    }
}

#[tokio::test]
async fn five_tries_a_day_at_an_order_however_it_is_spelled_and_whoever_tries() {
    let room = room();
    for (n, spelled) in ["1001", "#1001", "1001", "#1001", "1001"].iter().enumerate() {
        room.say(&format!("g{n}"), spelled, "wrong@example.com").await.unwrap_err();
    }
    room.say("fresh", "1001", "anna@example.com").await.unwrap_err();
    room.later(24 * 3600 - 1);
    // Neither a new process nor tries beyond the fifth change when it ends.
    let again = desk(&room.folder, &room.shop, &room.clock);
    let room = Room { desk: again, ..room };
    room.say("fresh", "#1001", "anna@example.com").await.unwrap_err();
    room.later(1);
    room.say("fresh", "#1001", "anna@example.com").await.unwrap();
}

#[tokio::test]
async fn words_that_nobody_attested_match_nobody() {
    let room = room();
    let message = Message {
        id: "m1".into(),
        text: "1001 anna@example.com".into(),
        frontend: String::new(),
        signed_at: room.clock.now(),
    };
    let request = Request { caller: String::new(), subject: guest("g"), messages: vec![message] };
    let span = |start, end| Span { message: "m1".into(), start, end };
    let answer = room.desk.match_subject(&request, "c1", &span(0, 4), &span(5, 21)).await;
    assert!(answer.unwrap_err().refused.is(Code::MessageUnattested));
    assert_eq!(room.shop.asked.load(Ordering::SeqCst), 0);
}

#[test]
fn no_plan_can_name_the_read_that_matches() {
    let plan = crate::testing::plan("shop.match_order", BTreeMap::new());
    assert!(admit(&plan, &catalog()).unwrap_err().is(Code::ToolUnknown));
}
