//! The folder that all processes work in: certificates, keys, the pack, each executor's
//! configuration.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use countersign_shared::mtls::Channel;
use countersign_shared::mtls::{Material, MaterialFiles, SpiffeId, channel};
use jiff::Timestamp;
use serde_json::json;

use super::postgres::{Database, PASSWORD};
use super::till::TOKEN;
use crate::chat::jws::Signer;
use crate::ed25519;
use crate::pki::{Role, init_ca, issue};

const DOMAIN: &str = "bench.countersign.internal";
const ISSUER: &str = "https://till.bench.invalid";
const KID: &str = "bench";
/// Seconds for which the subject's token is good.
const TOKEN_LIVES: i64 = 24 * 3600;

/// The log's name.
pub(super) const ORIGIN: &str = "bench.countersign/log";
/// The log's key, below the folder.
pub(super) const LOG_KEY: &str = "log.pem";
/// Where the forwarder's side of the till is, below the folder.
pub(super) const TILL: &str = "till.url";

/// Where the benchmark happens.
pub(super) struct Place {
    dir: PathBuf,
    till: SocketAddr,
    token: String,
}

impl Place {
    /// Writes everything that does not depend on the store.
    pub(super) fn lay_out(dir: &Path, till: SocketAddr) -> anyhow::Result<Self> {
        let pki = dir.join("pki");
        init_ca(&pki, DOMAIN)?;
        for role in [Role::Executor, Role::Planner, Role::Auditor] {
            issue(&pki, role, &pki)?;
        }
        pack(dir)?;
        write(&dir.join(TILL), &format!("http://{till}/forwarder"))?;
        write(&dir.join("credentials/till_token"), TOKEN)?;
        write(&dir.join(LOG_KEY), &ed25519::private_pem(&ed25519::generate()?)?)?;
        let key = ed25519::generate()?;
        write(&dir.join("issuer.pem"), &ed25519::public_pem(&key)?)?;
        let now = Timestamp::now().as_second();
        let token = Signer::new(key, KID).sign(&json!({
            "iss": ISSUER, "aud": "countersign", "sub": "ann@example.com", "owner": "ann",
            "iat": now, "exp": now + TOKEN_LIVES,
        }))?;
        Ok(Self { dir: dir.to_owned(), till, token })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The subject's token, the same for every call.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// Writes the configuration of the executor of this name: a file of its own, or its
    /// database.
    pub(super) fn executor(
        &self,
        name: &str,
        database: Option<&Database>,
    ) -> anyhow::Result<PathBuf> {
        let file = self.dir.join(format!("{name}.yaml"));
        let store = database.map(Database::config).unwrap_or_default();
        write(&file, &format!("{}{store}", config(name, self.till)))?;
        if let Some(password) = database.and_then(Database::password) {
            write(&self.dir.join("credentials").join(PASSWORD), password)?;
        }
        Ok(file)
    }

    /// The state folder of the executor of this name.
    pub(super) fn state(&self, name: &str) -> PathBuf {
        self.dir.join("state").join(name)
    }

    /// A connection to a process here; all bear the executor's identity.
    pub(super) fn channel(&self, role: Role, address: &str) -> anyhow::Result<Channel> {
        let expected: SpiffeId = format!("spiffe://{DOMAIN}/executor").parse()?;
        Ok(channel(address, material(&self.dir, role)?, expected)?)
    }
}

/// A role's certificate, read from the folder.
pub(super) fn material(dir: &Path, role: Role) -> anyhow::Result<Arc<Material>> {
    Ok(Material::open(MaterialFiles::in_dir(&dir.join("pki").join(role.as_str())))?)
}

fn pack(dir: &Path) -> anyhow::Result<()> {
    let pack = dir.join("till");
    write(&pack.join("connector.yaml"), include_str!("till/connector.yaml"))?;
    write(&pack.join("contracts/get_sale.yaml"), include_str!("till/get_sale.yaml"))?;
    write(&pack.join("contracts/refund.yaml"), include_str!("till/refund.yaml"))?;
    let policy = dir.join("policy");
    countersign_executor::policy::write_shipped(&policy)
        .with_context(|| format!("cannot write the policy to {}", policy.display()))?;
    write(&policy.join("settings.yaml"), include_str!("till/settings.yaml"))?;
    write(&policy.join("policy.cedar"), include_str!("till/policy.cedar"))
}

/// Nothing here is anybody else's to read.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    let whole = || {
        if let Some(folder) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        fs::write(path, text)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))
    };
    whole().with_context(|| format!("cannot write {}", path.display()))
}

fn config(name: &str, till: SocketAddr) -> String {
    format!(
        r#"listen: 127.0.0.1:0
admin: 127.0.0.1:0
tls: {{ cert: pki/executor/tls.crt, key: pki/executor/tls.key, ca: pki/executor/ca.crt }}
state: state/{name}
packs: [till]
policy: policy
credentials: credentials
log: {{ origin: {ORIGIN}, key: {LOG_KEY} }}
callers:
  planners: ["spiffe://{DOMAIN}/planner"]
  auditors: ["spiffe://{DOMAIN}/auditor"]
issuers:
  - issuer: "{ISSUER}"
    audience: countersign
    tenant: bench
    keys: [{{ kid: {KID}, file: issuer.pem }}]
    claims: [owner]
    planners: ["spiffe://{DOMAIN}/planner"]
frontends: []
connections:
  - tenant: bench
    pack: till
    account: bench-till
    base_url: "http://{till}/{name}"
    credential: till_token
    egress: {{ hosts: ["127.0.0.1"], private_networks: ["127.0.0.0/8"], plain_http: true }}
"#
    )
}
