//! Whole-system tests and what they need: sandbox backends, and helpers shared by test files.

pub mod sandbox;
