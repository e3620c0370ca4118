//! Money: whole minor units of one currency. Never a float, never bare.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

/// An amount of one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

/// An ISO 4217 currency with a known exponent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

/// Why an amount is not money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not an ISO 4217 code.
    #[error("`{0}` is not an ISO 4217 currency with minor units")]
    Currency(String),
    /// Not a decimal, or finer than the currency's minor unit.
    #[error("`{amount}` is not an exact amount of {currency}")]
    Amount {
        /// As given.
        amount: String,
        /// Its currency.
        currency: Currency,
    },
    /// Two currencies in one sum or comparison.
    #[error("{0} and {1} are different currencies")]
    Mixed(Currency, Currency),
    /// Larger than 64 bits of minor units.
    #[error("the amount is too large")]
    Overflow,
}

impl Money {
    /// From whole minor units: cents, yen.
    #[must_use]
    pub const fn from_minor(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// From a decimal string such as `12.30`.
    ///
    /// # Errors
    /// When it is no decimal, or finer than the minor unit.
    pub fn parse(amount: &str, currency: Currency) -> Result<Self, MoneyError> {
        let bad = || MoneyError::Amount { amount: amount.to_owned(), currency };
        let decimal = Decimal::from_str_exact(amount).map_err(|_| bad())?;
        Self::from_decimal(decimal, currency)
    }

    /// From an exact decimal of major units.
    ///
    /// # Errors
    /// When it is finer than the minor unit or too large.
    pub fn from_decimal(decimal: Decimal, currency: Currency) -> Result<Self, MoneyError> {
        let bad = || MoneyError::Amount { amount: decimal.to_string(), currency };
        let mut minor = decimal.normalize();
        let exponent = currency.exponent();
        if minor.scale() > exponent {
            return Err(bad());
        }
        minor =
            minor.checked_mul(Decimal::from(10_i64.pow(exponent))).ok_or(MoneyError::Overflow)?;
        let minor = i64::try_from(minor.normalize()).map_err(|_| MoneyError::Overflow)?;
        Ok(Self { minor, currency })
    }

    /// Whole minor units.
    #[must_use]
    pub const fn minor(self) -> i64 {
        self.minor
    }

    /// The currency.
    #[must_use]
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// The amount as a decimal of major units.
    #[must_use]
    pub fn amount(self) -> Decimal {
        Decimal::new(self.minor, self.currency.exponent())
    }

    /// Sum.
    ///
    /// # Errors
    /// On two currencies or overflow.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.same(other)?;
        let minor = self.minor.checked_add(other.minor).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }

    /// Difference.
    ///
    /// # Errors
    /// On two currencies or overflow.
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.same(other)?;
        let minor = self.minor.checked_sub(other.minor).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }

    /// Multiple.
    ///
    /// # Errors
    /// On overflow.
    pub fn checked_mul(self, times: i64) -> Result<Self, MoneyError> {
        let minor = self.minor.checked_mul(times).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }

    /// Order.
    ///
    /// # Errors
    /// On two currencies.
    pub fn compare(self, other: Self) -> Result<std::cmp::Ordering, MoneyError> {
        self.same(other)?;
        Ok(self.minor.cmp(&other.minor))
    }

    /// `{"amount": "12.30", "currency": "USD"}`.
    #[must_use]
    pub fn to_json(self) -> Json {
        json!({ "amount": self.amount().to_string(), "currency": self.currency.code() })
    }

    fn same(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(MoneyError::Mixed(self.currency, other.currency))
        }
    }
}

impl fmt::Display for Money {
    /// `USD 12.30`: unambiguous in every language.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.currency, self.amount())
    }
}

impl Currency {
    /// The three letters.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Digits after the point.
    #[must_use]
    pub fn exponent(self) -> u32 {
        u32::from(self.0.exponent().unwrap_or(0))
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(code: &str) -> Result<Self, MoneyError> {
        iso_currency::Currency::from_code(code)
            .filter(|c| c.exponent().is_some())
            .map(Self)
            .ok_or_else(|| MoneyError::Currency(code.to_owned()))
    }
}

impl PartialOrd for Currency {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Currency {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.code().cmp(other.code())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    amount: String,
    currency: String,
}

impl Serialize for Money {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut wire = s.serialize_struct("Money", 2)?;
        wire.serialize_field("amount", &format_args!("{}", self.amount()))?;
        wire.serialize_field("currency", self.currency.code())?;
        wire.end()
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(d)?;
        let currency = wire.currency.parse().map_err(serde::de::Error::custom)?;
        Self::parse(&wire.amount, currency).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn amounts_are_exact() {
        let usd: Currency = "USD".parse().unwrap();
        let jpy: Currency = "JPY".parse().unwrap();
        assert_eq!(Money::parse("12.30", usd).unwrap().minor(), 1230);
        assert_eq!(Money::parse("12.3", usd).unwrap().to_string(), "USD 12.30");
        assert_eq!(Money::parse("1200.00", jpy).unwrap().to_string(), "JPY 1200");
        assert!(Money::parse("0.001", usd).is_err());
        assert!(Money::parse("1e3", usd).is_err());
        assert!(Money::parse("99999999999999999999", usd).is_err());
        assert!("XXX".parse::<Currency>().is_err());
    }

    #[test]
    fn currencies_do_not_mix() {
        let a = Money::parse("1", "USD".parse().unwrap()).unwrap();
        let b = Money::parse("1", "EUR".parse().unwrap()).unwrap();
        assert!(a.checked_add(b).is_err());
        assert!(a.compare(b).is_err());
    }
}
