//! What was asked for and how it ended, one row for each receipt: searched, added up and
//! reviewed. No row has a customer's name in it; of the people of the house who answered,
//! their ids.
//!
//! ```text
//! receipt ──Entry::of──▶ row and marks, in the receipt's commit ──▶ Register::search
//!                  └───▶ sums of the day ──▶ analytics, review
//! ```

mod entry;
mod marks;
mod waiting;

use std::ops::Range;

use async_trait::async_trait;
use countersign_shared::money::{Currency, Money};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ports::StoreError;
pub(crate) use marks::marks;
pub(crate) use waiting::waits;

/// Seconds of a day.
const DAY: i64 = 24 * 60 * 60;

/// Reads the rows beside the receipts.
#[async_trait]
pub trait Register: Send + Sync {
    /// Actions that match, newest first.
    async fn search(&self, search: Search) -> Result<Vec<Found>, StoreError>;

    /// Sums of days, counted from 1970, in their order; of one tenant or of all.
    async fn days(&self, tenant: Option<String>, days: Range<i64>) -> Result<Vec<Day>, StoreError>;

    /// How long actions that were sealed within this time had waited for people of the
    /// house.
    async fn waits(
        &self,
        tenant: Option<String>,
        within: Range<Timestamp>,
    ) -> Result<Vec<Wait>, StoreError>;
}

/// An action that waited for people of the house.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// The day on which it was sealed, counted from 1970-01-01, UTC.
    pub day: i64,
    /// How long, in milliseconds.
    pub milliseconds: i64,
}

/// A receipt as a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub receipt: String,
    /// When it was sealed.
    pub at: Timestamp,
    /// The tenant.
    pub tenant: String,
    /// The tool; empty where none was chosen, or no contract names it.
    pub tool: String,
    /// The outcome; `changed` where people changed the executor itself.
    pub outcome: String,
    /// The code; empty for a plain `applied`.
    pub code: String,
    /// Why a person had to look; empty where none had to.
    pub reason: String,
    /// Money that moves.
    pub money: Option<Money>,
    /// The frontend through which it was said; empty where that is not known.
    pub channel: String,
    /// How far it went by itself: `shadow`, `approve`, `auto`; empty where nobody asked.
    pub mode: String,
    /// `executor` or `human`.
    pub performed_by: String,
    /// Whether it is a person's word that settled an earlier receipt, or ended a matter.
    pub settles: bool,
    /// Answers of people of the house.
    pub votes: Vec<Vote>,
    /// From proposal to seal, in milliseconds.
    pub took: Option<i64>,
    /// From proposal to the last answer of people of the house, in milliseconds.
    pub waited: Option<i64>,
    /// Of the model, read and written.
    pub tokens: i64,
}

/// One answer of somebody of the house.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Who.
    pub by: String,
    /// Whether it was a yes.
    pub yes: bool,
    /// When it was signed.
    pub at: Timestamp,
}

/// A row that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The receipt's index in the log.
    pub index: u64,
    /// The row.
    pub entry: Entry,
}

/// By what a row is found beside its columns. Stored as keyed digests only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// A customer: an e-mail address, or a name that issuer or backend has for them.
    Customer,
    /// A value among the arguments, or an id in the state: an order's.
    Value,
    /// The conversation.
    Conversation,
    /// The caller's ticket.
    Ticket,
    /// Who of the house answered.
    Approver,
}

/// What is looked for. Everything that is set has to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// Only this tenant's.
    pub tenant: Option<String>,
    /// Only with all of these.
    pub marks: Vec<(Mark, String)>,
    /// Only of this tool, or of a whole pack: `shopify.*`.
    pub tool: Option<String>,
    /// Only with this outcome.
    pub outcome: Option<String>,
    /// Only with this code.
    pub code: Option<String>,
    /// Only those that a person had to look at, for this reason.
    pub reason: Option<String>,
    /// Only with an amount within these.
    pub amount: Option<Amounts>,
    /// Only with an amount at all.
    pub paid: bool,
    /// Only those in which people of the house had this part.
    pub part: Option<Part>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
    /// Only after this one, in the order of the answer.
    pub after: Option<Place>,
    /// At most this many.
    pub limit: u32,
}

/// What part people of the house had in an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// None: nobody answered, nobody had to look.
    None,
    /// Any: somebody answered, or had to look.
    Needed,
    /// Somebody answered.
    Answered,
    /// A person's word settled an action.
    Settled,
    /// Somebody said no, or a person's word settled it.
    Overrode,
    /// Any but to end it afterwards: how it ended at first, which is what numbers count.
    First,
}

/// A range of amounts of one currency, both ends included, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amounts {
    /// The currency.
    pub currency: Currency,
    /// The least.
    pub least: i64,
    /// The most.
    pub most: i64,
}

/// A row's place in the order: newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// When it was sealed, milliseconds since 1970.
    pub at: i64,
    /// Its index in the log.
    pub index: u64,
}

