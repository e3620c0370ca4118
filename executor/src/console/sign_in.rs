//! Signing in by passkey, and making a passkey to be put into `people.yaml`.

use askama::Template;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::grant::signature::Assertion;
use countersign_shared::attest::sign_in_challenge;
use serde::{Deserialize, Serialize};

use super::Console;
use super::answer::said;
use super::frame::Frame;
use super::requests::page as html;
use super::site::local;

/// Where somebody wanted to go.
#[derive(Deserialize)]
pub(super) struct Way {
    #[serde(default)]
    to: String,
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
    Query(way): Query<Way>,
    headers: HeaderMap,
) -> Response {
    let to = local(&way.to);
    if console.visitor(&headers).is_some() {
        return Redirect::to(to).into_response();
    }
    html(&SignIn { frame: Frame::outside(), to })
}

/// `GET /session`: whether this browser is signed in. A link from elsewhere comes
/// without our cookie, and the page asks again from here.
pub(super) async fn session(State(console): State<Console>, headers: HeaderMap) -> StatusCode {
    match console.visitor(&headers) {
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
        Err(error) => no_randomness(error),
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
            tracing::info!(%why, "a passkey did not sign in");
            return said(StatusCode::UNAUTHORIZED, &format!("Not signed in: {why}."));
        }
    };
    if !console.challenges.take(&assertion.claims, now) {
        return said(StatusCode::UNAUTHORIZED, "That took too long. Sign in again.");
    }
    match console.sessions.begin(&person.id, passkey, now) {
        Ok(token) => {
            tracing::info!(person = %person.id, "signed in");
            (StatusCode::NO_CONTENT, [(SET_COOKIE, console.site.cookie(&token))]).into_response()
        }
        Err(error) => no_randomness(error),
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

fn no_randomness(error: getrandom::Error) -> Response {
    tracing::error!(%error, "the system gives no randomness");
    said(StatusCode::SERVICE_UNAVAILABLE, "Not possible now. Try again.")
}
