//! Plain HTTP for probes, on its own port: kubelet speaks no mutual TLS.

use std::net::SocketAddr;

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::vitals::Vitals;

/// Serves `/healthz` (the process lives) and `/readyz` (effects may begin) until the
/// process ends.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve(address: SocketAddr, vitals: Vitals) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .with_state(vitals);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the status pages have stopped");
        }
    });
    Ok(bound)
}

async fn ready(State(vitals): State<Vitals>) -> (StatusCode, Json<Value>) {
    match vitals.ailment(tokio::time::Instant::now()) {
        None => match vitals.quarantine() {
            None => (StatusCode::OK, Json(json!({ "ready": true }))),
            // Reads are served.
            Some(why) => (StatusCode::OK, Json(json!({ "ready": true, "quarantine": why }))),
        },
        Some(why) => {
            let body = json!({ "ready": false, "why": why });
            (StatusCode::SERVICE_UNAVAILABLE, Json(body))
        }
    }
}
