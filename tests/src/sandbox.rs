//! A stateful sandbox of business APIs: believable data, faults on demand, and a ledger of every
//! effect that really happened.
//!
//! ```text
//! request ──▶ serve ──▶ world: credential? ▶ document ▶ faults.take ▶ API (work on a copy)
//!                                                                      │ keep │ throw away
//!                                                         ledger ◀─────┘
//! ```
//! [`Sandbox::start`] runs it within a test; the bin `sandbox` runs it as a process. Both have the
//! same powers, over the handle or under `/sandbox`. An API is a folder: `shopify`, `stripe`; clock,
//! ledger, faults, request log and credentials are shared.

mod clock;
mod control;
mod credential;
mod fault;
mod ledger;
mod page;
mod requests;
mod serve;
mod shopify;
mod stripe;
mod world;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use clock::Clock;
pub use credential::Credentials;
pub use fault::{Fault, FaultSpec, Faults, Says};
pub use ledger::{Effect, Ledger};
pub use requests::{Received, RequestLog};
pub use shopify::{OrderText, PATH as SHOPIFY_PATH, StaffAct};
pub use stripe::{PATH as STRIPE_PATH, StripeAct};

use serve::Shared;
use world::World;

/// A running sandbox; it stops when dropped.
pub struct Sandbox {
    address: SocketAddr,
    world: Shared,
    task: JoinHandle<()>,
}

/// Where to listen, and which tokens are known.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address to listen on; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Access tokens by name. With none, every API request is answered 401.
    pub credentials: Credentials,
}

impl Default for Config {
    /// A free loopback port, and the token `sandbox-token` under the name `sandbox`.
    fn default() -> Self {
        let mut credentials = Credentials::default();
        credentials.add("sandbox", "sandbox-token");
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 0)), credentials }
    }
}

/// Why the sandbox did not start, or could not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The address is taken or not ours.
    #[error("cannot listen on {0}: {1}; choose another --listen address, or port 0 for a free one")]
    Listen(SocketAddr, std::io::Error),
    /// Only loopback is served: the control endpoints have no lock.
    #[error("{0} is not a loopback address; the sandbox listens on 127.0.0.1 or [::1] only")]
    NotLoopback(SocketAddr),
    /// The schema that is part of the program does not read.
    #[error("the sandbox's own schema is broken: {0}")]
    Schema(String),
    /// Staff could not do it.
    #[error("staff could not do that: {0}")]
    Staff(String),
}

impl Sandbox {
    /// Binds, seeds and serves in the background.
    ///
    /// # Errors
    /// When the address cannot be listened on or is not loopback.
    pub async fn start(config: Config) -> Result<Self, SandboxError> {
        let refused = |error| SandboxError::Listen(config.listen, error);
        if !config.listen.ip().is_loopback() {
            return Err(SandboxError::NotLoopback(config.listen));
        }
        let listener = TcpListener::bind(config.listen).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let world = World::open(config.credentials).map_err(SandboxError::Schema)?;
        let world = Arc::new(Mutex::new(world));
        let task = tokio::spawn(serve::serve(listener, Arc::clone(&world)));
        Ok(Self { address, world, task })
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every effect that really happened so far.
    #[must_use]
    pub fn ledger(&self) -> Vec<Effect> {
        let mut world = self.world.lock();
        world.tick();
        world.ledger.effects().to_vec()
    }

    /// Every request that reached an API so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Received> {
        self.world.lock().requests.received().to_vec()
    }

    /// How many there were.
    #[must_use]
    pub fn requests_so_far(&self) -> usize {
        self.world.lock().requests.received().len()
    }

    /// Whether a mutation was among them since there were so many.
    #[must_use]
    pub fn mutated_since(&self, earlier: usize) -> bool {
        let world = self.world.lock();
        world.requests.received().iter().skip(earlier).any(|received| received.kind == "mutation")
    }

    /// Arms a fault; a bare [`Fault`] applies once, to the next request it fits.
    pub fn fault(&self, fault: impl Into<FaultSpec>) {
        self.world.lock().faults.arm(fault.into());
    }

    /// Disarms every fault that is still waiting.
    pub fn clear_faults(&self) {
        self.world.lock().faults.clear();
    }

    /// A staff member acts on the order of this name (`#1001`).
    ///
    /// # Errors
    /// When there is no such order, or the act is impossible in its state.
    pub fn staff(&self, order: &str, act: &StaffAct) -> Result<(), SandboxError> {
        let mut guard = self.world.lock();
        let now = guard.tick();
        let world = &mut *guard;
        world.shopify.staff(order, act, now, &mut world.ledger).map_err(SandboxError::Staff)
    }

    /// Somebody acts in Stripe's dashboard, or a bank does.
    ///
    /// # Errors
    /// When there is no such object, or the act is impossible in its state.
    pub fn stripe_staff(&self, act: &StripeAct) -> Result<(), SandboxError> {
        let mut guard = self.world.lock();
        let now = guard.tick();
        let world = &mut *guard;
        world.stripe.staff(act, now, &mut world.ledger).map_err(SandboxError::Staff)
    }

    /// The true state of a charge with its refunds, or of a subscription, in the API's shape.
    #[must_use]
    pub fn stripe(&self, id: &str) -> Option<Value> {
        let mut world = self.world.lock();
        world.tick();
        world.stripe.state(id)
    }

    /// Adds plain orders and payments of customer 1: `#10001` and `ch_Stock10001`, each of
    /// USD 10.00, and on from there.
    pub fn stock(&self, count: u64) {
        let mut guard = self.world.lock();
        let now = guard.tick();
        guard.shopify.stock(count, now);
        guard.stripe.stock(count, now);
    }

    /// Moves the clock forward; what falls due happens.
    pub fn advance(&self, by: Duration) {
        let mut world = self.world.lock();
        world.clock.advance(by);
        world.tick();
    }

    /// The true state of the order of this name, in the API's shape.
    #[must_use]
    pub fn order(&self, name: &str) -> Option<Value> {
        let mut world = self.world.lock();
        world.tick();
        world.shopify.state(name)
    }

    /// Everything as after the start.
    pub fn reset(&self) {
        self.world.lock().reset();
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.task.abort();
    }
}
