//! One matter that was left to people: everything that was handed over, and what may be
//! done with it. Each step is the desk's own, as for the command and for gRPC.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use countersign_core::finish::about;
use countersign_core::grant::signature::{Assertion, Signature};
use countersign_shared::attest::{AUDIENCE, FinishClaims, FinishType, finish_challenge};
use countersign_shared::codes::Code;
use countersign_shared::ids::EscalationId;
use countersign_shared::receipt::Receipt;
use serde::Deserialize;

use super::escalations::reason;
use super::matter::{self, End, Try};
use crate::console::Console;
use crate::console::answer::{COUNTS, REASON, question, reload, said};
use crate::console::frame::{Frame, Place};
use crate::console::requests::{missing, notice, page};
use crate::console::view::{Headline, clock, words};
use crate::console::visitor::{Duty, Visitor};
use crate::ports::Escalation;
use crate::turned::Turned;

#[derive(Template)]
#[template(path = "escalation.html")]
struct Matter {
    frame: Frame,
    id: String,
    reason: String,
    facts: Vec<(&'static str, String)>,
    parts: Vec<(&'static str, Vec<String>)>,
    seen: Vec<(String, String)>,
    tried: Vec<Try>,
    /// As the queue has it: the words of the core, with rules and JSON.
    raw: Vec<String>,
    ended: bool,
    /// What a person said of how it ended.
    end: Option<End>,
    /// Where the visitor may read the receipt that ended it.
    linked: bool,
    /// What the visitor may do: nothing, where they only read.
    acts: bool,
    mine: bool,
    /// Who is at it: id and name.
    taken: Option<(String, String)>,
    in_doubt: bool,
}

/// From whom somebody takes a matter over; empty where nobody is at it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Taking {
    from: String,
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
    let id: EscalationId = id.parse().map_err(|_| Headline::no_matter())?;
    match console.desk.escalation(&id).await {
        Ok(matter) if visitor.may(any, &matter.case.tenant) => Ok(matter),
        Err(turned) if !turned.refused.is(Code::NotFound) => {
            Err(Headline::unreadable(&turned.refused.message))
        }
        Ok(_) | Err(_) => Err(Headline::no_matter()),
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
        Ok(matter) => {
            let opened = matter::receipt(&console, &matter.case.receipt).await;
            let ended = match &matter.closed_by {
                Some(id) => matter::receipt(&console, id).await,
                None => None,
            };
            let mut view = shown(frame, &matter, &visitor, opened.as_ref());
            let named = |id: &str| console.named(id);
            view.end = ended.as_ref().and_then(|receipt| matter::end(receipt, named));
            view.taken = matter.taken_by.map(|id| {
                let name = console.named(&id);
                (id, name)
            });
            page(&view)
        }
        Err(headline) => missing(frame, headline),
    }
}

fn shown(frame: Frame, matter: &Escalation, visitor: &Visitor, opened: Option<&Receipt>) -> Matter {
    let Escalation { case, seen, taken_by, closed_by } = matter;
    let tried = opened.map(matter::tried).unwrap_or_default();
    // What is told in words stands as the core wrote it where nobody has to read it.
    let (mut raw, mut own, mut reasons) =
        (Vec::new(), case.tried.clone(), vec![case.reasoning.clone()]);
    if !tried.is_empty() {
        raw.append(&mut own);
    }
    if let Some(why) = opened.and_then(matter::why) {
        raw.append(&mut reasons);
        reasons.push(why);
    }
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
        ("Ended with", ended),
    ];
    let one = |text: &String| vec![text.clone()];
    let parts = [
        ("What the customer wrote", case.request.clone()),
        ("How it was understood", one(&case.interpretation)),
        ("Why", reasons),
        ("What was tried", own),
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
        tried,
        raw,
        ended: closed_by.is_some(),
        end: None,
        linked: visitor.may(&[Duty::Auditor], &case.tenant),
        acts: visitor.may(&[Duty::Approver], &case.tenant),
        mine: taken_by.as_ref() == Some(&visitor.person.id),
        taken: None,
        in_doubt: case.outcome == "unknown",
    }
}

/// `POST /escalations/ID/take`: into the visitor's own hands; out of another's, where the
/// page said whose.
async fn take(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(taking): Query<Taking>,
) -> Response {
    let who = Some(visitor.person.id.clone());
    let frame = console.frame(&visitor, Some(Place::Escalations));
    let matter = match found(&console, &id, &visitor, &[Duty::Approver]).await {
        Ok(matter) => matter,
        Err(headline) => return missing(frame, headline),
    };
    let Some(other) = others(&matter, &visitor) else {
        return handed(frame, console.desk.hand(&matter, who, "").await);
    };
    if other != taking.from {
        let message = format!(
            "{} is at it. Open the matter again to take it over from them.",
            console.named(other)
        );
        return refused(frame, &message);
    }
    handed(frame, console.desk.hand(&matter, who, other).await)
}

/// `POST /escalations/ID/return`: back into the queue, out of the visitor's hands only.
async fn hand_back(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Response {
    let frame = console.frame(&visitor, Some(Place::Escalations));
    let matter = match found(&console, &id, &visitor, &[Duty::Approver]).await {
        Ok(matter) => matter,
        Err(headline) => return missing(frame, headline),
    };
    if others(&matter, &visitor).is_some() {
        return refused(frame, "Somebody else is at it. Take it over from them first.");
    }
    handed(frame, console.desk.hand(&matter, None, "").await)
}

/// Who else is at it.
fn others<'a>(matter: &'a Escalation, visitor: &Visitor) -> Option<&'a str> {
    matter.taken_by.as_deref().filter(|by| *by != visitor.person.id)
}

fn handed(frame: Frame, matter: Result<Escalation, Turned>) -> Response {
    match matter {
        Ok(matter) => Redirect::to(&format!("/escalations/{}", matter.case.id)).into_response(),
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
        Ok(Err(turned)) => said(StatusCode::CONFLICT, &matter::plain(&turned.refused.message)),
        Err(error) => {
            tracing::error!(%error, "a matter's end is lost");
            said(StatusCode::INTERNAL_SERVER_ERROR, "Not counted. Open the page again.")
        }
    }
}
