//! Evaluation: total, bounded, without side effects.

use std::borrow::Cow;
use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::functions;
use super::node::{Loop, Node, Order};
use super::types::name_of;
use super::{EvalError, MAX_LIST, MAX_STEPS, Scope};
use crate::value::Value;

/// The value of a tree in a scope.
pub(super) fn evaluate(node: &Node, scope: &Scope) -> Result<Value, EvalError> {
    let run = Run { scope, steps: Cell::new(MAX_STEPS) };
    run.eval(node, None).map(Cow::into_owned)
}

type Found<'a> = Result<Cow<'a, Value>, EvalError>;

struct Run<'s> {
    scope: &'s Scope,
    /// Steps left.
    steps: Cell<u64>,
}

/// The elements that the loops around a node stand at.
struct Standing<'a> {
    item: &'a Value,
    depth: usize,
    outer: Option<&'a Standing<'a>>,
}

impl Run<'_> {
    fn eval<'a>(&'a self, node: &'a Node, at: Option<&'a Standing<'a>>) -> Found<'a> {
        self.spend(1)?;
        let owned = match node {
            Node::Const(value) => return Ok(Cow::Borrowed(value)),
            Node::Root(name) => return self.root(name),
            Node::Var(depth) => return variable(*depth, at),
            Node::Field(of, name) => return field(self.eval(of, at)?, name),
            Node::Index(of, index) => return self.index(of, index, at),
            Node::If(test, yes, no) => {
                return self.eval(if self.truth(test, at)? { yes } else { no }, at);
            }
            Node::Present(of) => Value::Bool(*self.eval(of, at)? != Value::Null),
            Node::Not(of) => Value::Bool(!self.truth(of, at)?),
            // Left to right: an error on the left refuses whatever the right says.
            Node::And(a, b) => Value::Bool(self.truth(a, at)? && self.truth(b, at)?),
            Node::Or(a, b) => Value::Bool(self.truth(a, at)? || self.truth(b, at)?),
            Node::Equal(a, b) => {
                Value::Bool(equal(self.eval(a, at)?.as_ref(), self.eval(b, at)?.as_ref())?)
            }
            Node::Order(order, a, b) => {
                let ordering = compare(self.eval(a, at)?.as_ref(), self.eval(b, at)?.as_ref())?;
                Value::Bool(order.holds(ordering))
            }
            Node::Among(item, list) => self.among(item, list, at)?,
            Node::Add(a, b) => functions::add(&*self.eval(a, at)?, &*self.eval(b, at)?)?,
            Node::Subtract(a, b) => functions::subtract(&*self.eval(a, at)?, &*self.eval(b, at)?)?,
            Node::Multiply(a, b) => functions::multiply(&*self.eval(a, at)?, &*self.eval(b, at)?)?,
            Node::Negate(of) => functions::negate(&*self.eval(of, at)?)?,
            Node::List(items) => Value::List(
                items
                    .iter()
                    .map(|item| self.eval(item, at).map(Cow::into_owned))
                    .collect::<Result<_, _>>()?,
            ),
            Node::Call(function, args) => {
                let args =
                    args.iter().map(|arg| self.eval(arg, at)).collect::<Result<Vec<_>, _>>()?;
                functions::call(function, &args)?
            }
            Node::Loop { kind, over, body } => self.walk(*kind, over, body, at)?,
        };
        self.spend(weight(&owned))?;
        Ok(Cow::Owned(owned))
    }

    fn spend(&self, steps: u64) -> Result<(), EvalError> {
        let left = self.steps.get().checked_sub(steps).ok_or(EvalError::TooManySteps)?;
        self.steps.set(left);
        Ok(())
    }

    fn root(&self, name: &str) -> Found<'_> {
        self.scope.get(name).map(Cow::Borrowed).ok_or_else(|| EvalError::Unbound(name.to_owned()))
    }

    fn truth(&self, node: &Node, at: Option<&Standing<'_>>) -> Result<bool, EvalError> {
        let value = self.eval(node, at)?;
        if let Value::Bool(answer) = *value { Ok(answer) } else { Err(wrong("bool", &value)) }
    }

    fn index<'a>(
        &'a self,
        of: &'a Node,
        index: &'a Node,
        at: Option<&'a Standing<'a>>,
    ) -> Found<'a> {
        let mut list = self.eval(of, at)?;
        let index = self.eval(index, at)?;
        let Value::Int(index) = *index else { return Err(wrong("int", &index)) };
        let place = usize::try_from(index).ok();
        let outside = |length| EvalError::Index { index, length };
        match list {
            Cow::Borrowed(Value::List(items)) => place
                .and_then(|n| items.get(n))
                .map(Cow::Borrowed)
                .ok_or_else(|| outside(items.len())),
            Cow::Owned(Value::List(ref mut items)) => {
                let n = place.filter(|n| *n < items.len()).ok_or_else(|| outside(items.len()))?;
                Ok(Cow::Owned(items.swap_remove(n)))
            }
            Cow::Borrowed(_) | Cow::Owned(_) => Err(wrong("list", &list)),
        }
    }

    fn among(
        &self,
        item: &Node,
        list: &Node,
        at: Option<&Standing<'_>>,
    ) -> Result<Value, EvalError> {
        let item = self.eval(item, at)?;
        let list = self.eval(list, at)?;
        for element in items(&list)? {
            self.spend(1)?;
            if equal(&item, element)? {
                return Ok(Value::Bool(true));
            }
        }
        Ok(Value::Bool(false))
    }

    fn walk(
        &self,
        kind: Loop,
        over: &Node,
        body: &Node,
        at: Option<&Standing<'_>>,
    ) -> Result<Value, EvalError> {
        let list = self.eval(over, at)?;
        let depth = at.map_or(0, |s| s.depth + 1);
        let mut kept = Vec::new();
        let mut hits = 0_usize;
        for item in items(&list)? {
            let standing = Standing { item, depth, outer: at };
            match kind {
                Loop::Map => kept.push(self.eval(body, Some(&standing))?.into_owned()),
                Loop::Filter if self.truth(body, Some(&standing))? => {
                    self.spend(weight(item))?;
                    kept.push(item.clone());
                }
                Loop::Filter => {}
                Loop::All if !self.truth(body, Some(&standing))? => {
                    return Ok(Value::Bool(false));
                }
                Loop::All => {}
                Loop::Exists if self.truth(body, Some(&standing))? => {
                    return Ok(Value::Bool(true));
                }
                Loop::Exists => {}
                Loop::ExistsOne => hits += usize::from(self.truth(body, Some(&standing))?),
            }
        }
        Ok(match kind {
            Loop::All => Value::Bool(true),
            Loop::Exists => Value::Bool(false),
            Loop::ExistsOne => Value::Bool(hits == 1),
            Loop::Map | Loop::Filter => Value::List(kept),
        })
    }
}

