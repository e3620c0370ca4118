//! Turns and receipts by what somebody who complains knows of them.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use countersign_core::person::Person;
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
use crate::ports::{ReceiptQuery, TurnQuery};

/// Entries of a page where the caller names no size, and the most of them.
const PAGE: u32 = 50;
const LARGEST_PAGE: u32 = 500;
/// Receipts that are read at once, and for one page.
const BATCH: u32 = 500;
const SEARCHED: usize = 10_000;

/// Finds a page.
pub(super) async fn find(
    desk: &Desk,
    issuers: &BTreeSet<(String, String)>,
    asked: v1::FindRequest,
) -> Result<v1::FindResponse, Status> {
    let limit = if asked.page_size == 0 { PAGE } else { asked.page_size.min(LARGEST_PAGE) };
    let Some(persons) = persons(desk, issuers, &asked).await? else {
        return Ok(v1::FindResponse::default());
    };
    let turns = if asked.page_token.is_empty() && is_about_turns(&asked) {
        turns(desk, &asked, &persons, limit).await?
    } else {
        Vec::new()
    };
    let (receipts, next) = receipts(desk, &asked, &persons, limit).await?;
    Ok(v1::FindResponse {
        receipts,
        turns,
        next_page_token: next.map(|index| index.to_string()).unwrap_or_default(),
    })
}

/// Whose, by digest: an empty one where anybody's will do; `None` where nobody fits.
async fn persons(
    desk: &Desk,
    issuers: &BTreeSet<(String, String)>,
    asked: &v1::FindRequest,
) -> Result<Option<Vec<String>>, Status> {
    if asked.email.is_empty() && asked.subject.is_empty() {
        return Ok(Some(vec![String::new()]));
    }
    let store = &desk.pipeline.store;
    let of = issuers.iter().filter(|(t, _)| asked.tenant.is_empty() || *t == asked.tenant);
    let id = &asked.subject;
    let named = of.map(|(tenant, issuer)| {
        let [tenant, issuer, id] = [tenant, issuer, id].map(Clone::clone);
        store.person(&Person::Named { tenant, issuer, id })
    });
    let named: BTreeSet<_> = named.collect();
    if asked.email.is_empty() {
        return Ok(Some(named.into_iter().collect()));
    }
    let mut known = store.persons_of(&asked.email).await.map_err(|e| failed(&e))?;
    known.retain(|person| id.is_empty() || named.contains(person));
    Ok(Some(known).filter(|known| !known.is_empty()))
}

/// A planner's word answers neither a tool nor an outcome, a code or a value.
fn is_about_turns(asked: &v1::FindRequest) -> bool {
    [&asked.tool, &asked.outcome, &asked.code, &asked.value].iter().all(|text| text.is_empty())
}

async fn turns(
    desk: &Desk,
    asked: &v1::FindRequest,
    persons: &[String],
    limit: u32,
) -> Result<Vec<v1::RecordedTurn>, Status> {
    let mut found = Vec::new();
    for person in persons {
        let query = TurnQuery {
            person: person.clone(),
            tenant: asked.tenant.clone(),
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
    persons: &[String],
    limit: u32,
) -> Result<(Vec<v1::Receipt>, Option<u64>), Status> {
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut before = page(&asked.page_token)?;
    let (mut found, mut searched) = (Vec::new(), 0);
    while searched < SEARCHED {
        let batch = batch(desk, asked, persons, before).await?;
        if batch.is_empty() {
            return Ok((found, None));
        }
        for read in batch {
            before = Some(read.sealed.index);
            searched += 1;
            if fits(asked, &read.receipt) {
                found.push(receipt(read.sealed, false));
            }
            if found.len() == wanted {
                return Ok((found, before));
            }
        }
    }
    Ok((found, before))
}

/// The next receipts of all persons together, newest first.
async fn batch(
    desk: &Desk,
    asked: &v1::FindRequest,
    persons: &[String],
    before: Option<u64>,
) -> Result<Vec<Read>, Status> {
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let mut all = Vec::new();
    for person in persons {
        let query = ReceiptQuery {
            person: given(person),
            tenant: given(&asked.tenant),
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
    // A colleague may have asked for what is about a customer of the same address.
    all.dedup_by_key(|sealed| sealed.index);
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
