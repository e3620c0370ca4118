//! Journals for tests, as a store holds them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "../core/tests/support/open.rs"]
mod open;

use countersign_core::answer::Verdict;
use countersign_core::lifecycle::Event;
use countersign_core::value::Value;
use serde_json::{Value as Json, json};

pub(crate) use open::policy;

const AT: &str = "2026-01-01T00:00:00Z";

/// An id of this kind.
pub(crate) fn id(prefix: &str, n: u32) -> String {
    format!("{prefix}_{n:026}")
}

/// A proposal of tool `p.t` by subject `s` of issuer `i`, tenant `t`.
pub(crate) fn proposed(n: u32, intent: &str, lock: &str) -> Event {
    event(json!({ "proposed": {
        "id": id("prp", n), "action": id("act", n),
        "request": { "caller": "spiffe://t/planner",
            "subject": { "tenant": "t", "issuer": "i", "id": "s", "claims": {},
                         "kind": "customer", "scopes": [], "segment": "", "strength": "signed_in",
                         "verified_at": AT },
            "channel": "", "conversation": "c", "external_ref": "", "messages": [],
            "confidence": { "score": 1.0, "uncertainty_reason": "", "recommended_action": "" },
            "model": { "model": "", "input_tokens": 0, "output_tokens": 0, "latency_ms": 0,
                       "repairs": 0, "fallback": "" },
            "after_receipt": null },
        "tool": "p.t", "contract_digest": "d", "arguments": { "values": {}, "sources": [] },
        "money": null, "state": {}, "findings": [], "locks": [lock], "intent": intent,
        "instrument": null, "card": "", "commitment": "", "needs": [], "at": AT,
        "expires_at": "2026-01-02T00:00:00Z",
    }}))
}

pub(crate) fn granted() -> Event {
    event(json!({ "granted": { "at": AT } }))
}

pub(crate) fn refused(message: &str) -> Event {
    let refused =
        countersign_core::error::Refused::new(countersign_shared::codes::Code::RuleError, message);
    Event::Refused(Box::new(refused))
}

pub(crate) fn sealed(n: u32) -> Event {
    event(json!({ "sealed": id("rcp", n) }))
}

/// From the claim to the end: sent once, accepted, found.
pub(crate) fn applied() -> Vec<Event> {
    let settled = json!({ "outcome": "applied", "code": "", "message": "" });
    let passed = json!({ "findings": [], "money": null, "mode": "auto", "state": {}, "at": AT });
    let request = json!({ "method": "POST", "path": "/", "query": "", "headers": [], "body": "" });
    let account = json!({ "account": "a", "credential": "c" });
    let verdict = Verdict::Accepted { response: Value::Null };
    let steps = [
        json!({ "claimed": { "key": "cs-1", "occasion": 0, "at": AT, "booked": [], "findings": [] } }),
        json!({ "cleared": { "passed": passed, "fresh": {} } }),
        json!({ "intended": { "request": request, "account": account, "at": AT } }),
        json!({ "answered": { "at": AT, "status": 200, "verdict": verdict } }),
        json!({ "settled": settled }),
    ];
    steps.map(event).to_vec()
}

pub(crate) fn event(text: Json) -> Event {
    serde_json::from_value(text).unwrap()
}
