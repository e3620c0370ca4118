//! Turns that came over HTTP: begun, ended, or being taken by a planner.

use countersign_shared::postgres::{Database, Unavailable, all, first, run};
use futures_util::FutureExt as _;
use tokio_postgres::error::SqlState;

use super::super::now;
use super::super::store::{Begun, Fence, Name, Row};
use super::erase;
use super::lease::free;

const BEGIN: &str = concat!(
    "INSERT INTO turns (thread, place, number, touched, holder, turn, ended, body)
     VALUES ($1, $2, $3, $4, $5, $6, FALSE, $7)
     ON CONFLICT (thread, place) DO UPDATE
     SET number = excluded.number, touched = excluded.touched, holder = excluded.holder,
         turn = excluded.turn, body = excluded.body
     WHERE NOT turns.ended AND ",
    free!("turns"),
    " RETURNING number"
);
const END: &str = "
    UPDATE turns SET touched = $5, body = $6, ended = TRUE, holder = NULL
    WHERE thread = $1 AND place = $2 AND holder = $3 AND turn = $4";
const GIVE_BACK: &str = "
    UPDATE turns SET holder = NULL
    WHERE thread = $1 AND place = $2 AND holder = $3 AND turn = $4";

/// The newest of a thread, at most so many.
pub(super) async fn newest(
    db: &Database,
    thread: Name,
    most: i64,
) -> Result<Vec<Row>, Unavailable> {
    let sql = "
        SELECT place, number, body FROM turns WHERE thread = $1 ORDER BY number DESC LIMIT $2";
    let rows = all(&db.client().await?, sql, &[&thread.as_slice(), &most]).await?;
    rows.iter()
        .map(|row| {
            let place: Vec<u8> = row.try_get(0)?;
            let place = place.try_into();
            let place = place.map_err(|_| Unavailable::because("a turn's place is damaged"))?;
            Ok(Row { place, number: row.try_get(1)?, body: row.try_get(2)? })
        })
        .collect()
}

/// Begins one, unless it has ended or somebody is at it.
pub(super) async fn begin(
    db: &Database,
    thread: Name,
    row: Row,
    Fence { holder, turn }: Fence,
) -> Result<Begun, Unavailable> {
    let (thread, place) = (thread.as_slice(), row.place.as_slice());
    let db = db.client().await?;
    let with: [&(dyn tokio_postgres::types::ToSql + Sync); 7] =
        [&thread, &place, &row.number, &now(), &holder, &turn, &row.body];
    match first(&db, BEGIN, &with).await {
        Ok(Some(_)) => return Ok(Begun::Here),
        Ok(None) => {}
        // Mostly another turn of the thread has the number. Where the same turn is begun at two
        // planners at once it may be its own number: `turns_by_number` is asked even where the
        // conflict of the place is provided for. Begun again, once the thread was read again, it
        // finds its place: `Elsewhere` or `Ended`.
        Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
            return Ok(Begun::Overtaken);
        }
        Err(error) => return Err(error.into()),
    }
    let sql = "SELECT body FROM turns WHERE thread = $1 AND place = $2 AND ended";
    match first(&db, sql, &[&thread, &place]).await? {
        Some(row) => Ok(Begun::Ended(row.try_get(0)?)),
        None => Ok(Begun::Elsewhere),
    }
}

/// Keeps how one ended that is held, with those whose its thread is.
pub(super) async fn end(
    db: &Database,
    (thread, place): (Name, [u8; 32]),
    Fence { holder, turn }: Fence,
    owners: Vec<String>,
    body: String,
) -> Result<bool, Unavailable> {
    db.write(move |db| {
        let (owners, body) = (owners.clone(), body.clone());
        async move {
            let with = (thread.as_slice(), place.as_slice(), now());
            let with: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
                [&with.0, &with.1, &holder, &turn, &with.2, &body];
            let kept = run(db, END, &with).await?;
            if kept > 0 {
                for owner in &owners {
                    erase::own(db, owner, &[thread]).await?;
                }
            }
            Ok(kept > 0)
        }
        .boxed()
    })
    .await
}

/// Gives it back as it was.
pub(super) async fn give_back(
    db: &Database,
    thread: Name,
    place: [u8; 32],
    Fence { holder, turn }: Fence,
) -> Result<(), Unavailable> {
    let (thread, place) = (thread.as_slice(), place.as_slice());
    run(&db.client().await?, GIVE_BACK, &[&thread, &place, &holder, &turn]).await?;
    Ok(())
}
