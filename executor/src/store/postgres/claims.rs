//! Takes keys, locks and budget in one transaction, which is the claim (AT MOST ONE
//! EFFECT). A row each: whoever comes second waits for the first one's commit and then
//! sees it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::claim::{self, Known, Latest, Taken};
use countersign_core::gates::Gate;
use countersign_core::grant::Granted;
use countersign_core::limit::{Budget, Spent};
use countersign_core::proposal::Proposal;
use countersign_shared::ids::ActionId;
use deadpool_postgres::{GenericClient, Transaction};
use futures_util::FutureExt as _;
use jiff::Timestamp;
use tokio::time::timeout;
use tokio_postgres::Row;

use super::Postgres;
use super::database::{all, first, prepare, run};
use super::fault::Fault;
use super::instance::fence;
use super::remembered::Remembered;
use crate::ports::{Occasions, StoreError};
use crate::store::booking::{self, Booking};
use crate::store::known::{self, damaged};

/// Longest wait for other claims' turns.
const WAIT: Duration = Duration::from_secs(5);

const ACCOUNTS: &str = "
    INSERT INTO accounts (account) SELECT account FROM unnest($1::text[]) AS account
    ORDER BY account ON CONFLICT DO NOTHING";
const ACCOUNTS_LOCKED: &str = "
    SELECT account FROM accounts WHERE account = ANY($1::text[]) ORDER BY account FOR UPDATE";
const KEY: &str =
    "INSERT INTO claims (action_id, intent, holder) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const LOCKS: &str = "
    INSERT INTO locks (object, action_id) SELECT object, $2 FROM unnest($1::text[]) AS object
    ORDER BY object ON CONFLICT DO NOTHING";
const LATEST: &str = "
    SELECT action_id, occasion, outcome, receipt_id,
           (SELECT action_id FROM claims WHERE intent = $1)
    FROM (SELECT 1) AS one LEFT JOIN
         (SELECT action_id, occasion, outcome, receipt_id FROM actions
          WHERE intent = $1 AND occasion IS NOT NULL ORDER BY occasion DESC LIMIT 1) AS newest
    ON TRUE";
const HELD: &str =
    "SELECT action_id FROM locks WHERE object = ANY($1::text[]) AND action_id <> $2 LIMIT 1";
const REFUSED: &str = "
    SELECT occasion FROM actions
    WHERE intent = $1 AND occasion IS NOT NULL AND outcome = 'refused' ORDER BY occasion";
const SUMS: &str = "
    SELECT asked.n, tool, currency, count(*), sum(minor)::bigint
    FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS asked (account, since, n)
    JOIN spending ON spending.account = asked.account AND spending.at > asked.since
    GROUP BY asked.n, tool, currency";
const BOOK: &str = "
    INSERT INTO spending (account, at, action_id, tool, currency, minor)
    SELECT account, $2::bigint, $3, $4, $5, $6::bigint FROM unnest($1::text[]) AS account";

impl Postgres {
    /// In its turn, which the transaction keeps also where the caller goes away.
    pub(super) async fn claimed(
        &self,
        granted: &Granted,
        budget: &Budget,
        now: Timestamp,
    ) -> Result<Taken, Fault> {
        let turn = timeout(WAIT, Arc::clone(&self.claiming).acquire_owned()).await;
        let full = |_| StoreError::Unavailable("other claims wait for 5 s already".to_owned());
        let turn = turn.map_err(full)?;
        let (me, remembered) = (self.instance.generation, self.remembered.clone());
        let asked = Arc::new((granted.clone(), budget.clone(), remembered, turn));
        let claimed = self.db.write(move |db| {
            let asked = Arc::clone(&asked);
            async move {
                let (granted, budget, remembered, _) = &*asked;
                claim(db, me, remembered, (granted, budget), now).await
            }
            .boxed()
        });
        self.remembered.heard(claimed.await)
    }
}

/// Takes what the action needs, looks at what is known, and decides; a refusal undoes it
/// all.
async fn claim(
    db: &Transaction<'_>,
    me: i64,
    remembered: &Remembered,
    (granted, budget): (&Granted, &Budget),
    now: Timestamp,
) -> Result<Taken, Fault> {
    let proposal = granted.proposal();
    let (action, intent, objects) =
        (proposal.action().as_str(), proposal.intent(), proposal.locks());
    let (accounts, asked) = (budget.accounts(), Asked::of(budget, now));
    let [insert, lock, key, locks, latest, held, sums] =
        prepare(db, [ACCOUNTS, ACCOUNTS_LOCKED, KEY, LOCKS, LATEST, HELD, SUMS]).await?;
    let sent = async {
        // In this order, without waiting for the answers in between.
        let found = tokio::try_join!(
            biased;
            async { db.execute(&insert, &[&accounts]).await },
            async { db.execute(&lock, &[&accounts]).await },
            async { db.execute(&key, &[&action, &intent, &me]).await },
            async { db.execute(&locks, &[&objects, &action]).await },
            async { db.query(&latest, &[&intent]).await },
            async { db.query(&held, &[&objects, &action]).await },
            async { db.query(&sums, &[&asked.accounts, &asked.since]).await },
        );
        Ok(found?)
    };
    let ((), (), (_, _, keys, objects_taken, latest, held, sums)) =
        tokio::try_join!(biased; fence(db, me), remembered.wall(db), sent)?;
    let known = Known {
        latest: read_latest(latest.first(), keys == 1)?,
        lock_held_by: held.first().map(id).transpose()?,
        spent: asked.read(&sums)?,
    };
    let taken = claim::decide(granted, &known, budget, now)
        .map_err(|refused| Fault::Refused(Box::new(refused)))?;
    let locked = usize::try_from(objects_taken) == Ok(objects.len()) || !Gate::Lock.is_on();
    if keys != 1 || !locked {
        return Err(Fault::Faster);
    }
    book(db, &taken, proposal).await?;
    Ok(taken)
}

