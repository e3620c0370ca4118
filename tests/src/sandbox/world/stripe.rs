//! One request to the Stripe API on its way through the world.

use serde_json::Value;

use super::stripe_api::{Asked, Refusal, Reply, VERSION};
use super::{Answer, Held, Passing, World};
use crate::sandbox::fault::Fault;

impl World {
    /// One request to the Stripe API. The rate limiter and the check of the API key come before
    /// idempotency keys, so what they refuse is not stored
    /// (<https://docs.stripe.com/error-low-level>).
    pub(in crate::sandbox) fn stripe_request(&mut self, asked: &Asked) -> Answer {
        let credentials = self.credentials.clone();
        let now = self.tick();
        let by = asked.token.as_deref().and_then(|token| credentials.name_of(token));
        let mut passing = Passing::new(now, by);
        let Some(by) = by else {
            return self.stripe_answer(passing, asked, Refusal::unknown_key().into());
        };
        let call = match asked.call() {
            Ok(call) => call,
            Err(refusal) => return self.stripe_answer(passing, asked, refusal.into()),
        };
        passing.called = call.called();
        passing.kind = if passing.called.mutation { "mutation" } else { "query" };
        passing.taken = self.faults.take(&passing.called);
        if passing.taken.has(Fault::RevokedCredential) {
            return self.stripe_answer(passing, asked, Refusal::unknown_key().into());
        }
        if passing.taken.has(Fault::RateLimited) {
            let answer = self.stripe_answer(passing, asked, Refusal::too_fast().into());
            return Answer { retry_after: Some(1), ..answer };
        }
        if passing.taken.has(Fault::ErrorBefore) {
            return self.stripe_answer(passing, asked, Refusal::broken().into());
        }
        if passing.taken.has(Fault::Says) {
            return self.says(passing);
        }
        let bent = (passing.actor(by), &passing.taken, passing.now);
        let mut reply = self.stripe.answer(&call, bent, &mut self.ledger);
        let cut = passing.taken.has(Fault::LostReply);
        let after = passing.taken.delay(Fault::Slow).unwrap_or_default();
        let held = reply.key.take().filter(|_| !after.is_zero());
        if let Some(key) = &held {
            self.stripe.hold(key);
        }
        let answer = self.stripe_answer(passing, asked, if cut { nothing() } else { reply });
        Answer { after, cut, held: Held { shopify: Vec::new(), stripe: held }, ..answer }
    }

    fn stripe_answer(&mut self, passing: Passing<'_>, asked: &Asked, reply: Reply) -> Answer {
        let answered = match (reply.status, reply.replayed) {
            (0, _) => "cut",
            (401, _) => "denied",
            (429, _) => "rate_limited",
            (_, true) => "replayed",
            (200, false) => "ok",
            (_, false) => code(&reply.body),
        }
        .to_owned();
        let mut headers = vec![
            ("request-id", format!("req_{}", passing.request_id.replace('-', ""))),
            ("stripe-version", VERSION.to_owned()),
        ];
        headers.extend(asked.key.clone().map(|key| ("idempotency-key", key)));
        if reply.replayed {
            headers.push(("idempotent-replayed", "true".to_owned()));
        }
        // A stored 500 will not become another answer, and neither will a 4xx but these.
        if let Some(retry) = match (reply.status, reply.replayed) {
            (409 | 429, _) | (500, false) => Some("true"),
            (500, true) => Some("false"),
            _ => None,
        } {
            headers.push(("stripe-should-retry", retry.to_owned()));
        }
        let answer = self.answer(passing, reply.status, &answered, reply.body);
        Answer { headers, ..answer }
    }
}

fn nothing() -> Reply {
    Reply { status: 0, body: Value::Null, replayed: false, key: None }
}

/// The code of an error, or its type where it has none.
fn code(body: &Value) -> &str {
    let error = &body["error"];
    error["code"].as_str().or_else(|| error["type"].as_str()).unwrap_or("error")
}
