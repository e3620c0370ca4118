//! Every loaded pack, by name.

use super::Catalog;
use super::load::LoadedPack;

/// Two folders hold packs of one name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("two packs are called `{0}`: load one of them, or rename one")]
pub struct DuplicatePack(pub String);

impl Catalog {
    /// Puts loaded packs together. A pack's own cross-checks are `load::pack`'s;
    /// packs do not refer to each other.
    ///
    /// # Errors
    /// When two packs have one name.
    pub fn load(packs: impl IntoIterator<Item = LoadedPack>) -> Result<Self, DuplicatePack> {
        let mut catalog = Self::default();
        for LoadedPack { pack, contracts, matching } in packs {
            let name = pack.name.clone();
            catalog.matching.extend(matching.map(|matching| (name.clone(), matching)));
            if catalog.packs.insert(name.clone(), pack).is_some() {
                return Err(DuplicatePack(name));
            }
            catalog.tools.extend(contracts.into_iter().map(|c| (c.tool.clone(), c)));
        }
        Ok(catalog)
    }
}
