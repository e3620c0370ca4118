//! How much may happen in a time, counted by business identity: what is under way
//! and what is in doubt count as done.
//!
//! ```text
//! Budget::of ──questions──▶ store ──Spent──▶ Budget::check, Budget::approvals
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use countersign_shared::money::{Currency, Money};
use serde_json::json;

use crate::contract::{Contract, Threshold, WriteBody};
use crate::digest;
use crate::error::Refused;
use crate::gate::Finding;
use crate::gates::Gate;
use crate::grant::{Need, Vote};
use crate::policy::{Limit, Per, Policy, Tally};
use crate::proposal::Proposal;
use crate::subject::Kind;

/// Every account that an action is booked on.
const EACH: [Per; 5] = [Per::Customer, Per::Object, Per::Tenant, Per::Approver, Per::Instrument];

/// What an action is booked on, and what it has to stay within.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Budget {
    money: Option<Money>,
    accounts: BTreeSet<String>,
    lines: Vec<Line>,
    thresholds: Vec<(Threshold, Vec<String>)>,
}

/// One limit of the policy on one account.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    limit: Limit,
    account: String,
}

/// Booked sums by account and window, this action left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spent(BTreeMap<(String, Duration), BTreeMap<String, Sum>>);

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
        let accounts = |per: Per| accounts(proposal, votes, per);
        let lines = policy.limits(&contract.tool).flat_map(|limit| {
            let line = |account| Line { limit: limit.clone(), account };
            accounts(limit.per).into_iter().map(line)
        });
        // Cumulative per customer and per object, whichever is more.
        let both: Vec<_> = [Per::Customer, Per::Object].into_iter().flat_map(accounts).collect();
        let thresholds = write.approve.iter().map(|t| (t.clone(), both.clone()));
        Self {
            money: proposal.money(),
            lines: lines.collect(),
            thresholds: thresholds.collect(),
            accounts: EACH.iter().flat_map(|per| accounts(*per)).collect(),
        }
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
        let mut findings = Vec::new();
        let lines = self.lines.iter().filter(|_| Gate::Limits.is_on());
        for line in lines {
            let (account, within) = (&line.account, line.limit.within);
            let sum = spent.on(account, within, |tool| line.limit.matches(tool));
            let tally = sum.tally(self.money);
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
        let passed = |(threshold, accounts): &&(Threshold, Vec<String>)| {
            let booked = |account| spent.on(account, threshold.within, |_| true);
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
    let who = &proposal.asked().subject;
    let named = |names: serde_json::Value| {
        digest::of("countersign account v1", &json!([per.name(), who.tenant, names]))
    };
    match per {
        Per::Customer => customer(proposal).into_iter().map(named).collect(),
        Per::Tenant => vec![named(json!([]))],
        Per::Object => proposal.locks().iter().map(|object| named(json!([object]))).collect(),
        Per::Instrument => proposal.instrument().iter().map(|i| named(json!([i]))).collect(),
        Per::Approver => {
            let approvers = votes.iter().filter_map(|vote| match vote {
                Vote::Approved(yes) => Some(named(json!([yes.issuer, yes.id]))),
                Vote::Confirmed(_) | Vote::Rejected(_) => None,
            });
            approvers.collect()
        }
    }
}

/// A customer is whoever signs in, and whoever the object belongs to at the backend: the
/// same person under two names, or through a member of staff, has one budget.
fn customer(proposal: &Proposal) -> Vec<serde_json::Value> {
    let (who, owner) = (&proposal.asked().subject, proposal.owner());
    let signs_in = who.kind == Kind::Customer || owner.is_none();
    let signs_in = signs_in.then(|| json!([who.issuer, who.id]));
    signs_in.into_iter().chain(owner.map(|owner| json!([owner]))).collect()
}

impl Threshold {
    fn passed(&self, sum: &Sum, money: Option<Money>) -> bool {
        money.is_some_and(|money| {
            let over = self.over.get(&money.currency());
            over.is_none_or(|over| sum.with(money) > over.minor())
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

    fn tally(&self, money: Option<Money>) -> Tally {
        let booked = |m: Money| {
            let minor = self.money.get(&m.currency()).copied().unwrap_or(0);
            Money::from_minor(minor, m.currency())
        };
        Tally { money: money.map(booked), count: self.count }
    }

    /// With one more amount of this currency, in minor units.
    fn with(&self, money: Money) -> i64 {
        let booked = self.money.get(&money.currency()).copied().unwrap_or(0);
        booked.saturating_add(money.minor())
    }
}

impl Spent {
    /// Adds what is booked of one tool on an account within a window.
    pub fn add(&mut self, account: &str, within: Duration, tool: &str, more: &Sum) {
        let tools = self.0.entry((account.to_owned(), within)).or_default();
        tools.entry(tool.to_owned()).or_default().add(more);
    }

    fn on(&self, account: &str, within: Duration, which: impl Fn(&str) -> bool) -> Sum {
        let mut sum = Sum::default();
        if let Some(tools) = self.0.get(&(account.to_owned(), within)) {
            tools.iter().filter(|(tool, _)| which(tool)).for_each(|(_, more)| sum.add(more));
        }
        sum
    }
}
