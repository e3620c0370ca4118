//! Saying yes or no: the claims are made here from what was shown, signed by the
//! person's passkey in the browser, and counted by the core (A YES IS SHOWN AND SIGNED).

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::error::Refused;
use countersign_core::grant::Parked;
use countersign_core::grant::signature::{Assertion, Signature};
use countersign_core::policy::Person;
use countersign_shared::attest::{
    AUDIENCE, ApprovalClaims, ApprovalType, Decision, approval_challenge,
};
use countersign_shared::codes::Code;
use countersign_shared::ids::ProposalId;
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use super::Console;
use super::sign_in::Question;
use super::visitor::Visitor;
use crate::ports::Named;

/// How long signed claims count, in seconds: a tap, and a look at the phone.
pub(super) const COUNTS: i64 = 300;
/// Longest wait for what a last yes sets going; it goes on behind the page.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// Longest reason, in characters.
pub(super) const REASON: usize = 500;

/// What somebody wants to answer to the card they see.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    pub(super) decision: Decision,
    /// Digest of the card that the page shows.
    pub(super) card: String,
    #[serde(default)]
    pub(super) reason: String,
}

/// A sentence for the person in front of the page.
pub(super) fn said(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "message": message }))).into_response()
}

pub(super) fn signed_out() -> Response {
    said(StatusCode::UNAUTHORIZED, "You are signed out. Sign in again.")
}

/// Why there is nothing to sign.
pub(super) enum Unsigned {
    /// It does not wait any more: the page says how it stands.
    Ended,
    /// A sentence for the person.
    Said(StatusCode, String),
}

impl Unsigned {
    fn new(status: StatusCode, message: &str) -> Self {
        Self::Said(status, message.to_owned())
    }

    fn unknown() -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is no such request.")
    }
}

impl IntoResponse for Unsigned {
    fn into_response(self) -> Response {
        match self {
            Self::Ended => reload(),
            Self::Said(status, message) => said(status, &message),
        }
    }
}

/// `POST /approve/ID/claims`: what a passkey has to sign.
pub(super) async fn claims(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    Json(wish): Json<Wish>,
) -> Response {
    let person = &visitor.person;
    let found = match id.parse::<ProposalId>() {
        Ok(id) => console.waiting(&id, person).await,
        Err(_) => Err(Unsigned::unknown()),
    };
    match found.and_then(|parked| console.drawn_up(&parked, person, &wish)) {
        Ok(claims) => {
            let challenge = approval_challenge(&claims);
            question(&console, person, claims, challenge)
        }
        Err(unsigned) => unsigned.into_response(),
    }
}

impl Console {
    /// A request that waits.
    pub(super) async fn waiting(
        &self,
        id: &ProposalId,
        person: &Person,
    ) -> Result<Parked, Unsigned> {
        match self.found(id, person).await {
            Ok(life) => life.state().parked().cloned().ok_or(Unsigned::Ended),
            Err(turned) => Err(Unsigned::new(StatusCode::CONFLICT, &turned.refused.message)),
        }
    }

    /// The claims of a person's answer to the card that they saw, as exact JSON.
    pub(super) fn drawn_up(
        &self,
        parked: &Parked,
        person: &Person,
        wish: &Wish,
    ) -> Result<String, Unsigned> {
        let (now, proposal) = (self.desk.pipeline.clock.now(), parked.proposal());
        if wish.card != proposal.card_digest() {
            let message = "This is not the card that waits. Open the page again.";
            return Err(Unsigned::new(StatusCode::CONFLICT, message));
        }
        let role = self.role(parked, person);
        let role = role.map_err(|why| Unsigned::Said(StatusCode::FORBIDDEN, why))?;
        let claims = ApprovalClaims {
            typ: ApprovalType::Approval,
            iss: person.issuer.clone(),
            aud: AUDIENCE.to_owned(),
            sub: person.id.clone(),
            proposal: proposal.id().to_string(),
            card: wish.card.clone(),
            decision: wish.decision,
            role,
            reason: wish.reason.trim().chars().take(REASON).collect(),
            iat: now.as_second(),
            exp: now.as_second() + COUNTS,
        };
        let failed = "Not possible now. Try again.";
        serde_json::to_string(&claims)
            .map_err(|_| Unsigned::new(StatusCode::INTERNAL_SERVER_ERROR, failed))
    }
}

