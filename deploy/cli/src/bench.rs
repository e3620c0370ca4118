//! `countersign bench`: actions a second, end to end, and what the rules, the store and the proofs
//! cost.
//!
//! ```text
//! place ─▶ process: forwarder, executors ─▶ (fill) ─▶ measure: rounds of callers ─▶ proof ─▶ report
//!
//!            mTLS gRPC                 HTTP
//! callers ──▶ executors (processes)  ──▶ ┐
//!    └──────▶ forwarder (a process)  ──▶ ┴ till (in this process)
//! ```
//!
//! Loopback only. At the end the till's effects, the log's receipts and the replies must be the
//! same, or there is no report.

mod till;

mod forwarder;
mod place;
mod postgres;
mod process;

mod fill;

mod callers;
mod disk;
mod measure;
mod stage;

mod proof;
mod report;
mod table;

mod planner;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use crate::binaries;
use crate::command::OK;
use disk::Disk;
use measure::Plan;
use place::Place;
use postgres::Database;
use process::Running;
use report::{DiskFigures, Report};
use stage::{Executor, Stage};
use till::Till;

pub use forwarder::{ForwarderArgs, forward};

/// As shells report a process ended by Ctrl-C.
const INTERRUPTED: u8 = 130;
/// Longest time for a receipt to be written beforehand, and for everything but the rounds.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(300));

const HELP: &str = "\
What is compared, in alternating rounds on this machine:
  forwarder      takes the same call over the same mutual TLS and makes the same four calls to the
                 backend (two reads, a write, a read-back) with the same HTTP client settings; no
                 rule, no journal, no receipt
    write alone  the same with nothing but the write: what an agent does that trusts what it is told
  sqlite         the executor, with its gates, two durable commits and a signed receipt. It always
                 reads afresh and reads back: no contract can leave that out
  postgres       the same on PostgreSQL, where --postgres names one
    repeats      of either: refunds that were made already, answered ALREADY_DONE with the first
                 receipt

The backend is in memory, plain HTTP and answers at once, so ratios are the worst case: what is added
stays the same where a backend takes its time. Processors are shared by the executor, the forwarder,
the callers and the backend. At the end every effect, receipt and reply is compared; one difference,
and there is no report.

Examples:
  countersign bench
  countersign bench --json > figures.json
  countersign bench --callers 1,16 --rounds 3
  countersign bench --receipts 1000000 --dir /var/lib/countersign
  countersign bench --postgres \"host=/run/postgresql user=postgres\"

Give --dir a folder on the disk that your store will be on: much of an action's time may be its
syncs. Measure on a quiet machine, with a release build.";

/// What `bench` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP, args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    what: Option<What>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Numbers of callers at once, 1 to 512, with commas between.
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,64,256",
          value_parser = clap::value_parser!(u16).range(1..=512))]
    callers: Vec<u16>,
    /// Rounds of each side at each number of callers.
    #[arg(long, value_name = "N", default_value_t = 5,
          value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// Milliseconds of each round.
    #[arg(long, value_name = "MS", default_value_t = 1000,
          value_parser = clap::value_parser!(u64).range(50..=60_000))]
    round_ms: u64,
    /// Measure beside the empty store one that holds this many receipts already: speed, start and
    /// memory. Takes about 3 GiB of disk and some minutes for each million.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    receipts: Option<u64>,
    /// Measure the executor on PostgreSQL as well, with a database of its own that goes again.
    /// A server on this machine, as libpq is told: "host=/run/postgresql user=postgres". A password
    /// is read from PGPASSWORD.
    #[arg(long, value_name = "SETTINGS", value_parser = Database::at)]
    postgres: Option<Database>,
    /// Folder on the disk to measure. What is made in it goes again.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

/// What else is measured.
#[derive(Debug, clap::Subcommand)]
enum What {
    /// Measure what the planner adds to a turn, and thousands of streaming conversations.
    Planner(planner::Args),
}

