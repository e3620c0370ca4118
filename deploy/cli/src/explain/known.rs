//! Every code that is known here: the built-in ones, and those of packs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use countersign_core::contract::load::{self, LoadedPack};
use countersign_core::nearest::nearest;
use countersign_executor::packs;
use countersign_shared::codes::{Code, Page, Status};
use serde::Serialize;

/// Most names that a wrong one is answered with.
const MOST: usize = 5;

/// A code and what is known of it.
#[derive(Debug, Serialize)]
pub(super) struct Known {
    /// The stable name.
    pub(super) code: String,
    /// The pack that declares it; none for a built-in one.
    pub(super) pack: Option<String>,
    /// The gRPC status it travels with.
    pub(super) status: &'static str,
    /// Who can act; packs do not say.
    pub(super) who: Option<&'static str>,
    /// What a customer may be told.
    pub(super) say: Option<String>,
    /// The cause in one sentence.
    pub(super) summary: String,
    /// Why it happens.
    pub(super) cause: String,
    /// What to do.
    pub(super) remedy: String,
}

/// The built-in codes in the order of the registry, then those of the packs in `dirs`, or of the
/// packs that ship.
pub(super) fn all(dirs: &[PathBuf]) -> anyhow::Result<Vec<Known>> {
    let packs = if dirs.is_empty() { shipped()? } else { loaded(dirs)? };
    let built_in = Code::ALL.iter().map(|code| built_in(code.page()));
    Ok(built_in.chain(packs.iter().flat_map(of_pack)).collect())
}

/// The pages of a name; several packs may have a code of the same name.
pub(super) fn find<'a>(all: &'a [Known], asked: &str) -> anyhow::Result<Vec<&'a Known>> {
    let name = asked.trim().to_uppercase().replace(['-', ' '], "_");
    let found: Vec<_> = all.iter().filter(|known| known.code == name).collect();
    if found.is_empty() { Err(unknown(all, &name)) } else { Ok(found) }
}

fn unknown(all: &[Known], name: &str) -> anyhow::Error {
    let near = near(all, name);
    let instead = if near.is_empty() {
        "`countersign explain` lists all".to_owned()
    } else {
        format!("did you mean {}? `countersign explain` lists all", near.join(", "))
    };
    anyhow!(
        "no code is called {}: {instead}; for a pack's own, add --packs DIR",
        crate::text::one_line(name)
    )
}

/// The one that is spelt most alike, then those that share a word.
fn near<'a>(all: &'a [Known], name: &str) -> Vec<&'a str> {
    let names = || all.iter().map(|known| known.code.as_str());
    let mut near: Vec<_> = nearest(name, names()).into_iter().collect();
    let words: Vec<_> = name.split('_').filter(|word| word.len() > 3).collect();
    for other in names().filter(|other| other.split('_').any(|word| words.contains(&word))) {
        if !near.contains(&other) {
            near.push(other);
        }
    }
    near.truncate(MOST);
    near
}

fn built_in(page: Page) -> Known {
    Known {
        code: page.name.to_owned(),
        pack: None,
        status: page.status.name(),
        who: Some(page.who.name()),
        say: Some(page.say.to_owned()),
        summary: page.summary().to_owned(),
        cause: page.cause.to_owned(),
        remedy: page.remedy.to_owned(),
    }
}

fn of_pack(loaded: &LoadedPack) -> impl Iterator<Item = Known> + '_ {
    loaded.pack.codes.iter().map(|(name, code)| Known {
        code: name.clone(),
        pack: Some(loaded.pack.name.clone()),
        status: Status::FailedPrecondition.name(),
        who: None,
        say: code.say.clone(),
        summary: code.cause.clone(),
        cause: code.cause.clone(),
        remedy: code.remedy.clone(),
    })
}

fn loaded(dirs: &[PathBuf]) -> anyhow::Result<Vec<LoadedPack>> {
    let load = |dir: &PathBuf| {
        crate::contracts::load(dir).with_context(|| format!("cannot read {}", dir.display()))
    };
    dirs.iter().map(load).collect()
}

fn shipped() -> anyhow::Result<Vec<LoadedPack>> {
    let mut folders = BTreeMap::<&str, BTreeMap<String, String>>::new();
    for (path, text) in packs::shipped() {
        if let Some((pack, file)) = path.split_once('/') {
            folders.entry(pack).or_default().insert(file.to_owned(), text.to_owned());
        }
    }
    let load = |(name, files)| {
        load::pack(files).pack.with_context(|| format!("the pack {name} does not load"))
    };
    folders.iter().map(load).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    #[test]
    fn built_in_codes_and_those_of_shipped_packs_are_found() {
        let all = all(&[]).unwrap();
        assert_eq!(find(&all, "STATE_CHANGED").unwrap().len(), 1);
        assert_eq!(find(&all, "state-changed").unwrap()[0].code, "STATE_CHANGED");
        let fulfilled = find(&all, "ORDER_FULFILLED").unwrap();
        assert_eq!(fulfilled[0].pack.as_deref(), Some("shopify"));
    }

    #[test]
    fn a_wrong_name_is_answered_with_the_nearest() {
        let all = all(&[]).unwrap();
        let told = |name: &str| find(&all, name).unwrap_err().to_string();
        assert!(told("STATE_CHANGE").contains("did you mean STATE_CHANGED"));
        assert!(told("BACKEND_DOWN").contains("BACKEND_REFUSED, BACKEND_UNREACHABLE"));
        assert!(told("WEATHER").contains("`countersign explain` lists all"));
    }

    #[test]
    fn a_pack_of_ones_own_stands_in_for_those_that_ship() {
        let dir = tempfile::tempdir().unwrap();
        packs::write_shipped(dir.path()).unwrap();
        let folder = dir.path().join("shopify");
        let connector = folder.join("connector.yaml");
        let text = std::fs::read_to_string(&connector).unwrap();
        let more = "codes:\n  PARCEL_LOST: { cause: It is lost., remedy: Send another. }\n";
        std::fs::write(&connector, text.replace("codes:\n", more)).unwrap();
        let own = all(&[folder]).unwrap();
        let lost = find(&own, "PARCEL_LOST").unwrap();
        assert_eq!((lost[0].remedy.as_str(), lost[0].say.as_deref()), ("Send another.", None));
        assert!(find(&all(&[]).unwrap(), "PARCEL_LOST").is_err());
    }
}
