//! The mapping to OCSF 1.8.0: class API Activity (6003) with the profiles `ai_operation`
//! and `datetime`. What OCSF has no place for stands below `unmapped.countersign`.
//!
//! Whoever changes what is emitted raises [`MAPPING`]: each event says by which mapping
//! it was made.

use countersign_shared::tlog::checkpoint::Checkpoint;
use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};

use super::clear::{Change, Clear};
use super::event::{self, Place};

/// Version of this mapping.
pub const MAPPING: u32 = 1;
/// Version of the schema.
pub const OCSF: &str = "1.8.0";
type Members = Map<String, Json>;

/// API Activity.
const CLASS: u32 = 6003;
/// Every top-level member that an event can have.
pub const MEMBERS: [&str; 22] = [
    "activity_id",
    "activity_name",
    "actor",
    "ai_model",
    "api",
    "category_name",
    "category_uid",
    "class_name",
    "class_uid",
    "count",
    "dst_endpoint",
    "message_context",
    "metadata",
    "severity_id",
    "src_endpoint",
    "status",
    "status_code",
    "status_id",
    "time",
    "time_dt",
    "type_uid",
    "unmapped",
];
/// Codes that should not happen where nobody attacks and nothing is broken.
const GRAVE: [&str; 5] = [
    "DUPLICATE_EFFECT",
    "CONFIRMATION_INVALID",
    "APPROVAL_INVALID",
    "QUARANTINED",
    "VERIFY_MISMATCH",
];

/// The event of a receipt.
pub(super) fn receipt(clear: &Clear, leaf: &str, place: Place<'_>, attempt: u32) -> Json {
    let (kind, activity) = kind(clear);
    let (status_id, status) = status(&clear.outcome);
    let own = own(clear, log(leaf, place), attempt);
    let event = object([
        ("severity_id", severity(clear).into()),
        ("status_id", status_id.into()),
        ("status", status.into()),
        ("status_code", clear.code.clone().into()),
        ("actor", actor(clear)),
        ("src_endpoint", json!({ "name": caller(clear) })),
        ("dst_endpoint", destination(clear)),
        ("api", api(clear)),
        ("ai_model", model(clear)),
        ("message_context", context(clear)),
        ("count", counted(clear)),
        ("unmapped", json!({ "countersign": own })),
    ]);
    let labels = if attempt > 1 { json!(["resent"]) } else { Json::Null };
    let metadata = object([
        ("tenant_uid", clear.tenant.clone().into()),
        ("correlation_uid", correlation(clear).into()),
        ("original_event_uid", clear.receipt_id.clone().into()),
        ("sequence", place.index.into()),
        ("log_version", clear.v.to_string().into()),
        ("labels", labels),
    ]);
    let uid = format!("{}#{}", place.checkpoint.origin(), place.index);
    let metadata = product(&uid, kind, place.checkpoint).into_iter().chain(metadata).collect();
    base((activity, kind), metadata, clear.sealed_at, event)
}

/// The event that says which checkpoint is the newest.
pub(super) fn heartbeat(checkpoint: &Checkpoint, quarantined: bool, now: Timestamp) -> Json {
    let uid = format!("{}#heartbeat-{}", checkpoint.origin(), now.as_millisecond());
    let log = json!({
        "origin": checkpoint.origin(),
        "size": checkpoint.size(),
        "root": event::root(checkpoint.root()),
    });
    let own = json!({ "mapping": MAPPING, "log": log, "quarantined": quarantined });
    let event = object([
        ("severity_id", json!(if quarantined { 5 } else { 1 })),
        ("status_id", json!(if quarantined { 2 } else { 1 })),
        ("actor", json!({ "app_name": "countersign" })),
        ("src_endpoint", json!({ "name": "executor" })),
        ("api", json!({ "operation": "heartbeat" })),
        ("unmapped", json!({ "countersign": own })),
    ]);
    base((99, "heartbeat"), product(&uid, "heartbeat", checkpoint), now, event)
}

/// Where in which log, and what vouches for it.
fn log(leaf: &str, Place { index, checkpoint }: Place<'_>) -> Json {
    json!({
        "origin": checkpoint.origin(),
        "index": index,
        "leaf_hash": leaf,
        "size": checkpoint.size(),
        "root": event::root(checkpoint.root()),
    })
}

/// How much it matters: 1 informational, 2 low, 3 medium, 4 high.
pub(super) fn severity(clear: &Clear) -> u8 {
    match clear.outcome.as_str() {
        _ if GRAVE.contains(&clear.code.as_str()) => 4,
        "unknown" | "changed" => 3,
        "applied" => 1,
        _ => 2,
    }
}

