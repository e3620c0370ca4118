//! How much may happen in a time, counted by business identity: what is under way
//! and what is in doubt count as done.
//!
//! ```text
//! Budget::of ──questions──▶ store ──Spent──▶ Budget::check, Budget::approvals
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use countersign_shared::money::{Currency, Money};
use serde::{Deserialize, Serialize};

use crate::contract::{Contract, Threshold, WriteBody};
use crate::digest;
use crate::error::Refused;
use crate::gate::Finding;
use crate::gates::Gate;
use crate::grant::{Need, Vote};
use crate::policy::{Limit, Per, Policy, Tally};
use crate::premise::Books;
use crate::proposal::Proposal;
use crate::subject::Kind;

/// Every account that an action is booked on.
const EACH: [Per; 5] = [Per::Customer, Per::Object, Per::Tenant, Per::Approver, Per::Instrument];

/// What an action is booked on, and what it has to stay within.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Budget {
    books: Books,
    money: Option<Money>,
    accounts: BTreeSet<String>,
    lines: Vec<Line>,
    thresholds: Vec<(Arc<Threshold>, Vec<String>)>,
}

/// One limit of the policy on one account.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    limit: Arc<Limit>,
    account: String,
}

/// Booked sums by account and window, this action left out.
/// Cheap to clone: what is decided on it keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Entry>", into = "Vec<Entry>")]
pub struct Spent(Arc<BTreeMap<Duration, BTreeMap<String, Booked>>>);

/// One sum, as it is written down.
#[derive(Serialize, Deserialize)]
struct Entry {
    account: String,
    within: Duration,
    tool: String,
    count: u32,
    money: Vec<Money>,
}

/// What is booked on one account, by tool.
type Booked = BTreeMap<String, Sum>;

/// What is booked on one account within one window.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sum {
    /// Actions.
    pub count: u32,
    /// Money in minor units.
    pub money: BTreeMap<Currency, i64>,
}

impl Budget {
    /// For one action, with the limits of the active policy.
    #[must_use]
    pub fn of(
        proposal: &Proposal,
        votes: &[Vote],
        contract: &Contract,
        write: &WriteBody,
        policy: &Policy,
    ) -> Self {
        let each = EACH.map(|per| (per, accounts(proposal, votes, per)));
        let of = |which: Per| {
            let own = each.iter().filter(move |(per, _)| *per == which);
            own.flat_map(|(_, accounts)| accounts.iter().cloned())
        };
        let lines = policy.limits(&contract.tool).flat_map(|limit| {
            of(limit.per).map(|account| Line { limit: Arc::clone(limit), account })
        });
        // Cumulative per customer and per object, whichever is more.
        let both = || of(Per::Customer).chain(of(Per::Object)).collect();
        let thresholds = write.approve.iter().map(|t| (Arc::clone(t), both()));
        Self {
            books: Books::of(policy, contract),
            money: proposal.money(),
            lines: lines.collect(),
            thresholds: thresholds.collect(),
            accounts: EACH.into_iter().flat_map(of).collect(),
        }
    }

    /// What the limits are taken from.
    #[must_use]
    pub fn books(&self) -> &Books {
        &self.books
    }

    /// Where it is booked, as digests: the store holds no names.
    #[must_use]
    pub fn accounts(&self) -> Vec<String> {
        self.accounts.iter().cloned().collect()
    }

    /// Which sums have to be known.
    #[must_use]
    pub fn questions(&self) -> BTreeSet<(String, Duration)> {
        let lines = self.lines.iter().map(|l| (l.account.clone(), l.limit.within));
        let each = self.thresholds.iter().flat_map(|(threshold, accounts)| {
            accounts.iter().map(|account| (account.clone(), threshold.within))
        });
        lines.chain(each).collect()
    }

    /// Whether the action fits into every limit beside what is booked.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED`, `VELOCITY_EXCEEDED`.
    pub fn check(&self, spent: &Spent) -> Result<Vec<Finding>, Refused> {
        let mut findings = Vec::with_capacity(self.lines.len());
        let lines = self.lines.iter().filter(|_| Gate::Limits.is_on());
        for line in lines {
            let (account, within) = (&line.account, line.limit.within);
            let tally = spent.tally(account, within, self.money, |tool| line.limit.matches(tool));
            match line.limit.check(&tally, self.money) {
                Ok(finding) => findings.push(finding),
                Err(refused) => return Err(refused.behind(&findings)),
            }
        }
        Ok(findings)
    }

    /// Approvals that the amount calls for, with what is booked added to it. The last
    /// threshold that is passed counts.
    #[must_use]
    pub fn approvals(&self, spent: &Spent) -> Vec<Need> {
        let passed = |(threshold, accounts): &&(Arc<Threshold>, Vec<String>)| {
            let booked = |account| spent.tally(account, threshold.within, self.money, |_| true);
            accounts.iter().any(|account| threshold.passed(&booked(account), self.money))
        };
        let asked = self.thresholds.iter().filter(|_| Gate::Thresholds.is_on());
        let Some((threshold, _)) = asked.rev().find(passed) else {
            return Vec::new();
        };
        let why = "the amount, with what was done before it, is above the threshold";
        let need = |role: &String| Need::Approval { role: role.clone(), why: why.to_owned() };
        threshold.by.iter().map(need).collect()
    }
}

