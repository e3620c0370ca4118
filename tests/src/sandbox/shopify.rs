//! The stand-in of Shopify's Admin GraphQL API, version 2026-07.
//!
//! Arbitrary documents over the schema in `schema.graphql` are answered from one shop's state.
//! A write works on a changed copy ([`work`]) which is kept, or thrown away when a fault says so.

mod cancel;
mod connection;
mod customer;
mod document;
mod job;
mod keys;
mod lint;
mod money;
mod mutation;
mod object;
mod order;
mod payment;
mod query;
mod refund;
mod region;
mod search;
mod seed;
mod shop;
mod staff;
mod update;
mod user_error;
mod work;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use apollo_compiler::ExecutableDocument;
use apollo_compiler::resolvers::{FieldError, ObjectValue, ResolveInfo, ResolvedValue};
use apollo_compiler::validation::Valid;
use jiff::Timestamp;
use serde_json::{Value, json};

pub use staff::{OrderText, StaffAct};

pub(super) use document::{Documents, Request};
pub(super) use keys::Scoped;

use super::fault::{Fault, Taken};
use super::ledger::{Actor, Ledger};
use keys::Keys;
use mutation::MutationRoot;
use shop::Shop;
use work::{Twist, Work};

/// Where the API is served.
pub const PATH: &str = "/admin/api/2026-07/graphql.json";

/// The name of this API in the ledger.
const API: &str = "shopify";

/// The API with its shop.
pub(super) struct Shopify {
    pub(super) documents: Documents,
    shop: Arc<Shop>,
    /// The state before the last write, for stale reads.
    before: Arc<Shop>,
    keys: Keys,
}

/// What executing a document gave.
pub(super) struct Executed {
    pub(super) body: Value,
    /// Idempotency keys that were used for the first time.
    pub(super) keys: Vec<Scoped>,
    /// For the request log.
    pub(super) answered: String,
}

impl Shopify {
    /// The shop as seeded, at `now`.
    pub(super) fn open(now: Timestamp) -> Result<Self, String> {
        let shop = Arc::new(seed::shop(now));
        Ok(Self {
            documents: Documents::open()?,
            before: Arc::clone(&shop),
            shop,
            keys: Keys::default(),
        })
    }

    /// Back to the seeded shop.
    pub(super) fn reset(&mut self, now: Timestamp) {
        self.shop = Arc::new(seed::shop(now));
        self.before = Arc::clone(&self.shop);
        self.keys = Keys::default();
    }

    /// Adds plain orders of customer 1.
    pub(super) fn stock(&mut self, count: u64, now: Timestamp) {
        seed::stock(Arc::make_mut(&mut self.shop), count, now);
    }

    /// Does what has fallen due: jobs run, PENDING refunds succeed.
    pub(super) fn tick(&mut self, now: Timestamp, ledger: &mut Ledger) {
        if !job::any_due(&self.shop, now) && !work::any_settles(&self.shop, now) {
            return;
        }
        let mut work = self.work(now, Actor::staff(), Twist::default());
        job::run_due(&mut work);
        work.settle();
        self.keep(work, ledger);
    }

    /// A staff member acts on the order of this name.
    pub(super) fn staff(
        &mut self,
        name: &str,
        what: &StaffAct,
        now: Timestamp,
        ledger: &mut Ledger,
    ) -> Result<(), String> {
        let id = self.shop.named(name).map(|order| order.id);
        let id = id.ok_or_else(|| format!("the sandbox has no order {name}"))?;
        let mut work = self.work(now, Actor::staff(), Twist::default());
        staff::act(&mut work, id, what)?;
        self.keep(work, ledger);
        Ok(())
    }

