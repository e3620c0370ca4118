//! Mutual TLS between the services: who is on the other end, proved by certificate.
//!
//! ```text
//! files ──Material::open──▶ Material ──bind──▶ Incoming ──▶ PeerStream ──▶ PeerIdentity
//!   ▲                          │                              (in each request's extensions)
//!   └── read again each second ┴──channel──▶ Channel (dials only the expected SpiffeId)
//! ```
//!
//! What is absent: TLS 1.2, anonymous clients, session resumption, early data, and host names.
//! A peer is its SPIFFE id, on both sides, and nothing else.

mod material;

mod contents;
mod ends;
mod shown;
mod verify;

mod listener;
mod serve;

mod channel;
mod connect;

pub use crate::spiffe::{IdentityError, SpiffeId, SpiffePattern};
pub use channel::Channel;
pub use connect::{AddressError, channel, connect};
pub use contents::optional;
pub use ends::Ends;
pub use listener::{AcceptLimits, Incoming, PeerIdentity, PeerStream, accept, bind};
pub use material::{Material, MaterialError, MaterialFiles};
pub use serve::{ConnectionLimits, StopSignal, serve_until, server};
pub use shown::Shown;

#[cfg(test)]
mod tests;
