//! Persons: their keys lie behind the veil.

use async_trait::async_trait;
use countersign_core::person::Person;
use jiff::Timestamp;

use super::{Sqlite, lost, rows};
use crate::ports::{Persons, StoreError};

#[async_trait]
impl Persons for Sqlite {
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
        let veil = self.veil.clone();
        self.act(move |batch| {
            let begun = rows::begun(batch.db())?;
            let (gone, leaves) = lost::end(batch.db(), &veil, &begun, now)?;
            leaves.iter().try_for_each(|leaf| batch.log(leaf).map(drop))?;
            Ok(gone.saturating_add(leaves.len()))
        })
        .await
    }
}
