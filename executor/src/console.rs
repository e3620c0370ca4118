//! The pages that the executor serves to people: what waits for them, and the place
//! where they say yes to exactly what they saw (A YES IS SHOWN AND SIGNED).
//!
//! ```text
//! link ─▶ /approve/ID ─▶ /sign-in (passkey over our question, the house's sign-in,
//!             ▲                     or a certificate) ─▶ session ─┐
//!             ▲───────────────────────────────────────────────────┘
//!             └─ tap ─▶ claims, made here ─▶ passkey over their digest ─▶ answer ─▶ grants
//! ```
//!
//! `customer` is the other face: one card, or one receipt, by a link that only its customer has.
//!
//! What is absent: a password, a state outside this process, and any way to say yes by
//! a session alone.

mod answer;
mod body;
mod certificate;
mod challenge;
mod config;
mod customer;
mod escape;
mod frame;
mod guard;
mod oidc;
mod pages;
mod queue;
mod requests;
mod seldom;
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
use axum::Extension;
use axum::Router;
use axum::extract::ConnectInfo;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Redirect;
use axum::routing::{get, post};
use countersign_core::policy::People;
use countersign_shared::listen::{Certified, Limits, Ports};
use tokio::net::TcpListener;

use crate::config::Config;
use crate::confirm::Confirm;
use crate::desk::Desk;
use certificate::Shown;
use challenge::Challenges;
pub use config::{
    Authorities, CertificatesConfig, ConsoleConfig, ConsoleProblem, ConsoleTls, Endpoints,
    OidcConfig, SignInConfig, Trusted, address,
};
use oidc::Oidc;
use seldom::Seldom;
use session::Sessions;
pub use site::Site;
use tls::{Clients, Own, Told};
use visitor::Visitor;

/// Connections of each page at once: the process has file handles left for calls and backends.
const CONNECTIONS: usize = 256;

/// What every page needs. Cheap to clone.
#[derive(Clone)]
struct Console {
    desk: Desk,
    site: Arc<Site>,
    sessions: Arc<Sessions>,
    challenges: Arc<Challenges>,
    /// The house's own sign-in, where there is one.
    oidc: Option<Arc<Oidc>>,
    /// Passkeys that did not sign in.
    unproved: Arc<Seldom>,
    /// Those whom the house knows, and the policy does not.
    unknown: Arc<Seldom>,
}

/// Whether the pages can be served, and people let in, as the configuration says. Reads every file
/// of it, and dials nobody.
///
/// # Errors
/// What keeps the executor from starting.
pub fn check(config: &Config, people: &People) -> anyhow::Result<()> {
    if let Some(page) = &config.console {
        check_page(page).context("`console`")?;
    }
    check_sign_in(config, people)
}

/// Whether a page can be served: its addresses and its own certificate.
///
/// # Errors
/// What keeps it from being served.
pub fn check_page(config: &ConsoleConfig) -> anyhow::Result<()> {
    config.site()?;
    check_at(&config.listen, config.tls.as_ref(), config.behind_ingress)
}

/// Whether pages can be served at an address, with their own certificate.
///
/// # Errors
/// What keeps them from being served.
pub fn check_at(
    listen: &str,
    tls: Option<&ConsoleTls>,
    behind_ingress: bool,
) -> anyhow::Result<()> {
    address(listen, tls, behind_ingress)?;
    tls.map_or(Ok(()), |files| tls::check(files, None))
}

/// Whether people can sign in as `sign_in` and `people.yaml` say.
///
/// # Errors
/// What keeps the executor from starting.
pub fn check_sign_in(config: &Config, people: &People) -> anyhow::Result<()> {
    config::check(config, people)?;
    let sign_in = &config.sign_in;
    let trusted = Trusted::read(sign_in).context("`sign_in`")?;
    if let Some(oidc) = &sign_in.oidc {
        oidc::check(oidc, trusted.oidc)?;
    }
    let own = config.console.as_ref().and_then(|console| console.tls.as_ref());
    match (own, Clients::of(sign_in, trusted.certificates)) {
        (Some(files), Some(clients)) => tls::check(files, Some(&clients)),
        (..) => Ok(()),
    }
}

