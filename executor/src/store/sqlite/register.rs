//! Rows beside the receipts.

use std::ops::Range;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::types::Value as Cell;
use rusqlite::{Connection, Row, params, params_from_iter};

use super::{Sqlite, history};
use crate::ports::StoreError;
use crate::register::{Day, Found, Register, Search, Wait};
use crate::store::known::damaged;
use crate::store::register::{
    BEHIND, COUNT, Columns, ERASE, EntryRow, INSERT, MARK, MISSING, Statement, Value, counted,
    inserted,
};
use crate::store::veiled;
use crate::veil::Veil;

#[async_trait]
impl Register for Sqlite {
    async fn search(&self, search: Search) -> Result<Vec<Found>, StoreError> {
        let digest = |domain: &str, text: &str| self.veil.digest(domain, text);
        let query = Statement::search(&search, &digest)?;
        self.read(move |db| all(db, query, found)).await
    }

    async fn days(&self, tenant: Option<String>, days: Range<i64>) -> Result<Vec<Day>, StoreError> {
        let query = Statement::days(tenant.as_ref(), &days);
        self.read(move |db| all(db, query, day)).await
    }

    async fn waits(
        &self,
        tenant: Option<String>,
        within: Range<Timestamp>,
    ) -> Result<Vec<Wait>, StoreError> {
        let query = Statement::waits(tenant.as_ref(), &within);
        self.read(move |db| all(db, query, wait)).await
    }
}

fn wait(row: &Row<'_>) -> Result<Wait, StoreError> {
    Ok(Wait { day: row.get(0)?, milliseconds: row.get(1)? })
}

fn cells(values: Vec<Value>) -> impl Iterator<Item = Cell> {
    values.into_iter().map(|value| match value {
        Value::Text(text) => Cell::Text(text),
        Value::Number(number) | Value::Maybe(Some(number)) => Cell::Integer(number),
        Value::Maybe(None) => Cell::Null,
    })
}

/// Every row of a query.
pub(super) fn all<T>(
    db: &Connection,
    query: Statement,
    read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut select = db.prepare_cached(&query.sql)?;
    let mut rows = select.query(params_from_iter(cells(query.values)))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn found(row: &Row<'_>) -> Result<Found, StoreError> {
    let text = |at: usize| row.get::<_, String>(at);
    let columns = Columns {
        index: row.get(0)?,
        at: row.get(2)?,
        minor: row.get(9)?,
        settles: row.get(13)?,
        took: row.get(15)?,
        waited: row.get(16)?,
        tokens: row.get(17)?,
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
    };
    columns.found()
}

fn day(row: &Row<'_>) -> Result<Day, StoreError> {
    Ok(Day {
        tenant: row.get(0)?,
        day: row.get(1)?,
        tool: row.get(2)?,
        outcome: row.get(3)?,
        code: row.get(4)?,
        reason: row.get(5)?,
        currency: row.get(6)?,
        settles: row.get::<_, i64>(7)? != 0,
        actions: row.get(8)?,
        minor: row.get(9)?,
        contained: row.get(10)?,
        approvals: row.get(11)?,
        rejections: row.get(12)?,
        tokens: row.get(13)?,
    })
}

/// Adds the row of a leaf; does nothing where it is there.
pub(super) fn insert(db: &Connection, index: u64, row: &EntryRow) -> Result<(), StoreError> {
    let run = |sql: &str, values: Vec<Value>| {
        db.prepare_cached(sql)?.execute(params_from_iter(cells(values)))
    };
    if run(INSERT, inserted(index, row)?)? == 0 {
        return Ok(());
    }
    let (at, index) = (row.entry.at.as_millisecond(), i64::try_from(index).map_err(damaged)?);
    let mut mark = db.prepare_cached(MARK)?;
    for number in &row.marks {
        mark.execute(params![number, at, index])?;
    }
    for day in &row.days {
        run(COUNT, counted(day))?;
    }
    Ok(())
}

/// What a person is found by goes; what can be counted stays.
pub(super) fn erase(db: &Connection, person: &str) -> Result<(), StoreError> {
    for sql in ERASE {
        db.execute(sql, params![person])?;
    }
    Ok(())
}

/// Rows for receipts from before there were any, a part in a transaction each.
pub(super) fn fill(db: &Connection, veil: &Veil) -> Result<(), StoreError> {
    let behind: i64 = db.query_row(BEHIND, [], |row| row.get(0))?;
    if behind == 0 {
        return Ok(());
    }
    let (mut next, mut done) = (0, 0_usize);
    loop {
        let rows = missing(db, veil, next)?;
        let Some((last, _)) = rows.last() else { break };
        next = last.saturating_add(1);
        done = done.saturating_add(rows.len());
        db.execute_batch("BEGIN IMMEDIATE")?;
        let added = rows.iter().try_for_each(|(index, row)| insert(db, *index, row));
        db.execute_batch(if added.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
        added?;
        tracing::info!(done, of = behind, "receipts are entered into the register");
    }
    Ok(())
}

fn missing(db: &Connection, veil: &Veil, from: u64) -> Result<Vec<(u64, EntryRow)>, StoreError> {
    let mut select = db.prepare_cached(MISSING)?;
    let mut rows = select.query(params![i64::try_from(from).map_err(damaged)?])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(history::receipt(row)?);
    }
    veiled::entries_now(veil, found)
}
