//! What the planner keeps of the executor's history (TWO KEEP THE HISTORY): each receipt
//! that it was given, with its proof, and the newest signed checkpoint, which goes back
//! with every call. An executor that was restored from a backup notices by it, and is
//! told again what it forgot.
//!
//! Files only grow, one a day; what is older than any backup may be deleted.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_proto::v1::Action;
use countersign_shared::kept::{CHECKPOINT, ENDING, HEADER, Kept, RECEIPTS};
use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::note::Note;
use countersign_shared::tlog::proof::LogProof;
use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use tonic::metadata::MetadataValue;
use tonic::service::Interceptor;
use tonic::{Request, Status};

/// The folder, or nothing where none is configured. Clones keep in the same place.
#[derive(Debug, Clone, Default)]
pub struct Keep(Option<Arc<Folder>>);

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    newest: RwLock<Option<Newest>>,
    /// One writer at a time.
    writing: Mutex<()>,
}

#[derive(Debug, Clone)]
struct Newest {
    origin: String,
    size: u64,
    note: Vec<u8>,
}

impl Keep {
    /// Opens or makes the folder.
    ///
    /// # Errors
    /// When it cannot be written, or its checkpoint is damaged.
    pub fn open(path: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let newest = match fs::read(path.join(CHECKPOINT)) {
            Ok(note) => Some(Newest::read(note).ok_or_else(|| damaged(path))?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let (newest, writing) = (RwLock::new(newest), Mutex::default());
        Ok(Self(Some(Arc::new(Folder { path: path.to_owned(), newest, writing }))))
    }

    /// Keeps the receipt of a sealed action before anybody hears of it.
    pub async fn keep(&self, action: &Action) {
        let Some(folder) = self.0.clone().filter(|_| !action.tlog_proof.is_empty()) else { return };
        let Ok(receipt) = String::from_utf8(action.receipt.clone()) else { return };
        let kept = Kept { receipt, proof: action.tlog_proof.clone() };
        let written = tokio::task::spawn_blocking(move || folder.add(&kept, Timestamp::now()));
        match written.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, receipt = action.receipt_id, "a receipt was not kept");
            }
            Err(error) => tracing::error!(%error, "a receipt was not kept"),
        }
    }
}

/// Every call carries the newest checkpoint.
impl Interceptor for Keep {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(newest) = self.0.as_ref().and_then(|folder| folder.newest.read().clone()) {
            request.metadata_mut().insert_bin(HEADER, MetadataValue::from_bytes(&newest.note));
        }
        Ok(request)
    }
}

impl Folder {
    fn add(&self, kept: &Kept, now: Timestamp) -> io::Result<()> {
        let proof = LogProof::parse(kept.proof.as_bytes()).map_err(io::Error::other)?;
        let seen = Newest::read(proof.checkpoint.to_string().into_bytes());
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
        file.sync_data()?;
        let known = self.newest.read().clone();
        match seen {
            Some(seen) if known.is_none_or(|known| seen.is_newer(&known)) => self.point(seen),
            Some(_) | None => Ok(()),
        }
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
    fn read(note: Vec<u8>) -> Option<Self> {
        let parsed = Note::parse(&note).ok()?;
        let checkpoint = Checkpoint::parse(parsed.text()).ok()?;
        Some(Self { origin: checkpoint.origin().to_owned(), size: checkpoint.size(), note })
    }

    /// Another name is a later epoch of the log: the executor says which it is in.
    fn is_newer(&self, than: &Self) -> bool {
        self.origin != than.origin || self.size > than.size
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
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const NAME: &str = "test.example/log";

    fn sealed(index: u64, origin: &str, size: u64) -> Action {
        let root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        let note = format!("{origin}\n{size}\n{root}\n\n\u{2014} {origin} AAAAAAE=\n");
        let proof = format!("c2sp.org/tlog-proof@v1\nindex {index}\n\n{note}");
        Action {
            receipt: format!("{{\"n\":{index}}}").into_bytes(),
            tlog_proof: proof,
            ..Action::default()
        }
    }

    fn carried(keep: &Keep) -> Option<String> {
        let request = keep.clone().call(Request::new(())).unwrap();
        let value = request.metadata().get_bin(HEADER)?.to_bytes().unwrap();
        Some(String::from_utf8(value.to_vec()).unwrap())
    }

    fn size(keep: &Keep) -> Option<String> {
        carried(keep)?.lines().nth(1).map(ToOwned::to_owned)
    }

    #[tokio::test]
    async fn receipts_and_the_newest_checkpoint_outlive_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let keep = Keep::open(folder.path()).unwrap();
        assert_eq!(carried(&keep), None);
        for (index, of) in [(0, 5), (1, 9), (2, 7)] {
            keep.keep(&sealed(index, NAME, of)).await;
        }
        keep.keep(&Action::default()).await;
        let keep = Keep::open(folder.path()).unwrap();
        assert_eq!(size(&keep).as_deref(), Some("9"), "a late answer takes nothing back");
        let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap()).collect();
        let name = |e: &&fs::DirEntry| {
            countersign_shared::kept::holds_receipts(&e.file_name().to_string_lossy())
        };
        let lines = fs::read_to_string(files.iter().find(name).unwrap().path()).unwrap();
        let kept: Vec<Kept> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        let receipts: Vec<_> = kept.iter().map(|k| k.receipt.as_str()).collect();
        assert_eq!(receipts, ["{\"n\":0}", "{\"n\":1}", "{\"n\":2}"]);
        // A new epoch begins lower.
        keep.keep(&sealed(3, "test.example/log/epoch-2", 4)).await;
        assert_eq!(size(&keep).as_deref(), Some("4"));
    }

    #[tokio::test]
    async fn without_a_folder_nothing_is_kept_and_nothing_carried() {
        let keep = Keep::default();
        keep.keep(&sealed(0, NAME, 1)).await;
        assert_eq!(carried(&keep), None);
    }

    #[test]
    fn a_damaged_checkpoint_is_not_forgotten_silently() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(CHECKPOINT), "rubbish").unwrap();
        assert!(Keep::open(folder.path()).unwrap_err().to_string().contains("put it aside"));
    }

    #[test]
    fn a_torn_line_does_not_spoil_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        for (left, whole) in [("", ""), ("a\n", "a\n"), ("a\nb", "a\n"), ("b", "")] {
            fs::write(&path, left).unwrap();
            let mut file = OpenOptions::new().read(true).append(true).open(&path).unwrap();
            whole_lines(&mut file).unwrap();
            file.write_all(b"c\n").unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{whole}c\n"), "{left:?}");
        }
    }
}
