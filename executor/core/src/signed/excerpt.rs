//! Whose keys a statement could be checked with: kept beside it, so that anyone can
//! check it again.

use std::collections::BTreeMap;

use countersign_shared::attest::AUDIENCE;
use serde::{Deserialize, Serialize};

use super::{Key, Keyring, Voice, kid};

/// Those of a keyring who could have signed one statement.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Excerpt(Vec<Speaker>);

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Speaker {
    issuer: String,
    tenant: String,
    kid: String,
    /// The public key.
    key: String,
}

impl Keyring {
    /// Those who could have signed this for a tenant.
    #[must_use]
    pub fn excerpt(&self, tenant: &str, jws: &str) -> Excerpt {
        let Ok(kid) = kid(jws) else { return Excerpt::default() };
        let speaks = |voice: &&Voice| voice.tenant == tenant && voice.audience == AUDIENCE;
        let speaker = |voice: &Voice| {
            let key = voice.keys.get(&kid)?.text().to_owned();
            let (issuer, tenant) = (voice.issuer.clone(), voice.tenant.clone());
            Some(Speaker { issuer, tenant, kid: kid.clone(), key })
        };
        Excerpt(self.voices.iter().filter(speaks).filter_map(speaker).collect())
    }
}

impl Excerpt {
    /// With those of another statement.
    pub fn add(&mut self, more: Self) {
        let new = more.0.into_iter().filter(|speaker| !self.0.contains(speaker));
        let new: Vec<_> = new.collect();
        self.0.extend(new);
    }

    /// As a keyring again. A key that cannot be read is left out: what it signed does
    /// not count then.
    #[must_use]
    pub fn keyring(&self) -> Keyring {
        let mut ring = Keyring::default();
        for speaker in &self.0 {
            let Ok(key) = Key::read(&speaker.key) else { continue };
            ring.add(Voice {
                issuer: speaker.issuer.clone(),
                audience: AUDIENCE.to_owned(),
                tenant: speaker.tenant.clone(),
                keys: BTreeMap::from([(speaker.kid.clone(), key)]),
            });
        }
        ring
    }
}
