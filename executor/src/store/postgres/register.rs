//! Rows beside the receipts.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::{GenericClient, Transaction};
use futures_util::FutureExt as _;
use futures_util::future::try_join_all;
use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::database::{Database, all, first, plain, run};
use super::fault::Fault;
use super::{Postgres, history};
use crate::ports::StoreError;
use crate::register::{Day, Found, Register, Search, Wait};
use crate::store::known::damaged;
use crate::store::register::{
    COUNT, Columns, ERASE, EntryRow, INSERT, MARK, MISSING, Statement, Value, counted, inserted,
};
use crate::store::veiled::{self, LeafRow};
use crate::veil::Veil;

/// How often is looked for leaves without a row: an executor of a release that knew of none
/// may run beside this one.
const PAUSE: Duration = Duration::from_secs(60);
/// What is left in rows of persons whom an executor erased that knew of none.
const FORGET: [&str; 2] = [
    "DELETE FROM marks WHERE idx IN (
         SELECT r.idx FROM person_keys AS k JOIN register AS r ON r.person = k.person
         WHERE k.key IS NULL AND r.person <> ''
           AND NOT EXISTS (SELECT 1 FROM openings AS o WHERE o.receipt_id = r.receipt_id))",
    "UPDATE register SET person = '' WHERE person <> ''
       AND person IN (SELECT k.person FROM person_keys AS k WHERE k.key IS NULL)
       AND NOT EXISTS (SELECT 1 FROM openings AS o WHERE o.receipt_id = register.receipt_id)",
];

#[async_trait]
impl Register for Postgres {
    async fn search(&self, search: Search) -> Result<Vec<Found>, StoreError> {
        let query = {
            let digest = |domain: &str, text: &str| self.veil.digest(domain, text);
            Statement::search(&search, &digest)?
        };
        let rows = select(&self.db.client().await?, &query).await?;
        rows.iter().map(|row| columns(row).map_err(StoreError::from)?.found()).collect()
    }

    async fn days(&self, tenant: Option<String>, days: Range<i64>) -> Result<Vec<Day>, StoreError> {
        let query = Statement::days(tenant.as_ref(), &days);
        let rows = select(&self.db.client().await?, &query).await?;
        Ok(rows.iter().map(day).collect::<Result<_, Fault>>()?)
    }

    async fn waits(
        &self,
        tenant: Option<String>,
        within: Range<Timestamp>,
    ) -> Result<Vec<Wait>, StoreError> {
        let query = Statement::waits(tenant.as_ref(), &within);
        let rows = select(&self.db.client().await?, &query).await?;
        Ok(rows.iter().map(wait).collect::<Result<_, Fault>>()?)
    }
}

fn wait(row: &Row) -> Result<Wait, Fault> {
    Ok(Wait { day: row.try_get(0)?, milliseconds: row.try_get(1)? })
}

type Cell = Box<dyn ToSql + Sync + Send>;

fn cells(values: &[Value]) -> Vec<Cell> {
    let cell = |value: &Value| -> Cell {
        match value {
            Value::Text(text) => Box::new(plain(text).into_owned()),
            Value::Number(number) => Box::new(*number),
            Value::Maybe(number) => Box::new(*number),
        }
    };
    values.iter().map(cell).collect()
}

/// Every row of a query.
pub(super) async fn select(db: &impl GenericClient, query: &Statement) -> Result<Vec<Row>, Fault> {
    let cells = cells(&query.values);
    let with: Vec<&(dyn ToSql + Sync)> = cells.iter().map(|cell| &**cell as _).collect();
    all(db, &query.sql, &with).await
}

async fn change(db: &Transaction<'_>, sql: &str, values: &[Value]) -> Result<u64, Fault> {
    let cells = cells(values);
    let with: Vec<&(dyn ToSql + Sync)> = cells.iter().map(|cell| &**cell as _).collect();
    run(db, sql, &with).await
}

fn columns(row: &Row) -> Result<Columns, Fault> {
    let text = |at: usize| row.try_get::<_, String>(at);
    Ok(Columns {
        index: row.try_get(0)?,
        at: row.try_get(2)?,
        minor: row.try_get(9)?,
        settles: row.try_get(13)?,
        took: row.try_get(15)?,
        waited: row.try_get(16)?,
        tokens: row.try_get(17)?,
        texts: [
            text(1)?,
            text(3)?,
            text(4)?,
            text(5)?,
            text(6)?,
            text(7)?,
            text(8)?,
            text(10)?,
            text(11)?,
            text(12)?,
            text(14)?,
        ],
    })
}

fn day(row: &Row) -> Result<Day, Fault> {
    Ok(Day {
        tenant: row.try_get(0)?,
        day: row.try_get(1)?,
        tool: row.try_get(2)?,
        outcome: row.try_get(3)?,
        code: row.try_get(4)?,
        reason: row.try_get(5)?,
        currency: row.try_get(6)?,
        settles: row.try_get::<_, i64>(7)? != 0,
        actions: row.try_get(8)?,
        minor: row.try_get(9)?,
        contained: row.try_get(10)?,
        approvals: row.try_get(11)?,
        rejections: row.try_get(12)?,
        tokens: row.try_get(13)?,
    })
}

