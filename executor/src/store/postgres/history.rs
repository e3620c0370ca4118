//! Leaves, tree nodes and the checkpoint as rows.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;

use countersign_core::gates::Gate;
use countersign_shared::ids::ReceiptId;
use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::folder::Source;
use countersign_shared::tlog::key::{LogKey, Signer as _, VerifierKey};
use countersign_shared::tlog::merkle::{Hash, HashReader, Node, Tree};
use countersign_shared::tlog::path::{PathError, consistency_path, inclusion_path};
use countersign_shared::tlog::tile::MAX_ENTRY_BYTES;
use deadpool_postgres::{GenericClient, Transaction};
use tokio::runtime::Handle;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::database::{Database, With, all, first, plain, run};
use super::fault::Fault;
use super::remembered::Log;
use crate::ports::{ReceiptQuery, StoreError};
use crate::store::known::damaged;
use crate::store::old::first_id;
use crate::store::veiled::{LeafRow, ReceiptRow};

const LEAVES: &str = "
    INSERT INTO leaves (idx, receipt_id, tenant, issuer, subject, tool, external_ref, body, person)
    SELECT $1::bigint + n - 1, receipt_id, tenant, issuer, subject, tool, external_ref, body, person
    FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                $8::bytea[], $9::text[])
    WITH ORDINALITY
    AS leaf (receipt_id, tenant, issuer, subject, tool, external_ref, body, person, n)";
const OPENINGS: &str = "
    INSERT INTO openings (receipt_id, person, body)
    SELECT receipt_id, person, body FROM unnest($1::text[], $2::text[], $3::bytea[])
    AS opening (receipt_id, person, body)";
const NODES: &str = "
    INSERT INTO nodes (level, idx, hash)
    SELECT level, idx, hash FROM unnest($1::smallint[], $2::bigint[], $3::bytea[])
    AS node (level, idx, hash)";
const ADVANCE: &str = "
    UPDATE tree SET size = $1, edge = $2, root = $3, note = $4
    WHERE one = 1 AND size = $5 AND root = $6";

/// The tree of its row: `size, edge, root, note`, which must agree.
pub(super) fn tree(row: &Row, log: &LogKey) -> Result<Tree, Fault> {
    signed(row, &[log.verifier_key()])
}

fn signed(row: &Row, keys: &[VerifierKey]) -> Result<Tree, Fault> {
    let size = u64::try_from(row.try_get::<_, i64>(0)?).map_err(damaged)?;
    let edge = row.try_get::<_, &[u8]>(1)?.chunks(32).map(Hash::try_from);
    let edge = edge.collect::<Result<_, _>>().map_err(damaged)?;
    let (root, note): (&[u8], &str) = (row.try_get(2)?, row.try_get(3)?);
    let tree = Tree::of(size, edge).filter(|tree| tree.root() == root);
    let tree = tree.ok_or_else(|| damaged("the tree's edge does not lead to its root"))?;
    if note.is_empty() && size == 0 {
        return Ok(tree);
    }
    let (checkpoint, _) = Checkpoint::open_by(note.as_bytes(), keys)
        .map_err(|e| damaged(format!("checkpoint: {e}")))?;
    if (checkpoint.size(), checkpoint.root()) == (size, &tree.root()) {
        return Ok(tree);
    }
    Err(damaged("the log does not lead to its own checkpoint").into())
}

/// The log that leaves and nodes are, as far as the edge of the tree's row tells, which one
/// of these keys signed.
pub(super) async fn load(db: &impl GenericClient, keys: &[VerifierKey]) -> Result<Tree, Fault> {
    let sql = "
        SELECT size, edge, root, note, (SELECT coalesce(max(idx) + 1, 0) FROM leaves)
        FROM tree WHERE one = 1";
    let row = first(db, sql, &[]).await?.ok_or_else(|| damaged("the tree's row is gone"))?;
    let leaves = u64::try_from(row.try_get::<_, i64>(4)?).map_err(damaged)?;
    let tree = signed(&row, keys)?;
    if at(db, leaves).await? == tree {
        return Ok(tree);
    }
    Err(damaged("the log does not lead to its own checkpoint").into())
}

/// Whether a log that was seen once is still the beginning of this one.
pub(super) async fn holds(db: &impl GenericClient, (size, root): Log) -> Result<bool, Fault> {
    Ok(at(db, size).await?.root() == root)
}

/// The log as it was at this size.
pub(super) async fn at(db: &impl GenericClient, size: u64) -> Result<Tree, Fault> {
    let walk = |nodes: &Nodes| Tree::load(size, nodes);
    let asked = Nodes::default();
    walk(&asked)?;
    Ok(walk(&asked.read(db).await?)?)
}

