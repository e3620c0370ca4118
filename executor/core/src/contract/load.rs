//! Builds contracts from a pack's files and reports every problem at once.
//!
//! ```text
//! text --yaml--> tree with places --draft--> tools, arguments, outputs
//!   --read, write--> checked contracts        problems <-- every step
//! ```

mod arguments;
mod call;
mod connector;
mod context;
mod draft;
mod effect;
pub(crate) mod file;
mod fresh;
mod gates;
mod graphql;
mod head;
mod matching;
mod output;
mod read;
mod rules;
pub(crate) mod section;
mod subject;
mod templates;
mod verify;
mod with;
mod write;
pub(crate) mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use self::context::Context;
use self::draft::{Draft, draft};
use self::file::File;
use self::yaml::{Place, Yaml};
use super::problem::{Problem, ProblemKind, Severity};
use super::{Body, Call, Contract, Effect, Matching, Pack, argument};
use crate::policy::Resource;
use crate::subject::{Kind, Strength};

/// Largest file of a pack, in bytes.
const MAX_FILE: usize = 256 * 1024;

/// What became of a pack's files.
#[derive(Debug)]
pub struct Loaded {
    /// The pack; absent when any problem is an error.
    pub pack: Option<LoadedPack>,
    /// Errors and warnings, by file and place.
    pub problems: Vec<Problem>,
}

/// A pack with its contracts.
#[derive(Debug)]
pub struct LoadedPack {
    /// The connector.
    pub pack: Arc<Pack>,
    /// Its contracts, by tool name.
    pub contracts: Vec<Arc<Contract>>,
    /// How it matches guests, where it can.
    pub matching: Option<Matching>,
}

/// What a contract says beyond its name and arguments.
struct Parts {
    summary: String,
    examples: Vec<String>,
    open_to: BTreeSet<Kind>,
    strength: Strength,
    effect: Effect,
    call: Call,
    body: Body,
}

/// Loads one pack from its files: path inside the pack (`connector.yaml`,
/// `contracts/x.yaml`, `documents/x.graphql`) and text. Other files count for
/// the digest only.
#[must_use]
pub fn pack(files: &BTreeMap<String, String>) -> Loaded {
    let parsed: Vec<(File, Option<Yaml>, &str)> = files
        .iter()
        .filter(|(path, _)| *path == "connector.yaml" || is_contract(path))
        .map(|(path, text)| {
            let file = File::new(path, text);
            let yaml = parse(&file, text);
            (file, yaml, text.as_str())
        })
        .collect();
    let loaded = build(files, &parsed);
    let mut problems: Vec<Problem> =
        parsed.into_iter().flat_map(|(file, ..)| file.into_problems()).collect();
    if !files.contains_key("connector.yaml") {
        problems.push(no_connector());
    }
    problems.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    problems.dedup();
    let failed = problems.iter().any(|problem| problem.severity == Severity::Error);
    Loaded { pack: loaded.filter(|_| !failed), problems }
}

fn is_contract(path: &str) -> bool {
    path.starts_with("contracts/") && path.ends_with(".yaml")
}

pub(crate) fn parse(file: &File, text: &str) -> Option<Yaml> {
    let at = Place { line: 1, column: 1 };
    if text.len() > MAX_FILE {
        let message = format!("the file is larger than {MAX_FILE} bytes");
        return file.error(at, ProblemKind::WrongValue, message, None);
    }
    Yaml::parse(text).map_err(|(at, why)| file.error::<()>(at, ProblemKind::Syntax, why, None)).ok()
}

fn no_connector() -> Problem {
    Problem {
        file: "connector.yaml".to_owned(),
        line: 0,
        column: 0,
        severity: Severity::Error,
        kind: ProblemKind::Missing,
        message: "the pack has no connector.yaml".to_owned(),
        remedy: Some("say in it how the backend is reached".to_owned()),
    }
}

fn build(
    files: &BTreeMap<String, String>,
    parsed: &[(File, Option<Yaml>, &str)],
) -> Option<LoadedPack> {
    let (file, yaml, _) = parsed.iter().find(|(file, ..)| file.path() == "connector.yaml")?;
    let pack = Arc::new(connector::connector(file, yaml.as_ref()?, digest(files))?);
    let drafts: Vec<(Draft<'_>, &str)> = parsed
        .iter()
        .filter(|(file, ..)| is_contract(file.path()))
        .filter_map(|(file, yaml, text)| Some((draft(file, yaml.as_ref()?, &pack.name)?, *text)))
        .collect();
    let (connector, top) = (file, yaml.as_ref()?);
    let mut context = context(files, &pack, &drafts);
    context.unlisted = matching::tool(connector, top);
    let matching = matching::matching(connector, top, &context);
    let contracts: Vec<_> =
        drafts.iter().map(|(draft, text)| contract(draft, text, &context)).collect();
    let contracts = contracts.into_iter().collect::<Option<Vec<_>>>()?;
    Some(LoadedPack { pack, contracts, matching })
}

fn context<'p>(
    files: &'p BTreeMap<String, String>,
    pack: &Arc<Pack>,
    drafts: &[(Draft<'_>, &str)],
) -> Context<'p> {
    let documents = files
        .iter()
        .filter_map(|(path, text)| Some((path.strip_prefix("documents/")?, text.as_str())))
        .collect();
    let named = || drafts.iter().map(|(draft, _)| draft).filter(|draft| !draft.tool.is_empty());
    let reads = named().filter(|d| d.is_read).map(|d| (d.tool.clone(), d.face())).collect();
    let writes = named().filter(|d| !d.is_read).map(|d| d.tool.clone()).collect();
    Context { pack: Arc::clone(pack), documents, reads, writes, unlisted: None }
}

fn contract(draft: &Draft<'_>, text: &str, context: &Context<'_>) -> Option<Arc<Contract>> {
    let parts =
        if draft.is_read { read::read(draft, context) } else { write::write(draft, context) };
    let (parts, arguments) = (parts?, &draft.arguments);
    let schema = match argument::validator(&argument::schema(&arguments.specs)) {
        Ok(schema) => schema,
        Err(why) => return draft.file.error(draft.yaml.at, ProblemKind::WrongValue, why, None),
    };
    let Parts { summary, examples, open_to, strength, effect, call, body } = parts;
    let resource = match Resource::of(&draft.tool, &context.pack.name, &effect, &body) {
        Ok(resource) => resource,
        Err(why) => return draft.file.error(draft.yaml.at, ProblemKind::WrongValue, why, None),
    };
    Some(Arc::new(Contract {
        tool: draft.tool.clone(),
        pack: Arc::clone(&context.pack),
        listed: context.unlisted != Some(draft.tool.as_str()),
        summary,
        examples,
        open_to,
        strength,
        digest: contract_digest(&context.pack.digest, text),
        effect,
        arguments: arguments.specs.clone(),
        schema,
        call,
        body,
        resource,
    }))
}

/// A folder's digest, be it a pack or a policy: `sha256:…` over every path and content,
/// each with its length before it.
#[must_use]
pub fn digest(files: &BTreeMap<String, String>) -> String {
    let mut hasher = Sha256::new();
    for part in files.iter().flat_map(|(path, text)| [path, text]) {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    format!("sha256:{}", hex::encode(hasher.finalize()))
}

/// `sha256:…` over the pack's digest and the contract's own text.
fn contract_digest(pack: &str, text: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(pack.as_bytes());
    hasher.update(b"\n");
    hasher.update(text.as_bytes());
    format!("sha256:{}", hex::encode(hasher.finalize()))
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
