//! The planner: reads a conversation, asks the executor, and holds no privilege.
//!
//! ```text
//! frontend ──service, chat──▶ conversation ──triage──▶ answer to a card or a question of ours
//!                            │                        │
//!                            ▼                        ▼
//!                      model ◀─prompt/parse    assemble ──context──▶ reads (executor)
//!                            └──decision──────────────▶│
//!                                                      ▼
//!                                submit ──propose/execute──▶ executor ──▶ reply
//! ```
//!
//! What is absent: credentials, backend clients, and any sentence of a model in
//! front of a customer (NO CLAIM WITHOUT A RECEIPT).

pub mod assemble;
pub mod budget;
pub mod calibrate;
mod call;
pub mod chat;
pub mod checkpoint;
pub mod config;
pub mod confine;
pub mod context;
pub mod conversation;
pub mod executor;
mod forget;
mod genai;
pub mod guards;
pub mod history;
pub mod keep;
pub mod knowledge;
pub mod memory;
pub mod metrics;
pub mod model;
pub mod notes;
mod pace;
pub mod parse;
pub mod peer;
pub mod price;
pub mod prompt;
pub mod record;
pub mod reply;
pub mod run;
pub mod service;
pub mod status;
mod stored;
pub mod subject;
pub mod submit;
mod tls;
pub mod tools;
pub mod triage;
