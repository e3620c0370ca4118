//! How far each tool goes by itself, from the active policy, and what is switched off.
//! An operator turns a switch by passkey: the session alone turns none.

use std::collections::BTreeSet;
use std::iter;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use countersign_core::contract::Body;
use countersign_core::grant::signature::{Assertion, Signature};
use countersign_core::policy::ModeLine;
use countersign_core::switch::Reach;
use countersign_core::switch::order::{COUNTS, order};
use countersign_shared::attest::{AUDIENCE, SwitchClaims, SwitchType, switch_challenge};
use countersign_shared::ids::ReceiptId;
use serde::Deserialize;

use super::activations::opens;
use crate::console::Console;
use crate::console::answer::{question, reload, said};
use crate::console::frame::{Frame, Place, sees};
use crate::console::requests::page;
use crate::console::view::clock;
use crate::console::visitor::{Duty, Visitor};
use crate::switch::{Turn, Word, reason};

#[derive(Template)]
#[template(path = "switches.html")]
struct Modes {
    frame: Frame,
    off: Vec<Off>,
    modes: Vec<Line>,
    policy: String,
    /// Whether the visitor may turn switches, and which that are on.
    turns: bool,
    /// Whether they may, and in quarantine none turns.
    closed: bool,
    reaches: Vec<String>,
}

/// What an operator wants.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    reach: String,
    turn: Way,
    #[serde(default)]
    reason: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Way {
    Off,
    On,
}

struct Off {
    reach: String,
    by: String,
    at: String,
    reason: String,
    receipt: Option<ReceiptId>,
    /// Whether its receipt opens to the visitor.
    opens: bool,
    /// Whether the visitor may turn it on again.
    turns: bool,
}

struct Line {
    tools: String,
    who: String,
    mode: String,
    tone: &'static str,
}

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/switches", get(show))
        .route("/switches/claims", post(claims))
        .route("/switches/answer", post(answer))
}

/// `GET /switches`.
async fn show(State(console): State<Console>, visitor: Visitor) -> Response {
    let frame = match console.enter(&visitor, Place::Switches) {
        Ok(frame) => frame,
        Err(no) => return no,
    };
    let (pipeline, standing) = (&console.desk.pipeline, console.desk.pipeline.switches.standing());
    let off = standing.iter().filter(|(reach, _)| sees(&visitor, reach));
    let operator = visitor.is(&[Duty::Operator]);
    let closed = operator && pipeline.vitals.quarantine().is_some();
    let turns = operator && !closed;
    let reaches = if turns { reaches(&console, &visitor) } else { Vec::new() };
    let off = off.map(|(reach, off)| Off {
        reach: reach.to_string(),
        turns: reaches.contains(&reach.to_string()),
        by: off.by.clone(),
        at: clock(off.at),
        reason: off.reason.clone(),
        receipt: off.receipt.clone(),
        opens: opens(&visitor, &format!("switch/{reach}")),
    });
    let off: Vec<_> = off.collect();
    let is_off = |reach: &String| off.iter().any(|one| one.reach == *reach);
    let reaches: Vec<_> = reaches.iter().filter(|reach| !is_off(reach)).cloned().collect();
    page(&Modes {
        frame,
        off,
        modes: pipeline.policy.settings().modes.iter().map(line).collect(),
        policy: pipeline.policy.digest().to_owned(),
        turns,
        closed,
        reaches,
    })
}

/// Every switch that an operator may turn, and those that are off. A tenant's is its own
/// operators'.
fn reaches(console: &Console, visitor: &Visitor) -> Vec<String> {
    let pipeline = &console.desk.pipeline;
    let tenants = console.desk.subjects.tenants().map(|name| Reach::Tenant(name.to_owned()));
    let packs = pipeline.catalog.packs.keys().cloned().map(Reach::Pack);
    let writes = pipeline.catalog.tools.iter();
    let writes = writes.filter(|(_, contract)| matches!(contract.body, Body::Write(_)));
    let tools = writes.map(|(name, _)| Reach::Tool(name.clone()));
    let off = pipeline.switches.standing();
    let off = off.iter().map(|(reach, _)| reach.clone());
    let all = iter::once(Reach::All).chain(tenants).chain(packs).chain(tools).chain(off);
    let theirs = |reach: &Reach| match reach {
        Reach::Tenant(name) => visitor.may(&[Duty::Operator], name),
        Reach::All | Reach::Pack(_) | Reach::Tool(_) => true,
    };
    let all: BTreeSet<_> = all.filter(theirs).collect();
    all.iter().map(ToString::to_string).collect()
}

