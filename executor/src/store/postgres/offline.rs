//! The database while no executor uses it: a recovery, in one transaction.

use std::collections::BTreeMap;
use std::path::Path;

use countersign_shared::ids::ReceiptId;
use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::key::{LogKey, Signer as _};
use countersign_shared::tlog::merkle::{Hash, Node, Tree, leaf_hash};
use deadpool_postgres::{GenericClient, Transaction};
use jiff::Timestamp;
use tokio::runtime::Runtime;

use super::PostgresConfig;
use super::connect::connector;
use super::database::{Database, first, run};
use super::fault::Fault;
use super::instance::Instance;
use super::{
    controls, erase, escalations, history, keys, lost, migrate, register, restored, standing,
};
use crate::log::LogKeys;
use crate::ports::StoreError;
use crate::standing::Standing;
use crate::store::known::damaged;
use crate::store::veiled::LeafRow;
use crate::store::{Past, Restoration, Restored, veiled};
use crate::vault::Vault;
use crate::veil::Veil;

/// Connections: one has the transaction, others read keys of persons meanwhile.
const CONNECTIONS: usize = 3;
/// Who has not left, and whose lease has not run out.
const LIVING: &str = "SELECT count(*) FROM executors WHERE expires_at > clock_timestamp()";

/// A database that no executor uses.
pub struct Offline {
    // Ends after what runs on it.
    inner: Inner,
    runtime: Runtime,
}

struct Inner {
    db: Database,
    veil: Veil,
    instance: Instance,
    standing: Standing,
    tree: Tree,
}

impl Offline {
    /// Joins as the only one. `name` is that of the state folder, whose lock this process holds;
    /// `kek` the file of the key-encryption key.
    ///
    /// # Errors
    /// When the server cannot be used, an executor is on it, or its log is not the key's.
    pub fn open(
        config: &PostgresConfig,
        vault: &Vault,
        name: &str,
        kek: &Path,
        keys: &LogKeys,
    ) -> Result<Self, StoreError> {
        let failed = |e: std::io::Error| StoreError::Unavailable(e.to_string());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(failed)?;
        let inner = runtime.block_on(Inner::open(config, vault, name, kek, keys))?;
        Ok(Self { inner, runtime })
    }
}

impl Past for Offline {
    fn standing(&self) -> &Standing {
        &self.inner.standing
    }

    fn tree(&self) -> &Tree {
        &self.inner.tree
    }

    fn root_at(&self, size: u64) -> Result<Hash, StoreError> {
        let db = &self.inner.db;
        let root = async { Ok(history::at(&db.client().await?, size).await?.root()) };
        self.runtime.block_on(root).map_err(|fault: Fault| fault.into())
    }

    fn has(&self, receipt: &ReceiptId) -> Result<bool, StoreError> {
        let find = "SELECT 1 FROM leaves WHERE receipt_id = $1";
        let found = async {
            let db = self.inner.db.client().await?;
            Ok(first(&db, find, &[&receipt.as_str()]).await?.is_some())
        };
        self.runtime.block_on(found).map_err(|fault: Fault| fault.into())
    }

    fn bundle(&self) -> Result<BTreeMap<String, String>, StoreError> {
        let bundle = async { controls::bundle(&self.inner.db.client().await?).await };
        Ok(self.runtime.block_on(bundle)?)
    }

    fn restore(
        &mut self,
        back: &Restoration,
        standing: &Standing,
        key: &LogKey,
        now: Timestamp,
    ) -> Result<Restored, StoreError> {
        Ok(self.runtime.block_on(self.inner.restore(back, standing, key, now))?)
    }
}

impl Inner {
    async fn open(
        config: &PostgresConfig,
        vault: &Vault,
        name: &str,
        kek: &Path,
        keys: &LogKeys,
    ) -> Result<Self, StoreError> {
        let db = Database::new(connector(config, vault, name)?, CONNECTIONS)?;
        migrate::migrate(&db).await?;
        let client = db.client().await?;
        let row = first(&client, LIVING, &[]).await?.ok_or_else(|| damaged("no answer"))?;
        let living: i64 = row.try_get(0).map_err(Fault::from)?;
        if living > 0 {
            return Err(StoreError::Unavailable(format!(
                "{living} executors are on this database, or were killed less than a lease ago: \
                 stop them, or wait"
            )));
        }
        let standing = standing::read(&client).await?;
        let verifiers =
            keys.verifiers(standing.epoch).map_err(|e| StoreError::Unavailable(e.to_string()))?;
        let tree = history::load(&client, &verifiers).await?;
        drop(client);
        let veil = keys::open_veil(&db, kek).await?;
        register::fill(&db, &veil, 0).await?;
        let lease = config.lease().map_err(StoreError::Unavailable)?;
        let instance = Instance::register(&db, name, lease).await?;
        // What this registers is dead at once: whoever starts here next takes it over.
        instance.leave(&db).await?;
        Ok(Self { db, veil, instance, standing, tree })
    }

