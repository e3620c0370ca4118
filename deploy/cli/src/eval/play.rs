//! One play of one scenario: the shop is reset, the planner started, every step taken, and what
//! came of it written down.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use countersign_shared::ids::ReceiptId;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::face::Door;
use super::house::{House, Planner};
use super::scenario::{Scenario, Step};
use super::server::{Server, Source, Upstream};
use super::shop::Shop;
use crate::demo::people;
use crate::receipts::source::Source as Receipts;

/// A script answers at once, or is meant not to.
const SCRIPT_TIMEOUT: &str = ", timeout: 5s";

/// What the planner reads messages with, where a scenario has no script.
#[derive(Debug, Clone)]
pub enum Model {
    /// The built-in reader.
    Offline,
    /// A server, and where its answers are written down.
    Server {
        /// The server.
        to: Upstream,
        /// Folder of recordings.
        record: Option<PathBuf>,
    },
    /// What was written down in a folder; nobody is asked.
    Replay(PathBuf),
}

/// What came of a play.
#[derive(Debug, Default, Serialize)]
pub struct Played {
    /// Each turn.
    pub turns: Vec<Told>,
    /// Each action of each turn, in order.
    pub actions: Vec<Acted>,
    /// The shop's ledger.
    pub effects: Vec<String>,
    /// What kept it from being played as it is written: a turn that the planner did not finish, a
    /// script or a recording that could not go on.
    pub broken: Vec<String>,
    /// Calls of every model server; none of the built-in reader.
    pub model_calls: usize,
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// From the first word to the last answer, without the shop's own reset.
    pub took_ms: u64,
}

/// A turn.
#[derive(Debug, Serialize)]
pub struct Told {
    /// What was said.
    pub said: String,
    /// What was answered.
    pub reply: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// An action, as the turn told it.
#[derive(Debug, Clone, Serialize)]
pub struct Acted {
    /// Its tool.
    pub tool: String,
    /// Its outcome; none while it waits or where it was refused before it began.
    pub outcome: Option<String>,
    /// Its code.
    pub code: String,
    /// Its arguments, where a scenario asks for them.
    pub arguments: Map<String, Json>,
    #[serde(skip)]
    pub(super) receipt: String,
}

/// Where a play happens.
pub(super) struct Stage<'a> {
    pub(super) house: &'a House,
    pub(super) shop: &'a Shop,
    /// Its number: its tenant's, and its planner's.
    pub(super) play: usize,
    pub(super) door: Door,
}

impl Stage<'_> {
    pub(super) async fn play(&self, scenario: &Scenario, model: &Model) -> anyhow::Result<Played> {
        self.shop.reset().await?;
        for act in &scenario.world {
            self.shop.act(act).await?;
        }
        let server = match source(scenario, model) {
            Some(source) => Some(Server::start(source).await?),
            None => None,
        };
        let strong = match scenario.strong.is_empty() {
            true => None,
            false => Some(Server::start(Source::Script(scenario.strong.clone())).await?),
        };
        let read_by = read_by(scenario, model, server.as_ref(), strong.as_ref());
        let planner = self.house.planner(self.play, &read_by, &scenario.pages).await?;
        let begun = Instant::now();
        let mut played = self.talk(scenario, &planner).await?;
        played.took_ms = ms(begun.elapsed());
        planner.end().await;
        played.effects = self.shop.effects().await?;
        for server in server.iter().chain(&strong) {
            played.model_calls += server.calls();
            played.broken.extend(server.broken());
        }
        if scenario.expect.actions.iter().any(|action| !action.arguments.is_empty()) {
            self.arguments(&mut played).await?;
        }
        Ok(played)
    }

    async fn talk(&self, scenario: &Scenario, planner: &Planner) -> anyhow::Result<Played> {
        let person = people::find(&scenario.person).map_err(anyhow::Error::msg)?;
        let mut face = self.house.face(self.play, planner, &person, self.door)?;
        let mut played = Played::default();
        for step in &scenario.conversation {
            let said = match step {
                Step::Say(said) => said,
                Step::SayUnsigned(said) => {
                    face.look_away();
                    said
                }
                Step::SayAgainSigned(said) => {
                    face.look_back();
                    said
                }
                Step::SayAnew(said) => {
                    face = self.house.face(self.play, planner, &person, self.door)?;
                    said
                }
                Step::Meanwhile(act) => {
                    self.shop.act(act).await?;
                    continue;
                }
            };
            let asked = Instant::now();
            let heard = face.say(said).await?;
            let took_ms = ms(asked.elapsed());
            played.actions.extend(heard.actions);
            played.input_tokens += heard.input_tokens;
            played.output_tokens += heard.output_tokens;
            let reply = heard.reply;
            if let Some(why) = heard.failed {
                let turn = played.turns.len() + 1;
                played.broken.push(format!("turn {turn}: the planner did not finish it: {why}"));
            }
            played.turns.push(Told { said: said.clone(), reply, took_ms });
        }
        Ok(played)
    }

    /// Looks the arguments up in the receipts.
    async fn arguments(&self, played: &mut Played) -> anyhow::Result<()> {
        let (address, tls, id) = self.house.auditor()?;
        let receipts = Receipts::of_executor(&address, &tls, id)?;
        for action in played.actions.iter_mut().filter(|action| !action.receipt.is_empty()) {
            let id: ReceiptId = action.receipt.parse().context("a receipt's id")?;
            let receipt = receipts.get(&id).await?.receipt;
            action.arguments = receipt
                .arguments
                .into_iter()
                .map(|argument| (argument.path, argument.value))
                .collect();
        }
        Ok(())
    }
}

/// The planner's `model`.
fn read_by(
    scenario: &Scenario,
    model: &Model,
    server: Option<&Server>,
    strong: Option<&Server>,
) -> String {
    let Some(server) = server else { return "{ kind: offline }".to_owned() };
    let (name, wait) = match model {
        Model::Server { to, .. } if scenario.model.is_empty() => (to.model.as_str(), ""),
        Model::Offline | Model::Server { .. } | Model::Replay(_) => ("scripted", SCRIPT_TIMEOUT),
    };
    let at =
        |Server { url, .. }: &Server| format!("url: \"{url}\", name: {}{wait}", Json::from(name));
    let first = at(server);
    match strong {
        None => format!("{{ kind: openai, {first} }}"),
        Some(strong) => {
            format!("{{ kind: routed, cheap: {{ {first} }}, strong: {{ {} }} }}", at(strong))
        }
    }
}

/// Where the model's answers come from; none for the built-in reader.
fn source(scenario: &Scenario, model: &Model) -> Option<Source> {
    if !scenario.model.is_empty() {
        return Some(Source::Script(scenario.model.clone()));
    }
    let file = |folder: &PathBuf| folder.join(format!("{}.jsonl", scenario.name));
    match model {
        Model::Offline => None,
        Model::Server { to, record } => {
            Some(Source::Passed { to: to.clone(), into: record.as_ref().map(file) })
        }
        Model::Replay(folder) => Some(Source::Recorded(file(folder))),
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