/// Measures, proves and prints; Ctrl-C ends it cleanly.
///
/// # Errors
/// When something does not start, or an effect, a receipt and a reply do not agree.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(What::Planner(args)) = &args.what {
        return planner::run(args);
    }
    let folder = tempfile::Builder::new().prefix(".countersign-bench-").tempdir_in(&args.dir);
    let folder = folder.with_context(|| format!("cannot work in {}", args.dir.display()))?;
    let path = folder.path().canonicalize()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(until_stopped(args, &path));
    // Waits for a thread that is still writing in the folder.
    drop(runtime);
    folder.close().context("cannot remove the benchmark's folder")?;
    let Some(report) = ended? else { return Ok(ExitCode::from(INTERRUPTED)) };
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        writeln!(out, "{report}")?;
    }
    Ok(ExitCode::from(OK))
}

/// The report; none where somebody ended it.
async fn until_stopped(args: &Args, dir: &Path) -> anyhow::Result<Option<Report>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut running = Running::default();
    let longest = longest(args);
    let ended = tokio::select! {
        ended = tokio::time::timeout(longest, session(args, dir, &mut running)) => match ended {
            Ok(report) => report.map(Some),
            Err(_) => Err(anyhow::anyhow!("not done after {} s: it hangs", longest.as_secs())),
        },
        _ = interrupt.recv() => Ok(None),
        _ = terminate.recv() => Ok(None),
        _ = hangup.recv() => Ok(None),
    };
    let stopped = running.stop().await;
    let ended = ended?;
    stopped.map(|()| ended)
}

/// Whatever hangs: after this it ends, and takes its processes with it.
fn longest(args: &Args) -> Duration {
    let more = u32::from(args.receipts.is_some()) + u32::from(args.postgres.is_some());
    let kinds = 4 + 2 * more;
    let rounds = args.rounds * kinds * u32::try_from(args.callers.len()).unwrap_or(u32::MAX);
    let measuring = Duration::from_millis(args.round_ms).saturating_mul(rounds);
    let receipts = u32::try_from(args.receipts.unwrap_or_default()).unwrap_or(u32::MAX);
    PATIENCE.1 + measuring.saturating_mul(3) + PATIENCE.0.saturating_mul(receipts)
}

async fn session(args: &Args, dir: &Path, running: &mut Running) -> anyhow::Result<Report> {
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    if build == "debug" {
        writeln!(io::stderr(), "This is a debug build: its figures mean little.")?;
    }
    if let Some(count) = args.receipts {
        fill::room(dir, count)?;
    }
    let till = Till::start().await?;
    let place = Place::lay_out(dir, till.address())?;
    let (disk, binaries) = (Disk::of(dir)?, binaries::find(&["executor"])?);
    let before = disk.latency()?;
    let mut stage = Stage { place: &place, binaries: &binaries, running, disk: &disk };
    let bare = stage.forwarder().await?;
    let executors = executors(args, &mut stage).await?;
    let plan = Plan { rounds: args.rounds, length: Duration::from_millis(args.round_ms) };
    let mut levels = Vec::new();
    for callers in &args.callers {
        levels.push(measure::level(plan, *callers, &bare, &executors, &disk).await?);
    }
    let after = disk.latency()?;
    writeln!(io::stderr(), "Comparing every effect, receipt and reply…")?;
    let mut stores = Vec::new();
    for executor in &executors {
        stores.push(executor.stored(&till, &place).await?);
    }
    Ok(Report {
        at: jiff::Timestamp::now().strftime("%FT%TZ").to_string(),
        build,
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        rounds: args.rounds,
        round_ms: args.round_ms,
        disk: DiskFigures {
            append_and_fdatasync_before: before,
            append_and_fdatasync_after: after,
            flushes_of: disk.device(),
        },
        levels,
        stores,
        forwarded: proof::forwarded(&till, forwarder::NAME, &bare)?,
    })
}

/// Every executor that is asked for, the one on an empty SQLite first.
async fn executors(args: &Args, stage: &mut Stage<'_>) -> anyhow::Result<Vec<Executor>> {
    let empty = stage.sqlite().await?;
    let filled = match args.receipts {
        Some(count) => Some(stage.filled(count, &empty).await?),
        None => None,
    };
    let mut all: Vec<_> = [empty].into_iter().chain(filled).collect();
    match &args.postgres {
        Some(database) => all.push(stage.postgres(database.clone()).await?),
        None => writeln!(
            io::stderr(),
            "PostgreSQL is left out: include it with --postgres \"host=/run/postgresql user=postgres\"."
        )?,
    }
    Ok(all)
}
