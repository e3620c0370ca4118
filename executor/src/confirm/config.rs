//! `confirm` in `executor.yaml`.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use ed25519_dalek::pkcs8::spki::EncodePublicKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use secrecy::SecretString;
use serde::Deserialize;

use crate::connector::network::Network;
use crate::console::ConsoleConfig;
use crate::webhook::Receiver;

const MAKE_ONE: &str = "make one with `openssl genpkey -algorithm ed25519 -out FILE`, mode 0600";

/// The pages for customers: the one-time page, and that of a receipt.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmConfig {
    /// Where the page listens, and as what customers know it. Apart from the approval
    /// page: customers reach it from anywhere, approvers need not.
    pub page: ConsoleConfig,
    /// The pages' own key: Ed25519, PKCS#8 PEM. It signs each yes, and makes the links.
    pub key: PathBuf,
    /// Who brings the link to the customer.
    pub mailer: MailerConfig,
}

/// The house's own mailer: it is told whom to send which link.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailerConfig {
    /// Where to.
    pub url: SecretString,
    /// File with the secret of the signature.
    pub secret_file: PathBuf,
    /// PEM file of certificate authorities trusted beside the system's.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Networks that are not public and may be dialled all the same.
    #[serde(default)]
    pub private_networks: Vec<Network>,
    /// Whether the URL may be plain `http`.
    #[serde(default)]
    pub plain_http: bool,
}

impl ConfirmConfig {
    /// Its files, for anchoring.
    pub(crate) fn files(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let own = [&mut self.key, &mut self.mailer.secret_file];
        own.into_iter().chain(self.mailer.ca.iter_mut()).chain(self.page.files())
    }

    /// The page's key.
    ///
    /// # Errors
    /// When the file is no Ed25519 key in PKCS#8 PEM.
    pub(crate) fn signing_key(&self) -> anyhow::Result<SigningKey> {
        let path = self.key.display();
        let pem = std::fs::read_to_string(&self.key)
            .with_context(|| format!("`confirm.key` {path} cannot be read: {MAKE_ONE}"))?;
        SigningKey::from_pkcs8_pem(&pem)
            .map_err(|_| anyhow!("`confirm.key` {path} is no Ed25519 key in PEM: {MAKE_ONE}"))
    }

    /// The public half of the page's key, PEM: what the core verifies with, and what is
    /// activated.
    ///
    /// # Errors
    /// As for the key.
    pub(crate) fn public_pem(&self) -> anyhow::Result<String> {
        let public = self.signing_key()?.verifying_key();
        public.to_public_key_pem(LineEnding::LF).context("the page's public key has no PEM")
    }
}

impl MailerConfig {
    pub(super) fn receiver(&self) -> Receiver<'_> {
        Receiver {
            url: &self.url,
            secret: Some(&self.secret_file),
            ca: self.ca.as_deref(),
            private_networks: &self.private_networks,
            plain_http: self.plain_http,
        }
    }
}
