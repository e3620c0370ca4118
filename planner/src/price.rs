//! What a model server asks for its work, as far as the configuration says.

use serde::Deserialize;

/// Prices are exact to a millionth.
const MILLION: u64 = 1_000_000;

/// For a million tokens.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Of tokens read, such as `"2.50"`.
    #[serde(deserialize_with = "millionths")]
    input: u64,
    /// Of tokens written.
    #[serde(deserialize_with = "millionths")]
    output: u64,
    /// ISO 4217 code.
    #[serde(deserialize_with = "code")]
    currency: String,
}

impl Price {
    /// What these tokens cost, in millionths of the currency. Rounded up: nothing is for free.
    #[must_use]
    pub fn micros(&self, input: u64, output: u64) -> u64 {
        let (input, output) =
            (input.saturating_mul(self.input), output.saturating_mul(self.output));
        input.saturating_add(output).div_ceil(MILLION)
    }

    /// The same in words: `0.000420 USD`.
    #[must_use]
    pub fn of(&self, input: u32, output: u32) -> String {
        let all = self.micros(input.into(), output.into());
        format!("{}.{:06} {}", all / MILLION, all % MILLION, self.currency)
    }

    /// ISO 4217 code.
    #[must_use]
    pub fn currency(&self) -> &str {
        &self.currency
    }
}

fn code<'de, D: serde::Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    if text.len() != 3 || !text.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(serde::de::Error::custom("write a currency like \"USD\""));
    }
    Ok(text)
}

fn millionths<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let text = String::deserialize(from)?;
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let wrong = || serde::de::Error::custom("write a price like \"2.50\", for a million tokens");
    if whole.is_empty() || whole.len() > 9 || part.len() > 6 || !digits(whole) || !digits(part) {
        return Err(wrong());
    }
    format!("{whole}{part:0<6}").parse().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_cost_is_exact_to_a_millionth_and_rounded_up() {
        let read = |input: &str| {
            serde_json::from_value::<Price>(
                serde_json::json!({ "input": input, "output": "10", "currency": "USD" }),
            )
        };
        assert_eq!(read("2.50").unwrap().of(1000, 100), "0.003500 USD");
        assert_eq!(read("0.15").unwrap().of(1, 0), "0.000001 USD");
        // The executor reads what is written here.
        let cost = read("2.50").unwrap().of(1000, 100);
        let told = countersign_shared::turn::ModelCall { cost, ..Default::default() };
        assert_eq!(told.priced(), Some((3_500, "USD")));
        assert_eq!(read("2.5").unwrap(), read("2.50").unwrap());
        for wrong in ["", "-1", "1,5", "1.2345678", "x"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let small = serde_json::json!({ "input": "1", "output": "1", "currency": "usd" });
        assert!(serde_json::from_value::<Price>(small).is_err());
    }
}
