//! Plain HTTP for probes, on its own port: kubelet speaks no mutual TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use countersign_shared::codes::Code;
use countersign_shared::drain::{Drain, STOPPING};
use countersign_shared::listen::{Limits, Ports};
use countersign_shared::mtls::{Channel, Material};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::keep::Keep;
use crate::memory::{Memory, Unread};
use crate::metrics::Metrics;

/// The text format that Prometheus asks for first.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Connections at once.
const CONNECTIONS: usize = 256;
/// A probe waits this long for the executor, and for what planners remember.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the pages tell of, each a handle that others share.
#[derive(Clone)]
pub struct Seen {
    /// The way to the executor.
    pub executor: Channel,
    /// Whether its history is believed.
    pub keep: Keep,
    /// What planners remember.
    pub memory: Memory,
    /// When what proves this planner runs out.
    pub material: Arc<Material>,
    /// Whether it was told to stop.
    pub drain: Drain,
}

/// Serves `/healthz` (the process lives), `/readyz` (the executor answers, its history is
/// believed, what planners remember can be asked for, and it was not told to stop) and
/// `/metrics` until the process ends.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve(
    address: SocketAddr,
    seen: Seen,
    metrics: Metrics,
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .with_state(seen.clone())
        .route("/metrics", get(async move || told(&seen, &metrics).await));
    // Nobody stops these: `/readyz` says to the end that it comes.
    Ports::default().serve(listener, None, Limits::of(CONNECTIONS), move |_| router.clone());
    Ok(bound)
}

async fn told(seen: &Seen, metrics: &Metrics) -> ([(HeaderName, &'static str); 1], String) {
    metrics.distrusted(seen.keep.distrust().is_some());
    let (executor, memory) = tokio::join!(reached(seen.executor.clone()), remembers(&seen.memory));
    metrics.reached(executor.is_ok());
    metrics.remembers(memory.is_ok());
    metrics.ends(seen.material.ends());
    ([(CONTENT_TYPE, OPEN_METRICS)], metrics.text_at(Timestamp::now()).await)
}

async fn ready(State(seen): State<Seen>) -> (StatusCode, Json<Value>) {
    if seen.drain.has_begun() {
        return not_ready(STOPPING);
    }
    if let Some(why) = seen.keep.distrust() {
        return not_ready(&format!("{}: {why}", Code::HistoryDistrusted.name()));
    }
    match tokio::try_join!(reached(seen.executor), remembers(&seen.memory)) {
        Ok(_) => (StatusCode::OK, Json(json!({ "ready": true }))),
        Err(why) => not_ready(&why),
    }
}

/// Whether the executor answers this planner, or why not.
async fn reached(executor: Channel) -> Result<(), String> {
    let mut health = HealthClient::new(executor);
    match tokio::time::timeout(PATIENCE, health.check(HealthCheckRequest::default())).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(status)) => Err(format!("the executor answers {:?}", status.code())),
        Err(_elapsed) => Err("the executor does not answer".to_owned()),
    }
}

/// Whether what planners remember can be asked for, or why not.
async fn remembers(memory: &Memory) -> Result<(), String> {
    match tokio::time::timeout(PATIENCE, memory.reached()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(Unread)) | Err(_) => Err("the planners' database does not answer".to_owned()),
    }
}

fn not_ready(why: &str) -> (StatusCode, Json<Value>) {
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "ready": false, "why": why })))
}
