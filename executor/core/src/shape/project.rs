//! From a raw answer to typed values. Nothing that is not declared gets through.

use std::collections::BTreeMap;

use countersign_shared::money::{Currency, Money};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::Value as Json;

use super::{Fact, Field, FieldProblem, Kind, MoneyAt, ProjectError, Why};
use crate::value::Value;

/// Most problems that are named.
const MAX_PROBLEMS: usize = 20;

pub(super) fn project(root: &Field, raw: &Json) -> Result<Value, ProjectError> {
    let mut projection = Projection::default();
    let value = projection.place(root, raw);
    if projection.problems.is_empty() {
        Ok(value.unwrap_or(Value::Null))
    } else {
        Err(ProjectError { problems: projection.problems })
    }
}

#[derive(Default)]
struct Projection {
    /// Where in the output.
    field: Vec<String>,
    /// Where in the answer.
    at: String,
    /// Inside how many lists.
    lists: usize,
    problems: Vec<FieldProblem>,
}

impl Projection {
    /// One place below `here`; `None` once a problem has been noted.
    fn place(&mut self, field: &Field, here: &Json) -> Option<Value> {
        let found = here.pointer(&field.at).unwrap_or(&Json::Null);
        let outer = self.at.len();
        self.at.push_str(&field.at);
        let value = if is_absent(field, found) {
            self.absent(field, found)
        } else {
            self.present(field, found)
        };
        self.at.truncate(outer);
        value
    }

    fn absent(&mut self, field: &Field, found: &Json) -> Option<Value> {
        if field.optional {
            return Some(Value::Null);
        }
        match &field.kind {
            // An empty answer still has the fields that may be absent, and is named
            // for the others.
            Kind::Object(fields) if self.field.is_empty() || may_be_absent(fields) => {
                self.fields(fields, found)
            }
            Kind::Object(_) | Kind::Fact(_) | Kind::Text(_) | Kind::List { .. } => {
                self.problem(Why::Missing)
            }
        }
    }

    fn present(&mut self, field: &Field, found: &Json) -> Option<Value> {
        match &field.kind {
            Kind::Fact(Fact::Money(money)) => self.money(money, found),
            Kind::Fact(fact) => self.noted(fact.read(found)),
            Kind::Text(cap) => self.noted(text(found, *cap)),
            Kind::Object(fields) if found.is_object() || is_wrapper(fields) => {
                self.fields(fields, found)
            }
            Kind::Object(_) => self.problem(Why::NotA("an object")),
            Kind::List { max, drop_more, of } => self.list(*max, *drop_more, of, found),
        }
    }

    fn fields(&mut self, fields: &BTreeMap<String, Field>, here: &Json) -> Option<Value> {
        let mut out = BTreeMap::new();
        for (name, field) in fields {
            self.field.push(name.clone());
            let value = self.place(field, here);
            self.field.pop();
            out.insert(name.clone(), value.unwrap_or(Value::Null));
        }
        Some(Value::Object(out))
    }

    fn list(&mut self, max: usize, drop_more: bool, of: &Field, found: &Json) -> Option<Value> {
        let Json::Array(items) = found else { return self.problem(Why::NotA("a list")) };
        if items.len() > max && !drop_more {
            return self.problem(Why::TooLong { length: items.len(), max });
        }
        let outer = self.at.len();
        let mut out = Vec::new();
        self.lists += 1;
        for (index, item) in items.iter().take(max).enumerate() {
            self.at.push_str(&format!("/{index}"));
            out.push(self.place(of, item).unwrap_or(Value::Null));
            self.at.truncate(outer);
        }
        self.lists -= 1;
        Some(Value::List(out))
    }

    fn money(&mut self, at: &MoneyAt, here: &Json) -> Option<Value> {
        let money = at.read(here);
        let outer = self.at.len();
        self.at.push_str(&at.amount);
        let value = self.noted(money);
        self.at.truncate(outer);
        value
    }

    fn noted(&mut self, read: Result<Value, Why>) -> Option<Value> {
        read.map_err(|why| self.problem::<()>(why)).ok()
    }

    fn problem<T>(&mut self, why: Why) -> Option<T> {
        if self.problems.len() < MAX_PROBLEMS {
            let (field, at, in_element) = (self.field.clone(), self.at.clone(), self.lists > 0);
            self.problems.push(FieldProblem { field, at, in_element, why });
        }
        None
    }
}

fn is_absent(field: &Field, found: &Json) -> bool {
    match &field.kind {
        Kind::Fact(Fact::Money(money)) => money.is_absent(found),
        Kind::Fact(_) | Kind::Text(_) | Kind::Object(_) | Kind::List { .. } => found.is_null(),
    }
}

