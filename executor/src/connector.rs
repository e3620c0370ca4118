//! How backends are reached: the only code that holds a credential while it is in
//! use, and the only way out of the process.
//!
//! ```text
//! WireRequest ──address──▶ URL ──guard──▶ ──present──▶ + credential ──send──▶ Sent
//!                                                                  └─ read ─ pages ─▶ JSON
//! ```
//!
//! A write opens a connection of its own, and no layer below repeats anything: a
//! request is written at most once (AT MOST ONE EFFECT), and no idle connection
//! that the backend just closed can turn a write into an `unknown`. Reads share
//! connections.

mod breaker;
pub mod config;
mod credential;
pub mod egress;
mod failure;
pub mod network;
mod oauth;
mod pace;
mod pages;
pub(crate) mod reach;
mod scrub;
mod send;
pub(crate) mod tls;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::answer::{Barrier, ReadFailure, Sent};
use countersign_core::contract::{Catalog, Contract, CredentialUse, Pack};
use countersign_core::request::WireRequest;
use countersign_core::subject::Subject;
use serde_json::Value as Json;
use tokio::time::Instant;

use crate::vault::Vault;
use config::{ConnectionConfig, ConnectionProblem};
pub(crate) use credential::LastHop;
use send::Connection;
pub(crate) use send::{Kept, body, client};

/// Every connection of this executor, by tenant and pack. Cheap to clone.
#[derive(Clone)]
pub struct Connections {
    all: Arc<BTreeMap<(String, String), Connection>>,
}

/// What receipts show of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The backend's account.
    pub account: String,
    /// File name of its credential; empty where the pack needs none.
    pub credential_id: String,
}

impl Connections {
    /// Sets up all connections. Dials nothing.
    ///
    /// # Errors
    /// Everything wrong with any of them: settings, unknown packs, credentials
    /// that cannot be used now.
    pub fn build(
        configs: &[ConnectionConfig],
        catalog: &Catalog,
        vault: &Vault,
    ) -> Result<Self, Vec<ConnectionProblem>> {
        let mut all = BTreeMap::new();
        let mut problems = Vec::new();
        for config in configs {
            match connection(config, catalog, vault) {
                Ok(connection) => {
                    let key = (config.tenant.clone(), config.pack.clone());
                    if all.insert(key, connection).is_some() {
                        let twice = "there are two connections for this tenant and pack: keep one";
                        problems.push(config.problem(twice.to_owned()));
                    }
                }
                Err(mut wrong) => problems.append(&mut wrong),
            }
        }
        if problems.is_empty() { Ok(Self { all: Arc::new(all) }) } else { Err(problems) }
    }

    /// The account behind a tenant's connection.
    #[must_use]
    pub fn account(&self, tenant: &str, pack: &str) -> Option<&Account> {
        self.connection(tenant, pack).map(Connection::account)
    }

    /// Tenant and pack of each connection, and whether its backend is left alone for now.
    pub fn left_alone(&self) -> impl Iterator<Item = (&str, &str, bool)> {
        let all = self.all.iter();
        all.map(|((tenant, pack), to)| (tenant.as_str(), pack.as_str(), to.is_left_alone()))
    }

    /// Sends a write, at most once, on a connection of its own.
    pub async fn send(
        &self,
        subject: &Subject,
        pack: &Pack,
        request: &WireRequest,
        timeout: Duration,
    ) -> Sent {
        let tenant = &subject.tenant;
        let Some(connection) = self.connection(tenant, &pack.name) else {
            return not_set_up(tenant, &pack.name);
        };
        connection.send(subject, pack, request, Kept::Never, Instant::now() + timeout).await
    }

    /// Sends a read, page by page where its contract pages; `timeout` is for all
    /// of it.
    ///
    /// # Errors
    /// The first page that fails, or more pages than the contract allows.
    pub async fn read(
        &self,
        subject: &Subject,
        contract: &Contract,
        request: &WireRequest,
        timeout: Duration,
    ) -> Result<Json, ReadFailure> {
        let deadline = Instant::now() + timeout;
        let (pack, tenant) = (&contract.pack, &subject.tenant);
        let Some(connection) = self.connection(tenant, &pack.name) else {
            return countersign_core::answer::read(contract, &not_set_up(tenant, &pack.name));
        };
        let ask = |request: WireRequest| async move {
            let sent = connection.send(subject, pack, &request, Kept::Pooled, deadline).await;
            countersign_core::answer::read(contract, &sent)
        };
        pages::read(&contract.call, request, ask).await
    }

    fn connection(&self, tenant: &str, pack: &str) -> Option<&Connection> {
        self.all.get(&(tenant.to_owned(), pack.to_owned()))
    }
}

