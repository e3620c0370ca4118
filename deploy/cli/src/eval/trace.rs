//! `countersign eval from-trace`: a conversation that was held becomes a scenario.
//!
//! ```text
//! turns ────┬─ stand_in ─▶ talk (what is said, heard and told) ──────┐
//! receipts ─┤              claims (what moved, what is never told) ──┼─ page ─▶ YAML
//!           └─ world (the shop as receipts saw it, beside the sandbox) ┘
//! ```

mod claims;
mod page;
mod stand_in;
mod talk;
mod world;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};

use super::scenario::{Act, Expect, Mode, Scenario, Step};
use super::shop::{self, Shop};
use crate::binaries;
use crate::command::OK;
use crate::conversation::{Conversation, ConversationArgs};
use crate::demo::people;
use stand_in::StandIns;
use talk::{Answer, Talk};
use world::World;

const EXAMPLES: &str = "\
Examples:
  countersign eval from-trace --ticket T-4711 --executor executor.example:7443 --tls ./auditor \\
      --executor-id spiffe://shop.example/executor --out refund_twice.yaml
  countersign eval refund_twice.yaml

It takes what `countersign replay` shows, with an auditor's certificate. What the receipts saw of an
order is compared with the sandbox's order of the same id, and a colleague in the sandbox makes up
the difference where one can; what has to be put in by hand stands at the head of the file.

A model's answers are in it where the planner records them (`record_bodies: true`).

E-mail addresses, telephone numbers, and the names and postal addresses that receipts know are
replaced by stand-ins. A name that stands nowhere but in a sentence is not known for one: read the
file before you pass it on.";

/// What `from-trace` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    which: ConversationArgs,
    /// File to write. Without it, the scenario is printed.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Leave names, addresses and telephone numbers as they were.
    #[arg(long)]
    keep_personal: bool,
}

/// A scenario before it is written.
struct Draft {
    about: String,
    mode: Mode,
    person: &'static str,
    world: Vec<Act>,
    conversation: Vec<Step>,
    model: Vec<Answer>,
    expect: Expect,
    /// What nobody but the reader can put in.
    by_hand: Vec<String>,
}

/// Makes the scenario.
///
/// # Errors
/// When the executor cannot be asked, or no planner told of the conversation.
pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let held = args.which.collect().await?;
    ensure!(
        !held.turns.is_empty(),
        "no planner told of its turns: only what was said can be said again"
    );
    // The sandbox is asked over HTTP; a second installation is refused, and then one is there.
    let _one_is_there = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let program = binaries::find(&["sandbox"])?.path("sandbox");
    let (_process, url) = shop::start(&program, folder.path(), 0).await?;
    let text = page::written(&draft(&held, &Shop::at(&url)?, args.keep_personal).await?);
    Scenario::of(&text).context("what was made cannot be played: make it from another turn")?;
    match &args.out {
        Some(file) => std::fs::write(file, text)
            .with_context(|| format!("cannot write {}", file.display()))?,
        None => io::stdout().lock().write_all(text.as_bytes())?,
    }
    Ok(ExitCode::from(OK))
}

async fn draft(held: &Conversation, shop: &Shop, keep: bool) -> anyhow::Result<Draft> {
    let stand_ins = if keep { StandIns::default() } else { StandIns::of(held) };
    let mut world = World::of(held, shop).await?;
    let mut by_hand = std::mem::take(&mut world.by_hand);
    let person = person(held).unwrap_or_else(|| {
        by_hand.push("the customer is none of the sandbox's: say who speaks in `as`".to_owned());
        "customer1@example.com"
    });
    let world = World {
        before: stand_ins.over(&world.before)?,
        meanwhile: stand_ins.over(&world.meanwhile)?,
        by_hand: Vec::new(),
    };
    let held = stand_ins.conversation(held)?;
    let talk = Talk::of(&held, world.meanwhile);
    by_hand.extend(talk.by_hand);
    let (expect, unknown) = claims::of(&held, talk.actions, &talk.model);
    by_hand.extend(unknown);
    let by_hand = by_hand.iter().map(|note| stand_ins.text(note)).collect();
    let day = held.turns.first().map(|told| told.at.strftime("%F").to_string());
    Ok(Draft {
        about: format!("A conversation of {}, as it went.", day.unwrap_or_default()),
        mode: claims::mode(&expect.actions),
        person,
        world: world.before,
        conversation: talk.steps,
        model: talk.model,
        expect,
        by_hand,
    })
}

/// The sandbox's customer who spoke, by what tokens or orders call them.
fn person(held: &Conversation) -> Option<&'static str> {
    let told = held.turns.iter().map(|told| told.subject.as_str());
    let asked = held.receipts.iter().map(|receipt| receipt.asked.subject.as_str());
    let owners = held.receipts.iter().filter_map(world::owner);
    told.chain(asked).chain(owners).find_map(people::known_as).map(|person| person.email)
}
