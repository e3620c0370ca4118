//! `policy test`: the table of expected verdicts, asked.

use std::io::Write;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use countersign_core::policy::Checked;
use countersign_executor::activation::signable;
use countersign_executor::policy;

use super::{Args, catalog};
use crate::text::one_line;

/// Prints the table; true where every row is answered as expected.
pub(super) fn run(args: &Args, out: &mut impl Write) -> anyhow::Result<bool> {
    let catalog = catalog(&args.packs)?;
    let policy = policy::load(&args.dir, &catalog)?;
    let rows = policy.run_table(&catalog);
    writeln!(out, "{}", table(&rows))?;
    let failed: Vec<_> = rows.iter().filter(|row| !row.passed).collect();
    for row in &failed {
        let file = args.dir.join("tests.yaml");
        let (file, line, what) = (file.display(), row.line, one_line(&row.what));
        writeln!(out, "{file}:{line}: {what}: expected {}, got {}", row.expected, row.got)?;
    }
    writeln!(out, "{} rows, {} failed", rows.len(), failed.len())?;
    let refused = signable(&policy).err();
    if let Some(why) = &refused {
        writeln!(out, "The executor does not start with it: {why}")?;
    }
    Ok(failed.is_empty() && refused.is_none())
}

fn table(rows: &[Checked]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["", "LINE", "WHO: WHAT", "EXPECTED", "GOT", "BY"]);
    for row in rows {
        let verdict = if row.passed { "pass" } else { "FAIL" };
        table.add_row([
            verdict.to_owned(),
            row.line.to_string(),
            one_line(&row.what),
            row.expected.clone(),
            row.got.clone(),
            one_line(&row.by),
        ]);
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::super::testing::{alone, edit, said, shipped};
    use super::run;

    #[test]
    fn a_table_that_passes_is_not_enough_to_start_with() {
        let (_dir, args) = shipped();
        alone(&args);
        let (text, good) = said(run, &args);
        assert!(!good && text.contains(", 0 failed\nThe executor does not start"), "{text}");
    }

    #[test]
    fn the_shipped_table_passes_and_names_who_decided() {
        let (_dir, args) = shipped();
        let (text, good) = said(run, &args);
        assert!(good && text.ends_with(" rows, 0 failed\n"), "{text}");
        let line = text.lines().find(|line| line.contains("execute shopify.refund_lines")).unwrap();
        for part in ["pass", "USD 24.00", "permit, auto", "customers-signed-in"] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }

    #[test]
    fn a_row_that_fails_is_named_by_its_line() {
        let (_dir, args) = shipped();
        edit(&args, "settings.yaml", "mode: auto }", "mode: shadow }");
        let (text, good) = said(run, &args);
        assert!(!good, "{text}");
        let said = format!("{}/tests.yaml:", args.dir.display());
        let line = text.lines().find(|line| line.starts_with(&said)).unwrap();
        assert!(line.ends_with("expected permit, auto, got permit, shadow"), "{line}");
    }

    #[test]
    fn a_row_about_a_tool_that_is_not_there_fails() {
        let (_dir, args) = shipped();
        edit(&args, "tests.yaml", "shopify.track_shipment", "shopify.track");
        let (text, good) = said(run, &args);
        assert!(!good && text.contains("no loaded pack has the tool `shopify.track`"), "{text}");
    }
}
