//! What a comparison found, for a person or for a program.

use std::io::{self, Write};
use std::ops::Range;

use serde_json::{Value as Json, json};

use super::Args;
use super::found::{Found, Wrong};

/// Most that a person is shown of one kind.
const SHOWN: usize = 20;

pub(super) fn print(out: &mut impl Write, found: &Found, args: &Args) -> io::Result<()> {
    if args.json {
        return writeln!(out, "{}", to_json(found));
    }
    let export = args.export.display();
    match found.is_whole() {
        true => writeln!(out, "{export} holds what the log holds.")?,
        false => writeln!(out, "{export} does NOT hold what the log holds.")?,
    }
    let Found { size, rows, resent, heartbeats, .. } = found;
    writeln!(out, "  log       {size} entries")?;
    writeln!(
        out,
        "  rows      {rows} events, {resent} of them sent again; {heartbeats} heartbeats"
    )?;
    for (name, list) in [
        ("missing", found.missing.iter().map(range).collect::<Vec<_>>()),
        ("altered", found.altered.iter().map(row).collect()),
        ("unmapped", found.unmapped.iter().map(row).collect()),
        ("doubled", found.doubled.iter().map(row).collect()),
        ("beyond", found.beyond.iter().map(row).collect()),
    ] {
        listed(out, name, &list)?;
    }
    if found.newer > 0 {
        let newer = found.newer;
        writeln!(
            out,
            "  newer     {newer} rows name a checkpoint that this folder does not reach"
        )?;
    }
    for (origin, rows) in &found.other_logs {
        writeln!(out, "  other     {rows} rows are of the log {origin}, and were not compared")?;
    }
    let lines: Vec<_> = found.unreadable.iter().map(|line| format!("line {line}")).collect();
    listed(out, "no event", &lines)
}

fn listed(out: &mut impl Write, name: &str, list: &[String]) -> io::Result<()> {
    if list.is_empty() {
        return Ok(());
    }
    let shown = list.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    let more = list.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more: --json has all") } else { String::new() };
    writeln!(out, "  {name:<9} {shown}{more}")
}

fn range(range: &Range<u64>) -> String {
    match range.end - range.start {
        1 => format!("entry {}", range.start),
        _ => format!("entries {} to {}", range.start, range.end - 1),
    }
}

fn row(wrong: &Wrong) -> String {
    match wrong.index {
        Some(index) => format!("entry {index} (line {})", wrong.line),
        None => format!("a heartbeat (line {})", wrong.line),
    }
}

fn to_json(found: &Found) -> Json {
    let rows = |list: &[Wrong]| {
        list.iter().map(|w| json!({ "index": w.index, "line": w.line })).collect::<Vec<_>>()
    };
    let missing: Vec<_> =
        found.missing.iter().map(|r| json!({ "from": r.start, "to": r.end })).collect();
    json!({
        "ok": found.is_whole(),
        "size": found.size,
        "rows": found.rows,
        "resent": found.resent,
        "heartbeats": found.heartbeats,
        "newer": found.newer,
        "missing": missing,
        "altered": rows(&found.altered),
        "unmapped": rows(&found.unmapped),
        "doubled": rows(&found.doubled),
        "beyond": rows(&found.beyond),
        "other_logs": found.other_logs,
        "unreadable_lines": found.unreadable,
    })
}
