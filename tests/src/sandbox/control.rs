//! The control endpoints under `/sandbox`: faults, ledger, requests, clock, staff, reset, state.
//!
//! They need no credential: the sandbox listens on loopback and holds nothing real.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fault::{Fault, FaultSpec};
use super::serve::Shared;
use super::shopify::StaffAct;
use super::stripe::StripeAct;

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/sandbox/faults", get(faults).post(arm).delete(disarm))
        .route("/sandbox/ledger", get(ledger))
        .route("/sandbox/requests", get(requests))
        .route("/sandbox/clock", get(clock).post(advance))
        .route("/sandbox/staff", post(staff))
        .route("/sandbox/staff/stripe", post(stripe_staff))
        .route("/sandbox/reset", post(reset))
        .route("/sandbox/state/orders/{name}", get(state))
        .route("/sandbox/state/stripe/{id}", get(stripe_state))
}

/// The body of `POST /sandbox/clock`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_s: u64,
}

/// The body of `POST /sandbox/staff`: an order's name, and what staff does to it.
#[derive(Debug, Serialize, Deserialize)]
struct StaffOrder {
    order: String,
    #[serde(flatten)]
    act: StaffAct,
}

async fn faults(State(world): State<Shared>) -> Json<Value> {
    let world = world.lock();
    let names: Vec<_> =
        Fault::ALL.iter().map(|fault| json!({ "fault": fault, "about": fault.about() })).collect();
    let armed: Vec<&FaultSpec> = world.faults.armed().collect();
    Json(json!({ "sandbox": true, "available": names, "armed": armed }))
}

async fn arm(
    State(world): State<Shared>,
    Json(spec): Json<FaultSpec>,
) -> (StatusCode, Json<Value>) {
    let said = json!({ "sandbox": true, "armed": spec });
    world.lock().faults.arm(spec);
    (StatusCode::CREATED, Json(said))
}

async fn disarm(State(world): State<Shared>) -> StatusCode {
    world.lock().faults.clear();
    StatusCode::NO_CONTENT
}

async fn ledger(State(world): State<Shared>) -> Json<Value> {
    let mut world = world.lock();
    world.tick();
    Json(json!({ "sandbox": true, "effects": world.ledger.effects() }))
}

async fn requests(State(world): State<Shared>) -> Json<Value> {
    let world = world.lock();
    let received = world.requests.received();
    Json(json!({ "sandbox": true, "count": received.len(), "requests": received }))
}

async fn clock(State(world): State<Shared>) -> Json<Value> {
    Json(json!({ "sandbox": true, "now": world.lock().clock.now() }))
}

async fn advance(State(world): State<Shared>, Json(by): Json<Advance>) -> Json<Value> {
    let mut world = world.lock();
    world.clock.advance(Duration::from_secs(by.advance_s));
    let now = world.tick();
    Json(json!({ "sandbox": true, "now": now }))
}

async fn staff(
    State(world): State<Shared>,
    Json(asked): Json<StaffOrder>,
) -> (StatusCode, Json<Value>) {
    let mut guard = world.lock();
    let now = guard.tick();
    let world = &mut *guard;
    done(world.shopify.staff(&asked.order, &asked.act, now, &mut world.ledger), &asked)
}

async fn stripe_staff(
    State(world): State<Shared>,
    Json(asked): Json<StripeAct>,
) -> (StatusCode, Json<Value>) {
    let mut guard = world.lock();
    let now = guard.tick();
    let world = &mut *guard;
    done(world.stripe.staff(&asked, now, &mut world.ledger), &asked)
}

fn done(done: Result<(), String>, asked: &impl Serialize) -> (StatusCode, Json<Value>) {
    match done {
        Ok(()) => (StatusCode::OK, Json(json!({ "sandbox": true, "done": asked }))),
        Err(why) => (StatusCode::CONFLICT, Json(json!({ "sandbox": true, "error": why }))),
    }
}

async fn reset(State(world): State<Shared>) -> StatusCode {
    world.lock().reset();
    StatusCode::NO_CONTENT
}

async fn state(State(world): State<Shared>, Path(name): Path<String>) -> (StatusCode, Json<Value>) {
    let mut world = world.lock();
    world.tick();
    match world.shopify.state(&name) {
        Some(order) => (StatusCode::OK, Json(json!({ "sandbox": true, "order": order }))),
        None => (
            StatusCode::NOT_FOUND,
            Json(json!({ "sandbox": true, "error": format!("no order {name}") })),
        ),
    }
}

async fn stripe_state(
    State(world): State<Shared>,
    Path(id): Path<String>,
) -> (StatusCode, Json<Value>) {
    let mut world = world.lock();
    world.tick();
    match world.stripe.state(&id) {
        Some(object) => (StatusCode::OK, Json(json!({ "sandbox": true, "object": object }))),
        None => (
            StatusCode::NOT_FOUND,
            Json(json!({ "sandbox": true, "error": format!("no charge or subscription {id}") })),
        ),
    }
}
