//! Objects of the graph as closures over the state: one field asked, one value given.

use apollo_compiler::resolvers::{FieldError, ObjectValue, ResolveInfo, ResolvedValue};
use apollo_compiler::response::{JsonMap, JsonValue};
use jiff::{Timestamp, Unit};

use super::money::Currency;

/// What a field resolves to. Objects own what they need, so nothing borrows the shop.
pub(super) type Resolved = Result<Shown, FieldError>;

/// A value that owns what it needs. The engine's own type is tied to one borrow, so it is made last.
pub(super) enum Shown {
    Leaf(JsonValue),
    Object(Box<dyn ObjectValue>),
    List(Vec<Shown>),
}

impl Shown {
    pub(super) fn null() -> Self {
        Self::Leaf(JsonValue::Null)
    }

    pub(super) fn leaf(value: impl Into<JsonValue>) -> Self {
        Self::Leaf(value.into())
    }

    /// As the engine takes it.
    pub(super) fn give<'a>(self) -> ResolvedValue<'a> {
        match self {
            Self::Leaf(value) => ResolvedValue::Leaf(value),
            Self::Object(object) => ResolvedValue::Object(object),
            Self::List(items) => {
                ResolvedValue::list(items.into_iter().map(Self::give).collect::<Vec<_>>())
            }
        }
    }
}

struct Object<F> {
    type_name: &'static str,
    field: F,
}

impl<F: Fn(&str, &JsonMap) -> Resolved> ObjectValue for Object<F> {
    fn type_name(&self) -> &str {
        self.type_name
    }

    fn resolve_field<'a>(
        &'a self,
        info: &'a ResolveInfo<'a>,
    ) -> Result<ResolvedValue<'a>, FieldError> {
        (self.field)(info.field_name(), info.arguments()).map(Shown::give)
    }
}

/// An object of `type_name` whose fields `field` answers.
pub(super) fn object<F>(type_name: &'static str, field: F) -> Shown
where
    F: Fn(&str, &JsonMap) -> Resolved + 'static,
{
    Shown::Object(Box::new(Object { type_name, field }))
}

/// A scalar or enum value.
pub(super) fn leaf(value: impl Into<JsonValue>) -> Resolved {
    Ok(Shown::leaf(value))
}

/// A scalar that may be absent.
pub(super) fn maybe(value: Option<impl Into<JsonValue>>) -> Resolved {
    Ok(value.map_or_else(Shown::null, Shown::leaf))
}

/// An object that may be absent.
pub(super) fn maybe_object(value: Option<Shown>) -> Resolved {
    Ok(value.unwrap_or_else(Shown::null))
}

/// A list of objects or scalars.
pub(super) fn list(items: impl IntoIterator<Item = Shown>) -> Resolved {
    Ok(Shown::List(items.into_iter().collect()))
}

/// A list of texts.
pub(super) fn texts(items: impl IntoIterator<Item = impl Into<String>>) -> Resolved {
    list(items.into_iter().map(|item| Shown::leaf(item.into())))
}

/// A moment as the API writes it: whole seconds, UTC.
pub(super) fn time(at: Timestamp) -> Resolved {
    leaf(written(at))
}

/// The same for a moment that may not have come.
pub(super) fn maybe_time(at: Option<Timestamp>) -> Resolved {
    maybe(at.map(written))
}

fn written(at: Timestamp) -> String {
    let whole = jiff::TimestampRound::new().smallest(Unit::Second).mode(jiff::RoundMode::Trunc);
    at.round(whole).unwrap_or(at).to_string()
}

/// An amount in both of the order's currencies, which are one here.
pub(super) fn money(currency: Currency, minor: i64) -> Resolved {
    Ok(object("MoneyBag", move |field, _| match field {
        "shopMoney" | "presentmentMoney" => Ok(object("MoneyV2", move |field, _| match field {
            "amount" => leaf(currency.decimal(minor)),
            "currencyCode" => leaf(currency.code),
            _ => unknown(field),
        })),
        _ => unknown(field),
    }))
}

/// A field that the schema has and the sandbox forgot: said out loud, never answered null.
pub(super) fn unknown(field: &str) -> Resolved {
    fail(format!("the sandbox does not answer field '{field}'"))
}

/// A field error with this message.
pub(super) fn fail(message: impl Into<String>) -> Resolved {
    Err(FieldError { message: message.into() })
}

/// A text argument.
pub(super) fn text<'a>(args: &'a JsonMap, name: &str) -> Option<&'a str> {
    args.get(name).and_then(JsonValue::as_str)
}

/// A whole number argument.
pub(super) fn int(args: &JsonMap, name: &str) -> Option<i64> {
    args.get(name).and_then(JsonValue::as_i64)
}

/// A flag; absent and null are false.
pub(super) fn flag(args: &JsonMap, name: &str) -> bool {
    args.get(name).and_then(JsonValue::as_bool).unwrap_or(false)
}
