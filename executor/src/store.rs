//! The executor's durable memory: one file for one executor, or one PostgreSQL for
//! several.

mod booking;
#[cfg(test)]
pub(crate) mod conformance;
mod conversations;
mod email;
mod erasing;
mod known;
mod matters;
mod migration;
mod old;
mod open;
mod past;
mod register;
mod restored;
mod row;
mod tries;
mod veiled;

#[cfg(any(test, feature = "memory"))]
pub mod memory;

#[cfg(feature = "postgres")]
pub mod postgres;
pub mod sqlite;

use std::collections::BTreeMap;

use countersign_core::activation::{Active, Part};
use countersign_shared::tlog::folder::Source;

use crate::ports::StoreError;
pub use open::{Opened, StoreConfig, activated, check, open, past, place, standing};
pub use past::{Past, Restoration, Restored};

/// Parts with their digests, and the active policy's files by name.
pub type Activated = (BTreeMap<Part, Active>, BTreeMap<String, String>);

/// What feeds the published log folder.
pub type LogSource = Box<dyn Source<Error = StoreError> + Send>;
