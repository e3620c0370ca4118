//! Turns references into values, each with where it came from (REFERENCES, NOT
//! VALUES). The planner names a place; the executor looks there itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use countersign_shared::attest::plain_words;
use countersign_shared::codes::Code;
use countersign_shared::ids::{ObservationId, ReceiptId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::contract::{ArgumentSpec, Contract, From, Nested};
use crate::error::Refused;
use crate::gates::Gate;
use crate::plan::{Source, Step};
use crate::subject::Subject;
use crate::value::Value;

/// How long after signing a message's words count.
pub const WORDS_LIVE: Duration = Duration::from_secs(30 * 60);

/// What references may point into: already narrowed to this subject and
/// conversation by whoever fetched it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Evidence {
    /// Attested messages by id; those of the request itself.
    #[serde(skip)]
    pub messages: BTreeMap<String, Message>,
    /// Observations by id.
    pub observations: BTreeMap<ObservationId, Observation>,
    /// Outputs of receipts by id.
    pub receipts: BTreeMap<ReceiptId, Json>,
}

/// A message: one whose attestation was verified, or one that nobody signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The frontend's id for it.
    pub id: String,
    /// What the user wrote.
    pub text: String,
    /// Which frontend signed it; empty where nobody did.
    pub frontend: String,
    /// When it was signed, or came in unsigned.
    pub signed_at: Timestamp,
}

impl Message {
    /// What its words count as.
    #[must_use]
    pub fn kind(&self) -> From {
        if self.frontend.is_empty() { From::Asserted } else { From::Utterance }
    }
}

/// The durable result of a read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Its id.
    pub id: ObservationId,
    /// The tool read.
    pub tool: String,
    /// The projected value.
    pub value: Json,
    /// The same shape, leaves `fact` or `text`.
    pub labels: Json,
    /// When the backend answered.
    pub at: Timestamp,
}

/// Arguments with values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Resolved")]
pub struct Arguments {
    values: Json,
    sources: Vec<Sourced>,
    /// The values once more, as expressions see them.
    #[serde(skip)]
    value: Arc<Value>,
}

#[derive(Deserialize)]
struct Resolved {
    values: Json,
    sources: Vec<Sourced>,
}

impl std::convert::From<Resolved> for Arguments {
    fn from(Resolved { values, sources }: Resolved) -> Self {
        Self { value: Value::from_json(&values).into(), values, sources }
    }
}

/// One resolved leaf and where it came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sourced {
    /// Path of the argument: `lines[0].quantity`.
    pub path: String,
    /// Its value.
    pub value: Json,
    /// Kind of source: `claim`, `observation`, `text`, `receipt`, `utterance`,
    /// `asserted`, `constant`, `model`.
    pub from: String,
    /// Which one: `obs_… /orders/0/id`, `m1[14..18]`, `email`.
    pub at: String,
}

impl Arguments {
    /// The values, an object by argument name.
    #[must_use]
    pub fn values(&self) -> &Json {
        &self.values
    }

    /// Each leaf's source.
    #[must_use]
    pub fn sources(&self) -> &[Sourced] {
        &self.sources
    }

    /// What expressions see as `args`.
    #[must_use]
    pub fn value(&self) -> &Arc<Value> {
        &self.value
    }
}

impl Evidence {
    /// What a step points to, and nothing beside it: that is what is decided on, and
    /// kept.
    #[must_use]
    pub fn narrowed(self, step: &Step) -> Self {
        let (observed, receipts) = pointed(step);
        let see = |(id, seen): (ObservationId, Observation)| {
            let pointers = observed.get(&id).map_or(&[][..], Vec::as_slice);
            let part = |whole: &Json| pick_out(whole, pointers);
            let (value, labels) = (part(&seen.value), part(&seen.labels));
            (id, Observation { value, labels, ..seen })
        };
        let output = |(id, output): (ReceiptId, Json)| {
            let pointers = receipts.get(&id).map_or(&[][..], Vec::as_slice);
            let part = pick_out(&output, pointers);
            (id, part)
        };
        Self {
            messages: self.messages,
            observations: self.observations.into_iter().map(see).collect(),
            receipts: self.receipts.into_iter().map(output).collect(),
        }
    }
}

/// The pointers of a step, by what they point into.
type Pointers<'a> =
    (BTreeMap<&'a ObservationId, Vec<&'a str>>, BTreeMap<&'a ReceiptId, Vec<&'a str>>);

/// Where a step points.
#[must_use]
pub fn pointed(step: &Step) -> Pointers<'_> {
    let (mut observed, mut receipts) = (BTreeMap::new(), BTreeMap::new());
    for source in step.arguments.values() {
        source.visit(&mut |source| match source {
            Source::Observation { id, pointer } => {
                observed.entry(id).or_insert_with(Vec::new).push(pointer.as_str());
            }
            Source::Receipt { id, pointer } => {
                receipts.entry(id).or_insert_with(Vec::new).push(pointer.as_str());
            }
            Source::Claim(_)
            | Source::Utterance { .. }
            | Source::Model(_)
            | Source::List(_)
            | Source::Fields(_) => {}
        });
    }
    (observed, receipts)
}

