//! Opens the store that the configuration names.

use std::path::PathBuf;
use std::sync::Arc;

use countersign_core::contract::Catalog;
use countersign_shared::tlog::key::LogKey;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::sqlite::{self, Sqlite};
use super::{Activated, LogSource, Past};
use crate::config::Config;
use crate::log::LogKeys;
use crate::ports::Store;
use crate::standing::Standing;
use crate::vault::Vault;

/// Where the executor remembers; absent for a file in the state folder.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// A PostgreSQL that several executors share.
    #[cfg(feature = "postgres")]
    pub postgres: super::postgres::PostgresConfig,
}

impl StoreConfig {
    /// Files that are named relative to the configuration.
    pub fn files(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        #[cfg(feature = "postgres")]
        let files = self.postgres.files();
        #[cfg(not(feature = "postgres"))]
        let files = std::iter::empty();
        files
    }
}

/// A store that is open.
pub struct Opened {
    /// The store itself.
    pub store: Arc<dyn Store>,
    /// What feeds the published log folder.
    pub source: LogSource,
    /// Cancelled once another executor took over from this one, which has to stop then.
    pub fenced: CancellationToken,
}

/// Opens the store. The caller holds the state folder's lock.
///
/// # Errors
/// When it cannot be used, with what to do about it.
#[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "one store is left"))]
pub async fn open(
    config: &Config,
    catalog: &Catalog,
    vault: &Vault,
    log: Arc<LogKey>,
) -> anyhow::Result<Opened> {
    match &config.store {
        None => {
            let store = Sqlite::open(&file(config), config.keys.as_deref(), log)?;
            let source = Box::new(store.log_source());
            Ok(Opened { store: Arc::new(store), source, fenced: CancellationToken::new() })
        }
        #[cfg(feature = "postgres")]
        Some(StoreConfig { postgres }) => shared::open(postgres, config, catalog, vault, log).await,
        #[cfg(not(feature = "postgres"))]
        Some(StoreConfig {}) => anyhow::bail!("this executor is built without feature `postgres`"),
    }
}

/// What is activated, without opening the store for writing.
///
/// # Errors
/// When it cannot be read.
pub async fn activated(config: &Config) -> anyhow::Result<Activated> {
    match &config.store {
        None => Ok(sqlite::activated(&file(config))?),
        #[cfg(feature = "postgres")]
        Some(StoreConfig { postgres }) => {
            let vault = Vault::open(&config.credentials)?;
            Ok(super::postgres::activated(postgres, &vault).await?)
        }
        #[cfg(not(feature = "postgres"))]
        Some(StoreConfig {}) => anyhow::bail!("this executor is built without feature `postgres`"),
    }
}

/// How the store stands towards its own history, without opening it for writing.
///
/// # Errors
/// When it cannot be read.
pub async fn standing(config: &Config) -> anyhow::Result<Standing> {
    match &config.store {
        None => Ok(sqlite::standing(&file(config))?),
        #[cfg(feature = "postgres")]
        Some(StoreConfig { postgres }) => {
            let vault = Vault::open(&config.credentials)?;
            Ok(super::postgres::standing(postgres, &vault).await?)
        }
        #[cfg(not(feature = "postgres"))]
        Some(StoreConfig {}) => anyhow::bail!("this executor is built without feature `postgres`"),
    }
}

/// The store of executors that are stopped, to be recovered. The caller holds the state folder's
/// lock.
///
/// # Errors
/// When it cannot be used, or an executor uses it.
pub fn past(config: &Config, keys: &LogKeys) -> anyhow::Result<Box<dyn Past>> {
    match &config.store {
        None => Ok(Box::new(sqlite::Offline::open(&file(config), config.keys.as_deref(), keys)?)),
        #[cfg(feature = "postgres")]
        Some(StoreConfig { postgres }) => shared::past(postgres, config, keys),
        #[cfg(not(feature = "postgres"))]
        Some(StoreConfig {}) => anyhow::bail!("this executor is built without feature `postgres`"),
    }
}

