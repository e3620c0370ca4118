//! Changes of a store's layout: files that are applied in order, each once, and never
//! edited afterwards. A store remembers which, by number and checksum. They add, and take away
//! nothing that the version before uses: where several share a database, it goes on meanwhile.

use sha2::{Digest as _, Sha256};

/// One file.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Its place in the order.
    pub number: i64,
    /// What it is about.
    pub name: &'static str,
    /// What it does.
    pub sql: &'static str,
}

impl Migration {
    /// Of its text, as hex.
    #[must_use]
    pub fn checksum(&self) -> String {
        hex::encode(Sha256::digest(self.sql.as_bytes()))
    }
}

/// What is left to apply, given what a store has: number and checksum, in order. `whose` is the
/// service that the files are of.
///
/// # Errors
/// A store that is newer, or that is not what these files lead to.
pub fn pending<'k>(
    known: &'k [Migration],
    applied: &[(i64, String)],
    whose: &str,
) -> Result<&'k [Migration], String> {
    let newest = known.last().map_or(0, |migration| migration.number);
    let found = applied.last().map_or(0, |(number, _)| *number);
    if found > newest {
        return Err(format!(
            "this store was written by a newer {whose} (migration {found}; this one knows \
             {newest}): start that version, or restore a backup from before it"
        ));
    }
    for (at, (number, checksum)) in applied.iter().enumerate() {
        let own = known.get(at).filter(|own| own.number == *number);
        if own.is_none_or(|own| own.checksum() != *checksum) {
            return Err(format!(
                "migration {number} of this store is not the one that this {whose} brings \
                 (SHA-256 {checksum}): start the version that wrote the store"
            ));
        }
    }
    Ok(known.get(applied.len()..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const KNOWN: [Migration; 2] = [
        Migration { number: 5, name: "first", sql: "a" },
        Migration { number: 6, name: "second", sql: "b" },
    ];

    fn applied(numbers: &[i64]) -> Vec<(i64, String)> {
        let sum = |n: &i64| KNOWN.iter().find(|m| m.number == *n).map(Migration::checksum);
        numbers.iter().map(|n| (*n, sum(n).unwrap_or_default())).collect()
    }

    fn left(applied: &[(i64, String)]) -> Result<Vec<i64>, String> {
        Ok(pending(&KNOWN, applied, "executor")?.iter().map(|m| m.number).collect())
    }

    #[test]
    fn each_is_applied_once_in_order() {
        assert_eq!(left(&applied(&[])).unwrap(), [5, 6]);
        assert_eq!(left(&applied(&[5])).unwrap(), [6]);
        assert_eq!(left(&applied(&[5, 6])).unwrap(), [0; 0]);
    }

    #[test]
    fn another_past_is_refused_with_what_to_do() {
        let why = |applied: &[(i64, String)]| left(applied).unwrap_err();
        let newer = why(&applied(&[5, 6, 7]));
        assert!(newer.contains("migration 7; this one knows 6"), "{newer}");
        assert!(newer.contains("start that version"), "{newer}");
        let mut edited = applied(&[5, 6]);
        edited.first_mut().unwrap().1 = "00".to_owned();
        assert!(why(&edited).contains("migration 5 of this store is not the one"));
        assert!(why(&applied(&[6])).contains("migration 6"));
    }
}
