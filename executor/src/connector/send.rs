//! One request on the wire, and exactly what is known of it afterwards.

mod address;
mod after;
#[cfg(test)]
mod faults;

use std::time::Duration;

use countersign_core::answer::{Barrier, Sent};
use countersign_core::contract::{CredentialUse, Pack};
use countersign_core::request::WireRequest;
use countersign_core::subject::Subject;
use countersign_shared::span::{Kind, Span};
use countersign_shared::trace;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use reqwest::{Client, Response};
use secrecy::SecretString;
use tokio::time::{Instant, timeout_at};

use super::breaker::Breaker;
use super::config::{ConnectionConfig, EgressConfig};
use super::credential::{LastHop, Presented};
use super::egress::GuardedResolver;
use super::oauth::{self, Tokens};
use super::pace::Pace;
use super::scrub::Scrubs;
use super::{Account, failure, tls};
use crate::vault::{Vault, VaultError};

/// Longest wait for a connection. Within it, and no longer, a silent network is
/// known to have carried nothing.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a shared connection is kept without use; most servers keep it longer.
const IDLE: Duration = Duration::from_secs(20);
/// Largest answer of a token end point, in bytes.
const TOKEN_LIMIT: u64 = 64 * 1024;

/// Which connection a request goes out on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
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
    pace: Pace,
    breaker: Breaker,
    scrubs: Scrubs,
}

impl Connection {
    pub(super) fn new(
        config: &ConnectionConfig,
        pack: &Pack,
        vault: &Vault,
    ) -> Result<Self, String> {
        let connect = CONNECT.min(pack.timeout / 2);
        let client =
            |kept| client(&config.egress, config.ca.as_deref().map(tls::Ca::In), connect, kept);
        Ok(Self {
            account: Account {
                account: config.account.clone(),
                credential_id: config.credential.clone().unwrap_or_default(),
            },
            own: client(Kept::Never)?,
            shared: client(Kept::Pooled)?,
            vault: credentials(config, vault)?,
            tokens: Tokens::default(),
            pace: Pace::new(config.limits.over(pack.limits)),
            breaker: Breaker::default(),
            scrubs: Scrubs::default(),
            config: config.clone(),
        })
    }

    pub(super) const fn account(&self) -> &Account {
        &self.account
    }

    /// Whether the backend is left alone for now.
    pub(super) fn is_left_alone(&self) -> bool {
        self.breaker.is_open()
    }

    /// Sends a request once; a write not while the backend is left alone.
    pub(super) async fn send(
        &self,
        subject: &Subject,
        pack: &Pack,
        request: &WireRequest,
        kept: Kept,
        deadline: Instant,
    ) -> Sent {
        let pass = match kept {
            Kept::Pooled => None,
            Kept::Never => match self.breaker.pass(Instant::now()) {
                Ok(pass) => Some(pass),
                Err(sent) => return sent,
            },
        };
        let sent = self.in_turn(subject, pack, request, kept, deadline).await;
        if let Some(pass) = pass {
            pass.ended(&sent, Instant::now());
        }
        sent
    }

