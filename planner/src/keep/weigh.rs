//! What a checkpoint is worth beside the newest one kept (TWO KEEP THE HISTORY): known, or a
//! question that only a proof answers.

use countersign_shared::tlog::checkpoint::{Checkpoint, CheckpointError};
use countersign_shared::tlog::key::VerifierKey;
use countersign_shared::tlog::merkle::Hash;
use countersign_shared::tlog::note::Note;
use countersign_shared::tlog::path::verify_consistency;

/// A checkpoint that the log's key signed. Nothing says yet whether its history is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    checkpoint: Checkpoint,
    note: Note,
}

/// Two checkpoints of which one must extend the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    known: Checkpoint,
    seen: Seen,
}

impl Seen {
    /// Reads a note and checks whose it is.
    ///
    /// # Errors
    /// When one of the log's keys did not sign it, or it is malformed.
    pub(super) fn read(note: &[u8], keys: &[VerifierKey]) -> Result<Self, CheckpointError> {
        let (checkpoint, note) = Checkpoint::open_by(note, keys)?;
        Ok(Self { checkpoint, note })
    }

    pub(super) fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    pub(super) fn note(&self) -> &Note {
        &self.note
    }

    /// What is to be asked about it.
    pub(super) fn beside(self, known: &Checkpoint) -> Question {
        Question { known: known.clone(), seen: self }
    }
}

impl Question {
    /// The two sizes, the smaller first.
    #[must_use]
    pub fn sizes(&self) -> (u64, u64) {
        let (known, seen) = (self.known.size(), self.seen.checkpoint.size());
        (known.min(seen), known.max(seen))
    }

    /// Whether anything has to be proved: equal sizes and empty logs speak for themselves.
    #[must_use]
    pub fn needs_a_proof(&self) -> bool {
        let (from, to) = self.sizes();
        from > 0 && from < to
    }

    /// The checkpoint, if this proves that the two are of one history.
    pub(super) fn settle(&self, proof: &[Hash]) -> Option<&Seen> {
        let (known, seen) = (&self.known, &self.seen.checkpoint);
        let (earlier, later) =
            if known.size() <= seen.size() { (known, seen) } else { (seen, known) };
        let (earlier, later) = ((earlier.size(), earlier.root()), (later.size(), later.root()));
        verify_consistency(earlier, later, proof).is_ok().then_some(&self.seen)
    }

    pub(super) fn seen(&self) -> &Seen {
        &self.seen
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::HashMap;
    use std::convert::Infallible;

    use countersign_shared::tlog::key::{LogKey, Signer as _};
    use countersign_shared::tlog::merkle::{HashReader, Tree, leaf_hash};
    use countersign_shared::tlog::path::consistency_path;
    use ed25519_dalek::SigningKey;

    use super::*;

    struct Nodes(HashMap<(u8, u64), Hash>);

    impl HashReader for Nodes {
        type Error = Infallible;

        fn hash(&self, level: u8, index: u64) -> Result<Hash, Infallible> {
            Ok(self.0[&(level, index)])
        }
    }

    /// A log that tells another story from entry `other` on.
    fn log(size: u64, other: u64) -> (Seen, Nodes) {
        let key = LogKey::new("log", SigningKey::from_bytes(&[1; 32])).unwrap();
        let (mut tree, mut nodes) = (Tree::default(), HashMap::new());
        for index in 0..size {
            let leaf = if index < other { index } else { index + 1_000 };
            for node in tree.append(leaf_hash(&leaf.to_be_bytes())) {
                nodes.insert((node.level, node.index), node.hash);
            }
        }
        let note = Checkpoint::new("log", size, tree.root()).unwrap().sign(&key).unwrap();
        let seen = Seen::read(note.to_string().as_bytes(), &[key.verifier_key()]).unwrap();
        (seen, Nodes(nodes))
    }

    #[test]
    fn a_log_that_grew_is_believed_and_so_is_a_late_answer() {
        let ((small, _), (large, nodes)) = (log(5, 99), log(9, 99));
        let proof = consistency_path(5, 9, &nodes).unwrap();
        for (known, seen) in [(&small, &large), (&large, &small)] {
            let question = seen.clone().beside(known.checkpoint());
            assert_eq!((question.sizes(), question.needs_a_proof()), ((5, 9), true));
            assert_eq!(question.settle(&proof), Some(seen));
            assert_eq!(question.settle(&[]), None, "without a proof");
        }
    }

    #[test]
    fn a_fork_is_not_whatever_is_shown_for_it() {
        let ((known, own), (forked, nodes)) = (log(6, 99), log(9, 3));
        let question = forked.beside(known.checkpoint());
        for nodes in [&own, &nodes] {
            let proof = consistency_path(6.min(own.0.len() as u64), 6, nodes);
            assert_eq!(question.settle(&proof.unwrap()), None);
        }
        assert_eq!(question.settle(&consistency_path(6, 9, &nodes).unwrap()), None);
        let (same_size, _) = log(6, 3);
        let question = same_size.beside(known.checkpoint());
        assert!(!question.needs_a_proof());
        assert_eq!(question.settle(&[]), None, "two roots at one size");
    }

    #[test]
    fn a_strangers_checkpoint_is_not_even_asked_about() {
        let (seen, _) = log(3, 99);
        let stranger = LogKey::new("log", SigningKey::from_bytes(&[2; 32])).unwrap();
        let text = seen.note().to_string();
        assert!(Seen::read(text.as_bytes(), &[stranger.verifier_key()]).is_err());
    }
}
