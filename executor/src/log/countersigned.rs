//! What planners countersigned of our log: the newest, kept where the log is published.

use std::path::Path;
use std::sync::Arc;

use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::folder::{COSIGNED, PublishError, Publisher};
use countersign_shared::tlog::note::Note;
use parking_lot::Mutex;

/// The newest countersigned checkpoint. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Countersigned(Arc<Mutex<Newest>>);

#[derive(Debug, Default)]
struct Newest {
    note: Option<(u64, Note)>,
    /// Whether it lies in the folder.
    put: bool,
}

impl Countersigned {
    /// As it lies in the log's folder. What cannot be read there is replaced by the next.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        let read = || {
            let note = Note::parse(&std::fs::read(folder.join(COSIGNED)).ok()?).ok()?;
            Some((Checkpoint::parse(note.text()).ok()?.size(), note))
        };
        Self(Arc::new(Mutex::new(Newest { note: read(), put: true })))
    }

    /// How large the log is that was countersigned; 0 where none was.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.0.lock().note.as_ref().map_or(0, |(size, _)| *size)
    }

    /// Takes a checkpoint of this log with its countersignatures, both known to be good. A newer
    /// one replaces it, others' lines on the same one are added; answers with whether it did.
    #[must_use]
    pub fn offer(&self, size: u64, note: Note) -> bool {
        let mut newest = self.0.lock();
        let before = newest.note.clone();
        newest.note = match newest.note.take() {
            Some((known, old)) if known > size => Some((known, old)),
            Some((known, mut old)) if old.text() == note.text() => {
                note.signatures().iter().for_each(|line| old.push(line.clone()));
                Some((known, old))
            }
            Some(_) | None => Some((size, note)),
        };
        let changed = newest.note != before;
        newest.put &= !changed;
        changed
    }

    /// Puts it into the log's folder, once that reaches so far.
    pub(super) fn put(&self, publisher: &mut Publisher) -> Result<(), PublishError> {
        let mut newest = self.0.lock();
        if let (false, Some((size, note))) = (newest.put, &newest.note) {
            newest.put = publisher.cosigned(*size, note)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use countersign_shared::tlog::key::{LogKey, WitnessKey};
    use ed25519_dalek::SigningKey;

    use super::*;

    #[test]
    fn the_newest_stays_and_lines_on_it_are_gathered() {
        let log = LogKey::new("log", SigningKey::from_bytes(&[1; 32])).unwrap();
        let note = |size, witness: u8, time| {
            let mut note = Checkpoint::new("log", size, [9; 32]).unwrap().sign(&log).unwrap();
            let secret = SigningKey::from_bytes(&[witness; 32]);
            let witness = WitnessKey::new(&format!("w{witness}"), secret).unwrap();
            note.push(witness.cosign(note.text(), time));
            note
        };
        let kept = Countersigned::default();
        assert!(kept.offer(5, note(5, 2, 7)));
        assert!(!kept.offer(5, note(5, 2, 7)), "nothing new");
        assert!(!kept.offer(4, note(4, 3, 8)), "older");
        assert!(kept.offer(5, note(5, 3, 8)));
        assert_eq!(kept.0.lock().note.as_ref().unwrap().1.signatures().len(), 3);
        // However often one planner signs, it has one line.
        (10..100).for_each(|time| assert!(kept.offer(5, note(5, 3, time))));
        assert_eq!(kept.0.lock().note.as_ref().unwrap().1.signatures().len(), 3);
        assert!(kept.offer(6, note(6, 2, 9)));
        assert_eq!(kept.0.lock().note.as_ref().unwrap().1.signatures().len(), 2);
    }
}