/// Adds the rows of leaves; whoever does holds the seat.
pub(super) async fn insert_leaves(
    db: &Transaction<'_>,
    from: u64,
    leaves: &[&LeafRow],
) -> Result<(), Fault> {
    let each = (from..).zip(leaves).map(|(index, leaf)| insert(db, index, &leaf.entry));
    try_join_all(each).await.map(drop)
}

/// Adds the row of a leaf; does nothing where it is there.
async fn insert(db: &Transaction<'_>, index: u64, row: &EntryRow) -> Result<(), Fault> {
    if change(db, INSERT, &inserted(index, row)?).await? == 0 {
        return Ok(());
    }
    let at = row.entry.at.as_millisecond();
    let index = i64::try_from(index).map_err(damaged)?;
    let marks =
        row.marks.iter().map(|mark| async move { run(db, MARK, &[mark, &at, &index]).await });
    try_join_all(marks).await?;
    for day in &row.days {
        change(db, COUNT, &counted(day)).await?;
    }
    Ok(())
}

/// What a person is found by goes; what can be counted stays.
pub(super) async fn erase(db: &Transaction<'_>, person: &str) -> Result<(), Fault> {
    for sql in ERASE {
        run(db, sql, &[&person]).await?;
    }
    Ok(())
}

/// Rows for receipts without one, from an index on, a part in a transaction each. Executors
/// that start together may do it together. Answers with the index to go on from.
pub(super) async fn fill(db: &Database, veil: &Veil, from: u64) -> Result<u64, StoreError> {
    let (mut next, mut done) = (from, 0_usize);
    loop {
        let end = end(db).await?;
        let rows = missing(db, veil, next).await?;
        let Some(last) = rows.last().map(|row| row.index) else {
            if done > 0 || from == 0 {
                forget(db).await?;
            }
            return Ok(end.max(next));
        };
        next = last.saturating_add(1);
        done = done.saturating_add(rows.len());
        enter(db, rows).await?;
        tracing::info!(done, "receipts are entered into the register");
    }
}

/// Fills again and again: what an older executor writes meanwhile has no row.
pub(super) async fn follow(db: Database, veil: Veil, mut from: u64) {
    loop {
        tokio::time::sleep(PAUSE).await;
        match fill(&db, &veil, from).await {
            Ok(next) => from = next,
            Err(error) => tracing::warn!(%error, "receipts wait for their rows in the register"),
        }
    }
}

async fn end(db: &Database) -> Result<u64, StoreError> {
    let sql = "SELECT coalesce(max(idx) + 1, 0) FROM leaves";
    let row = first(&db.client().await?, sql, &[]).await?;
    let end: i64 = row.map_or(Ok(0), |row| row.try_get(0)).map_err(Fault::from)?;
    u64::try_from(end).map_err(damaged)
}

/// A receipt that has no row yet.
struct Missing {
    receipt: String,
    index: u64,
    row: EntryRow,
}

/// Enters rows. Whoever erases waits for this transaction and removes what it wrote, and of
/// whom was erased since the rows were read nothing is written but what counts.
async fn enter(db: &Database, rows: Vec<Missing>) -> Result<(), StoreError> {
    let rows = Arc::new(rows);
    let entered = db.write(move |db| {
        let rows = Arc::clone(&rows);
        async move {
            let ids: Vec<_> = rows.iter().map(|row| row.receipt.as_str()).collect();
            let sql = "SELECT receipt_id FROM openings WHERE receipt_id = ANY($1) FOR SHARE";
            let stand = all(db, sql, &[&ids]).await?;
            let stand: Result<HashSet<String>, _> =
                stand.iter().map(|row| row.try_get(0)).collect();
            let stand = stand?;
            for Missing { receipt, index, row } in rows.iter() {
                let whole = stand.contains(receipt);
                let row = if whole { row.clone() } else { row.clone().erased() };
                insert(db, *index, &row).await?;
            }
            Ok::<_, Fault>(())
        }
        .boxed()
    });
    Ok(entered.await?)
}

async fn forget(db: &Database) -> Result<(), StoreError> {
    let forgotten = db.write(|db| {
        async move {
            for sql in FORGET {
                run(db, sql, &[]).await?;
            }
            Ok::<_, Fault>(())
        }
        .boxed()
    });
    Ok(forgotten.await?)
}

async fn missing(db: &Database, veil: &Veil, from: u64) -> Result<Vec<Missing>, StoreError> {
    let from = i64::try_from(from).map_err(damaged)?;
    let rows = all(&db.client().await?, MISSING, &[&from]).await?;
    let rows = rows.iter().map(history::receipt).collect::<Result<_, Fault>>()?;
    let entries = veiled::entries(veil, rows).await?.into_iter();
    let each =
        entries.map(|(index, row)| Missing { receipt: row.entry.receipt.clone(), index, row });
    Ok(each.collect())
}

#[cfg(test)]
mod tests;
