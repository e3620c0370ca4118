//! `countersign backup`: copies an executor's store while it is in use.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use countersign_executor::config::Config;
use countersign_executor::log::LogKeys;
use countersign_executor::standing::Quarantine;
use countersign_executor::store::sqlite;
use jiff::Timestamp;

use crate::command::OK;

const HELP: &str = "\
The executor may run meanwhile. The copy is one state of the store, checked: every page is in order
and every receipt leads to the signed checkpoint. It is marked: an executor that is started on it
only reads, until `countersign recover` has brought back what was done since.

Example:
  countersign backup --executor executor.yaml /backup/executor-2026-11-25.db
Keep with it: executor.yaml and all it names (policy, packs, keys), and log.key above all. Receipts
are kept by the published log folder (state/log) and by the planners (`state` in planner.yaml):
copy both often, to another place than the backup. With them nothing is missing after a restore.

To restore: stop the executor, put the copy in the place of STATE/executor.db, delete
executor.db-wal and executor.db-shm beside it, and run `countersign recover`.";

/// What `backup` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    /// The executor's configuration.
    #[arg(long, value_name = "FILE")]
    executor: PathBuf,
    /// The copy to write; it must not be there yet.
    file: PathBuf,
}

/// Makes the copy and says what is in it.
///
/// # Errors
/// When the store cannot be read, or the copy cannot be written or is not whole.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.executor)?;
    ensure!(
        config.store.is_none(),
        "the store is a PostgreSQL database: copy it with `pg_dump --format=custom \
         --serializable-deferrable`, or a physical backup. Such a copy bears no mark; the published \
         log and the planners show a restored one that it went back, unless nothing came after it; \
         `countersign recover --restored` brings back what it forgot: see RECOVERY.md"
    );
    let store = config.state.join("executor.db");
    ensure!(store.is_file(), "{} is not there: start the executor once", store.display());
    let epoch = sqlite::standing(&store)?.epoch;
    let log = LogKeys::open(&config.log)?.of(epoch)?;
    let now = Timestamp::now();
    let why = format!("it is a backup of {now}");
    let mark = Quarantine { why, since: now, seen: 0 };
    let copied = sqlite::backup(&store, &args.file, &log, &mark, |done, of| {
        let mebi = |bytes: u64| bytes / (1024 * 1024);
        // Progress is a courtesy: the copy goes on without it.
        let _unwritten = writeln!(io::stderr(), "{} of {} MiB", mebi(done), mebi(of));
    });
    let copied = copied.with_context(|| format!("no backup of {}", store.display()))?;
    let mut out = io::stdout().lock();
    let shown = args.file.display();
    writeln!(out, "{shown}: {} receipts, {} bytes, checked.", copied.receipts, copied.bytes)?;
    writeln!(
        out,
        "A restored copy only reads until `countersign recover` has run: see RECOVERY.md."
    )?;
    writeln!(
        out,
        "It holds no keys of persons: without {} it shows nothing personal. Copies of that one are \
         for days only, apart from this one.",
        config.state.join("keys.db").display()
    )?;
    writeln!(out, "Keep the log folder {} as well.", config.state.join("log").display())?;
    Ok(ExitCode::from(OK))
}
