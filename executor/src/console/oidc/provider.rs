//! The house's own sign-in, seen from here: where its end points are, and who stands
//! behind a code that it gave.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_core::request::percent;
use countersign_core::signed::{named, statement};
use jiff::Timestamp;
use reqwest::header::AUTHORIZATION;
use reqwest::{Client, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use tokio::sync::{Mutex, OwnedMutexGuard, Semaphore, SemaphorePermit};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use super::document::{Document, safe};
use super::way::Way;
use crate::connector;
use crate::console::config::{Authorities, Endpoints, OidcConfig};
use crate::console::seldom::Seldom;
use crate::ports::Clock;
use crate::subject::jwks::Jwks;
use crate::webhook;

/// Longest wait for an answer of it.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Largest answer, in bytes.
const LARGEST: u64 = 256 * 1024;
/// How long its discovery document stands.
const STANDS: Duration = Duration::from_secs(3600);
/// Least time between two looks for it.
const PAUSE: Duration = Duration::from_secs(10);
/// Codes that are redeemed at once: strangers can begin a sign-in too.
const AT_ONCE: usize = 8;

/// The house's sign-in. Dials nothing before somebody signs in.
pub(super) struct Provider {
    config: OidcConfig,
    /// As they were activated, and never read again.
    ca: Option<Authorities>,
    secret: Option<SecretString>,
    clock: Arc<dyn Clock>,
    known: Arc<Mutex<Known>>,
    room: Semaphore,
    refused: Seldom,
}

#[derive(Default)]
struct Known {
    found: Option<Arc<Found>>,
    /// When it was looked for last.
    tried: Option<Timestamp>,
}

/// Its end points, ready to be asked.
pub(super) struct Found {
    pub(super) document: Document,
    token: (Url, Client),
    jwks: Arc<Jwks>,
    /// Looks for new keys as long as this is in use.
    _fresh: AbortOnDropHandle<()>,
}

/// Why nobody was signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It cannot be asked, or its answers cannot be read.
    Away,
    /// It did not take the code, or what it says does not verify.
    Refused,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: SecretString,
}

impl Provider {
    /// From the configuration. Dials nothing.
    ///
    /// # Errors
    /// Addresses or files that cannot be used.
    pub(super) fn open(
        config: &OidcConfig,
        ca: Option<Authorities>,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let wrong = |why: String| anyhow!("`sign_in.oidc`: {why}");
        let addresses = match &config.endpoints {
            None => vec![("issuer", &config.issuer)],
            Some(Endpoints { authorization, token, jwks }) => {
                vec![("authorization", authorization), ("token", token), ("jwks", jwks)]
            }
        };
        for (setting, address) in addresses {
            config.reach(ca.as_ref()).to(setting, address, TIMEOUT).map_err(wrong)?;
        }
        if let Some(Endpoints { authorization, .. }) = &config.endpoints {
            safe(authorization).map_err(wrong)?;
        }
        let secret = config.secret_file.as_deref().map(webhook::secret).transpose();
        Ok(Self {
            config: config.clone(),
            ca,
            secret: secret.map_err(wrong)?,
            clock,
            known: Arc::default(),
            room: Semaphore::new(AT_ONCE),
            refused: Seldom::default(),
        })
    }

    /// `iss` of its ID tokens.
    pub(super) fn issuer(&self) -> &str {
        &self.config.issuer
    }

    /// As what we are known there.
    pub(super) fn client_id(&self) -> &str {
        &self.config.client_id
    }

    /// Its end points; one looks for them, others wait. What was found once stays in use
    /// where it cannot be found again.
    pub(super) async fn found(self: &Arc<Self>) -> Result<Arc<Found>, Trouble> {
        let (known, now) = (Arc::clone(&self.known).lock_owned().await, self.clock.now());
        let since = known.tried.map(|tried| now.duration_since(tried).unsigned_abs());
        let pause = if known.found.is_some() { STANDS } else { PAUSE };
        if since.is_some_and(|since| since <= pause) {
            return known.found.clone().ok_or(Trouble::Away);
        }
        // In a task of its own: a browser that hangs up ends its waiting, not the look.
        tokio::spawn(Arc::clone(self).renewed(known)).await.unwrap_or(Err(Trouble::Away))
    }

    async fn renewed(
        self: Arc<Self>,
        mut known: OwnedMutexGuard<Known>,
    ) -> Result<Arc<Found>, Trouble> {
        let looked = self.look().await;
        known.tried = Some(self.clock.now());
        match looked {
            Ok(document) if known.found.as_ref().is_some_and(|it| it.document == document) => {}
            Ok(document) => match self.ready(&document) {
                Ok(found) => known.found = Some(Arc::new(found)),
                Err(why) => self.failed(&why),
            },
            Err(why) => self.failed(&why),
        }
        known.found.clone().ok_or(Trouble::Away)
    }