/// Sums of one day, of actions that are alike.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Day {
    /// The tenant.
    pub tenant: String,
    /// Which day, counted from 1970-01-01, UTC.
    pub day: i64,
    /// The tool.
    pub tool: String,
    /// The outcome.
    pub outcome: String,
    /// The code.
    pub code: String,
    /// Why a person had to look.
    pub reason: String,
    /// The currency; empty where no money moves.
    pub currency: String,
    /// Whether they are people's words that settled earlier receipts, or ended matters.
    pub settles: bool,
    /// How many.
    pub actions: i64,
    /// What they are worth, in minor units.
    pub minor: i64,
    /// How many ended without a person of the house.
    pub contained: i64,
    /// How often somebody of the house said yes.
    pub approvals: i64,
    /// How often somebody of the house said no.
    pub rejections: i64,
    /// Of the model, read and written.
    pub tokens: i64,
}

/// The day of a point in time, counted from 1970-01-01, UTC.
#[must_use]
pub fn day_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(DAY)
}

/// When a day begins.
#[must_use]
pub fn begin_of(day: i64) -> Timestamp {
    Timestamp::from_second(day.saturating_mul(DAY)).unwrap_or(Timestamp::MAX)
}

impl Part {
    /// The part of this name, as addresses have it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "nobody" => Some(Self::None),
            "somebody" => Some(Self::Needed),
            "people" => Some(Self::Answered),
            "hand" => Some(Self::Settled),
            "override" => Some(Self::Overrode),
            "first" => Some(Self::First),
            _ => None,
        }
    }
}

impl Amounts {
    /// Whether an amount is one of these.
    #[must_use]
    pub fn hold(&self, money: Money) -> bool {
        money.currency() == self.currency && (self.least..=self.most).contains(&money.minor())
    }
}

impl Search {
    /// Whether a tool is among those that are looked for.
    #[must_use]
    pub fn of_tool(&self, tool: &str) -> bool {
        let Some(wanted) = &self.tool else { return true };
        match wanted.strip_suffix(".*") {
            Some(pack) => tool.strip_prefix(pack).is_some_and(|rest| rest.starts_with('.')),
            None => wanted == tool,
        }
    }
}

impl Mark {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Customer, Self::Value, Self::Conversation, Self::Ticket, Self::Approver];

    /// Its name in queries and digests.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Value => "value",
            Self::Conversation => "conversation",
            Self::Ticket => "ticket",
            Self::Approver => "approver",
        }
    }
}

#[cfg(any(test, feature = "memory"))]
impl Day {
    /// Adds the sums of actions that are alike.
    pub(crate) fn add(&mut self, other: &Self) {
        let sum = |sum: &mut i64, more: i64| *sum = sum.saturating_add(more);
        sum(&mut self.actions, other.actions);
        sum(&mut self.minor, other.minor);
        sum(&mut self.contained, other.contained);
        sum(&mut self.approvals, other.approvals);
        sum(&mut self.rejections, other.rejections);
        sum(&mut self.tokens, other.tokens);
    }
}

impl Found {
    /// Where the next page goes on.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { at: self.entry.at.as_millisecond(), index: self.index }
    }
}

impl Place {
    /// As a page's address carries it.
    #[must_use]
    pub fn token(self) -> String {
        format!("{}-{}", self.at, self.index)
    }

    /// Reads what `token` wrote.
    #[must_use]
    pub fn read(token: &str) -> Option<Self> {
        let (at, index) = token.split_once('-')?;
        Some(Self { at: at.parse().ok()?, index: index.parse().ok()? })
    }
}

impl Entry {
    /// Whether a person's word settled an action. One that ends a matter about which nothing can
    /// be read is sealed as refused, and settles none.
    #[must_use]
    pub fn settles_an_action(&self) -> bool {
        self.settles && self.outcome != "refused"
    }

    /// Whether it is an action, and not a change of the executor itself.
    #[must_use]
    pub fn is_action(&self) -> bool {
        self.outcome != "changed"
    }

    /// Whether it ended without a person of the house.
    #[must_use]
    pub fn is_contained(&self) -> bool {
        self.reason.is_empty() && self.votes.is_empty() && !self.settles
    }

    /// What it adds to the sums of its day.
    #[must_use]
    pub fn day(&self) -> Day {
        let answers = |yes: bool| {
            let count = self.votes.iter().filter(|vote| vote.yes == yes).count();
            i64::try_from(count).unwrap_or(i64::MAX)
        };
        Day {
            tenant: self.tenant.clone(),
            day: day_of(self.at),
            tool: self.tool.clone(),
            outcome: self.outcome.clone(),
            code: self.code.clone(),
            reason: self.reason.clone(),
            currency: self.currency().to_owned(),
            settles: self.settles,
            actions: 1,
            minor: self.money.map_or(0, summed),
            contained: i64::from(self.is_contained()),
            approvals: answers(true),
            rejections: answers(false),
            tokens: self.tokens,
        }
    }

    /// Its currency; empty where no money moves.
    #[must_use]
    pub fn currency(&self) -> &'static str {
        self.money.map_or("", |money| money.currency().code())
    }
}

/// An amount in minor units, bounded so that no sum can keep a receipt from being sealed.
fn summed(money: Money) -> i64 {
    const MOST: i64 = 1_000_000_000_000_000;
    money.minor().clamp(-MOST, MOST)
}
