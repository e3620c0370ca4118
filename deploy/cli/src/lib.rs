//! The person's command: one module per verb, and what they share.
//!
//! ```text
//! argv ──command──▶ demo · chat · contracts · explain · policy · init · doctor · pki · activate
//!                    │      │      · switch · approvals · receipts · audit · completions
//!                    │      │         │        │            │          │
//!                    │      └── Planner  Operator, Approvals └─ Audit ──┴─ log folder
//!                    │          (gRPC)   (gRPC)                (gRPC)     (files, offline)
//!                    └── sandbox, executor, planner
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
pub mod policy;

pub mod doctor;
pub mod init;
pub mod pki;

pub mod activate;
pub mod approvals;
pub mod escalations;
pub mod switch;

pub mod audit;
pub mod receipts;

mod completions;
mod ed25519;
mod logkey;
mod remote;
mod signer;
mod text;
