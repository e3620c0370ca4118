//! Plain HTTP for probes, on its own port: kubelet speaks no mutual TLS.

use std::net::SocketAddr;
use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use countersign_shared::codes::Code;
use countersign_shared::drain::{Drain, STOPPING};
use countersign_shared::mtls::Channel;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::keep::Keep;
use crate::metrics::Metrics;

/// The text format that Prometheus asks for first.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// A probe waits this long for the executor.
const PATIENCE: Duration = Duration::from_secs(3);

/// Serves `/healthz` (the process lives) and `/readyz` (the executor answers, its
/// history is believed, and it was not told to stop) and `/metrics` until the process ends.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve(
    address: SocketAddr,
    (executor, keep): (Channel, Keep),
    drain: Drain,
    metrics: Metrics,
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .with_state((executor, keep.clone(), drain))
        .route("/metrics", get(async move || told(&keep, &metrics).await));
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the status pages have stopped");
        }
    });
    Ok(bound)
}

async fn told(keep: &Keep, metrics: &Metrics) -> ([(HeaderName, &'static str); 1], String) {
    metrics.distrusted(keep.distrust().is_some());
    ([(CONTENT_TYPE, OPEN_METRICS)], metrics.text_at(Timestamp::now()).await)
}

async fn ready(
    State((executor, keep, drain)): State<(Channel, Keep, Drain)>,
) -> (StatusCode, Json<Value>) {
    if drain.has_begun() {
        return not_ready(STOPPING);
    }
    if let Some(why) = keep.distrust() {
        return not_ready(&format!("{}: {why}", Code::HistoryDistrusted.name()));
    }
    let mut health = HealthClient::new(executor);
    let asked = tokio::time::timeout(PATIENCE, health.check(HealthCheckRequest::default())).await;
    let why = match asked {
        Ok(Ok(_)) => return (StatusCode::OK, Json(json!({ "ready": true }))),
        Ok(Err(status)) => format!("the executor answers {:?}", status.code()),
        Err(_elapsed) => "the executor does not answer".to_owned(),
    };
    not_ready(&why)
}

fn not_ready(why: &str) -> (StatusCode, Json<Value>) {
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "ready": false, "why": why })))
}