/// Whether an object of these fields can be made from nothing.
fn may_be_absent(fields: &BTreeMap<String, Field>) -> bool {
    fields.values().all(|field| match &field.kind {
        Kind::Object(fields) => field.optional || may_be_absent(fields),
        Kind::Fact(_) | Kind::Text(_) | Kind::List { .. } => field.optional,
    })
}

/// Whether one of the fields is the place itself (`at: ""`), which then need not
/// be an object: that field says what it has to be.
fn is_wrapper(fields: &BTreeMap<String, Field>) -> bool {
    fields.values().filter(|field| field.at.is_empty()).any(|field| match &field.kind {
        Kind::Fact(Fact::Money(_)) => false,
        Kind::Fact(_) | Kind::Text(_) | Kind::List { .. } => true,
        Kind::Object(fields) => is_wrapper(fields),
    })
}

fn text(found: &Json, cap: usize) -> Result<Value, Why> {
    let text = found.as_str().ok_or(Why::NotA("a string"))?;
    Ok(Value::Str(text.chars().take(cap).collect()))
}

impl MoneyAt {
    fn is_absent(&self, here: &Json) -> bool {
        let absent = |pointer: &str| here.pointer(pointer).is_none_or(Json::is_null);
        absent(&self.amount) || (self.currency.starts_with('/') && absent(&self.currency))
    }

    fn read(&self, here: &Json) -> Result<Value, Why> {
        const WHY: Why = Why::NotA("an exact amount of a known currency");
        let code = if self.currency.starts_with('/') {
            here.pointer(&self.currency).and_then(Json::as_str).ok_or(WHY)?
        } else {
            &self.currency
        };
        let currency: Currency = code.to_ascii_uppercase().parse().map_err(|_| WHY)?;
        let amount = here.pointer(&self.amount).unwrap_or(&Json::Null);
        let money = if self.minor {
            Money::from_minor(int(amount).ok_or(WHY)?, currency)
        } else {
            Money::from_decimal(decimal(amount).ok_or(WHY)?, currency).map_err(|_| WHY)?
        };
        Ok(Value::Money(money))
    }
}

impl Fact {
    fn read(&self, found: &Json) -> Result<Value, Why> {
        match self {
            Self::Id(pattern) => {
                let id = match found {
                    Json::String(id) => id.clone(),
                    Json::Number(n) if n.is_i64() || n.is_u64() => n.to_string(),
                    Json::Null
                    | Json::Bool(_)
                    | Json::Number(_)
                    | Json::Array(_)
                    | Json::Object(_) => return Err(Why::NotA("an id")),
                };
                let closed = pattern
                    .as_ref()
                    .map_or_else(|| id.bytes().all(|b| b.is_ascii_graphic()), |p| p.is_match(&id));
                let sized = (1..=255).contains(&id.len());
                if closed && sized { Ok(Value::Str(id)) } else { Err(Why::Pattern) }
            }
            Self::OneOf(values) => {
                let found = found.as_str().ok_or(Why::NotA("a string"))?;
                let known = values.iter().any(|value| value == found);
                known.then(|| Value::Str(found.to_owned())).ok_or(Why::Unexpected)
            }
            Self::Bool => found.as_bool().map(Value::Bool).ok_or(Why::NotA("true or false")),
            Self::Int => int(found).map(Value::Int).ok_or(Why::NotA("a whole number")),
            Self::Decimal => decimal(found).map(Value::Decimal).ok_or(Why::NotA("a decimal")),
            Self::Time => time(found).map(Value::Time).ok_or(Why::NotA("a point in time")),
            Self::Money(money) => money.read(found),
        }
    }
}

fn int(found: &Json) -> Option<i64> {
    match found {
        Json::Number(n) => n.as_i64(),
        Json::String(s) => s.parse().ok().filter(|n: &i64| n.to_string() == *s),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

/// A JSON number has passed through a double: past 15 digits it may have changed.
fn decimal(found: &Json) -> Option<Decimal> {
    match found {
        Json::String(s) => Decimal::from_str_exact(s).ok(),
        Json::Number(n) => {
            let text = n.to_string();
            let digits = text.bytes().filter(u8::is_ascii_digit).count();
            (digits <= 15).then(|| Decimal::from_str_exact(&text).ok()).flatten()
        }
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

fn time(found: &Json) -> Option<Timestamp> {
    match found {
        Json::String(s) => s.parse().ok(),
        Json::Number(n) => Timestamp::from_second(n.as_i64()?).ok(),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}
