//! A conversation in the terminal: what was said or typed, line by line, and what comes back.

use std::io::{self, BufRead, IsTerminal, Write};
use std::thread;

use tokio::sync::mpsc;

use super::frontend::{Frontend, Spoken};
use super::show;

/// What can be typed beside words.
pub(crate) trait Commands {
    /// Every command, `/help` apart, one a line.
    const HELP: &'static str;

    /// What the command has to say; `None` where there is no such command.
    async fn run(&self, command: &str) -> anyhow::Result<Option<String>>;
}

/// A chat in the terminal.
pub(crate) struct Talk<C> {
    frontend: Frontend,
    commands: C,
    json: bool,
    turns: u32,
    went_well: bool,
}

/// Where the lines come from.
enum Lines {
    Said(std::vec::IntoIter<String>),
    Typed { lines: mpsc::Receiver<String>, prompt: bool },
}

impl<C: Commands> Talk<C> {
    pub(crate) fn new(frontend: Frontend, commands: C, json: bool) -> Self {
        Self { frontend, commands, json, turns: 0, went_well: true }
    }

    /// Runs to the last line; says whether the planner finished every turn. Without anything to
    /// say, the lines are typed, and `greeting` is shown first.
    pub(crate) async fn run(&mut self, say: Vec<String>, greeting: &str) -> anyhow::Result<bool> {
        let mut lines = match say.is_empty() {
            false => Lines::Said(say.into_iter()),
            true => self.typed(greeting)?,
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

    fn typed(&self, greeting: &str) -> anyhow::Result<Lines> {
        let prompt = io::stdin().is_terminal() && !self.json;
        if prompt {
            writeln!(io::stdout(), "{greeting}\n/help lists what else can be typed.")?;
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
        let known = match command {
            "/help" => Some(C::HELP.to_owned()),
            other => self.commands.run(other).await?,
        };
        let text = known.unwrap_or_else(|| format!("There is no {command}.\n{}", C::HELP));
        // With --json, standard output holds turns and nothing else.
        match self.json {
            true => writeln!(io::stderr(), "{text}")?,
            false => writeln!(io::stdout(), "{text}")?,
        }
        Ok(())
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
