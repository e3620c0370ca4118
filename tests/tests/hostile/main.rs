//! A planner that sends any well-formed message it likes, and what still cannot happen.
//! It has the planner's identity completely, but no key of an issuer, a frontend or an
//! approver. The oracle is the backends' ledger beside what people really said and
//! signed. Each test prints its seed; `COUNTERSIGN_HOSTILE_SEED` repeats a run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "tests"
)]

mod attempts;
mod bank;
mod calls;
mod chance;
mod dice;
mod door;
mod honest;
mod keys;
mod oracle;
mod parts;
mod run;
mod scene;
mod world;

#[cfg(not(feature = "gates-off"))]
mod budget_race;
#[cfg(not(feature = "gates-off"))]
mod confidence_only_raises;
#[cfg(feature = "gates-off")]
mod every_gate;
#[cfg(not(feature = "gates-off"))]
mod forged_yes;
#[cfg(not(feature = "gates-off"))]
mod honest_side;
#[cfg(not(feature = "gates-off"))]
mod planner;
#[cfg(not(feature = "gates-off"))]
mod wire;
