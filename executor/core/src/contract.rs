//! A tool's declaration, loaded and checked: what the rest of the core reads.
//! Nothing here comes from a caller; a contract is data of a pack, activated by
//! digest. `load` builds these types from YAML and reports every problem at once.

mod argument;
mod catalog;
mod describe;
mod keys;
pub mod load;
mod pack;
pub mod problem;
pub mod schema;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use countersign_shared::money::{Currency, Money};
use serde_json::Value as Json;

pub use self::pack::{CredentialUse, Limits, Pack, PackCode, PackKind};
use crate::expr::{Expr, Prose, Template};
use crate::policy::Resource;
use crate::shape::Shape;
use crate::shown::Place;
use crate::subject::{Kind, Strength};

pub use catalog::DuplicatePack;
pub use describe::{arguments_json, output_json};

/// Every tool of every loaded pack.
#[derive(Debug, Default, Clone)]
pub struct Catalog {
    /// Packs by name.
    pub packs: BTreeMap<String, Arc<Pack>>,
    /// Contracts by full tool name.
    pub tools: BTreeMap<String, Arc<Contract>>,
    /// How guests are matched, by pack; not every pack can.
    pub matching: BTreeMap<String, Matching>,
}

/// How a guest's order number and e-mail are looked up.
#[derive(Debug, Clone)]
pub struct Matching {
    /// The read that finds the order. No plan can name it.
    pub tool: String,
    /// Its arguments, over `order` and `email`.
    pub with: BTreeMap<String, Template>,
    /// JSON Pointers into its output by claim, `email` among them.
    pub claims: BTreeMap<String, String>,
}

/// One tool.
#[derive(Debug)]
pub struct Contract {
    /// `pack.name`.
    pub tool: String,
    /// Its pack.
    pub pack: Arc<Pack>,
    /// Whether plans may name it.
    pub listed: bool,
    /// One sentence.
    pub summary: String,
    /// Sentences that mean it.
    pub examples: Vec<String>,
    /// Whose subjects may use it.
    pub open_to: BTreeSet<Kind>,
    /// How surely it has to be the subject.
    pub strength: Strength,
    /// `sha256:…` over the pack's digest and this file.
    pub digest: String,
    /// What makes a resend safe; `None` class for reads.
    pub effect: Effect,
    /// Arguments by name.
    pub arguments: BTreeMap<String, ArgumentSpec>,
    /// Compiled JSON Schema of all arguments.
    pub schema: jsonschema::Validator,
    /// How it is called.
    pub call: Call,
    /// A read's part, or a write's.
    pub body: Body,
    /// What of it policies see.
    pub resource: Resource,
}

impl Contract {
    /// What staff need to use it: `pack:read`, or `pack:write`.
    #[must_use]
    pub fn scope(&self) -> String {
        let what = match &self.body {
            Body::Read(_) => "read",
            Body::Write(_) => "write",
        };
        format!("{}:{what}", self.pack.name)
    }
}

/// What makes the two kinds of contract different.
#[derive(Debug)]
pub enum Body {
    /// Yields an observation.
    Read(Box<ReadBody>),
    /// Has an effect.
    Write(Box<WriteBody>),
}

/// A read.
#[derive(Debug)]
pub struct ReadBody {
    /// Typed projection of the answer: scope root of `subject`, `label`, `say`.
    pub output: Shape,
    /// Whose it must be.
    pub subject: Option<SubjectRule>,
    /// Refusal when nothing was found.
    pub empty: Option<EmptyRule>,
    /// One result in words; scope: the fields of an element of `label_of`, or
    /// those of the output itself.
    pub label: Option<Prose>,
    /// The list of the output whose elements are results; `None`: the output is one.
    pub label_of: Option<String>,
    /// The whole result in words.
    pub say: Option<Prose>,
}

/// Refuses a read that found nothing.
#[derive(Debug, Clone)]
pub struct EmptyRule {
    /// Field of the output, dotted; empty list or null refuses.
    pub at: Vec<String>,
    /// With this code.
    pub code: String,
}

/// `PATH == subject.CLAIM`: SUBJECT OWNS IT.
#[derive(Debug, Clone)]
pub struct SubjectRule {
    /// Path below the scope, e.g. `state.order.customer_id`, or below a read's
    /// output, e.g. `orders.customer_id` (`orders` a list: each element).
    pub path: Vec<String>,
    /// The claim: `id`, or one that the pack names.
    pub claim: String,
}