/// A value in which only what the pointers lead to is left, each in its place.
fn pick_out(whole: &Json, pointers: &[&str]) -> Json {
    let leads = |to: &str| pointers.iter().any(|p| p.is_empty() || below(p, to).is_some());
    let rest = |to: &str| -> Vec<&str> { pointers.iter().filter_map(|p| below(p, to)).collect() };
    if pointers.iter().any(|pointer| pointer.is_empty()) {
        return whole.clone();
    }
    match whole {
        Json::Object(members) => {
            let kept = members.iter().filter(|(name, _)| leads(&escaped(name)));
            let kept = kept.map(|(name, at)| (name.clone(), pick_out(at, &rest(&escaped(name)))));
            Json::Object(kept.collect())
        }
        Json::Array(items) => {
            let last = (0..items.len()).rev().find(|at| leads(&at.to_string()));
            let upto = last.map_or(0, |last| last + 1);
            let each = items.iter().take(upto).enumerate();
            Json::Array(each.map(|(at, item)| pick_out(item, &rest(&at.to_string()))).collect())
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => Json::Null,
    }
}

/// What is left of a pointer behind its first word, where that is it.
fn below<'p>(pointer: &'p str, first: &str) -> Option<&'p str> {
    let rest = pointer.strip_prefix('/')?.strip_prefix(first)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Resolves a step's arguments and checks them against the contract's schema.
///
/// # Errors
/// `ARGUMENT_*`, `REFERENCE_*`, `SPAN_INVALID`, with the argument's path.
pub fn resolve(
    step: &Step,
    contract: &Contract,
    subject: &Subject,
    evidence: &Evidence,
    now: Timestamp,
) -> Result<Arguments, Refused> {
    let mut resolver = Resolver { subject, evidence, now, sources: Vec::new() };
    let values = resolver.fields(&step.arguments, &contract.arguments, "")?;
    let violations: Vec<_> = contract
        .schema
        .iter_errors(&values)
        .map(|e| (e.instance_path().to_string(), e.masked().to_string()))
        .collect();
    if violations.is_empty() || !Gate::Schema.is_on() {
        return Ok(Resolved { values, sources: resolver.sources }.into());
    }
    let mut refused =
        Refused::new(Code::ArgumentInvalid, format!("arguments of {} do not fit", contract.tool));
    refused.violations = violations;
    Err(refused)
}

/// Arguments that the executor itself computed for a read of its own.
///
/// # Errors
/// `RULE_ERROR` when they do not fit the read's schema.
pub fn computed(values: Map<String, Json>, contract: &Contract) -> Result<Arguments, Refused> {
    let values = Json::Object(values);
    if contract.schema.is_valid(&values) {
        return Ok(Resolved { values, sources: Vec::new() }.into());
    }
    let message = format!("computed arguments do not fit {}", contract.tool);
    Err(Refused::new(Code::RuleError, message))
}

struct Resolver<'a> {
    subject: &'a Subject,
    evidence: &'a Evidence,
    now: Timestamp,
    sources: Vec<Sourced>,
}

