//! Arithmetic and functions over values. Exact, or an error.

use std::borrow::Cow;

use countersign_shared::money::{Currency, Money};
use jiff::Timestamp;
use rust_decimal::Decimal;

use super::eval::wrong;
use super::node::{Function, Zero};
use super::types::name_of;
use super::{EvalError, MAX_TEXT};
use crate::value::Value;

type Outcome = Result<Value, EvalError>;

pub(super) fn add(a: &Value, b: &Value) -> Outcome {
    let overflow = EvalError::Overflow;
    Ok(match (a, b) {
        (Value::Int(a), Value::Int(b)) => Value::Int(a.checked_add(*b).ok_or(overflow)?),
        (Value::Decimal(a), Value::Decimal(b)) => Value::Decimal(exact_sum(*a, *b)?),
        (Value::Money(a), Value::Money(b)) => Value::Money(a.checked_add(*b)?),
        (Value::Str(a), Value::Str(b)) => concatenate(a, b)?,
        (Value::Duration(a), Value::Duration(b)) => {
            Value::Duration(a.checked_add(*b).ok_or(overflow)?)
        }
        (Value::Time(t), Value::Duration(d)) | (Value::Duration(d), Value::Time(t)) => {
            Value::Time(t.checked_add(*d).map_err(|_| overflow)?)
        }
        (a, b) => return Err(mismatch(a, b)),
    })
}

pub(super) fn subtract(a: &Value, b: &Value) -> Outcome {
    let overflow = EvalError::Overflow;
    Ok(match (a, b) {
        (Value::Int(a), Value::Int(b)) => Value::Int(a.checked_sub(*b).ok_or(overflow)?),
        (Value::Decimal(a), Value::Decimal(b)) => Value::Decimal(exact_sum(*a, -*b)?),
        (Value::Money(a), Value::Money(b)) => Value::Money(a.checked_sub(*b)?),
        (Value::Duration(a), Value::Duration(b)) => {
            Value::Duration(a.checked_sub(*b).ok_or(overflow)?)
        }
        (Value::Time(t), Value::Duration(d)) => {
            Value::Time(t.checked_sub(*d).map_err(|_| overflow)?)
        }
        (Value::Time(a), Value::Time(b)) => Value::Duration(a.duration_since(*b)),
        (a, b) => return Err(mismatch(a, b)),
    })
}

pub(super) fn multiply(a: &Value, b: &Value) -> Outcome {
    let overflow = EvalError::Overflow;
    Ok(match (a, b) {
        (Value::Int(a), Value::Int(b)) => Value::Int(a.checked_mul(*b).ok_or(overflow)?),
        (Value::Decimal(a), Value::Decimal(b)) => Value::Decimal(exact_product(*a, *b)?),
        (Value::Money(m), Value::Int(n)) | (Value::Int(n), Value::Money(m)) => {
            Value::Money(m.checked_mul(*n)?)
        }
        (a, b) => return Err(mismatch(a, b)),
    })
}

pub(super) fn negate(of: &Value) -> Outcome {
    if let Value::Int(n) = of {
        return n.checked_neg().map(Value::Int).ok_or(EvalError::Overflow);
    }
    if let Value::Decimal(d) = of { Ok(Value::Decimal(-*d)) } else { Err(wrong("number", of)) }
}

