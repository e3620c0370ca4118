//! Rows beside the receipts.

use std::ops::Range;
use std::sync::Arc;

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
use crate::register::{Day, Found, Register, Search};
use crate::store::known::damaged;
use crate::store::register::{
    BEHIND, COUNT, Columns, ERASE, EntryRow, INSERT, MARK, MISSING, Statement, Value, counted,
    inserted,
};
use crate::store::veiled::{self, LeafRow};
use crate::veil::Veil;

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
    ) -> Result<Vec<i64>, StoreError> {
        let query = Statement::waits(tenant.as_ref(), &within);
        let rows = select(&self.db.client().await?, &query).await?;
        Ok(rows.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<_, Fault>>()?)
    }
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

async fn select(db: &impl GenericClient, query: &Statement) -> Result<Vec<Row>, Fault> {
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
    change(db, COUNT, &counted(row.entry.day())).await.map(drop)
}

/// What a person is found by goes; what can be counted stays.
pub(super) async fn erase(db: &Transaction<'_>, person: &str) -> Result<(), Fault> {
    for sql in ERASE {
        run(db, sql, &[&person]).await?;
    }
    Ok(())
}

/// Rows for receipts from before there were any, a part in a transaction each. Executors
/// that start together may do it together.
pub(super) async fn fill(db: &Database, veil: &Veil) -> Result<(), StoreError> {
    let behind = first(&db.client().await?, BEHIND, &[]).await?;
    let behind: i64 = behind.map_or(Ok(0), |row| row.try_get(0)).map_err(Fault::from)?;
    if behind == 0 {
        return Ok(());
    }
    let (mut next, mut done) = (0, 0_usize);
    loop {
        let rows = missing(db, veil, next).await?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        next = last.saturating_add(1);
        done = done.saturating_add(rows.len());
        let rows = Arc::new(rows);
        let added = db.write(move |db| {
            let rows = Arc::clone(&rows);
            async move {
                for (index, row) in rows.iter() {
                    insert(db, *index, row).await?;
                }
                Ok(())
            }
            .boxed()
        });
        added.await?;
        tracing::info!(done, of = behind, "receipts are entered into the register");
    }
}

async fn missing(
    db: &Database,
    veil: &Veil,
    from: u64,
) -> Result<Vec<(u64, EntryRow)>, StoreError> {
    let from = i64::try_from(from).map_err(damaged)?;
    let rows = all(&db.client().await?, MISSING, &[&from]).await?;
    let rows = rows.iter().map(history::receipt).collect::<Result<_, Fault>>()?;
    veiled::entries(veil, rows).await
}
