//! A database of its own on a PostgreSQL of this machine, gone at the end.

use std::env;

use anyhow::{Context, ensure};
use serde_json::json;
use tokio_postgres::config::Host;
use tokio_postgres::{Config, NoTls};

/// Name of the password among the executor's credentials.
pub(super) const PASSWORD: &str = "postgres_password";
/// Where the password is read from.
const VARIABLE: &str = "PGPASSWORD";

/// A database on a server.
#[derive(Debug, Clone)]
pub(super) struct Database {
    server: Config,
    host: String,
    user: String,
    name: String,
}

impl Database {
    /// Reads `host=… user=…`; the rest is as libpq has it.
    pub(super) fn at(settings: &str) -> anyhow::Result<Self> {
        let server = settings.parse::<Config>();
        let mut server = server
            .context("--postgres is not of the form \"host=/run/postgresql user=postgres\"")?;
        ensure!(
            server.get_password().is_none(),
            "everybody on this machine sees a command line: give the password in {VARIABLE}"
        );
        if let Ok(password) = env::var(VARIABLE) {
            server.password(password);
        }
        if server.get_dbname().is_none() {
            server.dbname("postgres");
        }
        let host = host(&server).context(
            "--postgres names no server of this machine: give the folder of its socket, or a \
             loopback address",
        )?;
        let user = server.get_user().context("--postgres names no user")?.to_owned();
        let name = format!("countersign_bench_{}", uuid::Uuid::now_v7().simple());
        Ok(Self { server, host, user, name })
    }

    pub(super) async fn create(&self) -> anyhow::Result<()> {
        self.run(&format!("CREATE DATABASE {}", self.name)).await
    }

    /// Whatever is still connected to it.
    pub(super) async fn remove(&self) -> anyhow::Result<()> {
        let name = &self.name;
        let removed = self.run(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        removed.with_context(|| format!("the database {name} is left behind: drop it"))
    }

    /// The password, where there is one.
    pub(super) fn password(&self) -> Option<&str> {
        std::str::from_utf8(self.server.get_password()?).ok()
    }

    /// What `executor.yaml` says of it.
    pub(super) fn config(&self) -> String {
        let port = self.server.get_ports().first().copied().unwrap_or(5432);
        let mut settings = json!({
            "host": self.host, "port": port, "database": self.name, "user": self.user,
            "tls": "off",
        });
        if let (Some(_), Some(settings)) = (self.password(), settings.as_object_mut()) {
            settings.insert("password".to_owned(), PASSWORD.into());
        }
        format!("store: {}\n", json!({ "postgres": settings }))
    }

    async fn run(&self, sql: &str) -> anyhow::Result<()> {
        let whole = async {
            let (client, connection) = self.server.connect(NoTls).await?;
            // Ends with the client.
            let carried = tokio::spawn(connection);
            let done = client.batch_execute(sql).await;
            drop(client);
            let _ended = carried.await;
            done
        };
        whole.await.with_context(|| format!("PostgreSQL at {}: {sql}", self.host))
    }
}

/// The server's one host, where it is on this machine: nothing here speaks TLS.
fn host(server: &Config) -> Option<String> {
    match server.get_hosts() {
        [Host::Unix(folder)] => folder.to_str().map(str::to_owned),
        [Host::Tcp(name)] => {
            let loopback = name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
            (loopback || name == "localhost").then(|| name.clone())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn settings_become_the_executors_configuration() {
        let database = Database::at("host=/run/postgresql port=5433 user=me").unwrap();
        let config = database.config();
        let expected = format!(
            "store: {{\"postgres\":{{\"host\":\"/run/postgresql\",\"port\":5433,\"database\":\"{}\",\"user\":\"me\",\"tls\":\"off\"",
            database.name
        );
        assert!(config.starts_with(&expected), "{config}");
    }

    #[test]
    fn what_would_show_a_password_or_cross_a_network_is_refused() {
        for (settings, why) in [
            ("host=10.0.0.1 user=me", "no server of this machine"),
            ("host=/run/postgresql", "no user"),
            ("host=/run/postgresql user=me password=x", "PGPASSWORD"),
            ("nonsense", "not of the form"),
        ] {
            let error = Database::at(settings).unwrap_err();
            assert!(format!("{error:#}").contains(why), "{settings}: {error:#}");
        }
    }
}
