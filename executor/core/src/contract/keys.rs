//! The keys of the two file formats, section by section: what the loader takes
//! and the published JSON Schema lists.

/// `connector.yaml`.
pub(super) const CONNECTOR: &[&str] = &[
    "pack",
    "summary",
    "kind",
    "path",
    "credential",
    "subject",
    "timeout",
    "response_limit",
    "quiet_period",
    "limits",
    "throttled",
    "match",
    "codes",
];
/// `connector.yaml`: `credential`.
pub(super) const CREDENTIAL: &[&str] = &["header", "hmac", "oauth_client_credentials"];
/// `credential.hmac`.
pub(super) const HMAC: &[&str] = &["header", "algorithm"];
/// `credential.oauth_client_credentials`.
pub(super) const OAUTH: &[&str] = &["token_path", "scope"];
/// `limits`.
pub(super) const LIMITS: &[&str] = &["concurrent", "per_second"];
/// `throttled`.
pub(super) const THROTTLED: &[&str] = &["graphql_codes"];
/// `match`.
pub(super) const MATCH: &[&str] = &["tool", "with", "claims"];
/// One of `codes`.
pub(super) const CODE: &[&str] = &["cause", "remedy", "say", "escalate"];

/// A read's file.
pub(super) const READ: &[&str] = &[
    "tool",
    "summary",
    "examples",
    "for",
    "strength",
    "effect",
    "arguments",
    "do",
    "output",
    "subject",
    "empty",
    "label",
    "say",
];
/// A write's file.
pub(super) const WRITE: &[&str] = &[
    "tool",
    "summary",
    "examples",
    "for",
    "strength",
    "effect",
    "arguments",
    "read",
    "subject",
    "locks",
    "money",
    "require",
    "intent",
    "confidence",
    "confirm",
    "approve",
    "instrument",
    "card",
    "do",
    "verify",
    "output",
    "compensate",
    "say",
];
/// `effect` of a write.
pub(super) const EFFECT: &[&str] = &["class", "window", "visible_within", "irreversible", "probe"];
/// `effect.probe`.
pub(super) const PROBE: &[&str] = &["on", "source"];
/// One of `arguments`, or of an argument's `properties`, or its `items`.
pub(super) const ARGUMENT: &[&str] = &[
    "type",
    "enum",
    "pattern",
    "format",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "items",
    "minItems",
    "maxItems",
    "uniqueItems",
    "properties",
    "required",
    "from",
    "about",
    "role",
    "default",
    "extract",
    "obtain",
    "words",
];
/// One of `obtain`.
pub(super) const OBTAIN: &[&str] = &["tool", "at", "match"];
/// One of a write's `read`.
pub(super) const FRESH: &[&str] = &["tool", "with", "each", "as", "max"];
/// One of `require`.
pub(super) const REQUIRE: &[&str] = &["code", "that"];
/// `confidence`.
pub(super) const CONFIDENCE: &[&str] = &["floor", "over"];
/// One of `confidence.over`.
pub(super) const OVER: &[&str] = &["amount", "floor"];
/// One of `approve`.
pub(super) const APPROVE: &[&str] = &["over", "within", "by"];
/// `do`.
pub(super) const DO: &[&str] =
    &["graphql", "variables", "http", "accept", "pages", "key", "errors", "response"];
/// `do.http`.
pub(super) const HTTP: &[&str] = &["method", "path", "query", "headers", "json", "form"];
/// `do.pages`.
pub(super) const PAGES: &[&str] = &["next", "into", "max", "list"];
/// `do.key`.
pub(super) const KEY: &[&str] = &["variable", "header", "field"];
/// `do.errors`.
pub(super) const ERRORS: &[&str] = &["at", "codes", "by_status"];
/// One of `do.errors.codes`.
pub(super) const ERROR_CODE: &[&str] = &["match", "code", "class"];
/// One of `do.errors.by_status`.
pub(super) const ERROR_STATUS: &[&str] = &["status", "code", "class"];
/// `verify`.
pub(super) const VERIFY: &[&str] =
    &["look", "find", "pending", "failed", "that", "human", "every", "within"];
/// `verify.look`.
pub(super) const LOOK: &[&str] = &["tool", "with"];
/// `verify.find`.
pub(super) const FIND: &[&str] = &["in", "as", "ours"];
/// `say` of a write.
pub(super) const SAY: &[&str] = &["applied", "pending", "not_applied", "unknown"];
/// `empty` of a read.
pub(super) const EMPTY: &[&str] = &["at", "code"];
/// A fact of an output.
pub(super) const FACT: &[&str] =
    &["fact", "pattern", "at", "amount", "minor", "currency", "optional"];
/// A text of an output.
pub(super) const TEXT: &[&str] = &["text", "at", "optional"];
/// A list of an output.
pub(super) const LIST: &[&str] = &["list", "of", "optional"];
/// `list` of an output's list.
pub(super) const LIST_AT: &[&str] = &["at", "max", "more"];
/// An object of an output.
pub(super) const OBJECT: &[&str] = &["of", "at", "optional"];
/// `{ each, as, item }` in a request.
pub(super) const EACH: &[&str] = &["each", "as", "item"];
