//! The customer's one-time page: the card, a yes, a no, and then how it ended. No
//! script, no session, no cookie. Looking never answers: links are looked at by mail
//! scanners too.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Form;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::REFRESH;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use countersign_core::lifecycle::State as Standing;
use countersign_core::proposal::Proposal;
use countersign_core::subject::valid_until;
use countersign_shared::codes::Code;
use countersign_shared::ids::ProposalId;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use tokio::time::timeout;

use super::requests::{newer, page};
use super::view::left;
use crate::confirm::{Confirm, address, masked, waits_for_customer};
use crate::desk::Desk;
use crate::pipeline::Life;
use crate::ports::Named;
use crate::turned::Turned;

pub(super) mod receipt;
mod told;

use told::Told;

/// Longest wait for what a yes sets going; it goes on behind the page.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a link shows the end of a request whose time is over.
const SHOWN: SignedDuration = SignedDuration::from_hours(24);

/// What the page needs. Cheap to clone.
#[derive(Clone)]
pub(super) struct Customers {
    pub(super) desk: Desk,
    pub(super) confirm: Arc<Confirm>,
}

/// The link's two parts.
type Link = Result<Path<(String, String)>, PathRejection>;

/// The id and the secret of a link, where it has both as text.
fn parts(link: &Link) -> Result<(&str, &str), Response> {
    link.as_ref().map(|Path((id, secret))| (id.as_str(), secret.as_str())).map_err(|_| absent())
}

/// The form's answer to the card that it showed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tap {
    answer: Answer,
    card: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Yes,
    No,
}

#[derive(Template)]
#[template(path = "customer.html")]
struct Page {
    told: Told,
    question: Option<Question>,
    renewed: Option<String>,
}

/// A card that waits for its customer.
struct Question {
    card: Vec<String>,
    card_digest: String,
    who: String,
    left: String,
}

/// `GET /yes/ID/SECRET`.
pub(super) async fn show(State(customers): State<Customers>, link: Link) -> Response {
    match customers.opened(&link).await {
        Ok((_, life)) => customers.render(life).await,
        Err(response) => response,
    }
}

/// `POST /yes/ID/SECRET`: the guard has seen that it came from our own page.
pub(super) async fn answer(
    State(customers): State<Customers>,
    link: Link,
    Form(tap): Form<Tap>,
) -> Response {
    let (id, _) = match customers.opened(&link).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let (desk, confirm, asked) =
        (customers.desk.clone(), Arc::clone(&customers.confirm), id.clone());
    let counting = customers.desk.counting.spawn(async move {
        match tap.answer {
            Answer::Yes => desk.confirmed_here(&confirm, &asked, &tap.card).await.map(|_step| ()),
            Answer::No => desk.declined_here(&asked).await,
        }
    });
    let trouble = match timeout(PATIENCE, counting).await {
        // Under way, counted or at its end: the page says how it stands.
        Err(_) | Ok(Ok(Ok(()))) => None,
        Ok(Ok(Err(turned))) => Some(turned),
        Ok(Err(error)) => {
            tracing::error!(%error, "a customer's answer ended early");
            return page(&Page::only(Told::not_now()));
        }
    };
    match trouble {
        Some(turned) if customers.still_waits(&id).await => {
            tracing::info!(proposal = %id, code = turned.refused.code, "a customer's yes did not count");
            page(&Page::only(Told::not_counted(&turned.refused)))
        }
        Some(_) | None => Redirect::to(&customers.confirm.path(&id)).into_response(),
    }
}

/// Any other address.
pub(super) async fn nowhere() -> Response {
    absent()
}

/// Whatever is wrong with a link, the answer is the same.
fn absent() -> Response {
    let mut answer = page(&Page::only(Told::absent()));
    *answer.status_mut() = StatusCode::NOT_FOUND;
    answer
}

impl Page {
    fn only(told: Told) -> Self {
        Self { told, question: None, renewed: None }
    }
}

impl Customers {
    /// What a link opens.
    async fn opened(&self, link: &Link) -> Result<(ProposalId, Life), Response> {
        let (id, secret) = parts(link)?;
        let id = self.confirm.opens(id, secret).ok_or_else(absent)?;
        let now = self.desk.pipeline.clock.now();
        match self.desk.parked(Named::Proposal(id.clone())).await {
            // An old mail shows nobody what became of it.
            Ok(life) if over(life.state().proposal(), now) => Err(absent()),
            Ok(life) => Ok((id, life)),
            Err(turned) if turned.refused.is(Code::NotFound) => Err(absent()),
            Err(_) => Err(page(&Page::only(Told::not_now()))),
        }
    }

    async fn render(&self, life: Life) -> Response {
        let Ok(life) = self.afresh(life).await else {
            return page(&Page::only(Told::not_now()));
        };
        let now = self.desk.pipeline.clock.now();
        let told = match Told::of(&self.desk, &life, now).await {
            Ok(told) => told,
            Err(_) => return page(&Page::only(Told::not_now())),
        };
        let newer = newer(&self.desk, life.state()).await;
        let renewed = newer.map(|life| self.confirm.path(life.state().proposal().id()));
        let parked = life.state().parked();
        let open = parked
            .filter(|parked| waits_for_customer(parked) && now <= parked.proposal().expires_at());
        let question = open.map(|parked| {
            let valid_for = self.desk.pipeline.policy.settings().subject_valid_for;
            Question::of(parked.proposal(), valid_for, now)
        });
        let busy = told.busy;
        let mut answer = page(&Page { told, question, renewed });
        if busy {
            answer.headers_mut().insert(REFRESH, HeaderValue::from_static("2"));
        }
        answer
    }

    /// A request that waits for its customer, its state read anew (FRESH STATE).
    async fn afresh(&self, life: Life) -> Result<Life, Turned> {
        let now = self.desk.pipeline.clock.now();
        let open = life
            .state()
            .parked()
            .filter(|parked| waits_for_customer(parked) && now <= parked.proposal().expires_at());
        let Some(parked) = open else { return Ok(life) };
        let looked = self.desk.afresh(parked).await;
        let now = self.desk.parked(Named::Proposal(parked.proposal().id().clone())).await?;
        match looked {
            // What cannot be read is shown to nobody as it was.
            Err(turned) if matches!(now.state(), Standing::Proposed(_)) => Err(turned),
            Ok(_) | Err(_) => Ok(now),
        }
    }

    async fn still_waits(&self, id: &ProposalId) -> bool {
        let life = self.desk.parked(Named::Proposal(id.clone())).await;
        life.is_ok_and(|life| life.state().parked().is_some_and(waits_for_customer))
    }
}

/// Whether the link has shown the end for long enough.
fn over(proposal: &Proposal, now: Timestamp) -> bool {
    now > proposal.expires_at().saturating_add(SHOWN).unwrap_or(Timestamp::MAX)
}

impl Question {
    fn of(proposal: &Proposal, valid_for: Duration, now: Timestamp) -> Self {
        let subject = &proposal.asked().subject;
        Self {
            card: proposal.card().lines().map(str::to_owned).collect(),
            card_digest: proposal.card_digest(),
            who: address(subject).map(masked).unwrap_or_default(),
            left: left(proposal.expires_at().min(valid_until(subject, valid_for)), now),
        }
    }
}
