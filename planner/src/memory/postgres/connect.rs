//! The way to the planners' own database. Its password opens conversations and nothing else.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use countersign_shared::postgres::{Connector, Password, PostgresConfig, Tls};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use secrecy::SecretString;

use crate::tls;

/// A file with it, read anew for each connection.
struct File(PathBuf);

impl Password for File {
    fn read(&self) -> BoxFuture<'_, Result<SecretString, String>> {
        async move { read(&self.0).map_err(|error| error.to_string()) }.boxed()
    }
}

fn read(file: &Path) -> anyhow::Result<SecretString> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("store.postgres.password: cannot read {}", file.display()))?;
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}

/// Makes connections.
pub(super) fn connector(config: &PostgresConfig) -> anyhow::Result<Connector> {
    let tls = match &config.tls {
        Tls::On(verified) => Some(tls::client_trusting(verified.ca.as_deref())?),
        Tls::Off => None,
    };
    let password = config.password.as_ref().map(PathBuf::from);
    if let Some(file) = &password {
        read(file)?;
    }
    let password = password.map(|file| Arc::new(File(file)) as Arc<dyn Password>);
    Ok(Connector::new(config, "planner", tls, password)?)
}
