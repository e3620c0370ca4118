//! The way to the server. The password is read anew for each connection, and is in
//! nothing that is shown (NO SECRET LEAVES).

use std::path::Path;
use std::time::Duration;

use deadpool_postgres::Connect;
use futures_util::future::BoxFuture;
use secrecy::ExposeSecret as _;
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, Config, Error, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::config::{PostgresConfig, Tls};
use crate::connector;
use crate::ports::StoreError;
use crate::vault::Vault;

/// Longest wait for a server that does not answer at all.
const SILENCE: Duration = Duration::from_secs(5);

/// What the vault asks to see before it opens the database's password: made nowhere but
/// here.
pub(crate) struct Login(());

/// Makes connections.
#[derive(Clone)]
pub(super) struct Connector {
    settings: Config,
    password: Option<(Vault, String)>,
    tls: Option<MakeRustlsConnect>,
}

impl Connector {
    /// `name` tells the server's operators whose a connection is.
    pub(super) fn new(
        config: &PostgresConfig,
        vault: &Vault,
        name: &str,
    ) -> Result<Self, StoreError> {
        config.private().map_err(StoreError::Unavailable)?;
        let tls = match &config.tls {
            Tls::On(verified) => Some(encrypted(verified.ca.as_deref())?),
            Tls::Off => None,
        };
        let mut settings = Config::new();
        settings
            .host(&config.host)
            .port(config.port)
            .dbname(&config.database)
            .user(&config.user)
            .application_name(format!("countersign {name}"))
            .connect_timeout(SILENCE)
            .tcp_user_timeout(SILENCE)
            .keepalives_idle(SILENCE)
            .ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        let password = config.password.clone().map(|id| (vault.clone(), id));
        if let Some((vault, id)) = &password {
            vault.check(id).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        }
        Ok(Self { settings, password, tls })
    }

    pub(super) fn settings(&self) -> &Config {
        &self.settings
    }

    async fn open(&self) -> Result<(Client, JoinHandle<()>), Error> {
        let mut settings = self.settings.clone();
        if let Some((vault, id)) = &self.password {
            match vault.login(id, Login(())).await {
                Ok(password) => {
                    settings.password(password.expose_secret());
                }
                // The server will ask for it and say that there is none.
                Err(error) => tracing::error!(%error, "the database's password cannot be read"),
            }
        }
        match self.tls.clone() {
            Some(tls) => begin(&settings, tls).await,
            None => begin(&settings, NoTls).await,
        }
    }
}

fn encrypted(ca: Option<&Path>) -> Result<MakeRustlsConnect, StoreError> {
    let config =
        connector::tls::client(ca.map(connector::tls::Ca::In)).map_err(StoreError::Unavailable)?;
    Ok(MakeRustlsConnect::new(config))
}

async fn begin<T>(settings: &Config, tls: T) -> Result<(Client, JoinHandle<()>), Error>
where
    T: MakeTlsConnect<Socket> + Send,
    T::TlsConnect: Send,
    T::Stream: Send + 'static,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    let (client, connection) = settings.connect(tls).await?;
    let carried = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::warn!(error = %super::fault::said(&error), "a connection ended");
        }
    });
    Ok((client, carried))
}

impl Connect for Connector {
    fn connect(&self, _: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), Error>> {
        Box::pin(self.open())
    }
}
