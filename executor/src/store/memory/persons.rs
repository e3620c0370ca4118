//! Persons: a name of their key for each time that they were erased.

use async_trait::async_trait;
use countersign_core::person::Person;
use jiff::Timestamp;

use super::{Memory, log};
use crate::ports::{Persons, StoreError};

#[async_trait]
impl Persons for Memory {
    fn person(&self, person: &Person) -> String {
        log::named(person)
    }

    async fn knows(&self, person: &str) -> Result<bool, StoreError> {
        let person = person.to_owned();
        self.read(move |tables| Ok(tables.knows(&person))).await
    }

    async fn kept_under(&self, person: &str) -> Result<String, StoreError> {
        let person = person.to_owned();
        self.read(move |tables| Ok(format!("{person}.{}", tables.times_erased(&person)))).await
    }

    async fn erased(&self, kept_under: &[String]) -> Result<Vec<String>, StoreError> {
        let names = kept_under.to_vec();
        self.read(move |tables| {
            let gone = |name: &String| {
                let (person, time) = name.rsplit_once('.')?;
                Some(time.parse::<usize>().ok()? < tables.times_erased(person))
            };
            Ok(names.iter().filter(|name| gone(name) == Some(true)).cloned().collect())
        })
        .await
    }

    /// What is personal lies here without keys.
    async fn end_unreadable(&self, _now: Timestamp) -> Result<usize, StoreError> {
        Ok(0)
    }
}
