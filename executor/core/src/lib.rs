//! Countersign's core: decides, and does nothing else. Pure and synchronous: no
//! clock, no randomness, no files, no network.
//!
//! ```text
//! contract ──▶ plan ──resolve──▶ arguments ──propose──▶ Proposal ──grant──▶ Granted
//!   ──claim──▶ Claimed ──gate──▶ Cleared ──prepare──▶ Dispatch ──answer, retry──▶
//!   ──verify──▶ Settled ──seal──▶ receipt
//!                  ▲ finish, by a person │ unknown
//!                  └─────────────────────┘
//! ```
//!
//! Each arrow is an event of `lifecycle`; `lifecycle::next` is the only way from
//! one state to the next, live, on replay and in tests. `brief::ask` and `effect::ask` say what
//! the driver has to do before the next arrow; `abandon` ends what has no contract
//! any more. Each arrow keeps what it was decided from (`premise`), so that `replay`
//! decides a receipt again, and `backtest` by other books.

pub mod nearest;

pub mod value;

pub mod shown;

pub mod expr;

pub mod shape;

pub mod contract;

pub mod request;

pub mod answer;

pub mod error;

pub mod digest;

pub mod gates;

pub mod belts;

pub mod grounds;

pub mod signed;

pub mod subject;

pub mod policy;

pub mod switch;

pub mod activation;

pub mod plan;

pub mod planted;

pub mod resolve;

pub mod state;

pub mod premise;

pub mod observe;

pub mod limit;

pub mod proposal;

pub mod person;

pub mod brief;

pub mod grant;

pub mod claim;

pub mod gate;

pub mod dispatch;

pub mod retry;

pub mod verify;

pub mod finish;

pub mod escalation;

pub mod seal;

pub mod lifecycle;

pub mod effect;

pub mod abandon;

pub mod replay;

pub mod backtest;

pub mod coverage;
