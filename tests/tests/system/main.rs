//! Whole-system tests: a sandbox shop, an executor and a planner as processes of
//! their own, speaking real mutual TLS. Each module can be called by its name:
//! `cargo nextest run action_flow`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::wildcard_enum_match_arm,
    unreachable_pub,
    missing_docs,
    clippy::print_stdout,
    reason = "tests"
)]

mod support;
// Where the benchmark, whose parts some tests share, has it.
use support::people;

mod action_flow;
mod activations;
mod approvals;
mod auditor;
mod bad_input;
mod bench;
mod blind_backend;
mod bulk_triage;
mod chat;
mod console;
mod console_approvals;
mod console_auditor;
mod console_sign_in;
mod console_xss;
mod contract_gone;
mod crash_points;
mod cross_subject;
mod cross_tenant;
mod decision_replay;
mod demo;
mod disk_faults;
mod drill;
mod erasure;
mod escalations;
mod fail_closed;
mod floods;
mod fork_detected;
mod from_trace;
mod independent_verifier;
mod key_rotation;
mod kill_storm;
mod log_tamper;
mod lost_reply;
mod lying_backend;
mod matching;
mod network;
mod numbers;
mod one_time_page;
mod one_trace;
mod own_deployment;
mod planner_holds_no_credential;
mod planners;
mod receipt_page;
mod refusal_codes;
mod refusals;
mod replicas;
mod restarts;
mod restore_quarantine;
mod rolling_upgrade;
mod rotation;
mod secret_canary;
mod siem_delivery;
mod staff;
mod stale_approval;
mod stop_while_tapped;
mod stripe;
mod switches;
mod told;
