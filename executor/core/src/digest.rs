//! Digests over JSON: sorted keys, no spaces, a domain in front.

mod canonical;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// Hex SHA-256 over a domain and a value. Members are sorted, so that two makers
/// of the same value agree; numbers are whole (money and decimals are strings). What has
/// no JSON is null.
#[must_use]
pub fn of(domain: &str, value: &(impl Serialize + ?Sized)) -> String {
    let mut text = format!("{domain}\n");
    if canonical::write(value, &mut text).is_err() {
        text = format!("{domain}\nnull");
    }
    let (hash, mut hex) = (Sha256::digest(text), [0; 64]);
    match hex::encode_to_slice(hash, &mut hex) {
        Ok(()) => String::from_utf8_lossy(&hex).into_owned(),
        Err(_) => hex::encode(hash),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn order_of_members_does_not_count_and_domains_do() {
        let a = of("a", &json!({ "x": 1, "y": ["2"] }));
        assert_eq!(a, of("a", &json!({ "y": ["2"], "x": 1 })));
        assert_ne!(a, of("b", &json!({ "x": 1, "y": ["2"] })));
        assert_ne!(a, of("a", &json!({ "x": 1, "y": [2] })));
    }
}
