//! A GET as a read.

use super::argument::{Argument, EXTRACT, is_said};
use super::document::Document;
use super::naming::{is_id, is_paging, owner};
use super::operation::{Operation, Parameter, Place, Segment};
use super::output::{Field, What, fields, label, owned};
use super::schema::{Kind, view};
use crate::contracts::new::page::{Page, quoted, scalar, sentence, singular, snake};

/// A read under draft.
#[derive(Debug)]
pub(super) struct Read<'d> {
    pub(super) operation: &'d Operation<'d>,
    /// Full name.
    pub(super) tool: String,
    pub(super) output: Vec<Field>,
    left_out: Vec<String>,
    /// Parameters, each with what fills it.
    parameters: Vec<Filled<'d>>,
}

/// An id that a read yields.
#[derive(Debug, Clone)]
pub(super) struct Yielded {
    /// The read.
    pub(super) tool: String,
    /// Pointer to the id.
    pub(super) at: String,
    /// Pointer to what people call the object.
    pub(super) called: Option<String>,
    /// What the id looks like.
    pub(super) pattern: Option<String>,
}

#[derive(Debug)]
struct Filled<'d> {
    parameter: &'d Parameter<'d>,
    by: By,
}

/// What fills a parameter.
#[derive(Debug)]
enum By {
    /// A claim of the subject.
    Claim(&'static str),
    Argument(Argument),
    /// It is left out.
    Nothing,
}

impl<'d> Read<'d> {
    pub(super) fn new(document: &'d Document, operation: &'d Operation<'d>, pack: &str) -> Self {
        let mut left_out = Vec::new();
        let output = output(document, operation, &mut left_out);
        let filled = |parameter: &'d Parameter<'d>| Filled {
            parameter,
            by: fill(document, operation, parameter),
        };
        Self {
            operation,
            tool: format!("{pack}.{}", operation.name),
            output,
            left_out,
            parameters: operation.parameters.iter().map(filled).collect(),
        }
    }

    /// The one list that its output is, with the list's fields.
    pub(super) fn list(&self) -> Option<(&str, &[Field])> {
        match self.output.as_slice() {
            [Field { name, what: What::List(fields), .. }] => Some((name, fields)),
            _ => None,
        }
    }

    /// The fields of one result.
    pub(super) fn result(&self) -> &[Field] {
        self.list().map_or(&self.output, |(_, fields)| fields)
    }

    /// What one result is: `payment`.
    pub(super) fn stem(&self) -> String {
        self.operation.last_word().map(|word| singular(&snake(word))).unwrap_or_default()
    }

    /// Path of its owner and the claim.
    pub(super) fn owner(&self) -> Option<(String, &'static str)> {
        match self.list() {
            Some((list, fields)) => {
                owned(fields).map(|(path, claim)| (format!("{list}.{path}"), claim))
            }
            None => owned(&self.output),
        }
    }

    /// Claims that it names.
    pub(super) fn claims(&self) -> impl Iterator<Item = &'static str> {
        let filled = self.parameters.iter().filter_map(|filled| match filled.by {
            By::Claim(claim) => Some(claim),
            By::Argument(_) | By::Nothing => None,
        });
        filled.chain(self.owner().map(|(_, claim)| claim))
    }

    /// Its arguments that must be given.
    pub(super) fn needs(&self) -> impl Iterator<Item = &str> {
        self.arguments().filter(|argument| argument.required).map(|argument| argument.name.as_str())
    }

    fn arguments(&self) -> impl Iterator<Item = &Argument> {
        self.parameters.iter().filter_map(|filled| match &filled.by {
            By::Argument(argument) => Some(argument),
            By::Claim(_) | By::Nothing => None,
        })
    }

    /// Whether it finds one such object by what that shows under the same name.
    pub(super) fn finds_by(&self, stem: &str, name: &str) -> bool {
        self.list().is_none()
            && self.operation.is_one()
            && self.stem() == stem
            && self.needs().any(|need| need == name)
            && self.output.iter().any(|field| field.name == name)
    }

    /// Where it yields ids of such objects, without needing `id` itself.
    pub(super) fn yields(&self, stem: &str, id: &str) -> Option<Yielded> {
        if self.stem() != stem || self.needs().any(|need| need == id) {
            return None;
        }
        let (list, fields) = self.list()?;
        let own = fields
            .iter()
            .find(|f| matches!(f.what, What::Id(_)) && (f.name == "id" || f.name == id))?;
        let called = label(fields).filter(|f| f.name != own.name);
        let at = |field: &Field| format!("/{list}/*/{}", field.name);
        let pattern = if let What::Id(pattern) = &own.what { pattern.clone() } else { None };
        Some(Yielded { tool: self.tool.clone(), at: at(own), called: called.map(at), pattern })
    }

