//! A request's body: after its key, in time, and no larger than it may be.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::StatusCode;

use super::fault::Fault;

/// Largest body, in bytes: frontends send the whole conversation each time.
pub(super) const LARGEST: usize = 1024 * 1024;
/// Longest wait for all of it.
const PATIENCE: Duration = Duration::from_secs(15);

/// Reads it whole.
pub(super) async fn whole(body: Body) -> Result<Bytes, Fault> {
    match tokio::time::timeout(PATIENCE, to_bytes(body, LARGEST)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_broken)) => Err(Fault::body(StatusCode::PAYLOAD_TOO_LARGE)),
        Err(_elapsed) => Err(Fault::body(StatusCode::REQUEST_TIMEOUT)),
    }
}
