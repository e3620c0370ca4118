//! The types of the rules language.

use std::collections::BTreeMap;
use std::fmt;

use crate::value::Value;

/// The type of an expression or of a declared name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// The literal `null`.
    Null,
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// An exact decimal.
    Decimal,
    /// A string.
    Str(Text),
    /// A point in time.
    Time,
    /// A length of time.
    Duration,
    /// An amount in a currency.
    Money,
    /// A list.
    List(Box<Type>),
    /// Fields by name.
    Object(BTreeMap<String, Type>),
    /// May be absent. Never nested.
    Optional(Box<Type>),
}

/// What a string is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    /// Closed by a pattern, or made by us.
    Id,
    /// One of these.
    OneOf(Vec<String>),
    /// Anything that somebody wrote: tainted.
    Free,
}

impl Type {
    /// A string with a closed form.
    pub const ID: Self = Self::Str(Text::Id);
    /// Tainted text.
    pub const TEXT: Self = Self::Str(Text::Free);

    /// The type, possibly absent.
    #[must_use]
    pub fn optional(self) -> Self {
        match self {
            Self::Optional(_) | Self::Null => self,
            Self::Bool
            | Self::Int
            | Self::Decimal
            | Self::Str(_)
            | Self::Time
            | Self::Duration
            | Self::Money
            | Self::List(_)
            | Self::Object(_) => Self::Optional(Box::new(self)),
        }
    }

    /// The type without "may be absent".
    #[must_use]
    pub fn present(&self) -> &Self {
        if let Self::Optional(inner) = self { inner } else { self }
    }

    /// An object of these fields.
    #[must_use]
    pub fn object<'a>(fields: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        Self::Object(fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
    }

    /// A list of this type.
    #[must_use]
    pub fn list(self) -> Self {
        Self::List(Box::new(self))
    }

    /// Whether something is absent in a value that this type says is there.
    pub(super) fn lacks(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Null, _) | (Self::Optional(_), Value::Null) => false,
            (Self::Optional(of), value) => of.lacks(value),
            (_, Value::Null) => true,
            (Self::List(of), Value::List(items)) => items.iter().any(|item| of.lacks(item)),
            (Self::Object(fields), value) => {
                fields.iter().any(|(name, kind)| kind.lacks(value.member(name)))
            }
            (
                Self::Bool
                | Self::Int
                | Self::Decimal
                | Self::Str(_)
                | Self::Time
                | Self::Duration
                | Self::Money
                | Self::List(_),
                _,
            ) => false,
        }
    }

    /// Whether any text in it may come from a stranger.
    #[must_use]
    pub fn is_free_text(&self) -> bool {
        *self.present() == Self::TEXT
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Decimal => f.write_str("decimal"),
            Self::Str(_) => f.write_str("string"),
            Self::Time => f.write_str("time"),
            Self::Duration => f.write_str("duration"),
            Self::Money => f.write_str("money"),
            Self::List(of) => write!(f, "list of {of}"),
            Self::Object(_) => f.write_str("object"),
            Self::Optional(of) => write!(f, "optional {of}"),
        }
    }
}

/// The type that holds values of both, if there is one: what two branches of a
/// choice, or two elements of a list, yield together.
pub(super) fn unify(a: &Type, b: &Type) -> Option<Type> {
    match (a, b) {
        (Type::Null, Type::Null) => Some(Type::Null),
        (Type::Null, other) | (other, Type::Null) => Some(other.clone().optional()),
        (Type::Optional(a), b) => unify(a, b.present()).map(Type::optional),
        (a, Type::Optional(b)) => unify(a, b).map(Type::optional),
        (Type::Str(a), Type::Str(b)) => Some(Type::Str(together(a, b))),
        (Type::List(a), Type::List(b)) => unify(a, b).map(Type::list),
        (a, b) => (a == b).then(|| a.clone()),
    }
}

fn together(a: &Text, b: &Text) -> Text {
    match (a, b) {
        (Text::Free, _) | (_, Text::Free) => Text::Free,
        (Text::OneOf(a), Text::OneOf(b)) => {
            let more = b.iter().filter(|value| !a.contains(value));
            Text::OneOf(a.iter().chain(more).cloned().collect())
        }
        (Text::Id, _) | (_, Text::Id) => Text::Id,
    }
}

/// The name of a value's type, for errors.
pub(super) const fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Decimal(_) => "decimal",
        Value::Str(_) => "string",
        Value::Time(_) => "time",
        Value::Duration(_) => "duration",
        Value::Money(_) => "money",
        Value::List(_) => "list",
        Value::Object(_) => "object",
    }
}
