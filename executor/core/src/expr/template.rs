//! JSON with holes: what `with`, `variables`, `json`, `form`, `query` and `path` hold.

use std::collections::BTreeSet;

use serde_json::{Map, Number, Value as Json};

use super::eval::wrong;
use super::syntax::{self, Ast, Kind};
use super::{EvalError, Expr, Fault, FaultKind, MAX_LIST, Names, Path, Scope, Type, check};
use crate::value::Value;

/// A checked template.
#[derive(Debug, Clone)]
pub enum Template {
    /// As written.
    Constant(Json),
    /// `=expression`.
    Expr(Expr),
    /// `=json_number(decimal)`: an exact JSON number.
    Number(Expr),
    /// A list.
    List(Vec<Template>),
    /// An object.
    Object(Vec<(String, Template)>),
    /// `{ each: =LIST, as: NAME, item: TEMPLATE }`.
    Each {
        /// The list.
        over: Expr,
        /// Name of the element inside `item`.
        name: String,
        /// One element's template.
        item: Box<Template>,
    },
}

impl Template {
    /// The hole `=source`, without its `=`.
    ///
    /// # Errors
    /// Every fault found, each with its place in the source.
    pub fn hole(source: &str, names: &Names) -> Result<Self, Vec<Fault>> {
        let ast = syntax::parse(source).map_err(|fault| vec![fault])?;
        let Some(of) = json_number(&ast) else {
            return check::tree(source, &ast, names).map(Self::Expr);
        };
        let expr = check::tree(source, of, names)?;
        let kind = expr.kind().present();
        if matches!(kind, Type::Int | Type::Decimal) {
            return Ok(Self::Number(expr));
        }
        Err(vec![Fault {
            offset: of.at,
            kind: FaultKind::WrongType,
            message: format!("json_number(…) takes a decimal or an int, not {kind}"),
            remedy: (*kind == Type::Money).then(|| "write json_number(amount(…))".to_owned()),
        }])
    }

    /// The JSON in `scope`. Decimals and times are strings, money is its amount
    /// as a string (`"12.30"`). A member whose expression is declared optional and is
    /// absent is left out of its object; such a whole is null.
    ///
    /// # Errors
    /// See [`EvalError`]. `Absent` where something is missing that is not optional, such
    /// as a claim that the subject's token lacks.
    pub fn render(&self, scope: &Scope) -> Result<Json, EvalError> {
        match self {
            Self::Constant(json) => Ok(json.clone()),
            Self::Expr(expr) => Ok(plain(&present(expr, scope)?)),
            Self::Number(expr) => number(&present(expr, scope)?),
            Self::List(items) => items
                .iter()
                .map(|item| item.render(scope))
                .collect::<Result<_, _>>()
                .map(Json::Array),
            Self::Object(fields) => object(fields, scope),
            Self::Each { over, name, item } => each(over, name, item, scope),
        }
    }

    /// Every path that its expressions read.
    #[must_use]
    pub fn paths(&self) -> BTreeSet<Path> {
        match self {
            Self::Constant(_) => BTreeSet::new(),
            Self::Expr(expr) | Self::Number(expr) => expr.paths().clone(),
            Self::List(items) => items.iter().flat_map(Self::paths).collect(),
            Self::Object(fields) => fields.iter().flat_map(|(_, t)| t.paths()).collect(),
            Self::Each { over, item, .. } => {
                over.paths().iter().cloned().chain(item.paths()).collect()
            }
        }
    }
}

/// SUBJECT OWNS IT: a claim that the token lacks refuses. Left out of a query, it would
/// widen the read to everybody's.
fn present(expr: &Expr, scope: &Scope) -> Result<Value, EvalError> {
    let value = expr.eval(scope)?;
    if expr.kind().lacks(&value) { Err(EvalError::Absent) } else { Ok(value) }
}

/// What `json_number(…)` is called with, where that is the whole.
fn json_number(ast: &Ast) -> Option<&Ast> {
    let Kind::Call { target: None, name, args } = &ast.kind else { return None };
    args.first().filter(|_| name == "json_number" && args.len() == 1)
}

fn object(fields: &[(String, Template)], scope: &Scope) -> Result<Json, EvalError> {
    let mut out = Map::new();
    for (name, template) in fields {
        let json = template.render(scope)?;
        let absent = json.is_null() && !matches!(template, Template::Constant(_));
        if !absent {
            out.insert(name.clone(), json);
        }
    }
    Ok(Json::Object(out))
}

fn each(over: &Expr, name: &str, item: &Template, scope: &Scope) -> Result<Json, EvalError> {
    let value = over.eval(scope)?;
    let Value::List(list) = value else { return Err(wrong("list", &value)) };
    if list.len() > MAX_LIST {
        return Err(EvalError::TooLong(list.len()));
    }
    list.into_iter()
        .map(|element| item.render(&scope.clone().with(name, element)))
        .collect::<Result<_, _>>()
        .map(Json::Array)
}

/// The JSON that backends get: money is its amount, other values as in records.
fn plain(value: &Value) -> Json {
    match value {
        Value::Money(money) => Json::String(money.amount().to_string()),
        Value::List(items) => Json::Array(items.iter().map(plain).collect()),
        Value::Object(fields) => Json::Object(
            fields
                .iter()
                .filter(|(_, v)| **v != Value::Null)
                .map(|(k, v)| (k.clone(), plain(v)))
                .collect(),
        ),
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Decimal(_)
        | Value::Str(_)
        | Value::Time(_)
        | Value::Duration(_) => value.to_json(),
    }
}

/// A JSON number is a double for most readers: refuse a decimal that it would change.
fn number(value: &Value) -> Result<Json, EvalError> {
    if let Value::Int(int) = value {
        return Ok(Json::Number(Number::from(*int)));
    }
    let Value::Decimal(decimal) = value else { return Err(wrong("decimal", value)) };
    let decimal = decimal.normalize();
    if let Ok(int) = i64::try_from(decimal)
        && decimal.scale() == 0
    {
        return Ok(Json::Number(Number::from(int)));
    }
    let text = decimal.to_string();
    let number = text.parse::<f64>().ok().and_then(Number::from_f64);
    number.filter(|n| n.to_string() == text).map(Json::Number).ok_or(EvalError::Inexact(text))
}