/// Serves the pages until the ports are told to stop.
///
/// # Errors
/// An address that cannot be bound, certificates that cannot be used, settings of a
/// sign-in that cannot be.
pub async fn serve(
    config: &ConsoleConfig,
    sign_in: &SignInConfig,
    trusted: Trusted,
    desk: Desk,
    ports: &Ports,
) -> anyhow::Result<SocketAddr> {
    let (site, clients) = (config.site()?, Clients::of(sign_in, trusted.certificates));
    let clock = Arc::clone(&desk.pipeline.clock);
    let open = |config| Oidc::open(config, trusted.oidc, &site, clock);
    let oidc = sign_in.oidc.as_ref().map(open).transpose()?;
    let told = (desk.pipeline.metrics.clone(), "console");
    let router = router(desk, site, oidc)?;
    serve_at(config.address()?, (config.tls.as_ref(), told), clients, router, ports).await
}

/// Serves the pages for customers until the ports are told to stop.
///
/// # Errors
/// An address that cannot be bound, certificates that cannot be used.
pub async fn serve_customers(
    config: &ConsoleConfig,
    confirm: Arc<Confirm>,
    desk: Desk,
    ports: &Ports,
) -> anyhow::Result<SocketAddr> {
    let site = Arc::new(confirm.site().clone());
    let told = (desk.pipeline.metrics.clone(), "confirm");
    let router = Router::new()
        .route("/yes/{id}/{secret}", get(customer::show).post(customer::answer))
        .route("/receipt/{id}/{secret}", get(customer::receipt::show))
        .fallback(customer::nowhere)
        .route("/page.css", get(guard::style))
        .layer(from_fn(body::in_time))
        .layer(from_fn_with_state(site, guard::guard))
        .with_state(customer::Customers { desk, confirm });
    serve_at(config.address()?, (config.tls.as_ref(), told), None, router, ports).await
}

/// Serves pages at an address until the ports are told to stop, with TLS where there is a
/// certificate, whose end is told. `clients` says whose certificates browsers are asked for.
///
/// # Errors
/// An address that cannot be bound, certificates that cannot be used.
pub(crate) async fn serve_at(
    address: SocketAddr,
    (tls, told): (Option<&ConsoleTls>, Told),
    clients: Option<Clients>,
    router: Router,
    ports: &Ports,
) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("cannot listen on {address}"))?;
    let bound = listener.local_addr()?;
    let asks = clients.is_some();
    let own = tls.map(|files| Own::read(files.clone(), clients, told)).transpose()?;
    let own = own.map(|own| Box::new(own) as Box<dyn Certified>);
    ports.serve(listener, own, Limits::of(CONNECTIONS), move |tls| match tls {
        Some(tls) if asks => router.clone().layer(Extension(ConnectInfo(Shown::over(tls)))),
        Some(_) | None => router.clone(),
    });
    Ok(bound)
}

fn router(desk: Desk, site: Site, oidc: Option<Oidc>) -> anyhow::Result<Router> {
    let site = Arc::new(site);
    let console = Console {
        desk,
        site: Arc::clone(&site),
        sessions: Arc::default(),
        challenges: Arc::new(Challenges::new()?),
        oidc: oidc.map(Arc::new),
        unproved: Arc::default(),
        unknown: Arc::default(),
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
        .route("/sign-in/oidc", get(oidc::begin))
        .route(oidc::BACK, get(oidc::back))
        .route("/sign-in/certificate", post(certificate::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/session", get(sign_in::session))
        .route("/enrol", get(sign_in::enrol))
        .merge(pages::routes())
        .fallback(requests::nowhere)
        .route("/page.js", get(guard::script))
        .route("/page.css", get(guard::style))
        .layer(from_fn(body::in_time))
        .layer(from_fn_with_state(site, guard::guard))
        .layer(from_fn(certificate::renew))
        .with_state(console))
}

/// `GET /`: the first page that is for one's role.
async fn home(visitor: Visitor) -> Redirect {
    Redirect::to(frame::Place::first(&visitor).path())
}
