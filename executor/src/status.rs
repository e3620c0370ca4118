//! Plain HTTP for probes, on its own port: kubelet speaks no mutual TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::ports::Store;

/// Serves `/healthz` (the process lives) and `/readyz` (the store answers) until
/// the process ends.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve(address: SocketAddr, store: Arc<dyn Store>) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .with_state(store);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the status pages have stopped");
        }
    });
    Ok(bound)
}

async fn ready(State(store): State<Arc<dyn Store>>) -> (StatusCode, Json<Value>) {
    match store.checkpoint().await {
        Ok(_) => (StatusCode::OK, Json(json!({ "ready": true }))),
        Err(error) => {
            let body = json!({ "ready": false, "why": error.to_string() });
            (StatusCode::SERVICE_UNAVAILABLE, Json(body))
        }
    }
}
