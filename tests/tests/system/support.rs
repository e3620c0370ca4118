//! Starts the pair and plays its people: a chat frontend, a planner, an auditor.

pub mod bins;
pub mod pair;
pub mod people;
pub mod plans;
