//! The person's command: one module per verb, and what they share.
//!
//! ```text
//! argv ──command──▶ demo · bench · eval · chat · contracts · explain · policy · init · doctor · pki
//!                    │      │      │   · activate · backup · recover · switch · approvals · receipts · audit
//!                    │      │      │         │          │         │          │        │
//!                    │      │      └── Planner          Operator, Approvals  Audit ───┴─ log folder
//!                    │      │          (gRPC)           (gRPC)               (gRPC)      (files, offline)
//!                    │      └── executor, forwarder ┐
//!                    └── sandbox, executor, planner ┴ as processes of their own
//! ```
//!
//! What a verb finds goes to standard output, how it gets on to standard error. Nothing here
//! decides about an action: that is the executor's.

pub mod command;

pub mod chat;
pub mod coverage;
pub mod demo;

pub mod bench;
pub mod eval;

pub mod contracts;
pub mod explain;
pub mod policy;

pub mod doctor;
pub mod erase;
pub mod init;
pub mod pki;

pub mod activate;
pub mod approvals;
pub mod backup;
pub mod escalations;
pub mod recover;
pub mod switch;

pub mod actions;
pub mod analytics;
pub mod audit;
pub mod receipts;
pub mod replay;
pub mod report;

mod auditor;
mod binaries;
mod completions;
mod conversation;
mod ed25519;
mod guard;
mod logkey;
mod page;
mod remote;
mod signatures;
mod signer;
mod text;
