//! The executor: holds every privilege and never improvises.
//!
//! ```text
//! peer (who may call) ─▶ service ─▶ subject (for whom) ─▶ desk (what is asked)
//!    ─▶ pipeline (the spine: ask the core, journal, act) ─▶ driver ─▶ connector ─▶ backend
//!                    └─▶ store (journal, receipts) ─▶ log (published tiles)
//! ```
//!
//! Decisions are `countersign-core`'s; this crate asks it what comes next, writes
//! that down, and does it.

pub mod process;

pub mod config;

pub mod run;

pub mod peer;

pub mod service;

pub mod wire;

pub mod subject;

pub mod desk;

pub mod turned;

mod turns;

pub mod matching;

pub mod grants;

pub mod confirm;

pub mod console;

pub mod notify;

mod webhook;

pub mod siem;

pub mod escalations;

pub mod load;

pub mod room;

pub mod flood;

pub mod running;

pub mod recovery;

pub mod kill;

pub mod purge;

pub mod switch;

pub mod erasure;

pub mod vitals;

pub mod standing;

pub mod quarantine;

pub mod restore;

pub mod pipeline;

mod gap;

mod steady;

pub mod driver;

pub mod ports;

pub mod register;

pub mod conversations;

pub mod analytics;

pub mod timeline;

pub mod review;

pub mod lease;

pub mod store;

pub mod log;

pub mod packs;

pub mod policy;

pub mod bundles;

pub mod activation;

pub mod vault;

pub mod keys;

pub mod veil;

pub mod connector;

pub mod metrics;

pub mod status;

#[cfg(test)]
mod testing;
