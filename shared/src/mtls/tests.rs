//! The whole of it over real sockets on 127.0.0.1, with certificates made for each test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod kit;

mod cut_off;
mod reached;
mod refused;
mod rotated;
