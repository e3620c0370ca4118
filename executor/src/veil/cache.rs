//! Keys that are in memory.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::PersonKey;
use crate::keys::KeyId;

/// Most keys at hand; those that nobody uses go first.
const MOST: usize = 10_000;

/// By id, destroyed ones as `None`, and by person the one to seal with.
#[derive(Default)]
pub(super) struct Cache {
    keys: HashMap<KeyId, Option<Arc<PersonKey>>>,
    current: HashMap<String, KeyId>,
    /// Whose key is about to be destroyed.
    erasing: HashSet<String>,
}

impl Cache {
    /// `None` where it is not known here; inside, `None` where it is destroyed.
    #[expect(clippy::option_option, reason = "unknown and destroyed are not the same")]
    pub(super) fn get(&self, id: &KeyId) -> Option<Option<Arc<PersonKey>>> {
        self.keys.get(id).cloned()
    }

    pub(super) fn of(&self, person: &str) -> Option<Arc<PersonKey>> {
        self.keys.get(self.current.get(person)?).cloned().flatten()
    }

    pub(super) fn ids(&self) -> Vec<KeyId> {
        self.keys.iter().filter(|(_, key)| key.is_some()).map(|(id, _)| *id).collect()
    }

    /// Keeps a key, unless it is at hand already.
    pub(super) fn hold(
        &mut self,
        id: KeyId,
        person: String,
        key: Option<Arc<PersonKey>>,
    ) -> Option<Arc<PersonKey>> {
        if self.keys.len() >= MOST {
            self.keys.retain(|_, key| key.as_ref().is_some_and(|k| Arc::strong_count(k) > 1));
            let keys = &self.keys;
            self.current.retain(|_, id| keys.contains_key(id));
        }
        let held = self.keys.entry(id).or_insert(key).clone();
        if held.is_some() {
            self.current.insert(person, id);
        }
        held
    }

    pub(super) fn is_erasing(&self, person: &str) -> bool {
        self.erasing.contains(person)
    }

    /// The person's key is destroyed, or stays.
    pub(super) fn erased(&mut self, person: &str) {
        self.erasing.remove(person);
    }

    /// Nothing more is sealed with the person's key.
    pub(super) fn end(&mut self, person: &str) {
        self.erasing.insert(person.to_owned());
        if let Some(id) = self.current.remove(person)
            && let Some(Some(key)) = self.keys.remove(&id)
        {
            key.end();
        }
    }

    pub(super) fn destroyed(&mut self, id: &KeyId) {
        if let Some(Some(key)) = self.keys.insert(*id, None) {
            key.end();
        }
        self.current.retain(|_, current| current != id);
    }
}
