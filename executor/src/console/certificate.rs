//! Signing in by a certificate that the browser shows. Only the executor's own TLS sees
//! one: what an ingress writes into a header is believed by nobody here.

use std::convert::Infallible;

use axum::Form;
use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::http::header::SET_COOKIE;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::serve::IncomingStream;
use countersign_shared::mtls::SpiffeId;

use super::Console;
use super::session::Proof;
use super::sign_in::{Turned, Way};
use super::site::local;
use super::tls::Accepted;

/// Whom the certificate of a connection names, where one was shown: the handshake has
/// proved it.
#[derive(Debug, Clone)]
pub(super) struct Shown(pub(super) Option<SpiffeId>);

impl axum::extract::connect_info::Connected<IncomingStream<'_, Accepted>> for Shown {
    fn connect_info(stream: IncomingStream<'_, Accepted>) -> Self {
        let (_, tls) = stream.io().get_ref();
        let leaf = tls.peer_certificates().and_then(<[_]>::first);
        Self(leaf.and_then(|leaf| SpiffeId::from_certificate(leaf).ok()))
    }
}

impl Shown {
    /// Of the connection that a request came by.
    pub(super) fn by(parts: &Parts) -> Option<&SpiffeId> {
        parts.extensions.get::<ConnectInfo<Self>>().and_then(|ConnectInfo(shown)| shown.0.as_ref())
    }
}

impl<S: Sync> FromRequestParts<S> for Shown {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(Self::by(parts).cloned()))
    }
}

/// `POST /sign-in/certificate`.
pub(super) async fn sign_in(
    State(console): State<Console>,
    Shown(shown): Shown,
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
            return Err(Turned::nobody(format!("certificates: [\"{id}\"]")));
        };
        self.begin_session(person, Proof::Certificate(id))
    }
}
