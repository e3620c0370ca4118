//! Plain HTTP for probes, on its own port: kubelet speaks no mutual TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::ports::{Store, StoreError};

/// How long an answer to `/readyz` stands.
const STANDS: Duration = Duration::from_secs(2);
/// Longest wait for the store's write: a disk may hang. Together with `STANDS` less
/// than 5 s.
const PATIENCE: Duration = Duration::from_secs(2);

/// Serves `/healthz` (the process lives) and `/readyz` (the store takes writes)
/// until the process ends.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve(address: SocketAddr, store: Arc<dyn Store>) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .with_state((store, Arc::new(Readiness::default())));
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the status pages have stopped");
        }
    });
    Ok(bound)
}

type Asked = (Arc<dyn Store>, Arc<Readiness>);

async fn ready(State((store, readiness)): State<Asked>) -> (StatusCode, Json<Value>) {
    match readiness.ask(Instant::now(), store.probe()).await {
        Ok(()) => (StatusCode::OK, Json(json!({ "ready": true }))),
        Err(why) => {
            let body = json!({ "ready": false, "why": why });
            (StatusCode::SERVICE_UNAVAILABLE, Json(body))
        }
    }
}

/// Whether the store took a write when it was last tried. However often it is
/// asked, the store hears of it once in `STANDS`.
#[derive(Default)]
struct Readiness {
    last: Mutex<Option<(Instant, Result<(), String>)>>,
}

impl Readiness {
    async fn ask(
        &self,
        now: Instant,
        probe: impl Future<Output = Result<(), StoreError>>,
    ) -> Result<(), String> {
        let mut last = self.last.lock().await;
        if let Some((at, answer)) = &*last
            && now.duration_since(*at) < STANDS
        {
            return answer.clone();
        }
        let answer = match timeout(PATIENCE, probe).await {
            Ok(tried) => {
                tried.map_err(|e| format!("{e}: make room on its disk, or let it be written"))
            }
            Err(_) => Err("the store does not answer a write: look at its disk".to_owned()),
        };
        *last = Some((now, answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn readiness_follows_the_store_and_asks_it_rarely() {
        let (readiness, start) = (Readiness::default(), Instant::now());
        let tries = AtomicU32::new(0);
        let at = async |millis: u64, store: Result<(), StoreError>| {
            let probe = async {
                tries.fetch_add(1, Ordering::Relaxed);
                store
            };
            let told = readiness.ask(start + Duration::from_millis(millis), probe).await;
            (told, tries.load(Ordering::Relaxed))
        };
        let full = || Err(StoreError::Unavailable("disk full".to_owned()));
        assert_eq!(at(0, Ok(())).await, (Ok(()), 1));
        assert_eq!(at(1999, full()).await, (Ok(()), 1), "the answer stands");
        let (told, tried) = at(2000, full()).await;
        let told = told.unwrap_err();
        assert!(told.contains("disk full") && told.contains("make room"), "{told}");
        assert_eq!(tried, 2);
        assert!(at(3999, Ok(())).await.0.is_err());
        assert_eq!(at(4000, Ok(())).await, (Ok(()), 3), "it recovers by itself");
    }

    #[tokio::test]
    async fn a_store_that_hangs_is_not_ready() {
        let hangs = std::future::pending();
        let told = Readiness::default().ask(Instant::now(), hangs).await;
        assert!(told.unwrap_err().contains("does not answer"));
    }
}
