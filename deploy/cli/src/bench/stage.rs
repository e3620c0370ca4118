//! Starts what is measured, and tells in the end what became of it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::callers::Crowd;
use super::disk::Disk;
use super::place::Place;
use super::postgres::Database;
use super::process::{Process, Running, Start, ready_file, resident};
use super::proof::{Receipts, prove};
use super::report::{Store, Stored};
use super::till::Till;
use super::{fill, forwarder};
use crate::binaries::Binaries;

/// An executor that is measured.
pub(super) struct Executor {
    pub(super) store: Store,
    pub(super) crowd: Crowd,
    process: Process,
}

/// Where processes are started.
pub(super) struct Stage<'a> {
    pub(super) place: &'a Place,
    pub(super) binaries: &'a Binaries,
    pub(super) running: &'a mut Running,
    pub(super) disk: &'a Disk,
}

impl Stage<'_> {
    pub(super) async fn forwarder(&mut self) -> anyhow::Result<Crowd> {
        let own = self.binaries.own.clone();
        let arguments = vec!["bench-forwarder".into(), self.place.dir().into()];
        let process = self.start(forwarder::NAME, &own, arguments).await?;
        self.crowd(&process).await
    }

    /// The executor on an empty SQLite.
    pub(super) async fn sqlite(&mut self) -> anyhow::Result<Executor> {
        let store = Store { store: "sqlite", receipts_before: 0 };
        let config = self.place.executor(&side(&store), None)?;
        self.executor(store, config).await
    }

    /// The executor on an SQLite that was filled with receipts like those of another.
    pub(super) async fn filled(
        &mut self,
        count: u64,
        other: &Executor,
    ) -> anyhow::Result<Executor> {
        let like = Receipts::of(self.place, &other.process.address)?.newest().await?;
        let store = Store { store: "sqlite", receipts_before: count };
        fill::fill(self.place, &side(&store), like, count).await?;
        let config = self.place.executor(&side(&store), None)?;
        self.executor(store, config).await
    }

    /// The executor on an empty PostgreSQL.
    pub(super) async fn postgres(&mut self, database: Database) -> anyhow::Result<Executor> {
        let store = Store { store: "postgres", receipts_before: 0 };
        let database = self.running.create(database).await?;
        let config = self.place.executor(&side(&store), Some(database))?;
        self.executor(store, config).await
    }

    async fn executor(&mut self, store: Store, config: PathBuf) -> anyhow::Result<Executor> {
        let name = side(&store);
        let ready = ready_file(self.place.dir(), &name);
        let arguments = vec!["--config".into(), config.into(), "--ready-file".into(), ready.into()];
        let program = self.binaries.path("executor");
        let process = self.start(&name, &program, arguments).await?;
        let crowd = self.crowd(&process).await?;
        Ok(Executor { store, process, crowd })
    }

    /// Connected, with something done that can be repeated.
    async fn crowd(&self, process: &Process) -> anyhow::Result<Crowd> {
        let crowd = Crowd::new(process, self.place)?;
        crowd.warm_up(self.disk).await?;
        Ok(crowd)
    }

    async fn start(
        &mut self,
        name: &str,
        program: &Path,
        arguments: Vec<OsString>,
    ) -> anyhow::Result<Process> {
        let (dir, own) = (self.place.dir(), self.binaries.own.as_path());
        self.running.start(&Start { name, program, arguments, dir, own }).await
    }
}

impl Executor {
    /// What holds for it as a whole, once every round is over.
    pub(super) async fn stored(&self, till: &Till, place: &Place) -> anyhow::Result<Stored> {
        let Self { store, process, crowd } = self;
        // Before the comparison, which reads every receipt.
        let resident_bytes = resident(process.id);
        let mut receipts = Receipts::of(place, &process.address)?;
        let ledger = till.ledger(&side(store));
        let proof = prove(&ledger, crowd, &mut receipts, store.receipts_before).await;
        Ok(Stored {
            store: store.clone(),
            start_ms: u64::try_from(process.started.as_millis())?,
            resident_bytes,
            proof: proof.with_context(|| store.name())?,
        })
    }
}

/// The name of an executor's state folder, process and side of the till.
fn side(store: &Store) -> String {
    let filled = if store.receipts_before > 0 { "-filled" } else { "" };
    format!("{}{filled}", store.store)
}
