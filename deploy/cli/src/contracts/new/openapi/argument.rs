//! Arguments of contracts, drafted from parameters and bodies: what each accepts,
//! where it may come from, what it decides.

use serde_json::Value as Json;

use super::document::Document;
use super::naming::{is_id, is_label, role};
use super::output::{What, ours};
use super::read::{Read, Yielded};
use super::schema::{Kind, view};
use crate::contracts::new::page::{Page, quoted, sentence, snake, verbatim};

/// Deepest argument that is drafted.
const MAX_DEPTH: usize = 3;
/// Ids, where the description does not close them.
const ANY_ID: &str = "^[A-Za-z0-9_-]{1,64}$";
const NARROW: &str = "make the pattern as narrow as the service's ids are";
pub(super) const EXTRACT: &str = "add `extract`: a regular expression that finds it in a sentence";
/// Numbers, as text: there are no floats.
const NUMBER: &str = "^[0-9]{1,12}([.][0-9]{1,6})?$";

/// One argument.
#[derive(Debug, Clone)]
pub(super) struct Argument {
    pub(super) name: String,
    pub(super) required: bool,
    pub(super) kind: Type,
    pub(super) role: Option<&'static str>,
    about: String,
    /// Reads that yield it.
    obtain: Vec<Yielded>,
    /// What it is the name of, where its own name does not say so: `order` of `{number}`.
    names: Option<String>,
    decide: Vec<&'static str>,
}

/// What an argument holds.
#[derive(Debug, Clone)]
pub(super) enum Type {
    /// An id: pattern, and whether the service counts it as a number.
    Id {
        pattern: String,
        number: bool,
    },
    Text(u64),
    Format(String),
    OneOf(Vec<String>),
    Integer {
        least: Option<i64>,
        most: Option<i64>,
    },
    /// A decimal, written as text.
    Decimal,
    Bool,
    List(Box<Argument>),
    Object(Vec<Argument>),
}

impl Argument {
    /// An argument for a schema; `None` where none can be drafted.
    pub(super) fn new(
        document: &Document,
        name: &str,
        schema: &Json,
        required: bool,
    ) -> Option<Self> {
        Self::at(document, name, schema, required, 0)
    }

    fn at(
        document: &Document,
        name: &str,
        schema: &Json,
        required: bool,
        depth: usize,
    ) -> Option<Self> {
        let seen = view(document, schema);
        let mut decide = Vec::new();
        let kind = match &seen.kind {
            Kind::Text { values, .. } if !values.is_empty() => {
                decide
                    .push("a model may choose it. Is that harmless? Otherwise take another source");
                Type::OneOf(values.iter().map(|v| (*v).to_owned()).collect())
            }
            Kind::Text { pattern: Some(pattern), .. } => id(pattern, false),
            Kind::Text { format: "uuid", .. } => id("^[0-9a-fA-F-]{36}$", false),
            Kind::Text { format: format @ ("date" | "date-time" | "email" | "uri"), .. } => {
                Type::Format((*format).to_owned())
            }
            Kind::Text { .. } if is_id(name) => {
                decide.push(NARROW);
                id(ANY_ID, false)
            }
            Kind::Text { longest, .. } => Type::Text(longest.unwrap_or(255).clamp(1, 2000)),
            Kind::Integer { .. } if is_id(name) => id("^[0-9]{1,19}$", true),
            Kind::Integer { least, most } => Type::Integer { least: *least, most: *most },
            Kind::Number => Type::Decimal,
            Kind::Bool => {
                decide.push("which of the two?");
                Type::Bool
            }
            Kind::List(items) if depth < MAX_DEPTH => {
                Type::List(Box::new(Self::at(document, name, items, true, depth + 1)?))
            }
            Kind::Object { .. } if depth < MAX_DEPTH => {
                Type::Object(Self::fields(document, schema, depth)?)
            }
            Kind::List(_) | Kind::Object { .. } | Kind::Unknown => return None,
        };
        let about = sentence(seen.about, 160);
        let leaf =
            matches!(kind, Type::Text(_) | Type::Format(_) | Type::Integer { .. } | Type::Decimal);
        let closed = matches!(&kind, Type::Id { .. } if !is_id(name));
        let role = role(name).filter(|_| leaf || closed);
        if role == Some("amount") && matches!(kind, Type::Integer { .. }) {
            decide
                .push("in cents? A customer says 12.50. Better take it from a fresh read's money");
        }
        let (name, obtain) = (ours(name)?, Vec::new());
        Some(Self { name, required, kind, role, about, obtain, names: None, decide })
    }

