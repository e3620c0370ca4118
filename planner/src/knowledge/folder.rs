//! Markdown files, cut at their headings, found by their words: how rare each word of the
//! question is, and how much of the question a piece holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};

use super::Found;
use crate::model::offline::phrase::LEXICON;
use crate::model::offline::text::words;

/// Largest folder: beyond, use a search.
const MOST_PIECES: usize = 20_000;
/// A piece that holds less of what a question asks is no answer.
const ENOUGH: f64 = 0.6;
/// Words that ask and join: they tell no page from another.
const PLAIN: &str = "a an the and or of to for in on at by with from is are was were be been do does did \
    can could will would shall should may might must i you we they it he she my your our their me us what which \
    who when where why how if not no yes please there this that have has had get got about any some much many long";

/// Pieces of all pages.
#[derive(Debug)]
pub(super) struct Folder {
    pieces: Vec<Piece>,
    /// In how many pieces a word stands.
    spread: BTreeMap<String, usize>,
    plain: BTreeSet<String>,
}

#[derive(Debug)]
struct Piece {
    found: Found,
    words: BTreeSet<String>,
    heading: BTreeSet<String>,
}

impl Folder {
    /// Reads every `.md` file of a folder and below.
    pub(super) fn read(folder: &Path) -> anyhow::Result<Self> {
        let mut pages = Vec::new();
        collect(folder, folder, &mut pages)
            .with_context(|| format!("cannot read the pages in {}", folder.display()))?;
        pages.sort();
        if pages.is_empty() {
            bail!("{} holds no .md file", folder.display());
        }
        let pieces: Vec<Found> = pages.iter().flat_map(|(name, text)| cut(name, text)).collect();
        if pieces.len() > MOST_PIECES {
            bail!("{} holds more than {MOST_PIECES} pieces: use `search`", folder.display());
        }
        Ok(Self::of(pieces))
    }

    fn of(pieces: Vec<Found>) -> Self {
        let plain = stems(PLAIN, &BTreeSet::new());
        let pieces: Vec<Piece> = pieces
            .into_iter()
            .map(|found| {
                let heading = stems(&found.title, &plain);
                let words = stems(&found.text, &plain).union(&heading).cloned().collect();
                Piece { found, words, heading }
            })
            .collect();
        let mut spread = BTreeMap::new();
        for word in pieces.iter().flat_map(|piece| &piece.words) {
            *spread.entry(word.clone()).or_insert(0) += 1;
        }
        Self { pieces, spread, plain }
    }

    /// The piece that holds most of the question, where it holds enough.
    pub(super) fn best(&self, question: &str) -> Option<&Found> {
        let asked = stems(question, &self.plain);
        let all: f64 = asked.iter().map(|word| self.weight(word)).sum();
        let share = |piece: &Piece| {
            let held = asked.intersection(&piece.words).map(|word| self.weight(word));
            let named = asked.intersection(&piece.heading).map(|word| self.weight(word));
            (held.sum::<f64>() / all, named.sum::<f64>() / all)
        };
        let order = |a: &(f64, f64), b: &(f64, f64)| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1));
        let shares = self.pieces.iter().map(|piece| (share(piece), piece));
        // Of several that are alike, the first one.
        let best =
            shares.reduce(|best, next| if order(&next.0, &best.0).is_gt() { next } else { best });
        best.filter(|((held, _), _)| *held >= ENOUGH).map(|(_, piece)| &piece.found)
    }

    /// How much a word tells: one that stands nowhere, most of all.
    fn weight(&self, word: &str) -> f64 {
        let spread = self.spread.get(word).copied().unwrap_or(0);
        let count = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
        (1.0 + count(self.pieces.len()) / (1.0 + count(spread))).ln()
    }
}

fn stems(text: &str, without: &BTreeSet<String>) -> BTreeSet<String> {
    let all = words(text, LEXICON.known()).into_iter().map(|word| word.stem);
    all.filter(|stem| !without.contains(stem)).collect()
}

fn collect(root: &Path, folder: &Path, pages: &mut Vec<(String, String)>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        // Links are not followed: they could lead out.
        if entry.file_type()?.is_dir() {
            collect(root, &path, pages)?;
        } else if entry.file_type()?.is_file() && path.extension().is_some_and(|end| end == "md") {
            let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            pages.push((name, fs::read_to_string(&path)?));
        }
    }
    Ok(())
}

/// A page's pieces: what stands below each heading.
fn cut(name: &str, text: &str) -> Vec<Found> {
    let mut pieces = Vec::new();
    let mut piece = Found { title: name.to_owned(), text: String::new(), source: name.to_owned() };
    for line in text.lines() {
        match line.strip_prefix('#').map(|rest| rest.trim_start_matches('#')) {
            Some(title) if title.starts_with(' ') => {
                let title = title.trim().to_owned();
                let next = Found { title, text: String::new(), source: name.to_owned() };
                pieces.push(std::mem::replace(&mut piece, next));
            }
            Some(_) | None => {
                piece.text.push_str(line);
                piece.text.push('\n');
            }
        }
    }
    pieces.push(piece);
    pieces.retain(|piece| !piece.text.trim().is_empty());
    pieces
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const RETURNS: &str = "# Returns\n\nSend it back within 30 days, unworn.\n\n## Who pays for a return\n\nWe pay the label in the EU. Elsewhere the customer pays.\n";
    const CARE: &str = "# Care\n\nWash wool by hand, cold. Never tumble dry.\n\n# Gift cards\n\nA gift card is valid for three years.\n";

    fn folder() -> (tempfile::TempDir, Folder) {
        let at = tempfile::tempdir().unwrap();
        fs::create_dir(at.path().join("shop")).unwrap();
        fs::write(at.path().join("returns.md"), RETURNS).unwrap();
        fs::write(at.path().join("shop/care.md"), CARE).unwrap();
        fs::write(at.path().join("notes.txt"), "wool wool wool").unwrap();
        let read = Folder::read(at.path()).unwrap();
        (at, read)
    }

    #[test]
    fn a_question_finds_its_piece_and_its_place() {
        let (_at, folder) = folder();
        let found =
            |question: &str| folder.best(question).map(|f| (f.title.as_str(), f.source.as_str()));
        assert_eq!(found("How do I wash wool?"), Some(("Care", "shop/care.md")));
        assert_eq!(
            found("who pays the return label?"),
            Some(("Who pays for a return", "returns.md"))
        );
        assert_eq!(found("how long is a gift card valid"), Some(("Gift cards", "shop/care.md")));
        assert_eq!(
            found("within how many days can I send it back?"),
            Some(("Returns", "returns.md"))
        );
    }

    #[test]
    fn what_no_page_tells_finds_nothing() {
        let (_at, folder) = folder();
        for question in
            ["Do you ship to Norway?", "who is your CEO", "how?", "", "wool opening hours Berlin"]
        {
            assert_eq!(folder.best(question), None, "{question}");
        }
    }

    #[test]
    fn a_folder_without_pages_is_said() {
        let at = tempfile::tempdir().unwrap();
        assert!(Folder::read(at.path()).unwrap_err().to_string().contains("no .md file"));
        assert!(Folder::read(&at.path().join("absent")).is_err());
    }
}
