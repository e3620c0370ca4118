//! What the planner keeps of the executor's history (TWO KEEP THE HISTORY): each receipt
//! that it was given, with its proof, and the newest checkpoint, countersigned, which goes
//! back with every call. An executor that was restored from a backup notices by it, and is
//! told again what it forgot. One that shows another history is refused: what was caught lies
//! beside the rest until a person has removed it.
//!
//! ```text
//! note ─▶ signed by the log? ─▶ weigh: known? ─no─▶ Question ─▶ proof ─▶ settle ─▶ countersigned, kept
//!              └no──────────────────────────────────────────────────────└no─▶ evidence
//! ```
//!
//! Files only grow, one a day; what is older than any backup may be deleted.

mod evidence;
mod told;
mod weigh;

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_proto::v1::Action;
use countersign_shared::kept::{CHECKPOINT, ENDING, HEADER, Kept, RECEIPTS};
use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::key::{VerifierKey, WitnessKey};
use countersign_shared::tlog::merkle::Hash;
use countersign_shared::tlog::note::Note;
use countersign_shared::tlog::proof::LogProof;
use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use tokio::sync::OwnedMutexGuard;
use tokio::task::{JoinError, spawn_blocking};
use tonic::metadata::MetadataValue;
use tonic::service::Interceptor;
use tonic::{Request, Status};

use evidence::Caught;
pub use weigh::Question;
use weigh::Seen;

/// Checkpoints that were proved, so that each is asked about once.
const REMEMBERED: usize = 64;

/// The folder, or nothing where none is configured. Clones keep in the same place.
#[derive(Debug, Clone, Default)]
pub struct Keep(Option<Arc<Folder>>);

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    log: Vec<VerifierKey>,
    cosigner: WitnessKey,
    newest: RwLock<Option<Newest>>,
    proved: Mutex<VecDeque<Checkpoint>>,
    /// What was known when it was weighed last, as it came: no signature is checked twice.
    weighed: RwLock<Option<Vec<u8>>>,
    /// One writer at a time.
    writing: Mutex<()>,
    /// One question at a time: an answer is about the newest checkpoint.
    asking: Arc<tokio::sync::Mutex<()>>,
    /// This process alone writes evidence here: where nothing was caught, nothing is looked for.
    caught: RwLock<Found>,
}

/// What this process knows to be caught.
#[derive(Debug)]
enum Found {
    Nothing,
    /// It lies in the folder, unless a person has removed it since.
    There,
    /// The disk did not take it: it counts until this process ends.
    Unwritten(String),
}

#[derive(Debug, Clone)]
struct Newest {
    checkpoint: Checkpoint,
    /// With our own line.
    note: Vec<u8>,
}

/// Why the executor is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Distrusted(pub String);

impl Keep {
    /// Opens or makes the folder, for the log with one of these keys; `cosigner` is ours.
    ///
    /// # Errors
    /// When it cannot be written, or its checkpoint is damaged.
    pub fn open(path: &Path, log: Vec<VerifierKey>, cosigner: WitnessKey) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let newest = match fs::read(path.join(CHECKPOINT)) {
            Ok(note) => Newest::read(note, &log, &cosigner).ok_or_else(|| damaged(path))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let newest = RwLock::new(newest);
        let (path, proved, writing) = (path.to_owned(), Mutex::default(), Mutex::default());
        let found = if evidence::read(&path).is_some() { Found::There } else { Found::Nothing };
        let (asking, caught, weighed) = (Arc::default(), RwLock::new(found), RwLock::default());
        let folder =
            Folder { path, log, cosigner, newest, proved, weighed, writing, asking, caught };
        Ok(Self(Some(Arc::new(folder))))
    }

    /// Whether anything is kept at all.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// Names of the logs whose history it is.
    #[must_use]
    pub fn origins(&self) -> Vec<String> {
        let keys = self.0.iter().flat_map(|folder| &folder.log);
        keys.map(|key| key.name().to_owned()).collect()
    }