/// With the members that every event has.
fn base((activity, name): (u32, &str), metadata: Members, at: Timestamp, event: Members) -> Json {
    let base = object([
        ("class_uid", CLASS.into()),
        ("class_name", "API Activity".into()),
        ("category_uid", (CLASS / 1000).into()),
        ("category_name", "Application Activity".into()),
        ("activity_id", activity.into()),
        ("activity_name", name.into()),
        ("type_uid", (CLASS * 100 + activity).into()),
        ("time", at.as_millisecond().into()),
        ("time_dt", at.to_string().into()),
        ("metadata", Json::Object(metadata)),
    ]);
    Json::Object(base.into_iter().chain(event).collect())
}

fn product(uid: &str, code: &str, checkpoint: &Checkpoint) -> Members {
    let version = env!("CARGO_PKG_VERSION");
    object([
        ("version", OCSF.into()),
        ("profiles", json!(["ai_operation", "datetime"])),
        (
            "product",
            json!({ "name": "Countersign", "vendor_name": "Countersign", "version": version }),
        ),
        ("uid", uid.into()),
        ("event_code", code.into()),
        ("log_name", checkpoint.origin().into()),
    ])
}

/// What happened, and OCSF's activity for it: 3 is an update, 99 any other.
fn kind(clear: &Clear) -> (&'static str, u32) {
    match (&clear.change, &clear.counted, clear.outcome.as_str()) {
        (Some(_), _, _) => ("change", 3),
        (None, Some(_), _) => ("refusals", 99),
        (None, None, "refused") => ("refusal", 99),
        (None, None, _) => ("action", 99),
    }
}

fn status(outcome: &str) -> (u8, &str) {
    match outcome {
        "applied" | "changed" => (1, outcome),
        "not_applied" | "refused" => (2, outcome),
        _ => (0, outcome),
    }
}

/// The trace where there is one, else the proposal: what belongs together.
fn correlation(clear: &Clear) -> String {
    if clear.asked.trace.is_empty() { &clear.proposal_id } else { &clear.asked.trace }.clone()
}

fn caller(clear: &Clear) -> &str {
    if clear.asked.caller.is_empty() { "executor" } else { &clear.asked.caller }
}

fn actor(clear: &Clear) -> Json {
    let changer = clear.change.as_ref().and_then(|change| change.by.first());
    let user = match (changer, clear.asked.person.as_str()) {
        (Some(changer), _) => json!({ "name": changer.who, "type": "Admin", "type_id": 2 }),
        (None, "") => Json::Null,
        (None, person) => json!({ "uid": person, "type": "User", "type_id": 1 }),
    };
    let idp = match clear.asked.issuer.as_str() {
        "" => Json::Null,
        issuer => json!({ "name": issuer }),
    };
    Json::Object(object([("app_name", caller(clear).into()), ("user", user), ("idp", idp)]))
}

fn destination(clear: &Clear) -> Json {
    let to = clear.backend.as_ref();
    to.map_or(Json::Null, |to| json!({ "name": to.pack, "svc_name": to.account }))
}

fn api(clear: &Clear) -> Json {
    let operation = match &clear.change {
        Some(change) => &change.what,
        None if !clear.tool.is_empty() => &clear.tool,
        None if !clear.code.is_empty() => &clear.code,
        None => kind(clear).0,
    };
    let request = match clear.action_id.as_str() {
        "" => Json::Null,
        action => json!({ "uid": action }),
    };
    Json::Object(object([("operation", operation.into()), ("request", request)]))
}

/// As the planner reports it; it knows no provider.
fn model(clear: &Clear) -> Json {
    match clear.asked.model.as_str() {
        "" => Json::Null,
        name => json!({ "name": name, "ai_provider": "Unknown" }),
    }
}

fn context(clear: &Clear) -> Json {
    let asked = &clear.asked;
    if asked.model.is_empty() {
        return Json::Null;
    }
    json!({
        "ai_role": "Assistant",
        "ai_role_id": 2,
        "service": { "name": "planner", "uid": asked.caller },
        "prompt_tokens": asked.input_tokens,
        "completion_tokens": asked.output_tokens,
        "total_tokens": u64::from(asked.input_tokens) + u64::from(asked.output_tokens),
    })
}

fn counted(clear: &Clear) -> Json {
    clear.counted.as_ref().map_or(Json::Null, |counted| counted.codes.values().sum::<u64>().into())
}

