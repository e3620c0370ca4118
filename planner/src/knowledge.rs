//! Questions that no tool answers: pages of the house, in a folder or behind its own
//! search. What is found is quoted as it stands, with its place; it grounds an answer or a
//! plan, and decides nothing.

use std::sync::Arc;

use crate::config::KnowledgeConfig;

#[cfg(test)]
pub(crate) mod asked;
mod folder;
mod index;
mod passages;
mod remote;

use folder::Folder;
pub use passages::Passages;
use remote::Remote;

/// Longest piece that is quoted, in bytes.
const LONGEST: usize = 1_500;

/// A piece of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its heading.
    pub title: String,
    /// Its text.
    pub text: String,
    /// Where it stands: a file, or an address.
    pub source: String,
}

/// Where answers are looked for. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Knowledge(Option<Arc<Pages>>);

#[derive(Debug)]
enum Pages {
    Folder(Folder),
    Remote(Remote),
}

impl Knowledge {
    /// Reads the folder, or makes the way to the search.
    ///
    /// # Errors
    /// What cannot be used.
    pub fn open(config: &KnowledgeConfig) -> anyhow::Result<Self> {
        let pages = match config {
            KnowledgeConfig::Folder(folder) => Pages::Folder(Folder::read(folder)?),
            KnowledgeConfig::Search(search) => Pages::Remote(Remote::new(search)?),
        };
        Ok(Self(Some(Arc::new(pages))))
    }

    /// What answers a question; `None` where nothing is near enough.
    pub async fn answer(&self, question: &str) -> Option<Found> {
        let found = self.near(question, 1).await.pop()?;
        Some(Found { text: cut(&found.text, LONGEST), ..found })
    }

    /// What is near enough to some words, the nearest first, so many at most.
    async fn near(&self, words: &str, most: usize) -> Vec<Found> {
        match self.0.as_deref() {
            None => Vec::new(),
            Some(Pages::Folder(folder)) => folder.near(words).take(most).cloned().collect(),
            Some(Pages::Remote(remote)) => {
                remote.near(words).await.into_iter().take(most).collect()
            }
        }
    }
}

/// Whole lines and sentences, as far as they fit.
fn cut(text: &str, longest: usize) -> String {
    let text = text.trim();
    if text.len() <= longest {
        return text.to_owned();
    }
    let kept = text.get(..text.floor_char_boundary(longest)).unwrap_or(text);
    let end = ["\n", ". ", "! ", "? "].iter().filter_map(|end| kept.rfind(end)).max();
    let kept = end.and_then(|end| kept.get(..=end)).unwrap_or(kept);
    format!("{} …", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_ends_with_a_sentence() {
        assert_eq!(cut(" short \n", LONGEST), "short");
        let long = format!("{}And this is not whole", "One more sentence. ".repeat(100));
        let kept = cut(&long, LONGEST);
        assert!(kept.len() <= LONGEST + 5 && kept.ends_with("sentence. …"), "{kept}");
        assert!(cut(&"é".repeat(LONGEST), LONGEST).ends_with('…'));
    }
}
