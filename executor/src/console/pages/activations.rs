//! What the executor runs with, and every change that people made to it, from the log
//! (NO ONE HOLDS THE WHOLE PEN).

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use countersign_core::policy::People;
use countersign_core::switch::Reach;
use countersign_shared::receipt::{Change, Changer};
use serde::Deserialize;

use crate::console::Console;
use crate::console::frame::{Frame, Place, sees};
use crate::console::requests::{notice, page};
use crate::console::view::{Headline, clock};
use crate::console::visitor::{Duty, Visitor};
use crate::ports::{ReceiptQuery, SealedReceipt};

/// Entries on a page.
const PAGE: u32 = 50;

/// Where to go on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Start {
    before: Option<u64>,
}

#[derive(Template)]
#[template(path = "activations.html")]
struct Changes {
    frame: Frame,
    active: Vec<(String, String, String)>,
    changes: Vec<Entry>,
    older: Option<u64>,
}

struct Entry {
    what: String,
    at: String,
    old: String,
    new: String,
    reason: String,
    by: Vec<String>,
    receipt: String,
    /// Whether it opens to the visitor.
    opens: bool,
}

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/activations", get(show))
}

/// `GET /activations`.
async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Query(start): Query<Start>,
) -> Response {
    let frame = match console.enter(&visitor, Place::Activations) {
        Ok(frame) => frame,
        Err(no) => return no,
    };
    let store = &console.desk.pipeline.store;
    // A change is no tenant's.
    let query = ReceiptQuery {
        tenant: Some(String::new()),
        before: start.before,
        limit: PAGE,
        ..ReceiptQuery::default()
    };
    let (active, found) = match (store.activated().await, store.receipts(query).await) {
        (Ok(active), Ok(found)) => (active, found),
        (Err(error), _) | (_, Err(error)) => {
            return notice(frame, Headline::unreadable(&error.to_string()));
        }
    };
    let full = u32::try_from(found.len()).is_ok_and(|count| count == PAGE);
    let older = found.last().filter(|_| full).map(|last| last.index);
    let people = console.desk.pipeline.policy.people();
    let active = active.into_iter().map(|(part, is)| (part.to_string(), is.digest, clock(is.at)));
    let changes = found.iter().filter_map(|sealed| entry(sealed, &visitor, people)).collect();
    page(&Changes { frame, active: active.collect(), changes, older })
}

/// A change as somebody may see it; none where it is another tenant's.
fn entry(sealed: &SealedReceipt, visitor: &Visitor, people: &People) -> Option<Entry> {
    let receipt = sealed.open().ok()?;
    let Change { what, old, new, mut reason, by, .. } = receipt.change?;
    if !known(visitor, &what) {
        return None;
    }
    // An erased person's tenant is erased too; what was written of them is for operators.
    if what.starts_with("person/") && !visitor.is(&[Duty::Operator]) {
        "Operators know why.".clone_into(&mut reason);
    }
    Some(Entry {
        opens: opens(visitor, &what),
        what,
        at: clock(receipt.sealed_at),
        old,
        new,
        reason,
        by: by.iter().map(|changer| signed(changer, people)).collect(),
        receipt: receipt.receipt_id,
    })
}

/// Whether a change is somebody's to know: another tenant's switch is not.
fn known(visitor: &Visitor, what: &str) -> bool {
    let theirs = |reach: &str| reach.parse::<Reach>().is_ok_and(|reach| sees(visitor, &reach));
    what.strip_prefix("switch/").is_none_or(theirs)
}

/// Whether the receipt of a change opens to somebody: to auditors, as an action's does. That of
/// somebody's erasure says why, which is for operators.
pub(super) fn opens(visitor: &Visitor, what: &str) -> bool {
    visitor.is(&[Duty::Auditor]) && known(visitor, what) && !what.starts_with("person/")
}

fn signed(changer: &Changer, people: &People) -> String {
    let name = people.get(&changer.who).map_or(&changer.who, |person| &person.name);
    let how = match changer.jws.chars().next() {
        None => "by certificate",
        Some('{') => "signed by passkey",
        Some(_) => "signed by key",
    };
    let why = if changer.reason.is_empty() { "" } else { ": " };
    format!("{name}, {how}{why}{}", changer.reason)
}
