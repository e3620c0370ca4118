//! The body of a request: whole, in time, and no larger than it may be.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::time::timeout;

/// Largest one, in bytes: an assertion is far smaller.
const LARGEST: usize = 256 * 1024;
/// Longest wait for all of it.
const PATIENCE: Duration = Duration::from_secs(15);

/// Around every answer that may read one.
pub(super) async fn in_time(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match timeout(PATIENCE, to_bytes(body, LARGEST)).await {
        Ok(Ok(bytes)) => next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Ok(Err(_broken)) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Err(_elapsed) => StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use axum::Router;
    use axum::body::Bytes;
    use axum::middleware::from_fn;
    use axum::routing::post;
    use tower::ServiceExt as _;

    use super::*;

    async fn sent(body: Body) -> (StatusCode, Bytes) {
        let back = post(async |body: Bytes| body);
        let router = Router::new().route("/", back).layer(from_fn(in_time));
        let answer = router.oneshot(Request::post("/").body(body).unwrap()).await.unwrap();
        let status = answer.status();
        (status, to_bytes(answer.into_body(), LARGEST).await.unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_comes_whole_in_time_and_small() {
        assert_eq!(sent(Body::from("yes")).await, (StatusCode::OK, "yes".into()));
        assert_eq!(sent(Body::from(vec![0; LARGEST + 1])).await.0, StatusCode::PAYLOAD_TOO_LARGE);
        let never = tokio_stream::pending::<Result<&str, std::io::Error>>();
        assert_eq!(sent(Body::from_stream(never)).await.0, StatusCode::REQUEST_TIMEOUT);
    }
}