    fn ready(&self, document: &Document) -> Result<Found, String> {
        safe(&document.authorization)?;
        let reach = self.config.reach(self.ca.as_ref());
        reach.to("authorization", &document.authorization, TIMEOUT)?;
        let token = reach.to("token", &document.token, TIMEOUT)?;
        let algorithms = self.config.algorithms.as_deref();
        let jwks = Jwks::new(self.issuer(), &document.jwks, algorithms, reach)?;
        let (jwks, clock) = (Arc::new(jwks), Arc::clone(&self.clock));
        let fresh = Arc::clone(&jwks);
        let fresh = tokio::spawn(async move { fresh.keep_fresh(&*clock).await });
        let _fresh = AbortOnDropHandle::new(fresh);
        Ok(Found { document: document.clone(), token, jwks, _fresh })
    }

    fn failed(&self, why: &str) {
        tracing::warn!(issuer = self.issuer(), why, "the house's sign-in cannot be used");
    }

    async fn look(&self) -> Result<Document, String> {
        if let Some(endpoints) = &self.config.endpoints {
            return Ok(Document::given(endpoints));
        }
        let address =
            format!("{}/.well-known/openid-configuration", self.issuer().trim_end_matches('/'));
        let (url, client) = self.config.reach(self.ca.as_ref()).to("issuer", &address, TIMEOUT)?;
        let document: Document = json(client.get(url)).await?;
        document.of(self.issuer())
    }

    /// Tells, now and again, that strangers bring what does not count.
    pub(super) fn refuse(&self, why: &str) -> Trouble {
        if let Some(times) = self.refused.count(self.clock.now()) {
            tracing::warn!(issuer = self.issuer(), why, times, "sign-ins were refused; the last");
        }
        Trouble::Refused
    }

    /// A place among those whose codes are redeemed; waits for one.
    pub(super) async fn place(&self) -> Result<SemaphorePermit<'_>, Trouble> {
        let place = timeout(TIMEOUT, self.room.acquire()).await;
        place.ok().and_then(Result::ok).ok_or(Trouble::Away)
    }

    /// The subject of the ID token that a code is good for.
    pub(super) async fn subject(
        &self,
        _place: SemaphorePermit<'_>,
        found: &Found,
        code: &str,
        way: &Way,
        redirect: &str,
    ) -> Result<String, Trouble> {
        let tokens = self.redeem(found, code, way, redirect).await?;
        let refused = |why: &str| self.refuse(&format!("an ID token does not count: {why}"));
        let (token, now) = (tokens.id_token.expose_secret(), self.clock.now());
        let kid = named(token).map_err(|why| refused(&why.to_string()))?.kid;
        let keys = found.jwks.keys(&kid, now).await.map_err(|_| Trouble::Away)?;
        let claims = statement(token, self.issuer(), self.client_id(), &keys, now);
        let claims = claims.map_err(|why| refused(&why.to_string()))?;
        subject(&claims, self.client_id(), &way.nonce()).map_err(refused)
    }

    async fn redeem(
        &self,
        found: &Found,
        code: &str,
        way: &Way,
        redirect: &str,
    ) -> Result<Tokens, Trouble> {
        let (url, client) = &found.token;
        let verifier = way.verifier();
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect),
            ("code_verifier", verifier.as_str()),
            ("client_id", self.client_id()),
        ];
        let mut request = client.post(url.clone());
        match &self.secret {
            Some(secret) if found.document.posts_its_secret() => {
                form.push(("client_secret", secret.expose_secret()));
            }
            Some(secret) => request = request.header(AUTHORIZATION, self.basic(secret)),
            None => {}
        }
        match answered(request.form(&form)).await {
            Ok((StatusCode::OK, body)) => serde_json::from_slice(&body).map_err(|_| {
                self.failed("its answer to a code holds no ID token");
                Trouble::Away
            }),
            // The words of that answer are not repeated: they are about a credential.
            Ok((status, _)) if status.is_client_error() => {
                Err(self.refuse(&format!("it takes no code of ours: HTTP {}", status.as_u16())))
            }
            Ok((status, _)) => {
                self.failed(&format!("HTTP {}", status.as_u16()));
                Err(Trouble::Away)
            }
            Err(why) => {
                self.failed(&why);
                Err(Trouble::Away)
            }
        }
    }

    /// Both parts are form-encoded first (RFC 6749, 2.3.1).
    fn basic(&self, secret: &SecretString) -> String {
        let both = format!("{}:{}", percent(self.client_id()), percent(secret.expose_secret()));
        format!("Basic {}", STANDARD.encode(both))
    }
}

async fn json<T: DeserializeOwned>(request: reqwest::RequestBuilder) -> Result<T, String> {
    match answered(request).await? {
        (StatusCode::OK, body) => serde_json::from_slice(&body)
            .map_err(|error| format!("its discovery document cannot be read: {error}")),
        (status, _) => Err(format!("its discovery document: HTTP {}", status.as_u16())),
    }
}

async fn answered(request: reqwest::RequestBuilder) -> Result<(StatusCode, Vec<u8>), String> {
    let answer = request.timeout(TIMEOUT).send().await;
    let answer = answer.map_err(|error| error.without_url().to_string())?;
    let status = answer.status();
    let body = connector::body(answer, LARGEST).await.map_err(|lost| format!("{lost:?}"))?;
    Ok((status, body))
}