    /// Sends a request once. Only a token that the backend refuses with a complete
    /// 401, which proves that nothing happened, is replaced and the request repeated.
    async fn in_turn(
        &self,
        subject: &Subject,
        pack: &Pack,
        request: &WireRequest,
        kept: Kept,
        deadline: Instant,
    ) -> Sent {
        let _turn = match self.pace.turn(deadline).await {
            Ok(turn) => turn,
            Err(busy) => return Sent::NotSent { barrier: Barrier::Busy, why: busy.to_string() },
        };
        let (presented, token) = match self.present(subject, pack, request, deadline).await {
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
        match self.present(subject, pack, request, deadline).await {
            Ok((presented, _)) => self.exchange(request, &presented, kept, limit, deadline).await,
            // The first answer is complete and stands.
            Err(_) => sent,
        }
    }

    /// The request's credential, and the token in it if it is one.
    async fn present(
        &self,
        subject: &Subject,
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
        // Each customer's own, and none where there is none of their own.
        let per = self.config.credential_per.as_ref();
        let name = match per {
            None => id.clone(),
            Some(per) => own(id, &per.claim, subject)?,
        };
        let secret = timeout_at(deadline, self.vault.reveal(&name, LastHop::new()))
            .await
            .map_err(|_| unusable("its file system does not answer: look at it".to_owned()))?;
        let secret = match (secret, per) {
            (Ok(secret), _) => secret,
            (Err(VaultError::Missing { .. }), Some(per)) => return Err(denied(id, &per.claim)),
            (Err(error), _) => return Err(unusable(error.to_string())),
        };
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

    /// One exchange, as a span of its own: which server, and which status.
    async fn exchange(
        &self,
        request: &WireRequest,
        presented: &Presented,
        kept: Kept,
        limit: u64,
        deadline: Instant,
    ) -> Sent {
        let mut span = Span::begin(Kind::Client, request.method.as_str());
        span.set("http.request.method", request.method.as_str());
        span.set("server.address", self.config.base_url.host_str().unwrap_or_default());
        let sent = span.run(self.exchanged(request, presented, kept, limit, deadline)).await;
        match &sent {
            Sent::Answered { status, .. } => {
                span.set("http.response.status_code", u32::from(*status));
            }
            Sent::NotSent { .. } | Sent::Lost { .. } => span.fail(),
        }
        sent
    }

    async fn exchanged(
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
        let scrub = self.scrubs.of(presented.parts());
        match sent {
            Sent::NotSent { barrier, why } => Sent::NotSent { barrier, why: scrub.text(why) },
            Sent::Lost { why } => Sent::Lost { why: scrub.text(why) },
            Sent::Answered { status, retry_after, replayed, body } => {
                Sent::Answered { status, retry_after, replayed, body: scrub.bytes(body) }
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
        // Beside the intent's bytes, and of no meaning to the effect.
        if let Some(value) = trace::current().and_then(|trace| trace.header().ok()) {
            headers.insert(trace::HEADER, value);
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

/// Where the connection's credentials are: in a folder of their own where each
/// subject has one.
fn credentials(config: &ConnectionConfig, vault: &Vault) -> Result<Vault, String> {
    match (&config.credential_per, &config.credential) {
        (Some(_), Some(id)) => vault.folder(id).map_err(|error| error.to_string()),
        (Some(_), None) | (None, _) => Ok(vault.clone()),
    }
}

/// The name of a subject's own credential.
fn own(id: &str, claim: &str, subject: &Subject) -> Result<String, Sent> {
    subject.claim(claim).map(Vault::name_of).ok_or_else(|| denied(id, claim))
}

/// There is no shared credential to fall back to.
fn denied(id: &str, claim: &str) -> Sent {
    let why = format!(
        "this subject has no credential of their own: put one into the folder `{id}` of the \
         credentials folder, named after the claim `{claim}`"
    );
    Sent::NotSent { barrier: Barrier::Egress, why }
}

/// A client under the guard: resolver, no redirects, no proxy, https unless the
/// configuration says otherwise; it repeats nothing.
pub(crate) fn client(
    egress: &EgressConfig,
    ca: Option<tls::Ca<'_>>,
    connect: Duration,
    kept: Kept,
) -> Result<Client, String> {
    Client::builder()
        .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(tls::config(ca)?)
        .https_only(!egress.plain_http)
        .dns_resolver(GuardedResolver::new(egress))
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

/// The whole answer, up to `limit` bytes.
async fn receive(response: Response, limit: u64) -> Sent {
    let status = response.status().as_u16();
    let retry_after = after::retry_after(response.headers());
    let replayed = after::replayed(response.headers());
    match body(response, limit).await {
        Ok(body) => Sent::Answered { status, retry_after, replayed, body },
        Err(lost) => lost,
    }
}

/// Reads a body to its end, up to `limit` bytes; otherwise the answer is lost.
pub(crate) async fn body(mut response: Response, limit: u64) -> Result<Vec<u8>, Sent> {
    let status = response.status().as_u16();
    let open_ended = is_open_ended(&response);
    let too_large = || Sent::Lost { why: format!("HTTP {status} with more than {limit} bytes") };
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Err(error) => return Err(failure::within_answer(&error)),
            Ok(None) => break,
            Ok(Some(chunk)) => {
                let length = body.len().saturating_add(chunk.len());
                if u64::try_from(length).unwrap_or(u64::MAX) > limit {
                    return Err(too_large());
                }
                body.extend_from_slice(&chunk);
            }
        }
    }
    if open_ended && body.is_empty() {
        return Err(Sent::Lost { why: format!("HTTP {status} and then the connection ended") });
    }
    Ok(body)
}

/// Whether only the end of the connection ends the answer: an empty one may be cut.
fn is_open_ended(response: &Response) -> bool {
    let headers = response.headers();
    response.version() <= Version::HTTP_11
        && !headers.contains_key(CONTENT_LENGTH)
        && !headers.contains_key(TRANSFER_ENCODING)
        && !matches!(response.status().as_u16(), 204 | 304)
}
