//! What a check found, for a person or for a program.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign_shared::tlog::failure::Failure;
use countersign_shared::tlog::verify::Verified;
use serde_json::{Value as Json, json};

use super::VerifyArgs;

pub(super) fn print(
    out: &mut impl Write,
    found: &Result<Verified, Failure>,
    args: &VerifyArgs,
) -> io::Result<()> {
    if args.json {
        return writeln!(out, "{}", to_json(found));
    }
    let dir = args.dir.display();
    match found {
        Ok(verified) => good(out, verified, args),
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

fn good(out: &mut impl Write, verified: &Verified, args: &VerifyArgs) -> io::Result<()> {
    let checkpoint = &verified.checkpoint;
    writeln!(out, "{} verifies.", args.dir.display())?;
    writeln!(out, "  log      {}", checkpoint.origin())?;
    writeln!(out, "  entries  {}, every one a receipt", verified.leaves)?;
    writeln!(out, "  root     {}", STANDARD.encode(checkpoint.root()))?;
    if args.checkpoint.is_some() {
        writeln!(out, "  history  extends the earlier checkpoint")?;
    }
    if verified.ahead > 0 {
        let ahead = verified.ahead;
        writeln!(out, "  ahead    {ahead} files that the checkpoint does not vouch for yet")?;
    }
    Ok(())
}

fn to_json(found: &Result<Verified, Failure>) -> Json {
    match found {
        Ok(verified) => json!({
            "ok": true,
            "origin": verified.checkpoint.origin(),
            "size": verified.checkpoint.size(),
            "root": STANDARD.encode(verified.checkpoint.root()),
            "ahead": verified.ahead,
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
