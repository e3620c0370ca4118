//! The executor's durable memory.

pub mod sqlite;
