//! From a decision to a plan of references: each argument is found in the
//! customer's words, in something read, or asked for; none is made up.

use std::collections::BTreeMap;
use std::ops::Range;

use countersign_proto::v1::{Argument, ModelUse, ObservationRef, argument};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::calibrate::Signs;
use crate::context::{ReadStop, Reader, value};
use crate::guards::Guard;
use crate::model::offline::postal::house_numbers;
use crate::model::{Call, Given, Objection};
use crate::tools::{ArgumentSpec, Source, ToolSpec, Toolbox};
use crate::{stored, subject};
use choose::Candidate;
use span::{Found, Said, locate};

pub mod choose;
mod find;
mod given;
pub mod label;
mod lines;
pub mod span;

/// What the customer wants, until it is planned. It waits while we ask.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Task {
    /// The tool and what the model said about its arguments.
    pub call: Call,
    /// The model's score.
    pub score: f64,
    /// How likely its words were to the model; where that is known.
    #[serde(default)]
    pub tokens: Option<f64>,
    /// Why not surer.
    pub doubt: String,
    /// What the model cost.
    #[serde(with = "stored::one")]
    pub usage: ModelUse,
    /// Messages to look in, newest first.
    pub said: Vec<Said>,
    /// The message that `call`'s ranges are of.
    pub heard_in: String,
    /// What was chosen when we asked, by argument name.
    pub picks: BTreeMap<String, Vec<Candidate>>,
    /// What "it" may mean, by argument name.
    pub focus: BTreeMap<String, Candidate>,
}

impl Task {
    /// What was seen of it before anything was looked for: no plan of it is surer.
    #[must_use]
    pub fn signs(&self) -> Signs {
        Signs {
            said: self.score,
            tokens: self.tokens,
            inferred: 1.0,
            fitted: 1,
            mended: self.usage.repairs > 0,
        }
    }
}

/// Something only the customer can say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// The argument.
    pub name: String,
    /// What it is, in the contract's words.
    pub about: String,
    /// What it could be; empty where nothing was found.
    pub candidates: Vec<Candidate>,
    /// Whether several may be chosen.
    pub many: bool,
}

/// Where assembling led.
#[derive(Debug)]
pub enum Assembled {
    /// Every argument has its source.
    Ready(Prepared),
    /// The customer has to say something first.
    Ask(Question),
}

/// Arguments ready for a plan.
#[derive(Debug)]
pub struct Prepared {
    /// Sources by argument name.
    pub arguments: BTreeMap<String, Argument>,
    /// Factor on the score: below 1 where something was inferred.
    pub sureness: f64,
    /// How many things the words fitted where one was taken; 1 where it was plain.
    pub fitted: usize,
    /// What this plan is about, for "it" in the next message.
    pub focus: BTreeMap<String, Candidate>,
}

impl Prepared {
    /// What was seen of the plan that this task came to.
    #[must_use]
    pub fn signs(&self, task: &Task) -> Signs {
        Signs { inferred: self.sureness, fitted: self.fitted, ..task.signs() }
    }
}

/// Why assembling ended without a plan.
#[derive(Debug)]
pub enum Stop {
    /// A read gave nothing.
    Read(ReadStop),
    /// The model's arguments do not hold.
    Objections(Vec<Objection>),
}

impl From<ReadStop> for Stop {
    fn from(stop: ReadStop) -> Self {
        Self::Read(stop)
    }
}

/// Finds a source for every argument of the task's tool.
///
/// # Errors
/// [`Stop`] where a read was refused or the model's arguments do not hold.
pub async fn assemble(
    task: &Task,
    tool: &ToolSpec,
    toolbox: &Toolbox,
    reader: &mut Reader<'_>,
) -> Result<Assembled, Stop> {
    let claims = subject::claims(reader.asker.token);
    let mut builder = Builder {
        task,
        toolbox,
        reader,
        claims,
        used: Vec::new(),
        resolved: BTreeMap::new(),
        sureness: 1.0,
        fitted: 1,
        focus: BTreeMap::new(),
    };
    match builder.all(tool).await {
        Ok(()) => Ok(Assembled::Ready(Prepared {
            arguments: builder.resolved,
            sureness: builder.sureness,
            fitted: builder.fitted,
            focus: builder.focus,
        })),
        Err(Break::Ask(question)) => Ok(Assembled::Ask(question)),
        Err(Break::Stop(stop)) => Err(stop),
    }
}

/// Reads nest at most this deep to obtain one argument.
const MAX_DEPTH: usize = 3;
/// Sureness of what "it" refers to.
const INFERRED: f64 = 0.97;

enum Break {
    Ask(Question),
    Stop(Stop),
}

impl From<ReadStop> for Break {
    fn from(stop: ReadStop) -> Self {
        Self::Stop(stop.into())
    }
}

impl Break {
    fn object(code: &str, at: &str, problem: impl Into<String>) -> Self {
        let objection =
            Objection { code: code.to_owned(), at: at.to_owned(), problem: problem.into() };
        Self::Stop(Stop::Objections(vec![objection]))
    }
}