pub(super) async fn insert_leaves(
    db: &Transaction<'_>,
    from: u64,
    leaves: &[&LeafRow],
) -> Result<(), Fault> {
    // A larger one could never be published, nor anything after it.
    if leaves.iter().any(|leaf| leaf.bytes.len() > MAX_ENTRY_BYTES) {
        return Err(damaged("a receipt is too large for the log").into());
    }
    let column = |of: fn(&LeafRow) -> &str| leaves.iter().map(|leaf| plain(of(leaf))).collect();
    let ids: Vec<_> = column(|leaf| &leaf.receipt_id);
    let tenants: Vec<_> = column(|leaf| &leaf.whose.tenant);
    let issuers: Vec<_> = column(|leaf| &leaf.whose.issuer);
    let subjects: Vec<_> = column(|leaf| &leaf.whose.subject);
    let tools: Vec<_> = column(|leaf| &leaf.tool);
    let refs: Vec<_> = column(|leaf| &leaf.external_ref);
    let persons: Vec<_> = column(|leaf| &leaf.person);
    let bodies: Vec<_> = leaves.iter().map(|leaf| leaf.bytes.as_slice()).collect();
    let (index, from) = (from, i64::try_from(from).map_err(damaged)?);
    let with: With<'_> =
        &[&from, &ids, &tenants, &issuers, &subjects, &tools, &refs, &bodies, &persons];
    tokio::try_join!(
        biased;
        run(db, LEAVES, with),
        insert_openings(db, leaves),
        super::register::insert_leaves(db, index, leaves),
    )
    .map(drop)
}

async fn insert_openings(db: &Transaction<'_>, leaves: &[&LeafRow]) -> Result<u64, Fault> {
    let opened = leaves.iter().filter_map(|leaf| Some((*leaf, leaf.openings.as_deref()?)));
    let (leaves, bodies): (Vec<_>, Vec<_>) = opened.unzip();
    let ids: Vec<_> = leaves.iter().map(|leaf| leaf.receipt_id.as_str()).collect();
    let persons: Vec<_> = leaves.iter().map(|leaf| leaf.person.as_str()).collect();
    run(db, OPENINGS, &[&ids, &persons, &bodies]).await
}

pub(super) async fn insert_nodes(db: &Transaction<'_>, nodes: &[Node]) -> Result<(), Fault> {
    let levels: Vec<_> = nodes.iter().map(|node| i16::from(node.level)).collect();
    let indices = nodes.iter().map(|node| i64::try_from(node.index).map_err(damaged));
    let indices = indices.collect::<Result<Vec<_>, _>>()?;
    let hashes: Vec<_> = nodes.iter().map(|node| node.hash.as_slice()).collect();
    run(db, NODES, &[&levels, &indices, &hashes]).await.map(drop)
}

/// Compare and set: who seals knows what it seals upon.
pub(super) async fn advance(
    db: &Transaction<'_>,
    (size, root): &(u64, Hash),
    tree: &Tree,
    note: &str,
) -> Result<(), Fault> {
    let number = |n: u64| i64::try_from(n).map_err(damaged);
    let edge = tree.edge().concat();
    let (new, old) = (tree.root(), root.as_slice());
    let with: With<'_> =
        &[&number(tree.size())?, &edge, &new.as_slice(), &note, &number(*size)?, &old];
    match run(db, ADVANCE, with).await? {
        1 => Ok(()),
        _ => Err(Fault::Faster),
    }
}

pub(super) async fn checkpoint(db: &impl GenericClient) -> Result<String, Fault> {
    let row = first(db, "SELECT note FROM tree WHERE one = 1", &[]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?.unwrap_or_default())
}

pub(super) async fn inclusion(
    db: &impl GenericClient,
    index: u64,
    size: u64,
) -> Result<Vec<Hash>, Fault> {
    path(db, |nodes| inclusion_path(index, size, nodes)).await
}

pub(super) async fn consistency(
    db: &impl GenericClient,
    from: u64,
    to: u64,
) -> Result<Vec<Hash>, Fault> {
    path(db, |nodes| consistency_path(from, to, nodes)).await
}

/// Walks twice: first to see which nodes it takes, then with all of them, read at once.
async fn path(
    db: &impl GenericClient,
    walk: impl Fn(&Nodes) -> Result<Vec<Hash>, PathError<StoreError>>,
) -> Result<Vec<Hash>, Fault> {
    let out_of_range = |error| match error {
        PathError::OutOfRange { .. } => StoreError::OutOfRange,
        PathError::Read(error) => error,
    };
    let asked = Nodes::default();
    walk(&asked).map_err(out_of_range)?;
    Ok(walk(&asked.read(db).await?).map_err(out_of_range)?)
}

/// Nodes of the tree; before they are read, a note of which are asked for.
#[derive(Default)]
struct Nodes {
    asked: RefCell<Vec<(u8, u64)>>,
    read: Option<HashMap<(u8, u64), Hash>>,
}

