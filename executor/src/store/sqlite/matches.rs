//! Who was matched, and how often it was tried.

use countersign_core::gates::Gate;
use countersign_core::subject::MATCH_LIVES;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::ports::StoreError;
use crate::store::tries::{MOST, WINDOW, before};
use crate::store::veiled::{SeenRow, Whose};

/// Counts a try against each, up to the most; whether it was within it everywhere.
/// Tries beyond it are not counted: else a stranger could shut an order for ever.
pub(super) fn count(
    db: &Connection,
    against: &[String; 2],
    now: Timestamp,
) -> Result<bool, StoreError> {
    db.prepare_cached("DELETE FROM match_tries WHERE at <= ?1")?
        .execute(params![before(now, WINDOW)])?;
    let mut tried = db.prepare_cached("SELECT count(*) FROM match_tries WHERE what = ?1")?;
    let mut insert = db.prepare_cached("INSERT INTO match_tries (what, at) VALUES (?1, ?2)")?;
    let mut within = true;
    for what in against {
        let tries: u32 = tried.query_row(params![what], |row| row.get(0))?;
        if tries < MOST {
            insert.execute(params![what, now.as_second()])?;
        } else {
            within = false;
        }
    }
    Ok(within)
}

pub(super) fn remember(db: &Connection, seen: &SeenRow, at: Timestamp) -> Result<(), StoreError> {
    seen.key.stands()?;
    db.prepare_cached("DELETE FROM matches WHERE at <= ?1")?
        .execute(params![before(at, MATCH_LIVES)])?;
    let who = &seen.whose;
    db.prepare_cached(
        "INSERT INTO matches (tenant, issuer, subject, conversation, at, body, person)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (tenant, issuer, subject, conversation) DO UPDATE SET at = ?5, body = ?6",
    )?
    .execute(params![
        who.tenant,
        who.issuer,
        who.subject,
        who.conversation,
        at.as_second(),
        seen.body,
        seen.person
    ])?;
    Ok(())
}

pub(super) fn matched(db: &Connection, owner: &Whose) -> Result<Option<Vec<u8>>, StoreError> {
    let who = params![
        owner.tenant,
        owner.issuer,
        owner.subject,
        owner.conversation,
        !Gate::MatchPerson.is_on(),
        !Gate::MatchConversation.is_on(),
    ];
    Ok(db
        .prepare_cached(
            "SELECT body FROM matches
             WHERE (tenant = ?1 AND issuer = ?2 AND subject = ?3 OR ?5)
             AND (conversation = ?4 OR ?6)",
        )?
        .query_row(who, |r| r.get(0))
        .optional()?)
}