/// What OCSF has no place for.
fn own(clear: &Clear, log: Json, attempt: u32) -> Json {
    let occasion = if clear.key.is_empty() { Json::Null } else { clear.occasion.into() };
    Json::Object(object([
        ("mapping", MAPPING.into()),
        ("attempt", attempt.into()),
        ("log", log),
        ("outcome", clear.outcome.clone().into()),
        ("code", clear.code.clone().into()),
        ("next", clear.next.clone().into()),
        ("performed_by", clear.performed_by.clone().into()),
        ("tool", clear.tool.clone().into()),
        ("contract", clear.contract.clone().into()),
        ("pack", clear.pack.clone().into()),
        ("policy", clear.policy.clone().into()),
        ("proposal", clear.proposal.clone().into()),
        ("proposal_id", clear.proposal_id.clone().into()),
        ("action_id", clear.action_id.clone().into()),
        ("key", clear.key.clone().into()),
        ("occasion", occasion),
        ("intent", clear.intent.clone().into()),
        ("money", clear.money.clone()),
        ("gates_failed", failed(clear)),
        ("grants", grants(clear)),
        ("approver", approver(clear).into()),
        ("backend", backend(clear)),
        ("verification", verification(clear)),
        ("planner", planner(clear)),
        ("change", clear.change.as_ref().map_or(Json::Null, |c| change(c, clear.sealed_at))),
        ("counted", period(clear)),
    ]))
}

fn failed(clear: &Clear) -> Json {
    let failed = clear.gates.iter().filter(|gate| !gate.passed).map(|gate| gate.gate.as_str());
    failed.collect::<Vec<_>>().into()
}

fn grants(clear: &Clear) -> Json {
    let grant = |grant: &super::clear::Grant| {
        Json::Object(object([
            ("kind", grant.kind.clone().into()),
            ("by", grant.staff().unwrap_or_default().into()),
            ("role", grant.role.clone().into()),
            ("issuer", grant.issuer.clone().into()),
            ("at", grant.at.to_string().into()),
            ("card", grant.card.clone().into()),
        ]))
    };
    clear.grants.iter().map(grant).collect::<Vec<_>>().into()
}

/// The last member of staff who approved: what a rule can count by.
fn approver(clear: &Clear) -> &str {
    let approved = clear.grants.iter().rev().filter(|grant| grant.kind == "approval");
    approved.filter_map(super::clear::Grant::staff).next().unwrap_or_default()
}

fn backend(clear: &Clear) -> Json {
    let Some(to) = &clear.backend else { return Json::Null };
    let statuses: Vec<_> = clear.attempts.iter().map(|attempt| attempt.status).collect();
    json!({
        "pack": to.pack,
        "account": to.account,
        "credential": to.credential,
        "request": to.request,
        "attempts": clear.attempts.len(),
        "statuses": statuses,
    })
}

fn verification(clear: &Clear) -> Json {
    let seen = &clear.verification;
    if seen.evidence.is_empty() && seen.looks == 0 {
        return Json::Null;
    }
    json!({ "evidence": seen.evidence, "looks": seen.looks })
}

fn planner(clear: &Clear) -> Json {
    let asked = &clear.asked;
    if asked.caller.is_empty() {
        return Json::Null;
    }
    Json::Object(object([
        ("caller", asked.caller.clone().into()),
        ("confidence", asked.confidence.into()),
        ("latency_ms", asked.latency_ms.into()),
        ("repairs", asked.repairs.into()),
        ("fallback", asked.fallback.clone().into()),
    ]))
}

/// `kind` is what stands before the first slash: `switch`, `pack`, `policy` …
fn change(change: &Change, at: Timestamp) -> Json {
    let kind = change.what.split('/').next().unwrap_or_default();
    let at = at.to_zoned(jiff::tz::TimeZone::UTC);
    let weekend = at.weekday().to_monday_zero_offset() >= 5;
    json!({
        "kind": kind,
        "what": change.what,
        "old": change.old,
        "new": change.new,
        "by": change.by.iter().map(|changer| changer.who.as_str()).collect::<Vec<_>>(),
        "people": change.by.len(),
        "hour": at.hour(),
        "weekend": weekend,
    })
}

fn period(clear: &Clear) -> Json {
    let Some(counted) = &clear.counted else { return Json::Null };
    json!({
        "since": counted.since.to_string(),
        "until": counted.until.to_string(),
        "codes": counted.codes,
    })
}

/// What says nothing is left out.
fn object<const N: usize>(members: [(&str, Json); N]) -> Members {
    let says = |value: &Json| match value {
        Json::Null => false,
        Json::String(text) => !text.is_empty(),
        Json::Array(items) => !items.is_empty(),
        Json::Bool(_) | Json::Number(_) | Json::Object(_) => true,
    };
    let members = members.into_iter().filter(|(_, value)| says(value));
    members.map(|(name, value)| (name.to_owned(), value)).collect()
}