/// `POST /switches/claims`: what a passkey has to sign.
async fn claims(
    State(console): State<Console>,
    visitor: Visitor,
    Json(wish): Json<Wish>,
) -> Response {
    if !visitor.is(&[Duty::Operator]) {
        return said(StatusCode::FORBIDDEN, "Only operators turn switches.");
    }
    if wish.reach.is_empty() {
        return said(StatusCode::BAD_REQUEST, "Choose what the switch reaches.");
    }
    let reason = match reason(&wish.reason) {
        Ok(reason) => reason,
        Err(refused) => return said(StatusCode::BAD_REQUEST, &refused.message),
    };
    let (person, now) = (&visitor.person, console.desk.pipeline.clock.now().as_second());
    let claims = SwitchClaims {
        typ: SwitchType::Switch,
        iss: person.issuer.clone(),
        aud: AUDIENCE.to_owned(),
        sub: person.id.clone(),
        reach: wish.reach,
        off: wish.turn == Way::Off,
        reason,
        iat: now,
        exp: now + COUNTS,
    };
    match serde_json::to_string(&claims) {
        Ok(claims) => {
            let challenge = switch_challenge(&claims);
            question(&console, person, claims, challenge)
        }
        Err(_) => said(StatusCode::INTERNAL_SERVER_ERROR, "Not possible now. Try again."),
    }
}

/// `POST /switches/answer`: turns the switch. The core checks signature and role.
async fn answer(
    State(console): State<Console>,
    visitor: Visitor,
    Json(assertion): Json<Assertion>,
) -> Response {
    let (signers, now) = (console.desk.signers(), console.desk.pipeline.clock.now());
    let order = match order(&Signature::Passkey(Box::new(assertion.clone())), &signers, now) {
        Ok(order) if order.by() == visitor.person.id => order,
        Ok(_) => return said(StatusCode::FORBIDDEN, "This word is not the signed-in person's."),
        Err(refused) => return said(StatusCode::FORBIDDEN, &refused.message),
    };
    // Claims that were not drawn up here may hold a reason that nobody could read.
    if !reason(order.reason()).is_ok_and(|reason| reason == order.reason()) {
        return said(StatusCode::BAD_REQUEST, "Say why in plain words, and sign again.");
    }
    let word = match Word::new(&order, &assertion) {
        Ok(word) => Some(word),
        Err(refused) => return said(StatusCode::INTERNAL_SERVER_ERROR, &refused.message),
    };
    let turn = Turn {
        reach: order.reach().clone(),
        off: order.off(),
        by: order.by().to_owned(),
        reason: order.reason().to_owned(),
        word,
    };
    match console.desk.turn(turn).await {
        Ok(_) => reload(),
        Err(turned) => said(StatusCode::CONFLICT, &turned.refused.message),
    }
}

fn line(mode: &ModeLine) -> Line {
    let tools: Vec<_> = mode.tools.iter().map(ToString::to_string).collect();
    let segment = mode.segment.as_ref().map(|name| format!("segment {name}"));
    let channel = mode.channel.as_ref().map(|name| format!("through {name}"));
    let share = mode.share.map(|share| format!("{share} of the subjects"));
    let who: Vec<_> = [segment, channel, share].into_iter().flatten().collect();
    Line {
        tools: tools.join(", "),
        who: if who.is_empty() { "everybody".to_owned() } else { who.join(", ") },
        mode: mode.mode.to_string(),
        tone: mode.mode.name(),
    }
}
