//! Certificate, key and authorities of this process, read from files and read again when they
//! change, so that a rotation needs no restart.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::{ClientConfig, ServerConfig};

use super::contents::{Contents, Loaded};
use super::ends::Ends;
use crate::spiffe::{IdentityError, SpiffeId};

/// Content is compared rather than watched: Kubernetes swaps a symlink, which inotify misses.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// Where this process's identity lives. All files are PEM.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaterialFiles {
    /// Our certificate, followed by intermediates if there are any (`tls.crt`).
    pub cert: PathBuf,
    /// The private key of that certificate (`tls.key`).
    pub key: PathBuf,
    /// The authorities whose workloads we believe (`ca.crt`).
    pub ca: PathBuf,
    /// Revocation lists. With this set, every authority needs a list that is in date.
    #[serde(default)]
    pub crl: Option<PathBuf>,
}

impl MaterialFiles {
    /// The names that `countersign pki issue` and Kubernetes secrets use, without revocation list.
    pub fn in_dir(dir: &Path) -> Self {
        Self {
            cert: dir.join("tls.crt"),
            key: dir.join("tls.key"),
            ca: dir.join("ca.crt"),
            crl: None,
        }
    }
}

/// What this process proves itself with and whom it believes; always the newest good files.
///
/// Connections read it when they begin. Those already open keep what they began with, until
/// their age ends them.
pub struct Material {
    files: MaterialFiles,
    id: SpiffeId,
    current: ArcSwap<Loaded>,
}

impl Material {
    /// Reads the files and starts a task that reads them again every second for as long as the
    /// result is in use. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// When a file cannot be read, says nothing usable, or key and certificate do not match.
    pub fn open(files: MaterialFiles) -> Result<Arc<Self>, MaterialError> {
        let loaded = Contents::read(&files)?.load(&files)?;
        let material = Arc::new(Self {
            id: loaded.id().clone(),
            files,
            current: ArcSwap::from_pointee(loaded),
        });
        tokio::spawn(poll(Arc::downgrade(&material)));
        Ok(material)
    }

    /// Our own identity. It stays the same for the life of the process.
    pub fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// When what is in use runs out.
    pub fn ends(&self) -> Ends {
        self.current.load().ends()
    }

    /// Reads the files now; says whether new material took their place.
    ///
    /// # Errors
    /// As [`Material::open`], and when the new certificate names another identity. The material
    /// in use then stays in use.
    pub fn reload(&self) -> Result<bool, MaterialError> {
        let contents = Contents::read(&self.files)?;
        if contents.digest() == *self.current.load().digest() {
            return Ok(false);
        }
        let loaded = contents.load(&self.files)?;
        if *loaded.id() != self.id {
            return Err(MaterialError::OtherIdentity {
                ours: self.id.clone(),
                new: loaded.id().clone(),
            });
        }
        self.current.store(Arc::new(loaded));
        Ok(true)
    }

    pub(super) fn server_config(&self) -> Arc<ServerConfig> {
        self.current.load().server_config()
    }

    pub(super) fn client_config(&self, expected: &SpiffeId) -> Result<ClientConfig, rustls::Error> {
        self.current.load().client_config(expected)
    }
}

/// Names files and identity, never what the key file holds (NO SECRET LEAVES).
impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Material").field("id", &self.id).field("files", &self.files).finish()
    }
}

async fn poll(material: Weak<Material>) {
    let mut last_problem = None;
    loop {
        tokio::time::sleep(POLL_EVERY).await;
        let Some(material) = material.upgrade() else {
            return;
        };
        let id = material.id.clone();
        let read = tokio::task::spawn_blocking(move || material.reload()).await;
        match read {
            Ok(Ok(true)) => {
                last_problem = None;
                tracing::info!(%id, "new certificate material is in use");
            }
            Ok(Ok(false)) => last_problem = None,
            Ok(Err(error)) => {
                let problem = error.to_string();
                if last_problem.as_ref() != Some(&problem) {
                    tracing::warn!(%id, %error, "new certificate material refused, the old stays");
                    last_problem = Some(problem);
                }
            }
            // The runtime is shutting down.
            Err(_) => return,
        }
    }
}

/// Why the files cannot be used. No message quotes a file's content.
#[derive(Debug, thiserror::Error)]
pub enum MaterialError {
    /// A file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// No certificate, or an unreadable one.
    #[error("{} holds no usable PEM certificate: issue it again", .0.display())]
    Certificate(PathBuf),
    /// No private key, or an unreadable one.
    #[error("{} holds no usable PEM private key: issue it again", .0.display())]
    Key(PathBuf),
    /// Certificate and key are not a pair.
    #[error("{} is not the key of {}: replace both files together", key.display(), cert.display())]
    Mismatch {
        /// The certificate file.
        cert: PathBuf,
        /// The key file.
        key: PathBuf,
    },
    /// A revocation list that cannot be read.
    #[error("{} holds no usable PEM revocation list: fetch it again", .0.display())]
    Revocation(PathBuf),
    /// Our own certificate carries no acceptable identity.
    #[error("{}: {error}", path.display())]
    Identity {
        /// The certificate file.
        path: PathBuf,
        /// What is wrong with its identity.
        error: IdentityError,
    },
    /// A reload would have changed who we are.
    #[error("the new certificate is for {new}, we are {ours}: restart to change identity")]
    OtherIdentity {
        /// Who this process is.
        ours: SpiffeId,
        /// Whom the new certificate names.
        new: SpiffeId,
    },
    /// The TLS library refused the combination.
    #[error("TLS set-up failed: {0}")]
    Tls(#[from] rustls::Error),
}
