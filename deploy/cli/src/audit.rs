//! `countersign audit`: is this log folder the log, whole and unchanged, and does each verdict
//! in it follow from its facts? Answered offline. And what else an auditor asks: whether the SIEM
//! has it all, which credentials there are, who may do what.
//!
//! ```text
//! published folder ──export──▶ extract, folder or archive ──verify──▶ verified, or the first bad entry
//! receipt, its proof ──verify──▶ in the log, or not
//! two checkpoints ──consistency──▶ one history, or two
//! receipts, bundles ──replay, backtest──▶ the same verdicts, or the first that differs
//! ```

mod access;
mod backtest;
mod bundles;
pub(crate) mod chain;
mod consistency;
mod credentials;
mod export;
mod find;
mod key;
mod kit;
mod many;
mod receipt;
mod reconcile;
mod replay;
mod report;
mod rotate;
mod shelf;
mod tar;

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Subcommand;
use countersign_shared::receipt::{Receipt, VERSION, head};
use countersign_shared::tlog::failure::{Failure, FailureCode};
use countersign_shared::tlog::key::VerifierKey;
use countersign_shared::tlog::verify::{Options, Verified, verify_folder};

use crate::command::{FAILED, OK};

pub use consistency::ConsistencyArgs;
pub use export::ExportArgs;
pub use key::read_key;
use key::read_keys;
pub use kit::Shown;

use kit::Kit;
pub use rotate::RotateArgs;

/// Publications that may come in the way of one check of a log in use.
const TRIES: u32 = 5;

/// Check a log and what stands around it, and find out what happened.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check that a log folder holds exactly the log that its signed checkpoint states, and that
    /// each entry is a receipt. Names the first bad entry and exits with 1 where it does not. With
    /// `--proof`, check that one receipt is in the log.
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(VerifyArgs),
    /// Write the log, or some of its entries, into a folder or archive that can be checked with
    /// nothing else but the log's key.
    #[command(after_help = export::HELP)]
    Export(ExportArgs),
    /// Check that of two signed checkpoints the larger one extends the smaller one.
    #[command(after_help = consistency::HELP)]
    Consistency(ConsistencyArgs),
    /// Let another key sign the log from now on. The log says so in an entry that both keys sign.
    #[command(after_help = rotate::HELP)]
    RotateKey(RotateArgs),
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
    /// Decide receipts again from what they keep, by the policies and packs that they name: does each
    /// verdict follow? Names the first difference of each that does not and exits with 1.
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(replay::Args),
    /// Say which past actions a candidate policy or contract would decide differently, with the money
    /// on each side.
    #[command(after_help = BACKTEST_EXAMPLES)]
    Backtest(backtest::Args),
    /// Fetch every policy and pack that was ever active, for deciding receipts again offline.
    #[command(after_help = BUNDLES_EXAMPLES)]
    Bundles(bundles::Args),
    /// Find turns and receipts by what a complaint says: an address and a day, an order, a ticket.
    #[command(after_help = find::EXAMPLES)]
    Find(Box<find::Args>),
    /// Show one receipt's whole chain, from the words to the proof, and its cause.
    #[command(after_help = chain::EXAMPLES)]
    Chain(chain::Args),
}

const REPLAY_EXAMPLES: &str = "\
Examples:
  countersign audit replay rcp_… --state ./demo-state
  countersign audit replay --all --receipts ./receipts.jsonl --bundles ./bundles
  countersign audit replay --all --executor executor.example:7443 --tls ./auditor \\
      --executor-id spiffe://shop.example/executor

The same functions run again that decided it: resolving, every gate, limits, grants with their
signatures, the request's bytes, what was read back. What a backend or a person did is a fact. The
rules are those of this build: replay receipts of an earlier version with its own `countersign`, or
what has changed since is named as a difference. Check the receipts against the log as well
(`audit verify`): a receipt that was replaced whole, with facts to match, is found there.";

const BACKTEST_EXAMPLES: &str = "\
Examples:
  countersign audit backtest --policy ./policy-next --since 2026-11-01 --state ./demo-state
  countersign audit backtest --policy ./policy-next --packs ./packs/shopify \\
      --receipts ./receipts.jsonl --bundles ./bundles --json

What people and backends did is taken as it was. A limit that asks for a sum over another time or
account than was recorded is said so, and not guessed.";

