//! Who may read what: where the demo runs as root, each process gets a user of its own.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, lchown};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// The demo's processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Sandbox,
    Executor,
    Planner,
}

impl Who {
    /// Its program, its folder and its log are called so.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Executor => "executor",
            Self::Planner => "planner",
        }
    }

    /// Numbers that no account of a usual system has.
    fn id(self) -> u32 {
        match self {
            Self::Executor => 62_001,
            Self::Planner => 62_002,
            Self::Sandbox => 62_003,
        }
    }

    fn folders(self) -> &'static [&'static str] {
        match self {
            Self::Sandbox => &["sandbox"],
            Self::Executor => &["executor", "credentials"],
            Self::Planner => &["planner"],
        }
    }
}

/// How the processes are kept apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Users {
    /// A user each.
    Separate,
    /// One user for all of them, because of this.
    One(String),
}

impl Users {
    /// Gives each process its folders, where this process may do that.
    pub(super) fn separate(state: &Path) -> anyhow::Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::One("only root can start processes as other users".to_owned()));
        }
        if let Some(closed) = state.parent().and_then(closed_to_others) {
            let why = format!(
                "other users cannot pass {}; take a --state folder below /var/tmp",
                closed.display()
            );
            return Ok(Self::One(why));
        }
        match give(state) {
            Ok(()) => Ok(Self::Separate),
            // InvalidInput: a user namespace in which these numbers do not exist.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput
                ) =>
            {
                Ok(Self::One(format!("this root may not give files away ({error})")))
            }
            Err(error) => Err(error).context("cannot give the processes their folders"),
        }
    }

    /// The numeric user and group for a process; none where it runs as this one.
    pub(super) fn id(&self, who: Who) -> Option<u32> {
        match self {
            Self::Separate => Some(who.id()),
            Self::One(_) => None,
        }
    }

    /// A program that the process can start: the one given, or a copy below `state` where others
    /// cannot reach it.
    pub(super) fn program(&self, state: &Path, program: &Path) -> anyhow::Result<PathBuf> {
        let reachable = closed_to_others(program).is_none();
        if *self != Self::Separate || reachable {
            return Ok(program.to_owned());
        }
        let folder = state.join("bin");
        let copy = folder.join(program.file_name().unwrap_or_default());
        let copied = || {
            fs::create_dir_all(&folder)?;
            fs::set_permissions(&folder, Permissions::from_mode(0o755))?;
            fs::copy(program, &copy)?;
            fs::set_permissions(&copy, Permissions::from_mode(0o755))
        };
        copied()
            .with_context(|| format!("cannot copy {} to {}", program.display(), copy.display()))?;
        Ok(copy)
    }

    /// How this reads to a person.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Separate => "each process is a user of its own: the planner cannot read the executor's files or credentials".to_owned(),
            Self::One(why) => format!(
                "one user owns everything ({why}), so file permissions keep nobody apart here; the planner closes its own file access with Landlock where the kernel has it"
            ),
        }
    }
}

fn give(state: &Path) -> io::Result<()> {
    for who in [Who::Sandbox, Who::Executor, Who::Planner] {
        for folder in who.folders() {
            give_all(&state.join(folder), who.id())?;
        }
    }
    open(&state.join("packs"))?;
    open(&state.join("policy"))?;
    // Others may pass through, and not look around.
    fs::set_permissions(state, Permissions::from_mode(0o711))
}

fn give_all(path: &Path, id: u32) -> io::Result<()> {
    lchown(path, Some(id), Some(id))?;
    if path.symlink_metadata()?.is_dir() {
        for entry in fs::read_dir(path)? {
            give_all(&entry?.path(), id)?;
        }
    }
    Ok(())
}

/// Readable by everyone: contracts and policy are no secret.
fn open(path: &Path) -> io::Result<()> {
    let is_dir = path.symlink_metadata()?.is_dir();
    fs::set_permissions(path, Permissions::from_mode(if is_dir { 0o755 } else { 0o644 }))?;
    if is_dir {
        for entry in fs::read_dir(path)? {
            open(&entry?.path())?;
        }
    }
    Ok(())
}

/// The first of the path and what is above it that others cannot pass, or cannot start.
fn closed_to_others(path: &Path) -> Option<PathBuf> {
    let passes = |path: &Path| {
        fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o001 != 0)
    };
    path.ancestors().find(|path| !passes(path)).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_folder_that_others_cannot_pass_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(inner.parent().unwrap(), Permissions::from_mode(0o700)).unwrap();
        fs::set_permissions(&inner, Permissions::from_mode(0o755)).unwrap();
        assert_eq!(closed_to_others(&inner).as_deref(), inner.parent());
    }

    #[test]
    fn no_two_processes_share_a_user() {
        let mut ids = [Who::Sandbox, Who::Executor, Who::Planner].map(Who::id).to_vec();
        ids.dedup();
        assert_eq!(ids.len(), 3);
        assert_eq!(Users::One(String::new()).id(Who::Planner), None);
    }
}
