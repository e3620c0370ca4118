//! Checkpoints of other sizes that come with a log: one kept from before, and the newest that
//! somebody countersigned. Both must be of the same history.

use std::io;
use std::path::Path;

use super::checkpoint::Checkpoint;
use super::disk::read;
use super::failure::{Failure, FailureCode};
use super::folder::{CHECKPOINT, COSIGNED};
use super::key::VerifierKey;
use super::note::{MAX_NOTE_BYTES, Note, NoteError};
use super::verify::Cosigned;

/// What they state; whose they are is known for certain only once all entries were read.
pub(super) struct Beside {
    earlier: Option<(Note, Checkpoint)>,
    cosigned: Option<(Note, Checkpoint)>,
}

impl Beside {
    /// Reads both.
    pub(super) fn read(
        dir: &Path,
        given: &VerifierKey,
        earlier: Option<&[u8]>,
    ) -> Result<Self, Failure> {
        let earlier = earlier.map(|note| {
            let wrong = |why: &dyn std::fmt::Display| FailureCode::EarlierCheckpoint.because(why);
            let read = stated(note).map_err(|why| wrong(&why))?;
            // A stranger's is told at once.
            let named = read.0.signatures().iter().any(|line| line.name == given.name());
            if read.1.origin() == given.name() && named {
                return Ok(read);
            }
            Err(wrong(&"it is of another log, or this one did not sign it"))
        });
        let cosigned = match read(&dir.join(COSIGNED), MAX_NOTE_BYTES) {
            Ok(bytes) => {
                let read = stated(&bytes);
                Some(read.map_err(|why| FailureCode::CosignedMismatch.because(why).at(COSIGNED))?)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(FailureCode::Unreadable.because(error).at(COSIGNED)),
        };
        Ok(Self { earlier: earlier.transpose()?, cosigned })
    }

    /// Whether the log reaches as far as they do. `publishing`: a countersignature may be ahead.
    pub(super) fn reached(&self, has: u64, publishing: bool) -> Result<(), Failure> {
        let ahead = |beside: &Option<(Note, Checkpoint)>| {
            beside.as_ref().map(|(_, stated)| stated.size()).filter(|size| *size > has)
        };
        if let Some(had) = ahead(&self.earlier) {
            let detail = format!("{had} entries then, {has} now");
            return Err(FailureCode::LogRolledBack.because(detail).leaf(has).at(CHECKPOINT));
        }
        if ahead(&self.cosigned).is_some() && !publishing {
            let detail = "it is of a larger log: entries were taken away";
            return Err(FailureCode::CosignedMismatch.because(detail).leaf(has).at(COSIGNED));
        }
        Ok(())
    }

    /// The roots that the log must have had, and what is wrong where it had not.
    pub(super) fn marks(&self) -> Vec<(&Checkpoint, FailureCode)> {
        let earlier = self.earlier.iter().map(|(_, at)| (at, FailureCode::LogForked));
        let cosigned = self.cosigned.iter().map(|(_, at)| (at, FailureCode::CosignedMismatch));
        earlier.chain(cosigned).collect()
    }

    /// Whether the log's own `keys` signed both, and which of `cosigners` signed the one.
    pub(super) fn signed(
        &self,
        keys: &[VerifierKey],
        cosigners: &[VerifierKey],
    ) -> Result<Option<Cosigned>, Failure> {
        if let Some((note, _)) = &self.earlier {
            let signed = note.verify(keys);
            signed.map_err(|why| FailureCode::EarlierCheckpoint.because(why))?;
        }
        let cosigned = match &self.cosigned {
            Some((note, stated)) => Some(Cosigned {
                size: stated.size(),
                by: by(note, keys, cosigners)
                    .map_err(|why| FailureCode::CosignedMismatch.because(why).at(COSIGNED))?,
            }),
            None => None,
        };
        let by_any = cosigned.as_ref().is_some_and(|cosigned| !cosigned.by.is_empty());
        if cosigners.is_empty() || by_any {
            return Ok(cosigned);
        }
        Err(FailureCode::CosignatureMissing.because("").at(COSIGNED))
    }
}

fn stated(note: &[u8]) -> Result<(Note, Checkpoint), String> {
    let note = Note::parse(note).map_err(|why| why.to_string())?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|why| why.to_string())?;
    Ok((note, checkpoint))
}

/// Names of the cosigners whose lines are good, on a note that is the log's own.
fn by(
    note: &Note,
    keys: &[VerifierKey],
    cosigners: &[VerifierKey],
) -> Result<Vec<String>, NoteError> {
    note.verify(keys)?;
    match note.verify(cosigners) {
        Ok(signed) => Ok(signed.iter().map(|signed| signed.key.name().to_owned()).collect()),
        Err(NoteError::Unsigned(_)) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