const BUNDLES_EXAMPLES: &str = "\
Examples:
  countersign audit bundles ./bundles --executor executor.example:7443 --tls ./auditor \\
      --executor-id spiffe://shop.example/executor";

const VERIFY_EXAMPLES: &str = "\
Examples:
  countersign audit verify ./log --key log.pub
  countersign audit verify ./log --key 'shop.example/countersign+1f0c2a9b+AX…' --json
  countersign audit verify ./log --key log.pub --checkpoint last-week.checkpoint
  countersign audit verify ./log --key log.pub --cosigner planner.pub
  countersign audit verify complaint.tar --key log.pub
  countersign audit verify rcp.json --proof rcp.tlog-proof --key log.pub

Any key that the log ever had will do: its own entries lead to the one in force. Get the key from
the log's owner, not from the place that the folder came from. Keep the checkpoint of each check:
given to the next one, it shows that nothing was taken away or rewritten since.

With --proof it is one receipt, as `countersign receipts show ID --json` prints it, and the proof of
it, as `receipts show ID --proof` and the console's page of an action hand it out. A log whose key
was changed signed older proofs with an older key: give each of its keys with a --key of its own.";

/// What `audit verify` takes.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// The log folder: the one with `checkpoint` and `tile` in it. Or an export, folder or archive.
    /// With `--proof`, a receipt.
    dir: PathBuf,
    /// The log's public key, written `name+hash+base64`, or a file that holds it.
    #[arg(long, value_name = "KEY|FILE", required = true)]
    key: Vec<String>,
    /// The receipt's proof: check that the log has that receipt.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["checkpoint", "cosigner", "whole", "live"])]
    proof: Option<PathBuf>,
    /// A checkpoint of this log from before: the log must extend it.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Public key of somebody who countersigns the log, such as a planner, or a file that holds
    /// some. One of those given must have signed the newest countersigned checkpoint.
    #[arg(long, value_name = "KEY|FILE")]
    cosigner: Vec<String>,
    /// Refuse an extract: every entry of the log must be there.
    #[arg(long)]
    whole: bool,
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
/// When something cannot be read. What does not verify or follow is no error: it is reported, and
/// the exit code says so.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let out = &mut io::stdout();
    let good = match command {
        Command::Verify(args) => return verify(&args),
        Command::Export(args) => return export::run(&args),
        Command::Consistency(args) => return consistency::run(&args),
        Command::RotateKey(args) => return rotate::run(&args),
        Command::ReconcileSiem(args) => return reconcile::run(&args),
        Command::Credentials(args) => return credentials::run(&args),
        Command::Access(args) => return access::run(&args),
        Command::Replay(args) => runtime.block_on(replay::run(args, out))?,
        Command::Backtest(args) => runtime.block_on(backtest::run(args, out))?,
        Command::Find(args) => return runtime.block_on(find::run(&args)),
        Command::Chain(args) => return runtime.block_on(chain::run(&args)),
        Command::Bundles(args) => runtime.block_on(bundles::run(args, out))?,
    };
    Ok(ExitCode::from(if good { OK } else { FAILED }))
}

fn verify(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    if let Some(proof) = &args.proof {
        return receipt::verify(args, proof);
    }
    receipt::is_none(&args.dir)?;
    let [key] = args.key.as_slice() else {
        bail!("give one --key: the log's own entries lead from any of its keys to the others");
    };
    let key = read_key(key)?;
    let earlier = args.checkpoint.as_deref().map(read_checkpoint).transpose()?;
    let cosigners = read_keys(&args.cosigner)?;
    let earlier = earlier.as_deref();
    let also = Also { earlier, cosigners: &cosigners, live: args.live, whole: args.whole };
    let found = check(&args.dir, &key, also);
    report::print(&mut io::stdout().lock(), &found, args)?;
    Ok(ExitCode::from(if found.is_ok() { OK } else { FAILED }))
}

/// What else is asked of a log.
#[derive(Debug, Clone, Copy, Default)]
pub struct Also<'a> {
    /// A checkpoint that it must extend.
    pub earlier: Option<&'a [u8]>,
    /// Of whom one must have countersigned it.
    pub cosigners: &'a [VerifierKey],
    /// The log is being written.
    pub live: bool,
    /// An extract will not do.
    pub whole: bool,
}

