//! From a decision to a plan of references: each argument is found in the
//! customer's words, in something read, or asked for; none is made up.

use std::collections::BTreeMap;
use std::ops::Range;

use countersign_proto::v1::{Argument, ModelUse, ObservationRef, argument};
use futures_util::future::BoxFuture;
use serde_json::Value as Json;

use crate::context::{ReadStop, Reader, pointers, value};
use crate::model::offline::postal::house_numbers;
use crate::model::{Call, Given, Objection};
use crate::subject;
use crate::tools::{ArgumentSpec, Source, ToolSpec, Toolbox};
use choose::{Candidate, mentioned};
use span::{Found, Said, extract, locate};

pub mod choose;
mod given;
pub mod label;
mod lines;
pub mod span;

/// What the customer wants, until it is planned. It waits while we ask.
#[derive(Debug, Clone)]
pub struct Task {
    /// The tool and what the model said about its arguments.
    pub call: Call,
    /// The model's score.
    pub score: f64,
    /// Why not surer.
    pub doubt: String,
    /// What the model cost.
    pub usage: ModelUse,
    /// Messages to look in, newest first. `call`'s ranges are of the last one.
    pub said: Vec<Said>,
    /// What was chosen when we asked, by argument name.
    pub picks: BTreeMap<String, Vec<Candidate>>,
    /// What "it" may mean, by argument name.
    pub focus: BTreeMap<String, Candidate>,
}

