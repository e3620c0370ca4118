//! What shows that an executor tells another history than the one kept: written once, and
//! removed by a person only.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_shared::kept::EVIDENCE;
use countersign_shared::tlog::merkle::Hash;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What was caught. Enough for a third party to see the same.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Caught {
    /// What is wrong, for a person.
    pub(super) why: String,
    /// The newest signed checkpoint that was kept; empty where there was none.
    pub(super) known: String,
    /// What the executor showed instead, as it came.
    pub(super) seen: String,
    /// Hashes that it gave to prove that one extends the other, base64.
    pub(super) consistency: Vec<String>,
    /// The receipt that was to be proved; empty where none was.
    pub(super) receipt: String,
    /// Its proof, as it came.
    pub(super) tlog_proof: String,
}

/// As it lies in the folder.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    at: Timestamp,
    #[serde(flatten)]
    caught: Caught,
}

impl Caught {
    /// With the proof that does not prove it.
    pub(super) fn by(self, proof: &[Hash]) -> Self {
        Self { consistency: proof.iter().map(|hash| STANDARD.encode(hash)).collect(), ..self }
    }

    /// Writes it into the folder, unless something lies there: the first evidence is the one
    /// to look at.
    pub(super) fn write(&self, folder: &Path, at: Timestamp) -> io::Result<()> {
        let path = folder.join(EVIDENCE);
        let text = serde_json::to_string_pretty(&Written { at, caught: self.clone() })?;
        let part = path.with_extension("part");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        if path.exists() {
            return fs::remove_file(&part);
        }
        fs::rename(&part, &path)?;
        fs::File::open(folder)?.sync_all()
    }
}

/// Why this executor is not asked for anything, if something was caught.
pub(super) fn read(folder: &Path) -> Option<String> {
    match fs::read(folder.join(EVIDENCE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        // ERRORS REFUSE: what cannot be read is not gone.
        Err(error) => Some(format!("{EVIDENCE} cannot be read: {error}")),
        Ok(text) => match serde_json::from_slice::<Written>(&text) {
            Ok(written) => Some(format!("{} (noticed {})", written.caught.why, written.at)),
            Err(_) => Some(format!("{EVIDENCE} is there")),
        },
    }
}
