//! What a check found, for a person or for a program.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign_shared::tlog::failure::Failure;
use serde_json::{Value as Json, json};

use super::kit::Shown;
use super::{Checked, VerifyArgs};

pub(super) fn print(
    out: &mut impl Write,
    found: &Result<Checked, Failure>,
    args: &VerifyArgs,
) -> io::Result<()> {
    if args.json {
        return writeln!(out, "{}", to_json(found));
    }
    let dir = args.dir.display();
    match found {
        Ok(checked) => good(out, checked, args),
        Err(failure) => {
            writeln!(out, "{dir} does NOT verify.")?;
            writeln!(out, "  code       {}", failure.code)?;
            if let Some(index) = failure.index {
                writeln!(out, "  first bad  entry {index}")?;
            }
            if let Some(path) = &failure.path {
                writeln!(out, "  file       {path}")?;
            }
            writeln!(out, "  meaning    {}", failure.code.meaning())?;
            if !failure.detail.is_empty() {
                writeln!(out, "  detail     {}", crate::text::one_line(&failure.detail))?;
            }
            writeln!(out, "Keep the folder as it is and compare it with another copy.")
        }
    }
}

fn good(out: &mut impl Write, checked: &Checked, args: &VerifyArgs) -> io::Result<()> {
    let verified = &checked.log;
    let checkpoint = &verified.checkpoint;
    writeln!(out, "{} verifies.", args.dir.display())?;
    writeln!(out, "  log      {}", checkpoint.origin())?;
    match &checked.only {
        None => writeln!(out, "  entries  {}, every one a receipt", verified.leaves)?,
        Some(only) => {
            let (from, to, of) = (only.start, only.end, verified.leaves);
            writeln!(out, "  entries  {from} to before {to} of {of}, every one a receipt")?;
        }
    }
    if let (Some(Shown { opened, erased }), Some(only)) = (checked.shown, &checked.only) {
        let absent = (only.end - only.start).saturating_sub(opened + erased);
        writeln!(out, "  shown    {opened} opened, {erased} erased, {absent} not disclosed")?;
    }
    writeln!(out, "  root     {}", STANDARD.encode(checkpoint.root()))?;
    for new in &verified.keys {
        writeln!(out, "  new key  by entry {}: {}", new.index, new.key)?;
    }
    if let Some(cosigned) = &verified.cosigned {
        let by = match cosigned.by.as_slice() {
            [] => "somebody whose key was not given".to_owned(),
            names => names.join(", "),
        };
        writeln!(out, "  cosigned up to {} entries by {by}", cosigned.size)?;
    }
    if args.checkpoint.is_some() {
        writeln!(out, "  history  extends the earlier checkpoint")?;
    }
    if verified.ahead > 0 {
        let ahead = verified.ahead;
        writeln!(out, "  ahead    {ahead} files that the checkpoint does not vouch for yet")?;
    }
    Ok(())
}

fn to_json(found: &Result<Checked, Failure>) -> Json {
    match found {
        Ok(Checked { log, only, shown }) => json!({
            "ok": true,
            "origin": log.checkpoint.origin(),
            "size": log.checkpoint.size(),
            "root": STANDARD.encode(log.checkpoint.root()),
            "from": only.as_ref().map_or(0, |only| only.start),
            "to": only.as_ref().map_or(log.leaves, |only| only.end),
            "keys": log.keys.iter().map(|new| new.key.to_string()).collect::<Vec<_>>(),
            "cosigned": log.cosigned.as_ref().map(|c| json!({ "size": c.size, "by": c.by })),
            "ahead": log.ahead,
            "shown": shown.map(|s| json!({ "opened": s.opened, "erased": s.erased })),
        }),
        Err(failure) => json!({
            "ok": false,
            "code": failure.code.as_str(),
            "index": failure.index,
            "path": failure.path,
            "meaning": failure.code.meaning(),
            "detail": failure.detail,
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use countersign_shared::tlog::failure::FailureCode;

    /// The page for auditors has every code with its meaning, and no other.
    #[test]
    fn every_failure_code_is_documented() {
        let page = include_str!("../../../docs/LOG.md");
        for code in FailureCode::ALL {
            let row = format!("| `{code}` | {} |", code.meaning());
            assert!(page.contains(&row), "LOG.md lacks: {row}");
        }
        let rows = page.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(rows, FailureCode::ALL.len());
    }
}