    async fn restore(
        &self,
        back: &Restoration,
        standing: &Standing,
        key: &LogKey,
        now: Timestamp,
    ) -> Result<Restored, Fault> {
        let mut client = self.db.client().await?;
        let db = client.transaction().await?;
        for dead in self.instance.dead(&db).await? {
            self.instance.take_over(&db, dead).await?;
        }
        let mut log = Log { db: &db, tree: self.tree.clone(), nodes: vec![] };
        let done = self.change(&mut log, back, now).await?;
        let (tree, nodes) = (log.tree, log.nodes);
        standing::write(&db, standing).await?;
        let checkpoint = Checkpoint::new(key.verifier_key().name(), tree.size(), tree.root())
            .map_err(damaged)?;
        let note = checkpoint.sign(key).map_err(damaged)?.to_string();
        history::insert_nodes(&db, &nodes).await?;
        history::advance(&db, &(self.tree.size(), self.tree.root()), &tree, &note).await?;
        db.commit().await?;
        Ok(done)
    }

    async fn change(
        &self,
        log: &mut Log<'_, '_>,
        back: &Restoration,
        now: Timestamp,
    ) -> Result<Restored, Fault> {
        let (db, veil, mut done) = (log.db, &self.veil, Restored::default());
        if let Some(leaf) = &back.opened {
            log.append(&veiled::leaf(veil, leaf.clone()).await?).await?;
        }
        for leaf in &back.back {
            let row = tokio::task::block_in_place(|| veiled::logged(veil, leaf))?;
            log.append(&row).await?;
            if let Some(outcome) = countersign_core::seal::ends(&leaf.receipt) {
                restored::take(db, veil, self.instance.generation, &leaf.receipt, outcome).await?;
                done.keys += 1;
            }
            restored::person(db, &leaf.receipt).await?;
        }
        back.leads(log.tree.size(), log.tree.root())?;
        let size = i64::try_from(log.tree.size()).map_err(damaged)?;
        // All that its log has by now may have been sent.
        let sql = "UPDATE sinks SET upto = greatest(upto, $1), attempt = greatest(attempt, 1)";
        run(db, sql, &[&size]).await?;
        if back.ends {
            let begun = lost::unsealed(db).await?;
            let (lost, leaves) = lost::find(db, veil, &begun, now).await?;
            for ended in &lost {
                ended.write(db).await?;
            }
            lost::clear(db, veil).await?;
            for leaf in &leaves {
                log.append(leaf).await?;
            }
            let gone = lost.iter().filter(|ended| ended.is_gone()).count();
            let stale = restored::stale(db, veil, now).await?;
            for (append, leaf) in &stale {
                append.write(db, self.instance.generation).await?;
                log.append(leaf).await?;
            }
            done.ended = gone.saturating_add(stale.len());
        }
        if let Some(leaf) = &back.closed {
            log.append(&veiled::leaf(veil, leaf.clone()).await?).await?;
        }
        done.frozen = frozen(db).await?;
        Ok(done)
    }
}

/// The log as it grows.
struct Log<'a, 'b> {
    db: &'a Transaction<'b>,
    tree: Tree,
    nodes: Vec<Node>,
}

impl Log<'_, '_> {
    async fn append(&mut self, leaf: &LeafRow) -> Result<(), Fault> {
        if let Some(key) = &leaf.key {
            erase::stands(self.db, key).await?;
        }
        escalations::follow(self.db, leaf).await?;
        history::insert_leaves(self.db, self.tree.size(), &[leaf]).await?;
        self.nodes.extend(self.tree.append(leaf_hash(&leaf.bytes)));
        Ok(())
    }
}

/// Actions in doubt.
async fn frozen(db: &impl GenericClient) -> Result<usize, Fault> {
    let sql = "SELECT count(*) FROM actions WHERE outcome = 'unknown'";
    let row = first(db, sql, &[]).await?.ok_or_else(|| damaged("no answer"))?;
    Ok(usize::try_from(row.try_get::<_, i64>(0)?).map_err(damaged)?)
}
