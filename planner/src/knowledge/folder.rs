//! Markdown files, cut at their headings.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};

use super::Found;
use super::index::Index;

/// Largest folder: beyond, use a search.
const MOST_PIECES: usize = 20_000;
/// Pieces of all pages.
#[derive(Debug)]
pub(super) struct Folder {
    pieces: Vec<Found>,
    index: Index,
}

/// What stands below a heading, and the heading of the page that it is of.
struct Piece {
    found: Found,
    page: String,
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
        let pieces: Vec<Piece> = pages.iter().flat_map(|(name, text)| cut(name, text)).collect();
        if pieces.len() > MOST_PIECES {
            bail!("{} holds more than {MOST_PIECES} pieces: use `search`", folder.display());
        }
        // A heading says what a piece is about: it counts twice.
        let index =
            Index::of(pieces.iter().map(|Piece { found: Found { title, text, .. }, page }| {
                format!("{page}\n{title}\n{title}\n{text}")
            }));
        Ok(Self { pieces: pieces.into_iter().map(|piece| piece.found).collect(), index })
    }

    /// The pieces that a question is about, where they hold enough of it; the nearest first.
    pub(super) fn near(&self, question: &str) -> impl Iterator<Item = &Found> {
        self.index.near(question).into_iter().filter_map(|at| self.pieces.get(at))
    }
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
fn cut(name: &str, text: &str) -> Vec<Piece> {
    let (mut pieces, mut page) = (Vec::new(), String::new());
    let mut found = Found { title: name.to_owned(), text: String::new(), source: name.to_owned() };
    for line in text.lines() {
        match line.strip_prefix('#').map(|rest| (rest, rest.trim_start_matches('#'))) {
            Some((rest, title)) if title.starts_with(' ') => {
                let title = title.trim().to_owned();
                let next =
                    Found { title: title.clone(), text: String::new(), source: name.to_owned() };
                pieces
                    .push(Piece { found: std::mem::replace(&mut found, next), page: page.clone() });
                if rest.starts_with(' ') {
                    page = title;
                }
            }
            Some(_) | None => {
                found.text.push_str(line);
                found.text.push('\n');
            }
        }
    }
    pieces.push(Piece { found, page });
    pieces.retain(|piece| !piece.found.text.trim().is_empty());
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
        let found = |question: &str| {
            folder.near(question).next().map(|f| (f.title.as_str(), f.source.as_str()))
        };
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
            assert_eq!(folder.near(question).next(), None, "{question}");
        }
    }

    #[test]
    fn a_folder_without_pages_is_said() {
        let at = tempfile::tempdir().unwrap();
        assert!(Folder::read(at.path()).unwrap_err().to_string().contains("no .md file"));
        assert!(Folder::read(&at.path().join("absent")).is_err());
    }
}
