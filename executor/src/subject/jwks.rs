//! The keys that an issuer publishes, kept at hand.
//!
//! ```text
//! first use, unknown kid ──at most one per 30 s──▶ fetch ──▶ held ──24 h──▶ gone
//!                 every 10 min, or the answer's max-age ──┘
//! ```
//!
//! A failed fetch changes nothing: keys are kept while the issuer is away, and what
//! it never published is never believed. Time is the caller's, as everywhere.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use countersign_core::error::Refused;
use countersign_core::signed::{Algorithm, Keys, key_set};
use countersign_shared::codes::Code;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use reqwest::Client;
use serde_json::Value as Json;
use tokio::sync::{Mutex, Notify, OwnedMutexGuard};
use url::Url;

use crate::connector;
use crate::connector::reach::Reach;
use crate::ports::Clock;

/// Time-out of a whole fetch.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Largest key set, in bytes.
const LARGEST: u64 = 256 * 1024;
/// Least time between two fetches that callers cause, and before a failed refresh
/// is tried again.
const PAUSE: Duration = Duration::from_secs(30);
/// How often keys are fetched again where the answer does not say.
const REFRESH: Duration = Duration::from_secs(10 * 60);
/// What an answer may say instead, at least and at most.
const REFRESH_BOUNDS: (Duration, Duration) =
    (Duration::from_secs(60), Duration::from_secs(24 * 3600));
/// How long keys are kept after the last good fetch.
const KEEP: Duration = Duration::from_secs(24 * 3600);

/// One issuer's published keys.
pub(crate) struct Jwks {
    issuer: String,
    url: Url,
    client: Client,
    algorithms: Vec<Algorithm>,
    held: ArcSwapOption<Held>,
    /// One fetches, others wait; when a caller last caused a fetch.
    asking: Arc<Mutex<Option<Timestamp>>>,
    used: Notify,
}

struct Held {
    keys: Arc<Keys>,
    at: Timestamp,
    refresh: Duration,
}

impl Jwks {
    /// Dials nothing yet.
    pub(crate) fn new(
        issuer: &str,
        url: &str,
        algorithms: Option<&[Algorithm]>,
        reach: Reach<'_>,
    ) -> Result<Self, String> {
        let (url, client) = reach.to("jwks", url, TIMEOUT)?;
        Ok(Self {
            issuer: issuer.to_owned(),
            client,
            url,
            algorithms: algorithms.unwrap_or(Algorithm::ALL).to_vec(),
            held: ArcSwapOption::empty(),
            asking: Arc::default(),
            used: Notify::new(),
        })
    }

    /// The issuer's keys; fetched where there are none, or not this one.
    ///
    /// # Errors
    /// `ISSUER_UNREACHABLE` where there are none.
    pub(crate) async fn keys(
        self: &Arc<Self>,
        kid: &str,
        now: Timestamp,
    ) -> Result<Arc<Keys>, Refused> {
        match self.held(now) {
            Some(keys) if keys.contains_key(kid) => return Ok(keys),
            Some(_) | None => self.ask(kid, now).await,
        }
        self.held(now).ok_or_else(|| {
            let message = format!("no keys from {}: the executor's log says why", self.issuer);
            let mut refused = Refused::new(Code::IssuerUnreachable, message);
            refused.retry_after = Some(PAUSE);
            refused
        })
    }

    fn held(&self, now: Timestamp) -> Option<Arc<Keys>> {
        let held = self.held.load();
        let held = held.as_ref().filter(|held| age(held.at, now) < KEEP)?;
        Some(Arc::clone(&held.keys))
    }

    /// A fetch that a caller causes: whoever floods us with names of keys that do
    /// not exist does not flood the issuer.
    async fn ask(self: &Arc<Self>, kid: &str, now: Timestamp) {
        let last = Arc::clone(&self.asking).lock_owned().await;
        let held = self.held(now);
        let known = held.as_ref().is_some_and(|keys| keys.contains_key(kid));
        if known || last.is_some_and(|last| age(last, now) < PAUSE) {
            return;
        }
        // In a task of its own: a caller who hangs up ends their waiting, not the fetch.
        tokio::spawn(Arc::clone(self).caused(last, held.is_none(), now)).await.ok();
    }

    async fn caused(
        self: Arc<Self>,
        mut last: OwnedMutexGuard<Option<Timestamp>>,
        first: bool,
        now: Timestamp,
    ) {
        let fetched = self.fetch(now).await;
        // The first good fetch leaves room for a rotation right after it.
        *last = (!(fetched && first)).then_some(now);
        self.used.notify_one();
    }

    /// Fetches again, as long as it is used; never ends.
    pub(crate) async fn keep_fresh(&self, clock: &dyn Clock) {
        self.used.notified().await;
        let mut fetched = true;
        loop {
            let next = match self.held.load().as_ref() {
                Some(held) if fetched => held.at.checked_add(held.refresh),
                Some(_) | None => clock.now().checked_add(PAUSE),
            };
            clock.until(next.unwrap_or(Timestamp::MAX)).await;
            fetched = self.refresh(clock.now()).await;
        }
    }

    /// Whether it could be fetched.
    pub(super) async fn refresh(&self, now: Timestamp) -> bool {
        let _alone = self.asking.lock().await;
        self.fetch(now).await
    }

    async fn fetch(&self, now: Timestamp) -> bool {
        match tokio::time::timeout(TIMEOUT, self.get()).await {
            Ok(Ok((keys, refresh))) => {
                self.held.store(Some(Arc::new(Held { keys: Arc::new(keys), at: now, refresh })));
                true
            }
            Ok(Err(why)) => self.failed(&why),
            Err(_) => self.failed("it takes too long"),
        }
    }

    fn failed(&self, why: &str) -> bool {
        tracing::warn!(url = %self.url, why, "an issuer's keys cannot be fetched");
        false
    }

    async fn get(&self) -> Result<(Keys, Duration), String> {
        let answer = self.client.get(self.url.clone()).send().await;
        let answer = answer.map_err(|error| error.without_url().to_string())?;
        if answer.status() != StatusCode::OK {
            return Err(format!("HTTP {}", answer.status().as_u16()));
        }
        let refresh = max_age(answer.headers()).unwrap_or(REFRESH);
        let body = connector::body(answer, LARGEST).await.map_err(|sent| format!("{sent:?}"))?;
        let set: Json = serde_json::from_slice(&body).map_err(|_| "not JSON".to_owned())?;
        if set.get("keys").and_then(Json::as_array).is_none() {
            return Err("no `keys` in it".to_owned());
        }
        Ok((key_set(&set, &self.algorithms), refresh.clamp(REFRESH_BOUNDS.0, REFRESH_BOUNDS.1)))
    }
}

/// A clock that was set back makes nothing younger.
fn age(then: Timestamp, now: Timestamp) -> Duration {
    now.duration_since(then).unsigned_abs()
}

fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(CACHE_CONTROL)?.to_str().ok()?.to_ascii_lowercase();
    let seconds = text.split(',').find_map(|part| part.trim().strip_prefix("max-age="))?;
    seconds.parse().ok().map(Duration::from_secs)
}
