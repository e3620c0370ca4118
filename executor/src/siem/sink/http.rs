//! One POST to a receiver, behind the egress guard (NO SECRET LEAVES: the token is read
//! for each request, and no error shows it).

use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Client, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;
use zeroize::Zeroizing;

use super::Token;
use crate::connector::tls::Ca;
use crate::connector::{Kept, client};
use crate::siem::config::HttpConfig;
use crate::vault::Vault;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Largest answer that is read, in bytes.
const LARGEST: usize = 64 * 1024;

pub(super) struct Receiver {
    pub(super) url: Url,
    client: Client,
    vault: Vault,
    credential: Option<String>,
    /// What stands before the token in `Authorization`.
    scheme: &'static str,
}

/// What is sent in one request.
pub(super) struct Post {
    pub(super) url: Url,
    pub(super) content: &'static str,
    pub(super) header: Option<(HeaderName, HeaderValue)>,
    pub(super) body: Vec<u8>,
}

impl Receiver {
    pub(super) fn new(
        to: &HttpConfig,
        vault: &Vault,
        scheme: &'static str,
    ) -> Result<Self, String> {
        Ok(Self {
            url: to.url.clone(),
            client: client(&to.egress(), to.ca.as_deref().map(Ca::In), CONNECT, Kept::Pooled)?,
            vault: vault.clone(),
            credential: to.credential.clone(),
            scheme,
        })
    }

    /// The body of a complete answer of success.
    pub(super) async fn post(&self, post: Post) -> Result<Vec<u8>, String> {
        let request = self.client.post(post.url).timeout(PATIENCE);
        let mut request = request.header(CONTENT_TYPE, post.content).body(post.body);
        if let Some((name, value)) = post.header {
            request = request.header(name, value);
        }
        if let Some(token) = self.token().await? {
            request = request.header(http::header::AUTHORIZATION, token);
        }
        let explain = |error: reqwest::Error| error.without_url().to_string();
        let mut answer = request.send().await.map_err(explain)?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(explain)? {
            if body.len() + chunk.len() > LARGEST {
                return Err("the answer is larger than any receiver's".to_owned());
            }
            body.extend_from_slice(&chunk);
        }
        if status.is_success() { Ok(body) } else { Err(refused(status)) }
    }

    async fn token(&self) -> Result<Option<HeaderValue>, String> {
        let Some(id) = &self.credential else { return Ok(None) };
        let token = self.vault.deliver(id, Token(())).await.map_err(|error| error.to_string())?;
        header(self.scheme, &token).map(Some)
    }
}

fn header(scheme: &str, token: &SecretString) -> Result<HeaderValue, String> {
    let text = Zeroizing::new(format!("{scheme} {}", token.expose_secret()));
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| "the token has characters that no header can carry")?;
    value.set_sensitive(true);
    Ok(value)
}

fn refused(status: StatusCode) -> String {
    match status.as_u16() {
        401 | 403 => format!("HTTP {status}: give it a token that it takes"),
        413 => format!("HTTP {status}: raise the receiver's limit to 1 MiB a request"),
        _ => format!("HTTP {status}"),
    }
}
