//! The person's command: one module per verb, and what they share.
//!
//! ```text
//! argv ──command──▶ demo · chat · contracts · explain · init · doctor · pki · receipts · audit · completions
//!                    │      │                                                     │          │
//!                    │      └── Planner (gRPC)                                    └─ Audit ──┴─ log folder
//!                    └── sandbox, executor, planner                                  (gRPC)     (files, offline)
//!                        as processes of their own
//! ```
//!
//! What a verb finds goes to standard output, how it gets on to standard error. Nothing here
//! decides about an action: that is the executor's.

pub mod command;

pub mod chat;
pub mod demo;

pub mod contracts;
pub mod explain;

pub mod doctor;
pub mod init;
pub mod pki;

pub mod audit;
pub mod receipts;

mod completions;
mod ed25519;
mod logkey;
mod text;
