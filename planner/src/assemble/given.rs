//! What the model said about an argument, held against the contract.

use std::collections::BTreeMap;

use countersign_proto::v1::Argument;
use serde_json::Value as Json;

use super::{ArgumentSpec, Break, Builder, Given, Source, locate, observed, typed, value};
use crate::guards::Guard;
use crate::model::offline::phrase::LEXICON;
use crate::model::offline::text::{stem, words};

impl Builder<'_, '_> {
    /// The source for what the model gave, `None` where it gave nothing usable
    /// here. What breaks a rule is objected to.
    pub(super) fn as_given(
        &mut self,
        name: &str,
        spec: &ArgumentSpec,
        given: Option<&Given>,
    ) -> Result<Option<Argument>, Break> {
        match given {
            None => Ok(None),
            Some(Given::Quote(quote)) => self.quoted(name, spec, quote),
            Some(Given::Observed { observation_id, pointer }) => {
                self.pointed(name, spec, observation_id, pointer).map(Some)
            }
            Some(Given::Typed(json)) => checked(name, spec, json).map(Some),
            Some(Given::List(_) | Given::Fields(_)) => {
                Err(Break::object("ARGUMENT_INVALID", name, "a single value is wanted here"))
            }
        }
    }

    fn quoted(
        &mut self,
        name: &str,
        spec: &ArgumentSpec,
        quote: &str,
    ) -> Result<Option<Argument>, Break> {
        let found = match locate(quote, &self.task.said) {
            Some(found) => found,
            None if !Guard::Quotes.is_on() => return Ok(Some(typed(&quote.into()))),
            None => {
                let problem = "the user's messages do not contain this quote";
                return Err(Break::object("SPAN_INVALID", name, problem));
            }
        };
        let fits = super::span::fits(spec, &found.value);
        let usable = spec.accepts(Source::Utterance) && fits;
        if !usable && !spec.obtain.is_empty() {
            // Good for choosing among what is read, not for a value.
            return Ok(None);
        }
        if !spec.accepts(Source::Utterance) {
            let problem = "the user's words are not accepted here";
            return Err(Break::object("REFERENCE_REQUIRED", name, problem));
        }
        if !fits {
            let problem = format!("{:?} does not fit {}", found.value, spec.schema);
            return Err(Break::object("ARGUMENT_INVALID", name, problem));
        }
        self.used.push((found.message_id.clone(), found.range.clone()));
        Ok(Some(found.argument()))
    }

    fn pointed(
        &self,
        name: &str,
        spec: &ArgumentSpec,
        id: &str,
        pointer: &str,
    ) -> Result<Argument, Break> {
        let accepted = spec.accepts(Source::Observation) || spec.accepts(Source::Text);
        if !accepted && Guard::SourceKind.is_on() {
            return Err(Break::object(
                "REFERENCE_REQUIRED",
                name,
                "an observation is not accepted here",
            ));
        }
        let known = self.reader.observations.iter().find(|o| o.observation_id == id);
        let there = known.and_then(|o| value(o).pointer(pointer).cloned());
        match there.filter(|v| !v.is_null()) {
            Some(_) => Ok(observed(id, pointer)),
            None if !Guard::KnownReads.is_on() => Ok(observed(id, pointer)),
            None => Err(Break::object(
                "REFERENCE_UNKNOWN",
                name,
                format!("nothing was read at {id}#{pointer}"),
            )),
        }
    }

    /// The value of an enumeration whose words the customer used.
    pub(super) fn worded(&self, spec: &ArgumentSpec) -> Option<Argument> {
        for said in &self.task.said {
            let stems: Vec<String> =
                words(&said.text, LEXICON.known()).into_iter().map(|w| w.stem).collect();
            let says = |phrase: &String| {
                let wanted: Vec<String> =
                    words(phrase, LEXICON.known()).into_iter().map(|w| stem(&w.stem)).collect();
                !wanted.is_empty() && stems.windows(wanted.len()).any(|w| w == wanted.as_slice())
            };
            if let Some((value, _)) =
                spec.words.iter().find(|(_, phrases)| phrases.iter().any(says))
            {
                return Some(typed(&Json::String(value.clone())));
            }
        }
        None
    }
}

fn checked(name: &str, spec: &ArgumentSpec, json: &Json) -> Result<Argument, Break> {
    let accepted = spec.accepts(Source::Model) && spec.role.is_none();
    if !accepted && Guard::SourceKind.is_on() {
        return Err(Break::object(
            "REFERENCE_REQUIRED",
            name,
            "a typed value is not accepted here: quote or point",
        ));
    }
    if !spec.fits(json) && Guard::Fits.is_on() {
        return Err(Break::object(
            "ARGUMENT_INVALID",
            name,
            format!("{json} does not fit {}", spec.schema),
        ));
    }
    Ok(typed(json))
}

/// The fields that the model gave of an object.
pub(super) fn fields<'g>(
    name: &str,
    given: Option<&'g Given>,
) -> Result<Option<&'g BTreeMap<String, Given>>, Break> {
    match given {
        None => Ok(None),
        Some(Given::Fields(fields)) => Ok(Some(fields)),
        Some(Given::Quote(_) | Given::Observed { .. } | Given::Typed(_) | Given::List(_)) => {
            Err(Break::object("ARGUMENT_INVALID", name, "an object is wanted here"))
        }
    }
}
