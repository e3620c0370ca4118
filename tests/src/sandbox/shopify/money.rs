//! Money as whole minor units of one currency, and how the API writes it.

/// A currency the sandbox knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Currency {
    /// ISO 4217 code.
    pub(crate) code: &'static str,
    symbol: &'static str,
    /// Digits after the point: 2 for USD, 0 for JPY.
    digits: u32,
}

pub(crate) const USD: Currency = Currency { code: "USD", symbol: "$", digits: 2 };
pub(crate) const EUR: Currency = Currency { code: "EUR", symbol: "€", digits: 2 };
pub(crate) const JPY: Currency = Currency { code: "JPY", symbol: "¥", digits: 0 };

impl Currency {
    /// The API's decimal: no padding, at least one digit after the point (`20.0`, `34.5`, `1200.0`).
    pub(crate) fn decimal(self, minor: i64) -> String {
        let (whole, rest) = self.split(minor);
        let digits = self.digits as usize;
        let padded = format!("{rest:0digits$}");
        let fraction = if digits == 0 { "" } else { padded.trim_end_matches('0') };
        let sign = if minor < 0 { "-" } else { "" };
        format!("{sign}{whole}.{}", if fraction.is_empty() { "0" } else { fraction })
    }

    /// As messages show it: `$25.00`, `¥1,200`.
    pub(crate) fn display(self, minor: i64) -> String {
        let (whole, rest) = self.split(minor);
        let mut grouped = String::new();
        let text = whole.to_string();
        for (at, digit) in text.chars().enumerate() {
            if at > 0 && (text.len() - at) % 3 == 0 {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        let digits = self.digits as usize;
        let fraction = if digits == 0 { String::new() } else { format!(".{rest:0digits$}") };
        format!("{}{grouped}{fraction}", self.symbol)
    }

    /// Reads a decimal; none when it is no number or finer than the currency.
    pub(crate) fn parse(self, text: &str) -> Option<i64> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let fraction = fraction.trim_end_matches('0');
        let digits = self.digits as usize;
        let plain = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !plain(whole) || !plain(fraction) || fraction.len() > digits {
            return None;
        }
        format!("{whole}{fraction:0<digits$}").parse().ok()
    }

    fn split(self, minor: i64) -> (u64, u64) {
        let unit = 10_u64.saturating_pow(self.digits).max(1);
        (minor.unsigned_abs() / unit, minor.unsigned_abs() % unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_as_the_api_does() {
        assert_eq!(USD.decimal(2000), "20.0");
        assert_eq!(USD.decimal(3450), "34.5");
        assert_eq!(USD.decimal(1999), "19.99");
        assert_eq!(USD.decimal(5), "0.05");
        assert_eq!(JPY.decimal(12000), "12000.0");
        assert_eq!(USD.display(2500), "$25.00");
        assert_eq!(JPY.display(1_234_567), "¥1,234,567");
    }

    #[test]
    fn reads_decimals_and_refuses_finer_ones() {
        assert_eq!(USD.parse("15.00"), Some(1500));
        assert_eq!(USD.parse("15.5"), Some(1550));
        assert_eq!(USD.parse("15.005"), None);
        assert_eq!(USD.parse("-1"), None);
        assert_eq!(USD.parse("1e3"), None);
        assert_eq!(JPY.parse("1200.0"), Some(1200));
        assert_eq!(JPY.parse("1200.5"), None);
        assert_eq!(EUR.parse(""), None);
    }
}
