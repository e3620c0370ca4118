//! Whose what is kept is, and that it goes with them; what nobody needs goes too.

use std::collections::HashSet;

use countersign_shared::postgres::{Database, Unavailable, all, run};
use deadpool_postgres::GenericClient;
use futures_util::FutureExt as _;

use super::super::now;
use super::super::store::Name;
use super::lease::free;

/// What was begun and is nobody's yet may become somebody's within this, in seconds.
const NOBODYS: i64 = 3600;
/// A planner that has not renewed for so long is gone, in SQL.
const GONE: &str = "DELETE FROM planners WHERE expires_at < clock_timestamp() - interval '1 day'";

/// What was kept, by age. What is in a turn stays, or there would be two in it.
const OLD: [&str; 4] = [
    concat!("DELETE FROM conversations WHERE touched < $1 AND ", free!("conversations")),
    concat!(
        "DELETE FROM turns WHERE touched < $1 AND NOT EXISTS (
             SELECT 1 FROM turns AS newer WHERE newer.thread = turns.thread AND newer.touched >= $1)
         AND ",
        free!("turns")
    ),
    "DELETE FROM spent WHERE touched < $1",
    "DELETE FROM belongs WHERE touched < $1",
];
/// What is nobody's, by age.
const LOST: [&str; 2] = [
    concat!(
        "DELETE FROM conversations WHERE touched < $1
         AND NOT EXISTS (SELECT 1 FROM belongs WHERE belongs.name = conversations.name) AND ",
        free!("conversations")
    ),
    concat!(
        "DELETE FROM turns WHERE touched < $1
         AND NOT EXISTS (SELECT 1 FROM belongs WHERE belongs.name = turns.thread) AND ",
        free!("turns")
    ),
];

/// That these names are kept under this key.
pub(super) async fn belongs(
    db: &Database,
    kept_under: String,
    names: Vec<Name>,
) -> Result<(), Unavailable> {
    own(&db.client().await?, &kept_under, &names).await
}

/// The same, beside what else is written.
pub(super) async fn own(
    db: &impl GenericClient,
    kept_under: &str,
    names: &[Name],
) -> Result<(), Unavailable> {
    let sql = "
        INSERT INTO belongs (kept_under, name, touched)
        SELECT DISTINCT $1, name, $3::bigint FROM unnest($2::bytea[]) AS name ORDER BY name
        ON CONFLICT (kept_under, name) DO UPDATE SET touched = excluded.touched";
    let names: Vec<&[u8]> = names.iter().map(Name::as_slice).collect();
    run(db, sql, &[&kept_under, &names, &now()]).await?;
    Ok(())
}

/// Every key under which something is kept.
pub(super) async fn keys(db: &Database) -> Result<Vec<String>, Unavailable> {
    let sql = "SELECT DISTINCT kept_under FROM belongs ORDER BY kept_under";
    let rows = all(&db.client().await?, sql, &[]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Forgets everything that is kept under these; answers with its names. A turn that is under way
/// finds no row to write to.
pub(super) async fn forget_all_of(
    db: &Database,
    keys: Vec<String>,
) -> Result<HashSet<Name>, Unavailable> {
    db.write(move |db| {
        let keys = keys.clone();
        async move {
            let sql = "DELETE FROM belongs WHERE kept_under = ANY($1) RETURNING name";
            let rows = all(db, sql, &[&keys]).await?;
            let names = rows.iter().map(|row| row.try_get(0));
            let names: Vec<Vec<u8>> = names.collect::<Result<_, _>>()?;
            for sql in [
                "DELETE FROM conversations WHERE name = ANY($1)",
                "DELETE FROM turns WHERE thread = ANY($1)",
                "DELETE FROM spent WHERE account = ANY($1)",
            ] {
                run(db, sql, &[&names]).await?;
            }
            Ok(names.into_iter().filter_map(|name| name.try_into().ok()).collect())
        }
        .boxed()
    })
    .await
}

/// Forgets what nobody touched since then, threads as a whole, and what no erasure would find.
pub(super) async fn forget_before(db: &Database, before: i64) -> Result<(), Unavailable> {
    let db = db.client().await?;
    for sql in OLD {
        run(&db, sql, &[&before]).await?;
    }
    let begun = now().saturating_sub(NOBODYS);
    for sql in LOST {
        run(&db, sql, &[&begun]).await?;
    }
    run(&db, GONE, &[]).await?;
    Ok(())
}
