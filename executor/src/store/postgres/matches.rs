//! Who was matched, and how often it was tried.

use countersign_core::gates::Gate;
use countersign_core::subject::MATCH_LIVES;
use deadpool_postgres::{GenericClient, Transaction};
use jiff::Timestamp;

use super::database::{With, first, plain, run};
use super::erase;
use super::fault::Fault;
use crate::store::known::damaged;
use crate::store::tries::{MOST, WINDOW, before};
use crate::store::veiled::{SeenRow, Whose};

/// The first free slot, of as many as there may be tries.
const TRY: &str = "
    INSERT INTO match_tries (what, slot, at)
    SELECT $1, min(slot), $2 FROM generate_series(1, $3::bigint) AS slot
    WHERE slot NOT IN (SELECT slot FROM match_tries WHERE what = $1)
    HAVING count(*) > 0 ON CONFLICT DO NOTHING";

/// Counts a try against each, up to the most; whether it was within it everywhere.
/// Tries beyond it are not counted: else a stranger could shut an order for ever.
pub(super) async fn count(
    db: &Transaction<'_>,
    against: &[String; 2],
    now: Timestamp,
) -> Result<bool, Fault> {
    run(db, "DELETE FROM match_tries WHERE at <= $1", &[&before(now, WINDOW)]).await?;
    let mut within = true;
    for what in against {
        if run(db, TRY, &[what, &now.as_second(), &i64::from(MOST)]).await? == 1 {
            continue;
        }
        let sql = "SELECT count(*) FROM match_tries WHERE what = $1";
        let row = first(db, sql, &[what]).await?.ok_or_else(|| damaged("nothing was counted"))?;
        if row.try_get::<_, i64>(0)? < i64::from(MOST) {
            return Err(Fault::Faster);
        }
        within = false;
    }
    Ok(within)
}

pub(super) async fn remember(
    db: &Transaction<'_>,
    seen: &SeenRow,
    at: Timestamp,
) -> Result<(), Fault> {
    erase::stands(db, &seen.key).await?;
    run(db, "DELETE FROM matches WHERE at <= $1", &[&before(at, MATCH_LIVES)]).await?;
    let who = &seen.whose;
    let with: With<'_> = &[
        &plain(&who.tenant),
        &plain(&who.issuer),
        &who.subject,
        &who.conversation,
        &at.as_second(),
        &seen.body,
        &seen.person,
    ];
    let sql = "
        INSERT INTO matches (tenant, issuer, subject, conversation, at, body, person)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (tenant, issuer, subject, conversation)
        DO UPDATE SET at = excluded.at, body = excluded.body";
    run(db, sql, with).await.map(drop)
}

pub(super) async fn matched(
    db: &impl GenericClient,
    owner: &Whose,
) -> Result<Option<Vec<u8>>, Fault> {
    let sql = "
        SELECT body FROM matches WHERE (tenant = $1 AND issuer = $2 AND subject = $3 OR $5)
        AND (conversation = $4 OR $6) LIMIT 1";
    let with: With<'_> = &[
        &plain(&owner.tenant),
        &plain(&owner.issuer),
        &owner.subject,
        &owner.conversation,
        &!Gate::MatchPerson.is_on(),
        &!Gate::MatchConversation.is_on(),
    ];
    let Some(row) = first(db, sql, with).await? else { return Ok(None) };
    Ok(row.try_get(0)?)
}
