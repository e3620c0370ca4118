//! `countersign audit rotate-key`: another key signs the log from now on, and the log says so.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use countersign_core::policy;
use countersign_executor::config::{Config, Log};
use countersign_executor::log::{LogKeys, NEXT, finish, rotate};
use countersign_executor::run::alone;
use countersign_executor::store::Past as _;
use countersign_executor::store::sqlite::{Offline, standing};
use countersign_shared::tlog::key::{LogKey, Signer as _, VerifierKey};
use countersign_shared::tlog::rotation::WHAT;
use jiff::Timestamp;

use crate::command::{FAILED, OK};
use crate::ed25519;
use crate::signatures::{Signatures, judge};

pub(super) const HELP: &str = "\
Stop the executor first. The entry is signed by both keys, for its own place in the log: whoever has
the old key follows it to the new one. Where the active policy names operators, they sign as well.

Examples:
  countersign audit rotate-key --executor executor.yaml --reason 'yearly'
  countersign audit rotate-key --executor executor.yaml --by alice --key alice.key

Afterwards give every planner the new key (`log.keys` in planner.yaml) before the executor starts,
and destroy the old one, which lies beside the new one and ends with `.old`.";

/// What `audit rotate-key` takes.
#[derive(Debug, clap::Args)]
pub struct RotateArgs {
    /// The executor's configuration.
    #[arg(long, value_name = "FILE")]
    executor: PathBuf,
    /// Who you are: your `id` in people.yaml of the active policy.
    #[arg(long, value_name = "PERSON", requires = "key")]
    by: Option<String>,
    /// Your private key: Ed25519, PKCS#8 PEM.
    #[arg(long, value_name = "FILE", requires = "by")]
    key: Option<PathBuf>,
    /// Why; goes into the entry.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

pub(super) fn run(args: &RotateArgs) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.executor)?;
    ensure!(
        config.store.is_none(),
        "the key of a log in PostgreSQL cannot be changed by this version"
    );
    let _alone = alone(&config.state)?;
    let file = config.state.join("executor.db");
    ensure!(file.is_file(), "{} is not there: start the executor once", file.display());
    let mut out = io::stdout().lock();
    let epoch = standing(&file)?.epoch;
    let (old, new) = (LogKeys::open(&config.log)?, next(&config.log)?);
    let (from, to) = (old.of(epoch)?, new.of(epoch)?);
    if Offline::open(&file, config.keys.as_deref(), &new).is_ok() {
        // The entry was written, and a crash came before the files were put in place.
        return done(&mut out, &config.log, &from.verifier_key(), &to);
    }
    let store = Offline::open(&file, config.keys.as_deref(), &old)
        .with_context(|| file.display().to_string())?;
    ensure!(store.standing().quarantine.is_none(), "the store is in quarantine: recover it first");
    let own = args.by.as_deref().zip(args.key.as_deref());
    let judge = judge(&store, &config)?;
    let signatures = Signatures { config: &config, judge, own, reason: &args.reason };
    let (old_text, new_text) = (from.verifier_key().to_string(), to.verifier_key().to_string());
    let by = signatures.collect((WHAT, &old_text, &new_text), None)?;
    let needed = signatures.judge.settings().activation.needed(policy::Part::Policy) as usize;
    if !signatures.enough(&mut out, &by, needed, "")? {
        return Ok(ExitCode::from(FAILED));
    }
    let rotated = rotate(store, (&from, &to), args.reason.clone(), by, Timestamp::now())?;
    writeln!(out, "Entry {} of the log says that its key has changed.", rotated.index)?;
    done(&mut out, &config.log, &from.verifier_key(), &to)
}

/// The key that takes over, made at the first try.
fn next(log: &Log) -> anyhow::Result<LogKeys> {
    let key = log.key.with_added_extension(NEXT);
    if !key.exists() {
        let pem = ed25519::private_pem(&ed25519::generate()?)?;
        write(&key, &pem).with_context(|| format!("cannot write {}", key.display()))?;
    }
    Ok(LogKeys::open(&Log { key, ..log.clone() })?)
}

/// Whole or not at all: a half-written key would be taken for one.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let part = path.with_added_extension("part");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(part, path)
}

fn done(
    out: &mut impl Write,
    log: &Log,
    old: &VerifierKey,
    new: &LogKey,
) -> anyhow::Result<ExitCode> {
    let aside = finish(log, old).context("the new key is not in place yet; run this again")?;
    writeln!(out, "{} is the new key. Give it to planners and auditors:", log.key.display())?;
    writeln!(out, "  {}", new.verifier_key())?;
    writeln!(out, "Destroy {}, then start the executor.", aside.display())?;
    Ok(ExitCode::from(OK))
}
