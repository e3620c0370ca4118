//! Files and folders: there, ours, closed to others, on a disk of this machine.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::DecodePublicKey;

use super::report::Report;

/// A private key should be its owner's alone.
pub(super) fn private(report: &mut Report, place: &str, path: &Path) {
    let Ok(metadata) = fs::metadata(path) else { return };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let what =
            format!("{} has mode {mode:04o}: other users may read or change it", path.display());
        report.warn(place, what, &format!("chmod 0600 {}", path.display()));
    }
}

/// An Ed25519 public key in PEM.
pub(super) fn public_key(report: &mut Report, place: &str, path: &Path) {
    let problem = match fs::read_to_string(path) {
        Err(error) => error.to_string(),
        Ok(pem) if VerifyingKey::from_public_key_pem(&pem).is_err() => {
            "not an Ed25519 public key in PEM".to_owned()
        }
        Ok(_) => {
            report.good(place, path.display().to_string());
            return development(report, place, path);
        }
    };
    report.wrong(
        place,
        format!("{}: {problem}", path.display()),
        "put the public key there: openssl pkey -in private.pem -pubout",
    );
}

/// Whose private half lies beside it is for trying out: with it, anybody can be any customer.
fn development(report: &mut Report, place: &str, path: &Path) {
    let half = path.with_extension("key");
    if half.exists() {
        let what = format!(
            "DEVELOPMENT KEY: {} lies beside it, and whoever reads that can speak as any customer",
            half.display()
        );
        let remedy =
            "before real customers come, name your own public key here and delete that file";
        report.warn(place, what, remedy);
    }
}

/// The store's folder: ours to write, and not on a network.
pub(super) fn state(report: &mut Report, place: &str, path: &Path) {
    // Without the `.` of a folder that is the configuration's own.
    let path: PathBuf = path.components().collect();
    let shown = path.display();
    let Some(there) = path.ancestors().find(|path| path.is_dir()) else {
        return report.wrong(
            place,
            format!("{shown}: no such folder, nor one above it"),
            "make it",
        );
    };
    if let Err(error) = tempfile::tempfile_in(there) {
        let remedy = format!("give {} to the user that the executor runs as", there.display());
        return report.wrong(
            place,
            format!("{} cannot be written: {error}", there.display()),
            &remedy,
        );
    }
    match network(there) {
        Some(kind) => report.wrong(
            place,
            format!("{shown} lies on {kind}: locks and durable writes cannot be relied on there, and with them no effect happens only once"),
            "name a folder on a disk of this machine",
        ),
        None => report.good(place, format!("{shown}, on a disk of this machine")),
    }
}

/// The kind of network file system that holds the path, where it is one.
#[cfg(target_os = "linux")]
fn network(path: &Path) -> Option<&'static str> {
    // Magic numbers of linux/magic.h and of the file systems' own headers.
    match rustix::fs::statfs(path).ok()?.f_type {
        0x6969 => Some("NFS"),
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => Some("an SMB share"),
        0x0102_1997 => Some("a 9p share"),
        0x00c3_6400 => Some("Ceph"),
        0x5346_414f => Some("AFS"),
        0x0bd0_0bd0 => Some("Lustre"),
        0x4750_4653 => Some("GPFS"),
        0x0116_1970 => Some("GFS2"),
        0x7461_636f => Some("OCFS2"),
        _ => None,
    }
}

#[cfg(not(target_os = "linux"))]
fn network(_: &Path) -> Option<&'static str> {
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs::Permissions;

    use super::super::report::Grade;
    use super::*;
    use crate::ed25519;

    fn grades(look: impl FnOnce(&mut Report)) -> Vec<Grade> {
        let mut report = Report::default();
        look(&mut report);
        report.findings.iter().map(|finding| finding.grade).collect()
    }

    #[test]
    fn keys_are_told_apart_from_what_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.pub");
        assert_eq!(grades(|r| public_key(r, "k", &file)), [Grade::Error]);
        let key = ed25519::generate().unwrap();
        fs::write(&file, ed25519::private_pem(&key).unwrap()).unwrap();
        assert_eq!(grades(|r| public_key(r, "k", &file)), [Grade::Error]);
        fs::write(&file, ed25519::public_pem(&key).unwrap()).unwrap();
        assert_eq!(grades(|r| public_key(r, "k", &file)), [Grade::Good]);
        fs::write(folder.path().join("key.key"), ed25519::private_pem(&key).unwrap()).unwrap();
        assert_eq!(grades(|r| public_key(r, "k", &file)), [Grade::Good, Grade::Warning]);
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(grades(|r| private(r, "k", &file)), [Grade::Warning]);
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(grades(|r| private(r, "k", &file)), []);
    }

    #[test]
    fn a_state_folder_may_still_have_to_be_made() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(grades(|r| state(r, "s", &folder.path().join("a/b"))), [Grade::Good]);
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(network(&file), None);
    }
}
