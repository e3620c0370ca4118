//! Credentials: one file each in one folder, the file's name the credential's id.
//!
//! A file is read anew for a use unless that was done within the last second, so a
//! changed or removed one counts a second later at most. It is read beside the
//! worker threads, one file at a time: a file system that hangs holds one thread
//! and the requests that need a credential, nothing else.
//! Only the connector's last hop can open one, the database's login its own, and a sink of
//! events its own (NO SECRET LEAVES).

mod permissions;

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::connector::LastHop;

/// Largest credential file, in bytes.
const LARGEST: u64 = 16 * 1024;
/// How long what was read stands: waking another thread for each use would cost a
/// few hundredths of an action.
const STANDS: Duration = Duration::from_secs(1);

/// The folder of credentials.
#[derive(Debug, Clone)]
pub struct Vault {
    folder: PathBuf,
    /// What was read last, and when. Held while a file is read.
    kept: Arc<Mutex<HashMap<String, (Instant, SecretString)>>>,
}

/// A credential that cannot be used. Never holds any of its content.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The folder is not there.
    #[error(
        "credentials folder {path}: {error}: create it with mode 0700 and put one file per credential into it"
    )]
    Folder {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// No file of this name.
    #[error(
        "credential `{id}`: no such file in {folder}: write the secret into a file of that name, mode 0600"
    )]
    Missing {
        /// Its id.
        id: String,
        /// The folder.
        folder: PathBuf,
    },
    /// The file cannot be read.
    #[error("credential `{id}`: {error}: let the executor's user own the file, mode 0600")]
    Unreadable {
        /// Its id.
        id: String,
        /// What the system said.
        error: io::Error,
    },
    /// Others may read or replace it.
    #[error("{what} has mode {mode:04o}, so other users may {may} it: run `chmod {wanted} {path}`")]
    Open {
        /// `credential …` or `credentials folder`.
        what: String,
        /// Where.
        path: PathBuf,
        /// As found.
        mode: u32,
        /// `read` or `change`.
        may: &'static str,
        /// The right mode.
        wanted: &'static str,
    },
    /// An id that is no plain file name.
    #[error("credential id `{0}` is no plain file name: use letters, digits, `_`, `-` and `.`")]
    Name(String),
    /// Not one line of text.
    #[error("credential `{id}`: {problem}")]
    Content {
        /// Its id.
        id: String,
        /// What is wrong, without the content.
        problem: &'static str,
    },
}

impl Vault {
    /// Opens a folder.
    ///
    /// # Errors
    /// It is not there, or others may change what is in it.
    pub fn open(folder: &Path) -> Result<Self, VaultError> {
        permissions::check_folder(folder)?;
        Ok(Self { folder: folder.to_owned(), kept: Arc::default() })
    }

    /// Whether a credential could be used now. Looks at everything but shows nothing.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn check(&self, id: &str) -> Result<(), VaultError> {
        self.read(id).map(drop)
    }

    /// The folder of a credential that each subject has one of.
    ///
    /// # Errors
    /// It is not there, or others may change what is in it.
    pub fn folder(&self, id: &str) -> Result<Self, VaultError> {
        if !is_plain_name(id) {
            return Err(VaultError::Name(id.to_owned()));
        }
        Self::open(&self.folder.join(id))
    }

    /// The file name that stands for a subject's claim: its value where that is
    /// nothing but letters, digits, `_` and `-`, otherwise `sha256.` and the first 48
    /// hex digits of its hash. No value can pass for the hash of another.
    #[must_use]
    pub fn name_of(value: &str) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if (1..=64).contains(&value.len()) && value.chars().all(plain) {
            return value.to_owned();
        }
        let digits = hex::encode(Sha256::digest(value.as_bytes()));
        format!("sha256.{}", digits.chars().take(48).collect::<String>())
    }

    /// The secret itself, for the last hop of a request.
    ///
    /// # Errors
    /// As `check`.
    pub(crate) async fn reveal(&self, id: &str, _: LastHop) -> Result<SecretString, VaultError> {
        self.read_aside(id, Instant::now()).await
    }

    /// The password of the executor's own database.
    ///
    /// # Errors
    /// As `check`.
    #[cfg(feature = "postgres")]
    pub(crate) async fn login(
        &self,
        id: &str,
        _: crate::store::postgres::Login,
    ) -> Result<SecretString, VaultError> {
        self.read_aside(id, Instant::now()).await
    }

    /// The token of a sink of events.
    ///
    /// # Errors
    /// As `check`.
    pub(crate) async fn deliver(
        &self,
        id: &str,
        _: crate::siem::Token,
    ) -> Result<SecretString, VaultError> {
        self.read_aside(id, Instant::now()).await
    }

    async fn read_aside(&self, id: &str, now: Instant) -> Result<SecretString, VaultError> {
        let mut kept = Arc::clone(&self.kept).lock_owned().await;
        if let Some((at, secret)) = kept.get(id)
            && now.saturating_duration_since(*at) < STANDS
        {
            return Ok(secret.clone());
        }
        let (vault, own) = (self.clone(), id.to_owned());
        // Holds `kept` until the file is read, also where nobody waits for it any more.
        let read = move || {
            kept.remove(&own);
            // Where each subject has one, those of others do not gather.
            kept.retain(|_, (at, _)| now.saturating_duration_since(*at) < STANDS);
            let secret = vault.read(&own)?;
            kept.insert(own, (now, secret.clone()));
            Ok(secret)
        };
        let stopped = |e: tokio::task::JoinError| VaultError::Unreadable {
            id: id.to_owned(),
            error: io::Error::other(e.to_string()),
        };
        tokio::task::spawn_blocking(read).await.map_err(stopped)?
    }

    fn read(&self, id: &str) -> Result<SecretString, VaultError> {
        if !is_plain_name(id) {
            return Err(VaultError::Name(id.to_owned()));
        }
        let path = self.folder.join(id);
        let refuse = |error: io::Error| {
            if error.kind() == io::ErrorKind::NotFound {
                VaultError::Missing { id: id.to_owned(), folder: self.folder.clone() }
            } else {
                VaultError::Unreadable { id: id.to_owned(), error }
            }
        };
        let mut file = std::fs::File::open(&path).map_err(refuse)?;
        let metadata = file.metadata().map_err(refuse)?;
        permissions::check_file(&self.folder, id, &path, &metadata)?;
        text_of(&mut file, metadata.len())
            .map_err(refuse)?
            .map_err(|problem| VaultError::Content { id: id.to_owned(), problem })
    }
}

