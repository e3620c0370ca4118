//! One request on the wire, and exactly what is known of it afterwards.

mod address;
mod after;
#[cfg(test)]
mod faults;

use std::time::Duration;

use countersign_core::answer::{Barrier, Sent};
use countersign_core::contract::{CredentialUse, Pack};
use countersign_core::request::WireRequest;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use reqwest::{Client, Response};
use secrecy::SecretString;
use tokio::time::{Instant, timeout_at};

use super::config::ConnectionConfig;
use super::credential::{LastHop, Presented};
use super::egress::GuardedResolver;
use super::oauth::{self, Tokens};
use super::{Account, failure, tls};
use crate::vault::Vault;

/// Longest wait for a connection. Within it, and no longer, a silent network is
/// known to have carried nothing.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a shared connection is kept without use; most servers keep it longer.
const IDLE: Duration = Duration::from_secs(20);
/// Largest answer of a token end point, in bytes.
const TOKEN_LIMIT: u64 = 64 * 1024;

/// Which connection a request goes out on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// One of its own, closed afterwards.
    Never,
    /// A shared one.
    Pooled,
}

/// One tenant's way to one backend.
pub(super) struct Connection {
    config: ConnectionConfig,
    account: Account,
    own: Client,
    shared: Client,
    vault: Vault,
    tokens: Tokens,
}

impl Connection {
    pub(super) fn new(
        config: &ConnectionConfig,
        pack: &Pack,
        vault: &Vault,
    ) -> Result<Self, String> {
        let tls = tls::config(config.ca.as_deref())?;
        let client = |kept| client(config, tls.clone(), CONNECT.min(pack.timeout / 2), kept);
        Ok(Self {
            account: Account {
                account: config.account.clone(),
                credential_id: config.credential.clone().unwrap_or_default(),
            },
            own: client(Kept::Never)?,
            shared: client(Kept::Pooled)?,
            vault: vault.clone(),
            tokens: Tokens::default(),
            config: config.clone(),
        })
    }

    pub(super) const fn account(&self) -> &Account {
        &self.account
    }

    /// Sends a request once. Only a token that the backend refuses with a complete
    /// 401, which proves that nothing happened, is replaced and the request repeated.
    pub(super) async fn send(
        &self,
        pack: &Pack,
        request: &WireRequest,
        kept: Kept,
        deadline: Instant,
    ) -> Sent {
        let (presented, token) = match self.present(pack, request, deadline).await {
            Ok(ready) => ready,
            Err(sent) => return sent,
        };
        let limit = pack.response_limit;
        let sent = self.exchange(request, &presented, kept, limit, deadline).await;
        let Some(token) = token.filter(|_| matches!(sent, Sent::Answered { status: 401, .. }))
        else {
            return sent;
        };
        self.tokens.forget(&token).await;
        match self.present(pack, request, deadline).await {
            Ok((presented, _)) => self.exchange(request, &presented, kept, limit, deadline).await,
            // The first answer is complete and stands.
            Err(_) => sent,
        }
    }

    /// The request's credential, and the token in it if it is one.
    async fn present(
        &self,
        pack: &Pack,
        request: &WireRequest,
        deadline: Instant,
    ) -> Result<(Presented, Option<SecretString>), Sent> {
        let Some(id) = &self.config.credential else {
            return Ok((Presented::nothing(), None));
        };
        let unusable = |why: String| {
            tracing::warn!(credential = %id, %why, "credential cannot be used");
            Sent::NotSent { barrier: Barrier::Credential, why: format!("credential `{id}`: {why}") }
        };
        let secret = timeout_at(deadline, self.vault.reveal(id, LastHop::new()))
            .await
            .map_err(|_| unusable("its file system does not answer: look at it".to_owned()))?
            .map_err(|error| unusable(error.to_string()))?;
        let CredentialUse::OauthClientCredentials { token_path, scope } = &pack.credential else {
            let presented = Presented::new(&pack.credential, &secret, &request.body);
            return Ok((presented.map_err(|why| unusable(why.to_owned()))?, None));
        };
        let (ask, client) =
            oauth::ask(token_path, scope, &secret).map_err(|why| unusable(why.to_owned()))?;
        let asking = self.exchange(&ask, &client, Kept::Pooled, TOKEN_LIMIT, deadline);
        let token = self.tokens.get(&secret, Instant::now(), deadline, asking).await?;
        let presented = Presented::new(&CredentialUse::Bearer, &token, &request.body)
            .map_err(|why| unusable(why.to_owned()))?;
        Ok((presented.hiding(&secret), Some(token)))
    }

