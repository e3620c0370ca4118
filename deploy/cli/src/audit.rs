//! `countersign audit`: is this log folder the log, whole and unchanged? Answered offline, with
//! nothing but the log's public key. And what else an auditor asks: whether the SIEM has it all,
//! which credentials there are, who may do what.

mod access;
pub(crate) mod chain;
mod credentials;
mod find;
mod key;
mod reconcile;
mod report;

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use countersign_shared::receipt::{Receipt, VERSION};
use countersign_shared::tlog::failure::{Failure, FailureCode};
use countersign_shared::tlog::key::VerifierKey;
use countersign_shared::tlog::verify::{Options, Verified, verify_folder};

use crate::command::{FAILED, OK};

pub use key::read_key;

/// Publications that may come in the way of one check of a log in use.
const TRIES: u32 = 5;

/// Check a log and what stands around it, and find out what happened.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check that a log folder holds exactly the log that its signed checkpoint states, and that
    /// each entry is a receipt. Names the first bad entry and exits with 1 where it does not.
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(VerifyArgs),
    /// Check that a SIEM still has every event, as it was sent. Names the entries that it lacks,
    /// changed or has twice, and exits with 1 where there are any.
    #[command(after_help = reconcile::EXAMPLES)]
    ReconcileSiem(reconcile::Args),
    /// List every credential by name: for what, how old, who may use it. Never shows one.
    #[command(after_help = credentials::EXAMPLES)]
    Credentials(credentials::Args),
    /// Say who may do what, from the policy that is active and the contracts.
    #[command(after_help = access::EXAMPLES)]
    Access(access::Args),
    /// Find turns and receipts by what a complaint says: an address and a day, an order, a ticket.
    #[command(after_help = find::EXAMPLES)]
    Find(Box<find::Args>),
    /// Show one receipt's whole chain, from the words to the proof, and its cause.
    #[command(after_help = chain::EXAMPLES)]
    Chain(chain::Args),
}

const VERIFY_EXAMPLES: &str = "\
Examples:
  countersign audit verify ./log --key log.pub
  countersign audit verify ./log --key 'shop.example/countersign+1f0c2a9b+AX…' --json
  countersign audit verify ./log --key log.pub --checkpoint last-week.checkpoint

Get the key from the log's owner, not from the place that the folder came from. Keep the checkpoint
of each check: given to the next one, it shows that nothing was taken away or rewritten since.";

/// What `audit verify` takes.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// The log folder: the one with `checkpoint` and `tile` in it.
    dir: PathBuf,
    /// The log's public key, written `name+hash+base64`, or a file that holds it.
    #[arg(long, value_name = "KEY|FILE")]
    key: String,
    /// A checkpoint of this log from before: the log must extend it.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// The executor is writing to this folder now: accept what is ahead of its checkpoint.
    #[arg(long)]
    live: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Does what the command says.
///
/// # Errors
/// When key or checkpoint cannot be read, or an executor cannot be asked. A log that does not verify
/// is no error: it is reported, and the exit code says so.
pub fn run(command: &Command) -> anyhow::Result<ExitCode> {
    let calling = || tokio::runtime::Builder::new_current_thread().enable_all().build();
    match command {
        Command::Verify(args) => verify(args),
        Command::ReconcileSiem(args) => reconcile::run(args),
        Command::Credentials(args) => credentials::run(args),
        Command::Access(args) => access::run(args),
        Command::Find(args) => calling()?.block_on(find::run(args)),
        Command::Chain(args) => calling()?.block_on(chain::run(args)),
    }
}

fn verify(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let key = read_key(&args.key)?;
    let earlier = args.checkpoint.as_deref().map(read_checkpoint).transpose()?;
    let found = check(&args.dir, &key, earlier.as_deref(), args.live);
    report::print(&mut io::stdout().lock(), &found, args)?;
    Ok(ExitCode::from(if found.is_ok() { OK } else { FAILED }))
}