async fn book(db: &Transaction<'_>, taken: &Taken, proposal: &Proposal) -> Result<(), Fault> {
    let booking = Booking::of(taken, proposal);
    let (currency, minor) = booking.amount();
    let action = proposal.action().as_str();
    let with: super::database::With<'_> =
        &[&booking.accounts, &booking.at, &action, &booking.tool, &currency, &minor];
    run(db, BOOK, with).await.map(drop)
}

/// Gives back what was taken and not begun. Waits for a commit that begins it.
pub(super) async fn release(db: &Transaction<'_>, me: i64, action: &ActionId) -> Result<(), Fault> {
    fence(db, me).await?;
    let action = action.as_str();
    let mine = "DELETE FROM claims WHERE action_id = $1 AND holder = $2";
    if run(db, mine, &[&action, &me]).await? == 1 {
        run(db, "DELETE FROM locks WHERE action_id = $1", &[&action]).await?;
        run(db, "DELETE FROM spending WHERE action_id = $1", &[&action]).await?;
    }
    Ok(())
}

/// Every reservation of a generation.
pub(super) async fn held(db: &impl GenericClient, me: i64) -> Result<Vec<ActionId>, Fault> {
    let rows = all(db, "SELECT action_id FROM claims WHERE holder = $1", &[&me]).await?;
    rows.iter().map(id).collect()
}

/// The newest action that claimed the intent, in the journal or only reserved.
pub(super) async fn latest(db: &impl GenericClient, intent: &str) -> Result<Option<Latest>, Fault> {
    read_latest(first(db, LATEST, &[&intent]).await?.as_ref(), false)
}

/// What is booked on a budget's accounts.
pub(super) async fn spent(
    db: &impl GenericClient,
    budget: &Budget,
    now: Timestamp,
) -> Result<Spent, Fault> {
    let asked = Asked::of(budget, now);
    asked.read(&all(db, SUMS, &[&asked.accounts, &asked.since]).await?)
}

/// `mine`: the key that is reserved is this action's own.
fn read_latest(row: Option<&Row>, mine: bool) -> Result<Option<Latest>, Fault> {
    let Some(row) = row else { return Ok(None) };
    let stored = match row.try_get::<_, Option<&str>>(0)? {
        None => None,
        Some(action) => {
            Some(known::stored(action, occasion(row, 1)?, row.try_get(2)?, row.try_get(3)?)?)
        }
    };
    let reserved: Option<&str> = row.try_get(4)?;
    let reserved = reserved.filter(|_| !mine).map(|id| id.parse().map_err(damaged)).transpose()?;
    Ok(known::latest(reserved, stored))
}

fn occasion(row: &Row, at: usize) -> Result<u32, Fault> {
    Ok(u32::try_from(row.try_get::<_, i64>(at)?).map_err(damaged)?)
}

fn id(row: &Row) -> Result<ActionId, Fault> {
    Ok(row.try_get::<_, &str>(0)?.parse().map_err(damaged)?)
}

#[async_trait]
impl Occasions for Postgres {
    async fn refused(&self, intent: &str) -> Result<Vec<u32>, StoreError> {
        let rows = all(&self.db.client().await?, REFUSED, &[&intent]).await?;
        Ok(rows.iter().map(|row| occasion(row, 0)).collect::<Result<_, _>>()?)
    }
}

/// Which sums are asked for, as the arrays of one query.
struct Asked {
    accounts: Vec<String>,
    since: Vec<i64>,
    within: Vec<Duration>,
}

impl Asked {
    fn of(budget: &Budget, now: Timestamp) -> Self {
        let (accounts, within): (Vec<_>, Vec<_>) = budget.questions().into_iter().unzip();
        let since = within.iter().map(|within| booking::since(now, *within)).collect();
        Self { accounts, since, within }
    }

    fn read(&self, rows: &[Row]) -> Result<Spent, Fault> {
        let asked: BTreeMap<i64, _> = (1..).zip(self.accounts.iter().zip(&self.within)).collect();
        let mut spent = Spent::default();
        for row in rows {
            let (n, count): (i64, i64) = (row.try_get(0)?, row.try_get(3)?);
            let (account, within) = asked.get(&n).ok_or_else(|| damaged("a sum of no account"))?;
            let count = u32::try_from(count).map_err(damaged)?;
            let sum = booking::sum(count, row.try_get(2)?, row.try_get(4)?)?;
            spent.add(account, **within, row.try_get(1)?, &sum);
        }
        Ok(spent)
    }
}
