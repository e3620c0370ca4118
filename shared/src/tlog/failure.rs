//! What can be wrong with a log folder: a fixed list of codes, each with one meaning.

/// Why a log folder does not verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {}{}", .code.meaning(), place(.index.as_ref(), .path.as_deref(), .detail))]
pub struct Failure {
    /// What is wrong.
    pub code: FailureCode,
    /// The first leaf that is wrong, as far as the folder lets one tell. Always there when an entry
    /// or a tile differs; for a tile above the lowest level it is the first leaf under the hash.
    pub index: Option<u64>,
    /// The file, below the log's folder.
    pub path: Option<String>,
    /// More about it, for a person; may be empty.
    pub detail: String,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident $text:literal $meaning:literal)+) => {
        /// Stable codes: none is ever renamed or given another meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum FailureCode {
            $($(#[doc = $doc])+ $name,)+
        }

        impl FailureCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The stable string.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            /// What it means, as a clause for a person.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => $meaning,)+
                }
            }
        }
    };
}

codes! {
    /// The folder has no checkpoint file.
    CheckpointMissing "CHECKPOINT_MISSING" "the folder has no checkpoint, so nothing vouches for it"
    /// The checkpoint is not a checkpoint to the byte.
    CheckpointMalformed "CHECKPOINT_MALFORMED" "the checkpoint file is not a well-formed checkpoint"
    /// The checkpoint is not signed by the key given.
    CheckpointSignature "CHECKPOINT_SIGNATURE" "the checkpoint is not signed by the log's key"
    /// The checkpoint is of another log.
    CheckpointOrigin "CHECKPOINT_ORIGIN" "the checkpoint belongs to another log"
    /// The earlier checkpoint given to compare with does not verify itself.
    EarlierCheckpoint "EARLIER_CHECKPOINT" "the earlier checkpoint to compare with is not one of this log's"
    /// The log is smaller than the earlier checkpoint.
    LogRolledBack "LOG_ROLLED_BACK" "the log has fewer entries than it once had; newer ones were taken away"
    /// The log's first entries are not those of the earlier checkpoint.
    LogForked "LOG_FORKED" "the log does not extend the earlier checkpoint; its history was rewritten"
    /// An entry changes the log's key without the signatures of both keys.
    RotationSignature "ROTATION_SIGNATURE" "a change of the log's key is not signed by both the old and the new key"
    /// An entry changes the log's key where it cannot.
    RotationMisplaced "ROTATION_MISPLACED" "a change of the log's key does not follow from what is before it"
    /// The cosigned checkpoint beside the log is not one of this log's.
    CosignedMismatch "COSIGNED_MISMATCH" "the cosigned checkpoint is not of this history"
    /// No checkpoint is there that the cosigner signed.
    CosignatureMissing "COSIGNATURE_MISSING" "no checkpoint of the log carries the cosigner's signature"
    /// Entries that the checkpoint promises are not there.
    LogShort "LOG_SHORT" "entries that the checkpoint promises are missing"
    /// An entry bundle is not the right number of entries to the byte.
    EntryMalformed "ENTRY_MALFORMED" "an entry bundle is cut, stretched or garbled"
    /// An entry is not the one that was logged.
    EntryMismatch "ENTRY_MISMATCH" "an entry is not the one that was logged"
    /// The entry is the logged one, but its reader refuses it.
    EntryRefused "ENTRY_REFUSED" "an entry was logged as it is, but its content is not valid"
    /// What is shown for an entry is not what was logged.
    OpeningMismatch "OPENING_MISMATCH" "what is disclosed of an entry is not what was logged"
    /// The export is not written as one.
    ExportMalformed "EXPORT_MALFORMED" "the export is not written as one, or lacks a part"
    /// A hash tile is not there.
    TileMissing "TILE_MISSING" "a hash tile is missing"
    /// A hash tile is not what the entries give.
    TileMismatch "TILE_MISMATCH" "a hash tile is not what the entries give"
    /// Entries and tiles agree with each other, but not with the checkpoint.
    RootMismatch "ROOT_MISMATCH" "entries and tiles fit each other but not the checkpoint; both were changed"
    /// A file that is no part of the log.
    StrayFile "STRAY_FILE" "a file is no part of the log at its checkpoint"
    /// The folder was published to meanwhile.
    LogMoved "LOG_MOVED" "the log was published to during the check; run it again"
    /// The file system refused.
    Unreadable "UNREADABLE" "a file cannot be read"
}

impl std::fmt::Display for FailureCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FailureCode {
    /// With more about it.
    #[must_use]
    pub fn because(self, detail: impl std::fmt::Display) -> Failure {
        Failure { code: self, index: None, path: None, detail: detail.to_string() }
    }
}

impl Failure {
    /// In this file.
    #[must_use]
    pub fn at(self, path: impl Into<String>) -> Self {
        Self { path: Some(path.into()), ..self }
    }

    /// At this leaf.
    #[must_use]
    pub fn leaf(self, index: u64) -> Self {
        Self { index: Some(index), ..self }
    }
}

fn place(index: Option<&u64>, path: Option<&str>, detail: &str) -> String {
    let index = index.map(|index| format!("; first bad leaf {index}"));
    let path = path.map(|path| format!("; in {path}"));
    let detail = (!detail.is_empty()).then(|| format!(" ({detail})"));
    [index, path, detail].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_where_and_why() {
        let failure = FailureCode::EntryMalformed.because("cut").at("tile/entries/000").leaf(3);
        assert_eq!(
            failure.to_string(),
            "ENTRY_MALFORMED: an entry bundle is cut, stretched or garbled; first bad leaf 3; \
             in tile/entries/000 (cut)"
        );
    }

    #[test]
    fn codes_are_the_names_in_capitals() {
        for code in FailureCode::ALL {
            let name: String = code.as_str().split('_').map(str::to_lowercase).collect();
            assert_eq!(name, format!("{code:?}").to_lowercase());
        }
    }
}
