//! The pages that the executor serves to people: what waits for them, and the place
//! where they say yes to exactly what they saw (A YES IS SHOWN AND SIGNED).
//!
//! ```text
//! link ─▶ /approve/ID ─▶ /sign-in (passkey over our question) ─▶ session ─┐
//!             ▲────────────────────────────────────────────────────────────┘
//!             └─ tap ─▶ claims, made here ─▶ passkey over their digest ─▶ answer ─▶ grants
//! ```
//!
//! `customer` is the other page: one card, by a link that only its customer has.
//!
//! What is absent: a password, a state outside this process, and any way to say yes by
//! a session alone.

mod answer;
mod challenge;
mod config;
mod customer;
mod escape;
mod frame;
mod guard;
mod pages;
mod queue;
mod requests;
mod session;
mod sign_in;
mod site;
mod tls;
mod triage;
mod view;
mod visitor;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::HeaderMap;
use axum::middleware::from_fn_with_state;
use axum::response::Redirect;
use axum::routing::{get, post};
use axum::serve::Listener;
use tokio::net::TcpListener;

use crate::confirm::Confirm;
use crate::desk::Desk;
use challenge::Challenges;
pub use config::{ConsoleConfig, ConsoleProblem, ConsoleTls, address};
use session::Sessions;
pub use site::Site;
use visitor::Visitor;

/// Largest request, in bytes: an assertion is far smaller.
const LARGEST: usize = 256 * 1024;

/// What every page needs. Cheap to clone.
#[derive(Clone)]
struct Console {
    desk: Desk,
    site: Arc<Site>,
    sessions: Arc<Sessions>,
    challenges: Arc<Challenges>,
}

/// Serves the pages until the process ends.
///
/// # Errors
/// An address that cannot be bound, certificates that cannot be used.
pub async fn serve(config: &ConsoleConfig, desk: Desk) -> anyhow::Result<SocketAddr> {
    listen(config, router(desk, config.site()?)?).await
}

/// Serves the customer's one-time page until the process ends.
///
/// # Errors
/// An address that cannot be bound, certificates that cannot be used.
pub async fn serve_customers(
    config: &ConsoleConfig,
    confirm: Arc<Confirm>,
    desk: Desk,
) -> anyhow::Result<SocketAddr> {
    let site = Arc::new(confirm.site().clone());
    let router = Router::new()
        .route("/yes/{id}/{secret}", get(customer::show).post(customer::answer))
        .route("/page.css", get(guard::style))
        .layer(DefaultBodyLimit::max(LARGEST))
        .layer(from_fn_with_state(site, guard::guard))
        .with_state(customer::Customers { desk, confirm });
    listen(config, router).await
}

async fn listen(config: &ConsoleConfig, router: Router) -> anyhow::Result<SocketAddr> {
    serve_at(config.address()?, config.tls.as_ref(), router).await
}

/// Serves pages at an address until the process ends, with TLS where there is a certificate.
///
/// # Errors
/// An address that cannot be bound, certificates that cannot be used.
pub(crate) async fn serve_at(
    address: SocketAddr,
    tls: Option<&ConsoleTls>,
    router: Router,
) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("cannot listen on {address}"))?;
    let bound = listener.local_addr()?;
    match tls {
        Some(files) => spawn(tls::Accepted::start(listener, files)?, router),
        None => spawn(listener, router),
    }
    Ok(bound)
}

fn spawn<L>(listener: L, router: Router)
where
    L: Listener,
    L::Addr: std::fmt::Debug,
{
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "a page has stopped");
        }
    });
}

fn router(desk: Desk, site: Site) -> anyhow::Result<Router> {
    let site = Arc::new(site);
    let console = Console {
        desk,
        site: Arc::clone(&site),
        sessions: Arc::default(),
        challenges: Arc::new(Challenges::new()?),
    };
    Ok(Router::new()
        .route("/", get(home))
        .route("/approvals", get(queue::list))
        .route("/approvals/claims", post(triage::claims))
        .route("/approvals/answers", post(triage::answers))
        .route("/approve/{id}", get(requests::show))
        .route("/approve/{id}/claims", post(answer::claims))
        .route("/approve/{id}/answer", post(answer::answer))
        .route("/sign-in", get(sign_in::page).post(sign_in::sign_in))
        .route("/sign-in/question", post(sign_in::question))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/session", get(sign_in::session))
        .route("/enrol", get(sign_in::enrol))
        .merge(pages::routes())
        .route("/page.js", get(guard::script))
        .route("/page.css", get(guard::style))
        .layer(DefaultBodyLimit::max(LARGEST))
        .layer(from_fn_with_state(site, guard::guard))
        .with_state(console))
}

/// `GET /`: the first page that is for one's role.
async fn home(visitor: Visitor) -> Redirect {
    Redirect::to(frame::Place::first(&visitor).path())
}

impl Console {
    /// Who asks, while the policy still knows them and the passkey they signed in with.
    fn visitor(&self, headers: &HeaderMap) -> Option<Visitor> {
        let (token, now) = (self.site.token(headers)?, self.desk.pipeline.clock.now());
        let (id, passkey) = self.sessions.of(&token, now)?;
        let people = self.desk.pipeline.policy.people();
        let person = people.get(&id).filter(|person| person.passkeys.contains(&passkey))?;
        Some(Visitor::of(person, people, now))
    }
}
