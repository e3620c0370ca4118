//! Turns as planners told them, what they cost, how they were rated, and whose
//! address is whose, as rows.

use std::ops::Range;

use async_trait::async_trait;
use countersign_core::subject::Subject;
use countersign_shared::ids::TurnId;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};

use super::Sqlite;
use super::register::all;
use crate::conversations::{Conversations, Cost, Costs, Rating, Ratings, Spent};
use crate::ports::{StoreError, TurnQuery};
use crate::store::conversations::{COST, FIRST, RATE, moved, moves};
use crate::store::old::first_id;
use crate::store::register::Statement;
use crate::store::veiled::{TurnRow, Whose};

#[async_trait]
impl Conversations for Sqlite {
    async fn costs(
        &self,
        tenant: Option<String>,
        days: Range<i64>,
    ) -> Result<Vec<Costs>, StoreError> {
        let query = Statement::costs(tenant.as_ref(), &days);
        self.read(move |db| all(db, query, costs)).await
    }

    async fn rate(
        &self,
        owner: &Subject,
        conversation: &str,
        rating: Rating,
    ) -> Result<bool, StoreError> {
        let whose = Whose::guest(&self.veil, owner, conversation);
        self.writer.write(move |batch| rated(batch.db(), &whose, rating)).await
    }

    async fn ratings(
        &self,
        tenant: Option<String>,
        days: Range<i64>,
    ) -> Result<Vec<Ratings>, StoreError> {
        let query = Statement::ratings(tenant.as_ref(), &days);
        self.read(move |db| all(db, query, ratings)).await
    }
}

fn costs(row: &Row<'_>) -> Result<Costs, StoreError> {
    let spent = Spent { micros: row.get(2)?, conversations: row.get(3)? };
    Ok(Costs { day: row.get(0)?, currency: row.get(1)?, spent })
}

fn ratings(row: &Row<'_>) -> Result<Ratings, StoreError> {
    let rating = Rating { day: row.get(0)?, score: row.get(1)? };
    Ok(Ratings { rating, count: row.get(2)? })
}

/// Keeps how a conversation was rated. False where no turn of it is kept.
fn rated(db: &Connection, whose: &Whose, rating: Rating) -> Result<bool, StoreError> {
    let first = db
        .prepare_cached(FIRST)?
        .query_row(params![whose.subject, whose.conversation], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Option<i64>>(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((turn, score, day)) = first else { return Ok(false) };
    db.prepare_cached(RATE)?.execute(params![rating.score, rating.day, turn])?;
    let earlier = score.zip(day).map(|(score, day)| Rating { day, score });
    for (Rating { day, score }, count) in moved(earlier, rating) {
        db.prepare_cached(moves(count))?.execute(params![whose.tenant, day, score])?;
    }
    Ok(true)
}

pub(super) fn insert(db: &Connection, turn: &TurnRow) -> Result<(), StoreError> {
    turn.key.stands()?;
    if let Some(guest) = &turn.guest {
        guest.key.stands()?;
    }
    let who = &turn.whose;
    db.prepare_cached(
        "INSERT INTO turns (turn_id, tenant, person, conversation, external_ref, body, day,
                            currency, micros, guest)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute(params![
        turn.id,
        who.tenant,
        who.subject,
        who.conversation,
        turn.external_ref,
        turn.body,
        turn.day,
        turn.cost.as_ref().map(|cost| &cost.currency),
        turn.cost.as_ref().map(|cost| cost.micros),
        turn.named(),
    ])?;
    known_by(db, turn.email.as_deref(), who)?;
    let Some(Cost { currency, micros }) = &turn.cost else { return Ok(()) };
    let of = params![who.tenant, turn.owner(), who.conversation, currency, micros, turn.id];
    db.prepare_cached(COST)?.execute(of)?;
    Ok(())
}

/// Keeps by which address this person may be asked for.
pub(super) fn known_by(
    db: &Connection,
    email: Option<&str>,
    who: &Whose,
) -> Result<(), StoreError> {
    let Some(email) = email else { return Ok(()) };
    db.prepare_cached(
        "INSERT INTO persons_by_email (email, person) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
    )?
    .execute(params![email, who.subject])?;
    Ok(())
}

pub(super) fn persons_of(db: &Connection, email: &str) -> Result<Vec<String>, StoreError> {
    let mut select = db.prepare_cached("SELECT person FROM persons_by_email WHERE email = ?1")?;
    let rows = select.query_map(params![email], |row| row.get(0))?;
    rows.collect::<Result<_, _>>().map_err(Into::into)
}

/// Ids and bodies of those that match, newest first.
pub(super) fn list(
    db: &Connection,
    query: &TurnQuery,
) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    let mut sql = "SELECT turn_id, body FROM turns WHERE 1".to_owned();
    let mut values: Vec<Value> = Vec::new();
    let mut narrow = |condition: &str, value: &str| {
        values.push(value.to_owned().into());
        sql.push_str(&format!(" AND {condition} ?{}", values.len()));
    };
    for (column, wanted) in query.texts() {
        narrow(&format!("{column} ="), wanted);
    }
    for (bound, at) in [("turn_id >=", query.from), ("turn_id <", query.to)] {
        if let Some(at) = at {
            narrow(bound, TurnId::from_uuid(first_id(at)).as_str());
        }
    }
    sql.push_str(&format!(" ORDER BY turn_id DESC LIMIT {}", query.limit));
    let mut select = db.prepare_cached(&sql)?;
    let rows = select.query_map(params_from_iter(values), |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect::<Result<_, _>>().map_err(Into::into)
}
