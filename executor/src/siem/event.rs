//! One event: a leaf with its place in the log, or the news that the log still stands.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::merkle::leaf_hash;
use jiff::Timestamp;
use serde_json::Value as Json;

use super::clear::Clear;
use super::ocsf;

/// An event as sinks send it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When what it tells of happened.
    pub at: Timestamp,
    /// OCSF severity, 1 to 6.
    pub severity: u8,
    /// The event itself.
    pub body: Json,
}

/// Where in the log a leaf is, and which checkpoint vouches for that.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// From 0.
    pub index: u64,
    /// A checkpoint of a log that holds it.
    pub checkpoint: &'a Checkpoint,
}

/// The event of a leaf, sent for the `attempt`th time.
///
/// # Errors
/// Bytes that are no receipt.
pub fn of(leaf: &[u8], place: Place<'_>, attempt: u32) -> Result<Event, serde_json::Error> {
    let clear: Clear = serde_json::from_slice(leaf)?;
    let body = ocsf::receipt(&clear, &hash(leaf), place, attempt);
    Ok(Event { at: clear.sealed_at, severity: ocsf::severity(&clear), body })
}

/// The event that says: at this time, this was the newest checkpoint. In quarantine it is
/// that of a store that went back in time.
#[must_use]
pub fn heartbeat(checkpoint: &Checkpoint, quarantined: bool, now: Timestamp) -> Event {
    let severity = if quarantined { 5 } else { 1 };
    Event { at: now, severity, body: ocsf::heartbeat(checkpoint, quarantined, now) }
}

/// A leaf's hash, as events carry it.
#[must_use]
pub fn hash(leaf: &[u8]) -> String {
    STANDARD.encode(leaf_hash(leaf))
}

/// A tree's root, as events carry it.
#[must_use]
pub fn root(root: &[u8; 32]) -> String {
    STANDARD.encode(root)
}