/// Something only the customer can say.
#[derive(Debug, Clone, PartialEq)]
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
    /// What this plan is about, for "it" in the next message.
    pub focus: BTreeMap<String, Candidate>,
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
        focus: BTreeMap::new(),
    };
    match builder.all(tool).await {
        Ok(()) => Ok(Assembled::Ready(Prepared {
            arguments: builder.resolved,
            sureness: builder.sureness,
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
        for name in self.task.call.arguments.keys().filter(|n| !tool.arguments.contains_key(*n)) {
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

    async fn leaf(
        &mut self,
        name: &str,
        spec: &ArgumentSpec,
        given: Option<&Given>,
        depth: usize,
    ) -> Result<Option<Argument>, Break> {
        if let Some([only]) = self.task.picks.get(name).map(Vec::as_slice) {
            self.note(name, only);
            return Ok(Some(only.argument.clone()));
        }
        if let Some(argument) = self.from_model(name, spec, given)? {
            return Ok(Some(argument));
        }
        if spec.accepts(Source::Claim) && self.claims.contains_key(name) {
            return Ok(Some(Argument { source: Some(argument::Source::Claim(name.to_owned())) }));
        }
        if spec.accepts(Source::Utterance)
            && let Some(found) = self.stated(name, spec)?
        {
            self.used.push((found.message_id.clone(), found.range.clone()));
            return Ok(Some(found.argument()));
        }
        let hint = match given {
            Some(Given::Quote(quote)) => Some(quote.as_str()),
            Some(Given::Observed { .. } | Given::Typed(_) | Given::List(_) | Given::Fields(_))
            | None => None,
        };
        if spec.is_required()
            && let Some(found) = self.obtained(name, spec, hint, depth).await?
        {
            return Ok(Some(found));
        }
        if spec.accepts(Source::Model)
            && let Some(typed) = self.worded(spec)
        {
            return Ok(Some(typed));
        }
        if spec.is_required() {
            Err(Break::Ask(question(name, spec, Vec::new(), false)))
        } else {
            Ok(None)
        }
    }

    /// The value in the customer's words: the newest message that has one. Two
    /// different ones are asked about.
    fn stated(&self, name: &str, spec: &ArgumentSpec) -> Result<Option<Found>, Break> {
        for said in &self.task.said {
            let mut found = extract(spec, said);
            found.retain(|f| {
                !self.is_used(f) && (spec.role.is_some() || !is_house_number(said, &f.range))
            });
            let meant: Vec<Found> =
                found.iter().filter(|f| !self.is_shunned(said, &f.range)).cloned().collect();
            let mut distinct: Vec<Found> = Vec::new();
            // What is only said to stay as it is does not name the object.
            let spare = if spec.role.is_some() { found } else { Vec::new() };
            for one in if meant.is_empty() { spare } else { meant } {
                if !distinct.iter().any(|d| d.value == one.value) {
                    distinct.push(one);
                }
            }
            match distinct.as_slice() {
                [] => {}
                [only] => return Ok(Some(only.clone())),
                [first, ..] if !spec.is_required() && spec.role.is_none() => {
                    return Ok(Some(first.clone()));
                }
                several => {
                    return Err(Break::Ask(question(
                        name,
                        spec,
                        several.iter().map(stated_candidate).collect(),
                        false,
                    )));
                }
            }
        }
        Ok(None)
    }

    fn is_used(&self, found: &Found) -> bool {
        let overlaps = |r: &Range<usize>| r.start < found.range.end && found.range.start < r.end;
        self.used.iter().any(|(id, range)| *id == found.message_id && overlaps(range))
    }

    fn is_shunned(&self, said: &Said, range: &Range<usize>) -> bool {
        self.shunned(said).iter().any(|s| s.start <= range.start && range.end <= s.end)
    }

    /// Ranges of a message that do not say what is meant.
    fn shunned(&self, said: &Said) -> Vec<Range<usize>> {
        let first = self.task.said.last().is_some_and(|s| s.message_id == said.message_id);
        let mut ranges = if first { self.task.call.shunned.clone() } else { Vec::new() };
        ranges.extend(house_numbers(&said.text));
        ranges.extend(
            self.used.iter().filter(|(id, _)| *id == said.message_id).map(|(_, r)| r.clone()),
        );
        ranges
    }

    /// Everything but the clauses that speak for the call, where the model named them.
    fn unheard(&self, said: &Said) -> Option<Vec<Range<usize>>> {
        let first = self.task.said.last().is_some_and(|s| s.message_id == said.message_id);
        let heard = Some(&self.task.call.heard).filter(|h| first && !h.is_empty())?;
        let mut off = self.shunned(said);
        let mut from = 0;
        for range in heard {
            off.push(from..range.start);
            from = range.end;
        }
        off.push(from..said.text.len());
        Some(off)
    }

    /// Reads what yields the argument and picks among what was found.
    async fn obtained(
        &mut self,
        name: &str,
        spec: &ArgumentSpec,
        hint: Option<&str>,
        depth: usize,
    ) -> Result<Option<Argument>, Break> {
        let candidates = self.candidates(name, spec, depth).await?;
        if candidates.is_empty() {
            return Ok(None);
        }
        let chosen = self.pick(name, spec, candidates, hint)?;
        self.note(name, &chosen);
        Ok(Some(chosen.argument))
    }

    async fn candidates(
        &mut self,
        name: &str,
        spec: &ArgumentSpec,
        depth: usize,
    ) -> Result<Vec<Candidate>, Break> {
        for way in &spec.obtain {
            let Some(tool) = self.toolbox.get(&way.tool).filter(|t| t.read && depth < MAX_DEPTH)
            else {
                continue;
            };
            let bare = !tool.arguments.values().any(ArgumentSpec::is_required);
            if bare && let Some(known) = self.referred_to(name) {
                self.sureness *= INFERRED;
                return Ok(vec![known]);
            }
            let Some(arguments) = self.inner_arguments(tool, depth).await? else { continue };
            let observation = self.reader.read(&tool.name, arguments).await?;
            let read = value(&observation);
            let found = pointers(&read, &way.at).into_iter().map(|pointer| {
                let text = way
                    .choose_by
                    .as_deref()
                    .and_then(|by| label::beside(&read, &way.at, &pointer, by));
                label::candidate(&observation.observation_id, &read, &pointer, text, &tool.label)
            });
            return Ok(found.collect());
        }
        Ok(Vec::new())
    }

    /// Arguments of a read that obtains something; `None` where the customer
    /// gave nothing to make it with.
    async fn inner_arguments(
        &mut self,
        tool: &ToolSpec,
        depth: usize,
    ) -> Result<Option<BTreeMap<String, Argument>>, Break> {
        let mut arguments = BTreeMap::new();
        for (name, spec) in tool.arguments.iter().filter(|(_, s)| s.is_required()) {
            let known = self.resolved.get(name).cloned();
            let found = match known {
                Some(argument) => Some(argument),
                None => match self.argument(name, spec, None, depth + 1).await {
                    Err(Break::Ask(question)) if question.candidates.is_empty() => None,
                    other => other?,
                },
            };
            match found {
                Some(argument) => arguments.insert(name.clone(), argument),
                None => return Ok(None),
            };
        }
        Ok(Some(arguments))
    }

    /// What "it" means, where the message says "it" and names nothing else.
    fn referred_to(&self, name: &str) -> Option<Candidate> {
        let known = self.task.focus.get(name)?;
        let newest = self.task.said.first()?;
        (label::points_back(&newest.text) && self.numbers(newest).is_empty()).then(|| known.clone())
    }

    /// Order-like numbers of a message that serve as nothing else.
    fn numbers(&self, said: &Said) -> Vec<String> {
        label::numbers(&said.text, &self.shunned(said))
    }

    fn pick(
        &self,
        name: &str,
        spec: &ArgumentSpec,
        candidates: Vec<Candidate>,
        hint: Option<&str>,
    ) -> Result<Candidate, Break> {
        let texts = self.task.said.iter().map(|s| (s.text.as_str(), self.shunned(s)));
        for (text, shunned) in hint.map(|h| (h, Vec::new())).into_iter().chain(texts) {
            let mentions = mentioned(&candidates, text, &shunned);
            if let [only] = mentions.as_slice() {
                return candidates
                    .get(only.candidate)
                    .cloned()
                    .ok_or_else(|| ask_which(name, spec, candidates));
            }
            if !mentions.is_empty() {
                let among: Vec<Candidate> =
                    mentions.iter().filter_map(|m| candidates.get(m.candidate).cloned()).collect();
                return Err(ask_which(name, spec, among));
            }
        }
        // A number that none of them bears means something else: never the nearest guess.
        let stray = self.task.said.iter().any(|s| !self.numbers(s).is_empty())
            && candidates.iter().any(label::bears_number);
        match candidates.as_slice() {
            [only] if !stray => Ok(only.clone()),
            _several => Err(ask_which(name, spec, candidates)),
        }
    }

    fn note(&mut self, name: &str, candidate: &Candidate) {
        self.focus.insert(name.to_owned(), candidate.clone());
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
