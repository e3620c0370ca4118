//! What an answer's headers say about sending again.

use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

/// Longest wait believed.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// `Retry-After`, in seconds or as a date, as a time from now.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    parse(headers.get(RETRY_AFTER)?.to_str().ok()?.trim(), Timestamp::now())
}

/// Whether the backend says that this is what it answered before.
pub(super) fn replayed(headers: &HeaderMap) -> bool {
    let says = |name: &str, value: &str| {
        headers.get(name).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(value.as_bytes()))
    };
    says("idempotent-replayed", "true") || says("x-idempotency-lookup", "hit")
}

/// Some backends write fractions of seconds.
fn parse(text: &str, now: Timestamp) -> Option<Duration> {
    let asked = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds.max(0.0)).ok()?,
        Err(_) => {
            let at = DateTimeParser::new().parse_timestamp(text).ok()?;
            Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO)
        }
    };
    Some(asked.min(LONGEST))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn seconds_fractions_and_dates() {
        let now: Timestamp = "1994-11-06T08:49:30Z".parse().unwrap();
        let seconds = |s: f64| Some(Duration::from_secs_f64(s));
        for (text, expected) in [
            ("0", seconds(0.0)),
            ("120", seconds(120.0)),
            ("2.0", seconds(2.0)),
            ("0.5", seconds(0.5)),
            ("-3", seconds(0.0)),
            ("999999999", seconds(86400.0)),
            ("1e300", None),
            ("NaN", seconds(0.0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", seconds(7.0)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", seconds(0.0)),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(parse(text, now), expected, "{text}");
        }
    }

    #[test]
    fn replays_are_recognised() {
        for (name, value, expected) in [
            ("Idempotent-Replayed", "true", true),
            ("Idempotent-Replayed", "false", false),
            ("X-Idempotency-Lookup", "hit", true),
            ("X-Idempotency-Lookup", "miss", false),
            ("Other", "true", false),
        ] {
            let mut headers = HeaderMap::new();
            let name: http::HeaderName = name.parse().unwrap();
            headers.insert(name, value.parse().unwrap());
            assert_eq!(replayed(&headers), expected);
        }
    }
}
