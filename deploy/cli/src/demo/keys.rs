//! The demo's identities: certificates anew at each start, signing keys and the shop's token kept
//! with the state.

use std::fs;
use std::path::Path;

use anyhow::Context;
use countersign_shared::mtls::SpiffeId;
use countersign_shared::tlog::key::{LogKey, Signer as _, WitnessKey};
use ed25519_dalek::SigningKey;

use super::folder::{make, write_private, write_public};
use crate::ed25519;
use crate::pki::{Request, Role, init_ca, issue};

const TRUST_DOMAIN: &str = "demo.countersign.internal";
/// The log's name.
pub(super) const ORIGIN: &str = "demo.countersign.internal/log";
/// The planner's name under what it countersigns.
pub(super) const COSIGNER: &str = "demo.countersign.internal/planner";
/// Name of the shop's credential, and of the files that hold it.
pub(super) const TOKEN: &str = "shopify_token";
/// Certificates of one demo live no longer.
const DAYS: u16 = 30;

/// Who is who.
#[derive(Debug, Clone)]
pub(super) struct Identities {
    pub(super) executor: SpiffeId,
    pub(super) planner: SpiffeId,
    pub(super) frontend: SpiffeId,
    pub(super) auditor: SpiffeId,
    /// The log's public key, as text.
    pub(super) log_key: String,
}

/// Makes what is missing in the state folder.
pub(super) fn prepare(state: &Path) -> anyhow::Result<Identities> {
    let pki = state.join("pki");
    if !pki.join("ca.crt").exists() {
        init_ca(&pki, TRUST_DOMAIN)?;
    }
    let certificate = |role: Role, folder: &str| {
        let request = Request { name: Some("tls".to_owned()), days: DAYS, ..role.into() };
        issue(&pki, request, &state.join(folder)).map(|issued| issued.id)
    };
    make(&state.join("auditor"))?;
    let identities = Identities {
        executor: certificate(Role::Executor, "executor")?,
        planner: certificate(Role::Planner, "planner")?,
        frontend: certificate(Role::Frontend, "frontend")?,
        auditor: certificate(Role::Auditor, "auditor")?,
        log_key: log_key(state)?,
    };
    cosigner(state, &identities.log_key)?;
    for name in ["issuer", "frontend"] {
        let key = signing_key(&state.join("frontend").join(format!("{name}.key")))?;
        let public = state.join("executor").join(format!("{name}.pub"));
        write_public(&public, &ed25519::public_pem(&key)?)?;
    }
    token(state)?;
    Ok(identities)
}

/// Reads an Ed25519 key, made at the first use.
fn signing_key(path: &Path) -> anyhow::Result<SigningKey> {
    if !path.exists() {
        let key = ed25519::generate()?;
        write_private(path, &ed25519::private_pem(&key)?)?;
        return Ok(key);
    }
    ed25519::read(path).context("take another --state folder")
}

fn log_key(state: &Path) -> anyhow::Result<String> {
    let secret = signing_key(&state.join("executor/log.key"))?;
    let public = LogKey::new(ORIGIN, secret)?.verifier_key().to_string();
    write_public(&state.join("log.pub"), &format!("{public}\n"))?;
    Ok(public)
}

/// The planner's own key, its public half for the executor, and the log's for the planner.
fn cosigner(state: &Path, log: &str) -> anyhow::Result<()> {
    let secret = signing_key(&state.join("planner/cosign.key"))?;
    let public = WitnessKey::new(COSIGNER, secret)?.verifier_key().to_string();
    write_public(&state.join("executor/cosign.pub"), &format!("{public}\n"))?;
    write_public(&state.join("planner/log.pub"), &format!("{log}\n"))
}

/// The sandbox shop's access token, once for the executor and once for the shop itself.
fn token(state: &Path) -> anyhow::Result<()> {
    let held = state.join("credentials").join(TOKEN);
    let text = if held.exists() {
        fs::read_to_string(&held).with_context(|| format!("cannot read {}", held.display()))?
    } else {
        let mut secret = [0; 16];
        getrandom::fill(&mut secret).context("the system gives no random numbers")?;
        let text = format!("sandbox_{}\n", hex::encode(secret));
        write_private(&held, &text)?;
        text
    };
    write_private(&state.join("sandbox").join(TOKEN), &text)
}