    /// Entries of the log at this checkpoint; `None` where none of the log's keys signed it.
    #[must_use]
    pub fn signed_size(&self, note: &[u8]) -> Option<u64> {
        Some(Seen::read(note, &self.0.as_ref()?.log).ok()?.checkpoint().size())
    }

    /// The newest checkpoint: its log, its size, and its note.
    #[must_use]
    pub fn newest(&self) -> Option<(String, u64, Vec<u8>)> {
        let newest = self.0.as_ref()?.newest.read();
        let Newest { checkpoint, note } = newest.as_ref()?;
        Some((checkpoint.origin().to_owned(), checkpoint.size(), note.clone()))
    }

    /// Entries of the log at the newest checkpoint; `None` where there is none.
    #[must_use]
    pub fn newest_size(&self) -> Option<u64> {
        self.0.as_ref()?.newest.read().as_ref().map(|newest| newest.checkpoint.size())
    }

    /// Why nothing is asked of the executor, until a person removed what was caught.
    #[must_use]
    pub fn distrust(&self) -> Option<String> {
        let folder = self.0.as_ref()?;
        if matches!(*folder.caught.read(), Found::Nothing) {
            return None;
        }
        let mut found = folder.caught.write();
        let why = evidence::read(&folder.path);
        match &*found {
            Found::Unwritten(unwritten) => return why.or_else(|| Some(unwritten.clone())),
            Found::There if why.is_none() => *found = Found::Nothing,
            Found::There | Found::Nothing => {}
        }
        why
    }

    /// Waits for its turn to ask about a checkpoint: until it is settled, the next one is held
    /// against what was known before.
    pub async fn turn(&self) -> Option<OwnedMutexGuard<()>> {
        Some(Arc::clone(&self.0.as_ref()?.asking).lock_owned().await)
    }

    /// What has to be asked about a checkpoint; nothing where it is known.
    ///
    /// # Errors
    /// When the log's key did not sign it.
    pub fn weigh(&self, note: &[u8]) -> Result<Option<Question>, Distrusted> {
        let Some(folder) = &self.0 else { return Ok(None) };
        if folder.weighed.read().as_deref() == Some(note) {
            return Ok(None);
        }
        let seen = Seen::read(note, &folder.log).map_err(|error| {
            let seen = String::from_utf8_lossy(note).into_owned();
            let why = format!("a checkpoint is not the log's: {error}");
            self.caught(Caught { why, seen, ..Caught::default() })
        })?;
        let known = folder.newest.read().as_ref().map(|newest| newest.checkpoint.clone());
        let is_known = known.as_ref() == Some(seen.checkpoint())
            || folder.proved.lock().contains(seen.checkpoint());
        match known {
            _ if is_known => {
                *folder.weighed.write() = Some(note.to_vec());
                Ok(None)
            }
            Some(known) => Ok(Some(seen.beside(&known))),
            None => {
                folder.believe(&seen);
                Ok(None)
            }
        }
    }

    /// Takes the checkpoint that was asked about, if this proves it.
    ///
    /// # Errors
    /// When it does not.
    fn settle(&self, question: &Question, proof: &[Hash]) -> Result<(), Distrusted> {
        let Some(folder) = &self.0 else { return Ok(()) };
        if let Some(seen) = question.settle(proof) {
            folder.believe(seen);
            return Ok(());
        }
        let (from, to) = question.sizes();
        let why = format!(
            "the log was forked: its {to} entries do not begin with the {from} of the other checkpoint"
        );
        let seen = question.seen().note().to_string();
        Err(self.caught(Caught { why, seen, ..Caught::default() }.by(proof)))
    }