/// Where the store is, in words.
#[must_use]
pub fn place(config: &Config) -> String {
    match &config.store {
        None => file(config).display().to_string(),
        #[cfg(feature = "postgres")]
        Some(StoreConfig { postgres }) => {
            format!("database {} at {}:{}", postgres.database, postgres.host, postgres.port)
        }
        #[cfg(not(feature = "postgres"))]
        Some(StoreConfig {}) => "a database".to_owned(),
    }
}

/// Whether its settings can be used, as far as that can be told without opening it.
///
/// # Errors
/// What is wrong, with what to do about it.
#[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "one store is left"))]
pub fn check(config: &Config, catalog: &Catalog, vault: &Vault) -> anyhow::Result<()> {
    match &config.store {
        None => Ok(()),
        #[cfg(feature = "postgres")]
        Some(StoreConfig { postgres }) => shared::check(postgres, catalog, vault),
        #[cfg(not(feature = "postgres"))]
        Some(StoreConfig {}) => anyhow::bail!("this executor is built without feature `postgres`"),
    }
}

fn file(config: &Config) -> PathBuf {
    config.state.join("executor.db")
}

#[cfg(feature = "postgres")]
mod shared {
    use std::fs;
    use std::io::ErrorKind::NotFound;
    use std::path::Path;
    use std::time::Duration;

    use anyhow::{Context as _, ensure};

    use super::*;
    use crate::store::postgres::{Offline, Postgres, PostgresConfig};

    pub(super) async fn open(
        postgres: &PostgresConfig,
        config: &Config,
        catalog: &Catalog,
        vault: &Vault,
        log: Arc<LogKey>,
    ) -> anyhow::Result<Opened> {
        check(postgres, catalog, vault)?;
        let name = name(&config.state.join("executor.id"))?;
        let store = Postgres::open(postgres, vault, &name, &kek(config), log).await?;
        let (source, fenced) = (Box::new(store.log_source()), store.fenced());
        Ok(Opened { store: Arc::new(store), source, fenced })
    }

    pub(super) fn past(
        postgres: &PostgresConfig,
        config: &Config,
        keys: &LogKeys,
    ) -> anyhow::Result<Box<dyn Past>> {
        let (vault, name) =
            (Vault::open(&config.credentials)?, name(&config.state.join("executor.id"))?);
        Ok(Box::new(Offline::open(postgres, &vault, &name, &kek(config), keys)?))
    }

    fn kek(config: &Config) -> PathBuf {
        config.keys.clone().unwrap_or_else(|| config.state.join("keys.kek"))
    }

    pub(super) fn check(
        postgres: &PostgresConfig,
        catalog: &Catalog,
        vault: &Vault,
    ) -> anyhow::Result<()> {
        Postgres::check(postgres, vault)?;
        requests_end_in_time(catalog, postgres.lease().map_err(anyhow::Error::msg)?)
    }

    /// Who takes an action over waits for half a lease: until then every request has ended.
    fn requests_end_in_time(catalog: &Catalog, lease: Duration) -> anyhow::Result<()> {
        for pack in catalog.packs.values() {
            ensure!(
                pack.timeout <= lease / 2,
                "pack {}: its timeout of {:?} is more than half of store.postgres.lease ({lease:?}): \
                 make the lease at least {:?}",
                pack.name,
                pack.timeout,
                pack.timeout * 2
            );
        }
        Ok(())
    }

    /// The state folder's own name among executors, made once.
    pub(super) fn name(path: &Path) -> anyhow::Result<String> {
        match fs::read_to_string(path) {
            Ok(name) if !name.is_empty() => return Ok(name),
            Ok(_) => {}
            Err(error) if error.kind() == NotFound => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        }
        let name = uuid::Uuid::now_v7().to_string();
        fs::write(path, &name).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(name)
    }
}
