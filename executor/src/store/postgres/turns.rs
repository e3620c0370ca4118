//! Turns as planners told them, what they cost, how they were rated, and whose
//! address is whose, as rows.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use countersign_core::subject::Subject;
use countersign_shared::ids::TurnId;
use deadpool_postgres::{GenericClient, Transaction};
use futures_util::FutureExt as _;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::Postgres;
use super::database::{With, all, first, plain, run};
use super::erase;
use super::fault::Fault;
use super::register::select;
use crate::conversations::{Conversations, Cost, Costs, Rating, Ratings, Spent};
use crate::ports::{StoreError, TurnQuery};
use crate::store::conversations::{COST, FIRST, RATE, moved, moves};
use crate::store::old::first_id;
use crate::store::register::Statement;
use crate::store::veiled::{TurnRow, Whose};

const TURN: &str = "
    INSERT INTO turns (turn_id, tenant, person, conversation, external_ref, body, day, currency,
                       micros, guest)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const EMAIL: &str = "
    INSERT INTO persons_by_email (email, person) VALUES ($1, $2) ON CONFLICT DO NOTHING";
/// Of two turns of a conversation that are told at once, the second sees the first one's cost.
const ALONE: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1::text || $2::text, 0))";

#[async_trait]
impl Conversations for Postgres {
    async fn costs(
        &self,
        tenant: Option<String>,
        days: Range<i64>,
    ) -> Result<Vec<Costs>, StoreError> {
        let query = Statement::costs(tenant.as_ref(), &days);
        let rows = select(&self.db.client().await?, &query).await?;
        let costs = |row: &Row| -> Result<_, Fault> {
            let spent = Spent { micros: row.try_get(2)?, conversations: row.try_get(3)? };
            Ok(Costs { day: row.try_get(0)?, currency: row.try_get(1)?, spent })
        };
        Ok(rows.iter().map(costs).collect::<Result<_, Fault>>()?)
    }

    async fn rate(
        &self,
        owner: &Subject,
        conversation: &str,
        rating: Rating,
    ) -> Result<bool, StoreError> {
        let whose = Arc::new(Whose::guest(&self.veil, owner, conversation));
        let kept = self.write(move |db| {
            let whose = Arc::clone(&whose);
            async move { rated(db, &whose, rating).await }.boxed()
        });
        Ok(kept.await?)
    }

    async fn ratings(
        &self,
        tenant: Option<String>,
        days: Range<i64>,
    ) -> Result<Vec<Ratings>, StoreError> {
        let query = Statement::ratings(tenant.as_ref(), &days);
        let rows = select(&self.db.client().await?, &query).await?;
        let ratings = |row: &Row| -> Result<_, Fault> {
            let rating = Rating { day: row.try_get(0)?, score: row.try_get(1)? };
            Ok(Ratings { rating, count: row.try_get(2)? })
        };
        Ok(rows.iter().map(ratings).collect::<Result<_, Fault>>()?)
    }
}

/// Keeps how a conversation was rated. False where no turn of it is kept.
async fn rated(db: &Transaction<'_>, whose: &Whose, rating: Rating) -> Result<bool, Fault> {
    let sql = format!("{FIRST} FOR UPDATE");
    let with: With<'_> = &[&whose.subject, &whose.conversation];
    let Some(row) = first(db, &sql, with).await? else { return Ok(false) };
    let turn: String = row.try_get(0)?;
    let (score, day): (Option<i64>, Option<i64>) = (row.try_get(1)?, row.try_get(2)?);
    run(db, RATE, &[&rating.score, &rating.day, &turn]).await?;
    let earlier = score.zip(day).map(|(score, day)| Rating { day, score });
    let tenant = plain(&whose.tenant);
    for (Rating { day, score }, count) in moved(earlier, rating) {
        run(db, moves(count), &[&tenant, &day, &score]).await?;
    }
    Ok(true)
}

pub(super) async fn insert(db: &Transaction<'_>, turn: &TurnRow) -> Result<(), Fault> {
    erase::stands(db, &turn.key).await?;
    if let Some(guest) = &turn.guest {
        erase::stands(db, &guest.key).await?;
    }
    let (who, tenant) = (&turn.whose, plain(&turn.whose.tenant));
    let currency = turn.cost.as_ref().map(|cost| &cost.currency);
    let micros = turn.cost.as_ref().map(|cost| cost.micros);
    let with: With<'_> = &[
        &turn.id,
        &tenant,
        &who.subject,
        &who.conversation,
        &turn.external_ref,
        &turn.body,
        &turn.day,
        &currency,
        &micros,
        &turn.named(),
    ];
    run(db, TURN, with).await?;
    known_by(db, turn.email.as_deref(), who).await?;
    let Some(Cost { currency, micros }) = &turn.cost else { return Ok(()) };
    let owner = turn.owner();
    run(db, ALONE, &[&owner, &who.conversation]).await?;
    let of: With<'_> = &[&tenant, &owner, &who.conversation, currency, micros, &turn.id];
    run(db, COST, of).await.map(drop)
}

/// Keeps by which address this person may be asked for.
pub(super) async fn known_by(
    db: &Transaction<'_>,
    email: Option<&str>,
    who: &Whose,
) -> Result<(), Fault> {
    let Some(email) = email else { return Ok(()) };
    run(db, EMAIL, &[&email, &who.subject]).await.map(drop)
}

pub(super) async fn persons_of(db: &impl GenericClient, email: &str) -> Result<Vec<String>, Fault> {
    let rows = all(db, "SELECT person FROM persons_by_email WHERE email = $1", &[&email]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Ids and bodies of those that match, newest first.
pub(super) async fn list(
    db: &impl GenericClient,
    query: &TurnQuery,
) -> Result<Vec<(String, Vec<u8>)>, Fault> {
    let mut sql = "SELECT turn_id, body FROM turns WHERE TRUE".to_owned();
    let mut values: Vec<String> = Vec::new();
    let mut narrow = |condition: &str, value: &str| {
        values.push(plain(value).into_owned());
        sql.push_str(&format!(" AND {condition} ${}", values.len()));
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
    let with: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
    let rows = all(db, &sql, &with).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}
