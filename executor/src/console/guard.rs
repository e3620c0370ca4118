//! What holds for every page: nothing foreign runs on it, frames it or posts to it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, ORIGIN,
    REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::site::Site;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    // Not `no-referrer`: browsers would then send `Origin: null` with a form.
    (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// Around every answer.
pub(super) async fn guard(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let mut response = if posted_elsewhere(&site, request.method(), request.headers()) {
        (StatusCode::FORBIDDEN, "this was not sent from our own page\n").into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    // What a page says itself stands.
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(value);
    }
    if site.secure() {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(STRICT_TRANSPORT_SECURITY, year);
    }
    response
}

/// Beside `SameSite`: whatever changes something comes from our own page.
fn posted_elsewhere(site: &Site, method: &Method, headers: &HeaderMap) -> bool {
    let changes = *method != Method::GET && *method != Method::HEAD;
    changes && headers.get(ORIGIN).is_none_or(|origin| origin != site.origin())
}

/// Whether another site's page has the browser ask; one that does not say is believed.
pub(super) fn asked_elsewhere(headers: &HeaderMap) -> bool {
    let from = headers.get("sec-fetch-site");
    from.is_some_and(|from| !matches!(from.to_str(), Ok("same-origin" | "same-site" | "none")))
}

/// The pages' script.
pub(super) async fn script() -> Response {
    let text = include_str!("pages/page.js");
    ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], text).into_response()
}

/// The pages' looks.
pub(super) async fn style() -> Response {
    let text = include_str!("pages/page.css");
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], text).into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_post_comes_from_our_own_page() {
        let site = Site::new("https://approve.shop.example").unwrap();
        let from = |origin: &str| HeaderMap::from_iter([(ORIGIN, origin.parse().unwrap())]);
        let elsewhere = |method, headers| posted_elsewhere(&site, &method, &headers);
        assert!(!elsewhere(Method::POST, from("https://approve.shop.example")));
        for origin in [
            "https://evil.example",
            "https://approve.shop.example.evil.example",
            "http://approve.shop.example",
            "null",
        ] {
            assert!(elsewhere(Method::POST, from(origin)), "{origin}");
        }
        assert!(elsewhere(Method::POST, HeaderMap::new()), "nobody says from where");
        assert!(elsewhere(Method::PUT, HeaderMap::new()));
        assert!(!elsewhere(Method::GET, HeaderMap::new()), "a link is no change");
    }

    #[test]
    fn no_other_site_begins_a_sign_in() {
        let from = |site: &str| {
            let name = HeaderName::from_static("sec-fetch-site");
            asked_elsewhere(&HeaderMap::from_iter([(name, site.parse().unwrap())]))
        };
        assert!(from("cross-site") && from("") && from("other"));
        assert!(!from("same-origin") && !from("same-site") && !from("none"));
        assert!(!asked_elsewhere(&HeaderMap::new()));
    }

    #[test]
    fn no_script_or_style_stands_in_a_page() {
        assert!(!POLICY.contains("unsafe"));
        for page in [
            include_str!("pages/base.html"),
            include_str!("pages/sign_in.html"),
            include_str!("pages/enrol.html"),
            include_str!("pages/signed_in.html"),
            include_str!("pages/turned.html"),
            include_str!("pages/tenants.html"),
            include_str!("pages/list.html"),
            include_str!("pages/request.html"),
            include_str!("pages/customer.html"),
            include_str!("pages/receipt.html"),
            include_str!("pages/switches.html"),
            include_str!("pages/escalations.html"),
            include_str!("pages/escalation.html"),
            include_str!("pages/activations.html"),
            include_str!("pages/kept.html"),
            include_str!("pages/actions.html"),
            include_str!("pages/action.html"),
            include_str!("pages/analytics.html"),
            include_str!("pages/review.html"),
            include_str!("pages/coverage.html"),
        ] {
            assert!(!page.contains("style=") && !page.contains("onclick"), "{page}");
            assert!(!page.contains("|safe") && !page.contains("| safe"), "{page}");
        }
    }
}
