//! Keys that are in memory.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::PersonKey;
use crate::keys::KeyId;

/// Most keys at hand; those that nobody uses go first.
const MOST: usize = 10_000;

/// A key and whose it is; destroyed, it is `None`.
struct Held {
    person: String,
    key: Option<Arc<PersonKey>>,
}

/// By id, and by person the one to seal with.
#[derive(Default)]
pub(super) struct Cache {
    keys: HashMap<KeyId, Held>,
    current: HashMap<String, KeyId>,
    /// Whose key is about to be destroyed.
    erasing: HashSet<String>,
    /// What was not there when it was asked for last.
    lost: HashSet<KeyId>,
}

impl Cache {
    /// `None` where it is not known here; inside, `None` where it is destroyed.
    #[expect(clippy::option_option, reason = "unknown and destroyed are not the same")]
    pub(super) fn get(&self, id: &KeyId) -> Option<Option<Arc<PersonKey>>> {
        self.keys.get(id).map(|held| held.key.clone())
    }

    pub(super) fn of(&self, person: &str) -> Option<Arc<PersonKey>> {
        self.keys.get(self.current.get(person)?)?.key.clone()
    }

    /// The key is not among those that are kept. Whether that is new.
    pub(super) fn lose(&mut self, id: KeyId) -> bool {
        self.lost.insert(id)
    }

    pub(super) fn is_lost(&self, id: &KeyId) -> bool {
        self.lost.contains(id)
    }

    pub(super) fn ids(&self) -> Vec<KeyId> {
        self.keys.iter().filter(|(_, held)| held.key.is_some()).map(|(id, _)| *id).collect()
    }

    /// Keeps a key, unless it is at hand already.
    pub(super) fn hold(
        &mut self,
        id: KeyId,
        person: String,
        key: Option<Arc<PersonKey>>,
    ) -> Option<Arc<PersonKey>> {
        if self.keys.len() >= MOST {
            let used = |key: &Arc<PersonKey>| Arc::strong_count(key) > 1;
            self.keys.retain(|_, held| held.key.as_ref().is_some_and(used));
            let keys = &self.keys;
            self.current.retain(|_, id| keys.contains_key(id));
        }
        self.lost.remove(&id);
        let erasing = self.is_erasing(&person);
        let held = self.keys.entry(id).or_insert_with(|| Held { person: person.clone(), key });
        let key = held.key.clone();
        match &key {
            // Found before the erasure began: it opens for now, and seals nothing.
            Some(key) if erasing => key.end(),
            Some(_) => drop(self.current.insert(person, id)),
            None => {}
        }
        key
    }

    pub(super) fn is_erasing(&self, person: &str) -> bool {
        self.erasing.contains(person)
    }

    /// The person's keys may have been destroyed, or stay: the store of keys is asked again.
    pub(super) fn erased(&mut self, person: &str) {
        self.forget(person);
        self.erasing.remove(person);
    }

    /// Nothing more is sealed with the person's key.
    pub(super) fn end(&mut self, person: &str) {
        self.erasing.insert(person.to_owned());
        self.forget(person);
    }

    fn forget(&mut self, person: &str) {
        self.current.remove(person);
        let theirs = self.keys.extract_if(|_, held| held.person == person);
        theirs.filter_map(|(_, held)| held.key).for_each(|key| key.end());
    }

    pub(super) fn destroyed(&mut self, id: &KeyId) {
        if let Some(key) = self.keys.get_mut(id).and_then(|held| held.key.take()) {
            key.end();
        }
        self.current.retain(|_, current| current != id);
    }
}
