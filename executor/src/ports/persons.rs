//! Persons as the store knows them: by keyed digests, each with a key until it is erased.

use async_trait::async_trait;
use countersign_core::person::Person;
use jiff::Timestamp;

use super::StoreError;

/// What is kept of whom.
#[async_trait]
pub trait Persons: Send + Sync {
    /// How receipts name a person: a keyed digest.
    fn person(&self, person: &Person) -> String;

    /// Whether anything personal of them was ever kept and not erased.
    async fn knows(&self, person: &str) -> Result<bool, StoreError>;

    /// Names the key that what is personal of them lies under, here and with whoever remembers
    /// something of them. After an erasure it is another one.
    async fn kept_under(&self, person: &str) -> Result<String, StoreError>;

    /// Which of these keys are destroyed. One that was never here is not: a lost store of keys
    /// must not look like an erasure.
    async fn erased(&self, kept_under: &[String]) -> Result<Vec<String>, StoreError>;

    /// Ends what is this executor's to carry on and opens with a key that is lost: what was not
    /// sent goes, to be asked again; what was is in doubt. A person is asked of it, and asked
    /// anew of what is in doubt by a matter that opens with such a key. Answers with how many.
    async fn end_unreadable(&self, now: Timestamp) -> Result<usize, StoreError>;
}
