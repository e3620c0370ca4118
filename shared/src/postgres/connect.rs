//! The way to the server. The password is read anew for each connection, and is in
//! nothing that is shown (NO SECRET LEAVES).

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Connect;
use futures_util::future::BoxFuture;
use rustls::ClientConfig;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, Config, Error, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{PostgresConfig, Unavailable, said};

/// Longest wait for a server that does not answer at all.
const SILENCE: Duration = Duration::from_secs(5);
/// Between two questions whether it is there still, and how many it may leave unanswered. The
/// system's own would find a lost host after minutes.
const AGAIN: Duration = Duration::from_secs(2);
const QUESTIONS: u32 = 2;

/// Where the password is.
pub trait Password: Send + Sync {
    /// Reads it as it is now; an error says why not, and never what.
    fn read(&self) -> BoxFuture<'_, Result<SecretString, String>>;
}

/// Makes connections.
#[derive(Clone)]
pub struct Connector {
    settings: Config,
    password: Option<Arc<dyn Password>>,
    tls: Option<MakeRustlsConnect>,
}

impl Connector {
    /// `name` tells the server's operators whose a connection is; `tls` is used where the
    /// configuration does not turn it off.
    ///
    /// # Errors
    /// When it would cross a network in clear text.
    pub fn new(
        config: &PostgresConfig,
        name: &str,
        tls: Option<ClientConfig>,
        password: Option<Arc<dyn Password>>,
    ) -> Result<Self, Unavailable> {
        config.private().map_err(Unavailable::because)?;
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
            .keepalives_interval(AGAIN)
            .keepalives_retries(QUESTIONS)
            .ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        Ok(Self { settings, password, tls: tls.map(MakeRustlsConnect::new) })
    }

    pub(super) fn settings(&self) -> &Config {
        &self.settings
    }

    async fn open(&self) -> Result<(Client, JoinHandle<()>), Error> {
        let mut settings = self.settings.clone();
        if let Some(password) = &self.password {
            match password.read().await {
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
            tracing::warn!(error = %said(&error), "a connection ended");
        }
    });
    Ok((client, carried))
}

impl Connect for Connector {
    fn connect(&self, _: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), Error>> {
        Box::pin(self.open())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_host_that_is_lost_is_given_up_within_ten_seconds() {
        let config = "{ host: /run/postgresql, database: d, user: u, tls: off }";
        let config = serde_saphyr::from_str(config).unwrap();
        let settings = Connector::new(&config, "a", None, None).unwrap().settings;
        let asked = settings.get_keepalives_interval().unwrap();
        let idle =
            settings.get_keepalives_idle() + asked * settings.get_keepalives_retries().unwrap();
        assert!(settings.get_keepalives() && idle < Duration::from_secs(10));
        assert!(*settings.get_tcp_user_timeout().unwrap() < Duration::from_secs(10));
    }
}
