//! The list of what waits for a yes or no, and what of it somebody wants to see.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use countersign_core::grant::{Parked, Vote};
use countersign_shared::money::Money;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::Console;
use super::frame::{Frame, Place};
use super::requests::{notice, page};
use super::view::{Headline, left};
use super::visitor::{Duty, Visitor};
use crate::pipeline::Life;

/// Most requests on the page.
const MOST: usize = 100;

/// What somebody wants to see, as the form asks.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Filter {
    /// Only this tool; empty means any.
    tool: String,
    /// Only amounts of at least this, whatever the currency.
    over: String,
    /// Only what has waited for this many hours.
    hours: String,
    /// `all`: also what waits for others.
    who: String,
}

#[derive(Template)]
#[template(path = "list.html")]
struct List {
    frame: Frame,
    items: Vec<Item>,
    /// How many are shown, where there are more.
    cut: Option<usize>,
    filter: Filter,
    tools: Vec<String>,
    /// Whether something is asked that leaves others out.
    narrowed: bool,
    /// Whether anything on it is the visitor's to answer.
    answers: bool,
}

struct Item {
    id: String,
    card: String,
    facts: String,
    card_digest: String,
    /// Whether it is the visitor's to answer now.
    own: bool,
}

impl Filter {
    fn narrows(&self) -> bool {
        !(self.tool.is_empty() && self.over.is_empty() && self.hours.is_empty())
    }

    fn lets(&self, parked: &Parked, now: Timestamp) -> bool {
        let proposal = parked.proposal();
        let tool = self.tool.is_empty() || self.tool == proposal.tool();
        let amount = self.over.trim();
        let amount = amount.is_empty() || proposal.money().is_some_and(|m| reaches(m, amount));
        let hours = self.hours.parse::<u16>().ok();
        let hours = hours.map(|hours| SignedDuration::from_hours(hours.into()));
        let waited = now.duration_since(proposal.at());
        tool && amount && hours.is_none_or(|hours| waited >= hours)
    }
}

/// Whether money is at least this amount of its own currency. What is no amount lets
/// everything through: nothing that waits is hidden by a slip.
fn reaches(money: Money, amount: &str) -> bool {
    let least = Money::parse(amount, money.currency());
    least.map_or(true, |least| money.minor() >= least.minor())
}

/// `GET /approvals`.
pub(super) async fn list(
    State(console): State<Console>,
    visitor: Visitor,
    Query(filter): Query<Filter>,
) -> Response {
    let frame = match console.enter(&visitor, Place::Approvals) {
        Ok(frame) => frame,
        Err(no) => return no,
    };
    let journals = match console.desk.pipeline.store.waiting().await {
        Ok(journals) => journals,
        Err(error) => return notice(frame, Headline::unreadable(&error.to_string())),
    };
    let now = console.desk.pipeline.clock.now();
    let lives: Vec<_> =
        journals.into_iter().filter_map(|journal| Life::resume(journal).ok()).collect();
    let all = filter.who == "all" || !visitor.is(&[Duty::Approver]);
    let waiting = lives.iter().filter_map(|life| life.state().parked());
    let seen: Vec<_> = waiting
        .map(|parked| (parked, console.role(parked, &visitor.person).is_ok()))
        .filter(|(parked, own)| *own || all && concerns(&console, parked, &visitor, now))
        .collect();
    let mut tools: Vec<_> = seen.iter().map(|(p, _)| p.proposal().tool().to_owned()).collect();
    tools.sort();
    tools.dedup();
    let shown = seen.into_iter().filter(|(parked, _)| filter.lets(parked, now));
    let (shown, cut) = bounded(shown.collect());
    let items: Vec<_> = shown.into_iter().map(|(parked, own)| item(parked, own, now)).collect();
    let (narrowed, answers) = (filter.narrows(), items.iter().any(|item| item.own));
    page(&List { frame, items, cut, filter, tools, narrowed, answers })
}

/// The first of them, and how many these are where there are more.
fn bounded<T>(mut all: Vec<T>) -> (Vec<T>, Option<usize>) {
    let cut = (all.len() > MOST).then_some(MOST);
    all.truncate(MOST);
    (all, cut)
}

/// Whether somebody may see a request that is not theirs to answer now: they have
/// answered it, one of their roles is asked, or they read everything.
fn concerns(console: &Console, parked: &Parked, visitor: &Visitor, now: Timestamp) -> bool {
    let tenant = &parked.proposal().asked().subject.tenant;
    let signers = console.desk.signers();
    let roles = signers.policy.people().roles_for(&visitor.person, tenant, now);
    let mut asked = parked.missing().filter_map(|need| need.role());
    visitor.may(&[Duty::Auditor], tenant)
        || asked.any(|role| roles.contains(role))
        || parked.votes().iter().any(|vote: &Vote| vote.is_of(&visitor.person.id))
}

fn item(parked: &Parked, own: bool, now: Timestamp) -> Item {
    let proposal = parked.proposal();
    let amount = proposal.money().map(|money| money.to_string());
    let tenant = proposal.asked().subject.tenant.clone();
    let left = format!("{} left", left(proposal.expires_at(), now));
    let facts: Vec<_> = amount.into_iter().chain([tenant, left]).collect();
    Item {
        id: proposal.id().to_string(),
        card: proposal.card().to_owned(),
        facts: facts.join(" · "),
        card_digest: proposal.card_digest(),
        own,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_page_is_bounded_and_says_so() {
        let of = |count: usize| {
            let (shown, cut) = bounded(vec![0; count]);
            (shown.len(), cut)
        };
        assert_eq!((of(100), of(101)), ((100, None), (100, Some(100))));
    }

    #[test]
    fn an_amount_is_of_the_money_s_own_currency() {
        let money = |text: &str, code: &str| Money::parse(text, code.parse().unwrap()).unwrap();
        assert!(reaches(money("130.00", "USD"), "130"));
        assert!(!reaches(money("129.99", "USD"), "130.00"));
        assert!(reaches(money("1300", "JPY"), "1300"));
        assert!(reaches(money("1.00", "USD"), "a lot"), "a slip hides nothing");
    }
}
