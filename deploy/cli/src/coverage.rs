//! `countersign coverage`: which guardrails stand around each tool, what is missing, and how
//! to add it.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use countersign_core::contract::Catalog;
use countersign_core::coverage::{self, Guardrail, Stands};
use countersign_core::policy::Policy;
use countersign_executor::policy;
use serde_json::json;

use crate::command::OK;
use crate::policy::catalog;

const EXAMPLES: &str = "\
Examples:
  countersign coverage ./deployment/policy --packs ./deployment/packs/shopify
  countersign coverage ./deployment/policy --tool shopify.refund_lines --all
  countersign coverage ./deployment/policy --json

A guardrail that is missing may be missing on purpose: a reminder needs no approval. The report says
what is so, and where it would be changed.";

/// What `coverage` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The policy's folder.
    policy: PathBuf,
    /// Folders of the packs; without, those that come with Countersign.
    #[arg(long, value_name = "DIR", num_args = 1..)]
    packs: Vec<PathBuf>,
    /// This tool only.
    #[arg(long)]
    tool: Option<String>,
    /// Also what each guardrail that stands rests on.
    #[arg(long)]
    all: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Prints the report.
///
/// # Errors
/// When policy or packs do not load, or there is no such tool.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let catalog = catalog(&args.packs)?;
    let policy = policy::load(&args.policy, &catalog)?;
    let tools = tools(&catalog, &policy, args.tool.as_deref());
    if let (Some(tool), true) = (&args.tool, tools.is_empty()) {
        anyhow::bail!("there is no tool {tool} in these packs");
    }
    let out = &mut io::stdout().lock();
    if args.json {
        writeln!(out, "{}", json!({ "policy": policy.digest(), "tools": tools }))?;
    } else {
        print(out, &tools, args.all)?;
    }
    Ok(ExitCode::from(OK))
}

/// Tools that plans may name, or the one that is asked for.
fn tools<'a>(
    catalog: &'a Catalog,
    policy: &Policy,
    only: Option<&str>,
) -> BTreeMap<&'a str, Vec<Guardrail>> {
    let wanted = catalog.tools.values().filter(|contract| match only {
        Some(tool) => contract.tool == tool,
        None => contract.listed,
    });
    wanted.map(|contract| (contract.tool.as_str(), coverage::of(contract, policy))).collect()
}

fn print(
    out: &mut impl Write,
    tools: &BTreeMap<&str, Vec<Guardrail>>,
    all: bool,
) -> io::Result<()> {
    for (tool, guardrails) in tools {
        let (stand, of) = coverage::count(guardrails);
        writeln!(out, "{tool}: {stand} of {of}")?;
        for Guardrail { name, stands, how, add } in guardrails {
            match stands {
                Stands::No => {
                    writeln!(out, "  missing  {name:<16} {how}")?;
                    writeln!(out, "  {:<25} {add}", "")?;
                }
                Stands::Yes if all => writeln!(out, "  stands   {name:<16} {how}")?,
                Stands::Yes | Stands::NotNeeded => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn coverage_report_names_what_is_missing_and_how_to_add_it() {
        let dir = tempfile::tempdir().unwrap();
        policy::write_shipped(dir.path()).unwrap();
        let catalog = catalog(&[]).unwrap();
        let loaded = policy::load(dir.path(), &catalog).unwrap();
        let all = tools(&catalog, &loaded, None);
        let mut out = Vec::new();
        print(&mut out, &all, false).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches(" of 11\n").count() + text.matches(" of 4\n").count(), all.len());
        for (tool, guardrails) in &all {
            assert!(text.contains(&format!("{tool}: ")), "{text}");
            for missing in guardrails.iter().filter(|g| g.stands == Stands::No) {
                assert!(text.contains(&missing.how) && text.contains(missing.add), "{text}");
            }
        }
        assert!(tools(&catalog, &loaded, Some("shopify.none")).is_empty());
    }
}
