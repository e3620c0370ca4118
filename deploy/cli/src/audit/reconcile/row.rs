//! One line of a SIEM's export.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_executor::siem::ocsf::{MAPPING, MEMBERS};
use serde_json::{Map, Value as Json};
use sha2::{Digest as _, Sha256};

/// What a line turned out to be.
pub(super) enum Said {
    /// An event of this log.
    Event(Row),
    /// A heartbeat of this log.
    Heartbeat(Row),
    /// An event of the log of this name.
    OtherLog(String),
    /// No event of ours; a crash of the executor's machine may leave half of one.
    Unreadable,
}

/// What is kept of a line, however large the export is.
pub(super) struct Row {
    /// In the export, from 1.
    pub(super) line: u64,
    /// The leaf; `None` for a heartbeat.
    pub(super) index: Option<u64>,
    /// From 1.
    pub(super) attempt: u64,
    /// The checkpoint that it names.
    pub(super) size: u64,
    pub(super) root: Option<[u8; 32]>,
    pub(super) content: Content,
}

/// What can be compared of it.
#[derive(PartialEq, Eq)]
pub(super) enum Content {
    /// Made by the mapping that this program knows: all of it.
    Digest([u8; 32]),
    /// It says that another made it, and nothing of it can be held against the log.
    OtherMapping,
}

/// Reads a line.
pub(super) fn read(text: &[u8], line: u64, origin: &str) -> Said {
    let Some(event) = serde_json::from_slice(text).ok().and_then(unwrapped) else {
        return Said::Unreadable;
    };
    let Some(own) = own(&event) else { return Said::Unreadable };
    let log = |name: &str| own.get("log").and_then(|log| log.get(name));
    match log("origin").and_then(Json::as_str) {
        Some(of) if of == origin => {}
        Some(of) => return Said::OtherLog(of.to_owned()),
        None => return Said::Unreadable,
    }
    let Some(size) = log("size").and_then(Json::as_u64) else { return Said::Unreadable };
    let index = log("index").and_then(Json::as_u64);
    let known = own.get("mapping").and_then(Json::as_u64) == Some(u64::from(MAPPING));
    let row = Row {
        line,
        index,
        attempt: own.get("attempt").and_then(Json::as_u64).unwrap_or(1),
        size,
        root: log("root").and_then(Json::as_str).and_then(root),
        content: if known { Content::Digest(digest(&event)) } else { Content::OtherMapping },
    };
    if index.is_some() { Said::Event(row) } else { Said::Heartbeat(row) }
}

/// The event itself: as it is, as Splunk's collector takes it, or as Splunk exports it.
fn unwrapped(json: Json) -> Option<Json> {
    if own(&json).is_some() {
        return Some(json);
    }
    if let Some(event) = json.get("event") {
        return Some(event.clone());
    }
    let raw = json.get("result").unwrap_or(&json).get("_raw")?.as_str()?;
    serde_json::from_str(raw).ok()
}

fn own(event: &Json) -> Option<&Json> {
    event.get("unmapped")?.get("countersign")
}

fn root(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// Of what the event says of its leaf: without how often it was sent, without the
/// checkpoint of that time, and without what the SIEM put beside it.
pub(super) fn digest(event: &Json) -> [u8; 32] {
    let mut kept = Map::new();
    for member in MEMBERS {
        if let Some(value) = event.get(member) {
            kept.insert(member.to_owned(), value.clone());
        }
    }
    let mut kept = Json::Object(kept);
    for (at, name) in [
        ("/metadata", "labels"),
        ("/unmapped/countersign", "attempt"),
        ("/unmapped/countersign/log", "size"),
        ("/unmapped/countersign/log", "root"),
    ] {
        kept.pointer_mut(at).and_then(Json::as_object_mut).map(|part| part.remove(name));
    }
    kept.sort_all_objects();
    Sha256::digest(kept.to_string()).into()
}
