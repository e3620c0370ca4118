//! What a contract may refer to: its pack, its documents, the reads beside it.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_shared::codes::Code;

use super::arguments::Arguments;
use super::file::File;
use super::yaml::{Place, Yaml};
use crate::contract::problem::ProblemKind;
use crate::contract::{ArgumentSpec, Pack, argument};
use crate::expr::{Names, Type};
use crate::nearest::nearest;
use crate::shape::Shape;

/// What a read offers to other contracts.
pub(super) struct ReadFace {
    pub(super) arguments: BTreeMap<String, ArgumentSpec>,
    pub(super) output: Shape,
}

pub(super) struct Context<'p> {
    pub(super) pack: Arc<Pack>,
    /// Text by file name, of `documents/`.
    pub(super) documents: BTreeMap<&'p str, &'p str>,
    /// Reads by tool name; `None` where the read itself is broken.
    pub(super) reads: BTreeMap<String, Option<ReadFace>>,
    /// Writes by tool name.
    pub(super) writes: Vec<String>,
    /// The read that matches guests, which no plan can name.
    pub(super) unlisted: Option<&'p str>,
}

impl Context<'_> {
    /// A read of this pack. `None` when it is not one, which is noted, or when
    /// it is broken, which is noted in its own file.
    pub(super) fn read(&self, file: &File, at: Place, tool: &str) -> Option<&ReadFace> {
        if let Some(face) = self.reads.get(tool) {
            return face.as_ref();
        }
        if self.writes.iter().any(|write| write == tool) {
            let message = format!("`{tool}` is a write, and only reads can be made here");
            return file.error(at, ProblemKind::UnknownReference, message, None);
        }
        let remedy = nearest(tool, self.reads.keys().map(String::as_str)).map_or_else(
            || format!("the reads of this pack: {}", self.read_names()),
            |near| format!("did you mean `{near}`?"),
        );
        let message = format!("there is no read `{tool}` in this pack");
        file.error(at, ProblemKind::UnknownReference, message, Some(&remedy))
    }

    fn read_names(&self) -> String {
        let names: Vec<&str> = self.reads.keys().map(String::as_str).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }

    /// A code that is built in or the pack's.
    pub(super) fn code(&self, file: &File, yaml: &Yaml) -> Option<String> {
        let code = file.text(yaml)?;
        if Code::by_name(code).is_some() || self.pack.codes.contains_key(code) {
            return Some(code.to_owned());
        }
        let remedy = nearest(code, self.pack.codes.keys().map(String::as_str)).map_or_else(
            || "declare it under `codes` in connector.yaml".to_owned(),
            |near| format!("did you mean `{near}`? Otherwise declare it in connector.yaml"),
        );
        let message = format!("the code `{code}` is neither built in nor the pack's");
        file.error(yaml.at, ProblemKind::UnknownReference, message, Some(&remedy))
    }

    /// The names that every expression of a contract knows.
    pub(super) fn base(&self, arguments: &Arguments) -> Names {
        let claims = self.pack.subject_claims.iter().map(|claim| (claim.as_str(), Type::ID));
        let subject = Type::object(claims.chain([("id", Type::ID)]));
        let names = Names::new()
            .with("args", argument::fields_kind(&arguments.specs))
            .with("subject", subject);
        arguments.broken.iter().fold(names, |names, name| names.broken(["args", name]))
    }
}
