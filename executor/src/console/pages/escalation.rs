//! One matter that was left to people: everything that was handed over, and what may be
//! done with it. Each step is the desk's own, as for the command and for gRPC.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use countersign_core::finish::about;
use countersign_core::grant::signature::{Assertion, Signature};
use countersign_shared::attest::{AUDIENCE, FinishClaims, FinishType, finish_challenge};
use countersign_shared::codes::Code;
use countersign_shared::ids::EscalationId;
use serde::Deserialize;

use super::escalations::reason;
use crate::console::Console;
use crate::console::answer::{COUNTS, REASON, question, reload, said};
use crate::console::frame::{Frame, Place};
use crate::console::requests::{notice, page};
use crate::console::view::{Headline, clock, words};
use crate::console::visitor::{Duty, Visitor};
use crate::ports::Escalation;

#[derive(Template)]
#[template(path = "escalation.html")]
struct Matter {
    frame: Frame,
    id: String,
    reason: String,
    facts: Vec<(&'static str, String)>,
    parts: Vec<(&'static str, Vec<String>)>,
    seen: Vec<(String, String)>,
    ended: bool,
    /// What the visitor may do: nothing, where they only read.
    acts: bool,
    mine: bool,
    taken: bool,
    in_doubt: bool,
}

/// What somebody says of how it ended.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Word {
    /// `done` or `not_done`.
    decision: Ended,
    #[serde(default)]
    reason: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ended {
    Done,
    NotDone,
}

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/escalations/{id}", get(show))
        .route("/escalations/{id}/take", post(take))
        .route("/escalations/{id}/return", post(hand_back))
        .route("/escalations/{id}/claims", post(claims))
        .route("/escalations/{id}/answer", post(answer))
}

/// A matter of a tenant for which the visitor has one of these duties; of others there
/// is none.
async fn found(
    console: &Console,
    id: &str,
    visitor: &Visitor,
    any: &[Duty],
) -> Result<Escalation, Headline> {
    let id: EscalationId = id.parse().map_err(|_| Headline::absent())?;
    match console.desk.escalation(&id).await {
        Ok(matter) if visitor.may(any, &matter.case.tenant) => Ok(matter),
        Err(turned) if !turned.refused.is(Code::NotFound) => {
            Err(Headline::unreadable(&turned.refused.message))
        }
        Ok(_) | Err(_) => Err(Headline::absent()),
    }
}

/// `GET /escalations/ID`.
async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Response {
    let frame = match console.enter(&visitor, Place::Escalations) {
        Ok(frame) => frame,
        Err(no) => return no,
    };
    match found(&console, &id, &visitor, Place::Escalations.open_to()).await {
        Ok(matter) => page(&shown(frame, &matter, &visitor)),
        Err(headline) => absent(frame, headline),
    }
}

fn absent(frame: Frame, headline: Headline) -> Response {
    let mut answer = notice(frame, headline);
    *answer.status_mut() = StatusCode::NOT_FOUND;
    answer
}

fn shown(frame: Frame, matter: &Escalation, visitor: &Visitor) -> Matter {
    let Escalation { case, seen, taken_by, closed_by } = matter;
    let ended = closed_by.as_ref().map(ToString::to_string).unwrap_or_default();
    let facts = [
        ("For", case.subject.clone()),
        ("Tenant", case.tenant.clone()),
        ("Ticket", case.external_ref.clone()),
        ("Conversation", case.conversation.clone()),
        ("Action", case.tool.clone()),
        ("Opened", clock(case.at)),
        ("Outcome so far", case.outcome.clone()),
        ("Receipt", case.receipt.to_string()),
        ("Action’s id", case.action.clone()),
        ("Belongs to it", case.related.join(", ")),
        ("Who is at it", taken_by.clone().unwrap_or_default()),
        ("Ended with", ended),
    ];
    let one = |text: &String| vec![text.clone()];
    let parts = [
        ("What the customer wrote", case.request.clone()),
        ("How it was understood", one(&case.interpretation)),
        ("Why", one(&case.reasoning)),
        ("What was tried", case.tried.clone()),
        ("What to do now", one(&case.recommended)),
    ];
    let filled = parts.into_iter().map(|(name, mut texts)| {
        texts.retain(|text| !text.is_empty());
        (name, texts)
    });
    let read = seen.iter().map(|seen| (seen.tool.clone(), words(&seen.value)));
    Matter {
        frame,
        id: case.id.to_string(),
        reason: reason(matter),
        facts: facts.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
        parts: filled.filter(|(_, texts)| !texts.is_empty()).collect(),
        seen: read.collect(),
        ended: closed_by.is_some(),
        acts: visitor.may(&[Duty::Approver], &case.tenant),
        mine: taken_by.as_ref() == Some(&visitor.person.id),
        taken: taken_by.is_some(),
        in_doubt: case.outcome == "unknown",
    }
}

/// `POST /escalations/ID/take`: into the visitor's own hands.
async fn take(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Response {
    let who = Some(visitor.person.id.clone());
    hand(&console, &visitor, &id, who).await
}

/// `POST /escalations/ID/return`: back into the queue, out of the visitor's hands only.
async fn hand_back(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Response {
    hand(&console, &visitor, &id, None).await
}

async fn hand(console: &Console, visitor: &Visitor, id: &str, who: Option<String>) -> Response {
    let frame = console.frame(visitor, Some(Place::Escalations));
    let matter = match found(console, id, visitor, &[Duty::Approver]).await {
        Ok(matter) => matter,
        Err(headline) => return absent(frame, headline),
    };
    let theirs = matter.taken_by.as_ref().is_some_and(|by| *by != visitor.person.id);
    if theirs && who.is_none() {
        return refused(frame, "Somebody else is at it: they give it back themselves.");
    }
    match console.desk.hand(&matter, who).await {
        Ok(_) => Redirect::to(&format!("/escalations/{}", matter.case.id)).into_response(),
        Err(turned) => refused(frame, &turned.refused.message),
    }
}

fn refused(frame: Frame, message: &str) -> Response {
    let mut answer = notice(frame, Headline::refused(message));
    *answer.status_mut() = StatusCode::CONFLICT;
    answer
}

/// `POST /escalations/ID/claims`: what a passkey has to sign.
async fn claims(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    Json(word): Json<Word>,
) -> Response {
    let matter = match found(&console, &id, &visitor, &[Duty::Approver]).await {
        Ok(matter) => matter,
        Err(headline) => return said(StatusCode::NOT_FOUND, &headline.text),
    };
    let (person, now) = (&visitor.person, console.desk.pipeline.clock.now().as_second());
    let claims = FinishClaims {
        typ: FinishType::Finish,
        iss: person.issuer.clone(),
        aud: AUDIENCE.to_owned(),
        sub: person.id.clone(),
        action: about(&matter.case).to_owned(),
        done: word.decision == Ended::Done,
        note: word.reason.trim().chars().take(REASON).collect(),
        iat: now,
        exp: now + COUNTS,
    };
    match serde_json::to_string(&claims) {
        Ok(claims) => {
            let challenge = finish_challenge(&claims);
            question(&console, person, claims, challenge)
        }
        Err(_) => said(StatusCode::INTERNAL_SERVER_ERROR, "Not possible now. Try again."),
    }
}

/// `POST /escalations/ID/answer`: takes the signed word. What it set going goes on when
/// the page is closed.
async fn answer(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    Json(assertion): Json<Assertion>,
) -> Response {
    let matter = match found(&console, &id, &visitor, &[Duty::Approver]).await {
        Ok(matter) => matter,
        Err(headline) => return said(StatusCode::NOT_FOUND, &headline.text),
    };
    let own = serde_json::from_str::<FinishClaims>(&assertion.claims);
    if !own.is_ok_and(|claims| claims.sub == visitor.person.id) {
        return said(StatusCode::FORBIDDEN, "This word is not the signed-in person's.");
    }
    let (desk, signature) = (console.desk.clone(), Signature::Passkey(Box::new(assertion)));
    let settling = tokio::spawn(async move { desk.finish(&matter.case.id, &signature).await });
    match settling.await {
        Ok(Ok(_)) => reload(),
        Ok(Err(turned)) => said(StatusCode::CONFLICT, &turned.refused.message),
        Err(error) => {
            tracing::error!(%error, "a matter's end is lost");
            said(StatusCode::INTERNAL_SERVER_ERROR, "Not counted. Open the page again.")
        }
    }
}
