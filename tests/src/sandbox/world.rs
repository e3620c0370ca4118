//! All the state behind the sandbox's address, and the one way a request goes through it.

mod stripe;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::clock::Clock;
use super::credential::Credentials;
use super::fault::{Fault, Faults, Taken};
use super::ledger::{Actor, Ledger};
use super::requests::{Called, Received, RequestLog};
use super::shopify::{Documents, Request, Scoped, Shopify};
use super::stripe::{self as stripe_api, Stripe};

/// Clock, ledger, faults, requests and credentials, shared by every API; and the APIs.
pub(super) struct World {
    pub(super) clock: Clock,
    pub(super) ledger: Ledger,
    pub(super) faults: Faults,
    pub(super) requests: RequestLog,
    pub(super) shopify: Shopify,
    pub(super) stripe: Stripe,
    credentials: Credentials,
}

/// What goes back, and when.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
    /// What goes out instead of the body, as it is.
    pub(super) instead: Option<String>,
    pub(super) request_id: String,
    pub(super) retry_after: Option<u32>,
    /// Headers that only this API has.
    pub(super) headers: Vec<(&'static str, String)>,
    /// Wait this long before answering.
    pub(super) after: Duration,
    /// Cut the connection instead of answering.
    pub(super) cut: bool,
    /// Keys to release once answered.
    pub(super) held: Held,
}

/// Keys whose first request is still being answered.
#[derive(Debug, Default)]
pub(super) struct Held {
    shopify: Vec<Scoped>,
    stripe: Option<stripe_api::Scoped>,
}

/// One request on its way through.
struct Passing<'r> {
    request_id: String,
    now: Timestamp,
    credential: Option<&'r str>,
    called: Called,
    kind: &'static str,
    taken: Taken,
}

impl<'r> Passing<'r> {
    fn new(now: Timestamp, credential: Option<&'r str>) -> Self {
        Self {
            request_id: Uuid::now_v7().to_string(),
            now,
            credential,
            called: Called::default(),
            kind: "invalid",
            taken: Taken::default(),
        }
    }

    fn actor(&self, by: &str) -> Actor {
        Actor { by: by.to_owned(), staff: false, request_id: self.request_id.clone() }
    }
}

impl World {
    pub(super) fn open(credentials: Credentials) -> Result<Self, String> {
        let clock = Clock::default();
        Ok(Self {
            clock,
            ledger: Ledger::default(),
            faults: Faults::default(),
            requests: RequestLog::default(),
            shopify: Shopify::open(clock.now())?,
            stripe: Stripe::open(clock.now()),
            credentials,
        })
    }

    /// Everything as after the start, except the credentials.
    pub(super) fn reset(&mut self) {
        self.clock = Clock::default();
        self.ledger = Ledger::default();
        self.faults.clear();
        self.requests = RequestLog::default();
        self.shopify.reset(self.clock.now());
        self.stripe = Stripe::open(self.clock.now());
    }

    /// Lets keys go whose request is answered.
    pub(super) fn release(&mut self, held: &Held) {
        self.shopify.release(&held.shopify);
        if let Some(key) = &held.stripe {
            self.stripe.release(key);
        }
    }

    /// The present, after doing what has fallen due.
    pub(super) fn tick(&mut self) -> Timestamp {
        let now = self.clock.now();
        self.shopify.tick(now, &mut self.ledger);
        self.stripe.tick(now, &mut self.ledger);
        now
    }

    /// One request to the Shopify API, from its token and body.
    pub(super) fn shopify_request(&mut self, token: Option<&str>, body: &[u8]) -> Answer {
        let credentials = self.credentials.clone();
        let now = self.tick();
        let mut passing = Passing::new(now, token.and_then(|token| credentials.name_of(token)));
        let Some(by) = passing.credential else {
            return self.refuse(passing, 401, "denied", json!(UNKNOWN_TOKEN));
        };
        let Ok(request) = serde_json::from_slice::<Request>(body) else {
            let errors = json!({ "query": "Required parameter missing or invalid" });
            return self.refuse(passing, 400, "errors", errors);
        };
        let document = match self.shopify.documents.check(&request.query) {
            Ok(document) => document,
            Err(errors) => return self.refuse(passing, 200, "errors", Value::Array(errors)),
        };
        passing.called = Documents::called(&document, request.operation_name.as_deref());
        passing.kind = if passing.called.mutation { "mutation" } else { "query" };
        passing.taken = self.faults.take(&passing.called);
        if passing.taken.has(Fault::RevokedCredential) {
            return self.refuse(passing, 401, "denied", json!(UNKNOWN_TOKEN));
        }
        if passing.taken.has(Fault::RateLimited) {
            let errors = json!(
                "Exceeded 2 calls per second for api client. Reduce request rates to resume uninterrupted service."
            );
            let answer = self.refuse(passing, 429, "rate_limited", errors);
            return Answer { retry_after: Some(1), ..answer };
        }
        if passing.taken.has(Fault::ErrorBefore) {
            return self.refuse(passing, 500, "error", json!("Internal Server Error"));
        }
        if passing.taken.has(Fault::Says) {
            return self.says(passing);
        }
        let bent = (passing.actor(by), &passing.taken, passing.now);
        let executed = self.shopify.execute((&document, &request), bent, &mut self.ledger);
        if passing.taken.has(Fault::LostReply) {
            let answer = self.refuse(passing, 0, "cut", Value::Null);
            return Answer { cut: true, ..answer };
        }
        if passing.taken.has(Fault::ErrorAfter) {
            return self.refuse(passing, 500, "error", json!("Internal Server Error"));
        }
        let after = passing.taken.delay(Fault::Slow).unwrap_or_default();
        let shopify = if after.is_zero() { Vec::new() } else { executed.keys };
        self.shopify.hold(&shopify);
        let answer = self.answer(passing, 200, &executed.answered, executed.body);
        let headers = vec![shopify_version()];
        Answer { after, headers, held: Held { shopify, stripe: None }, ..answer }
    }

    fn refuse(
        &mut self,
        passing: Passing<'_>,
        status: u16,
        answered: &str,
        errors: Value,
    ) -> Answer {
        let answer = self.answer(passing, status, answered, json!({ "errors": errors }));
        Answer { headers: vec![shopify_version()], ..answer }
    }

    /// What the fault has, whichever API was asked.
    fn says(&mut self, passing: Passing<'_>) -> Answer {
        let says = passing.taken.get(Fault::Says).map(|spec| spec.says.clone()).unwrap_or_default();
        let answer = self.answer(passing, says.status, "said", Value::Null);
        Answer { instead: Some(says.body), ..answer }
    }

    fn answer(&mut self, passing: Passing<'_>, status: u16, answered: &str, body: Value) -> Answer {
        self.requests.record(Received {
            seq: 0,
            request_id: passing.request_id.clone(),
            at: passing.now,
            kind: passing.kind.into(),
            operation: passing.called.operation,
            fields: passing.called.fields,
            credential: passing.credential.map(Into::into),
            status,
            answered: answered.into(),
            faults: passing.taken.names(),
        });
        Answer {
            status,
            body,
            instead: None,
            request_id: passing.request_id,
            retry_after: None,
            headers: Vec::new(),
            after: Duration::ZERO,
            cut: false,
            held: Held::default(),
        }
    }
}

const UNKNOWN_TOKEN: &str =
    "[API] Invalid API key or access token (unrecognized login or wrong password)";

fn shopify_version() -> (&'static str, String) {
    ("x-shopify-api-version", "2026-07".to_owned())
}
