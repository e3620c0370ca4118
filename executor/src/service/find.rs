//! Turns and receipts by what somebody who complains knows of them.

use std::cmp::Reverse;

use countersign_proto::v1;
use countersign_shared::codes::Code;
use countersign_shared::receipt::Receipt;
use countersign_shared::refusal::Refusal;
use jiff::Timestamp;
use serde_json::Value as Json;
use tonic::Status;

use super::audit::{failed, receipt};
use super::chain::{Read, turn};
use crate::desk::Desk;
use crate::ports::{Owner, ReceiptQuery, TurnQuery};

/// Entries of a page where the caller names no size, and the most of them.
const PAGE: u32 = 50;
const LARGEST_PAGE: u32 = 500;
/// Receipts that are read at once, and for one page.
const BATCH: u32 = 500;
const SEARCHED: usize = 10_000;

/// Finds a page.
pub(super) async fn find(desk: &Desk, asked: v1::FindRequest) -> Result<v1::FindResponse, Status> {
    let limit = if asked.page_size == 0 { PAGE } else { asked.page_size.min(LARGEST_PAGE) };
    let Some(owners) = owners(desk, &asked).await? else { return Ok(v1::FindResponse::default()) };
    let turns = if asked.page_token.is_empty() && is_about_turns(&asked) {
        turns(desk, &asked, &owners, limit).await?
    } else {
        Vec::new()
    };
    let (receipts, next) = receipts(desk, &asked, &owners, limit).await?;
    Ok(v1::FindResponse {
        receipts,
        turns,
        next_page_token: next.map(|index| index.to_string()).unwrap_or_default(),
    })
}

/// Whose: of the address, where one is named; one entry that is nobody where any will do.
/// `None` where nobody has that address.
async fn owners(
    desk: &Desk,
    asked: &v1::FindRequest,
) -> Result<Option<Vec<Option<Owner>>>, Status> {
    if asked.email.is_empty() {
        return Ok(Some(vec![None]));
    }
    let known = desk.pipeline.store.subjects_of(&asked.email).await.map_err(|e| failed(&e))?;
    let of = |owner: &Owner| asked.tenant.is_empty() || owner.tenant == asked.tenant;
    let known: Vec<_> = known.into_iter().filter(of).map(Some).collect();
    Ok(Some(known).filter(|known| !known.is_empty()))
}

/// A planner's word answers neither a tool nor an outcome, a code or a value.
fn is_about_turns(asked: &v1::FindRequest) -> bool {
    [&asked.tool, &asked.outcome, &asked.code, &asked.value].iter().all(|text| text.is_empty())
}

async fn turns(
    desk: &Desk,
    asked: &v1::FindRequest,
    owners: &[Option<Owner>],
    limit: u32,
) -> Result<Vec<v1::RecordedTurn>, Status> {
    let mut found = Vec::new();
    for owner in owners {
        let query = TurnQuery {
            owner: owner.clone(),
            tenant: asked.tenant.clone(),
            subject: asked.subject.clone(),
            conversation: asked.conversation_id.clone(),
            external_ref: asked.external_ref.clone(),
            from: time(asked.from)?,
            to: time(asked.to)?,
            limit,
        };
        found.extend(desk.pipeline.store.turns(query).await.map_err(|e| failed(&e))?);
    }
    found.sort_by_key(|turn| Reverse(turn.id.clone()));
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(found.into_iter().map(turn).collect())
}

/// The page's receipts, and where the next one begins.
async fn receipts(
    desk: &Desk,
    asked: &v1::FindRequest,
    owners: &[Option<Owner>],
    limit: u32,
) -> Result<(Vec<v1::Receipt>, Option<u64>), Status> {
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut before = page(&asked.page_token)?;
    let (mut found, mut searched) = (Vec::new(), 0);
    while searched < SEARCHED {
        let batch = batch(desk, asked, owners, before).await?;
        if batch.is_empty() {
            return Ok((found, None));
        }
        for read in batch {
            before = Some(read.sealed.index);
            searched += 1;
            if fits(asked, &read.receipt) {
                found.push(receipt(read.sealed));
            }
            if found.len() == wanted {
                return Ok((found, before));
            }
        }
    }
    Ok((found, before))
}

/// The next receipts of all owners together, newest first.
async fn batch(
    desk: &Desk,
    asked: &v1::FindRequest,
    owners: &[Option<Owner>],
    before: Option<u64>,
) -> Result<Vec<Read>, Status> {
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let mut all = Vec::new();
    for owner in owners.iter().cloned() {
        let query = ReceiptQuery {
            owner: owner.map(|o| (o.tenant, o.issuer, o.subject)),
            tenant: given(&asked.tenant),
            subject: given(&asked.subject),
            external_ref: given(&asked.external_ref),
            tool: given(&asked.tool),
            from: time(asked.from)?,
            to: time(asked.to)?,
            before,
            limit: BATCH,
            ..ReceiptQuery::default()
        };
        all.extend(desk.pipeline.store.receipts(query).await.map_err(|e| failed(&e))?);
    }
    all.sort_by_key(|sealed| Reverse(sealed.index));
    all.truncate(usize::try_from(BATCH).unwrap_or(usize::MAX));
    all.into_iter().map(Read::of).collect()
}

fn fits(asked: &v1::FindRequest, receipt: &Receipt) -> bool {
    let is = |wanted: &str, is: &str| wanted.is_empty() || wanted == is;
    is(&asked.outcome, &receipt.outcome)
        && is(&asked.code, &receipt.code)
        && is(&asked.conversation_id, &receipt.asked.conversation)
        && (asked.value.is_empty() || holds(receipt, &asked.value))
}

/// Whether a value is among the arguments, or in the state that the gates saw.
fn holds(receipt: &Receipt, value: &str) -> bool {
    receipt.arguments.iter().any(|argument| is_in(&argument.value, value))
        || is_in(&receipt.before, value)
}

fn is_in(json: &Json, value: &str) -> bool {
    match json {
        Json::String(text) => text == value || text.trim_start_matches('#') == value,
        Json::Number(number) => number.to_string() == value,
        Json::Array(items) => items.iter().any(|item| is_in(item, value)),
        Json::Object(members) => members.values().any(|member| is_in(member, value)),
        Json::Null | Json::Bool(_) => false,
    }
}

fn page(token: &str) -> Result<Option<u64>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    let wrong =
        || Refusal::new(Code::ArgumentInvalid, "page_token is not one of ours").into_status();
    token.parse().map(Some).map_err(|_| wrong())
}

fn time(seconds: i64) -> Result<Option<Timestamp>, Status> {
    if seconds == 0 {
        return Ok(None);
    }
    let wrong = |_| Refusal::new(Code::ArgumentInvalid, "no such time").into_status();
    Timestamp::from_second(seconds).map(Some).map_err(wrong)
}
