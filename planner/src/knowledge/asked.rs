//! How well a question of a customer finds its piece: pages of five shops in five languages, and
//! questions to them, by somebody who knew nothing of the search.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Knowledge;
use crate::config::KnowledgeConfig;

#[derive(Deserialize)]
struct Line {
    language: String,
    question: String,
    /// Which page answers it; none where no page does.
    file: Option<String>,
    heading: Option<String>,
}

#[derive(Default)]
struct Count {
    right: u32,
    another: u32,
    none: u32,
    /// Answered, though no page does.
    invented: u32,
    left: u32,
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/knowledge")
}

/// As a house has them that answers in one language.
pub(crate) fn pages(language: &str) -> Knowledge {
    Knowledge::open(&KnowledgeConfig::Folder(folder().join(language))).unwrap()
}

#[tokio::test]
async fn knowledge_in_five_languages() {
    let lines = std::fs::read_to_string(folder().join("questions.jsonl")).unwrap();
    let lines: Vec<Line> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let mut all = Count::default();
    for language in ["en", "de", "fr", "es", "nl"] {
        let (pages, mut own) = (pages(language), Count::default());
        for line in lines.iter().filter(|line| line.language == language) {
            let found = pages.answer(&line.question).await;
            let found = found.map(|f| (format!("{language}/{}", f.source), f.title));
            let wanted = line.file.clone().zip(line.heading.clone());
            *match (&found, &wanted) {
                (Some(found), Some(wanted)) if found == wanted => &mut own.right,
                (Some(_), Some(_)) => &mut own.another,
                (None, Some(_)) => &mut own.none,
                (Some(_), None) => &mut own.invented,
                (None, None) => &mut own.left,
            } += 1;
        }
        println!("{language}: {own}");
        all = Count {
            right: all.right + own.right,
            another: all.another + own.another,
            none: all.none + own.none,
            invented: all.invented + own.invented,
            left: all.left + own.left,
        };
    }
    println!("all: {all}");
    assert!(all.right >= 95 && all.another <= 14 && all.invented <= 8, "{all}");
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { right, another, none, invented, left } = self;
        let (asked, others) = (right + another + none, invented + left);
        write!(
            f,
            "{right} of {asked} find their piece, {another} another, {none} none; of {others} that \
             no page answers {left} are left"
        )
    }
}
