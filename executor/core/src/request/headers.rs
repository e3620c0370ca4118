//! Headers that a contract may set, and what they may hold.

use super::RequestError;

/// Headers that decide where a request goes, how long it is, or as whom it counts.
const RESERVED: &[&str] = &[
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What each request begins with.
pub(super) fn standard(content_type: Option<&str>) -> Vec<(String, String)> {
    let mut lines = vec![("accept".to_owned(), "application/json".to_owned())];
    lines.extend(content_type.map(|kind| ("content-type".to_owned(), kind.to_owned())));
    lines
}

/// A header whose value cannot begin another one.
pub(super) fn checked(name: &str, value: &str) -> Result<(String, String), RequestError> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let name_fits = !name.is_empty() && name.bytes().all(token);
    let value_fits = value.bytes().all(|b| (0x20..0x7f).contains(&b)) && value.trim() == value;
    let lower = name.to_ascii_lowercase();
    if name_fits && value_fits && !RESERVED.contains(&lower.as_str()) {
        return Ok((lower, value.to_owned()));
    }
    Err(RequestError::Header(name.chars().filter(|c| !c.is_control()).take(64).collect()))
}
