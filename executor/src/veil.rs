//! What is personal lies as ciphertext under the person's key, bound to the row it stands
//! in; identities in columns are keyed digests. Plaintext is in memory only.
//!
//! ```text
//! sealing(person) ─▶ PersonKey::seal(row, clear) ─▶ row        key id ‖ nonce ‖ ciphertext
//! ready(rows) ─────▶ Veil::open(row, sealed) ─────▶ clear, or nothing once it is erased
//! ```

mod cache;
mod person_key;

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use countersign_core::person::Person;
use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use zeroize::Zeroizing;

use crate::keys::{Kek, KeyId, Keys, Wrapped};
use crate::ports::StoreError;
use cache::Cache;
pub use person_key::PersonKey;

/// Between two looks at what other executors destroyed.
const FOLLOW: Duration = Duration::from_millis(500);

/// The way to everything personal. Cheap to clone.
#[derive(Clone)]
pub struct Veil(Arc<Inner>);

struct Inner {
    keys: Arc<dyn Keys>,
    kek: Kek,
    index: hmac::Key,
    cache: Mutex<Cache>,
    /// Whoever finds keys and holds them does so before or after a destruction, not across it.
    finding: RwLock<()>,
}

impl Veil {
    /// Over a store of keys.
    ///
    /// # Errors
    /// When it cannot be used, or belongs to another key-encryption key.
    pub fn over(keys: Arc<dyn Keys>, kek: Kek) -> Result<Self, StoreError> {
        const INDEX: &str = "index key";
        let offered = kek.wrap(INDEX, &*random()?)?;
        let index = kek.unwrap(INDEX, &keys.index(offered)?)?;
        let index = hmac::Key::new(hmac::HMAC_SHA256, &*index);
        Ok(Self(Arc::new(Inner {
            keys,
            kek,
            index,
            cache: Mutex::default(),
            finding: RwLock::default(),
        })))
    }

    /// A keyed digest: the same for the same, and nobody without the key can guess it.
    /// Empty for empty text.
    #[must_use]
    pub fn digest(&self, domain: &str, text: &str) -> String {
        if text.is_empty() {
            return String::new();
        }
        let mut context = hmac::Context::with_key(&self.0.index);
        context.update(domain.as_bytes());
        context.update(b"\n");
        context.update(text.as_bytes());
        hex::encode(context.sign())
    }

    /// The digest of a person, as rows and receipts name them.
    #[must_use]
    pub fn person(&self, person: &Person) -> String {
        match person {
            Person::Digest(digest) => digest.clone(),
            Person::Named { tenant, issuer, id } => {
                let names = serde_json::json!([tenant, issuer, id]).to_string();
                self.digest("person v1", &names)
            }
        }
    }

    /// The person's key, to seal with; made where there is none.
    ///
    /// # Errors
    /// When the store of keys fails.
    pub async fn sealing(&self, person: &str) -> Result<Arc<PersonKey>, StoreError> {
        if let Some(key) = self.0.cache.lock().of(person) {
            return Ok(key);
        }
        let (veil, person) = (self.clone(), person.to_owned());
        beside(move || veil.sealing_now(&person)).await
    }

    /// The same from a thread that may wait.
    ///
    /// # Errors
    /// When the store of keys fails.
    pub fn sealing_now(&self, person: &str) -> Result<Arc<PersonKey>, StoreError> {
        let erasing = || StoreError::Unavailable("a person's key is being erased".to_owned());
        {
            let cache = self.0.cache.lock();
            if let Some(key) = cache.of(person) {
                return Ok(key);
            }
            if cache.is_erasing(person) {
                return Err(erasing());
            }
        }
        let _found = self.0.finding.read();
        let kept = match self.0.keys.current(person)? {
            Some(kept) => kept,
            None => self.0.keys.keep(self.fresh(person)?)?,
        };
        self.hold(kept)?.ok_or_else(erasing)
    }

    /// The person's key where there is one; none is made for whoever has none.
    ///
    /// # Errors
    /// When the store of keys fails.
    pub async fn standing(&self, person: &str) -> Result<Option<Arc<PersonKey>>, StoreError> {
        if let Some(key) = self.0.cache.lock().of(person) {
            return Ok(Some(key));
        }
        let (veil, person) = (self.clone(), person.to_owned());
        beside(move || {
            let _found = veil.0.finding.read();
            match veil.0.keys.current(&person)? {
                Some(kept) => veil.hold(kept),
                None => Ok(None),
            }
        })
        .await
    }

    /// Has the keys at hand that open these, as far as they are there.
    ///
    /// # Errors
    /// When the store of keys fails.
    pub fn ready<'a, I>(
        &self,
        sealed: I,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + use<I>
    where
        I: Iterator<Item = &'a [u8]>,
    {
        let (missing, veil) = (self.missing(sealed), self.clone());
        async move {
            match missing? {
                missing if missing.is_empty() => Ok(()),
                missing => beside(move || veil.load(&missing)).await,
            }
        }
    }