/// Keyed digests: the same party has the same account, and none can be read back.
fn accounts(proposal: &Proposal, votes: &[Vote], per: Per) -> Vec<String> {
    let tenant = &proposal.asked().subject.tenant;
    let named = |names: &[&str]| digest::of("countersign account v1", &(per.name(), tenant, names));
    match per {
        Per::Customer => {
            let (signs_in, owner) = customer(proposal);
            let signs_in = signs_in.as_ref().map(|names| named(names));
            signs_in.into_iter().chain(owner.as_ref().map(|names| named(names))).collect()
        }
        Per::Tenant => vec![named(&[])],
        Per::Object => proposal.locks().iter().map(|object| named(&[object])).collect(),
        Per::Instrument => proposal.instrument().iter().map(|name| named(&[name])).collect(),
        Per::Approver => {
            let approvers = votes.iter().filter_map(|vote| match vote {
                Vote::Approved(yes) => Some(named(&[&yes.issuer, &yes.id])),
                Vote::Confirmed(_) | Vote::Rejected(_) => None,
            });
            approvers.collect()
        }
    }
}

/// A customer is whoever signs in, and whoever the object belongs to at the backend: the
/// same person under two names, or through a member of staff, has one budget.
fn customer(proposal: &Proposal) -> (Option<[&str; 2]>, Option<[&str; 1]>) {
    let (who, owner) = (&proposal.asked().subject, proposal.owner());
    let signs_in = who.kind == Kind::Customer || owner.is_none();
    (signs_in.then_some([&*who.issuer, &*who.id]), owner.map(|owner| [owner]))
}

impl Threshold {
    fn passed(&self, booked: &Tally, money: Option<Money>) -> bool {
        money.is_some_and(|money| {
            let over = self.over.get(&money.currency());
            let sum = booked.money.map_or(0, Money::minor).saturating_add(money.minor());
            over.is_none_or(|over| sum > over.minor())
        })
    }
}

impl Sum {
    /// One action.
    #[must_use]
    pub fn one(money: Option<Money>) -> Self {
        let money = money.map(|m| (m.currency(), m.minor()));
        Self { count: 1, money: money.into_iter().collect() }
    }

    /// Adds another sum.
    pub fn add(&mut self, more: &Self) {
        self.count = self.count.saturating_add(more.count);
        for (currency, minor) in &more.money {
            let booked = self.money.entry(*currency).or_default();
            *booked = booked.saturating_add(*minor);
        }
    }
}

impl Spent {
    /// Adds what is booked of one tool on an account within a window.
    pub fn add(&mut self, account: &str, within: Duration, tool: &str, more: &Sum) {
        let accounts = Arc::make_mut(&mut self.0).entry(within).or_default();
        let tools = accounts.entry(account.to_owned()).or_default();
        tools.entry(tool.to_owned()).or_default().add(more);
    }

    /// What these tools have on an account, in the currency of `money`.
    fn tally(
        &self,
        account: &str,
        within: Duration,
        money: Option<Money>,
        which: impl Fn(&str) -> bool,
    ) -> Tally {
        let tools = self.0.get(&within).and_then(|accounts| accounts.get(account));
        let sums = || tools.into_iter().flatten().filter(|(tool, _)| which(tool)).map(|(_, s)| s);
        let booked = |m: Money| {
            let minor = sums().filter_map(|sum| sum.money.get(&m.currency()));
            Money::from_minor(minor.fold(0, |all, one| all.saturating_add(*one)), m.currency())
        };
        let count = sums().fold(0, |all: u32, sum| all.saturating_add(sum.count));
        Tally { money: money.map(booked), count }
    }
}

impl From<Vec<Entry>> for Spent {
    fn from(entries: Vec<Entry>) -> Self {
        let mut spent = Self::default();
        for Entry { account, within, tool, count, money } in entries {
            let money = money.into_iter().map(|sum| (sum.currency(), sum.minor())).collect();
            spent.add(&account, within, &tool, &Sum { count, money });
        }
        spent
    }
}

impl From<Spent> for Vec<Entry> {
    fn from(spent: Spent) -> Self {
        let mut entries = Self::new();
        for (within, accounts) in &*spent.0 {
            for (account, tools) in accounts {
                let money = |sum: &Sum| -> Vec<Money> {
                    let each = sum.money.iter();
                    each.map(|(currency, minor)| Money::from_minor(*minor, *currency)).collect()
                };
                entries.extend(tools.iter().map(|(tool, sum)| Entry {
                    account: account.clone(),
                    within: *within,
                    tool: tool.clone(),
                    count: sum.count,
                    money: money(sum),
                }));
            }
        }
        entries
    }
}
