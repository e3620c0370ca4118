//! The policy: the bundle that ships, and what bundles may and may not say.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod approvers;
mod asking;
mod bundle;
mod covered;
mod guide;
mod limits;
mod modes;
#[path = "../support/packs.rs"]
mod packs;
mod problems;
mod shipped;
