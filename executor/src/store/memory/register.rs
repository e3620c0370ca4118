//! Rows beside the receipts.

use std::ops::Range;

use async_trait::async_trait;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::Memory;
use crate::ports::StoreError;
use crate::register::{Day, Entry, Found, Register, Search, Wait, day_of};
use crate::store::register::{EntryRow, matches, sums};

/// Nothing here outlives the process: a digest without a key tells texts apart.
pub(super) fn digest(domain: &str, text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    hex::encode(Sha256::new_with_prefix(domain).chain_update("\n").chain_update(text).finalize())
}

#[async_trait]
impl Register for Memory {
    async fn search(&self, search: Search) -> Result<Vec<Found>, StoreError> {
        self.read(|tables| {
            let rows = (0..).zip(&tables.register);
            let fits = rows.filter(|(index, row)| matches(&search, row, *index, &digest));
            let mut found: Vec<_> =
                fits.map(|(index, row)| Found { index, entry: row.entry.clone() }).collect();
            found.sort_by_key(|found| std::cmp::Reverse(found.place()));
            found.truncate(usize::try_from(search.limit).unwrap_or(usize::MAX));
            Ok(found)
        })
        .await
    }

    async fn days(&self, tenant: Option<String>, days: Range<i64>) -> Result<Vec<Day>, StoreError> {
        self.read(|tables| {
            let mut all = sums(tables.register.iter().flat_map(|row| &row.days));
            all.retain(|day| {
                days.contains(&day.day) && tenant.as_ref().is_none_or(|t| *t == day.tenant)
            });
            Ok(all)
        })
        .await
    }

    async fn waits(
        &self,
        tenant: Option<String>,
        within: Range<Timestamp>,
    ) -> Result<Vec<Wait>, StoreError> {
        self.read(|tables| {
            let entries = tables.register.iter().map(|row| &row.entry);
            let asked = entries.filter(|entry| {
                within.contains(&entry.at) && tenant.as_ref().is_none_or(|t| *t == entry.tenant)
            });
            let voted = asked.filter(|entry| !entry.votes.is_empty());
            let wait =
                |entry: &Entry| Some(Wait { day: day_of(entry.at), milliseconds: entry.waited? });
            Ok(voted.filter_map(wait).collect())
        })
        .await
    }
}

/// What a person is found by goes; what can be counted stays.
pub(super) fn erase(rows: &mut [std::sync::Arc<EntryRow>], person: &str) {
    for row in rows.iter_mut().filter(|row| row.person == person) {
        *row = std::sync::Arc::new(EntryRow::clone(row).erased());
    }
}
