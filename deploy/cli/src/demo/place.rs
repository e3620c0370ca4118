//! `demo.json`: where the parts of a demo are, for this command's other verbs and for tests.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::folder::write_public;
use super::shop::Shop;

const FILE: &str = "demo.json";

/// Where everything is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Always true: nothing of it is real.
    pub(crate) sandbox: bool,
    /// The state folder.
    pub(crate) state: PathBuf,
    /// The log folder.
    pub(crate) log: PathBuf,
    /// The log's public key.
    pub(crate) log_key: String,
    /// Folder of the auditor's certificate.
    pub(crate) auditor: PathBuf,
    /// Folder of the frontend's certificate and signing keys.
    pub(crate) frontend: PathBuf,
    /// How processes are kept apart, for a person.
    pub(crate) users: String,
    /// Which model the planner uses.
    pub(crate) model: String,
    /// The sandbox shop.
    pub(crate) shop: ShopPlace,
    /// The executor.
    pub(crate) executor: Service,
    /// The planner.
    pub(crate) planner: Service,
}

/// Where the sandbox shop is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ShopPlace {
    /// Its address, without a slash at the end.
    pub(crate) url: String,
    /// Its process.
    pub(crate) pid: u32,
}

/// Where a service is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Service {
    /// gRPC, `host:port`.
    pub(crate) address: String,
    /// Status pages, `host:port`.
    pub(crate) admin: String,
    /// Its identity.
    pub(crate) id: String,
    /// Its process.
    pub(crate) pid: u32,
}

impl Place {
    /// Reads the one of the demo in `state`.
    pub(crate) fn read(state: &Path) -> anyhow::Result<Self> {
        let path = state.join(FILE);
        let text = fs::read_to_string(&path).with_context(|| {
            format!("cannot read {}: name the --state folder of a demo", path.display())
        })?;
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    /// Writes it into the state folder.
    pub(super) fn write(&self) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        write_public(&self.state.join(FILE), &format!("{text}\n"))
    }

    /// The sandbox shop's control endpoints.
    pub(super) fn shop(&self) -> Shop {
        Shop::at(&self.shop.url)
    }
}
