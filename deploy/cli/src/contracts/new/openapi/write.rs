//! POST, PUT, PATCH and DELETE as writes. What makes a resend safe, who owns the
//! object and how its effect is found are guesses or left open.

mod body;
mod effect;
mod text;

use serde_json::Value as Json;

use self::body::{Members, members};
use self::effect::Class;
use super::argument::Argument;
use super::document::Document;
use super::naming::owner;
use super::operation::{Operation, Parameter, Place};
use super::output::{Field, What, owned};
use super::read::{Read, accept, output, parameter_name, path};
use super::verify::{self, Ids, Known, Look};
use crate::contracts::new::page::{Page, quoted, scalar, sentence};

/// A drafted write.
pub(super) struct Drafted {
    pub(super) page: String,
    pub(super) claims: Vec<&'static str>,
}

/// A write under draft.
struct Write<'a> {
    operation: &'a Operation<'a>,
    tool: String,
    class: Class,
    reads: &'a [Read<'a>],
    /// Templates of parameters: place, name, template.
    filled: Vec<(Place, String, String)>,
    members: Members,
    arguments: Vec<Argument>,
    fresh: Vec<(String, &'a Read<'a>)>,
    look: Option<Look<'a>>,
    money: Option<String>,
    answer_id: Option<String>,
    claims: Vec<&'static str>,
    /// Parameters that must be there and could not be drafted.
    open: Vec<String>,
}

/// Drafts a write.
pub(super) fn draft<'a>(
    document: &'a Document,
    operation: &'a Operation<'a>,
    pack: &str,
    reads: &'a [Read<'a>],
    all: &[Operation<'_>],
) -> Drafted {
    let mut write = Write {
        operation,
        tool: format!("{pack}.{}", operation.name),
        class: effect::class(document, operation, all),
        reads,
        filled: Vec::new(),
        members: Members::default(),
        arguments: Vec::new(),
        fresh: Vec::new(),
        look: None,
        money: None,
        answer_id: answer_id(document, operation),
        claims: Vec::new(),
        open: Vec::new(),
    };
    write.parameters(document);
    write.body(document);
    let page = write.page();
    Drafted { page, claims: write.claims }
}

/// JSON Pointer of the made object's id in the answer.
fn answer_id(document: &Document, operation: &Operation<'_>) -> Option<String> {
    let fields = output(document, operation, &mut Vec::new());
    let id = |fields: &[Field]| {
        fields
            .iter()
            .find(|f| f.name == "id" && matches!(f.what, What::Id(_)))
            .map(|f| f.at.clone())
    };
    id(&fields).or_else(|| {
        fields.iter().find_map(|field| {
            let What::Object(inner) = &field.what else { return None };
            id(inner).map(|at| format!("{}{at}", field.at))
        })
    })
}

impl<'a> Write<'a> {
    fn parameters(&mut self, document: &Document) {
        let last = self.operation.path.last();
        for parameter in &self.operation.parameters {
            let name = parameter_name(self.operation, parameter);
            let is_last = matches!(last, Some(super::operation::Segment::Given { name, .. }) if *name == parameter.name);
            let value =
                if self.class == Class::ClientId && parameter.place == Place::Path && is_last {
                    "=key".to_owned()
                } else if self.class.is_key(&parameter.name) || !parameter.required {
                    continue;
                } else if let Some((_, claim)) = owner(&name) {
                    self.claims.push(claim);
                    format!("=subject.{claim}")
                } else {
                    match Argument::new(document, &name, parameter.schema, true)
                        .filter(Argument::is_scalar)
                    {
                        Some(argument) => {
                            let argument = argument.described(&parameter.about);
                            self.argument(self.named(parameter, argument))
                        }
                        None => {
                            self.open.push(parameter.name.clone());
                            continue;
                        }
                    }
                };
            self.filled.push((parameter.place, parameter.name.clone(), value));
        }
    }