/// The subject of an ID token whose signature, issuer, audience and time hold.
fn subject(claims: &Json, client: &str, nonce: &str) -> Result<String, &'static str> {
    let text = |name: &str| claims.get(name).and_then(Json::as_str);
    if claims.get("typ").is_some_and(|typ| typ != "ID") {
        return Err("a token of another kind");
    }
    if claims.get("exp").is_none() {
        return Err("it has no exp");
    }
    if text("nonce") != Some(nonce) {
        return Err("it answers another question than ours");
    }
    let several = claims.get("aud").and_then(Json::as_array).is_some_and(|all| all.len() > 1);
    if (several || claims.get("azp").is_some()) && text("azp") != Some(client) {
        return Err("it is for another client");
    }
    text("sub").filter(|sub| !sub.is_empty()).map(str::to_owned).ok_or("it has no sub")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::json;

    use super::*;

    #[test]
    fn an_id_token_answers_our_question_to_us() {
        let good = json!({ "sub": "00u1", "aud": "c", "exp": 9, "nonce": "n", "typ": "ID" });
        assert_eq!(subject(&good, "c", "n").as_deref(), Ok("00u1"));
        let with = |name: &str, value: Json| {
            let mut claims = good.clone();
            claims[name] = value;
            subject(&claims, "c", "n")
        };
        assert_eq!(with("azp", json!("c")).as_deref(), Ok("00u1"));
        assert_eq!(with("aud", json!(["c"])).as_deref(), Ok("00u1"));
        for (name, value) in [
            ("nonce", json!("other")),
            ("nonce", Json::Null),
            ("azp", json!("other")),
            ("aud", json!(["c", "other"])),
            ("typ", json!("logout")),
            ("sub", json!("")),
            ("sub", json!(7)),
        ] {
            assert!(with(name, value.clone()).is_err(), "{name}: {value}");
        }
        let mut endless = good.clone();
        endless.as_object_mut().unwrap().remove("exp");
        assert_eq!(subject(&endless, "c", "n"), Err("it has no exp"));
    }

    fn at(issuer: &str, ca: Option<Authorities>) -> Arc<Provider> {
        let config: OidcConfig = serde_json::from_value(json!({
            "issuer": issuer, "client_id": "c", "plain_http": true,
            "private_networks": ["127.0.0.0/8"],
        }))
        .unwrap();
        Arc::new(Provider::open(&config, ca, Arc::new(crate::ports::SystemClock)).unwrap())
    }

    /// A sign-in that publishes its document; how often it was asked for.
    async fn published() -> (String, Arc<AtomicUsize>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let (asked, own) = (Arc::new(AtomicUsize::new(0)), issuer.clone());
        let counted = Arc::clone(&asked);
        let document = async move || {
            counted.fetch_add(1, Ordering::SeqCst);
            axum::Json(json!({
                "issuer": own, "authorization_endpoint": format!("{own}/a"),
                "token_endpoint": format!("{own}/t"), "jwks_uri": format!("{own}/k"),
            }))
        };
        let path = "/.well-known/openid-configuration";
        let router = axum::Router::new().route(path, axum::routing::get(document));
        tokio::spawn(async move { axum::serve(listener, router).await });
        (issuer, asked)
    }

    #[tokio::test]
    async fn whoever_hangs_up_ends_no_look() {
        let (issuer, asked) = published().await;
        let provider = at(&issuer, None);
        {
            let mut waiting = std::pin::pin!(provider.found());
            assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        }
        assert!(provider.found().await.is_ok());
        assert_eq!(asked.load(Ordering::SeqCst), 1, "one look, for both");
    }

    #[tokio::test]
    async fn an_authority_counts_as_it_was_activated() {
        let (issuer, _) = published().await;
        let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
        let ca = Authorities { file: "/absent/ca.pem".into(), pem: made.cert.pem() };
        assert!(at(&issuer, Some(ca)).found().await.is_ok(), "its file is not read again");
    }

    #[tokio::test]
    async fn settings_that_cannot_be_are_told_with_a_remedy() {
        let open = |more: Json| {
            let mut settings = json!({ "issuer": "https://login.example", "client_id": "c" });
            settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let config: OidcConfig = serde_json::from_value(settings).unwrap();
            let opened = Provider::open(&config, None, Arc::new(crate::ports::SystemClock));
            opened.err().map(|why| why.to_string()).unwrap_or_default()
        };
        assert_eq!(open(json!({})), "");
        assert!(open(json!({ "issuer": "http://login.example" })).contains("plain_http"));
        assert!(open(json!({ "issuer": "https://10.0.0.1" })).contains("private_networks"));
        assert!(open(json!({ "secret_file": "/absent" })).contains("/absent"));
        let at = |token: &str| {
            let (authorization, jwks) = ("https://login.example/a", "https://login.example/k");
            json!({ "endpoints": { "authorization": authorization, "token": token, "jwks": jwks } })
        };
        assert_eq!(open(at("https://login.example/t")), "");
        assert!(open(at("http://login.example/t")).contains("`token` is not https"));
    }
}
