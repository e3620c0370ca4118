//! Plain HTTP for probes, on its own port: kubelet speaks no mutual TLS.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
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
/// What `/readyz` says until everything is open.
const STARTING: &str = "starting: opening the store";
/// Connections at once.
const CONNECTIONS: usize = 256;

/// What the pages tell of once everything is open.
#[derive(Clone, Default)]
pub struct Open(Arc<OnceLock<(Vitals, Metrics)>>);

impl Open {
    /// From now on they tell of these.
    pub fn tell(&self, vitals: Vitals, metrics: Metrics) {
        let _first = self.0.set((vitals, metrics));
    }
}

/// Serves `/healthz` (the process lives), `/readyz` (effects may begin, and it was not told to
/// stop) and `/metrics` until the process ends. Begun before the store is open: that may take
/// long, and whoever probes must not take it for dead.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve(
    address: SocketAddr,
    open: Open,
    drain: Drain,
    material: Arc<Material>,
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    let told_of = open.clone();
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .with_state((open, drain))
        .route("/metrics", get(async move || told(&told_of, &material)));
    // Nobody stops these: `/readyz` says to the end that it comes.
    Ports::default().serve(listener, None, Limits::of(CONNECTIONS), move |_| router.clone());
    Ok(bound)
}

fn told(open: &Open, material: &Material) -> Response {
    let Some((_, metrics)) = open.0.get() else { return not_ready(STARTING).into_response() };
    metrics.ends(material.ends());
    ([(CONTENT_TYPE, OPEN_METRICS)], metrics.text()).into_response()
}

async fn ready(State((open, drain)): State<(Open, Drain)>) -> (StatusCode, Json<Value>) {
    if drain.has_begun() {
        return not_ready(STOPPING);
    }
    let Some((vitals, _)) = open.0.get() else { return not_ready(STARTING) };
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
