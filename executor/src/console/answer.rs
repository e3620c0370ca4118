//! Saying yes or no: the claims are made here from what was shown, signed by the
//! person's passkey in the browser, and counted by the core (A YES IS SHOWN AND SIGNED).

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::grant::approval;
use countersign_core::grant::signature::{Assertion, Signature};
use countersign_core::lifecycle::State as Standing;
use countersign_core::policy::Person;
use countersign_shared::attest::{
    AUDIENCE, ApprovalClaims, ApprovalType, Decision, approval_challenge,
};
use countersign_shared::ids::ProposalId;
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use super::Console;
use super::sign_in::Question;
use crate::ports::Named;

/// How long signed claims count, in seconds: a tap, and a look at the phone.
const COUNTS: i64 = 300;
/// Longest wait for what a last yes sets going; it goes on behind the page.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest reason, in characters.
const REASON: usize = 500;

/// What somebody wants to answer to the card they see.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    decision: Decision,
    /// Digest of the card that the page shows.
    card: String,
    #[serde(default)]
    reason: String,
}

/// A sentence for the person in front of the page.
pub(super) fn said(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "message": message }))).into_response()
}

fn signed_out() -> Response {
    said(StatusCode::UNAUTHORIZED, "You are signed out. Sign in again.")
}

fn unknown() -> Response {
    said(StatusCode::NOT_FOUND, "There is no such request.")
}

/// `POST /approve/ID/claims`: what a passkey has to sign.
pub(super) async fn claims(
    State(console): State<Console>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(wish): Json<Wish>,
) -> Response {
    let Some(person) = console.person(&headers) else { return signed_out() };
    let Ok(id) = id.parse::<ProposalId>() else { return unknown() };
    let life = match console.desk.parked(Named::Proposal(id.clone())).await {
        Ok(life) => life,
        Err(turned) => return said(StatusCode::CONFLICT, &turned.refused.message),
    };
    let Standing::Proposed(parked) = life.state() else { return reload() };
    let (now, proposal) = (console.desk.pipeline.clock.now(), parked.proposal());
    if wish.card != proposal.card_digest() {
        return said(StatusCode::CONFLICT, "This is not the card that waits. Open the page again.");
    }
    let signers = console.desk.signers();
    let role = console
        .desk
        .contract(parked)
        .and_then(|contract| approval::role(parked, &person.id, &contract, &signers, now));
    let role = match role {
        Ok(role) => role.to_owned(),
        Err(refused) => return said(StatusCode::FORBIDDEN, &refused.message),
    };
    let claims = ApprovalClaims {
        typ: ApprovalType::Approval,
        iss: person.issuer.clone(),
        aud: AUDIENCE.to_owned(),
        sub: person.id.clone(),
        proposal: id.to_string(),
        card: wish.card,
        decision: wish.decision,
        role,
        reason: wish.reason.trim().chars().take(REASON).collect(),
        iat: now.as_second(),
        exp: now.as_second() + COUNTS,
    };
    question(&console, &person, &claims)
}

fn question(console: &Console, person: &Person, claims: &ApprovalClaims) -> Response {
    let Ok(claims) = serde_json::to_string(claims) else {
        return said(StatusCode::INTERNAL_SERVER_ERROR, "Not possible now. Try again.");
    };
    let credentials = person.passkeys.iter().map(|key| URL_SAFE_NO_PAD.encode(&key.id));
    Json(Question {
        challenge: URL_SAFE_NO_PAD.encode(approval_challenge(&claims)),
        claims,
        rp_id: console.site.host().to_owned(),
        credentials: credentials.collect(),
    })
    .into_response()
}

/// `POST /approve/ID/answer`: counts a signed answer. What it set going goes on when
/// the page is closed.
pub(super) async fn answer(
    State(console): State<Console>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(assertion): Json<Assertion>,
) -> Response {
    let Some(person) = console.person(&headers) else { return signed_out() };
    let Ok(id) = id.parse::<ProposalId>() else { return unknown() };
    let own = serde_json::from_str::<ApprovalClaims>(&assertion.claims);
    if !own.is_ok_and(|claims| claims.sub == person.id) {
        return said(StatusCode::FORBIDDEN, "This answer is not the signed-in person's.");
    }
    let (desk, asked) = (console.desk.clone(), id.clone());
    let signature = Signature::Passkey(Box::new(assertion));
    let counting = tokio::spawn(async move { desk.answer(&asked, signature).await });
    match timeout(PATIENCE, counting).await {
        // Still under way, or done: the page says how it stands.
        Err(_) | Ok(Ok(Ok(_))) => reload(),
        Ok(Ok(Err(turned))) => match console.desk.parked(Named::Proposal(id.clone())).await {
            Ok(life) if matches!(life.state(), Standing::Proposed(_)) => {
                said(StatusCode::CONFLICT, &turned.refused.message)
            }
            Ok(_) => reload(),
            Err(_) => said(StatusCode::CONFLICT, &turned.refused.message),
        },
        Ok(Err(error)) => {
            tracing::error!(%error, "an answer's task ended early");
            said(StatusCode::INTERNAL_SERVER_ERROR, "Not counted. Open the page again.")
        }
    }
}

/// The page itself knows the words for how the request stands now.
fn reload() -> Response {
    Json(json!({ "reload": true })).into_response()
}
