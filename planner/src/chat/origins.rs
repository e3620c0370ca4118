//! Cross-origin calls: answered for pages of configured origins, and for nobody else.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Chat;

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST");
const ORIGIN: HeaderValue = HeaderValue::from_static("origin");
/// When a refused page may come again.
const EXPOSED: HeaderValue = HeaderValue::from_static("retry-after");
/// A preflight counts for ten minutes.
const LASTS: HeaderValue = HeaderValue::from_static("600");

/// Answers preflights and marks the answers that a page may read.
pub(super) async fn answer(
    State(chat): State<Arc<Chat>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(origin) = request.headers().get(header::ORIGIN).cloned() else {
        return next.run(request).await;
    };
    let known = origin.to_str().is_ok_and(|origin| match chat.frontends.of(request.headers()) {
        Ok(frontend) => frontend.has_origin(origin),
        Err(_no_key) => chat.frontends.know_origin(origin),
    });
    let wanted = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let preflight = request.method() == Method::OPTIONS;
    let mut response =
        if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.insert(header::VARY, ORIGIN);
    if known {
        allow(headers, origin, wanted.filter(|_| preflight));
    }
    response
}

/// No credentials of the browser are allowed: the API key is the only way in.
fn allow(headers: &mut HeaderMap, origin: HeaderValue, wanted: Option<HeaderValue>) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    if let Some(wanted) = wanted {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted);
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, LASTS);
    }
}