impl Order {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

fn variable<'a>(depth: usize, at: Option<&'a Standing<'a>>) -> Found<'a> {
    std::iter::successors(at, |standing| standing.outer)
        .find(|standing| standing.depth == depth)
        .map(|standing| Cow::Borrowed(standing.item))
        .ok_or_else(|| EvalError::Unbound("a list's element".to_owned()))
}

/// A field of an object; a field of what is absent is absent.
fn field<'a>(mut of: Cow<'a, Value>, name: &str) -> Found<'a> {
    match of {
        Cow::Borrowed(value @ (Value::Object(_) | Value::Null)) => {
            Ok(Cow::Borrowed(value.member(name)))
        }
        Cow::Owned(Value::Object(ref mut fields)) => {
            Ok(Cow::Owned(fields.remove(name).unwrap_or(Value::Null)))
        }
        Cow::Owned(Value::Null) => Ok(Cow::Owned(Value::Null)),
        Cow::Borrowed(_) | Cow::Owned(_) => Err(wrong("object", &of)),
    }
}

/// A list's elements, if they are not too many to walk.
fn items(value: &Value) -> Result<&[Value], EvalError> {
    let Value::List(items) = value else { return Err(wrong("list", value)) };
    if items.len() > MAX_LIST { Err(EvalError::TooLong(items.len())) } else { Ok(items) }
}

/// Equality; with an absent value it is false.
fn equal(a: &Value, b: &Value) -> Result<bool, EvalError> {
    match (a, b) {
        (Value::Null, _) | (_, Value::Null) => Ok(false),
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Str(a), Value::Str(b)) => Ok(a == b),
        _ => compare(a, b).map(Ordering::is_eq),
    }
}

fn compare(a: &Value, b: &Value) -> Result<Ordering, EvalError> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Ok(a.cmp(b)),
        (Value::Decimal(a), Value::Decimal(b)) => Ok(a.cmp(b)),
        (Value::Time(a), Value::Time(b)) => Ok(a.cmp(b)),
        (Value::Duration(a), Value::Duration(b)) => Ok(a.cmp(b)),
        (Value::Money(a), Value::Money(b)) => Ok(a.compare(*b)?),
        (Value::Null, _) | (_, Value::Null) => Err(EvalError::Absent),
        (a, b) => Err(EvalError::Type { expected: name_of(a), found: name_of(b) }),
    }
}

/// How many steps it costs to make a value: what bounds memory.
fn weight(value: &Value) -> u64 {
    match value {
        Value::Str(text) => text.len() as u64 / 64,
        Value::List(items) => items.iter().map(|v| 1 + weight(v)).sum(),
        Value::Object(fields) => BTreeMap::values(fields).map(|v| 1 + weight(v)).sum(),
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Decimal(_)
        | Value::Time(_)
        | Value::Duration(_)
        | Value::Money(_) => 0,
    }
}

/// A value of another type than declared; what is absent says so.
pub(super) fn wrong(expected: &'static str, found: &Value) -> EvalError {
    if *found == Value::Null {
        EvalError::Absent
    } else {
        EvalError::Type { expected, found: name_of(found) }
    }
}
