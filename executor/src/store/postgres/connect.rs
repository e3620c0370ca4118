//! The way to the server, with a password from the vault.

use std::sync::Arc;

use countersign_shared::postgres::{Connector, Password};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use secrecy::SecretString;

use super::{PostgresConfig, Tls};
use crate::connector;
use crate::ports::StoreError;
use crate::vault::Vault;

/// What the vault asks to see before it opens the database's password: made nowhere but
/// here.
pub(crate) struct Login(());

/// A password of the vault, by its id.
struct Kept(Vault, String);

impl Password for Kept {
    fn read(&self) -> BoxFuture<'_, Result<SecretString, String>> {
        let Self(vault, id) = self;
        async move { vault.login(id, Login(())).await.map_err(|error| error.to_string()) }.boxed()
    }
}

/// Makes connections. `name` tells the server's operators whose one is.
pub(super) fn connector(
    config: &PostgresConfig,
    vault: &Vault,
    name: &str,
) -> Result<Connector, StoreError> {
    config.private().map_err(StoreError::Unavailable)?;
    let tls = match &config.tls {
        Tls::On(verified) => {
            let ca = verified.ca.as_deref().map(connector::tls::Ca::In);
            Some(connector::tls::client(ca).map_err(StoreError::Unavailable)?)
        }
        Tls::Off => None,
    };
    let password = config.password.clone().map(|id| Kept(vault.clone(), id));
    if let Some(Kept(vault, id)) = &password {
        vault.check(id).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    }
    let password = password.map(|kept| Arc::new(kept) as Arc<dyn Password>);
    Ok(Connector::new(config, name, tls, password)?)
}
