//! What both services must agree on, and nothing else: ids, money, codes, what is
//! signed, the log's proofs; with feature `net` also mTLS, the guard before each
//! service, refusals on the wire and telemetry; with `postgres` the way to a database.

pub mod attest;
pub mod codes;
#[cfg(feature = "net")]
pub mod drain;
pub mod ids;
pub mod kept;
#[cfg(feature = "net")]
pub mod listen;
pub mod migration;
pub mod money;
#[cfg(feature = "net")]
pub mod mtls;
#[cfg(feature = "net")]
pub mod peer;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "net")]
pub mod ready;
pub mod receipt;
#[cfg(feature = "net")]
pub mod refusal;
#[cfg(feature = "net")]
pub mod span;
pub mod spiffe;
#[cfg(feature = "net")]
pub mod telemetry;
pub mod tlog;
#[cfg(feature = "net")]
pub mod trace;
pub mod turn;