    /// Answers one checked document for `actor`, bent by the faults `taken`.
    pub(super) fn execute(
        &mut self,
        (document, request): (&Valid<ExecutableDocument>, &Request),
        (actor, taken, now): (Actor, &Taken, Timestamp),
        ledger: &mut Ledger,
    ) -> Executed {
        let name = request.operation_name.as_deref();
        if !document.operations.get(name).is_ok_and(|operation| operation.is_mutation()) {
            let shop = if taken.has(Fault::StaleRead) { &self.before } else { &self.shop };
            let unscoped = taken.has(Fault::Unscoped).then(|| request.unscoped());
            let request = unscoped.as_ref().unwrap_or(request);
            let body = self.documents.execute(document, request, &QueryRoot(Arc::clone(shop)));
            return Executed { answered: plain(&body), body, keys: Vec::new() };
        }
        let work = self.work(now, actor, Twist::of(taken));
        let variables = request.variables.clone().unwrap_or_default();
        let root = MutationRoot::new(work, &mut self.keys, variables);
        let body = self.documents.execute(document, request, &root);
        let state = root.into_state();
        let (work, keys, refused) = (state.work, state.used, state.answered);
        if work.twist.nothing {
            job::hollow(Arc::make_mut(&mut self.shop), &work);
        } else {
            self.keep(work, ledger);
        }
        let answered = refused.map_or_else(|| plain(&body), Into::into);
        Executed { body, keys, answered }
    }

    /// Holds keys whose first request is still being answered.
    pub(super) fn hold(&mut self, keys: &[Scoped]) {
        self.keys.hold(keys);
    }

    /// Lets them go.
    pub(super) fn release(&mut self, keys: &[Scoped]) {
        self.keys.release(keys);
    }

    /// The true state of an order by name, in the shape of the API.
    pub(super) fn state(&mut self, name: &str) -> Option<Value> {
        let id = self.shop.named(name)?.gid();
        let document = self.documents.check(include_str!("shopify/state.graphql")).ok()?;
        let variables = json!({ "id": id });
        let request =
            serde_json::from_value(json!({ "query": "", "variables": variables })).ok()?;
        let mut body =
            self.documents.execute(&document, &request, &QueryRoot(Arc::clone(&self.shop)));
        let order = body.pointer_mut("/data/order").map(Value::take);
        order.filter(|order| !order.is_null())
    }

    /// Name, total and state of every order, for people.
    pub(super) fn overview(&self) -> Vec<[String; 5]> {
        let row = |order: &Arc<shop::Order>| {
            let customer = order
                .customer
                .map_or_else(|| "guest".to_owned(), |id| format!("customer{id}@example.com"));
            let total =
                format!("{} {}", order.currency.decimal(order.total()), order.currency.code);
            let cancelled = if order.cancelled.is_some() { "CANCELLED, " } else { "" };
            let status = format!("{cancelled}{}", order.financial_status());
            [order.name.clone(), customer, total, status, order.fulfillment_status().to_owned()]
        };
        self.shop.orders.values().map(row).collect()
    }

    fn work(&self, now: Timestamp, actor: Actor, twist: Twist) -> Work {
        Work::new(Shop::clone(&self.shop), now, actor, twist)
    }

    fn keep(&mut self, work: Work, ledger: &mut Ledger) {
        if work.happened.is_empty() && work.shop.jobs.len() == self.shop.jobs.len() {
            // A job that ended without an effect is no write, but it is done.
            self.shop = Arc::new(work.shop);
            return;
        }
        self.before = std::mem::replace(&mut self.shop, Arc::new(work.shop));
        for happened in work.happened {
            ledger.record(API, happened);
        }
    }
}

struct QueryRoot(Arc<Shop>);

impl ObjectValue for QueryRoot {
    fn type_name(&self) -> &str {
        "QueryRoot"
    }

    fn resolve_field<'a>(
        &'a self,
        info: &'a ResolveInfo<'a>,
    ) -> Result<ResolvedValue<'a>, FieldError> {
        query::query_field(&self.0, info.field_name(), info.arguments()).map(object::Shown::give)
    }
}

fn plain(body: &Value) -> String {
    if body.get("errors").is_some() { "errors".into() } else { "ok".into() }
}
