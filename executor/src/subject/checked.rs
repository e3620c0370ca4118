//! Signatures that were checked. The same token under the same key gives the same answer, so
//! it is not checked twice; whether it is in time, and whose it is, is asked at each use.

use std::collections::HashSet;

use countersign_core::gates::Gate;
use countersign_core::signed::Key;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

/// Most tokens that are remembered; beyond them it begins anew.
const MOST: usize = 10_000;

/// Digests of tokens, each with its key. Nothing of what they say is kept.
#[derive(Default)]
pub(super) struct Checked(Mutex<HashSet<[u8; 32]>>);

impl Checked {
    /// Whether this token was checked under this key.
    pub(super) fn has(&self, token: &str, key: &Key) -> bool {
        self.0.lock().contains(&name(token, key))
    }

    /// It was, and its signature is right.
    pub(super) fn add(&self, token: &str, key: &Key) {
        // Who checks nothing has nothing to remember.
        if !Gate::Signature.is_on() || !Gate::ForThisExecutor.is_on() {
            return;
        }
        let mut all = self.0.lock();
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(name(token, key));
    }
}

/// Each part with its length: no two pairs read the same.
fn name(token: &str, key: &Key) -> [u8; 32] {
    let parts = [token, key.text()];
    let hash = parts.iter().fold(Sha256::new(), |hash, part| {
        hash.chain_update(part.len().to_be_bytes()).chain_update(part)
    });
    hash.finalize().into()
}
