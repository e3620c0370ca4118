//! What an author of contracts needs: a draft, a check, a dry run, recorded cases.
//!
//! ```text
//! new ──▶ pack folder ──check──▶ problems, risks
//!              ├──test──▶ rehearsal on recorded answers
//!              └──try───▶ rehearsal on the live service; no write is sent
//! ```

mod backend;
mod check;
mod decide;
mod documents;
mod live;
mod new;
mod recorded;
mod rehearsal;
mod show;
mod unasked;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{Subcommand, ValueEnum};
use countersign_core::contract::{Catalog, Contract, load::LoadedPack, schema};
use countersign_core::subject::Subject;
use countersign_executor::packs;
use jiff::Timestamp;
use serde_json::Value as Json;

use crate::command::{FAILED, OK};

/// `countersign contracts …`
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Name every problem of packs at once, with file, line and column.
    Check(check::Args),
    /// Draft a commented pack, from nothing or from an OpenAPI description.
    New(new::Args),
    /// Print the JSON Schema of a file format, for editors.
    Schema {
        /// Which format.
        #[arg(value_enum, default_value_t = Format::Contract)]
        format: Format,
    },
    /// Do a tool's reads against the live service; of a write, show everything but send nothing.
    Try(live::Args),
    /// Run the recorded cases of packs, without a service.
    Test(recorded::Args),
}

/// The file formats of a pack.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Format {
    /// `contracts/*.yaml`
    Contract,
    /// `connector.yaml`
    Connector,
}

/// Does what the command line says.
///
/// # Errors
/// When it cannot be done at all; what is wrong with a pack is no error but exit code 1.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    let good = match command {
        Command::Check(args) => check::run(&args)?,
        Command::New(args) => new::run(&args)?,
        Command::Schema { format } => print_schema(format)?,
        Command::Try(args) => block_on(live::run(&args))?,
        Command::Test(args) => block_on(recorded::run(&args))?,
    };
    Ok(ExitCode::from(if good { OK } else { FAILED }))
}

fn print_schema(format: Format) -> anyhow::Result<bool> {
    let schema = match format {
        Format::Contract => schema::contract(),
        Format::Connector => schema::connector(),
    };
    writeln!(io::stdout().lock(), "{schema:#}")?;
    Ok(true)
}

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start")?.block_on(work)
}

/// A pack that loads, or what stands in the way.
pub(crate) fn load(dir: &Path) -> anyhow::Result<LoadedPack> {
    packs::load_one(dir).map(|(pack, _)| pack).map_err(|problems| {
        let errors: Vec<_> =
            problems.iter().filter(|p| p.is_error()).map(ToString::to_string).collect();
        anyhow::anyhow!("the pack does not load:\n{}", errors.join("\n"))
    })
}

/// A catalog of one pack.
fn catalog(pack: LoadedPack) -> anyhow::Result<Catalog> {
    Ok(Catalog::load([pack])?)
}

/// The contract of a tool, by its full name or by the part after the dot.
fn tool<'c>(catalog: &'c Catalog, name: &str) -> anyhow::Result<&'c Arc<Contract>> {
    let short = |full: &str| full.split_once('.').is_some_and(|(_, tool)| tool == name);
    let found = catalog.tools.iter().find(|(full, _)| *full == name || short(full));
    found.map(|(_, contract)| contract).with_context(|| {
        let known: Vec<_> = catalog.tools.keys().map(String::as_str).collect();
        format!("the pack has no tool `{name}`; it has: {}", known.join(", "))
    })
}

/// A subject as `{"id": …, CLAIM: …}` describes it.
fn subject(tenant: &str, json: &Json, now: Timestamp) -> anyhow::Result<Subject> {
    let fields = json.as_object().context("the subject is an object such as {\"id\": \"c1\"}")?;
    let mut claims = BTreeMap::new();
    for (name, value) in fields {
        let text = value.as_str().with_context(|| format!("the subject's `{name}` is no text"))?;
        claims.insert(name.clone(), text.to_owned());
    }
    let id = claims.remove("id").context("the subject has no `id`")?;
    Ok(Subject {
        tenant: tenant.to_owned(),
        issuer: "contracts".to_owned(),
        signs_as: id.clone(),
        id,
        claims,
        kind: countersign_core::subject::Kind::Customer,
        scopes: std::collections::BTreeSet::new(),
        segment: String::new(),
        strength: countersign_core::subject::Strength::SignedIn,
        verified_at: now,
    })
}

/// Folders, each with its name as it was given.
fn named(dirs: &[PathBuf]) -> impl Iterator<Item = (&PathBuf, String)> {
    dirs.iter().map(|dir| (dir, dir.display().to_string()))
}
