//! Persons as the store knows them: by keyed digests, each with a key until it is erased.

use async_trait::async_trait;
use countersign_core::person::Person;

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
}