    /// `{number}` in `/orders/{number}/cancel` is the order's name, where a read of the order takes
    /// it and shows it.
    fn named(&self, parameter: &Parameter<'_>, argument: Argument) -> Argument {
        let inside = parameter.place == Place::Path && argument.object().is_none();
        let object = self.operation.stem_of(&parameter.name).filter(|_| inside);
        match object {
            Some(object) if self.reads.iter().any(|r| r.finds_by(&object, &argument.name)) => {
                argument.naming(object)
            }
            Some(_) | None => argument,
        }
    }

    /// Takes an argument in and says how it is sent outside a JSON body.
    fn argument(&mut self, argument: Argument) -> String {
        let value = argument.sent(false).unwrap_or_default();
        self.arguments.push(argument.obtained(self.reads, &self.operation.name));
        value
    }

    /// Ids first: they say what is read, and what is read says what money moves.
    fn body(&mut self, document: &Document) {
        let ids = body::ids(document, self.operation, &self.class);
        let named = ids.into_iter().filter(|id| !self.arguments.iter().any(|a| a.name == id.name));
        let with_ids: Vec<Argument> = self.arguments.iter().cloned().chain(named).collect();
        self.fresh = verify::fresh(self.reads, &with_ids);
        self.look = verify::look(self.operation, self.reads, &with_ids, self.own_ids());
        let money = self.fresh.iter().find_map(|(name, read)| money_of(name, read.result()));
        let shows = |member: &str| self.look.as_ref().is_some_and(|look| look.shows(member));
        self.members = members(document, self.operation, &self.class, money.as_deref(), shows);
        if self.members.moves_money {
            self.money = money;
        }
        let taken = std::mem::take(&mut self.members.arguments);
        // A member that is in the path as well is one argument, sent twice.
        for argument in taken {
            if self.arguments.iter().any(|known| known.name == argument.name) {
                continue;
            }
            self.arguments.push(argument.obtained(self.reads, &self.operation.name));
        }
        self.claims.extend(self.members.claims.iter().copied());
        self.claims.extend(self.owner().map(|(_, claim)| claim));
    }

    fn own_ids(&self) -> Ids {
        Ids { answer_id: self.answer_id.is_some(), keyed_id: self.class == Class::ClientId }
    }

    /// Whose the object is, on a fresh read.
    fn owner(&self) -> Option<(String, &'static str)> {
        self.fresh.iter().find_map(|(name, read)| {
            let (path, claim) = owned(read.result())?;
            Some((format!("state.{name}.{path}"), claim))
        })
    }

    fn page(&self) -> String {
        let mut page = Page::default();
        page.line(format!("tool: {}", self.tool));
        page.line(format!("summary: {}", quoted(&self.operation.summary)));
        page.below("examples:", |page| {
            let line = format!("- {}", quoted(&text::example(self.operation)));
            page.marked(line, "what do customers say when they mean it? Ten and more are good");
        });
        effect::write(&mut page, &self.class, self.operation, self.members.moves_money);
        self.write_arguments(&mut page);
        self.write_gates(&mut page);
        page.below("do:", |page| self.write_call(page));
        let known = Known {
            arguments: &self.arguments,
            marker: self.members.marker.as_deref(),
            ids: self.own_ids(),

            moves_money: self.money.is_some(),
        };
        verify::write(&mut page, self.look.as_ref(), &known);
        page.line("compensate: none");
        text::say(&mut page, self.operation);
        page.finish()
    }

    fn write_arguments(&self, page: &mut Page) {
        if !self.arguments.is_empty() {
            page.below("arguments:", |page| self.arguments.iter().for_each(|a| a.write(page)));
        }
        if !self.members.left_out.is_empty() {
            let names = sentence(&self.members.left_out.join(", "), 200);
            page.remark(&format!("The service takes these too: {names}."));
        }
        for name in self.open.iter().chain(&self.members.open) {
            page.decide(&format!("`{}` must be sent and could not be drafted", sentence(name, 60)));
        }
    }

