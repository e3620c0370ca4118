//! A person of the house who signs what they say with a key of theirs.

use std::path::PathBuf;

use crate::chat::jws::Signer;
use crate::ed25519;

/// How long what was signed may be on its way, in seconds.
pub(crate) const VALID: i64 = 300;

/// Whose key signs, and where it is.
#[derive(Debug, clap::Args)]
pub(crate) struct SignerArgs {
    /// The directory that knows you: your `issuer` in people.yaml.
    #[arg(long, value_name = "ISSUER")]
    pub(crate) issuer: String,
    /// Your private key: Ed25519, PKCS#8 PEM.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// That key's name in people.yaml.
    #[arg(long)]
    kid: String,
}

impl SignerArgs {
    pub(crate) fn open(&self) -> anyhow::Result<Signer> {
        Ok(Signer::new(ed25519::read(&self.key)?, &self.kid))
    }
}

/// The arguments of a verb that Alice signs, with more of them.
#[cfg(test)]
pub(crate) fn parsed<A: clap::Args>(id: &str, more: &[&str]) -> Result<A, clap::Error> {
    let line = format!(
        "x {id} --as alice --issuer https://d --key k --kid a --executor h:1 --tls t \
         --executor-id spiffe://d/executor"
    );
    let words = line.split_whitespace().chain(more.iter().copied());
    A::from_arg_matches(&A::augment_args(clap::Command::new("x")).try_get_matches_from(words)?)
}
