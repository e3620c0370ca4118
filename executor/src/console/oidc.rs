//! Signing in by the house's own sign-in (OpenID Connect, authorization code with PKCE).
//!
//! ```text
//! /sign-in/oidc ─▶ cookie (way) + redirect: state, nonce, challenge ─▶ the house's sign-in
//!                                                                          │ code, state
//! session ◀─ person of people.yaml ◀─ iss, sub ◀─ ID token ◀─ code + verifier ◀─┘
//! ```
//!
//! A token says who it is and nothing else: what they may do stands in the active policy
//! (NO ONE HOLDS THE WHOLE PEN).

mod document;
mod provider;
mod way;

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use url::Url;

use super::Console;
use super::challenge::Challenges;
use super::config::{Authorities, OidcConfig};
use super::frame::Frame;
use super::guard::asked_elsewhere;
use super::requests::page as html;
use super::session::{Proof, veiled};
use super::sign_in::{Turned, Way as To};
use super::site::{Site, sign_in};
use crate::ports::{Clock, SystemClock};
use provider::{Provider, Trouble};
use way::Way;

/// Where the house's sign-in sends browsers back to; registered there.
pub(super) const BACK: &str = "/sign-in/oidc/back";

/// The house's sign-in, and the questions of those who are on their way to it.
pub(super) struct Oidc {
    provider: Arc<Provider>,
    ways: Challenges,
    redirect: String,
}

/// What the house's sign-in answers through the browser.
#[derive(Deserialize)]
pub(super) struct Answer {
    #[serde(default)]
    state: String,
    code: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

#[derive(Template)]
#[template(path = "signed_in.html")]
struct SignedIn<'a> {
    frame: Frame,
    to: &'a str,
}

/// Whether it can be asked as configured. Dials nothing.
///
/// # Errors
/// Settings that cannot be used.
pub(super) fn check(config: &OidcConfig, ca: Option<Authorities>) -> anyhow::Result<()> {
    Provider::open(config, ca, Arc::new(SystemClock)).map(drop)
}

impl Oidc {
    /// From the configuration. Dials nothing.
    ///
    /// # Errors
    /// Settings that cannot be used; no randomness.
    pub(super) fn open(
        config: &OidcConfig,
        ca: Option<Authorities>,
        site: &Site,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let redirect = format!("{}{BACK}", site.origin());
        let provider = Arc::new(Provider::open(config, ca, clock)?);
        Ok(Self { provider, ways: Challenges::new()?, redirect })
    }

    /// What people know it by.
    pub(super) fn name(&self) -> String {
        let url = Url::parse(self.provider.issuer()).ok();
        url.as_ref().and_then(Url::host_str).unwrap_or("the house's sign-in").to_owned()
    }
}

/// `GET /sign-in/oidc`: off to the house's sign-in.
pub(super) async fn begin(
    State(console): State<Console>,
    headers: HeaderMap,
    Query(way): Query<To>,
) -> Response {
    if asked_elsewhere(&headers) {
        return Redirect::to(&sign_in(&way.to)).into_response();
    }
    let Some(oidc) = &console.oidc else { return Redirect::to("/sign-in").into_response() };
    let found = match oidc.provider.found().await {
        Ok(found) => found,
        Err(trouble) => return turned(trouble).page(&way.to),
    };
    let now = console.desk.pipeline.clock.now();
    let (Ok(under), Ok(mut url)) =
        (Way::begin(&oidc.ways, &way.to, now), Url::parse(&found.document.authorization))
    else {
        return turned(Trouble::Away).page(&way.to);
    };
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", oidc.provider.client_id())
        .append_pair("redirect_uri", &oidc.redirect)
        .append_pair("scope", "openid")
        .append_pair("state", &under.state())
        .append_pair("nonce", &under.nonce())
        .append_pair("code_challenge", &under.challenge())
        .append_pair("code_challenge_method", "S256");
    ([(SET_COOKIE, under.cookie(&console.site))], Redirect::to(url.as_str())).into_response()
}

/// `GET /sign-in/oidc/back`: from there, with a code.
pub(super) async fn back(
    State(console): State<Console>,
    headers: HeaderMap,
    answer: Result<Query<Answer>, QueryRejection>,
) -> Response {
    let (Some(oidc), Ok(Query(answer))) = (&console.oidc, answer) else {
        return Turned::stale().page("/");
    };
    let Some(under) = Way::shown(&console.site, &headers, &answer.state) else {
        return Turned::stale().page("/");
    };
    let now = console.desk.pipeline.clock.now();
    let Some(to) = under.to(&oidc.ways, now) else { return Turned::stale().page("/") };
    let over = AppendHeaders([(SET_COOKIE, under.cookie_back(&console.site))]);
    match admitted(&console, oidc, &under, &answer).await {
        Ok(token) => {
            let session = AppendHeaders([(SET_COOKIE, console.site.cookie(&token))]);
            // A page and no redirect: what leads on from here is our own, so the browser
            // sends the session with it.
            (over, session, html(&SignedIn { frame: Frame::outside(), to: &to })).into_response()
        }
        Err(turned) => (over, turned.page(&to)).into_response(),
    }
}

/// A session for whoever the answer is about.
async fn admitted(
    console: &Console,
    oidc: &Oidc,
    under: &Way,
    answer: &Answer,
) -> Result<String, Turned> {
    let Oidc { provider, redirect, .. } = oidc;
    let found = provider.found().await.map_err(turned)?;
    // Mix-up (RFC 9207): an answer of another issuer brings no code of this one.
    let named = answer.iss.as_deref();
    if named.map_or(found.document.names_itself, |iss| iss != provider.issuer()) {
        return Err(turned(provider.refuse("an answer is of another issuer")));
    }
    let code = match (&answer.code, &answer.error) {
        (Some(code), None) => code,
        (None | Some(_), _) => return Err(Turned::declined()),
    };
    let place = provider.place().await.map_err(turned)?;
    // Before the code is redeemed: one sign-in that was begun is one question to the house.
    if !under.take(&oidc.ways, console.desk.pipeline.clock.now()) {
        return Err(Turned::stale());
    }
    let subject = provider.subject(place, &found, code, under, redirect).await.map_err(turned)?;
    let issuer = provider.issuer().to_owned();
    let people = console.desk.pipeline.policy.people();
    let Some(person) = people.named(&issuer, &subject) else {
        if let Some(times) = console.unknown.count(console.desk.pipeline.clock.now()) {
            let sub = veiled(&subject);
            tracing::info!(issuer, sub, times, "not signed in: nobody in the policy; the last");
        }
        let [issuer, id] = [issuer, subject].map(serde_json::Value::from);
        return Err(Turned::nobody(format!("subjects:\n  - {{ issuer: {issuer}, id: {id} }}")));
    };
    console.begin_session(person, Proof::Subject { issuer, id: subject })
}

fn turned(trouble: Trouble) -> Turned {
    match trouble {
        Trouble::Away => Turned::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Not possible now",
            "The house's sign-in cannot be asked now. Try again in a moment; the executor's log \
             says why.",
        ),
        Trouble::Refused => Turned::new(
            StatusCode::UNAUTHORIZED,
            "Not signed in",
            "What the house's sign-in answered does not count here. Sign in again; where that \
             does not help, the executor's log says why.",
        ),
    }
}