pub(super) fn call(function: &Function, args: &[Cow<'_, Value>]) -> Outcome {
    let first = args.first().map_or(&Value::Null, AsRef::as_ref);
    let second = args.get(1).map_or(&Value::Null, AsRef::as_ref);
    match function {
        Function::Contains => Ok(Value::Bool(text(first)?.contains(text(second)?))),
        Function::StartsWith => Ok(Value::Bool(text(first)?.starts_with(text(second)?))),
        Function::EndsWith => Ok(Value::Bool(text(first)?.ends_with(text(second)?))),
        Function::Matches(regex) => Ok(Value::Bool(regex.is_match(text(first)?))),
        Function::Size => size(first),
        Function::Lower => bounded(text(first)?.to_lowercase()),
        Function::Trim => bounded(text(first)?.trim().to_owned()),
        Function::Text => as_text(first),
        Function::Money => money(first, second),
        Function::Decimal => decimal(first),
        Function::NumericId => numeric_id(text(first)?),
        Function::Minor => Ok(Value::Int(as_money(first)?.minor())),
        Function::Amount => Ok(Value::Decimal(as_money(first)?.amount())),
        Function::Currency => Ok(Value::Str(as_money(first)?.currency().code().to_owned())),
        Function::Sum(zero) => sum(*zero, first),
    }
}

/// `rust_decimal` rounds a sum that needs more than 28 digits; we refuse it.
fn exact_sum(a: Decimal, b: Decimal) -> Result<Decimal, EvalError> {
    let (a, b) = (a.normalize(), b.normalize());
    let sum = a.checked_add(b).ok_or(EvalError::Overflow)?;
    let exact = a.is_zero() || b.is_zero() || sum.scale() == a.scale().max(b.scale());
    exact.then(|| sum.normalize()).ok_or(EvalError::Overflow)
}

/// `rust_decimal` rounds a product that needs more than 28 places; we refuse it.
fn exact_product(a: Decimal, b: Decimal) -> Result<Decimal, EvalError> {
    let (a, b) = (a.normalize(), b.normalize());
    if a.scale() + b.scale() > Decimal::MAX_SCALE {
        return Err(EvalError::Overflow);
    }
    let product = a.checked_mul(b).ok_or(EvalError::Overflow)?;
    let exact = product.is_zero() || product.scale() == a.scale() + b.scale();
    exact.then(|| product.normalize()).ok_or(EvalError::Overflow)
}

fn concatenate(a: &str, b: &str) -> Outcome {
    if a.len() + b.len() > MAX_TEXT {
        return Err(EvalError::TooMuchText);
    }
    Ok(Value::Str([a, b].concat()))
}

fn bounded(text: String) -> Outcome {
    if text.len() > MAX_TEXT { Err(EvalError::TooMuchText) } else { Ok(Value::Str(text)) }
}

fn size(of: &Value) -> Outcome {
    let size = if let Value::List(items) = of { items.len() } else { text(of)?.chars().count() };
    i64::try_from(size).map(Value::Int).map_err(|_| EvalError::Overflow)
}

fn as_text(of: &Value) -> Outcome {
    if let Value::Int(n) = of {
        return Ok(Value::Str(n.to_string()));
    }
    if let Value::Decimal(d) = of {
        return Ok(Value::Str(d.to_string()));
    }
    bounded(text(of)?.to_owned())
}

fn money(amount: &Value, currency: &Value) -> Outcome {
    let currency: Currency = text(currency)?.parse()?;
    let money = if let Value::Decimal(decimal) = amount {
        Money::from_decimal(*decimal, currency)?
    } else {
        Money::parse(text(amount)?, currency)?
    };
    Ok(Value::Money(money))
}

fn decimal(of: &Value) -> Outcome {
    if let Value::Int(n) = of {
        return Ok(Value::Decimal(Decimal::from(*n)));
    }
    let source = text(of)?;
    Decimal::from_str_exact(source)
        .map(Value::Decimal)
        .map_err(|_| EvalError::Decimal(source.chars().take(40).collect()))
}

/// The digits at the end of an id: `gid://shopify/Order/450` is `450`.
fn numeric_id(id: &str) -> Outcome {
    let digits = id.len() - id.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let digits = id.split_at_checked(id.len() - digits).map_or("", |(_, digits)| digits);
    if digits.is_empty() {
        return Err(EvalError::NumericId(id.chars().take(80).collect()));
    }
    Ok(Value::Str(digits.to_owned()))
}

fn sum(zero: Zero, list: &Value) -> Outcome {
    let Value::List(items) = list else { return Err(wrong("list", list)) };
    let mut items = items.iter();
    let first = match (zero, items.next()) {
        (_, Some(first)) => first.clone(),
        (Zero::Int, None) => Value::Int(0),
        (Zero::Decimal, None) => Value::Decimal(Decimal::ZERO),
        (Zero::Money, None) => return Err(EvalError::EmptySum),
    };
    items.try_fold(first, |total, item| add(&total, item))
}

fn text(value: &Value) -> Result<&str, EvalError> {
    value.as_str().ok_or_else(|| wrong("string", value))
}

fn as_money(value: &Value) -> Result<Money, EvalError> {
    if let Value::Money(money) = value { Ok(*money) } else { Err(wrong("money", value)) }
}

fn mismatch(a: &Value, b: &Value) -> EvalError {
    match (a, b) {
        (Value::Null, _) | (_, Value::Null) => EvalError::Absent,
        (a, b) => EvalError::Type { expected: name_of(a), found: name_of(b) },
    }
}

/// A length of time such as `90s`, `5m`, `24h`, `30d` or `250ms`; `None` for others.
pub(crate) fn duration(source: &str) -> Option<std::time::Duration> {
    let unit = source.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = source.split_at_checked(unit)?;
    let count: u64 = count.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    // A century is more than any contract means.
    let millis = count.checked_mul(millis).filter(|ms| *ms <= 100 * 366 * 86_400_000)?;
    Some(std::time::Duration::from_millis(millis))
}

/// The people's form of a point in time: to the minute, in UTC.
pub(super) fn readable(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
