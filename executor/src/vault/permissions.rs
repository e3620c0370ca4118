//! Who else may read or change a credential. A file is refused when group or
//! others may. Not so in a mounted Kubernetes secret: kubelet sets its modes
//! (0644 unless told otherwise, 0440 for a pod with `fsGroup`) and the pod itself
//! is the border; there only a file that others may change is refused.

use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::VaultError;

const READ: u32 = 0o044;
const WRITE: u32 = 0o022;

pub(super) fn check_folder(folder: &Path) -> Result<(), VaultError> {
    let refuse = |error| VaultError::Folder { path: folder.to_owned(), error };
    // Read, not only looked at: it must be a folder, and ours to list.
    std::fs::read_dir(folder).map_err(refuse)?;
    let mode = mode(&folder.metadata().map_err(refuse)?);
    if mode & WRITE == 0 || is_mounted_secret(folder) {
        return Ok(());
    }
    Err(VaultError::Open {
        what: "credentials folder".to_owned(),
        path: folder.to_owned(),
        mode,
        may: "change",
        wanted: "0700",
    })
}

pub(super) fn check_file(
    folder: &Path,
    id: &str,
    path: &Path,
    metadata: &Metadata,
) -> Result<(), VaultError> {
    let mode = mode(metadata);
    let may = if mode & WRITE != 0 {
        "change"
    } else if mode & READ != 0 && !is_mounted_secret(folder) {
        "read"
    } else {
        return Ok(());
    };
    Err(VaultError::Open {
        what: format!("credential `{id}`"),
        path: path.to_owned(),
        mode,
        may,
        wanted: "0600",
    })
}

/// Kubelet keeps the files of a secret behind a link named `..data`, which it
/// swaps at an update.
fn is_mounted_secret(folder: &Path) -> bool {
    folder.join("..data").is_symlink()
}

fn mode(metadata: &Metadata) -> u32 {
    metadata.permissions().mode() & 0o777
}
