//! The systems of record of every tenant, in memory, with a ledger of what really
//! happened: the oracle's only source.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use countersign_core::answer::{ReadFailure, Sent};
use countersign_core::contract::Contract;
use countersign_core::dispatch::Account;
use countersign_core::request::WireRequest;
use countersign_core::subject::Subject;
use countersign_executor::ports::Backends;
use parking_lot::Mutex;
use serde_json::{Value as Json, json};

/// An order as the shop has it.
#[derive(Clone, Debug)]
pub struct Order {
    pub tenant: String,
    pub owner: Option<String>,
    pub status: &'static str,
    pub price: i64,
    pub left: i64,
    /// Written by whoever placed the order.
    pub note: String,
    pub mood: Mood,
}

/// How the backend takes a write to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// It does it and says so.
    Well,
    /// It does it, and neither answers nor shows it.
    Dark,
    /// The same, and the connection stays open for ever.
    Hangs,
    /// It does not do it and says so.
    Refuses,
}

/// Something that really happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    pub tenant: String,
    pub tool: String,
    pub order: String,
    pub minor: i64,
    pub to: String,
    pub locker: String,
    pub day: String,
    /// What the customer calls the parcel.
    pub name: String,
    /// As the order was then.
    pub owner: Option<String>,
    pub status: &'static str,
    pub price: i64,
    /// The order's earlier write is in doubt.
    pub after_dark: bool,
    note: String,
    dark: bool,
}

#[derive(Default)]
struct Shop {
    orders: BTreeMap<String, Order>,
    lockers: BTreeMap<String, (String, String)>,
    ledger: Vec<Effect>,
    keys: BTreeSet<String>,
}

/// Every shop.
#[derive(Clone, Default)]
pub struct Bank(Arc<Mutex<Shop>>);

impl Bank {
    pub fn order(&self, id: &str, order: Order) {
        self.0.lock().orders.insert(id.to_owned(), order);
    }

    pub fn locker(&self, id: &str, tenant: &str, owner: &str) {
        self.0.lock().lockers.insert(id.to_owned(), (tenant.to_owned(), owner.to_owned()));
    }

    /// Whether this locker is this customer's.
    pub fn rents(&self, tenant: &str, owner: &str, locker: &str) -> bool {
        self.0.lock().lockers.get(locker).is_some_and(|(t, o)| t == tenant && o == owner)
    }

    /// Whose effect this is, by the id that read-backs show.
    pub fn owner_of(&self, effect: &str) -> Option<String> {
        let at: usize = effect.strip_prefix("eff_")?.parse().ok()?;
        self.0.lock().ledger.get(at).and_then(|e| e.owner.clone())
    }

    pub fn change(&self, id: &str, change: impl FnOnce(&mut Order)) {
        if let Some(order) = self.0.lock().orders.get_mut(id) {
            change(order);
        }
    }

    pub fn happened(&self) -> usize {
        self.0.lock().ledger.len()
    }

    pub fn since(&self, from: usize) -> Vec<Effect> {
        self.0.lock().ledger[from..].to_vec()
    }

    /// What is over is forgotten, so that a long run stays small.
    pub fn forget(&self) {
        *self.0.lock() = Shop::default();
    }
}

impl Shop {
    fn show(id: &str, order: &Order) -> Json {
        json!({ "id": id, "customer_id": order.owner, "status": order.status,
                "price": order.price, "left": order.left, "currency": "USD",
                "note": order.note })
    }

