//! Turns as planners told them, what they cost, how they were rated, and whose
//! address is whose, as rows.

use std::ops::Range;

use async_trait::async_trait;
use countersign_core::subject::Subject;
use countersign_shared::ids::TurnId;
use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use super::Sqlite;
use crate::conversations::{Conversations, Costs, Rating, Ratings, Spent};
use crate::ports::{StoreError, TurnQuery};
use crate::store::conversations::{COSTS, RATE, RATINGS};
use crate::store::old::first_id;
use crate::store::veiled::{TurnRow, Whose};

#[async_trait]
impl Conversations for Sqlite {
    async fn costs(
        &self,
        tenant: Option<String>,
        days: Range<i64>,
    ) -> Result<Vec<Costs>, StoreError> {
        let of = tenant.unwrap_or_default();
        self.read(move |db| {
            let mut select = db.prepare_cached(COSTS)?;
            let rows = select.query_map(params![days.start, days.end, of], |row| {
                let spent = Spent { micros: row.get(2)?, conversations: row.get(3)? };
                Ok(Costs { day: row.get(0)?, currency: row.get(1)?, spent })
            })?;
            rows.collect::<Result<_, _>>().map_err(Into::into)
        })
        .await
    }

    async fn rate(
        &self,
        owner: &Subject,
        conversation: &str,
        rating: Rating,
    ) -> Result<bool, StoreError> {
        let whose = Whose::of(&self.veil, owner, conversation);
        let rated = self.writer.write(move |batch| {
            let with = params![rating.score, rating.day, whose.subject, whose.conversation];
            Ok(batch.db().prepare_cached(RATE)?.execute(with)?)
        });
        Ok(rated.await? > 0)
    }

    async fn ratings(
        &self,
        tenant: Option<String>,
        days: Range<i64>,
    ) -> Result<Vec<Ratings>, StoreError> {
        let of = tenant.unwrap_or_default();
        self.read(move |db| {
            let mut select = db.prepare_cached(RATINGS)?;
            let rows = select.query_map(params![days.start, days.end, of], |row| {
                let rating = Rating { day: row.get(0)?, score: row.get(1)? };
                Ok(Ratings { rating, count: row.get(2)? })
            })?;
            rows.collect::<Result<_, _>>().map_err(Into::into)
        })
        .await
    }
}

pub(super) fn insert(db: &Connection, turn: &TurnRow) -> Result<(), StoreError> {
    turn.key.stands()?;
    let who = &turn.whose;
    db.prepare_cached(
        "INSERT INTO turns (turn_id, tenant, person, conversation, external_ref, body, day,
                            currency, micros)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
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
    ])?;
    known_by(db, turn.email.as_deref(), who)
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
