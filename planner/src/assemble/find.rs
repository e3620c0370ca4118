//! Where one value comes from: the model's word, a claim, the customer's words, or
//! something read, in this order; else it is asked for.

use std::collections::BTreeMap;
use std::ops::Range;

use countersign_proto::v1::{Argument, argument};

use super::choose::{Candidate, mentioned};
use super::span::{Found, Said, extract};
use super::{
    ArgumentSpec, Break, Builder, INFERRED, MAX_DEPTH, Source, ToolSpec, ask_which,
    is_house_number, label, question, stated_candidate,
};
use crate::context::{pointers, value};
use crate::guards::Guard;
use crate::model::Given;
use crate::model::offline::postal::house_numbers;

impl Builder<'_, '_> {
    pub(super) async fn leaf(
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
        if let Some(argument) = self.as_given(name, spec, given)? {
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
    pub(super) fn stated(
        &mut self,
        name: &str,
        spec: &ArgumentSpec,
    ) -> Result<Option<Found>, Break> {
        let task = self.task;
        for said in &task.said {
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
                    self.fitted = self.fitted.max(distinct.len());
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

    pub(super) fn is_used(&self, found: &Found) -> bool {
        let overlaps = |r: &Range<usize>| r.start < found.range.end && found.range.start < r.end;
        self.used.iter().any(|(id, range)| *id == found.message_id && overlaps(range))
    }

    pub(super) fn is_shunned(&self, said: &Said, range: &Range<usize>) -> bool {
        self.shunned(said).iter().any(|s| s.start <= range.start && range.end <= s.end)
    }

    /// Ranges of a message that do not say what is meant.
    pub(super) fn shunned(&self, said: &Said) -> Vec<Range<usize>> {
        let first = self.task.heard_in == said.message_id;
        let mut ranges = if first { self.task.call.shunned.clone() } else { Vec::new() };
        ranges.extend(house_numbers(&said.text));
        ranges.extend(
            self.used.iter().filter(|(id, _)| *id == said.message_id).map(|(_, r)| r.clone()),
        );
        ranges
    }

    /// Everything but the clauses that speak for the call, where the model named them.
    pub(super) fn unheard(&self, said: &Said) -> Option<Vec<Range<usize>>> {
        let first = self.task.heard_in == said.message_id;
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
    pub(super) async fn obtained(
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

    pub(super) async fn candidates(
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
    pub(super) async fn inner_arguments(
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
    pub(super) fn referred_to(&self, name: &str) -> Option<Candidate> {
        let known = self.task.focus.get(name)?;
        let newest = self.task.said.first()?;
        (label::points_back(&newest.text) && self.numbers(newest).is_empty()).then(|| known.clone())
    }

    /// Order-like numbers of a message that serve as nothing else.
    pub(super) fn numbers(&self, said: &Said) -> Vec<String> {
        label::numbers(&said.text, &self.shunned(said))
    }

    pub(super) fn pick(
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
            [first, ..] if !Guard::AsksWhich.is_on() => Ok(first.clone()),
            _several => Err(ask_which(name, spec, candidates)),
        }
    }

    pub(super) fn note(&mut self, name: &str, candidate: &Candidate) {
        self.focus.insert(name.to_owned(), candidate.clone());
    }
}