    /// The same from a thread that may wait.
    ///
    /// # Errors
    /// When the store of keys fails.
    pub fn ready_now<'a>(&self, sealed: impl Iterator<Item = &'a [u8]>) -> Result<(), StoreError> {
        let missing = self.missing(sealed)?;
        self.load(&missing)
    }

    /// What was sealed for this row, whose key is at hand; `None` once it is erased.
    ///
    /// # Errors
    /// When it is not what was sealed for this row. `KeyLost` where its key is not there, which is
    /// not the same as erased: a lost store of keys must not look like one.
    pub fn open(&self, row: &str, sealed: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let id = person_key::names(sealed)?;
        let (found, lost) = {
            let cache = self.0.cache.lock();
            (cache.get(&id), cache.is_lost(&id))
        };
        if found.is_none() && lost {
            return Err(StoreError::KeyLost);
        }
        let missing = || StoreError::Unavailable("a person's key is not at hand".to_owned());
        found.ok_or_else(missing)?.map(|key| key.open(row, sealed)).transpose()
    }

    /// Whether the person has a key: something of theirs was sealed.
    ///
    /// # Errors
    /// When the store of keys fails.
    pub async fn knows(&self, person: &str) -> Result<bool, StoreError> {
        let (veil, person) = (self.clone(), person.to_owned());
        beside(move || Ok(veil.0.keys.current(&person)?.is_some())).await
    }

    /// Names the person's key, made where there is none: another one after an erasure.
    ///
    /// # Errors
    /// When the store of keys fails.
    pub async fn kept_under(&self, person: &str) -> Result<String, StoreError> {
        Ok(hex::encode(self.sealing(person).await?.id()))
    }

    /// Which of these names are of keys that are destroyed.
    ///
    /// # Errors
    /// When the store of keys fails.
    pub async fn destroyed(&self, names: &[String]) -> Result<Vec<String>, StoreError> {
        let id = |name: &String| KeyId::try_from(hex::decode(name).ok()?).ok();
        let ids: Vec<KeyId> = names.iter().filter_map(id).collect();
        let veil = self.clone();
        let gone = beside(move || veil.0.keys.destroyed(&ids)).await?;
        let gone: Vec<String> = gone.iter().map(hex::encode).collect();
        Ok(names.iter().filter(|name| gone.contains(name)).cloned().collect())
    }

    /// Destroys a person's keys, whatever the clocks say when they were made. Nothing under
    /// them opens any more, here at once, in other executors as soon as they follow.
    ///
    /// # Errors
    /// When the store of keys fails: what is personal of them may still open then.
    pub async fn destroy(&self, person: &str) -> Result<(), StoreError> {
        self.end(person);
        let (veil, person) = (self.clone(), person.to_owned());
        beside(move || {
            let _alone = veil.0.finding.write();
            veil.0.keys.destroy(&person, Timestamp::MAX)?;
            veil.erased(&person);
            Ok(())
        })
        .await
    }

    /// From now on nothing is sealed for this person, until the key is destroyed or
    /// `erased` says that it stays.
    pub fn end(&self, person: &str) {
        self.0.cache.lock().end(person);
    }

    /// The person may have a key again.
    pub fn erased(&self, person: &str) {
        self.0.cache.lock().erased(person);
    }

    /// Forgets what other executors on the same store destroyed, until it is dropped.
    pub async fn follow(self) {
        loop {
            tokio::time::sleep(FOLLOW).await;
            let ids = self.0.cache.lock().ids();
            let veil = self.clone();
            match beside(move || veil.0.keys.destroyed(&ids)).await {
                Ok(gone) => gone.iter().for_each(|id| self.0.cache.lock().destroyed(id)),
                Err(error) => tracing::warn!(%error, "what was erased is asked for again"),
            }
        }
    }

    fn fresh(&self, person: &str) -> Result<Wrapped, StoreError> {
        let mut id = KeyId::default();
        getrandom::fill(&mut id).map_err(|e| StoreError::Unavailable(e.to_string()))?;
        let key = self.0.kek.wrap(&wraps(&id, person), &*random()?)?;
        Ok(Wrapped { id, person: person.to_owned(), key: Some(key), made: Timestamp::now() })
    }

    fn missing<'a>(
        &self,
        sealed: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Vec<KeyId>, StoreError> {
        let ids = sealed.map(person_key::names).collect::<Result<Vec<_>, _>>()?;
        let cache = self.0.cache.lock();
        let mut missing: Vec<_> = ids.into_iter().filter(|id| cache.get(id).is_none()).collect();
        missing.sort_unstable();
        missing.dedup();
        Ok(missing)
    }

    fn load(&self, ids: &[KeyId]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let _found = self.0.finding.read();
        let found = self.0.keys.find(ids)?;
        for id in ids.iter().filter(|id| !found.iter().any(|kept| kept.id == **id)) {
            if self.0.cache.lock().lose(*id) {
                let key = hex::encode(id);
                tracing::error!(%key, "lost: bring back the newest copy of the keys of persons");
            }
        }
        found.into_iter().try_for_each(|wrapped| self.hold(wrapped).map(drop))
    }

    fn hold(&self, wrapped: Wrapped) -> Result<Option<Arc<PersonKey>>, StoreError> {
        let Wrapped { id, person, key, .. } = wrapped;
        let key = match key {
            Some(key) => {
                let bytes = self.0.kek.unwrap(&wraps(&id, &person), &key)?;
                Some(Arc::new(PersonKey::new(id, &bytes)?))
            }
            None => None,
        };
        Ok(self.0.cache.lock().hold(id, person, key))
    }
}

/// What a wrapped key is bound to.
fn wraps(id: &KeyId, person: &str) -> String {
    format!("key {} of {person}", hex::encode(id))
}

fn random() -> Result<Zeroizing<[u8; 32]>, StoreError> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes).map_err(|e| StoreError::Unavailable(e.to_string()))?;
    Ok(bytes)
}

async fn beside<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(job).await;
    done.map_err(|e| StoreError::Unavailable(e.to_string()))?
}

#[cfg(test)]
mod tests;
