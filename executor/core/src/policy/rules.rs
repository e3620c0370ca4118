//! `policy.cedar`: who may do what. Cedar skips a policy that it cannot evaluate;
//! here any error refuses (ERRORS REFUSE).

mod load;
mod resource;
mod sorted;

use std::collections::BTreeSet;

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid,
    ParseErrors, Request, RestrictedExpression as Value,
};
use countersign_shared::money::Money;

use super::Verb;
use crate::contract::Contract;

pub(super) use load::read;
pub use resource::Resource;
use sorted::{Set, Sorted, Words};

/// The schema that policies are checked against: the one source of it.
pub const SCHEMA: &str = include_str!("../../../policy/schema.cedarschema");

/// Checked policies, each under its `@id`.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    policies: Sorted,
    names: Names,
}

/// Names of the schema, parsed once.
#[derive(Debug, Clone)]
struct Names {
    customer: EntityTypeName,
    staff: EntityTypeName,
    action: EntityTypeName,
}

/// Who asks, in Cedar's terms.
pub(super) struct Principal<'a> {
    pub(super) staff: bool,
    pub(super) id: String,
    pub(super) segment: &'a str,
    pub(super) strength: i64,
    pub(super) scopes: &'a BTreeSet<String>,
    pub(super) roles: BTreeSet<&'a str>,
}

/// What is asked, in Cedar's terms.
pub(super) struct Ask<'a> {
    pub(super) verb: Verb,
    pub(super) contract: &'a Contract,
    pub(super) tenant: &'a str,
    pub(super) workload: &'a str,
    pub(super) channel: &'a str,
    pub(super) conversation: &'a str,
    pub(super) money: Option<Money>,
    pub(super) mode: &'a str,
    pub(super) confidence: f64,
}

/// What the policies say together.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ruling {
    /// These permit, and none forbids.
    Permitted(Vec<String>),
    /// These forbid.
    Forbidden(Vec<String>),
    /// No policy speaks for it.
    Unpermitted,
    /// A policy cannot be evaluated.
    Failed(String),
}

impl Rules {
    /// Asks every policy.
    pub(super) fn rule(&self, who: &Principal<'_>, what: &Ask<'_>) -> Ruling {
        let Some(Set { policies, words, .. }) = self.policies.of(who.staff, what.verb) else {
            return Ruling::Unpermitted;
        };
        let (request, entities) = match self.pose(who, what, words) {
            Ok(posed) => posed,
            Err(why) => return Ruling::Failed(why),
        };
        let response = Authorizer::new().is_authorized(&request, policies, &entities);
        let said = response.diagnostics();
        let errors: Vec<_> = said.errors().map(ToString::to_string).collect();
        if !errors.is_empty() {
            return Ruling::Failed(errors.join("; "));
        }
        let mut by: Vec<_> = said.reason().map(ToString::to_string).collect();
        by.sort();
        match response.decision() {
            Decision::Allow => Ruling::Permitted(by),
            Decision::Deny if by.is_empty() => Ruling::Unpermitted,
            Decision::Deny => Ruling::Forbidden(by),
        }
    }

    /// Whether it is refused by what is known before anything is proposed, whatever is.
    pub(super) fn refuse_before(&self, who: &Principal<'_>, what: &Ask<'_>) -> bool {
        let Some(Set { before, words, .. }) = self.policies.of(who.staff, what.verb) else {
            return true;
        };
        let Ok((request, entities)) = self.pose(who, what, words) else { return false };
        let response = Authorizer::new().is_authorized(&request, before, &entities);
        let failed = response.diagnostics().errors().next().is_some();
        response.decision() == Decision::Deny && !failed
    }

    fn pose(
        &self,
        who: &Principal<'_>,
        what: &Ask<'_>,
        words: &Words,
    ) -> Result<(Request, Entities), String> {
        let names = &self.names;
        let principal = uid(names.kind(who.staff), &who.id);
        let action = uid(&names.action, what.verb.name());
        let (tool, tools) = what.contract.resource.parts();
        let context = Context::from_pairs(context(what, words)).map_err(|e| e.to_string())?;
        let request = Request::new(principal.clone(), action, tool, context, None)
            .map_err(|e| e.to_string())?;
        let person = person(who, what.tenant, words);
        let person = Entity::new_with_tags(principal, person, [], []).map_err(|e| e.to_string())?;
        let entities = tools.add_entities([person], None).map_err(|e| e.to_string())?;
        Ok((request, entities))
    }
}

impl Names {
    fn kind(&self, staff: bool) -> &EntityTypeName {
        if staff { &self.staff } else { &self.customer }
    }

    fn new() -> Result<Self, ParseErrors> {
        Ok(Self {
            customer: "Customer".parse()?,
            staff: "Staff".parse()?,
            action: "Action".parse()?,
        })
    }
}

fn uid(of: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(of.clone(), EntityId::new(id))
}

fn person(who: &Principal<'_>, tenant: &str, words: &Words) -> Vec<(String, Value)> {
    let mut person = Told { words, fields: Vec::new() };
    person.add("tenant", || Some(text(tenant)));
    person.add("segment", || Some(text(who.segment)));
    person.add("strength", || Some(Value::new_long(who.strength)));
    person.add("scopes", || Some(Value::new_set(who.scopes.iter().map(|scope| text(scope)))));
    if who.staff {
        person.add("roles", || Some(Value::new_set(who.roles.iter().map(|role| text(role)))));
    }
    person.fields
}

fn context(what: &Ask<'_>, words: &Words) -> Vec<(String, Value)> {
    let mut context = Told { words, fields: Vec::new() };
    context.add("workload", || Some(text(what.workload)));
    context.add("channel", || Some(text(what.channel)));
    context.add("tenant", || Some(text(what.tenant)));
    context.add("mode", || Some(text(what.mode)));
    context.add("confidence", || Some(Value::new_long(thousandths(what.confidence))));
    let conversation = Some(what.conversation).filter(|id| !id.is_empty());
    context.add("conversation", || conversation.map(text));
    context.add("amount", || what.money.and_then(amount));
    context.fields
}

/// Attributes, as far as some policy asks for them.
struct Told<'w> {
    words: &'w Words,
    fields: Vec<(String, Value)>,
}

impl Told<'_> {
    fn add(&mut self, name: &str, value: impl FnOnce() -> Option<Value>) {
        if let Some(value) = self.words.know(name).then(value).flatten() {
            self.fields.push((name.to_owned(), value));
        }
    }
}

/// The parts' names are fixed and differ, so the record is always made.
fn amount(money: Money) -> Option<Value> {
    let minor = ("minor".to_owned(), Value::new_long(money.minor()));
    let currency = ("currency".to_owned(), text(money.currency().code()));
    Value::new_record([minor, currency]).ok()
}

fn text(value: &str) -> Value {
    Value::new_string(value.to_owned())
}

/// Rounded down; a score that is no number counts as none.
fn thousandths(score: f64) -> i64 {
    (score.clamp(0.0, 1.0) * 1000.0 + 1e-6) as i64
}
