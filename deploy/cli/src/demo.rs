//! `countersign demo`: a sandbox shop, an executor and a planner as processes of their own, and a
//! chat with them in the terminal.
//!
//! ```text
//! binaries ─▶ folder ─▶ keys ─▶ users ─▶ start: sandbox, executor, planner ─▶ chat ─▶ summary
//!                                          (child, configs, console, guard)    │
//!                                                     chat::frontend ◀─────────┘
//!                                       (signs the subject, each message and each yes)
//! ```

pub(crate) mod folder;
mod keys;
mod users;

mod child;
mod configs;
mod console;
mod start;

pub(crate) mod place;
mod shop;

pub(crate) mod people;

mod chat;
mod show;
mod summary;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use crate::binaries;
use crate::chat::talk::Talk;
use crate::command::{FAILED, OK};
use chat::Looks;
use folder::Folder;
use people::Person;
use start::Running;

/// As shells report a process ended by Ctrl-C.
const INTERRUPTED: u8 = 130;

const EXAMPLES: &str = "\
Examples:
  countersign demo
  countersign demo --say \"cancel order #1001\" --say yes
  countersign demo --as customer2@example.com --say \"where is my order?\" --json
  countersign demo --fault lost_reply --say \"cancel order #1001\" --say yes --state ./demo-state
  countersign demo --console --state ./demo-state
  countersign demo --model-url http://127.0.0.1:11434/v1 --model some-model

In the chat, yes to a card is signed and carries it out; anything else leaves it. /help lists what
else can be typed. With --json each turn is one JSON object on standard output and nothing else is.";

/// What `demo` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Say this instead of asking at the terminal. Repeatable: one conversation, in order.
    #[arg(long, value_name = "TEXT")]
    say: Vec<String>,
    /// Which of the sandbox shop's customers you are: customer1@, customer2@ or
    /// customer3@example.com.
    #[arg(long = "as", value_name = "EMAIL", default_value = "customer1@example.com", value_parser = people::find)]
    person: Person,
    /// Print one JSON object a turn.
    #[arg(long)]
    json: bool,
    /// An OpenAI-compatible server to use instead of the offline model.
    #[arg(long, value_name = "URL", requires = "model")]
    model_url: Option<String>,
    /// The model's name on that server.
    #[arg(long, value_name = "NAME", requires = "model_url")]
    model: Option<String>,
    /// File with that server's API key.
    #[arg(long, value_name = "FILE", requires = "model_url")]
    model_key_file: Option<PathBuf>,
    /// Folder for keys, store and logs, kept. A second run goes on with it.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Make the sandbox shop misbehave, once: lost_reply, no_effect, half_effect, and more.
    #[arg(long, value_name = "NAME")]
    fault: Option<String>,
    /// Serve the console's pages as well, on localhost, and say how to sign in.
    #[arg(long, requires = "state")]
    console: bool,
    /// Keep the temporary state folder.
    #[arg(long)]
    keep: bool,
}

/// Runs the demo to its end; Ctrl-C is one.
///
/// # Errors
/// When something does not start, with the end of its log and what to do.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    // The demo's own HTTP client speaks plain http on loopback and still wants one. A second
    // installation is refused, and then one is there.
    let _one_is_there = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let ended = runtime.block_on(until_stopped(args));
    // A thread may still be reading the terminal; nobody waits for it.
    runtime.shutdown_background();
    ended.map(ExitCode::from)
}

async fn until_stopped(args: Args) -> anyhow::Result<u8> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut running = Running::default();
    let ended = tokio::select! {
        ended = session(args, &mut running) => ended,
        _ = interrupt.recv() => Ok(INTERRUPTED),
        _ = terminate.recv() => Ok(INTERRUPTED),
        _ = hangup.recv() => Ok(INTERRUPTED),
    };
    running.stop().await;
    ended
}

async fn session(args: Args, running: &mut Running) -> anyhow::Result<u8> {
    let binaries = binaries::find(&["executor", "planner", "sandbox"])?;
    let folder = Folder::open(args.state.as_deref(), args.keep)?;
    let state = folder.path().to_owned();
    // Owned from here on by what runs in it: removed only after that has stopped.
    running.folder = Some(folder);
    let place = start::all(&state, &binaries, &args, running).await?;
    if let Some(fault) = &args.fault {
        place.shop().arm(fault).await?;
        writeln!(io::stderr(), "The sandbox shop will misbehave once: {fault}.")?;
    }
    writeln!(io::stderr(), "{}", show::whereabouts(&place, &args.person))?;
    if args.console {
        writeln!(io::stderr(), "{}", console::told(&state))?;
    }
    let frontend = people::at_the_terminal(&place, &args.person)?;
    let greeting = format!("You are {}. Try: {}", args.person.name, args.person.hint);
    let mut talk = Talk::new(frontend, Looks(&place), args.json);
    let turns_went_well = talk.run(args.say, &greeting).await?;
    let summary = summary::collect(&place, running).await?;
    let kept = running.folder.as_ref().is_some_and(Folder::is_kept);
    let text = summary.text(&place, kept);
    if args.json {
        writeln!(io::stderr(), "{text}")?;
    } else {
        writeln!(io::stdout(), "{text}")?;
    }
    Ok(if turns_went_well && summary.verifies() { OK } else { FAILED })
}
