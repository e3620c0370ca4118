//! Turns and receipts by what somebody who complains knows of them.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use countersign_core::person::Person;
use countersign_proto::v1;
use tonic::Status;

use super::audit::{failed, receipt};
use super::chain::turn;
use super::search::{self, LARGEST_PAGE, PAGE, time};
use crate::desk::Desk;
use crate::ports::{ReceiptQuery, StoreError, TurnQuery};
use crate::register::Mark;

/// Finds a page.
pub(super) async fn find(
    desk: &Desk,
    issuers: &BTreeSet<(String, String)>,
    asked: v1::FindRequest,
) -> Result<v1::FindResponse, Status> {
    let turns = if asked.page_token.is_empty() && is_about_turns(&asked) {
        turns(desk, issuers, &asked).await?
    } else {
        Vec::new()
    };
    let (receipts, next_page_token) = receipts(desk, asked).await?;
    Ok(v1::FindResponse { receipts, turns, next_page_token })
}

/// Whose, by digest: an empty one where anybody's will do, none where nobody fits.
async fn persons(
    desk: &Desk,
    issuers: &BTreeSet<(String, String)>,
    asked: &v1::FindRequest,
) -> Result<Vec<String>, Status> {
    if asked.email.is_empty() && asked.subject.is_empty() {
        return Ok(vec![String::new()]);
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
        return Ok(named.into_iter().collect());
    }
    let mut known = store.persons_of(&asked.email).await.map_err(|e| failed(&e))?;
    known.retain(|person| id.is_empty() || named.contains(person));
    Ok(known)
}

/// A planner's word answers neither a tool nor an outcome, a code or a value.
fn is_about_turns(asked: &v1::FindRequest) -> bool {
    [&asked.tool, &asked.outcome, &asked.code, &asked.value].iter().all(|text| text.is_empty())
}

async fn turns(
    desk: &Desk,
    issuers: &BTreeSet<(String, String)>,
    asked: &v1::FindRequest,
) -> Result<Vec<v1::RecordedTurn>, Status> {
    let limit = if asked.page_size == 0 { PAGE } else { asked.page_size.min(LARGEST_PAGE) };
    let mut found = Vec::new();
    for person in persons(desk, issuers, asked).await? {
        let query = TurnQuery {
            person,
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

/// The page's receipts, and where the next one begins: by the register's own search.
async fn receipts(
    desk: &Desk,
    asked: v1::FindRequest,
) -> Result<(Vec<v1::Receipt>, String), Status> {
    let names = [asked.email, asked.subject].into_iter().filter(|name| !name.is_empty());
    let mut search = search::read(v1::SearchActionsRequest {
        tenant: asked.tenant,
        value: asked.value,
        conversation_id: asked.conversation_id,
        external_ref: asked.external_ref,
        tool: asked.tool,
        outcome: asked.outcome,
        code: asked.code,
        from: asked.from,
        to: asked.to,
        page_size: asked.page_size,
        page_token: asked.page_token,
        ..v1::SearchActionsRequest::default()
    })?;
    search.marks.extend(names.map(|name| (Mark::Customer, name)));
    let (rows, next) = search::page(desk, search).await?;
    let mut found = Vec::new();
    for row in rows {
        let id = row.entry.receipt.parse().map_err(|_| failed(&damaged(&row.entry.receipt)))?;
        let query = ReceiptQuery { id: Some(id), limit: 1, ..ReceiptQuery::default() };
        found.extend(desk.pipeline.store.receipts(query).await.map_err(|e| failed(&e))?);
    }
    Ok((found.into_iter().map(|sealed| receipt(sealed, false)).collect(), next))
}

fn damaged(row: &str) -> StoreError {
    StoreError::Damaged(format!("a row of the register names no receipt: {row}"))
}
