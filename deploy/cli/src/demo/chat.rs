//! The conversation: what was said or typed, line by line, and what comes back.

use std::io::{self, BufRead, IsTerminal, Write};
use std::thread;

use tokio::sync::mpsc;

use super::frontend::{Frontend, Spoken};
use super::people::Person;
use super::place::Place;
use super::{show, summary};
use crate::receipts::source::Source;
use crate::receipts::{Filter, table};

/// Receipts that `/receipts` lists.
const LISTED: u32 = 50;

const HELP: &str = "  yes         sign the card shown last and have it carried out
  /receipts   list the receipts so far
  /verify     check the log that they are in
  /ledger     list what really happened in the sandbox shop
  /quit       end the demo
Anything else is said to the shop's assistant.";

/// A chat in the terminal.
pub(super) struct Chat<'a> {
    place: &'a Place,
    frontend: Frontend,
    json: bool,
    turns: u32,
    went_well: bool,
}

/// Where the lines come from.
enum Lines {
    Said(std::vec::IntoIter<String>),
    Typed { lines: mpsc::Receiver<String>, prompt: bool },
}

impl<'a> Chat<'a> {
    pub(super) fn open(place: &'a Place, person: Person, json: bool) -> anyhow::Result<Self> {
        let frontend = Frontend::open(place, person)?;
        Ok(Self { place, frontend, json, turns: 0, went_well: true })
    }

    /// Runs to the last line; says whether the planner finished every turn.
    pub(super) async fn run(&mut self, said: Option<Vec<String>>) -> anyhow::Result<bool> {
        let mut lines = match said {
            Some(said) => Lines::Said(said.into_iter()),
            None => self.typed()?,
        };
        while let Some(line) = lines.next().await? {
            match line.trim() {
                "" => {}
                "/quit" | "/exit" => break,
                command if command.starts_with('/') => self.command(command).await?,
                _ => self.turn(&line, lines.need_echo()).await?,
            }
        }
        Ok(self.went_well)
    }

    fn typed(&self) -> anyhow::Result<Lines> {
        let prompt = io::stdin().is_terminal() && !self.json;
        if prompt {
            let person = self.frontend.person();
            writeln!(
                io::stdout(),
                "You are {}. Try: {}\n/help lists what else can be typed.",
                person.name,
                person.hint
            )?;
        }
        Ok(Lines::Typed { lines: read_stdin(), prompt })
    }

    async fn turn(&mut self, line: &str, echo: bool) -> anyhow::Result<()> {
        self.turns = self.turns.saturating_add(1);
        if echo && !self.json {
            writeln!(io::stdout(), "{}", show::said("you", line))?;
        }
        let aloud = !self.json && io::stderr().is_terminal();
        let progress = |note: &str| {
            if aloud && !note.is_empty() {
                // A courtesy: the turn goes on without it.
                let _unwritten = writeln!(io::stderr(), "            … {note}");
            }
        };
        let spoken = self.frontend.say(line, progress).await?;
        self.went_well &= spoken.turn.is_ok();
        self.show(line, &spoken)
    }

    fn show(&self, line: &str, spoken: &Spoken) -> anyhow::Result<()> {
        let text = match self.json {
            true => show::json(self.turns, line, spoken).to_string(),
            false => show::turn(spoken),
        };
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        out.flush()?;
        Ok(())
    }

    async fn command(&self, command: &str) -> anyhow::Result<()> {
        let text = match command {
            "/help" => HELP.to_owned(),
            "/receipts" => self.receipts().await?,
            "/verify" => summary::verdict(&summary::check(self.place).await?),
            "/ledger" => summary::ledger(&self.place.shop().ledger().await?),
            other => format!("There is no {other}.\n{HELP}"),
        };
        // With --json, standard output holds turns and nothing else.
        match self.json {
            true => writeln!(io::stderr(), "{text}")?,
            false => writeln!(io::stdout(), "{text}")?,
        }
        Ok(())
    }

    async fn receipts(&self) -> anyhow::Result<String> {
        let source = Source::of_demo(self.place).await?;
        let found = source.list(&Filter::default(), LISTED).await?;
        if found.is_empty() {
            return Ok("No receipts yet.".to_owned());
        }
        let more = format!("countersign receipts show ID --state {}", self.place.state.display());
        Ok(format!("{}\nOne of them in full, from another terminal: {more}", table(&found)))
    }
}

impl Lines {
    /// Whether nobody sees the line as it is typed.
    fn need_echo(&self) -> bool {
        match self {
            Self::Said(_) => true,
            Self::Typed { prompt, .. } => !prompt,
        }
    }

    async fn next(&mut self) -> io::Result<Option<String>> {
        match self {
            Self::Said(lines) => Ok(lines.next()),
            Self::Typed { lines, prompt } => {
                if *prompt {
                    let mut out = io::stdout().lock();
                    write!(out, "you> ")?;
                    out.flush()?;
                }
                Ok(lines.recv().await)
            }
        }
    }
}

/// Lines of standard input, read by a thread that nobody has to wait for at the end.
fn read_stdin() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(1);
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}
