//! A scenario file: what is said, to which world, by which model, and what must come of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::guard::Guards;
use super::reply::Reply;
use crate::demo::people;

/// One scenario.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The file's name, without its ending.
    #[serde(skip)]
    pub name: String,
    /// What it shows, in a sentence.
    pub about: String,
    /// The way of failing that it belongs to.
    pub mode: Mode,
    /// What holds it off.
    pub guard: Guards,
    /// E-mail of the sandbox shop's customer who speaks.
    #[serde(rename = "as", default = "first_customer")]
    pub person: String,
    /// What the shop does, or is told to do, before the first word.
    #[serde(default)]
    pub world: Vec<Act>,
    /// Files of the policy that replace those that ship.
    #[serde(default)]
    pub policy: BTreeMap<String, String>,
    /// Pages of the house by file name: questions are answered from them.
    #[serde(default)]
    pub pages: BTreeMap<String, String>,
    /// What is said and done, in order.
    pub conversation: Vec<Step>,
    /// Answers of a scripted model, in order; the last one is given again. None: the model that
    /// is evaluated.
    #[serde(default)]
    pub model: Vec<Reply>,
    /// Answers of a scripted strong model, likewise. With them the planner reads messages with
    /// several models: what is built in, then `model`, and this one where it is called for.
    #[serde(default)]
    pub strong: Vec<Reply>,
    /// What must come of it.
    pub expect: Expect,
}

fn first_customer() -> String {
    "customer1@example.com".to_owned()
}

/// Ways in which a model that acts fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A tool that there is not, or is not to be called.
    HallucinatedTool,
    /// A value that nobody said.
    HallucinatedArgument,
    /// Another order, line or person than is meant.
    WrongEntity,
    /// It was so, and is not any more.
    StaleState,
    /// Again and again.
    RetryStorm,
    /// Twice.
    Duplicate,
    /// Before it may be done.
    MissingPrecondition,
    /// Surer than it is, or done in words only.
    Overconfidence,
}

impl Mode {
    /// Every one, in the order of reports.
    pub const ALL: [Self; 8] = [
        Self::HallucinatedTool,
        Self::HallucinatedArgument,
        Self::WrongEntity,
        Self::StaleState,
        Self::RetryStorm,
        Self::Duplicate,
        Self::MissingPrecondition,
        Self::Overconfidence,
    ];

    /// Its name in files and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::HallucinatedTool => "hallucinated_tool",
            Self::HallucinatedArgument => "hallucinated_argument",
            Self::WrongEntity => "wrong_entity",
            Self::StaleState => "stale_state",
            Self::RetryStorm => "retry_storm",
            Self::Duplicate => "duplicate",
            Self::MissingPrecondition => "missing_precondition",
            Self::Overconfidence => "overconfidence",
        }
    }
}

/// Something that happens beside the conversation.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// The shop misbehaves once: the body of the sandbox's `POST /sandbox/faults`.
    Fault(Json),
    /// A colleague acts in the shop: the body of `POST /sandbox/staff`.
    Staff(Json),
    /// Its clock goes forward, in seconds.
    AdvanceS(u64),
}

/// One step of a conversation.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The customer says it. A yes right after a card is signed.
    Say(String),
    /// The customer says it, and signs nothing.
    SayUnsigned(String),
    /// The customer says it, and signs a yes to the card that was shown last, answered or not.
    SayAgainSigned(String),
    /// It goes on as a new conversation of the same customer, with these words.
    SayAnew(String),
    /// Something happens meanwhile.
    Meanwhile(Act),
}

/// What must come of a scenario.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Each action that ended, was refused, or waits, in order. No more and no less.
    #[serde(default)]
    pub actions: Vec<Expected>,
    /// Each effect in the shop's own ledger, or its first words: `refund_created #1001 USD 25.00`.
    /// No more and no less; a colleague's do not count.
    #[serde(default)]
    pub effects: Vec<String>,
    /// Patterns that some reply must match.
    #[serde(default)]
    pub told: Vec<String>,
    /// Patterns that no reply may match.
    #[serde(default)]
    pub never_told: Vec<String>,
    /// Calls of the model, at most.
    #[serde(default)]
    pub model_calls: Option<usize>,
}