impl Resolver<'_> {
    fn fields(
        &mut self,
        sources: &BTreeMap<String, Source>,
        specs: &BTreeMap<String, ArgumentSpec>,
        path: &str,
    ) -> Result<Json, Refused> {
        if let Some(name) = sources.keys().find(|name| !specs.contains_key(*name)) {
            let at = join(path, name);
            return Err(Refused::new(Code::ArgumentUnexpected, format!("`{at}` is not declared"))
                .field(at, "the contract has no such argument"));
        }
        let mut values = Map::new();
        for (name, spec) in specs {
            let at = join(path, name);
            if let Some(source) = sources.get(name) {
                values.insert(name.clone(), self.one(source, spec, &at)?);
            } else if let Some(default) = &spec.default {
                self.note(&at, default, "constant", "contract");
                values.insert(name.clone(), default.clone());
            } else if spec.required {
                return Err(Refused::new(Code::ArgumentMissing, format!("`{at}` is missing"))
                    .field(at, "required"));
            }
        }
        Ok(Json::Object(values))
    }

    fn one(&mut self, source: &Source, spec: &ArgumentSpec, at: &str) -> Result<Json, Refused> {
        match (source, &spec.nested) {
            (Source::List(items), Nested::Items(inner)) => {
                let each = items.iter().enumerate();
                let values: Result<Vec<_>, _> =
                    each.map(|(i, item)| self.one(item, inner, &format!("{at}[{i}]"))).collect();
                Ok(Json::Array(values?))
            }
            (Source::Fields(fields), Nested::Fields(specs)) => self.fields(fields, specs, at),
            (Source::List(_) | Source::Fields(_), _) => {
                Err(invalid(at, "a list or an object does not fit"))
            }
            (leaf, _) => self.leaf(leaf, spec, at),
        }
    }

    fn leaf(&mut self, source: &Source, spec: &ArgumentSpec, at: &str) -> Result<Json, Refused> {
        let (value, kind, place) = self.look_up(source, spec, at)?;
        if !spec.from.contains(&kind) && Gate::Source.is_on() {
            let message = format!("`{at}` does not accept a value from {}", kind.name());
            return Err(Refused::new(Code::ReferenceRequired, message)
                .field(at, format!("accepted: {}", names(spec))));
        }
        self.note(at, &value, kind.name(), &place);
        Ok(value)
    }

    fn look_up(
        &self,
        source: &Source,
        spec: &ArgumentSpec,
        at: &str,
    ) -> Result<(Json, From, String), Refused> {
        match source {
            Source::Claim(name) => {
                let claim = self.subject.claim(name).ok_or_else(|| unknown(at, name))?;
                Ok((Json::String(claim.to_owned()), From::Claim, name.clone()))
            }
            Source::Observation { id, pointer } => {
                let place = format!("{id} {pointer}");
                let seen = self.evidence.observations.get(id).ok_or_else(|| unknown(at, &place))?;
                let value = seen.value.pointer(pointer).ok_or_else(|| unknown(at, &place))?;
                let kind = match seen.labels.pointer(pointer).and_then(Json::as_str) {
                    Some("fact") => From::Observation,
                    Some(_) => From::Text,
                    None => {
                        return Err(invalid(
                            at,
                            "point to a single field, not to a list or object",
                        ));
                    }
                };
                Ok((value.clone(), kind, place))
            }
            Source::Receipt { id, pointer } => {
                let place = format!("{id} {pointer}");
                let output = self.evidence.receipts.get(id).and_then(|r| r.pointer(pointer));
                let value = output.ok_or_else(|| unknown(at, &place))?;
                Ok((value.clone(), From::Receipt, place))
            }
            Source::Utterance { message, start, end } => {
                let (value, kind) = self.span(message, *start, *end, spec, at)?;
                Ok((value, kind, format!("{message}[{start}..{end}]")))
            }
            Source::Model(value) => Ok((value.clone(), From::Model, "typed by the model".into())),
            Source::List(_) | Source::Fields(_) => Err(invalid(at, "not a single value")),
        }
    }

    /// A span of the user's own words.
    fn span(
        &self,
        message: &str,
        start: usize,
        end: usize,
        spec: &ArgumentSpec,
        at: &str,
    ) -> Result<(Json, From), Refused> {
        let said = self.evidence.messages.get(message).ok_or_else(|| unknown(at, message))?;
        let words = words(said, start, end, self.now, at)?;
        // Words are text; a whole number spelled in digits is that number.
        if spec.schema.get("type").and_then(Json::as_str) == Some("integer") {
            let number = words.parse::<i64>().map_err(|_| invalid(at, "not a whole number"))?;
            return Ok((Json::from(number), said.kind()));
        }
        Ok((Json::String(words), said.kind()))
    }

    fn note(&mut self, path: &str, value: &Json, from: &str, at: &str) {
        self.sources.push(Sourced {
            path: path.to_owned(),
            value: value.clone(),
            from: from.to_owned(),
            at: at.to_owned(),
        });
    }
}

/// The words of a span, while they are fresh and a person sees all of them; `at` is
/// what asks for them.
///
/// # Errors
/// `REFERENCE_UNKNOWN`, `SPAN_INVALID`.
pub fn words(
    said: &Message,
    start: usize,
    end: usize,
    now: Timestamp,
    at: &str,
) -> Result<String, Refused> {
    let old = now.duration_since(said.signed_at).unsigned_abs() > WORDS_LIVE;
    if old && Gate::WordsFresh.is_on() {
        let message = format!("`{at}`: the words are too old");
        return Err(Refused::new(Code::ReferenceUnknown, message));
    }
    let plain = plain_words(&said.text, start, end);
    let plain =
        if Gate::PlainWords.is_on() { plain } else { said.text.get(start..end).map(str::to_owned) };
    plain.ok_or_else(|| {
        let message = format!("`{at}`: this span of message {} is no plain words", said.id);
        Refused::new(Code::SpanInvalid, message)
            .field(at, "empty, outside the text, cutting a character, or with hidden characters")
    })
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn unknown(at: &str, place: &str) -> Refused {
    Refused::new(Code::ReferenceUnknown, format!("`{at}` refers to {place}, which is not there"))
        .field(at, "read first, then refer to what was read in this conversation")
}

fn invalid(at: &str, problem: &str) -> Refused {
    Refused::new(Code::ArgumentInvalid, format!("`{at}`: {problem}")).field(at, problem)
}

fn names(spec: &ArgumentSpec) -> String {
    spec.from.iter().map(|f| f.name()).collect::<Vec<_>>().join(", ")
}

impl From {
    /// The name that contracts and receipts use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Observation => "observation",
            Self::Text => "text",
            Self::Receipt => "receipt",
            Self::Utterance => "utterance",
            Self::Asserted => "asserted",
            Self::Constant => "constant",
            Self::Model => "model",
        }
    }
}