    /// The contract's text.
    pub(super) fn page(&self, reads: &[Self]) -> String {
        let mut page = Page::default();
        page.line(format!("tool: {}", self.tool));
        page.line(format!("summary: {}", quoted(&self.operation.summary)));
        self.examples(&mut page);
        page.line("effect: none");
        self.write_arguments(&mut page, reads);
        page.below("do:", |page| self.call(page));
        self.write_output(&mut page);
        self.write_owner(&mut page);
        if let Some(field) = label(self.result()) {
            page.line(format!("label: {}", quoted(&format!("{{{}}}", field.name))));
        }
        page.finish()
    }

    /// A read that takes an id from another read is a stepping stone.
    fn examples(&self, page: &mut Page) {
        let stone = self.arguments().any(|argument| is_id(&argument.name));
        if !stone {
            let example = sentence(&self.operation.summary, 120).to_lowercase();
            page.below("examples:", |page| {
                let line = format!("- {}", quoted(example.trim_end_matches('.')));
                page.marked(line, "what do customers say when they mean it? Ten and more are good; none if nobody asks for it");
            });
        }
    }

    fn write_arguments(&self, page: &mut Page, reads: &[Self]) {
        if self.arguments().next().is_some() {
            page.below("arguments:", |page| {
                for argument in self.arguments() {
                    let argument = argument.clone().obtained(reads, &self.operation.name);
                    if is_said(&argument.name) {
                        page.decide(EXTRACT);
                    }
                    argument.write(page);
                }
            });
        }
        let left: Vec<_> = self.parameters.iter().filter(|f| matches!(f.by, By::Nothing)).collect();
        if !left.is_empty() {
            let names: Vec<_> = left.iter().map(|f| f.parameter.name.as_str()).collect();
            page.remark(&format!("Left out: {}.", sentence(&names.join(", "), 200)));
        }
        if left.iter().any(|f| f.parameter.required) {
            page.decide("a parameter that must be there could not be drafted");
        }
    }

    fn call(&self, page: &mut Page) {
        page.below("http:", |page| {
            page.line("method: GET");
            page.line(format!(
                "path: [{}]",
                path(self.operation, |name| self.filling(name, Place::Path))
            ));
            for (place, key) in [(Place::Query, "query"), (Place::Header, "headers")] {
                let filled: Vec<_> = self
                    .parameters
                    .iter()
                    .filter(|f| f.parameter.place == place)
                    .filter_map(|f| {
                        Some((&f.parameter.name, self.filling(&f.parameter.name, place)?))
                    })
                    .map(|(name, value)| format!("{}: {}", scalar(name), scalar(&value)))
                    .collect();
                if !filled.is_empty() {
                    page.line(format!("{key}: {{ {} }}", filled.join(", ")));
                }
            }
        });
        page.line(accept(self.operation));
        if self.operation.refusals.contains(&404) {
            page.line(
                "errors: { by_status: [ { status: 404, code: NOT_FOUND, class: terminal } ] }",
            );
        }
        if self.list().is_some() && self.parameters.iter().any(|f| is_paging(&f.parameter.name)) {
            page.decide("the list comes in pages. Follow them: pages: { next: /next_cursor, into: cursor, list: /data, max: 5 }");
        }
    }

    fn filling(&self, name: &str, place: Place) -> Option<String> {
        let same = |f: &&Filled<'_>| f.parameter.name == name && f.parameter.place == place;
        match &self.parameters.iter().find(same)?.by {
            By::Claim(claim) => Some(format!("=subject.{claim}")),
            By::Argument(argument) => argument.sent(false),
            By::Nothing => None,
        }
    }

    fn write_output(&self, page: &mut Page) {
        if self.output.is_empty() {
            page.decide("the description does not say what is answered. Name here, under `output:`, what may leave the executor");
            return;
        }
        page.below("output:", |page| self.output.iter().for_each(|field| field.write(page)));
        if !self.left_out.is_empty() {
            let names = sentence(&self.left_out.join(", "), 200);
            page.remark(&format!("Left out of the answer: {names}."));
        }
    }