fn connection(
    config: &ConnectionConfig,
    catalog: &Catalog,
    vault: &Vault,
) -> Result<Connection, Vec<ConnectionProblem>> {
    let mut problems = config.problems();
    let pack = catalog.packs.get(&config.pack);
    match (pack.map(|pack| &pack.credential), &config.credential) {
        (None, _) => problems.push(config.problem("no such pack is loaded".to_owned())),
        (Some(CredentialUse::None), Some(_)) => {
            problems.push(config.problem("the pack uses no credential: leave it out".to_owned()));
        }
        (Some(CredentialUse::None), None) => {}
        (Some(_), None) => problems.push(
            config.problem("the pack needs a credential: name its file in `credential`".to_owned()),
        ),
        (Some(_), Some(id)) if config.credential_per.is_some() => {
            problems.extend(vault.folder(id).err().map(|error| config.problem(error.to_string())));
        }
        (Some(_), Some(id)) => {
            problems.extend(vault.check(id).err().map(|error| config.problem(error.to_string())));
        }
    }
    match pack {
        Some(pack) if problems.is_empty() => {
            Connection::new(config, pack, vault).map_err(|problem| vec![config.problem(problem)])
        }
        Some(_) | None => Err(problems),
    }
}

fn not_set_up(tenant: &str, pack: &str) -> Sent {
    Sent::NotSent {
        barrier: Barrier::Egress,
        why: format!("tenant {tenant} has no connection for pack {pack}: add one to `connections`"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use std::os::unix::fs::PermissionsExt;

    use countersign_core::contract::PackKind;
    use serde_json::json;

    use super::*;

    fn pack(name: &str, credential: CredentialUse) -> Arc<Pack> {
        Arc::new(Pack {
            name: name.to_owned(),
            summary: String::new(),
            kind: PackKind::Http,
            credential,
            subject_claims: Default::default(),
            timeout: Duration::from_secs(10),
            response_limit: 4096,
            quiet_period: Duration::ZERO,
            limits: Default::default(),
            throttled_codes: Default::default(),
            codes: Default::default(),
            digest: String::new(),
        })
    }

    pub(crate) fn customer(tenant: &str) -> Subject {
        serde_json::from_value(json!({
            "tenant": tenant, "issuer": "i", "id": "s", "signs_as": "s", "claims": { "customer_id": "c1" },
            "kind": "customer", "scopes": [], "segment": "", "strength": "signed_in",
            "verified_at": "2026-01-01T00:00:00Z",
        }))
        .unwrap()
    }

    fn config(tenant: &str, pack: &str, credential: Option<&str>) -> ConnectionConfig {
        serde_json::from_value(json!({
            "tenant": tenant, "pack": pack, "account": "demo-shop", "credential": credential,
            "base_url": "https://a.example.com", "egress": {"hosts": ["a.example.com"]},
        }))
        .unwrap()
    }

    fn build(configs: &[ConnectionConfig]) -> Result<Connections, Vec<ConnectionProblem>> {
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        std::fs::write(&token, "s").unwrap();
        std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
        let packs = [pack("shop", CredentialUse::Bearer), pack("open", CredentialUse::None)];
        let packs = packs.into_iter().map(|p| (p.name.clone(), p)).collect();
        let catalog = Catalog { packs, ..Catalog::default() };
        Connections::build(configs, &catalog, &Vault::open(folder.path()).unwrap())
    }

    #[tokio::test]
    async fn a_connection_belongs_to_one_tenant_and_pack() {
        let all = [config("t1", "shop", Some("token")), config("t1", "open", None)];
        let connections = build(&all).map_err(|p| format!("{p:?}")).unwrap();
        let account = connections.account("t1", "shop").unwrap();
        assert_eq!(
            (account.account.as_str(), account.credential_id.as_str()),
            ("demo-shop", "token")
        );
        assert_eq!(connections.account("t1", "open").unwrap().credential_id, "");
        assert_eq!(connections.account("t2", "shop"), None);
        let request = WireRequest {
            method: "GET".to_owned(),
            path: "/".to_owned(),
            query: String::new(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        let shop = pack("shop", CredentialUse::Bearer);
        let sent = connections.send(&customer("t2"), &shop, &request, Duration::from_secs(1)).await;
        assert!(matches!(sent, Sent::NotSent { barrier: Barrier::Egress, .. }), "{sent:?}");
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let problems = build(&[
            config("t", "none", None),
            config("t", "shop", None),
            config("t", "shop", Some("lost")),
            config("t", "open", Some("token")),
            config("u", "shop", Some("token")),
            config("u", "shop", Some("token")),
        ])
        .err()
        .unwrap();
        let expected = [
            "no such pack",
            "needs a credential",
            "no such file",
            "uses no credential",
            "two connections",
        ];
        assert_eq!(problems.len(), expected.len(), "{problems:?}");
        for (problem, part) in problems.iter().zip(expected) {
            assert!(problem.to_string().contains(part), "{problem}");
        }
    }
}
