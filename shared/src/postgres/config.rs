//! `store: { postgres: … }` in `executor.yaml` and `planner.yaml`.

use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use serde::Deserialize;

/// Several executors share one database, or several planners another. Each of them has a state
/// folder of its own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresConfig {
    /// Name or address of the primary, or the folder of its Unix socket.
    pub host: String,
    /// Its port.
    #[serde(default = "port")]
    pub port: u16,
    /// The database; it belongs to executors alone, or to planners alone.
    pub database: String,
    /// Role that owns the tables.
    pub user: String,
    /// File with the password: in an executor's credentials folder, or beside a planner's
    /// configuration. Absent where the server asks for none.
    #[serde(default)]
    pub password: Option<String>,
    /// How the connection is protected.
    #[serde(default)]
    pub tls: Tls,
    /// How long whoever does not answer keeps what it has under way: at least 6 s.
    #[serde(default = "lease")]
    pub lease: SignedDuration,
    /// Most connections of one process; an executor has four of its own beside them.
    #[serde(default = "pool")]
    pub pool: usize,
}

/// Protection of the connection.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Written")]
pub enum Tls {
    /// Verified TLS; the system's authorities, and those of `ca`.
    On(Verified),
    /// `off`, for a socket or the loopback address.
    Off,
}

/// YAML takes a bare `off` for a flag.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Flag(bool),
    Word(String),
    Verified(Verified),
}

impl TryFrom<Written> for Tls {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, &'static str> {
        match written {
            Written::Flag(false) => Ok(Self::Off),
            Written::Word(word) if word == "off" => Ok(Self::Off),
            Written::Verified(verified) => Ok(Self::On(verified)),
            Written::Flag(true) | Written::Word(_) => Err("`tls` is `{ ca: FILE }` or `off`"),
        }
    }
}

/// Whom to trust for the server's certificate.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verified {
    /// PEM file with authorities beside the system's.
    #[serde(default)]
    pub ca: Option<PathBuf>,
}

impl Default for Tls {
    fn default() -> Self {
        Self::On(Verified::default())
    }
}

fn port() -> u16 {
    5432
}

fn lease() -> SignedDuration {
    SignedDuration::from_secs(30)
}

fn pool() -> usize {
    16
}

/// Shorter leases would be lost in a slow moment.
const SHORTEST: Duration = Duration::from_secs(6);

impl PostgresConfig {
    /// Files that are named relative to the configuration.
    pub fn files(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        match &mut self.tls {
            Tls::On(verified) => verified.ca.as_mut(),
            Tls::Off => None,
        }
        .into_iter()
    }

    /// How long a lease is held without renewal.
    ///
    /// # Errors
    /// When it is too short to be held.
    pub fn lease(&self) -> Result<Duration, String> {
        let lease = Duration::try_from(self.lease).unwrap_or_default();
        if lease < SHORTEST {
            return Err("store.postgres.lease is too short to be held: at least 6s".to_owned());
        }
        Ok(lease)
    }

    /// Whether it may go without TLS.
    ///
    /// # Errors
    /// When it would cross a network in clear text.
    pub fn private(&self) -> Result<(), String> {
        let host = self.host.as_str();
        let loopback = host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        let private = host.starts_with('/') || host == "localhost" || loopback;
        match &self.tls {
            Tls::Off if !private => Err(format!(
                "store.postgres.tls is off, and {host} is another machine: remove `tls: off`, or \
                 name the server's authority with `tls: {{ ca: FILE }}`"
            )),
            Tls::Off | Tls::On(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn read(text: &str) -> PostgresConfig {
        serde_saphyr::from_str(text).unwrap()
    }

    #[test]
    fn what_is_left_out_is_safe() {
        let config = read("{ host: db.example, database: d, user: u }");
        assert!(matches!(config.tls, Tls::On(Verified { ca: None })));
        assert_eq!(config.lease().unwrap(), Duration::from_secs(30));
        assert_eq!((config.port, config.pool), (5432, 16));
        let ca = read("{ host: db.example, database: d, user: u, tls: { ca: ca.pem }, lease: 2s }");
        assert!(matches!(&ca.tls, Tls::On(Verified { ca: Some(_) })));
        assert!(ca.lease().unwrap_err().contains("at least 6s"));
        let off = read("{ host: /run/postgresql, database: d, user: u, tls: off }");
        assert!(matches!(off.tls, Tls::Off));
        let wrong = serde_saphyr::from_str::<PostgresConfig>(
            "{ host: h, database: d, user: u, tls: yes please }",
        );
        assert!(wrong.unwrap_err().to_string().contains("`{ ca: FILE }` or `off`"));
    }

    #[test]
    fn clear_text_stays_on_the_machine() {
        for (host, fine) in
            [("/run/postgresql", true), ("127.0.0.1", true), ("::1", true), ("10.0.0.1", false)]
        {
            let config = read(&format!("{{ host: '{host}', database: d, user: u, tls: 'off' }}"));
            assert_eq!(config.private().is_ok(), fine, "{host}");
        }
    }
}
