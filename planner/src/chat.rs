//! Chat frontends over HTTP: who calls, for whom, in which conversation; then the same
//! engine as over gRPC.
//!
//! ```text
//! listen ─▶ frontend (whose key, for whom) ─▶ openai, agui (what is asked)
//!    ─▶ turn, thread (new, again, edited, or aside) ─▶ engine ─▶ tape ─▶ every reader
//! listen ─▶ frontend ─▶ rating ─▶ engine ─▶ executor
//! ```
//!
//! Chat Completions is stateless and its clients repeat themselves, so a request is never
//! the turn: the turn is what the thread finds new in it, and it runs once.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::routing::{get, post};
use axum::{Router, middleware};
use countersign_shared::listen::{Certified, Limits, Ports};
use countersign_shared::trace::Traced;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::config::ChatConfig;
use crate::conversation::turn::Engine;
use crate::memory::Memory;
use crate::metrics::Metrics;

mod agui;
mod aside;
mod asserted;
pub(crate) mod beside;
mod body;
mod fault;
mod frontend;
mod openai;
mod origins;
mod rating;
mod sse;
mod tape;
mod thread;
mod tls;
mod turn;

#[cfg(test)]
mod tests;

use frontend::Frontends;
use thread::Threads;
use tls::Tls;

/// Connections at once.
const CONNECTIONS: usize = 8_192;
/// Turns under way at once; further ones are told to come back.
const MAX_TURNS: usize = 2_048;

/// What has to be read before the process is confined.
pub struct Opened {
    config: ChatConfig,
    frontends: Frontends,
    tls: Option<Tls>,
    /// Turns at once.
    room: usize,
}

impl Opened {
    /// Reads keys and certificates. `metrics` is told when the certificate ends.
    ///
    /// # Errors
    /// When one cannot be read, with what to do about it.
    pub fn of(config: ChatConfig, metrics: &Metrics) -> anyhow::Result<Self> {
        let frontends = Frontends::open(&config.frontends)?;
        let tls = config.tls.clone().map(|files| Tls::open(files, metrics.clone())).transpose()?;
        Ok(Self { config, frontends, tls, room: MAX_TURNS })
    }
}

/// What every request finds.
struct Chat {
    engine: Arc<Engine>,
    frontends: Frontends,
    threads: Threads,
    /// The planner's name among models.
    model: String,
    room: Arc<Semaphore>,
    turns: TaskTracker,
}

/// Serves until the ports are told to stop. `turns` tells when the last turn has ended.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve(
    opened: Opened,
    engine: Arc<Engine>,
    turns: TaskTracker,
    memory: Memory,
    ports: &Ports,
) -> anyhow::Result<SocketAddr> {
    let Opened { config, frontends, tls, room } = opened;
    let listener = TcpListener::bind(&config.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    let address = listener.local_addr()?;
    if tls.is_none() && !address.ip().is_loopback() {
        tracing::warn!(%address, "chat is served without TLS: put a proxy before it that has TLS");
    }
    let chat = Arc::new(Chat {
        engine,
        frontends,
        threads: Threads::new(memory),
        model: config.model,
        room: Arc::new(Semaphore::new(room)),
        turns,
    });
    let router = Router::new()
        .route("/v1/chat/completions", post(openai::completions).layer(Traced))
        .route("/v1/models", get(openai::models))
        .route("/v1/models/{model}", get(openai::model))
        .route("/agui", post(agui::run).layer(Traced))
        .route("/v1/conversations/{conversation}/rating", post(rating::rate).layer(Traced))
        .fallback(openai::nowhere)
        .method_not_allowed_fallback(openai::nowhere)
        .layer(middleware::from_fn_with_state(Arc::clone(&chat), origins::answer))
        .with_state(chat);
    let tls = tls.map(|tls| Box::new(tls) as Box<dyn Certified>);
    ports.serve(listener, tls, Limits::of(CONNECTIONS), move |_| router.clone());
    Ok(address)
}