    fn read(&self, tenant: &str, path: &str) -> Option<Json> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match parts.as_slice() {
            ["v1", "customers", customer, "orders"] => {
                let mine = self
                    .orders
                    .iter()
                    .filter(|(_, o)| o.tenant == tenant && o.owner.as_deref() == Some(*customer));
                Some(json!({ "data": mine.map(|(id, o)| Self::show(id, o)).collect::<Vec<_>>() }))
            }
            ["v1", "customers", customer, "lockers"] => {
                let mine = self.lockers.iter().filter(|(_, (t, o))| t == tenant && o == customer);
                let each = mine.map(|(id, (_, o))| json!({ "id": id, "customer_id": o }));
                Some(json!({ "data": each.collect::<Vec<_>>() }))
            }
            ["v1", "guests", id] => {
                let found = self.orders.get(*id).filter(|o| o.tenant == tenant);
                let owner = found.and_then(|o| o.owner.clone());
                let each = owner.map(|o| json!({ "email": email(&o), "customer_id": o }));
                Some(json!({ "data": each.into_iter().collect::<Vec<_>>() }))
            }
            ["v1", "orders", id] => {
                self.orders.get(*id).filter(|o| o.tenant == tenant).map(|o| Self::show(id, o))
            }
            ["v1", "orders", id, "effects"] => {
                let done = self.ledger.iter().enumerate();
                let done = done.filter(|(_, e)| e.order == *id && e.tenant == tenant && !e.dark);
                let each = done.map(|(at, e)| {
                    json!({ "id": format!("eff_{at}"), "customer_id": e.owner,
                            "amount": e.minor, "currency": "USD", "note": e.note })
                });
                Some(json!({ "data": each.collect::<Vec<_>>() }))
            }
            _ => None,
        }
    }

    fn write(&mut self, tenant: &str, request: &WireRequest) -> Sent {
        let body: Json = serde_json::from_slice(&request.body).unwrap_or_default();
        let parts: Vec<&str> = request.path.trim_matches('/').split('/').collect();
        let ["v1", "orders", id, tool] = parts.as_slice() else { return answered(404) };
        let named = |name: &str| name.eq_ignore_ascii_case("idempotency-key");
        let key = request.headers.iter().find(|(name, _)| named(name));
        if !self.keys.insert(key.map(|(_, key)| key.clone()).unwrap_or_default()) {
            return answered(201);
        }
        let after_dark = self.ledger.iter().any(|e| e.order == *id && e.dark);
        let Some(order) = self.orders.get_mut(*id).filter(|o| o.tenant == tenant) else {
            return answered(404);
        };
        if order.mood == Mood::Refuses {
            return answered(422);
        }
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let minor = body["minor"].as_i64().unwrap_or(0);
        self.ledger.push(Effect {
            tenant: tenant.to_owned(),
            tool: format!("shop.{tool}"),
            order: (*id).to_owned(),
            minor,
            to: text("to"),
            locker: text("locker"),
            day: text("day"),
            name: text("name"),
            owner: order.owner.clone(),
            status: order.status,
            price: order.price,
            after_dark,
            note: text("note"),
            dark: order.mood != Mood::Well,
        });
        if order.mood != Mood::Well {
            return Sent::Lost { why: "cut".to_owned() };
        }
        order.left -= minor;
        answered(201)
    }
}

/// Where a customer can be written to.
pub fn email(customer: &str) -> String {
    format!("{customer}@mail.example")
}

fn answered(status: u16) -> Sent {
    Sent::Answered { status, retry_after: None, replayed: false, body: b"{}".to_vec() }
}

#[async_trait]
impl Backends for Bank {
    fn account(&self, tenant: &str, _pack: &str) -> Option<Account> {
        Some(Account { account: tenant.to_owned(), credential: "none".to_owned() })
    }

    async fn send(&self, subject: &Subject, _contract: &Contract, request: &WireRequest) -> Sent {
        let (sent, hangs) = {
            let mut shop = self.0.lock();
            let sent = shop.write(&subject.tenant, request);
            let order = request.path.split('/').nth(3).and_then(|id| shop.orders.get(id));
            (sent, order.is_some_and(|o| o.mood == Mood::Hangs))
        };
        if hangs {
            std::future::pending::<()>().await;
        }
        sent
    }

    async fn read(
        &self,
        subject: &Subject,
        _contract: &Contract,
        request: &WireRequest,
    ) -> Result<Json, ReadFailure> {
        self.0.lock().read(&subject.tenant, &request.path).ok_or_else(|| ReadFailure {
            code: "ORDER_NOT_FOUND".to_owned(),
            message: "no such order".to_owned(),
            retryable: false,
            after: None,
        })
    }
}
