//! One receipt and its proof: is it in the log? Nothing of the log is needed but its key.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::key::VerifierKey;
use countersign_shared::tlog::proof::LogProof;
use serde_json::json;

use super::{VerifyArgs, key::read_keys, parse};
use crate::command::{FAILED, OK};
use crate::text::{one_line, shell};

/// What every proof begins with, whatever its version.
const PROOF: &[u8] = b"c2sp.org/tlog-proof@";

/// Largest receipt that is looked for in the place of a log, in bytes.
const LARGEST: u64 = 1 << 20;

/// That a receipt is in a log.
#[derive(Debug)]
struct Shown {
    index: u64,
    checkpoint: Checkpoint,
    /// Why it cannot be read, where it cannot.
    unread: Option<String>,
}

/// Holds a receipt against its proof.
///
/// # Errors
/// When a file or a key cannot be read.
pub(super) fn verify(args: &VerifyArgs, proof: &Path) -> anyhow::Result<ExitCode> {
    let (receipt, proof) = (read(&args.dir)?, read(proof)?);
    let found = check(&receipt, &proof, &read_keys(&args.key)?);
    print(&mut io::stdout().lock(), &found, args)?;
    Ok(ExitCode::from(if found.is_ok() { OK } else { FAILED }))
}

/// Says what to do with a file of one receipt, where a log is asked for.
///
/// # Errors
/// When it is one.
pub(super) fn is_none(path: &Path) -> anyhow::Result<()> {
    // A folder, or what cannot be read, is told about by whoever looks for a log there.
    let Some(bytes) = begin(path) else { return Ok(()) };
    let shown = shell(&path.to_string_lossy());
    if bytes.starts_with(PROOF) {
        bail!(
            "{shown} is the proof of one receipt, and no log. Give the receipt, as `countersign \
             receipts show ID --json` prints it, and this as its proof: countersign audit verify \
             RECEIPT.json --proof {shown} --key KEY"
        );
    }
    if parse(logged(&bytes)).is_ok() {
        bail!(
            "{shown} is one receipt, and no log. Give its proof as well: countersign audit verify \
             {shown} --proof FILE.tlog-proof --key KEY"
        );
    }
    Ok(())
}

/// What a file begins with: an archive may be large, a receipt and a proof are not.
fn begin(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = path.is_file().then(|| File::open(path).ok())??;
    file.take(LARGEST).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// `receipts show --json` ends the line; the log does not.
fn logged(receipt: &[u8]) -> &[u8] {
    receipt.strip_suffix(b"\n").unwrap_or(receipt)
}

/// Why it is not shown, for a person.
fn check(receipt: &[u8], proof: &[u8], keys: &[VerifierKey]) -> Result<Shown, String> {
    let receipt = logged(receipt);
    let proof = LogProof::parse(proof).map_err(|error| error.to_string())?;
    let checkpoint = proof.verify_by(keys, receipt).map_err(|error| error.to_string())?;
    // A layout of another version says nothing against its place in the log.
    let unread = parse(receipt).err();
    Ok(Shown { index: proof.index, checkpoint, unread })
}

fn print(out: &mut impl Write, found: &Result<Shown, String>, args: &VerifyArgs) -> io::Result<()> {
    if args.json {
        let object = match found {
            Ok(Shown { index, checkpoint, unread }) => json!({
                "ok": true, "index": index, "origin": checkpoint.origin(),
                "size": checkpoint.size(), "root": STANDARD.encode(checkpoint.root()),
                "unread": unread,
            }),
            Err(why) => json!({ "ok": false, "detail": why }),
        };
        return writeln!(out, "{object}");
    }
    let receipt = args.dir.display();
    match found {
        Ok(Shown { index, checkpoint, unread }) => {
            writeln!(out, "{receipt} is in the log.")?;
            if let Some(why) = unread {
                writeln!(out, "  but      this program cannot read it: {}", one_line(why))?;
            }
            writeln!(out, "  log      {}", checkpoint.origin())?;
            writeln!(out, "  entry    {index} of {}", checkpoint.size())?;
            writeln!(out, "  root     {}", STANDARD.encode(checkpoint.root()))
        }
        Err(why) => {
            writeln!(out, "{receipt} is NOT shown to be in the log.")?;
            writeln!(out, "  detail   {}", one_line(why))?;
            writeln!(out, "The receipt or the proof was changed, they do not belong together, or")?;
            writeln!(out, "the key is another log's. Keep both, and have the log checked.")
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use countersign_shared::tlog::key::{LogKey, Signer};
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::receipts::folder::Folder;
    use crate::receipts::sample;

    /// A log of three receipts: its key, the second one's bytes and its proof.
    fn second(dir: &Path) -> (VerifierKey, Vec<u8>, Vec<u8>) {
        let receipts = [1, 2, 3].map(sample::receipt);
        let key = sample::log(dir, &receipts);
        let proof = Folder::open(dir).unwrap().proof(1).unwrap().into_bytes();
        (key, serde_json::to_vec(&receipts[1]).unwrap(), proof)
    }

    #[test]
    fn a_receipt_is_shown_to_be_in_the_log_and_no_other_is() {
        let dir = tempfile::tempdir().unwrap();
        let (key, receipt, proof) = second(dir.path());
        let other = LogKey::new("shop.example/log", SigningKey::from_bytes(&[9; 32])).unwrap();
        let keys = [other.verifier_key(), key];
        let printed = [receipt.as_slice(), b"\n"].concat();
        for bytes in [&receipt, &printed] {
            let shown = check(bytes, &proof, &keys).unwrap();
            assert_eq!((shown.index, shown.checkpoint.size()), (1, 3));
            assert_eq!(shown.checkpoint.origin(), "shop.example/log");
        }
        assert!(check(&receipt, &proof, &keys[..1]).unwrap_err().contains("checkpoint"));
        let mut altered = receipt.clone();
        altered[20] ^= 1;
        assert!(check(&altered, &proof, &keys).is_err());
        let third = serde_json::to_vec(&sample::receipt(3)).unwrap();
        assert!(check(&third, &proof, &keys).is_err());
        for at in [0, proof.len() / 2, proof.len() - 3] {
            let mut altered = proof.clone();
            altered[at] ^= 1;
            assert!(check(&receipt, &altered, &keys).is_err(), "byte {at}");
        }
    }

    #[test]
    fn files_of_one_receipt_are_told_from_logs() {
        let dir = tempfile::tempdir().unwrap();
        let (_, receipt, proof) = second(&dir.path().join("log"));
        let (at, proved) = (dir.path().join("r.json"), dir.path().join("r.tlog-proof"));
        fs::write(&at, receipt).unwrap();
        fs::write(&proved, proof).unwrap();
        for (path, says) in [(&at, "is one receipt"), (&proved, "proof of one receipt")] {
            let told = is_none(path).unwrap_err().to_string();
            assert!(told.contains(says) && told.contains("--proof"), "{told}");
        }
        fs::write(&at, "an archive").unwrap();
        is_none(&at).unwrap();
        is_none(dir.path()).unwrap();
        is_none(&dir.path().join("absent")).unwrap();
    }
}