/// A write.
#[derive(Debug)]
pub struct WriteBody {
    /// Fresh reads, in order.
    pub reads: Vec<FreshRead>,
    /// Whose the object must be.
    pub subject: SubjectRule,
    /// Objects locked; each a string expression over `args` and `subject`.
    pub locks: Vec<Expr>,
    /// Money that moves.
    pub money: Option<Expr>,
    /// Preconditions.
    pub require: Vec<Require>,
    /// Business identity, over `args` and `subject`.
    pub intent: Vec<Expr>,
    /// Confidence floors.
    pub confidence: Floors,
    /// Whether the customer confirms.
    pub confirm: Confirm,
    /// Who else must say yes, by amount; ascending.
    pub approve: Vec<Arc<Threshold>>,
    /// The payment instrument that money goes to or comes from; a string.
    pub instrument: Option<Expr>,
    /// What the customer confirms.
    pub card: Prose,
    /// Paths below `state` that the grant binds: each one used by a rule, money,
    /// verification or a text that people see. Sorted, dotted, without `state.`.
    pub projection: Vec<Place>,
    /// How our effect is found.
    pub verify: Verify,
    /// What receipts and references see, by name.
    pub output: BTreeMap<String, Expr>,
    /// What people are told, by outcome.
    pub say: Say,
}

/// A fresh read of a write.
#[derive(Debug)]
pub struct FreshRead {
    /// Name below `state`.
    pub name: String,
    /// The read contract's tool name.
    pub tool: String,
    /// Its arguments.
    pub with: BTreeMap<String, Template>,
    /// Fan-out over a list.
    pub each: Option<FanOut>,
}

/// A read made once per element of a list.
#[derive(Debug)]
pub struct FanOut {
    /// The list.
    pub over: Expr,
    /// Name of the element in `with`.
    pub name: String,
    /// Longest list; more refuses.
    pub max: usize,
}

/// A precondition.
#[derive(Debug)]
pub struct Require {
    /// Refusal code.
    pub code: String,
    /// Must be true.
    pub that: Expr,
}

/// Confidence floors; the highest that applies counts.
#[derive(Debug, Clone, Default)]
pub struct Floors {
    /// Always.
    pub floor: f64,
    /// When more than this amount moves.
    pub over: Vec<(BTreeMap<Currency, Money>, f64)>,
}

/// People who must say yes once more than this has moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Threshold {
    /// More than this, with what was done within the window added to it.
    pub over: BTreeMap<Currency, Money>,
    /// The window.
    pub within: Duration,
    /// One person for each.
    pub by: Vec<String>,
}

/// Who confirms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirm {
    /// Nobody.
    None,
    /// The customer, on the card.
    Customer,
}

/// Effect class and what is known of the backend.
#[derive(Debug, Clone)]
pub struct Effect {
    /// The class.
    pub class: EffectClass,
    /// How long the backend keeps a key, from the first send.
    pub window: Option<Duration>,
    /// Sourced bound after which a look sees the effect.
    pub visible_within: Option<Duration>,
    /// Cannot be called back.
    pub irreversible: bool,
    /// Where the class was probed: date and source.
    pub probe: Option<(String, String)>,
}

/// What makes a resend safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectClass {
    /// A read.
    None,
    /// The backend deduplicates by our key.
    ServerKey,
    /// The backend refuses a second object with our id.
    ClientId,
    /// The backend checks a version that we send.
    CompareAndSet,
    /// Our key is stamped into the object and found again.
    Marker,
    /// Nothing: never sent again.
    Blind,
}

/// One argument.
#[derive(Debug, Clone)]
pub struct ArgumentSpec {
    /// Plain JSON Schema of this argument, without our own words.
    pub schema: Json,
    /// Whether it may be left out.
    pub required: bool,
    /// For people and models.
    pub about: String,
    /// Accepted sources (leaves only).
    pub from: BTreeSet<From>,
    /// What it decides.
    pub role: Option<Role>,
    /// The contract's constant.
    pub default: Option<Json>,
    /// How to find it in a sentence: a regex with one group.
    pub extract: Option<String>,
    /// Reads that yield it.
    pub obtain: Vec<Obtain>,
    /// Words that mean a value of an enumeration.
    pub words: BTreeMap<String, Vec<String>>,
    /// Leaf, list or object.
    pub nested: Nested,
}

/// The inside of an argument.
#[derive(Debug, Clone)]
pub enum Nested {
    /// A scalar.
    Leaf,
    /// A list of these.
    Items(Box<ArgumentSpec>),
    /// These fields.
    Fields(BTreeMap<String, ArgumentSpec>),
}

/// A kind of source that an argument accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum From {
    /// A claim of the subject's token.
    Claim,
    /// A fact of an observation.
    Observation,
    /// A text of an observation.
    Text,
    /// A field of a receipt.
    Receipt,
    /// A span of an attested message.
    Utterance,
    /// A span of a message that nobody signed.
    Asserted,
    /// The contract's default.
    Constant,
    /// A value typed by the model.
    Model,
}