    /// Members are sent under their own names, so only those that are names of
    /// ours too can be drafted. Numbers inside cannot be written exactly.
    fn fields(document: &Document, schema: &Json, depth: usize) -> Option<Vec<Self>> {
        let Kind::Object { fields, required } = view(document, schema).kind else { return None };
        let mut drafted = Vec::new();
        for (name, schema) in fields {
            let needed = required.contains(name);
            let one = Self::at(document, name, schema, needed, depth + 1)
                .filter(|a| a.name == *name && !matches!(a.kind, Type::Decimal | Type::Bool));
            match one {
                Some(one) => drafted.push(one),
                None if needed => return None,
                None => {}
            }
        }
        (!drafted.is_empty()).then_some(drafted)
    }

    /// Described by its parameter, where that says something.
    pub(super) fn described(mut self, about: &str) -> Self {
        if !about.is_empty() {
            about.clone_into(&mut self.about);
        }
        self
    }

    /// Says what it is the name of.
    pub(super) fn naming(mut self, object: String) -> Self {
        if is_said(&self.name) {
            self.decide.push(EXTRACT);
        }
        self.names = Some(object);
        self
    }

    /// Says which reads yield it.
    pub(super) fn obtained(mut self, from: &[Read<'_>], but: &str) -> Self {
        if let Type::Id { .. } = self.kind
            && let Some(stem) = snake(&self.name).strip_suffix("_id")
        {
            let reads = from.iter().filter(|read| read.operation.name != but);
            let found: Vec<_> = reads.filter_map(|read| read.yields(stem, &self.name)).collect();
            if let Some(closed) = found.iter().find_map(|yielded| yielded.pattern.clone()) {
                self.narrow(closed);
            }
            self.obtain = found;
        }
        if let Type::Id { number: false, .. } = self.kind
            && self.obtain.is_empty()
        {
            self.decide
                .push("no read yields it. Add `obtain`, or take it from the customer's words");
        }
        self
    }

    /// Takes over the pattern of the ids that a read yields.
    fn narrow(&mut self, closed: String) {
        if let Type::Id { pattern, .. } = &mut self.kind
            && *pattern == ANY_ID
        {
            *pattern = closed;
            self.decide.retain(|decide| *decide != NARROW);
        }
    }

    /// Where its value may come from.
    fn sources(&self) -> &'static str {
        match &self.kind {
            Type::Id { .. } if self.obtain.is_empty() => "[observation, utterance]",
            Type::Id { .. } => "[observation]",
            Type::Format(format) if format == "email" => "[claim, utterance]",
            Type::OneOf(_) => "[model]",
            Type::Bool => "[constant]",
            Type::Text(_) | Type::Format(_) | Type::Integer { .. } | Type::Decimal => "[utterance]",
            Type::List(_) | Type::Object(_) => "",
        }
    }

    /// Whether somebody's words decide where something goes or how much.
    fn is_written_role(&self) -> bool {
        self.role.is_some() && self.sources().contains("utterance")
    }

    /// Holes of a card that show what was written, as paths below `args`.
    pub(super) fn shown(&self) -> Vec<String> {
        let hole = |path: &str| {
            let path = format!("args.{path}");
            if self.required {
                format!("{{{path}}}")
            } else {
                format!("{{has({path}) ? {path} : \"-\"}}")
            }
        };
        match &self.kind {
            Type::Object(fields) if self.required => {
                let certain = fields.iter().filter(|f| f.is_written_role() && f.is_scalar_text());
                certain.map(|f| f.hole_below(&self.name)).collect()
            }
            Type::Integer { .. } if self.is_written_role() && !self.required => {
                let path = format!("args.{}", self.name);
                vec![format!("{{has({path}) ? string({path}) : \"-\"}}")]
            }
            Type::Object(_) | Type::List(_) => Vec::new(),
            _ if self.is_written_role() => vec![hole(&self.name)],
            Type::Id { .. }
            | Type::Text(_)
            | Type::Format(_)
            | Type::OneOf(_)
            | Type::Integer { .. }
            | Type::Decimal
            | Type::Bool => Vec::new(),
        }
    }

    /// The object that it names: `order` of `order_id`.
    pub(super) fn object(&self) -> Option<String> {
        let by_id =
            || is_id(&self.name).then(|| snake(&self.name).trim_end_matches("_id").to_owned());
        self.names.clone().or_else(by_id)
    }

    /// Whether the object shows it under the same name.
    pub(super) fn is_own_name(&self) -> bool {
        self.names.is_some()
    }

    /// Whether it names an object, and nothing but one.
    pub(super) fn is_name(&self) -> bool {
        self.is_own_name() || (matches!(self.kind, Type::Id { .. }) && is_id(&self.name))
    }