/// What a person's passkey is asked to sign.
pub(super) fn question(
    console: &Console,
    person: &Person,
    claims: String,
    challenge: [u8; 32],
) -> Response {
    Json(Question {
        challenge: URL_SAFE_NO_PAD.encode(challenge),
        claims,
        rp_id: console.site.host().to_owned(),
        credentials: credentials(person),
    })
    .into_response()
}

/// The passkeys that will do for a person.
pub(super) fn credentials(person: &Person) -> Vec<String> {
    person.passkeys.iter().map(|key| URL_SAFE_NO_PAD.encode(&key.id)).collect()
}

/// `POST /approve/ID/answer`: counts a signed answer. What it set going goes on when
/// the page is closed.
pub(super) async fn answer(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    Json(assertion): Json<Assertion>,
) -> Response {
    let person = &visitor.person;
    let Ok(id) = id.parse::<ProposalId>() else {
        return Unsigned::unknown().into_response();
    };
    let own = serde_json::from_str::<ApprovalClaims>(&assertion.claims);
    if !own.is_ok_and(|claims| claims.sub == person.id) {
        return said(StatusCode::FORBIDDEN, "This answer is not the signed-in person's.");
    }
    if console.found(&id, person).await.is_err() {
        return Unsigned::unknown().into_response();
    }
    let signature = Signature::Passkey(Box::new(assertion));
    match timeout(PATIENCE, console.desk.answer(&id, signature)).await {
        // Still under way, or done: the page says how it stands.
        Err(_) | Ok(Ok(_)) => reload(),
        Ok(Err(turned)) => match console.desk.parked(Named::Proposal(id.clone())).await {
            Ok(life) => match life.state().parked() {
                Some(parked) => {
                    said(StatusCode::CONFLICT, &held_up(parked, &person.id, &turned.refused))
                }
                None => reload(),
            },
            Err(_) => said(StatusCode::CONFLICT, &turned.refused.message),
        },
    }
}

/// Why a request still waits after an answer to it, whether the answer counts, and what
/// follows.
pub(super) fn held_up(parked: &Parked, who: &str, refused: &Refused) -> String {
    let counted = parked.votes().iter().any(|vote| vote.is_of(who));
    if !counted || !refused.passes() {
        return refused.message.clone();
    }
    let why = if refused.is(Code::ObjectInDoubt) {
        "Another action on the same object is not settled yet"
    } else {
        &refused.message
    };
    format!(
        "Your yes is counted. It cannot go on yet: {why}. It is tried again by itself; if what \
         it is about has changed by then, people are asked again."
    )
}

/// The page itself knows the words for how the request stands now.
pub(super) fn reload() -> Response {
    Json(json!({ "reload": true })).into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use countersign_core::lifecycle::fold;

    use super::*;
    use crate::testing::{event, proposed};

    #[test]
    fn who_is_held_up_hears_whether_their_yes_counts() {
        let yes = json!({
            "id": "ann", "issuer": "d", "role": "finance", "reason": "", "card": "",
            "at": "2026-01-01T00:00:00Z", "signature": { "jws": "x" },
        });
        let voted = event(json!({ "voted": { "approved": yes } }));
        let state = fold(vec![proposed(1, "i", "o"), voted]).unwrap();
        let parked = state.parked().unwrap();
        let other = Refused::new(Code::ObjectInDoubt, "another write is not settled");
        let told = held_up(parked, "ann", &other);
        assert!(told.starts_with("Your yes is counted.") && told.contains("tried again"), "{told}");
        assert_eq!(held_up(parked, "ben", &other), other.message);
        let ends = Refused::new(Code::ApproverNotAllowed, "not allowed");
        assert_eq!(held_up(parked, "ann", &ends), "not allowed");
    }
}
