//! What tokens say, *unverified*: enough to key conversations and to see which
//! claims there are. Whether a token is true is for the executor to say, and it
//! is asked at the start of each turn.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value as Json};

/// The claims of a compact JWS; empty where it is none.
#[must_use]
pub fn claims(token: &str) -> Map<String, Json> {
    let payload = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    payload.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// Whom a token names, in texts to key by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Issuer, audience and subject.
    pub key: String,
    /// Issuer and audience: together they stand for a tenant.
    pub house: String,
}

/// Whom a token names.
#[must_use]
pub fn named(token: &str) -> Named {
    let claims = claims(token);
    let part = |name: &str| claims.get(name).map(Json::to_string).unwrap_or_default();
    let house = [part("iss"), part("aud")].join("\n");
    Named { key: format!("{house}\n{}", part("sub")), house }
}

/// Issuer, audience and subject in one text, to key by.
#[must_use]
pub fn key(token: &str) -> String {
    named(token).key
}

/// The proposal that a confirmation is for.
#[must_use]
pub fn confirmed_proposal(confirmation: &str) -> Option<String> {
    claims(confirmation).get("proposal").and_then(Json::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_read_and_garbage_is_empty() {
        let token = format!(
            "e30.{}.sig",
            URL_SAFE_NO_PAD.encode(r#"{"iss":"i","sub":"s","proposal":"prp_1"}"#)
        );
        assert_eq!(confirmed_proposal(&token).as_deref(), Some("prp_1"));
        assert_eq!(key(&token), "\"i\"\n\n\"s\"");
        assert!(claims("garbage").is_empty());
        assert!(claims("a.b.c").is_empty());
    }
}
