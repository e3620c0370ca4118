//! The page to sign in on, signing in by passkey, and making a passkey to be put into
//! `people.yaml`.

use askama::Template;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::grant::signature::Assertion;
use countersign_core::policy::Person;
use countersign_shared::attest::sign_in_challenge;
use serde::{Deserialize, Serialize};

use super::Console;
use super::answer::said;
use super::certificate::Certificate;
use super::frame::Frame;
use super::requests::page as html;
use super::session::Proof;
use super::site::{local, sign_in as sign_in_to};
use super::visitor::Visitor;

/// Where somebody wanted to go.
#[derive(Deserialize)]
pub(super) struct Way {
    #[serde(default)]
    pub(super) to: String,
}

/// Why somebody was not signed in, and what they can do.
pub(super) struct Turned {
    status: StatusCode,
    title: &'static str,
    text: &'static str,
    /// What an operator has to put into `people.yaml`; mostly empty.
    lines: String,
}

/// What a passkey is asked.
#[derive(Serialize)]
pub(super) struct Question {
    /// The text whose digest is signed; comes back with the assertion.
    pub(super) claims: String,
    /// The digest, base64url.
    pub(super) challenge: String,
    /// The host that passkeys are bound to.
    pub(super) rp_id: String,
    /// Passkeys that will do, base64url; none named means any.
    pub(super) credentials: Vec<String>,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn<'a> {
    frame: Frame,
    to: &'a str,
    /// The house's own sign-in; empty where there is none.
    house: String,
    /// Whom the connection's certificate names; empty where none was shown.
    certificate: String,
}

#[derive(Template)]
#[template(path = "turned.html")]
struct Away {
    frame: Frame,
    turned: Turned,
    again: String,
}

#[derive(Template)]
#[template(path = "enrol.html")]
struct Enrol<'a> {
    frame: Frame,
    rp_id: &'a str,
}

/// `GET /sign-in`.
pub(super) async fn page(
    State(console): State<Console>,
    visitor: Option<Visitor>,
    Certificate(shown): Certificate,
    Query(way): Query<Way>,
) -> Response {
    let to = local(&way.to);
    if visitor.is_some() {
        return Redirect::to(to).into_response();
    }
    let house = console.oidc.as_ref().map(|oidc| oidc.name()).unwrap_or_default();
    let certificate = shown.map(|id| id.to_string()).unwrap_or_default();
    html(&SignIn { frame: Frame::outside(), to, house, certificate })
}

/// `GET /session`: whether this browser is signed in. A link from elsewhere comes
/// without our cookie, and the page asks again from here.
pub(super) async fn session(visitor: Option<Visitor>) -> StatusCode {
    match visitor {
        Some(_) => StatusCode::NO_CONTENT,
        None => StatusCode::UNAUTHORIZED,
    }
}

/// `POST /sign-in/question`.
pub(super) async fn question(State(console): State<Console>) -> Response {
    match console.challenges.ask(console.desk.pipeline.clock.now()) {
        Ok(claims) => Json(Question {
            challenge: URL_SAFE_NO_PAD.encode(sign_in_challenge(&claims)),
            claims,
            rp_id: console.site.host().to_owned(),
            credentials: Vec::new(),
        })
        .into_response(),
        Err(error) => {
            tracing::error!(%error, "the system gives no randomness");
            let turned = Turned::not_now();
            said(turned.status, turned.text)
        }
    }
}

/// `POST /sign-in`.
pub(super) async fn sign_in(
    State(console): State<Console>,
    Json(assertion): Json<Assertion>,
) -> Response {
    let now = console.desk.pipeline.clock.now();
    let signers = console.desk.signers();
    let (person, passkey) = match assertion.signs_in(signers.policy.people(), signers.origin) {
        Ok(found) => found,
        Err(why) => {
            if let Some(times) = console.unproved.count(now) {
                tracing::info!(%why, times, "passkeys did not sign in; the last");
            }
            return said(StatusCode::UNAUTHORIZED, &format!("Not signed in: {why}."));
        }
    };
    if !console.challenges.take(&assertion.claims, now) {
        return said(StatusCode::UNAUTHORIZED, "That took too long. Sign in again.");
    }
    match console.begin_session(person, Proof::Passkey(passkey.clone())) {
        Ok(token) => {
            (StatusCode::NO_CONTENT, [(SET_COOKIE, console.site.cookie(&token))]).into_response()
        }
        Err(turned) => said(turned.status, turned.text),
    }
}

impl Console {
    /// Begins a session; answers with its token.
    pub(super) fn begin_session(&self, person: &Person, proof: Proof) -> Result<String, Turned> {
        let now = self.desk.pipeline.clock.now();
        let by = proof.to_string();
        let token = self.sessions.begin(&person.id, proof, now).map_err(|error| {
            tracing::error!(%error, "the system gives no randomness");
            Turned::not_now()
        })?;
        tracing::info!(person = %person.id, by, "signed in");
        Ok(token)
    }
}

impl Turned {
    pub(super) fn new(status: StatusCode, title: &'static str, text: &'static str) -> Self {
        Self { status, title, text, lines: String::new() }
    }

    /// An answer that belongs to no sign-in of this browser, or to one that is over.
    pub(super) fn stale() -> Self {
        let text = "This sign-in was begun in another browser, is over already, or took more \
                    than five minutes. Sign in again.";
        Self::new(StatusCode::BAD_REQUEST, "Not signed in", text)
    }

    /// The house's sign-in said no.
    pub(super) fn declined() -> Self {
        let text = "You were not signed in there. Sign in again; where that does not help, ask \
                    whoever runs the house's sign-in to let you use this console.";
        Self::new(StatusCode::UNAUTHORIZED, "Not signed in", text)
    }

    /// Known elsewhere, and to nobody here.
    pub(super) fn nobody(lines: String) -> Self {
        let text = "Whoever you are there, nobody in the active policy is. If you should be let \
                    in, give these lines to an operator, who checks with you, out of band, that \
                    they are yours: they count once they stand in people.yaml, at your name, \
                    and are activated.";
        Self { lines, ..Self::new(StatusCode::FORBIDDEN, "Not known here", text) }
    }

    /// None was asked for, or none was chosen.
    pub(super) fn no_certificate() -> Self {
        let text = "Your browser has shown no certificate. Choose one when it asks; where it \
                    does not ask, close it and open the page again.";
        Self::new(StatusCode::UNAUTHORIZED, "Not signed in", text)
    }

    fn not_now() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Not now", "Not possible now. Try again.")
    }

    /// As a page that leads back to the sign-in, and from there to where they wanted to go.
    pub(super) fn page(self, to: &str) -> Response {
        let status = self.status;
        let away = Away { frame: Frame::outside(), turned: self, again: sign_in_to(to) };
        (status, html(&away)).into_response()
    }
}

/// `POST /sign-out`.
pub(super) async fn sign_out(State(console): State<Console>, headers: HeaderMap) -> Response {
    if let Some(token) = console.site.token(&headers) {
        console.sessions.end(&token);
    }
    ([(SET_COOKIE, console.site.cookie(""))], Redirect::to("/sign-in")).into_response()
}

/// `GET /enrol`: makes a passkey in the browser and shows the lines for `people.yaml`.
/// The page itself changes nothing (NO ONE HOLDS THE WHOLE PEN).
pub(super) async fn enrol(State(console): State<Console>) -> Response {
    html(&Enrol { frame: Frame::outside(), rp_id: console.site.host() })
}