    /// The same on a thread of its own, since it writes to the disk. Whoever waits may leave
    /// midway: it is nobody else's turn before all is written.
    ///
    /// # Errors
    /// When it does not prove it; that thread's own end comes outside.
    pub async fn settle_in(
        &self,
        turn: Option<OwnedMutexGuard<()>>,
        question: Question,
        proof: Vec<Hash>,
    ) -> Result<Result<(), Distrusted>, JoinError> {
        let keep = self.clone();
        let settle = move || {
            let _turn = turn;
            keep.settle(&question, &proof)
        };
        spawn_blocking(settle).await
    }

    /// The executor says that it has no such history.
    #[must_use]
    pub fn withheld(&self, question: &Question, answer: &str) -> Distrusted {
        let (from, to) = question.sizes();
        let why = format!(
            "the log went back or was forked: the executor proves nothing between its {from} and \
             {to} entries: {answer}"
        );
        let seen = question.seen().note().to_string();
        self.caught(Caught { why, seen, ..Caught::default() })
    }

    /// The executor says that its log is empty.
    ///
    /// # Errors
    /// When it was not.
    pub fn emptied(&self) -> Result<(), Distrusted> {
        let newest = self.0.as_ref().and_then(|folder| folder.newest.read().clone());
        match newest.filter(|newest| newest.checkpoint.size() > 0) {
            None => Ok(()),
            Some(newest) => {
                let size = newest.checkpoint.size();
                let why = format!("the log went back: it is empty, and had {size} entries");
                Err(self.caught(Caught { why, ..Caught::default() }))
            }
        }
    }

    /// Whether the proof shows the receipt in the log, and the receipt is what was told.
    /// Answers with the checkpoint that it leads to.
    ///
    /// # Errors
    /// When it does not.
    pub fn included(&self, action: &Action) -> Result<Vec<u8>, Distrusted> {
        let Some(folder) = &self.0 else { return Ok(Vec::new()) };
        let proved = LogProof::parse(action.tlog_proof.as_bytes()).and_then(|proof| {
            proof.verify_by(&folder.log, &action.receipt).map(|_| proof.checkpoint.to_string())
        });
        let wrong = |why: String| {
            let receipt = String::from_utf8_lossy(&action.receipt).into_owned();
            let tlog_proof = action.tlog_proof.clone();
            self.caught(Caught { why, receipt, tlog_proof, ..Caught::default() })
        };
        let note = proved.map_err(|e| wrong(format!("a receipt is not in the log: {e}")))?;
        match told::differs(action) {
            None => Ok(note.into_bytes()),
            Some(what) => Err(wrong(format!("the receipt does not say what was told: {what}"))),
        }
    }

    /// Writes what was caught beside the rest. From then on nothing is asked.
    fn caught(&self, caught: Caught) -> Distrusted {
        let distrusted = Distrusted(caught.why.clone());
        tracing::error!(why = caught.why, "the executor tells another history than the one kept");
        let Some(folder) = &self.0 else { return distrusted };
        let newest = folder.newest.read().clone();
        let known = newest.map(|n| String::from_utf8_lossy(&n.note).into_owned());
        let caught = Caught { known: known.unwrap_or_default(), ..caught };
        // Nobody looks in the folder between what is written and what is known of it.
        let mut found = folder.caught.write();
        if let Err(error) = caught.write(&folder.path, Timestamp::now()) {
            tracing::error!(%error, "the evidence was not written");
            *found = Found::Unwritten(distrusted.0.clone());
        } else if matches!(*found, Found::Nothing) {
            *found = Found::There;
        }
        distrusted
    }

    /// Keeps the receipt of a sealed action that was proved.
    pub async fn keep(&self, action: &Action) {
        let Some(folder) = self.0.clone() else { return };
        let Ok(receipt) = String::from_utf8(action.receipt.clone()) else { return };
        let kept = Kept { receipt, proof: action.tlog_proof.clone() };
        let written = spawn_blocking(move || folder.add(&kept, Timestamp::now()));
        match written.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, receipt = action.receipt_id, "a receipt was not kept");
            }
            Err(error) => tracing::error!(%error, "a receipt was not kept"),
        }
    }
}

