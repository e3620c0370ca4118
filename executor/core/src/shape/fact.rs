//! Closed types of facts.

use regex::Regex;

/// A closed type.
#[derive(Debug, Clone)]
pub enum Fact {
    /// An identifier; without a pattern 1 to 255 visible ASCII characters. A
    /// whole JSON number counts as its digits.
    Id(Option<Regex>),
    /// One of these strings.
    OneOf(Vec<String>),
    /// True or false.
    Bool,
    /// A whole number, or a string of digits.
    Int,
    /// A decimal: a string, or a JSON number of at most 15 digits.
    Decimal,
    /// RFC 3339, or whole seconds since 1970.
    Time,
    /// Money of two places.
    Money(MoneyAt),
}

/// Where money's two parts are, relative to the enclosing place.
#[derive(Debug, Clone)]
pub struct MoneyAt {
    /// JSON Pointer to the amount.
    pub amount: String,
    /// Whether the amount is in minor units (cents).
    pub minor: bool,
    /// JSON Pointer to the currency, or a fixed code such as `USD`.
    pub currency: String,
}
