//! C2SP `.tlog-proof` files: one entry's inclusion, checked offline.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::checkpoint::{Checkpoint, CheckpointError, decimal, hash};
use super::key::VerifierKey;
use super::merkle::{Hash, leaf_hash};
use super::note::{Note, NoteError};
use super::path::{PathMismatch, verify_inclusion};

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
/// A path has at most one hash for each bit of the log's size.
const MAX_HASHES: usize = 64;

/// That an entry is in the log: its index, the path to the root, and the signed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogProof {
    /// The entry's index.
    pub index: u64,
    /// The inclusion path, from the leaf up.
    pub path: Vec<Hash>,
    /// The signed checkpoint that the path leads to.
    pub checkpoint: Note,
    /// Bytes that nothing vouches for; `None` rather than empty.
    pub extra: Option<Vec<u8>>,
}

/// Why a proof file proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// Not the one form that a proof file has.
    #[error("not a log proof: {0}")]
    Format(&'static str),
    /// The checkpoint in it is malformed, or not the log's.
    #[error("the proof's checkpoint is not acceptable: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The note in it is malformed.
    #[error("the proof's checkpoint is not acceptable: {0}")]
    Note(#[from] NoteError),
    /// The entry is not where the proof says.
    #[error(transparent)]
    Path(#[from] PathMismatch),
}

impl LogProof {
    /// Reads a proof file; every byte counts.
    ///
    /// # Errors
    /// When it is not exactly what [`LogProof`]'s `Display` would write.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProofError> {
        let text = std::str::from_utf8(bytes).map_err(|_| ProofError::Format("not UTF-8"))?;
        let (head, checkpoint) =
            text.split_once("\n\n").ok_or(ProofError::Format("no checkpoint in it"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(FIRST_LINE) {
            return Err(ProofError::Format("its first line is not c2sp.org/tlog-proof@v1"));
        }
        let extra = lines
            .next_if(|line| line.starts_with("extra "))
            .map(|line| extra(line).ok_or(ProofError::Format("its extra line is malformed")))
            .transpose()?;
        let index = lines
            .next()
            .and_then(|line| decimal(line.strip_prefix("index ")?))
            .ok_or(ProofError::Format("its index line is missing or malformed"))?;
        let path: Vec<Hash> = lines
            .map(|line| hash(line).ok_or(ProofError::Format("a hash line is malformed")))
            .take(MAX_HASHES + 1)
            .collect::<Result<_, _>>()?;
        if path.len() > MAX_HASHES {
            return Err(ProofError::Format("too many hashes"));
        }
        let checkpoint = Note::parse(checkpoint.as_bytes())?;
        Checkpoint::parse(checkpoint.text())?;
        Ok(Self { index, path, checkpoint, extra })
    }

    /// Checks that the log with `key` holds the entry `leaf` at [`LogProof::index`], and answers
    /// with the checkpoint that says so. Witnesses' lines on it are for [`Note::verify`].
    ///
    /// # Errors
    /// When the checkpoint is not the log's, or the path does not lead from the entry to its root.
    pub fn verify(&self, key: &VerifierKey, leaf: &[u8]) -> Result<Checkpoint, ProofError> {
        self.verify_by(std::slice::from_ref(key), leaf)
    }

    /// The same where the log has, or had, several keys.
    ///
    /// # Errors
    /// As [`LogProof::verify`].
    pub fn verify_by(&self, keys: &[VerifierKey], leaf: &[u8]) -> Result<Checkpoint, ProofError> {
        let (checkpoint, _) = Checkpoint::open_by(self.checkpoint.to_string().as_bytes(), keys)?;
        let (size, root) = (checkpoint.size(), checkpoint.root());
        verify_inclusion(self.index, &leaf_hash(leaf), size, root, &self.path)?;
        Ok(checkpoint)
    }
}

impl std::fmt::Display for LogProof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{FIRST_LINE}")?;
        if let Some(extra) = self.extra.as_ref().filter(|extra| !extra.is_empty()) {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{}", STANDARD.encode(hash)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

fn extra(line: &str) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(line.strip_prefix("extra ")?).ok()?;
    (!bytes.is_empty()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::super::key::Signer;
    use super::super::key::tests::{log_key, witness_key};
    use super::super::merkle::tests::grow;
    use super::super::path::inclusion_path;
    use super::*;

    fn proof(index: u64, leaves: &[&str]) -> LogProof {
        let (tree, nodes) = grow(leaves);
        let checkpoint = Checkpoint::new("example.com/log", tree.size(), tree.root()).unwrap();
        LogProof {
            index,
            path: inclusion_path(index, tree.size(), &nodes).unwrap(),
            checkpoint: checkpoint.sign(&log_key()).unwrap(),
            extra: None,
        }
    }

    const LEAVES: [&str; 5] = ["a", "b", "c", "d", "e"];

    #[test]
    fn a_file_round_trips_and_proves_its_entry_only() {
        let key = log_key().verifier_key();
        for index in 0..5_u64 {
            let mut proof = proof(index, &LEAVES);
            if index > 2 {
                proof.extra = Some(b"context".to_vec());
                let line = witness_key().cosign(proof.checkpoint.text(), 9);
                proof.checkpoint.push(line);
            }
            let read = LogProof::parse(proof.to_string().as_bytes()).unwrap();
            assert_eq!(read, proof);
            for (at, leaf) in (0..).zip(LEAVES) {
                assert_eq!(read.verify(&key, leaf.as_bytes()).is_ok(), at == index);
            }
        }
        let alone = proof(0, &["a"]);
        assert_eq!(alone.verify(&key, b"a").unwrap().size(), 1);
    }

    #[test]
    fn the_file_looks_as_the_format_says() {
        let proof = LogProof { extra: Some(vec![0]), ..proof(4, &LEAVES) };
        let lines: Vec<String> = proof.to_string().lines().map(str::to_owned).collect();
        assert_eq!(lines[..3], ["c2sp.org/tlog-proof@v1", "extra AA==", "index 4"]);
        assert_eq!(lines[4..7], ["", "example.com/log", "5"]);
        assert_eq!(lines.len(), 10);
    }

    #[test]
    fn another_implementation_accepts_the_path() {
        let proof = proof(3, &LEAVES);
        let root = *Checkpoint::parse(proof.checkpoint.text()).unwrap().root();
        let path: Vec<_> = proof.path.iter().map(|hash| tlog_tiles::Hash(*hash)).collect();
        let leaf = tlog_tiles::record_hash(b"d");
        assert!(tlog_tiles::check_record(&path, 5, tlog_tiles::Hash(root), 3, leaf).is_ok());
    }

    #[test]
    fn no_touched_file_proves_anything() {
        let key = log_key().verifier_key();
        let good = proof(1, &LEAVES).to_string().into_bytes();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            let proved = LogProof::parse(&bad).and_then(|proof| proof.verify(&key, b"b"));
            assert!(proved.is_err(), "byte {at}");
            assert!(LogProof::parse(&good[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn only_one_text_is_the_proof() {
        let good = proof(0, &LEAVES).to_string();
        for bad in [
            good.replace("@v1", "@v2"),
            good.replace("index 0", "index 00"),
            good.replace("index 0", "extra \nindex 0"),
            good.replace("index 0", "extra AB==\nindex 0"),
            good.replace("index 0\n", ""),
            good.replacen("\n\n", "\n", 1),
            good.replacen("\n\n", "\n\n\n", 1),
            format!("{good}\n"),
            good.replace(
                "index 0\n",
                &format!("index 0\n{}", format!("{}\n", STANDARD.encode([0; 32])).repeat(64)),
            ),
        ] {
            assert!(LogProof::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