/// Every call carries the newest checkpoint, countersigned.
impl Interceptor for Keep {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(newest) = self.0.as_ref().and_then(|folder| folder.newest.read().clone()) {
            request.metadata_mut().insert_bin(HEADER, MetadataValue::from_bytes(&newest.note));
        }
        Ok(request)
    }
}

impl Folder {
    /// A checkpoint of our history: remembered, and kept if it is the newest.
    fn believe(&self, seen: &Seen) {
        let checkpoint = seen.checkpoint();
        let newer = |known: &Newest| checkpoint.size() > known.checkpoint.size();
        if self.newest.read().as_ref().is_none_or(newer) {
            let mut note = seen.note().only_by(&self.log);
            let time = u64::try_from(Timestamp::now().as_second()).unwrap_or(0);
            note.push(self.cosigner.cosign(note.text(), time));
            let note = note.to_string().into_bytes();
            if let Err(error) = self.point(Newest { checkpoint: checkpoint.clone(), note }) {
                tracing::error!(%error, "the newest checkpoint was not kept");
            }
        }
        // What is forgotten below has to be asked about again.
        *self.weighed.write() = None;
        let mut proved = self.proved.lock();
        proved.truncate(REMEMBERED - 1);
        proved.push_front(checkpoint.clone());
    }

    fn add(&self, kept: &Kept, now: Timestamp) -> io::Result<()> {
        let mut line = serde_json::to_string(kept)?;
        line.push('\n');
        let _alone = self.writing.lock();
        let day = now.strftime("%Y-%m-%d");
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(self.path.join(format!("{RECEIPTS}{day}{ENDING}")))?;
        whole_lines(&mut file)?;
        file.write_all(line.as_bytes())?;
        file.sync_data()
    }

    fn point(&self, newest: Newest) -> io::Result<()> {
        let (path, part) = (self.path.join(CHECKPOINT), self.path.join("newest.part"));
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(&newest.note)?;
        file.sync_all()?;
        fs::rename(&part, &path)?;
        File::open(&self.path)?.sync_all()?;
        *self.newest.write() = Some(newest);
        Ok(())
    }
}

impl Newest {
    /// What an earlier process kept. Of another log, as after a new epoch whose key a person
    /// gave us, nothing is: the history begins anew. Damaged: `None`.
    fn read(note: Vec<u8>, log: &[VerifierKey], own: &WitnessKey) -> Option<Option<Self>> {
        let parsed = Note::parse(&note).ok()?;
        let checkpoint = Checkpoint::parse(parsed.text()).ok()?;
        if log.iter().all(|key| key.name() != checkpoint.origin()) {
            tracing::warn!(kept = checkpoint.origin(), "what was kept is of another log");
            return Some(None);
        }
        // Our own line is enough: the log may have a new key since.
        let keys: Vec<_> = log.iter().chain([own.verifier_key()]).cloned().collect();
        parsed.verify(&keys).ok()?;
        Some(Some(Self { checkpoint, note }))
    }
}

/// Cuts off what a write that failed left behind the last line: it would spoil the next.
fn whole_lines(file: &mut File) -> io::Result<()> {
    let mut end = file.seek(SeekFrom::End(0))?;
    let whole = end;
    let mut last = [0];
    while end > 0 {
        file.seek(SeekFrom::Start(end - 1))?;
        file.read_exact(&mut last)?;
        if last == *b"\n" {
            break;
        }
        end -= 1;
    }
    if end < whole { file.set_len(end) } else { Ok(()) }
}

fn damaged(path: &Path) -> io::Error {
    let file = path.join(CHECKPOINT);
    io::Error::other(format!(
        "{} is no checkpoint: put it aside, and tell whoever runs the executor",
        file.display()
    ))
}

#[cfg(test)]
pub(crate) mod tests;
