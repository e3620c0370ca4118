//! For tests: journals as a store holds them, and a desk in front of a backend of the test.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "../core/tests/support/open.rs"]
mod open;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use countersign_core::answer::Verdict;
use countersign_core::contract::{Catalog, load};
use countersign_core::lifecycle::Event;
use countersign_core::plan::{Confidence, ModelUse, Plan, Source, Step};
use countersign_core::policy::Policy;
use countersign_core::value::Value;
use countersign_shared::tlog::key::LogKey;
use ed25519_dalek::SigningKey;
use serde_json::{Value as Json, json};
use tokio_util::task::TaskTracker;

use crate::desk::Desk;
use crate::driver::Driver;
use crate::pipeline::Pipeline;
use crate::ports::{Backends, Clock};
use crate::running::Running;
use crate::store::sqlite::Sqlite;
use crate::subject::Subjects;

pub(crate) use open::{policy, with_limits, with_people};

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
            "subject": { "tenant": "t", "issuer": "i", "id": "s", "signs_as": "s",
                         "claims": {}, "kind": "customer", "scopes": [], "segment": "", "strength": "signed_in",
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

/// The pack of these files, which must load.
pub(crate) fn catalog(files: &[(&str, &str)]) -> Catalog {
    let files: BTreeMap<_, _> =
        files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    let loaded = load::pack(&files);
    assert_eq!(loaded.problems, []);
    Catalog::load(loaded.pack).unwrap()
}

/// A desk with its store in this folder, which knows no issuer and no frontend.
pub(crate) fn desk(
    folder: &Path,
    (catalog, policy): (Catalog, Policy),
    backends: Arc<dyn Backends>,
    clock: Arc<dyn Clock>,
) -> Desk {
    let key = LogKey::new("test/log", SigningKey::from_bytes(&[7; 32])).unwrap();
    let store = Sqlite::open(&folder.join("executor.db"), None, Arc::new(key)).unwrap();
    let catalog = Arc::new(catalog);
    let pipeline = Pipeline {
        driver: Driver::new(Arc::clone(&catalog), backends, Arc::clone(&clock)),
        catalog,
        policy: Arc::new(policy),
        store: Arc::new(store),
        switches: crate::switch::Switchboard::default(),
        vitals: crate::vitals::Vitals::default(),
        metrics: crate::metrics::Metrics::default(),
        clock,
        sealed: Arc::default(),
        raised: Arc::default(),
    };
    Desk {
        pipeline,
        subjects: Arc::new(Subjects::none()),
        running: Running::default(),
        counting: TaskTracker::default(),
        room: crate::room::Room::default(),
        load: crate::load::Load::default(),
        flood: crate::flood::Flood::default(),
        waiting: Arc::default(),
        origin: "".into(),
        confirm: None,
    }
}

/// A plan of one step, whose planner is sure.
pub(crate) fn plan(tool: &str, arguments: BTreeMap<String, Source>) -> Plan {
    Plan {
        conversation: "c".into(),
        external_ref: String::new(),
        steps: vec![Step { id: "s".into(), tool: tool.into(), arguments }],
        confidence: Confidence {
            recommended_action: String::new(),
            score: 1.0,
            uncertainty_reason: String::new(),
            features: Default::default(),
        },
        model: ModelUse {
            model: String::new(),
            input_tokens: 0,
            output_tokens: 0,
            latency_ms: 0,
            repairs: 0,
            fallback: String::new(),
        },
        after_receipt: None,
    }
}
