//! Digests over JSON: sorted keys, no spaces, a domain in front.

use serde_json::Value as Json;
use sha2::{Digest, Sha256};

/// Hex SHA-256 over a domain and a value. Members are sorted, so that two makers
/// of the same value agree; numbers are whole (money and decimals are strings).
#[must_use]
pub fn of(domain: &str, value: &Json) -> String {
    let mut text = String::new();
    write(value, &mut text);
    let mut hash = Sha256::new();
    hash.update(domain.as_bytes());
    hash.update(b"\n");
    hash.update(text.as_bytes());
    hex::encode(hash.finalize())
}

fn write(value: &Json, out: &mut String) {
    match value {
        Json::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(name, _)| *name);
            out.push('{');
            for (at, (name, value)) in sorted.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&Json::from(name.as_str()).to_string());
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
        Json::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
            out.push_str(&value.to_string());
        }
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