/// What holds of a log.
#[derive(Debug)]
pub struct Checked {
    /// The log itself.
    pub log: Verified,
    /// The entries that must be there, where it is an extract.
    pub only: Option<Range<u64>>,
    /// How many entries the executor disclosed, where it was asked.
    pub shown: Option<Shown>,
}

/// Checks a log folder, or an export of one, and that every entry in it is a receipt.
///
/// # Errors
/// The first thing found wrong.
pub fn check(path: &Path, key: &VerifierKey, also: Also<'_>) -> Result<Checked, Failure> {
    let kit = Kit::open(path)?;
    if also.whole && kit.only().is_some() {
        return Err(
            FailureCode::ExportMalformed.because("an extract, and the whole log is asked for")
        );
    }
    let mut last = check_once(&kit, key, also);
    for _ in 1..TRIES {
        match &last {
            Err(failure) if also.live && failure.code == FailureCode::LogMoved => {
                last = check_once(&kit, key, also);
            }
            Ok(_) | Err(_) => break,
        }
    }
    last.map(|(log, shown)| Checked { log, only: kit.only(), shown: kit.shows().then_some(shown) })
}

fn check_once(kit: &Kit, key: &VerifierKey, also: Also<'_>) -> Result<(Verified, Shown), Failure> {
    let (mut disclosures, mut refused) = (kit.disclosures()?, None);
    let mut entry = |index: u64, bytes: &[u8]| {
        if let Err(failure) = disclosures.compare(index, bytes) {
            refused = Some(failure);
            return Err(String::new());
        }
        known(bytes)
    };
    let mut progress = Progress::default();
    let mut tell = |done: u64, of: u64| progress.tell(done, of);
    let options = Options {
        earlier: also.earlier,
        publishing: also.live,
        cosigners: also.cosigners,
        only: kit.only(),
        beside: kit.beside(),
        entry: Some(&mut entry),
        progress: Some(&mut tell),
    };
    let verified = verify_folder(kit.dir(), key, options);
    match (refused, verified) {
        (Some(refused), _) => Err(refused),
        (None, verified) => {
            let verified = verified?;
            Ok((verified, disclosures.end()?))
        }
    }
}

/// An entry's bytes as a receipt.
///
/// # Errors
/// Why they are none, for a person.
pub fn parse(entry: &[u8]) -> Result<Receipt, String> {
    known(entry)?;
    serde_json::from_slice(entry).map_err(|error| format!("not a receipt: {error}"))
}

/// Whether an entry is a receipt of a layout that this program knows.
fn known(entry: &[u8]) -> Result<(), String> {
    let head = head(entry).map_err(|error| format!("not a receipt: {error}"))?;
    if head.v == VERSION {
        return Ok(());
    }
    let (v, known) = (head.v, VERSION);
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
        let verified = check(folder.path(), &log, Also::default()).unwrap();
        assert_eq!((verified.log.leaves, verified.log.entries), (2, 2));

        let other = LogKey::new("shop.example/log", SigningKey::from_bytes(&[9; 32])).unwrap();
        let refused = check(folder.path(), &other.verifier_key(), Also::default()).unwrap_err();
        assert_eq!(refused.code, FailureCode::CheckpointSignature);

        let bundle = folder.path().join("tile/entries/000.p/2");
        let mut bytes = fs::read(&bundle).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&bundle, bytes).unwrap();
        let refused = check(folder.path(), &log, Also::default()).unwrap_err();
        assert_eq!(refused.code, FailureCode::EntryMismatch);
        assert_eq!(refused.index, Some(1));
    }

    #[test]
    fn an_entry_that_is_no_receipt_is_refused_by_its_index() {
        let folder = tempfile::tempdir().unwrap();
        let good = serde_json::to_vec(&sample::receipt(1)).unwrap();
        let log = sample::log_of(folder.path(), &[&good, b"{}"]);
        let refused = check(folder.path(), &log, Also::default()).unwrap_err();
        assert_eq!((refused.code, refused.index), (FailureCode::EntryRefused, Some(1)));
        let newer = sample::receipt(1);
        let newer = serde_json::to_vec(&Receipt { v: 3, ..newer }).unwrap();
        assert!(parse(&newer).unwrap_err().contains("layout 3"));
    }
}