    fn write_owner(&self, page: &mut Page) {
        match self.owner() {
            Some((path, claim)) => {
                let line = format!("subject: {path} == subject.{claim}");
                page.marked(line, "is that whose it is, and does the customer's token carry this claim?");
            }
            None => page.decide("whose is it? Write subject: PATH == subject.CLAIM, or leave it out where anybody may see it"),
        }
    }
}

fn fill(document: &Document, operation: &Operation<'_>, parameter: &Parameter<'_>) -> By {
    let name = parameter_name(operation, parameter);
    let unwanted = parameter.place == Place::Cookie
        || (parameter.place == Place::Header && !parameter.required)
        || is_paging(&name);
    if unwanted && !parameter.required {
        return By::Nothing;
    }
    // A path that begins at the customer is scoped by the customer's own claim.
    if let Some((_, claim)) = owner(&name) {
        return By::Claim(claim);
    }
    let argument = Argument::new(document, &name, parameter.schema, parameter.required);
    match argument.filter(Argument::is_scalar) {
        Some(argument) => By::Argument(argument.described(&parameter.about)),
        None => By::Nothing,
    }
}

/// `id` in `/payments/{id}` is `payment_id`.
pub(super) fn parameter_name(operation: &Operation<'_>, parameter: &Parameter<'_>) -> String {
    let bare = matches!(snake(&parameter.name).as_str(), "id" | "uuid" | "key" | "slug");
    match operation.stem_of(&parameter.name) {
        Some(stem) if bare && parameter.place == Place::Path => format!("{stem}_id"),
        Some(_) | None => parameter.name.clone(),
    }
}

/// The segments of a path as a template.
pub(super) fn path(operation: &Operation<'_>, fill: impl Fn(&str) -> Option<String>) -> String {
    let segments = operation.path.iter().map(|segment| match segment {
        Segment::Fixed(text) => scalar(text),
        Segment::Given { name, before, after } => {
            let value = fill(name).unwrap_or_else(|| "=args.UNKNOWN".to_owned());
            if before.is_empty() && after.is_empty() {
                return scalar(&value);
            }
            let value = value.trim_start_matches('=');
            quoted(&format!("={} + {value} + {}", quoted(before), quoted(after)))
        }
    });
    segments.collect::<Vec<_>>().join(", ")
}

pub(super) fn accept(operation: &Operation<'_>) -> String {
    let statuses: Vec<_> = operation.accept.iter().map(u16::to_string).collect();
    format!("accept: [{}]", statuses.join(", "))
}

/// The output; of a list in an envelope, the list alone.
pub(super) fn output(
    document: &Document,
    operation: &Operation<'_>,
    left_out: &mut Vec<String>,
) -> Vec<Field> {
    let Some(schema) = operation.answer else { return Vec::new() };
    let name = operation
        .last_word()
        .map(snake)
        .filter(|n| !n.is_empty())
        .unwrap_or_else(|| "items".to_owned());
    let list = |at: &str, items: Vec<Field>| Field {
        name: name.clone(),
        at: at.to_owned(),
        optional: false,
        what: What::List(items),
        decide: None,
    };
    if let Kind::List(items) = view(document, schema).kind {
        let items = fields(document, items, 1, left_out);
        return if items.is_empty() { Vec::new() } else { vec![list("", items)] };
    }
    let mut found = fields(document, schema, 0, left_out);
    let lists = found.iter().filter(|f| matches!(f.what, What::List(_))).count();
    // Lists are asked for by the plural; whatever else is there is about the list.
    if !operation.is_one() && lists == 1 && !found.iter().any(|f| is_id(&f.name)) {
        let others = found.iter().filter(|f| !matches!(f.what, What::List(_)));
        left_out.extend(others.map(|f| f.name.clone()));
        found.retain(|f| matches!(f.what, What::List(_)));
        for field in &mut found {
            field.name.clone_from(&name);
            field.optional = false;
        }
    }
    unwrapped(found)
}

/// `{ data: { … } }` is what is inside.
fn unwrapped(found: Vec<Field>) -> Vec<Field> {
    let [Field { at: outer, what: What::Object(inner), .. }] = found.as_slice() else {
        return found;
    };
    let prefixed = |field: &Field| {
        let mut field = field.clone();
        field.at.insert_str(0, outer);
        if let What::Money { currency, .. } = &mut field.what {
            currency.insert_str(0, outer);
        }
        field
    };
    inner.iter().map(prefixed).collect()
}