/// What must come of one action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The tool; empty where none was understood.
    #[serde(default)]
    pub tool: String,
    /// `applied`, `not_applied`, `unknown` or `refused`; absent while it waits or was refused
    /// before it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// The code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Arguments by name, as its receipt has them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<String, Json>,
}

impl Scenario {
    /// Reads a file.
    ///
    /// # Errors
    /// Where in it something is not understood.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
        let scenario = Self::of(&text).with_context(|| format!("{shown} is no scenario"))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, ..scenario })
    }

    /// Reads the text of one, which has no name yet.
    pub(super) fn of(text: &str) -> anyhow::Result<Self> {
        let scenario: Self = serde_saphyr::from_str(text)?;
        scenario.check()?;
        Ok(scenario)
    }

    fn check(&self) -> anyhow::Result<()> {
        people::find(&self.person).map_err(anyhow::Error::msg)?;
        ensure!(!self.conversation.is_empty(), "`conversation` is empty: say something");
        ensure!(
            self.strong.is_empty() || !self.model.is_empty(),
            "`strong` is asked where `model` does not do: give that one answers as well"
        );
        self.guard.switches()?;
        let Expect { actions, effects, told, .. } = &self.expect;
        ensure!(
            !(actions.is_empty() && effects.is_empty() && told.is_empty()),
            "`expect` wants nothing to happen, which silence does too: name an action, an effect, or words that are told"
        );
        for pattern in told.iter().chain(&self.expect.never_told) {
            regex::Regex::new(pattern).context("`expect`: a pattern is none")?;
        }
        Ok(())
    }
}

/// Every scenario in a folder and below, by name.
///
/// # Errors
/// When there is none, or one is not understood.
pub fn read_all(folder: &Path) -> anyhow::Result<Vec<Scenario>> {
    let mut found = Vec::new();
    if folder.is_file() {
        return Ok(vec![Scenario::read(folder)?]);
    }
    gather(folder, &mut found)?;
    found.sort_by(|one, other| one.name.cmp(&other.name));
    ensure!(!found.is_empty(), "{} holds no scenario (*.yaml)", folder.display());
    for pair in found.windows(2) {
        if let [one, other] = pair {
            ensure!(one.name != other.name, "two scenarios are called {}", one.name);
        }
    }
    Ok(found)
}

fn gather(folder: &Path, found: &mut Vec<Scenario>) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder);
    let entries = entries.with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            gather(&path, found)?;
        } else if path.extension().is_some_and(|ending| ending == "yaml") {
            found.push(Scenario::read(&path)?);
        } else {
            let ending = path.extension().is_some_and(|ending| ending == "yml");
            ensure!(!ending, "{} would be left out: let its name end in .yaml", path.display());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const HEAD: &str =
        "about: a\nmode: duplicate\nguard: { none: b }\nconversation: [{ say: c }]\n";

    fn read(name: &str, expect: &str) -> Result<usize, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("one.yaml"), format!("{HEAD}expect: {{ told: [d] }}\n"))
            .unwrap();
        fs::write(folder.path().join(name), format!("{HEAD}expect: {expect}\n")).unwrap();
        let read = read_all(folder.path());
        read.map(|all| all.len()).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn silence_is_no_success() {
        assert_eq!(read("two.yaml", "{ told: [d], never_told: [e] }"), Ok(2));
        let refused = read("two.yaml", "{ never_told: [e], model_calls: 1 }").unwrap_err();
        assert!(refused.contains("which silence does too"), "{refused}");
    }

    #[test]
    fn a_strong_model_stands_behind_another_one() {
        let of = |models: &str| Scenario::of(&format!("{HEAD}expect: {{ told: [d] }}\n{models}"));
        assert!(of("model: [{ status: 429 }]\nstrong: [{ text: e }]\n").is_ok());
        let refused = of("strong: [{ text: e }]\n").unwrap_err().to_string();
        assert!(refused.contains("answers as well"), "{refused}");
    }

    #[test]
    fn no_file_is_left_out_silently() {
        assert_eq!(read("notes.txt", "{}"), Ok(1));
        let refused = read("two.yml", "{ told: [d] }").unwrap_err();
        assert!(refused.contains("end in .yaml"), "{refused}");
    }
}
