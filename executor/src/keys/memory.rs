//! For tests only: keys that end with the process.

use jiff::Timestamp;
use parking_lot::Mutex;

use super::{KeyId, Keys, Wrapped};
use crate::ports::StoreError;

/// Keys in memory.
#[derive(Default)]
pub struct MemoryKeys {
    index: Mutex<Option<Vec<u8>>>,
    keys: Mutex<Vec<Wrapped>>,
}

impl Keys for MemoryKeys {
    fn index(&self, offered: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        Ok(self.index.lock().get_or_insert(offered).clone())
    }

    fn find(&self, ids: &[KeyId]) -> Result<Vec<Wrapped>, StoreError> {
        let keys = self.keys.lock();
        Ok(keys.iter().filter(|key| ids.contains(&key.id)).cloned().collect())
    }

    fn current(&self, person: &str) -> Result<Option<Wrapped>, StoreError> {
        let keys = self.keys.lock();
        Ok(keys.iter().find(|key| key.person == person && key.key.is_some()).cloned())
    }

    fn keep(&self, new: Wrapped) -> Result<Wrapped, StoreError> {
        if let Some(kept) = self.current(&new.person)? {
            return Ok(kept);
        }
        self.keys.lock().push(new.clone());
        Ok(new)
    }

    fn destroy(&self, person: &str, until: Timestamp) -> Result<(), StoreError> {
        let mut keys = self.keys.lock();
        let theirs = keys.iter_mut().filter(|key| key.person == person && key.made <= until);
        theirs.for_each(|key| key.key = None);
        Ok(())
    }
}
