//! `contracts test`: recorded answers through the contracts, without a service.

mod case;
mod compare;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use countersign_core::contract::Catalog;
use countersign_executor::packs;

use self::case::Case;
use super::{catalog, load, named};
use crate::text::one_line;

/// `countersign contracts test`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Pack folders.
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<PathBuf>,
}

/// What became of one case.
struct Outcome {
    file: String,
    tool: String,
    about: String,
    /// What is not as expected; empty where all is.
    wrong: Vec<String>,
}

/// Runs every case of the packs; true where each one comes out as expected.
pub(super) async fn run(args: &Args) -> anyhow::Result<bool> {
    let mut outcomes = Vec::new();
    for (dir, name) in named(&args.dirs) {
        outcomes.extend(cases(dir, &name).await?);
    }
    let out = &mut io::stdout().lock();
    writeln!(out, "{}", table(&outcomes))?;
    let failed = outcomes.iter().filter(|o| !o.wrong.is_empty()).count();
    writeln!(out, "{} passed, {failed} failed", outcomes.len() - failed)?;
    Ok(failed == 0)
}

async fn cases(dir: &Path, name: &str) -> anyhow::Result<Vec<Outcome>> {
    let files = packs::read_dir(dir).map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
    let catalog = Arc::new(catalog(load(dir)?)?);
    let mut outcomes = Vec::new();
    for (file, text) in recorded(&files) {
        outcomes.push(one(file, text, &catalog).await);
    }
    if outcomes.is_empty() {
        anyhow::bail!("{name}: there is no recorded/*.json to run");
    }
    Ok(outcomes)
}

fn recorded(files: &BTreeMap<String, String>) -> impl Iterator<Item = (&String, &String)> {
    files.iter().filter(|(path, _)| path.starts_with("recorded/") && path.ends_with(".json"))
}

async fn one(file: &str, text: &str, catalog: &Arc<Catalog>) -> Outcome {
    let file = file.to_owned();
    match serde_json::from_str::<Case>(text) {
        Err(error) => Outcome {
            file,
            tool: String::new(),
            about: String::new(),
            wrong: vec![format!("not a case: {error}")],
        },
        Ok(case) => {
            let wrong = match case.run(catalog).await {
                Ok(came) => compare::differences(&case.expect, &came),
                Err(why) => vec![why],
            };
            Outcome { file, tool: case.tool, about: case.about, wrong }
        }
    }
}

fn table(outcomes: &[Outcome]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["", "CASE", "TOOL", "WHAT"]);
    for outcome in outcomes {
        let name = outcome.file.trim_start_matches("recorded/").trim_end_matches(".json");
        let (mark, what) = match outcome.wrong.is_empty() {
            true => ("ok", one_line(&outcome.about)),
            false => {
                ("FAILED", outcome.wrong.iter().map(|w| one_line(w)).collect::<Vec<_>>().join("\n"))
            }
        };
        table.add_row([mark, &one_line(name), &one_line(&outcome.tool), &what]);
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    async fn shipped(change: impl Fn(&str) -> String, file: &str) -> Vec<Outcome> {
        let dir = tempfile::tempdir().unwrap();
        packs::write_shipped(dir.path()).unwrap();
        let file = dir.path().join("shopify").join(file);
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, change(&text)).unwrap();
        cases(&dir.path().join("shopify"), "shopify").await.unwrap()
    }

    #[tokio::test]
    async fn every_case_of_the_shipped_pack_comes_out_as_expected() {
        let outcomes = shipped(str::to_owned, "connector.yaml").await;
        assert!(outcomes.len() > 20);
        let failed: Vec<_> = outcomes.iter().filter(|o| !o.wrong.is_empty()).collect();
        assert!(failed.is_empty(), "{}", table(&outcomes));
    }

    #[tokio::test]
    async fn so_does_every_case_of_stripe_and_each_tool_has_one() {
        let dir = tempfile::tempdir().unwrap();
        packs::write_shipped(dir.path()).unwrap();
        let pack = dir.path().join("stripe");
        let outcomes = cases(&pack, "stripe").await.unwrap();
        let failed: Vec<_> = outcomes.iter().filter(|o| !o.wrong.is_empty()).collect();
        assert!(failed.is_empty(), "{}", table(&outcomes));
        for tool in catalog(load(&pack).unwrap()).unwrap().tools.keys() {
            assert!(outcomes.iter().any(|o| o.tool == *tool), "{tool} has no case");
        }
    }

    #[tokio::test]
    async fn a_contract_that_lies_about_success_fails_its_case() {
        let file = "contracts/cancel_order.yaml";
        let careless =
            |text: &str| text.replace("&& looked.refunded == state.order.refunded + money", "");
        let outcomes = shipped(careless, file).await;
        let failed: Vec<_> = outcomes.iter().filter(|o| !o.wrong.is_empty()).collect();
        assert_eq!(failed.len(), 1, "{}", table(&outcomes));
        assert!(failed[0].file.contains("cancel_order_half"), "{}", failed[0].file);
        assert!(failed[0].wrong[0].contains("applied"), "{:?}", failed[0].wrong);
    }

    #[tokio::test]
    async fn a_wrong_expectation_fails_its_case() {
        let wrong = |text: &str| {
            let mut case: serde_json::Value = serde_json::from_str(text).unwrap();
            *case.pointer_mut("/expect/output/refunded/amount").unwrap() = "68.01".into();
            *case.pointer_mut("/expect/outcome").unwrap() = "unknown".into();
            case.to_string()
        };
        let outcomes = shipped(wrong, "recorded/cancel_order.json").await;
        let failed: Vec<_> = outcomes.iter().filter(|o| !o.wrong.is_empty()).collect();
        assert_eq!((failed.len(), failed[0].wrong.len()), (1, 2), "{}", table(&outcomes));
    }

    #[tokio::test]
    async fn a_case_that_is_none_says_where() {
        let outcomes = shipped(|_| "{\n\"tol\": 1}".to_owned(), "recorded/find_order.json").await;
        let bad = outcomes.iter().find(|o| o.file == "recorded/find_order.json").unwrap();
        assert!(bad.wrong[0].contains("line 2"), "{:?}", bad.wrong);
    }
}
