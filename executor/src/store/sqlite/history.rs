//! Leaves, tree nodes and the checkpoint as rows.

use std::ops::Range;
use std::sync::Arc;

use countersign_core::gates::Gate;
use countersign_shared::ids::ReceiptId;
use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::folder::Source;
use countersign_shared::tlog::key::VerifierKey;
use countersign_shared::tlog::merkle::{HashReader, Node, Tree};
use countersign_shared::tlog::path::{PathError, consistency_path, inclusion_path};
use countersign_shared::tlog::tile::MAX_ENTRY_BYTES;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::Readers;
use crate::ports::{ReceiptQuery, StoreError};
use crate::store::known::damaged;
use crate::store::old::first_id;
use crate::store::veiled::{LeafRow, ReceiptRow};

/// The tree's right edge as the file has it, checked against its own checkpoint.
pub(super) fn load(db: &Connection, log: &[VerifierKey]) -> Result<Tree, StoreError> {
    let size: i64 = db.query_row("SELECT count(*) FROM leaves", [], |r| r.get(0))?;
    let tree = Tree::load(u64::try_from(size).map_err(damaged)?, &Nodes(db))?;
    let note = checkpoint(db)?;
    if note.is_empty() {
        return if size == 0 { Ok(tree) } else { Err(StoreError::Damaged("no checkpoint".into())) };
    }
    let (checkpoint, _) = Checkpoint::open_by(note.as_bytes(), log)
        .map_err(|e| StoreError::Damaged(format!("checkpoint: {e}")))?;
    if (checkpoint.size(), checkpoint.root()) == (tree.size(), &tree.root()) {
        return Ok(tree);
    }
    Err(StoreError::Damaged("the log does not lead to its own checkpoint".to_owned()))
}

pub(super) fn insert(
    db: &Connection,
    index: u64,
    leaf: &LeafRow,
    nodes: &[Node],
) -> Result<(), StoreError> {
    let who = &leaf.whose;
    // A larger one could never be published, nor anything after it.
    if leaf.bytes.len() > MAX_ENTRY_BYTES {
        return Err(StoreError::Damaged("a receipt is too large for the log".to_owned()));
    }
    db.prepare_cached(
        "INSERT INTO leaves (idx, receipt_id, tenant, issuer, subject, tool, external_ref, body,
                             person)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        i64::try_from(index).map_err(damaged)?,
        leaf.receipt_id,
        who.tenant,
        who.issuer,
        who.subject,
        leaf.tool,
        leaf.external_ref,
        leaf.bytes,
        leaf.person,
    ])?;
    if let Some(openings) = &leaf.openings {
        db.prepare_cached("INSERT INTO openings (receipt_id, person, body) VALUES (?1, ?2, ?3)")?
            .execute(params![leaf.receipt_id, leaf.person, openings])?;
    }
    super::register::insert(db, index, &leaf.entry)?;
    let mut insert =
        db.prepare_cached("INSERT INTO nodes (level, idx, hash) VALUES (?1, ?2, ?3)")?;
    for node in nodes {
        let index = i64::try_from(node.index).map_err(damaged)?;
        insert.execute(params![node.level, index, node.hash])?;
    }
    Ok(())
}

pub(super) fn set_checkpoint(db: &Connection, size: u64, note: &str) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO checkpoint (one, size, note) VALUES (1, ?1, ?2)
         ON CONFLICT (one) DO UPDATE SET size = ?1, note = ?2",
    )?
    .execute(params![i64::try_from(size).map_err(damaged)?, note])?;
    Ok(())
}

pub(super) fn checkpoint(db: &Connection) -> Result<String, StoreError> {
    let mut select = db.prepare_cached("SELECT note FROM checkpoint")?;
    let note = select.query_row([], |r| r.get(0)).optional()?;
    Ok(note.unwrap_or_default())
}

pub(super) fn inclusion(
    db: &Connection,
    index: u64,
    size: u64,
) -> Result<Vec<[u8; 32]>, StoreError> {
    inclusion_path(index, size, &Nodes(db)).map_err(out_of_range)
}

pub(super) fn consistency(
    db: &Connection,
    from: u64,
    to: u64,
) -> Result<Vec<[u8; 32]>, StoreError> {
    consistency_path(from, to, &Nodes(db)).map_err(out_of_range)
}

