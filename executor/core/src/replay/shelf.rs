//! Policies and packs by digest, and a candidate in their place.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::Unfit;
use crate::contract::load::{self, LoadedPack};
use crate::contract::{Catalog, Contract, DuplicatePack};
use crate::policy::{self, Policy};

/// What was ever active, by digest; each loaded once.
#[derive(Debug, Default)]
pub struct Shelf {
    policies: BTreeMap<String, Policy>,
    packs: BTreeMap<String, Catalog>,
}

/// What would be active instead of what was.
#[derive(Debug, Default)]
pub struct Candidate {
    /// The policy.
    pub policy: Option<Policy>,
    /// Packs, by name.
    pub packs: BTreeMap<String, Catalog>,
}

impl Shelf {
    /// Adds a bundle's files: a policy or a pack, under the digest that they have.
    /// Answers with that digest.
    ///
    /// # Errors
    /// Why they are neither.
    pub fn add(&mut self, files: &BTreeMap<String, String>) -> Result<String, String> {
        if files.contains_key("connector.yaml") {
            let loaded = load::pack(files);
            let pack = loaded.pack.ok_or_else(|| listed(&loaded.problems))?;
            let digest = pack.pack.digest.clone();
            let catalog = single(pack).map_err(|twice| twice.to_string())?;
            self.packs.insert(digest.clone(), catalog);
            return Ok(digest);
        }
        let loaded = policy::load::policy(files, None);
        let policy = loaded.policy.ok_or_else(|| listed(&loaded.problems))?;
        let digest = policy.digest().to_owned();
        self.policies.insert(digest.clone(), policy);
        Ok(digest)
    }

    /// How many policies and packs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.policies.len() + self.packs.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn policy(&self, digest: &str) -> Result<&Policy, Unfit> {
        self.policies.get(digest).ok_or_else(|| Unfit::NoPolicy(digest.to_owned()))
    }

    pub(super) fn pack(&self, digest: &str) -> Result<&Catalog, Unfit> {
        self.packs.get(digest).ok_or_else(|| Unfit::NoPack(digest.to_owned()))
    }
}

impl Candidate {
    /// With a pack in the place of the one of its name.
    ///
    /// # Errors
    /// When two have one name.
    pub fn take(&mut self, pack: LoadedPack) -> Result<(), DuplicatePack> {
        let name = pack.pack.name.clone();
        match self.packs.insert(name.clone(), single(pack)?) {
            None => Ok(()),
            Some(_) => Err(DuplicatePack(name)),
        }
    }
}

/// What a receipt is decided by: what it names, or the candidate in its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Library<'s> {
    pub(super) shelf: &'s Shelf,
    pub(super) instead: Option<&'s Candidate>,
}

impl<'s> Library<'s> {
    pub(super) fn policy(&self, digest: &str) -> Result<&'s Policy, Unfit> {
        match self.instead.and_then(|candidate| candidate.policy.as_ref()) {
            Some(policy) => Ok(policy),
            None => self.shelf.policy(digest),
        }
    }

    pub(super) fn pack(&self, name: &str, digest: &str) -> Result<&'s Catalog, Unfit> {
        match self.instead.and_then(|candidate| candidate.packs.get(name)) {
            Some(pack) => Ok(pack),
            None => self.shelf.pack(digest),
        }
    }

    /// Every pack that a plan names: mostly one.
    pub(super) fn catalog(
        &self,
        packs: &BTreeMap<String, String>,
    ) -> Result<Cow<'s, Catalog>, Unfit> {
        let mut all = packs.iter().map(|(name, digest)| self.pack(name, digest));
        let Some(first) = all.next().transpose()? else {
            return Ok(Cow::Owned(Catalog::default()));
        };
        let mut catalog = Cow::Borrowed(first);
        for more in all {
            let more = more?;
            let whole = catalog.to_mut();
            whole.packs.extend(more.packs.clone());
            whole.tools.extend(more.tools.clone());
        }
        Ok(catalog)
    }

    /// A tool as its pack declares it.
    pub(super) fn contract(&self, pack: &str, tool: &str) -> Result<&'s Contract, Unfit> {
        // A tool is named after its pack.
        let catalog = self.pack(tool.split('.').next().unwrap_or_default(), pack)?;
        let contract = catalog.tools.get(tool).map(AsRef::as_ref);
        contract.ok_or_else(|| Unfit::Disorder(format!("pack {pack} has no tool `{tool}`")))
    }
}

fn single(pack: LoadedPack) -> Result<Catalog, DuplicatePack> {
    Catalog::load([pack])
}

fn listed(problems: &[crate::contract::problem::Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
