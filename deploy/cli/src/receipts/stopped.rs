//! Receipts from the store of an executor that is stopped, opened as its own keys open them.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, ensure};
use countersign_executor::config::Config;
use countersign_executor::log::LogKeys;
use countersign_executor::ports::Files;
use countersign_executor::run::alone;
use countersign_executor::store::sqlite::Offline;
use countersign_shared::ids::ReceiptId;

use super::{Filter, Logged};

/// What the store holds.
#[derive(Debug)]
pub(crate) struct Stopped {
    /// Newest first.
    receipts: Vec<Logged>,
    bundles: BTreeMap<String, Files>,
}

impl Stopped {
    /// Reads the store of the executor that is configured here. Nobody else may use it, so it
    /// fails while one runs.
    pub(crate) async fn read(config: &Path) -> anyhow::Result<Self> {
        let config = Config::load(config)?;
        let file = config.state.join("executor.db");
        ensure!(config.store.is_none() && file.is_file(), "there is no store in a file");
        let _alone = alone(&config.state)?;
        let store = Offline::open(&file, config.keys.as_deref(), &LogKeys::open(&config.log)?)?;
        let mut receipts = Vec::new();
        for sealed in store.receipts().await? {
            let receipt = sealed.open()?;
            receipts.push(Logged { index: sealed.index, body: sealed.body, receipt });
        }
        Ok(Self { receipts, bundles: store.bundles()? })
    }

    /// Receipts that match, newest first.
    pub(crate) fn list(&self, filter: &Filter, limit: u32) -> Vec<Logged> {
        let fits = self.receipts.iter().filter(|logged| filter.matches(&logged.receipt));
        fits.take(limit as usize).cloned().collect()
    }

    /// One receipt.
    pub(crate) fn get(&self, id: &ReceiptId) -> anyhow::Result<Logged> {
        let found = self.receipts.iter().find(|logged| logged.receipt.receipt_id == id.as_str());
        found.cloned().with_context(|| format!("the store holds no receipt {id}"))
    }

    /// Every policy and pack that it keeps, by digest.
    pub(crate) fn bundles(&self) -> BTreeMap<String, Files> {
        self.bundles.clone()
    }
}
