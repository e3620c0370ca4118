//! Persons: their keys lie behind the veil.

use async_trait::async_trait;
use countersign_core::person::Person;

use super::Postgres;
use crate::ports::{Persons, StoreError};

#[async_trait]
impl Persons for Postgres {
    fn person(&self, person: &Person) -> String {
        self.veil.person(person)
    }

    async fn knows(&self, person: &str) -> Result<bool, StoreError> {
        self.veil.knows(person).await
    }

    async fn kept_under(&self, person: &str) -> Result<String, StoreError> {
        self.veil.kept_under(person).await
    }

    async fn erased(&self, kept_under: &[String]) -> Result<Vec<String>, StoreError> {
        self.veil.destroyed(kept_under).await
    }
}