fn out_of_range(error: PathError<StoreError>) -> StoreError {
    match error {
        PathError::OutOfRange { .. } => StoreError::OutOfRange,
        PathError::Read(error) => error,
    }
}

pub(super) fn receipts(
    db: &Connection,
    query: &ReceiptQuery,
) -> Result<Vec<ReceiptRow>, StoreError> {
    let mut sql = "SELECT l.receipt_id, l.idx, l.body, o.body
                   FROM leaves AS l LEFT JOIN openings AS o ON o.receipt_id = l.receipt_id
                   WHERE 1"
        .to_owned();
    let mut values: Vec<rusqlite::types::Value> = Vec::new();
    let mut narrow = |column: &str, value: rusqlite::types::Value| {
        values.push(value);
        sql.push_str(&format!(" AND l.{column} ?{}", values.len()));
    };
    if let Some(id) = &query.id {
        narrow("receipt_id =", id.to_string().into());
    }
    let owner = query.owner.as_ref().filter(|_| Gate::ReceiptPerson.is_on());
    if let Some((tenant, issuer, subject)) = owner {
        narrow("tenant =", tenant.clone().into());
        narrow("issuer =", issuer.clone().into());
        narrow("subject =", subject.clone().into());
    }
    if let Some(tenant) = &query.tenant {
        narrow("tenant =", tenant.clone().into());
    }
    if let Some(external_ref) = &query.external_ref {
        narrow("external_ref =", external_ref.clone().into());
    }
    if let Some(tool) = &query.tool {
        narrow("tool =", tool.clone().into());
    }
    for (bound, at) in [("receipt_id >=", query.from), ("receipt_id <", query.to)] {
        if let Some(at) = at {
            narrow(bound, ReceiptId::from_uuid(first_id(at)).to_string().into());
        }
    }
    if let Some(before) = query.before {
        narrow("idx <", i64::try_from(before).map_err(damaged)?.into());
    }
    sql.push_str(&format!(" ORDER BY l.idx DESC LIMIT {}", query.limit));
    let mut select = db.prepare_cached(&sql)?;
    let mut rows = select.query(params_from_iter(values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(receipt(row)?);
    }
    Ok(found)
}

pub(super) fn leaves(db: &Connection, range: &Range<u64>) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut select =
        db.prepare_cached("SELECT body FROM leaves WHERE idx >= ?1 AND idx < ?2 ORDER BY idx")?;
    let start = i64::try_from(range.start).map_err(damaged)?;
    let end = i64::try_from(range.end).map_err(damaged)?;
    let rows = select.query_map(params![start, end], |r| r.get(0))?;
    rows.collect::<Result<_, _>>().map_err(Into::into)
}

pub(super) fn receipt(row: &Row<'_>) -> Result<ReceiptRow, StoreError> {
    Ok(ReceiptRow {
        id: row.get(0)?,
        index: u64::try_from(row.get::<_, i64>(1)?).map_err(damaged)?,
        body: row.get(2)?,
        openings: row.get(3)?,
    })
}

pub(super) struct Nodes<'a>(pub(super) &'a Connection);

impl HashReader for Nodes<'_> {
    type Error = StoreError;

    fn hash(&self, level: u8, index: u64) -> Result<[u8; 32], StoreError> {
        let index = i64::try_from(index).map_err(damaged)?;
        self.0
            .prepare_cached("SELECT hash FROM nodes WHERE level = ?1 AND idx = ?2")?
            .query_row(params![level, index], |r| r.get(0))
            .optional()?
            .ok_or_else(|| StoreError::Damaged(format!("tree node {level}/{index} is missing")))
    }
}

/// Feeds the published log folder.
pub struct LogSource {
    readers: Arc<Readers>,
}

impl LogSource {
    pub(super) fn new(readers: Arc<Readers>) -> Self {
        Self { readers }
    }
}

impl Source for LogSource {
    type Error = StoreError;

    fn checkpoint(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let note = self.readers.with(checkpoint)?;
        Ok(Some(note.into_bytes()).filter(|n| !n.is_empty()))
    }

    fn leaves(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, StoreError> {
        self.readers.with(|db| leaves(db, &range))
    }
}