/// Checks the log folder `dir` and that every entry is a receipt. `live`: the log is being written.
///
/// # Errors
/// The first thing found wrong.
pub fn check(
    dir: &Path,
    key: &VerifierKey,
    earlier: Option<&[u8]>,
    live: bool,
) -> Result<Verified, Failure> {
    let mut last = check_once(dir, key, earlier, live);
    for _ in 1..TRIES {
        match &last {
            Err(failure) if live && failure.code == FailureCode::LogMoved => {
                last = check_once(dir, key, earlier, live);
            }
            Ok(_) | Err(_) => break,
        }
    }
    last
}

fn check_once(
    dir: &Path,
    key: &VerifierKey,
    earlier: Option<&[u8]>,
    live: bool,
) -> Result<Verified, Failure> {
    let mut entry = |_: u64, bytes: &[u8]| parse(bytes).map(drop);
    let mut progress = Progress::default();
    let mut tell = |done: u64, of: u64| progress.tell(done, of);
    verify_folder(
        dir,
        key,
        Options { earlier, publishing: live, entry: Some(&mut entry), progress: Some(&mut tell) },
    )
}

/// An entry's bytes as a receipt.
///
/// # Errors
/// Why they are none, for a person.
pub fn parse(entry: &[u8]) -> Result<Receipt, String> {
    let receipt: Receipt =
        serde_json::from_slice(entry).map_err(|error| format!("not a receipt: {error}"))?;
    if receipt.v == VERSION {
        return Ok(receipt);
    }
    let (v, known) = (receipt.v, VERSION);
    Err(format!("a receipt of layout {v}, and this program knows layout {known}: take a newer one"))
}

fn read_checkpoint(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read the checkpoint {}", path.display()))
}

/// Says on standard error how far a long check is, in tenths.
#[derive(Default)]
struct Progress {
    tenths: u64,
}

impl Progress {
    /// Below this many entries a check takes no time worth telling.
    const LARGE: u64 = 50_000;

    fn tell(&mut self, done: u64, of: u64) {
        let tenths = done.saturating_mul(10) / of.max(1);
        if of < Self::LARGE || tenths <= self.tenths || !io::stderr().is_terminal() {
            return;
        }
        self.tenths = tenths;
        // Progress is a courtesy: the check goes on without it.
        let _unwritten = writeln!(io::stderr(), "checked {done} of {of} entries");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use countersign_shared::tlog::key::{LogKey, Signer};
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::receipts::sample;

    #[test]
    fn a_log_of_receipts_verifies_and_a_changed_or_foreign_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let log = sample::log(folder.path(), &[sample::receipt(1), sample::receipt(2)]);
        let verified = check(folder.path(), &log, None, false).unwrap();
        assert_eq!(verified.leaves, 2);

        let other = LogKey::new("shop.example/log", SigningKey::from_bytes(&[9; 32])).unwrap();
        let refused = check(folder.path(), &other.verifier_key(), None, false).unwrap_err();
        assert_eq!(refused.code, FailureCode::CheckpointSignature);

        let bundle = folder.path().join("tile/entries/000.p/2");
        let mut bytes = fs::read(&bundle).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&bundle, bytes).unwrap();
        let refused = check(folder.path(), &log, None, false).unwrap_err();
        assert_eq!(refused.code, FailureCode::EntryMismatch);
        assert_eq!(refused.index, Some(1));
    }

    #[test]
    fn an_entry_that_is_no_receipt_is_refused_by_its_index() {
        let folder = tempfile::tempdir().unwrap();
        let good = serde_json::to_vec(&sample::receipt(1)).unwrap();
        let log = sample::log_of(folder.path(), &[&good, b"{}"]);
        let refused = check(folder.path(), &log, None, false).unwrap_err();
        assert_eq!((refused.code, refused.index), (FailureCode::EntryRefused, Some(1)));
        let newer = sample::receipt(1);
        let newer = serde_json::to_vec(&Receipt { v: 2, ..newer }).unwrap();
        assert!(parse(&newer).unwrap_err().contains("layout 2"));
    }
}
