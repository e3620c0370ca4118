//! Signing in by a certificate that the browser shows. Only the executor's own TLS sees
//! one: what an ingress writes into a header is believed by nobody here.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::Form;
use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::HeaderValue;
use axum::http::header::{CONNECTION, SET_COOKIE};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use countersign_shared::mtls::SpiffeId;
use rustls::ServerConnection;

use super::Console;
use super::session::Proof;
use super::sign_in::{Turned, Way};
use super::site::local;

/// How long a handshake's proof counts: what was revoked or has expired since is found by
/// the next one. That of services is as old at most.
const COUNTS: Duration = Duration::from_secs(300);
/// Answers end their connection from so long before, so that who is busy notices nothing.
const BEFORE: Duration = Duration::from_secs(60);

/// Whom the certificate of a connection names, where one was shown: the handshake has
/// proved it.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub(super) id: Option<SpiffeId>,
    /// When the proof counts no more.
    pub(super) until: Instant,
}

/// Whom the certificate names, as long as its proof counts.
pub(super) struct Certificate(pub(super) Option<SpiffeId>);

impl Shown {
    /// By a connection whose handshake is over just now.
    pub(super) fn over(tls: &ServerConnection) -> Self {
        let leaf = tls.peer_certificates().and_then(<[_]>::first);
        let id = leaf.and_then(|leaf| SpiffeId::from_certificate(leaf).ok());
        Self { id, until: Instant::now() + COUNTS }
    }

    /// Of the connection that a request came by.
    pub(super) fn by(parts: &Parts) -> Option<&SpiffeId> {
        let ConnectInfo(shown) = parts.extensions.get::<ConnectInfo<Self>>()?;
        shown.id.as_ref().filter(|_| Instant::now() < shown.until)
    }

    fn is_over_soon(&self) -> bool {
        self.id.is_some() && self.until.saturating_duration_since(Instant::now()) < BEFORE
    }
}

/// Around every answer: a connection that shows a certificate ends in time, and the next
/// one proves it again.
pub(super) async fn renew(request: Request, next: Next) -> Response {
    let shown = request.extensions().get::<ConnectInfo<Shown>>();
    let over = shown.is_some_and(|ConnectInfo(shown)| shown.is_over_soon());
    let mut response = next.run(request).await;
    if over {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

impl<S: Sync> FromRequestParts<S> for Certificate {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(Shown::by(parts).cloned()))
    }
}

/// `POST /sign-in/certificate`.
pub(super) async fn sign_in(
    State(console): State<Console>,
    Certificate(shown): Certificate,
    Form(way): Form<Way>,
) -> Response {
    let to = local(&way.to);
    match console.by_certificate(shown) {
        Ok(token) => {
            ([(SET_COOKIE, console.site.cookie(&token))], Redirect::to(to)).into_response()
        }
        Err(turned) => turned.page(to),
    }
}

impl Console {
    fn by_certificate(&self, shown: Option<SpiffeId>) -> Result<String, Turned> {
        let id = shown.ok_or_else(Turned::no_certificate)?;
        let Some(person) = self.desk.pipeline.policy.people().of_certificate(id.as_str()) else {
            if let Some(times) = self.unknown.count(self.desk.pipeline.clock.now()) {
                let certificate = id.as_str();
                tracing::info!(certificate, times, "not signed in: nobody in the policy; the last");
            }
            return Err(Turned::nobody(format!("certificates: [\"{id}\"]")));
        };
        self.begin_session(person, Proof::Certificate(id))
    }
}
