//! What a provider publishes about itself (OpenID Connect Discovery 1.0), and no more of
//! it than is used.

use serde::Deserialize;
use url::{Host, Url};

use crate::console::config::Endpoints;

/// A provider's end points.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Document {
    #[serde(default)]
    issuer: String,
    /// Where browsers are sent.
    #[serde(rename = "authorization_endpoint")]
    pub(super) authorization: String,
    /// Where a code becomes an ID token.
    #[serde(rename = "token_endpoint")]
    pub(super) token: String,
    /// Its keys.
    #[serde(rename = "jwks_uri")]
    pub(super) jwks: String,
    /// How clients show their secret; `client_secret_basic` where it does not say.
    #[serde(default, rename = "token_endpoint_auth_methods_supported")]
    methods: Vec<String>,
    /// Whether each of its answers names it (RFC 9207).
    #[serde(default, rename = "authorization_response_iss_parameter_supported")]
    pub(super) names_itself: bool,
}

impl Document {
    /// As the configuration has it.
    pub(super) fn given(endpoints: &Endpoints) -> Self {
        let Endpoints { authorization, token, jwks } = endpoints.clone();
        let (issuer, methods) = (String::new(), Vec::new());
        Self { issuer, authorization, token, jwks, methods, names_itself: false }
    }

    /// If it is this issuer's own.
    ///
    /// # Errors
    /// Another's document would have its end points asked in this one's name.
    pub(super) fn of(self, issuer: &str) -> Result<Self, String> {
        if self.issuer == issuer {
            return Ok(self);
        }
        let other = &self.issuer;
        Err(format!("its document is of `{other}`: write `issuer` exactly as it stands there"))
    }

    /// Whether the client's secret goes into the form.
    pub(super) fn posts_its_secret(&self) -> bool {
        let takes = |method: &str| self.methods.iter().any(|known| known == method);
        takes("client_secret_post") && !takes("client_secret_basic")
    }
}

/// Whether browsers may be sent to an address: what they type there goes in the clear
/// unless it is https. `plain_http` is for what the executor asks by itself.
///
/// # Errors
/// Neither https nor this machine, with what to do.
pub(super) fn safe(authorization: &str) -> Result<(), String> {
    let url = Url::parse(authorization).map_err(|why| format!("`authorization`: {why}"))?;
    let here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    if url.scheme() == "https" || here {
        return Ok(());
    }
    Err("`authorization` is not https: people type their passwords there. Use https".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn browsers_are_sent_to_https_or_to_this_machine() {
        for good in ["https://a.example/a", "http://localhost:1/a", "http://127.0.0.1/a"] {
            assert_eq!(safe(good), Ok(()), "{good}");
        }
        for bad in ["http://a.example/a", "http://10.0.0.1/a", "http://localhost.a.example/", "x"] {
            assert!(safe(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_document_is_its_own_issuers() {
        let read = |methods: &[&str]| {
            serde_json::from_value::<Document>(json!({
                "issuer": "https://a.example", "authorization_endpoint": "https://a.example/a",
                "token_endpoint": "https://a.example/t", "jwks_uri": "https://a.example/k",
                "token_endpoint_auth_methods_supported": methods, "more": 1,
            }))
            .unwrap()
        };
        assert!(read(&[]).of("https://a.example").is_ok());
        let problem = read(&[]).of("https://a.example/").unwrap_err();
        assert!(problem.contains("https://a.example"), "{problem}");
        assert!(!read(&[]).posts_its_secret());
        assert!(!read(&["client_secret_basic", "client_secret_post"]).posts_its_secret());
        assert!(read(&["client_secret_post"]).posts_its_secret());
    }
}
