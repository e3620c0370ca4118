//! Where conversations stand, and in whose turn they are.

use countersign_shared::postgres::{Database, Unavailable, first, run};
use futures_util::FutureExt as _;

use super::super::now;
use super::super::store::{Fence, Name, Taken};
use super::erase;
use super::lease::free;

const TAKE: &str = concat!(
    "INSERT INTO conversations (name, touched, holder, turn) VALUES ($1, $2, $3, $4)
     ON CONFLICT (name) DO UPDATE
     SET touched = excluded.touched, holder = excluded.holder, turn = excluded.turn
     WHERE ",
    free!("conversations"),
    " RETURNING body"
);
const KEEP: &str = "
    UPDATE conversations SET touched = $4, body = $5, holder = NULL
    WHERE name = $1 AND holder = $2 AND turn = $3";
const GIVE_BACK: &str =
    "UPDATE conversations SET holder = NULL WHERE name = $1 AND holder = $2 AND turn = $3";

/// Takes one, unless it is in another turn.
pub(super) async fn take(
    db: &Database,
    name: Name,
    Fence { holder, turn }: Fence,
) -> Result<Option<Taken>, Unavailable> {
    let with = (name.as_slice(), now());
    let db = db.client().await?;
    let Some(row) = first(&db, TAKE, &[&with.0, &with.1, &holder, &turn]).await? else {
        return Ok(None);
    };
    Ok(Some(Taken { body: row.try_get(0)? }))
}

/// Keeps where one stands, with those whose it is: between the two an erasure would miss it.
pub(super) async fn keep(
    db: &Database,
    name: Name,
    Fence { holder, turn }: Fence,
    owners: Vec<String>,
    body: String,
) -> Result<bool, Unavailable> {
    db.write(move |db| {
        let (owners, body) = (owners.clone(), body.clone());
        async move {
            let with = (name.as_slice(), now());
            let kept = run(db, KEEP, &[&with.0, &holder, &turn, &with.1, &body]).await?;
            if kept > 0 {
                for owner in &owners {
                    erase::own(db, owner, &[name]).await?;
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
    name: Name,
    Fence { holder, turn }: Fence,
) -> Result<(), Unavailable> {
    run(&db.client().await?, GIVE_BACK, &[&name.as_slice(), &holder, &turn]).await?;
    Ok(())
}