    fn write_gates(&self, page: &mut Page) {
        if self.fresh.is_empty() {
            page.decide("no read shows what this acts on. Write one, then: read: { NAME: { tool: PACK.READ, with: { … } } }");
        } else {
            page.below("read:", |page| {
                for (name, read) in &self.fresh {
                    let with: Vec<_> =
                        read.needs().map(|need| format!("{need}: =args.{need}")).collect();
                    page.line(format!(
                        "{name}: {{ tool: {}, with: {{ {} }} }}",
                        read.tool,
                        with.join(", ")
                    ));
                }
            });
        }
        match self.owner() {
            Some((path, claim)) => page.marked(
                format!("subject: {path} == subject.{claim}"),
                "is that whose it is, and does the customer's token carry this claim?",
            ),
            None => {
                page.decide("whose is the object? Write subject: state.NAME.OWNER == subject.CLAIM")
            }
        }
        self.write_identity(page);
        match &self.money {
            Some(money) => page.marked(
                format!("money: {money}"),
                "is that what moves? A part of it is an argument with role: amount",
            ),
            None if self.members.moves_money => {
                page.decide("which money moves? Write money: …, best from a fresh read")
            }
            None => {}
        }
        page.decide(
            "what must be true before it may happen? Write require: [ { code: …, that: … } ]",
        );
        page.line("confidence: { floor: 0.85 }");
        page.line("confirm: customer");
        let card = text::card(self.operation, &self.arguments, &self.fresh, self.money.is_some());
        page.marked(format!("card: {}", quoted(&card)), "say it in your customers' words");
    }

    fn write_identity(&self, page: &mut Page) {
        let certain: Vec<_> = self.arguments.iter().filter(|a| a.required).collect();
        let ids: Vec<_> =
            certain.iter().filter(|a| a.is_name()).map(|a| format!("args.{}", a.name)).collect();
        let all: Vec<_> = certain.iter().map(|a| format!("args.{}", a.name)).collect();
        let or_subject = |list: &[String]| {
            if list.is_empty() { "subject.id".to_owned() } else { list.join(", ") }
        };
        page.line(format!("locks: [{}]", or_subject(&ids)));
        page.marked(format!("intent: [{}]", or_subject(&all)), "what makes two requests the same?");
    }

    fn write_call(&self, page: &mut Page) {
        page.below("http:", |page| {
            page.line(format!("method: {}", self.operation.method));
            let fill = |name: &str| {
                self.filled
                    .iter()
                    .find(|(place, n, _)| *place == Place::Path && n == name)
                    .map(|(.., v)| v.clone())
            };
            page.line(format!("path: [{}]", path(self.operation, fill)));
            for (place, key) in [(Place::Query, "query"), (Place::Header, "headers")] {
                let members: Vec<_> = self
                    .filled
                    .iter()
                    .filter(|(p, ..)| *p == place)
                    .map(|(_, name, value)| format!("{}: {}", scalar(name), scalar(value)))
                    .collect();
                if !members.is_empty() {
                    page.line(format!("{key}: {{ {} }}", members.join(", ")));
                }
            }
            self.members.write(page, self.operation);
        });
        if let Class::ServerKey(place) = &self.class {
            page.line(format!("key: {place}"));
        }
        page.line(accept(self.operation));
        effect::refusals(page, self.operation);
        if let Some(at) = &self.answer_id {
            page.line(format!(
                "response: {{ id: {{ fact: id, at: {}, optional: true }} }}",
                scalar(at)
            ));
        }
    }
}

/// The first money of a fresh read that is always there.
fn money_of(name: &str, fields: &[Field]) -> Option<String> {
    let money = fields.iter().find(|f| matches!(f.what, What::Money { .. }) && f.is_certain())?;
    Some(format!("state.{name}.{}", money.name))
}

/// The schema of a body, if it has one.
fn schema<'d>(operation: &Operation<'d>) -> Option<&'d Json> {
    operation.body.as_ref().map(|body| body.schema)
}