    async fn exchange(
        &self,
        request: &WireRequest,
        presented: &Presented,
        kept: Kept,
        limit: u64,
        deadline: Instant,
    ) -> Sent {
        let sent = match self.prepare(request, presented, kept, deadline) {
            Err(why) => Sent::NotSent { barrier: Barrier::Egress, why },
            Ok(prepared) => match self.client(kept).execute(prepared).await {
                Err(error) => failure::before_answer(&error),
                Ok(response) => receive(response, limit).await,
            },
        };
        match sent {
            Sent::NotSent { barrier, why } => {
                Sent::NotSent { barrier, why: presented.scrub_text(why) }
            }
            Sent::Lost { why } => Sent::Lost { why: presented.scrub_text(why) },
            Sent::Answered { status, retry_after, replayed, body } => {
                Sent::Answered { status, retry_after, replayed, body: presented.scrub(body) }
            }
        }
    }

    const fn client(&self, kept: Kept) -> &Client {
        match kept {
            Kept::Never => &self.own,
            Kept::Pooled => &self.shared,
        }
    }

    fn prepare(
        &self,
        request: &WireRequest,
        presented: &Presented,
        kept: Kept,
        deadline: Instant,
    ) -> Result<reqwest::Request, String> {
        let url = address::of(&self.config, request)?;
        let method = Method::from_bytes(request.method.as_bytes()).map_err(|e| e.to_string())?;
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|e| e.to_string())?;
            let value = HeaderValue::from_str(value).map_err(|e| format!("header {name}: {e}"))?;
            headers.insert(name, value);
        }
        // Last, so that nothing of the contract replaces it.
        headers.extend(presented.header());
        let left = deadline.saturating_duration_since(Instant::now());
        self.client(kept)
            .request(method, url)
            .headers(headers)
            .body(request.body.clone())
            .timeout(left)
            .build()
            .map_err(|error| error.without_url().to_string())
    }
}

/// A client under the guard: resolver, no redirects, no proxy, https unless the
/// connection says otherwise; it repeats nothing.
fn client(
    config: &ConnectionConfig,
    tls: rustls::ClientConfig,
    connect: Duration,
    kept: Kept,
) -> Result<Client, String> {
    Client::builder()
        .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(tls)
        .https_only(!config.egress.plain_http)
        .dns_resolver(GuardedResolver::new(&config.egress))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .retry(reqwest::retry::never())
        .connect_timeout(connect)
        .pool_max_idle_per_host(match kept {
            Kept::Never => 0,
            Kept::Pooled => 32,
        })
        .pool_idle_timeout(IDLE)
        .build()
        .map_err(|error| format!("HTTP client: {}", failure::explain(&error)))
}

/// Reads the whole answer, up to `limit` bytes.
async fn receive(mut response: Response, limit: u64) -> Sent {
    let status = response.status().as_u16();
    let retry_after = after::retry_after(response.headers());
    let replayed = after::replayed(response.headers());
    let open_ended = is_open_ended(&response);
    let too_large = || Sent::Lost { why: format!("HTTP {status} with more than {limit} bytes") };
    if response.content_length().is_some_and(|length| length > limit) {
        return too_large();
    }
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Err(error) => return failure::within_answer(&error),
            Ok(None) => break,
            Ok(Some(chunk)) => {
                let length = body.len().saturating_add(chunk.len());
                if u64::try_from(length).unwrap_or(u64::MAX) > limit {
                    return too_large();
                }
                body.extend_from_slice(&chunk);
            }
        }
    }
    if open_ended && body.is_empty() {
        return Sent::Lost { why: format!("HTTP {status} and then the connection ended") };
    }
    Sent::Answered { status, retry_after, replayed, body }
}

/// Whether only the end of the connection ends the answer: an empty one may be cut.
fn is_open_ended(response: &Response) -> bool {
    let headers = response.headers();
    response.version() <= Version::HTTP_11
        && !headers.contains_key(CONTENT_LENGTH)
        && !headers.contains_key(TRANSFER_ENCODING)
        && !matches!(response.status().as_u16(), 204 | 304)
}