impl Nodes {
    async fn read(self, db: &impl GenericClient) -> Result<Self, Fault> {
        const SELECT: &str = "
            SELECT nodes.level, nodes.idx, hash FROM nodes
            JOIN unnest($1::smallint[], $2::bigint[]) AS asked (level, idx)
            ON nodes.level = asked.level AND nodes.idx = asked.idx";
        let (levels, indices): (Vec<_>, Vec<_>) = self.asked.into_inner().into_iter().unzip();
        let levels: Vec<_> = levels.into_iter().map(i16::from).collect();
        let indices = indices.into_iter().map(|n: u64| i64::try_from(n).map_err(damaged));
        let indices = indices.collect::<Result<Vec<_>, _>>()?;
        let mut read = HashMap::new();
        for row in all(db, SELECT, &[&levels, &indices]).await? {
            let level = u8::try_from(row.try_get::<_, i16>(0)?).map_err(damaged)?;
            let index = u64::try_from(row.try_get::<_, i64>(1)?).map_err(damaged)?;
            let hash = row.try_get::<_, &[u8]>(2)?.try_into().map_err(damaged)?;
            read.insert((level, index), hash);
        }
        Ok(Self { asked: RefCell::default(), read: Some(read) })
    }
}

impl HashReader for Nodes {
    type Error = StoreError;

    fn hash(&self, level: u8, index: u64) -> Result<Hash, StoreError> {
        let Some(read) = &self.read else {
            self.asked.borrow_mut().push((level, index));
            return Ok(Hash::default());
        };
        let hash = read.get(&(level, index)).copied();
        hash.ok_or_else(|| damaged(format!("tree node {level}/{index} is missing")))
    }
}

pub(super) async fn receipts(
    db: &impl GenericClient,
    query: &ReceiptQuery,
) -> Result<Vec<ReceiptRow>, Fault> {
    let mut sql = "SELECT l.receipt_id, l.idx, l.body, o.body
                   FROM leaves AS l LEFT JOIN openings AS o ON o.receipt_id = l.receipt_id
                   WHERE TRUE"
        .to_owned();
    let mut values: Vec<Box<dyn ToSql + Sync + Send>> = Vec::new();
    let mut narrow = |column: &str, value: Box<dyn ToSql + Sync + Send>| {
        values.push(value);
        sql.push_str(&format!(" AND l.{column} ${}", values.len()));
    };
    let text = |text: &str| Box::new(plain(text).into_owned());
    if let Some(id) = &query.id {
        narrow("receipt_id =", text(id.as_str()));
    }
    if let Some((tenant, issuer, subject)) =
        query.owner.as_ref().filter(|_| Gate::ReceiptPerson.is_on())
    {
        narrow("tenant =", text(tenant));
        narrow("issuer =", text(issuer));
        narrow("subject =", text(subject));
    }
    for (column, value) in [
        ("tenant =", &query.tenant),
        ("external_ref =", &query.external_ref),
        ("tool =", &query.tool),
    ] {
        if let Some(value) = value {
            narrow(column, text(value));
        }
    }
    for (bound, at) in [("receipt_id >=", query.from), ("receipt_id <", query.to)] {
        if let Some(at) = at {
            narrow(bound, text(ReceiptId::from_uuid(first_id(at)).as_str()));
        }
    }
    if let Some(before) = query.before {
        narrow("idx <", Box::new(i64::try_from(before).map_err(damaged)?));
    }
    sql.push_str(&format!(" ORDER BY l.idx DESC LIMIT {}", query.limit));
    let with: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| &**value as _).collect();
    let rows = all(db, &sql, &with).await?;
    rows.iter().map(receipt).collect()
}

pub(super) async fn leaves(
    db: &impl GenericClient,
    range: &Range<u64>,
) -> Result<Vec<Vec<u8>>, Fault> {
    let start = i64::try_from(range.start).map_err(damaged)?;
    let end = i64::try_from(range.end).map_err(damaged)?;
    let sql = "SELECT body FROM leaves WHERE idx >= $1 AND idx < $2 ORDER BY idx";
    let rows = all(db, sql, &[&start, &end]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

pub(super) fn receipt(row: &Row) -> Result<ReceiptRow, Fault> {
    Ok(ReceiptRow {
        id: row.try_get(0)?,
        index: u64::try_from(row.try_get::<_, i64>(1)?).map_err(damaged)?,
        body: row.try_get(2)?,
        openings: row.try_get(3)?,
    })
}

/// Feeds the published log folder, from a thread that may wait.
pub(super) struct LogSource {
    pub(super) db: Database,
    pub(super) runtime: Handle,
}

impl Source for LogSource {
    type Error = StoreError;

    fn checkpoint(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let note = self.runtime.block_on(async { checkpoint(&self.db.client().await?).await })?;
        Ok(Some(note.into_bytes()).filter(|note| !note.is_empty()))
    }

    fn leaves(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, StoreError> {
        let rows = self.runtime.block_on(async { leaves(&self.db.client().await?, &range).await });
        Ok(rows?)
    }
}
