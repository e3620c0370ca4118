//! Plain HTTP for probes, on its own port: kubelet speaks no mutual TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use countersign_shared::drain::{Drain, STOPPING};
use countersign_shared::listen::{Limits, Ports};
use countersign_shared::mtls::Material;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::metrics::Metrics;
use crate::vitals::Vitals;

/// The text format that Prometheus asks for first.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Connections at once.
const CONNECTIONS: usize = 256;

/// Serves `/healthz` (the process lives), `/readyz` (effects may begin, and it was not told to
/// stop) and `/metrics` until the process ends.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve(
    address: SocketAddr,
    (vitals, drain): (Vitals, Drain),
    (metrics, material): (Metrics, Arc<Material>),
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .with_state((vitals, drain))
        .route("/metrics", get(async move || told(&metrics, &material)));
    // Nobody stops these: `/readyz` says to the end that it comes.
    Ports::default().serve(listener, None, Limits::of(CONNECTIONS), move |_| router.clone());
    Ok(bound)
}

fn told(metrics: &Metrics, material: &Material) -> ([(HeaderName, &'static str); 1], String) {
    metrics.ends(material.ends());
    ([(CONTENT_TYPE, OPEN_METRICS)], metrics.text())
}

async fn ready(State((vitals, drain)): State<(Vitals, Drain)>) -> (StatusCode, Json<Value>) {
    if drain.has_begun() {
        return not_ready(STOPPING);
    }
    match vitals.ailment(tokio::time::Instant::now()) {
        None => match vitals.quarantine() {
            None => (StatusCode::OK, Json(json!({ "ready": true }))),
            // Reads are served.
            Some(why) => (StatusCode::OK, Json(json!({ "ready": true, "quarantine": why }))),
        },
        Some(why) => not_ready(&why),
    }
}

fn not_ready(why: &str) -> (StatusCode, Json<Value>) {
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "ready": false, "why": why })))
}
