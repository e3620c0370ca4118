//! Actions by what somebody knows of them.

use countersign_core::lifecycle::{State, fold};
use countersign_proto::v1;
use countersign_shared::codes::Code;
use countersign_shared::money::{Currency, Money};
use countersign_shared::refusal::Refusal;
use jiff::Timestamp;
use tonic::Status;

use super::audit::failed;
use crate::desk::Desk;
use crate::register::{Amounts, Found, Mark, Part, Place, Search, waits};

/// Actions of a page where the caller names no size, and the most of them.
pub(super) const PAGE: u32 = 50;
pub(super) const LARGEST_PAGE: u32 = 500;

/// Finds a page.
pub(super) async fn search(
    desk: &Desk,
    asked: v1::SearchActionsRequest,
) -> Result<v1::SearchActionsResponse, Status> {
    let wait = asked.outcome == "waiting";
    let search = read(asked)?;
    if wait {
        return waiting(desk, &search).await;
    }
    let (found, next) = page(desk, search).await?;
    let actions = found.into_iter().map(shown).collect();
    Ok(v1::SearchActionsResponse { actions, next_page_token: next })
}

/// A page of rows, and where the next one begins; empty where there is none.
pub(super) async fn page(desk: &Desk, search: Search) -> Result<(Vec<Found>, String), Status> {
    let limit = search.limit;
    let found = desk.pipeline.store.search(search).await.map_err(|e| failed(&e))?;
    let full = u32::try_from(found.len()).is_ok_and(|n| n == limit);
    let next = found.last().filter(|_| full).map(|last| last.place().token());
    Ok((found, next.unwrap_or_default()))
}

/// What waits for people of the house, all of it at once.
async fn waiting(desk: &Desk, search: &Search) -> Result<v1::SearchActionsResponse, Status> {
    let journals = desk.pipeline.store.waiting().await.map_err(|e| failed(&e))?;
    let states = journals.into_iter().filter_map(|journal| fold(journal).ok());
    let fits = states.filter(|state| state.parked().is_some_and(|parked| waits(search, parked)));
    let mut actions: Vec<_> = fits.map(|state| parked(&state)).collect();
    actions.sort_by_key(|action| std::cmp::Reverse(action.at));
    Ok(v1::SearchActionsResponse { actions, next_page_token: String::new() })
}

fn parked(state: &State) -> v1::ActionEntry {
    let proposal = state.proposal();
    let money = proposal.money();
    v1::ActionEntry {
        at: proposal.at().as_millisecond(),
        tenant: proposal.asked().subject.tenant.clone(),
        tool: proposal.tool().to_owned(),
        outcome: "waiting".to_owned(),
        amount: money.map_or_else(String::new, |money| money.amount().to_string()),
        currency: money.map_or_else(String::new, |money| money.currency().code().to_owned()),
        channel: proposal.asked().channel.clone(),
        proposal_id: proposal.id().to_string(),
        ..v1::ActionEntry::default()
    }
}

/// What is asked for, checked.
pub(super) fn read(asked: v1::SearchActionsRequest) -> Result<Search, Status> {
    let given = |text: String| Some(text).filter(|text| !text.trim().is_empty());
    let marks = [
        (Mark::Customer, &asked.customer),
        (Mark::Value, &asked.value),
        (Mark::Conversation, &asked.conversation_id),
        (Mark::Ticket, &asked.external_ref),
        (Mark::Approver, &asked.approver),
    ];
    let marks = marks.into_iter().filter(|(_, text)| !text.trim().is_empty());
    let after = match asked.page_token.as_str() {
        "" => None,
        token => Some(Place::read(token).ok_or_else(|| wrong("page_token is not one of ours"))?),
    };
    let size = asked.page_size;
    Ok(Search {
        limit: if size == 0 { PAGE } else { size.min(LARGEST_PAGE) },
        marks: marks.map(|(mark, text)| (mark, text.clone())).collect(),
        amount: amounts(&asked.currency, &asked.least, &asked.most).map_err(|e| wrong(&e))?,
        from: time(asked.from)?,
        to: time(asked.to)?,
        tenant: given(asked.tenant),
        tool: given(asked.tool),
        outcome: given(asked.outcome),
        code: given(asked.code),
        reason: given(asked.reason),
        part: part(&asked.by)?,
        paid: false,
        after,
    })
}

fn part(by: &str) -> Result<Option<Part>, Status> {
    let say = "by is one of nobody, somebody, people, hand, override, first";
    match by.trim() {
        "" => Ok(None),
        by => Part::named(by).map(Some).ok_or_else(|| wrong(say)),
    }
}

/// A range of amounts as it is written.
///
/// # Errors
/// What is wrong with it, and what to write.
pub(crate) fn amounts(currency: &str, least: &str, most: &str) -> Result<Option<Amounts>, String> {
    if currency.is_empty() {
        let none = least.is_empty() && most.is_empty();
        let say = "an amount needs its currency, such as USD";
        return if none { Ok(None) } else { Err(say.to_owned()) };
    }
    let code = currency.trim().to_uppercase();
    let currency: Currency = code.parse().map_err(|_| format!("`{code}` is no currency"))?;
    let minor = |text: &str, without: i64| match text.trim() {
        "" => Ok(without),
        text => {
            Money::parse(text, currency).map(Money::minor).map_err(|e| format!("`{text}`: {e}"))
        }
    };
    Ok(Some(Amounts { currency, least: minor(least, i64::MIN)?, most: minor(most, i64::MAX)? }))
}

fn wrong(message: &str) -> Status {
    Refusal::new(Code::ArgumentInvalid, message).into_status()
}

/// Seconds since 1970; 0 for none.
pub(super) fn time(seconds: i64) -> Result<Option<Timestamp>, Status> {
    if seconds == 0 {
        return Ok(None);
    }
    Timestamp::from_second(seconds).map(Some).map_err(|_| wrong("no such time"))
}

fn shown(found: Found) -> v1::ActionEntry {
    let e = found.entry;
    let vote = |vote: crate::register::Vote| v1::ActionVote {
        by: vote.by,
        yes: vote.yes,
        at: vote.at.as_millisecond(),
    };
    v1::ActionEntry {
        amount: e.money.map_or_else(String::new, |money| money.amount().to_string()),
        currency: e.currency().to_owned(),
        receipt_id: e.receipt,
        at: e.at.as_millisecond(),
        tenant: e.tenant,
        tool: e.tool,
        outcome: e.outcome,
        code: e.code,
        reason: e.reason,
        channel: e.channel,
        mode: e.mode,
        performed_by: e.performed_by,
        votes: e.votes.into_iter().map(vote).collect(),
        took_ms: e.took.unwrap_or(0),
        waited_ms: e.waited.unwrap_or(0),
        tokens: e.tokens,
        proposal_id: String::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_people_did_is_asked_for_by_name() {
        let asked = |by: &str| {
            read(v1::SearchActionsRequest { by: by.into(), ..v1::SearchActionsRequest::default() })
        };
        assert_eq!(asked("").unwrap().part, None);
        assert_eq!(asked("override").unwrap().part, Some(Part::Overrode));
        assert_eq!(asked("first").unwrap().part, Some(Part::First));
        assert!(asked("me").unwrap_err().message().contains("nobody"));
    }
}
