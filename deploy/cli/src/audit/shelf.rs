//! Policies and packs of every time: from a folder, or from the executor that keeps them.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use countersign_core::replay::Shelf;
use countersign_executor::bundles;

use crate::receipts::source::Source;

/// From `dir` where it is given, else from where the receipts come from.
pub(super) async fn open(dir: Option<&Path>, source: &Source) -> anyhow::Result<Shelf> {
    if let Some(dir) = dir {
        let shelf = bundles::shelf(dir)
            .with_context(|| format!("cannot read the bundles in {}", dir.display()))?;
        if shelf.is_empty() {
            bail!("{} holds no bundle: `countersign audit bundles` fetches them", dir.display());
        }
        return Ok(shelf);
    }
    let mut shelf = Shelf::default();
    for (digest, files) in source.bundles().await? {
        let found = shelf.add(&files).map_err(anyhow::Error::msg).context(digest.clone())?;
        if found != digest {
            bail!("the executor gave {found} where {digest} was asked for");
        }
    }
    Ok(shelf)
}

/// Writes everything that an executor keeps below `dir`; answers with the folders.
pub(super) async fn write(dir: &Path, source: &Source) -> anyhow::Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for (_, files) in source.bundles().await? {
        written.push(bundles::write(dir, &files)?);
    }
    Ok(written)
}
