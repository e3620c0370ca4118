//! The person's command: one module per verb, and what they share.
//!
//! ```text
//! argv ──command──▶ demo · contracts · explain · init · doctor · pki · receipts · audit · completions
//!                    │                                                 │          │
//!                    └── sandbox, executor, planner                    └─ Audit ──┴─ log folder
//!                        as processes of their own                        (gRPC)     (files, offline)
//! ```
//!
//! What a verb finds goes to standard output, how it gets on to standard error. Nothing here
//! decides about an action: that is the executor's.

pub mod command;

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
