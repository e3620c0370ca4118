//! Starts the pair and plays its people: a chat frontend, a planner, an auditor.

pub mod bins;
pub mod books;
pub mod browser;
pub mod canary;
pub mod change;
#[path = "../../../executor/src/store/postgres/cluster.rs"]
pub mod cluster;
pub mod collector;
pub mod hook;
pub mod idp;
pub mod leaks;
pub mod node;
pub mod pair;
pub mod people;
pub mod plans;
pub mod preload;
pub mod service;
pub mod wishes;
