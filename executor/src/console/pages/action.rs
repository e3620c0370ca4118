//! One action from what was said to its receipt, or one change of the executor itself, and the
//! proof that it is in the log.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use countersign_shared::ids::ReceiptId;
use countersign_shared::receipt::Receipt;

use super::actions::{to_actions, tone};
use super::activations::opens;
use crate::console::Console;
use crate::console::frame::{Frame, Place};
use crate::console::requests::{missing, notice, page};
use crate::console::view::Headline;
use crate::console::visitor::{Duty, Visitor};
use crate::desk::Desk;
use crate::ports::{ReceiptQuery, SealedReceipt, StoreError};
use crate::service::audit::proof;
use crate::timeline::{self, clock};

#[derive(Template)]
#[template(path = "action.html")]
struct Action {
    frame: Frame,
    /// The list that it stands in.
    among: Place,
    receipt: String,
    title: String,
    outcome: String,
    tone: &'static str,
    code: String,
    amount: String,
    erased: bool,
    lost: bool,
    steps: Vec<Step>,
    /// The address of what else the conversation led to; empty where there is none.
    conversation: String,
}

struct Step {
    name: &'static str,
    at: String,
    lines: Vec<(String, String)>,
}

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/actions/{receipt}", get(show))
        .route("/actions/{receipt}/receipt", get(download_receipt))
        .route("/actions/{receipt}/proof", get(download_proof))
}

/// `GET /actions/{receipt}`.
async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(receipt): Path<String>,
) -> Response {
    let frame = match console.enter(&visitor, Place::Actions) {
        Ok(frame) => frame,
        Err(no) => return no,
    };
    match found(&console, &visitor, &receipt).await {
        Ok(Some((sealed, receipt))) => {
            let changed = receipt.change.is_some();
            let among = if changed { Place::Activations } else { Place::Actions };
            page(&view((console.frame(&visitor, Some(among)), among), &sealed, &receipt))
        }
        Ok(None) => missing(frame, Headline::no_action()),
        Err(error) => notice(frame, Headline::unreadable(&error.to_string())),
    }
}

/// `GET /actions/{receipt}/receipt`: the leaf's exact bytes, which the proof is about.
async fn download_receipt(
    State(console): State<Console>,
    visitor: Visitor,
    Path(receipt): Path<String>,
) -> Response {
    let frame = match console.enter(&visitor, Place::Actions) {
        Ok(frame) => frame,
        Err(no) => return no,
    };
    match found(&console, &visitor, &receipt).await {
        Ok(Some((sealed, _))) => {
            file(&format!("{}.json", sealed.id), "application/json", sealed.body)
        }
        Ok(None) => missing(frame, Headline::no_action()),
        Err(error) => notice(frame, Headline::unreadable(&error.to_string())),
    }
}

/// `GET /actions/{receipt}/proof`: a `.tlog-proof` file.
async fn download_proof(
    State(console): State<Console>,
    visitor: Visitor,
    Path(receipt): Path<String>,
) -> Response {
    let frame = match console.enter(&visitor, Place::Actions) {
        Ok(frame) => frame,
        Err(no) => return no,
    };
    let sealed = match found(&console, &visitor, &receipt).await {
        Ok(Some((sealed, _))) => sealed,
        Ok(None) => return missing(frame, Headline::no_action()),
        Err(error) => return notice(frame, Headline::unreadable(&error.to_string())),
    };
    match proof(&console.desk, sealed.index).await {
        Ok(text) => file(&format!("{}.tlog-proof", sealed.id), "text/plain; charset=utf-8", text),
        Err(status) => notice(frame, Headline::unreadable(status.message())),
    }
}

fn file(name: &str, kind: &'static str, body: impl IntoResponse) -> Response {
    let named = format!("attachment; filename=\"{name}\"");
    ([(CONTENT_TYPE, kind.to_owned()), (CONTENT_DISPOSITION, named)], body).into_response()
}

impl Desk {
    /// A receipt, of whatever tenant: whose it is the caller asks.
    pub(in crate::console) async fn receipt(
        &self,
        id: &ReceiptId,
    ) -> Result<Option<(SealedReceipt, Receipt)>, StoreError> {
        let query = ReceiptQuery { id: Some(id.clone()), limit: 1, ..ReceiptQuery::default() };
        let found = self.pipeline.store.receipts(query).await?;
        let Some(sealed) = found.into_iter().next() else { return Ok(None) };
        let receipt = sealed.open()?;
        Ok(Some((sealed, receipt)))
    }
}

/// A receipt of a tenant that somebody audits, or of a change that is theirs to know.
async fn found(
    console: &Console,
    visitor: &Visitor,
    id: &str,
) -> Result<Option<(SealedReceipt, Receipt)>, StoreError> {
    let Ok(id) = id.parse() else { return Ok(None) };
    let found = console.desk.receipt(&id).await?;
    Ok(found.filter(|(_, receipt)| match &receipt.change {
        Some(change) => opens(visitor, &change.what),
        None => visitor.may(&[Duty::Auditor], &receipt.tenant),
    }))
}

fn title(receipt: &Receipt) -> &str {
    match &receipt.change {
        Some(change) => &change.what,
        None if receipt.tool.is_empty() => "No tool",
        None => &receipt.tool,
    }
}

fn view((frame, among): (Frame, Place), sealed: &SealedReceipt, receipt: &Receipt) -> Action {
    let steps = timeline::of(receipt, sealed.index).into_iter().map(|moment| Step {
        name: moment.step.name(),
        at: moment.at.map_or_else(String::new, clock),
        lines: moment.lines,
    });
    let conversation = &receipt.asked.conversation;
    let like = to_actions()
        .append_pair("tenant", &receipt.tenant)
        .append_pair("conversation", conversation)
        .finish();
    let linked = !conversation.is_empty() && !sealed.is_erased();
    Action {
        frame,
        among,
        receipt: receipt.receipt_id.clone(),
        title: title(receipt).to_owned(),
        outcome: receipt.outcome.replace('_', " "),
        tone: tone(&receipt.outcome),
        code: receipt.code.clone(),
        amount: receipt.money.map_or_else(String::new, |money| money.to_string()),
        // What is nobody's never had anything personal in it.
        erased: sealed.is_erased() && !sealed.lost && !receipt.asked.person.is_empty(),
        lost: sealed.lost,
        steps: steps.collect(),
        conversation: if linked { like } else { String::new() },
    }
}
