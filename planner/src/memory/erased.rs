//! What is remembered of somebody goes when the executor has erased them: from where it lies,
//! and from whoever has it at hand.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::RwLock;

use super::store::Name;
use super::{Memory, digest};

type Hearer = Box<dyn Fn(&Gone) + Send + Sync>;

/// Those who are told what was forgotten.
#[derive(Clone, Default)]
pub(super) struct Hearers(Arc<RwLock<Vec<Hearer>>>);

impl Hearers {
    pub(super) fn told(&self, gone: &Gone) {
        self.0.read().iter().for_each(|hearer| hearer(gone));
    }
}

/// Names of what was forgotten.
pub(crate) struct Gone(HashSet<Name>);

impl Gone {
    pub(super) fn of(names: HashSet<Name>) -> Self {
        Self(names)
    }

    /// Whether this is among them.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains(&digest(name))
    }
}

impl Memory {
    /// Tells, from now on, what was forgotten.
    pub(crate) fn tell(&self, hearer: impl Fn(&Gone) + Send + Sync + 'static) {
        self.hear.0.write().push(Box::new(hearer));
    }
}
