//! The page of one request.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::header::REFRESH;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use countersign_core::error::Refused;
use countersign_core::grant::{Parked, approval};
use countersign_core::lifecycle::{State as Standing, Stopped};
use countersign_core::policy::Person;
use countersign_core::state::Change;
use countersign_shared::codes::Code;
use countersign_shared::ids::{ActionId, ProposalId};

use super::Console;
use super::frame::{Frame, Place};
use super::view::{Headline, Seen, View, words};
use super::visitor::{Duty, Visitor};
use crate::desk::Desk;
use crate::grants::Afresh;
use crate::pipeline::Life;
use crate::ports::Named;
use crate::turned::Turned;

#[derive(Template)]
#[template(path = "request.html")]
struct Request {
    frame: Frame,
    headline: Headline,
    view: Option<View>,
    changes: Vec<(String, String, String)>,
    renewed: Option<String>,
    role: Option<String>,
    id: String,
    card_digest: String,
}

/// A page, rendered; all text from data is escaped.
pub(super) fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => Html(text).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page does not render");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// `GET /approve/ID`.
pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Response {
    let frame = match console.enter(&visitor, Place::Approvals) {
        Ok(frame) => frame,
        Err(no) => return no,
    };
    let person = &visitor.person;
    let Ok(id) = id.parse::<ProposalId>() else {
        return Redirect::to("/approvals").into_response();
    };
    let life = match console.found(&id, person).await {
        Ok(life) => life,
        Err(turned) if turned.refused.is(Code::NotFound) => {
            return missing(frame, Headline::absent());
        }
        Err(turned) => return notice(frame, Headline::unreadable(&turned.refused.message)),
    };
    let (life, trouble) = match console.again(life, person).await {
        Ok(found) => found,
        Err(headline) => return notice(frame, headline),
    };
    console.render(frame, &life, &visitor, trouble).await
}

/// Any other address.
pub(super) async fn nowhere(State(console): State<Console>, visitor: Option<Visitor>) -> Response {
    let frame = visitor.map_or_else(Frame::outside, |visitor| console.frame(&visitor, None));
    missing(frame, Headline::no_page())
}

/// A page that says that there is nothing.
pub(super) fn missing(frame: Frame, headline: Headline) -> Response {
    let mut no = notice(frame, headline);
    *no.status_mut() = StatusCode::NOT_FOUND;
    no
}

/// A page that says one thing.
pub(super) fn notice(frame: Frame, headline: Headline) -> Response {
    page(&Request {
        frame,
        headline,
        view: None,
        changes: Vec::new(),
        renewed: None,
        role: None,
        id: String::new(),
        card_digest: String::new(),
    })
}

impl Console {
    /// A request of a tenant for which the person answers or reads requests; of others there is
    /// none.
    pub(super) async fn found(&self, id: &ProposalId, person: &Person) -> Result<Life, Turned> {
        let life = self.desk.parked(Named::Proposal(id.clone())).await?;
        let (signers, now) = (self.desk.signers(), self.desk.pipeline.clock.now());
        let tenant = &life.state().proposal().asked().subject.tenant;
        let visitor = Visitor::of(person, signers.policy.people(), now);
        if visitor.may(Place::Approvals.open_to(), tenant) {
            return Ok(life);
        }
        Err(Turned::only(Refused::new(Code::NotFound, "There is no such request.")))
    }

    /// The role in which a person may answer now, or why they may not.
    pub(super) fn role(&self, parked: &Parked, person: &Person) -> Result<String, String> {
        let (signers, now) = (self.desk.signers(), self.desk.pipeline.clock.now());
        let contract = self.desk.contract(parked).map_err(|refused| refused.message)?;
        approval::role(parked, &person.id, &contract, &signers, now)
            .map(str::to_owned)
            .map_err(|refused| refused.message)
    }

    /// A waiting request with its state read anew, for somebody who may answer it
    /// (FRESH STATE); anything else as it stands. Beside it, why the state cannot be
    /// read now.
    async fn again(&self, life: Life, person: &Person) -> Result<(Life, Option<String>), Headline> {
        let Standing::Proposed(parked) = life.state() else { return Ok((life, None)) };
        if !parked.waits_for_staff() || self.role(parked, person).is_err() {
            return Ok((life, None));
        }
        let trouble = match self.desk.afresh(parked).await {
            Ok(Afresh::Same) => return Ok((life, None)),
            Ok(Afresh::Changed(_)) => None,
            Err(turned) => Some(turned.refused.message),
        };
        let id = parked.proposal().id().clone();
        let now = self.desk.parked(Named::Proposal(id.clone())).await;
        let now = now.map_err(|turned| Headline::unreadable(&turned.refused.message))?;
        let waits = matches!(now.state(), Standing::Proposed(_));
        Ok((now, trouble.filter(|_| waits)))
    }

    async fn render(
        &self,
        frame: Frame,
        life: &Life,
        visitor: &Visitor,
        trouble: Option<String>,
    ) -> Response {
        let person = &visitor.person;
        let now = self.desk.pipeline.clock.now();
        let signers = self.desk.signers();
        let people = signers.policy.people();
        let seen = Seen::of(life.state());
        let parked =
            if let Standing::Proposed(parked) = life.state() { Some(parked) } else { None };
        let open = parked.filter(|parked| parked.waits_for_staff() && trouble.is_none());
        let (role, barred) = match open.map(|parked| self.role(parked, person)) {
            Some(Ok(role)) => (Some(role), None),
            Some(Err(why)) => (None, Some(why)),
            None => (None, None),
        };
        let headline = match trouble {
            Some(why) => Headline::unreadable(&why),
            None => Headline::of(life.state(), person, barred.as_deref(), people, now),
        };
        let (changes, renewed) = self.instead(life.state()).await;
        let busy = headline.busy;
        let reads = visitor.may(&[Duty::Auditor], &seen.proposal.asked().subject.tenant);
        let concerned = reads || seen.concerns(person, people, now);
        let view = concerned.then(|| View::of(&seen, people, now));
        let mut answer = page(&Request {
            frame,
            headline,
            changes: if view.is_some() { changes } else { Vec::new() },
            view,
            renewed,
            role,
            id: seen.proposal.id().to_string(),
            card_digest: seen.proposal.card_digest(),
        });
        if busy {
            answer.headers_mut().insert(REFRESH, HeaderValue::from_static("2"));
        }
        answer
    }

    /// What took the place of a request, and what is different on it.
    async fn instead(&self, state: &Standing) -> (Vec<(String, String, String)>, Option<String>) {
        let Some(newer) = newer(&self.desk, state).await else { return (Vec::new(), None) };
        let (old, new) = (state.proposal(), newer.state().proposal());
        let shown = |c: Change| (c.path.replace('_', " "), words(&c.before), words(&c.now));
        let changes = old.state().changes(new.state()).into_iter().map(shown).collect();
        (changes, Some(new.id().to_string()))
    }
}

/// The request that took the place of one.
pub(super) async fn newer(desk: &Desk, state: &Standing) -> Option<Life> {
    let (Standing::Refused(stopped) | Standing::SealedRefusal(stopped, _)) = state else {
        return None;
    };
    let Stopped { refused, .. } = &**stopped;
    let replaced = refused.is(Code::StateChanged) || refused.is(Code::ProposalSuperseded);
    let other = refused.other_action.as_ref().filter(|_| replaced)?;
    let action: ActionId = other.parse().ok()?;
    let journal = desk.pipeline.store.parked(Named::Action(action)).await.ok()?;
    Life::resume(journal).ok()
}
