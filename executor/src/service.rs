//! The gRPC face. Each method verifies the subject, turns messages into the core's
//! types and back, and decides nothing.

pub mod approvals;
pub mod audit;
mod chain;
pub mod escalations;
pub mod executor;
mod find;
mod numbers;
pub mod operator;
pub(crate) mod search;
