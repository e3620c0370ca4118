//! What limits add up: each claimed action on each of its accounts, until it is
//! proved that nothing came of it.

use std::time::Duration;

use countersign_core::claim::Taken;
use countersign_core::lifecycle::{Outcome, State};
use countersign_core::limit::Sum;
use countersign_core::proposal::Proposal;
use countersign_shared::money::Money;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::claims::damaged;
use crate::ports::StoreError;

/// One action on all its accounts.
pub(super) struct Booking {
    accounts: Vec<String>,
    /// Milliseconds since 1970.
    at: i64,
    pub(super) tool: String,
    pub(super) money: Option<Money>,
}

impl Booking {
    pub(super) fn of(taken: &Taken, proposal: &Proposal) -> Self {
        Self {
            accounts: taken.booked().to_vec(),
            at: taken.at().as_millisecond(),
            tool: proposal.tool().to_owned(),
            money: proposal.money(),
        }
    }

    /// Of an action that is under way, in doubt or applied.
    pub(super) fn standing(state: &State) -> Option<Self> {
        let claimed = match state {
            State::Claimed(c) => c,
            State::Cleared(c) => c.claimed(),
            State::Sent(d) | State::Answered(d) | State::Looking(d, _) => d.cleared().claimed(),
            State::Settled(s) | State::Sealed(s, _) => match s.settlement.outcome {
                Outcome::Applied | Outcome::Unknown => s.dispatch.cleared().claimed(),
                Outcome::NotApplied | Outcome::Refused => return None,
            },
            State::Proposed(_)
            | State::Granted(_)
            | State::Refused(_)
            | State::SealedRefusal(..) => return None,
        };
        Some(Self::of(claimed.taken(), claimed.granted().proposal()))
    }

    pub(super) fn counts(&self, account: &str, since: i64) -> bool {
        self.at > since && self.accounts.iter().any(|own| own == account)
    }
}

/// Where a window begins, in milliseconds since 1970.
pub(super) fn since(now: Timestamp, within: Duration) -> i64 {
    let within = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
    now.as_millisecond().saturating_sub(within)
}

/// Brings an action's rows in line with where it stands.
pub(super) fn book(
    db: &Connection,
    action: &str,
    booking: Option<&Booking>,
) -> Result<(), StoreError> {
    let Some(booking) = booking else {
        db.prepare_cached("DELETE FROM spending WHERE action_id = ?1")?.execute(params![action])?;
        return Ok(());
    };
    let mut insert = db.prepare_cached(
        "INSERT INTO spending (account, at, action_id, tool, currency, minor)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
    )?;
    let currency = booking.money.map_or("", |m| m.currency().code());
    let minor = booking.money.map_or(0, Money::minor);
    for account in &booking.accounts {
        insert.execute(params![account, booking.at, action, booking.tool, currency, minor])?;
    }
    Ok(())
}

/// What the file has on an account since then, tool by tool, some actions left out.
pub(super) fn sums(
    db: &Connection,
    account: &str,
    since: i64,
    without: &[&str],
) -> Result<Vec<(String, Sum)>, StoreError> {
    let without = serde_json::to_string(without).map_err(damaged)?;
    let mut select = db.prepare_cached(
        "SELECT tool, currency, count(*), sum(minor) FROM spending
         WHERE account = ?1 AND at > ?2 AND action_id NOT IN (SELECT value FROM json_each(?3))
         GROUP BY tool, currency",
    )?;
    let rows = select.query_map(params![account, since, without], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get::<_, i64>(3)?))
    })?;
    let mut sums = Vec::new();
    for row in rows {
        let (tool, currency, count, minor) = row?;
        let mut sum = Sum { count, ..Sum::default() };
        if !currency.is_empty() {
            sum.money.insert(currency.parse().map_err(damaged)?, minor);
        }
        sums.push((tool, sum));
    }
    Ok(sums)
}
