//! `countersign explain`: why a code comes, who can do something about it, and what.

mod known;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use comfy_table::Table;
use comfy_table::presets::NOTHING;

use crate::command::OK;
use crate::text::{one_line, wrap};
use known::Known;

/// Characters in a line of a page.
const WIDTH: usize = 88;

/// What `explain` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Codes are how Countersign says no: in gRPC errors as ErrorInfo.reason, in receipts, in logs. A code
never changes its meaning. Built-in codes come first in the list, then those of packs.

Examples:
  countersign explain STATE_CHANGED
  countersign explain
  countersign explain PARCEL_LOST --packs ./packs/parcels
  countersign explain STATE_CHANGED --json")]
pub struct Args {
    /// The code, such as `STATE_CHANGED`. Without it, all of them are listed.
    code: Option<String>,
    /// Folder of a pack whose codes to know, instead of the packs that come with Countersign.
    /// May be given several times.
    #[arg(long, value_name = "DIR")]
    packs: Vec<PathBuf>,
    /// Print JSON: a list of pages.
    #[arg(long)]
    json: bool,
}

/// Prints a page, or the list.
///
/// # Errors
/// When no code has this name, or a pack does not load.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let all = known::all(&args.packs)?;
    let text = match &args.code {
        Some(code) => {
            let found = known::find(&all, code)?;
            if args.json { json(&found)? } else { pages(&found) }
        }
        None if args.json => json(&all.iter().collect::<Vec<_>>())?,
        None => table(&all),
    };
    let mut out = io::stdout().lock();
    writeln!(out, "{}", text.trim_end())?;
    out.flush()?;
    Ok(ExitCode::from(OK))
}

fn json(found: &[&Known]) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(found)?)
}

fn pages(found: &[&Known]) -> String {
    found.iter().map(|known| page(known)).collect::<Vec<_>>().join("\n\n")
}

fn page(known: &Known) -> String {
    let from = known
        .pack
        .as_ref()
        .map_or_else(|| "built in".to_owned(), |pack| format!("of the pack {}", one_line(pack)));
    let mut lines = vec![format!("{}, {from}", one_line(&known.code)), String::new()];
    let mut field = |name: &str, value: &str| lines.push(format!("  {name:<17}{value}"));
    field("gRPC status", known.status);
    if let Some(who) = known.who {
        field("who can act", who);
    }
    if let Some(say) = &known.say {
        field("customer hears", &format!("\"{}\"", one_line(say)));
    }
    for (title, text) in [("Cause", &known.cause), ("Remedy", &known.remedy)] {
        lines.extend([String::new(), title.to_owned()]);
        lines.extend(wrap(&one_line(text), WIDTH - 2).iter().map(|line| format!("  {line}")));
    }
    lines.join("\n")
}

fn table(all: &[Known]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["CODE", "FROM", "WHO CAN ACT", "CAUSE"]);
    for known in all {
        table.add_row([
            one_line(&known.code),
            known.pack.as_ref().map_or_else(|| "built in".to_owned(), |pack| one_line(pack)),
            known.who.unwrap_or("-").to_owned(),
            one_line(&known.summary),
        ]);
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_page_fits_a_terminal_and_says_everything() {
        let all = known::all(&[]).unwrap();
        for known in &all {
            let text = page(known);
            for part in [known.code.as_str(), known.status, "Cause", "Remedy"] {
                assert!(text.contains(part), "{part}: {text}");
            }
            let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words(&text).contains(&words(&known.remedy)), "{text}");
            let body = text.lines().skip_while(|line| *line != "Cause");
            assert!(body.map(|line| line.chars().count()).all(|n| n <= WIDTH), "{text}");
        }
    }

    #[test]
    fn the_list_has_a_line_for_each_code() {
        let all = known::all(&[]).unwrap();
        let text = table(&all);
        assert_eq!(text.lines().count(), all.len() + 1);
        let line = text.lines().find(|line| line.contains(" STATE_CHANGED ")).unwrap();
        for part in ["built in", "customer", "The object changed between the card and the action."]
        {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
}