struct Builder<'b, 'r> {
    task: &'b Task,
    toolbox: &'b Toolbox,
    reader: &'b mut Reader<'r>,
    claims: serde_json::Map<String, Json>,
    /// Words that already serve as a value: a house number is no order number.
    used: Vec<(String, Range<usize>)>,
    resolved: BTreeMap<String, Argument>,
    sureness: f64,
    fitted: usize,
    focus: BTreeMap<String, Candidate>,
}

impl Builder<'_, '_> {
    /// Values that stand in the message first, then what has to be read, then
    /// lists, which build on both.
    async fn all(&mut self, tool: &ToolSpec) -> Result<(), Break> {
        let mut names: Vec<(&String, &ArgumentSpec)> = tool.arguments.iter().collect();
        names.sort_by_key(|(_, spec)| {
            match (spec.items.is_some() || spec.fields.is_some(), spec.obtain.is_empty()) {
                (true, _) => 2,
                (false, false) => 1,
                (false, true) => 0,
            }
        });
        let unknown = self.task.call.arguments.keys().find(|n| !tool.arguments.contains_key(*n));
        if let Some(name) = unknown.filter(|_| Guard::KnownArguments.is_on()) {
            return Err(Break::object(
                "ARGUMENT_UNEXPECTED",
                name,
                "the tool has no such argument",
            ));
        }
        let mut missing = None;
        for (name, spec) in names {
            let given = self.task.call.arguments.get(name);
            match self.argument(name, spec, given, 0).await {
                Ok(Some(argument)) => {
                    self.resolved.insert(name.clone(), argument);
                }
                Ok(None) => {}
                // A wrong or unknown object is worth more to hear of than a missing detail.
                Err(Break::Ask(question)) if question.candidates.is_empty() => {
                    missing = missing.or(Some(question))
                }
                Err(other) => return Err(other),
            }
        }
        missing.map_or(Ok(()), |question| Err(Break::Ask(question)))
    }

    fn argument<'a>(
        &'a mut self,
        name: &'a str,
        spec: &'a ArgumentSpec,
        given: Option<&'a Given>,
        depth: usize,
    ) -> BoxFuture<'a, Result<Option<Argument>, Break>> {
        Box::pin(async move {
            if let Some(items) = &spec.items {
                return self.list(name, spec, items, given, depth).await;
            }
            if let Some(fields) = &spec.fields {
                return self.object(name, spec, fields, given, depth).await;
            }
            self.leaf(name, spec, given, depth).await
        })
    }

    async fn object(
        &mut self,
        name: &str,
        spec: &ArgumentSpec,
        fields: &BTreeMap<String, ArgumentSpec>,
        given: Option<&Given>,
        depth: usize,
    ) -> Result<Option<Argument>, Break> {
        let known = given::fields(name, given)?;
        let mut found = BTreeMap::new();
        for (field, inner) in fields {
            match self.argument(field, inner, known.and_then(|k| k.get(field)), depth).await {
                Ok(Some(argument)) => {
                    found.insert(field.clone(), argument);
                }
                Ok(None) => {}
                Err(Break::Ask(_)) if !spec.is_required() => return Ok(None),
                Err(other) => return Err(other),
            }
        }
        Ok(Some(fields_of(found)))
    }
}

fn ask_which(name: &str, spec: &ArgumentSpec, candidates: Vec<Candidate>) -> Break {
    Break::Ask(question(name, spec, candidates, false))
}

fn question(name: &str, spec: &ArgumentSpec, candidates: Vec<Candidate>, many: bool) -> Question {
    let about = if spec.about.is_empty() { name.replace('_', " ") } else { spec.about.clone() };
    Question { name: name.to_owned(), about, candidates, many }
}

fn is_house_number(said: &Said, range: &Range<usize>) -> bool {
    house_numbers(&said.text).contains(range)
}

fn stated_candidate(found: &Found) -> Candidate {
    Candidate {
        argument: found.argument(),
        label: found.value.clone(),
        text: found.value.clone(),
        element: Json::Null,
    }
}

/// A field of an observation as a source.
fn observed(observation_id: &str, pointer: &str) -> Argument {
    let reference =
        ObservationRef { observation_id: observation_id.to_owned(), pointer: pointer.to_owned() };
    Argument { source: Some(argument::Source::Observation(reference)) }
}

fn typed(value: &Json) -> Argument {
    Argument { source: Some(argument::Source::ModelJson(value.to_string())) }
}

fn fields_of(fields: BTreeMap<String, Argument>) -> Argument {
    let fields = countersign_proto::v1::ArgumentFields { fields: fields.into_iter().collect() };
    Argument { source: Some(argument::Source::Fields(fields)) }
}

fn list_of(items: Vec<Argument>) -> Argument {
    Argument { source: Some(argument::Source::List(countersign_proto::v1::ArgumentList { items })) }
}