    /// Whether a field of an output can be compared with it.
    pub(super) fn compares(&self, what: &What) -> bool {
        match (&self.kind, what) {
            (Type::Integer { .. }, What::Int) | (Type::Bool, What::Bool) => true,
            (
                Type::Id { .. } | Type::Text(_) | Type::OneOf(_),
                What::Id(_) | What::Text(_) | What::OneOf(_),
            ) => true,
            (Type::Format(format), What::Id(_) | What::Text(_)) => format != "date-time",
            (Type::Format(format), What::Time) => format == "date-time",
            (_, _) => false,
        }
    }

    /// No list and no object: what a path or a query can hold.
    pub(super) fn is_scalar(&self) -> bool {
        !matches!(self.kind, Type::List(_) | Type::Object(_))
    }

    fn is_scalar_text(&self) -> bool {
        !matches!(self.kind, Type::List(_) | Type::Object(_) | Type::Integer { .. } | Type::Bool)
    }

    fn hole_below(&self, parent: &str) -> String {
        let path = format!("args.{parent}.{}", self.name);
        if self.required {
            format!("{{{path}}}")
        } else {
            format!("{{has({path}) ? {path} : \"-\"}}")
        }
    }

    /// The template that sends it; `None` where it would be absent and cannot be.
    pub(super) fn sent(&self, json: bool) -> Option<String> {
        let path = format!("args.{}", self.name);
        match &self.kind {
            Type::Decimal | Type::Id { number: true, .. } if json && self.required => {
                Some(format!("=json_number(decimal({path}))"))
            }
            Type::Decimal | Type::Id { number: true, .. } if json => None,
            Type::List(item) if item.role.is_some() => None,
            // A card cannot show what may be absent as a whole.
            Type::Object(fields) if !self.required && fields.iter().any(Self::is_written_role) => {
                None
            }
            Type::Id { .. }
            | Type::Text(_)
            | Type::Format(_)
            | Type::OneOf(_)
            | Type::Integer { .. }
            | Type::Decimal
            | Type::Bool
            | Type::List(_)
            | Type::Object(_) => Some(format!("={path}")),
        }
    }

    /// Writes the argument.
    pub(super) fn write(&self, page: &mut Page) {
        for decide in &self.decide {
            page.decide(decide);
        }
        page.below(format!("{}:", self.name), |page| self.body(page));
    }

    fn body(&self, page: &mut Page) {
        self.kind.write(page);
        if !self.sources().is_empty() {
            page.line(format!("from: {}", self.sources()));
        }
        if let Some(role) = self.role.filter(|_| !matches!(self.kind, Type::OneOf(_))) {
            page.line(format!("role: {role}"));
        }
        if matches!(self.kind, Type::Bool) {
            page.line("default: false");
        } else if !self.required {
            page.line("required: false");
        }
        if !self.about.is_empty() {
            page.line(format!("about: {}", quoted(&self.about)));
        }
        if !self.obtain.is_empty() {
            page.below("obtain:", |page| {
                for Yielded { tool, at, called, .. } in &self.obtain {
                    let by =
                        called.as_ref().map_or_else(String::new, |by| format!(", match: {by}"));
                    page.line(format!("- {{ tool: {tool}, at: {at}{by} }}"));
                }
            });
        }
    }
}

fn id(pattern: &str, number: bool) -> Type {
    Type::Id { pattern: pattern.to_owned(), number }
}

impl Type {
    fn write(&self, page: &mut Page) {
        match self {
            Self::Id { pattern, .. } => {
                page.line("type: string");
                page.line(format!("pattern: {}", verbatim(pattern)));
            }
            Self::Text(longest) => {
                page.line("type: string");
                page.line(format!("maxLength: {longest}"));
            }
            Self::Format(format) => {
                page.line("type: string");
                page.line(format!("format: {format}"));
            }
            Self::OneOf(values) => {
                let values: Vec<_> = values.iter().map(|v| quoted(v)).collect();
                page.line(format!("enum: [{}]", values.join(", ")));
            }
            Self::Integer { least, most } => {
                page.line("type: integer");
                least.iter().for_each(|n| page.line(format!("minimum: {n}")));
                most.iter().for_each(|n| page.line(format!("maximum: {n}")));
            }
            Self::Decimal => {
                page.line("type: string");
                page.line(format!("pattern: {}", verbatim(NUMBER)));
            }
            Self::Bool => page.line("type: boolean"),
            Self::List(item) => {
                page.line("type: array");
                page.line("minItems: 1");
                page.line("maxItems: 20");
                page.below("items:", |page| item.body(page));
            }
            Self::Object(fields) => {
                page.line("type: object");
                page.below("properties:", |page| fields.iter().for_each(|field| field.write(page)));
            }
        }
    }
}

/// What a read's argument is found by in a sentence, where a name says so.
pub(super) fn is_said(name: &str) -> bool {
    is_label(name)
}