/// What an argument decides, where that is consequential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Where something goes.
    Destination,
    /// Whose account.
    Account,
    /// How much.
    Amount,
}

/// A read that yields an argument.
#[derive(Debug, Clone)]
pub struct Obtain {
    /// The read.
    pub tool: String,
    /// JSON Pointer with `*` for each element of a list.
    pub at: String,
    /// Text to match against the message, same shape of pointer.
    pub choose_by: Option<String>,
}

/// How a backend is asked.
#[derive(Debug)]
pub struct Call {
    /// The request.
    pub request: Request,
    /// Where the native idempotency key goes.
    pub key: Option<KeyPlace>,
    /// How refusals are read.
    pub errors: ErrorRules,
    /// What is kept of the answer, scope `response`. Writes only.
    pub response: Option<Shape>,
}

/// The request of a call.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one per contract, built once at load")]
pub enum Request {
    /// A GraphQL operation.
    GraphQl {
        /// The document's text.
        document: String,
        /// Its one operation's name.
        operation: String,
        /// Variables by name.
        variables: BTreeMap<String, Template>,
    },
    /// An HTTP request.
    Http(HttpRequest),
}

/// A REST call.
#[derive(Debug)]
pub struct HttpRequest {
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// Path segments, each encoded on its own.
    pub path: Vec<Template>,
    /// Query parameters.
    pub query: BTreeMap<String, Template>,
    /// Headers, constants or expressions.
    pub headers: BTreeMap<String, Template>,
    /// The body.
    pub body: HttpBody,
    /// Statuses that mean success.
    pub accept: Vec<u16>,
    /// How a list is paged.
    pub pages: Option<Pages>,
}

/// A REST body.
#[derive(Debug)]
pub enum HttpBody {
    /// None.
    Empty,
    /// `application/json`.
    Json(Template),
    /// `application/x-www-form-urlencoded`; nested names in brackets.
    Form(BTreeMap<String, Template>),
}

/// Cursor paging of a read.
#[derive(Debug, Clone)]
pub struct Pages {
    /// JSON Pointer to the next cursor.
    pub next: String,
    /// Query parameter it goes into.
    pub into: String,
    /// JSON Pointer to the list that grows.
    pub list: String,
    /// Most pages read; more refuses.
    pub max: usize,
}

/// Where a native idempotency key is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPlace {
    /// GraphQL variable.
    Variable(String),
    /// HTTP header.
    Header(String),
    /// Top-level body field.
    Field(String),
}

/// How refusals in an answer are read.
#[derive(Debug, Clone, Default)]
pub struct ErrorRules {
    /// JSON Pointer to the array (or object) of errors.
    pub at: Option<String>,
    /// First match wins; none matches: terminal `BACKEND_REFUSED`.
    pub codes: Vec<ErrorRule>,
    /// By HTTP status.
    pub by_status: Vec<(u16, String, ErrorClass)>,
}

/// One known refusal.
#[derive(Debug, Clone)]
pub struct ErrorRule {
    /// Lower-case substring of code or message; `*` matches all.
    pub matches: String,
    /// Our code.
    pub code: String,
    /// What it means.
    pub class: ErrorClass,
}

/// What a complete refusal by the backend means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// Refused; never again.
    Terminal,
    /// Not now; may be sent again.
    Transient,
    /// "Already so": look before believing it.
    Guard,
    /// Says nothing of what happened: as good as a lost reply.
    Unclear,
}

/// How our own effect is found and judged.
#[derive(Debug)]
pub struct Verify {
    /// The read contract.
    pub look: String,
    /// Its arguments, over `args`, `response`, `state`, `marker`.
    pub with: BTreeMap<String, Template>,
    /// The list our effect is in; `None`: the read's output is the candidate.
    pub find_in: Option<Expr>,
    /// True for our own effect; scope `found`, `looked`.
    pub ours: Expr,
    /// True while it is not finished.
    pub pending: Option<Expr>,
    /// True where it is proved that no effect stands.
    pub failed: Option<Expr>,
    /// True where the effect is what was asked for.
    pub that: Expr,
    /// True where what was asked for stands, whoever did it; scope `looked`.
    pub human: Option<Expr>,
    /// Between looks.
    pub every: Duration,
    /// How long to look.
    pub within: Duration,
}

/// What people are told.
#[derive(Debug)]
pub struct Say {
    /// Applied.
    pub applied: Prose,
    /// Still going on.
    pub pending: Option<Prose>,
    /// Proved not to have happened.
    pub not_applied: Option<Prose>,
    /// In doubt.
    pub unknown: Option<Prose>,
}