/// Reads one line of printable text, without its line ending.
fn text_of(file: &mut impl Read, length: u64) -> io::Result<Result<SecretString, &'static str>> {
    if length > LARGEST {
        return Ok(Err("the file is larger than 16 KiB, which no credential is"));
    }
    // Sized in advance: a growing buffer would leave copies of the secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(LARGEST).unwrap_or(0)));
    file.take(LARGEST).read_to_end(&mut bytes)?;
    let Ok(text) = std::str::from_utf8(&bytes) else {
        return Ok(Err("the file is not text: store binary keys as hex or base64"));
    };
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    Ok(match line {
        "" => Err("the file is empty: write the secret into it"),
        _ if line.chars().any(char::is_control) => {
            Err("the file has more than one line or control characters: leave only the secret")
        }
        _ => Ok(SecretString::from(line)),
    })
}

fn is_plain_name(id: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (1..=64).contains(&id.len()) && !id.starts_with('.') && id.chars().all(plain)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use secrecy::ExposeSecret;

    use super::*;

    fn folder() -> (tempfile::TempDir, Vault) {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::open(folder.path()).unwrap();
        (folder, vault)
    }

    fn write(folder: &tempfile::TempDir, id: &str, content: &[u8], mode: u32) {
        let path = folder.path().join(id);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_secret_is_one_line_without_its_ending() {
        let (folder, vault) = folder();
        for content in ["abc", "abc\n", "abc\r\n"] {
            write(&folder, "token", content.as_bytes(), 0o600);
            assert_eq!(vault.read("token").unwrap().expose_secret(), "abc", "{content:?}");
        }
        write(&folder, "token", b" a b ", 0o600);
        assert_eq!(vault.read("token").unwrap().expose_secret(), " a b ", "spaces belong to it");
    }

    #[test]
    fn a_change_counts_at_once() {
        let (folder, vault) = folder();
        write(&folder, "token", b"old", 0o600);
        assert_eq!(vault.read("token").unwrap().expose_secret(), "old");
        write(&folder, "token", b"new", 0o600);
        assert_eq!(vault.read("token").unwrap().expose_secret(), "new");
        fs::remove_file(folder.path().join("token")).unwrap();
        assert!(matches!(vault.read("token"), Err(VaultError::Missing { .. })));
    }

    #[tokio::test]
    async fn a_change_counts_within_a_second_of_use() {
        let (folder, vault) = folder();
        let start = Instant::now();
        let read = async |after: Duration| vault.read_aside("token", start + after).await;
        write(&folder, "token", b"old", 0o600);
        assert_eq!(read(Duration::ZERO).await.unwrap().expose_secret(), "old");
        write(&folder, "token", b"new", 0o600);
        assert_eq!(read(STANDS).await.unwrap().expose_secret(), "new");
        fs::remove_file(folder.path().join("token")).unwrap();
        assert_eq!(read(STANDS).await.unwrap().expose_secret(), "new", "read just now");
        assert!(matches!(read(STANDS * 2).await, Err(VaultError::Missing { .. })));
        assert!(matches!(read(STANDS * 2).await, Err(VaultError::Missing { .. })));
    }

    /// A credential that does not open before somebody writes it.
    fn pipe(folder: &tempfile::TempDir) -> PathBuf {
        let pipe = folder.path().join("token");
        let made = std::process::Command::new("mkfifo").args(["-m", "600"]).arg(&pipe).status();
        assert!(made.unwrap().success());
        pipe
    }

    #[tokio::test]
    async fn a_file_system_that_hangs_holds_no_worker() {
        let (folder, vault) = folder();
        let pipe = pipe(&folder);
        // The writer begins on the same, the only, worker, after the reading has.
        let read = vault.read_aside("token", Instant::now());
        let write = async { tokio::task::spawn_blocking(|| fs::write(pipe, "abc\n")).await };
        let (secret, written) = tokio::join!(read, write);
        written.unwrap().unwrap();
        assert_eq!(secret.unwrap().expose_secret(), "abc");
    }

    #[tokio::test]
    async fn a_reading_that_hangs_is_the_only_one() {
        let (folder, vault) = folder();
        let pipe = pipe(&folder);
        let gone =
            tokio::time::timeout(Duration::ZERO, vault.read_aside("token", Instant::now())).await;
        assert!(gone.is_err(), "who waited has gone");
        assert!(vault.kept.try_lock().is_err(), "and the file is still being read");
        fs::write(
            pipe, "abc
",
        )
        .unwrap();
        let _next = vault.kept.lock().await;
    }

    #[test]
    fn a_file_that_others_may_read_or_change_is_refused_with_a_remedy() {
        let (folder, vault) = folder();
        for mode in [0o640, 0o604, 0o644, 0o620, 0o602, 0o666] {
            write(&folder, "token", b"hunter2-long-secret", mode);
            let error = vault.check("token").unwrap_err();
            assert!(matches!(error, VaultError::Open { .. }), "{mode:o}: {error}");
            assert!(error.to_string().contains("chmod 0600"), "{error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
        for mode in [0o600, 0o400] {
            write(&folder, "ok", b"x", mode);
            vault.check("ok").unwrap();
            fs::remove_file(folder.path().join("ok")).unwrap();
        }
    }

    #[test]
    fn a_folder_that_others_may_change_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(Vault::open(folder.path()), Err(VaultError::Open { .. })));
        assert!(matches!(Vault::open(&folder.path().join("none")), Err(VaultError::Folder { .. })));
    }

    #[test]
    fn a_mounted_kubernetes_secret_is_read_as_kubernetes_mounts_it() {
        let (folder, vault) = folder();
        let version = folder.path().join("..2026_01_01");
        fs::create_dir(&version).unwrap();
        fs::write(version.join("token"), "abc\n").unwrap();
        std::os::unix::fs::symlink("..2026_01_01", folder.path().join("..data")).unwrap();
        std::os::unix::fs::symlink("..data/token", folder.path().join("token")).unwrap();
        for mode in [0o400, 0o440, 0o644] {
            fs::set_permissions(version.join("token"), Permissions::from_mode(mode)).unwrap();
            assert_eq!(vault.read("token").unwrap().expose_secret(), "abc", "{mode:o}");
        }
        fs::set_permissions(version.join("token"), Permissions::from_mode(0o666)).unwrap();
        assert!(matches!(vault.read("token"), Err(VaultError::Open { .. })));
    }

    #[test]
    fn contents_that_are_no_credential_are_refused_without_showing_them() {
        let (folder, vault) = folder();
        for content in [&b""[..], b"\n", b"hunter2\nsecond", b"hunter2\0", b"hunter2\xff"] {
            write(&folder, "token", content, 0o600);
            let error = vault.check("token").unwrap_err();
            assert!(matches!(error, VaultError::Content { .. }), "{content:?}: {error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
        write(&folder, "token", &vec![b'a'; 20_000], 0o600);
        assert!(matches!(vault.check("token"), Err(VaultError::Content { .. })));
    }

    #[test]
    fn a_claim_of_a_subject_is_a_file_of_its_own() {
        let (folder, vault) = folder();
        assert!(vault.folder("erp").is_err(), "not there");
        fs::create_dir(folder.path().join("erp")).unwrap();
        write(&folder, "erp/c-17_A", b"seventeen", 0o600);
        write(&folder, "shared", b"everybody", 0o600);
        let inner = vault.folder("erp").unwrap();
        assert_eq!(inner.read(&Vault::name_of("c-17_A")).unwrap().expose_secret(), "seventeen");
        for other in
            ["c-17_a", "C-17_A", "", ".", "..", "../shared", "../erp/c-17_A", "c-17_A/", "c-17_A\0"]
        {
            let name = Vault::name_of(other);
            assert!(
                matches!(inner.read(&name), Err(VaultError::Missing { .. })),
                "{other}: {name}"
            );
        }
        let hashed = Vault::name_of("gid://shop/Customer/17");
        assert_ne!(Vault::name_of(&hashed), hashed, "a hash is no value");
        fs::set_permissions(folder.path().join("erp"), Permissions::from_mode(0o777)).unwrap();
        assert!(vault.folder("erp").is_err(), "others may change it");
        assert!(vault.folder("../erp").is_err());
    }

    #[test]
    fn ids_cannot_leave_the_folder() {
        let (_folder, vault) = folder();
        for id in ["", ".", "..", "../x", "a/b", "/etc/passwd", ".hidden", "a b", "ä"] {
            assert!(matches!(vault.check(id), Err(VaultError::Name(_))), "{id}");
        }
    }
}
