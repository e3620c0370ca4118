//! What models have cost. Accounts are locked in the order of their names before they are read,
//! so whoever comes second sees what the first one reserved, at whichever planner.

use countersign_shared::postgres::{Database, Unavailable, all, first, run};
use deadpool_postgres::Transaction;
use futures_util::FutureExt as _;

use super::super::now;
use super::super::store::Name;
use crate::budget::{Amount, Cap};

const MADE: &str = "
    INSERT INTO spent (account, touched, calls, tokens, micros)
    SELECT account, $2, 0, 0, 0 FROM unnest($1::bytea[]) AS account ORDER BY account
    ON CONFLICT DO NOTHING";
const LOCKED: &str = "
    SELECT account, calls, tokens, micros FROM spent WHERE account = ANY($1)
    ORDER BY account FOR UPDATE";

/// What an account has spent.
pub(super) async fn spent(db: &Database, account: Name) -> Result<Amount, Unavailable> {
    let sql = "SELECT account, calls, tokens, micros FROM spent WHERE account = $1";
    let row = first(&db.client().await?, sql, &[&account.as_slice()]).await?;
    Ok(row.map(|row| amount(&row)).transpose()?.unwrap_or_default())
}

/// Adds it to all, or says which one has no room for it.
pub(super) async fn reserve(
    db: &Database,
    accounts: [(Name, Cap); 3],
    most: Amount,
) -> Result<Result<(), usize>, Unavailable> {
    db.write(move |db| {
        async move {
            let names = accounts.map(|(name, _)| name);
            run(db, MADE, &[&bytes(&names), &now()]).await?;
            let spent = locked(db, &names).await?;
            let of =
                |name: &Name| spent.iter().find(|(own, _)| own == name).map(|(_, spent)| *spent);
            let mut wanted = Vec::with_capacity(accounts.len());
            for (place, (name, cap)) in accounts.iter().enumerate() {
                // Erased between the two: nothing is known to have been spent.
                let spent = of(name).unwrap_or_default().and(most);
                if !cap.has_room(spent) {
                    return Ok(Err(place));
                }
                wanted.push((*name, spent));
            }
            for (name, spent) in wanted {
                put(db, name, spent).await?;
            }
            Ok(Ok(()))
        }
        .boxed()
    })
    .await
}

/// What was used takes the place of what was reserved. What was erased since stays so.
pub(super) async fn settle(
    db: &Database,
    accounts: [Name; 3],
    reserved: Amount,
    used: Amount,
) -> Result<(), Unavailable> {
    db.write(move |db| {
        async move {
            for (name, spent) in locked(db, &accounts).await? {
                put(db, name, spent.less(reserved).and(used)).await?;
            }
            Ok(())
        }
        .boxed()
    })
    .await
}

async fn locked(db: &Transaction<'_>, names: &[Name]) -> Result<Vec<(Name, Amount)>, Unavailable> {
    let mut found = Vec::with_capacity(names.len());
    for row in all(db, LOCKED, &[&bytes(names)]).await? {
        let name: Vec<u8> = row.try_get(0)?;
        let name = name.try_into().map_err(|_| Unavailable::because("an account is damaged"))?;
        found.push((name, amount(&row)?));
    }
    Ok(found)
}

async fn put(db: &Transaction<'_>, name: Name, spent: Amount) -> Result<(), Unavailable> {
    let whole = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let sql = "
        UPDATE spent SET touched = $2, calls = $3, tokens = $4, micros = $5 WHERE account = $1";
    let Amount { calls, tokens, micros } = spent;
    let [calls, tokens, micros] = [calls, tokens, micros].map(whole);
    run(db, sql, &[&name.as_slice(), &now(), &calls, &tokens, &micros]).await?;
    Ok(())
}

fn amount(row: &tokio_postgres::Row) -> Result<Amount, tokio_postgres::Error> {
    let part = |at: usize| row.try_get::<_, i64>(at).map(|n| u64::try_from(n).unwrap_or_default());
    Ok(Amount { calls: part(1)?, tokens: part(2)?, micros: part(3)? })
}

fn bytes(names: &[Name]) -> Vec<&[u8]> {
    names.iter().map(Name::as_slice).collect()
}
