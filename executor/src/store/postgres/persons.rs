//! Persons: their keys lie behind the veil.

use async_trait::async_trait;
use countersign_core::person::Person;
use jiff::Timestamp;

use super::seat::Entry;
use super::{Postgres, lost, rows};
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

    async fn end_unreadable(&self, now: Timestamp) -> Result<usize, StoreError> {
        let db = self.db.client().await?;
        let begun = rows::held(&db, self.instance.generation).await?;
        let (lost, leaves) = lost::find(&db, &self.veil, &begun, now).await?;
        drop(db);
        let count = lost.len();
        if count > 0 {
            self.seal_entry(Entry { lost, leaves, ..Entry::default() }).await?;
        }
        Ok(count)
    }
}
