//! `countersign audit access`: who may do what, from the policy that is active and not from a
//! file that somebody may have changed since.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{anyhow, ensure};
use countersign_core::activation::{Active, Part, ROLE};
use countersign_core::contract::Catalog;
use countersign_core::policy::{Policy, load};
use countersign_executor::config::Config;
use countersign_executor::{packs, store};
use countersign_shared::mtls::SpiffePattern;

use crate::command::OK;
use crate::policy::show;

pub(super) const EXAMPLES: &str = "\
Example:
  countersign audit access --config executor.yaml

Per tool: who may read, propose, execute and confirm, in which mode, within which limits, whose yes
it takes. Then who approves, who may call, and who changes any of this.";

/// What is active, by part.
type Parts = BTreeMap<Part, Active>;

/// What `audit access` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The executor's configuration file.
    #[arg(long, value_name = "FILE", default_value = "executor.yaml")]
    config: PathBuf,
}

/// Prints the report.
///
/// # Errors
/// When nothing is active yet, or the store or the packs cannot be read.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.config)?;
    let catalog = packs::load(&config.packs).map_err(|problems| {
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        anyhow!("the packs do not load:\n{}", lines.join("\n"))
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (parts, bundle) = runtime.block_on(store::activated(&config))?;
    ensure!(!parts.is_empty(), "nothing is active yet: start the executor once");
    let policy = load::policy(&bundle, Some(&catalog)).policy;
    let policy =
        policy.ok_or_else(|| anyhow!("the active policy does not load for these packs"))?;
    let out = &mut io::stdout().lock();
    inactive(out, &catalog, &parts)?;
    show::print(out, &policy, &catalog)?;
    callers(out, &config)?;
    changes(out, &policy, &parts)?;
    Ok(ExitCode::from(OK))
}

/// The store keeps the active policy whole, and of a pack only the digest.
fn inactive(out: &mut impl Write, catalog: &Catalog, parts: &Parts) -> io::Result<()> {
    for pack in catalog.packs.values() {
        let active = parts.get(&Part::Pack(pack.name.clone()));
        if active.is_none_or(|active| active.digest != pack.digest) {
            let name = &pack.name;
            writeln!(
                out,
                "Pack {name} in the folder is not the active one: its tools are refused."
            )?;
        }
    }
    Ok(())
}

/// Workloads, by certificate.
fn callers(out: &mut impl Write, config: &Config) -> io::Result<()> {
    let names = |patterns: &[SpiffePattern]| {
        let names: Vec<_> = patterns.iter().cloned().map(String::from).collect();
        if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
    };
    let callers = &config.callers;
    writeln!(out, "\nWho may call, by certificate:")?;
    writeln!(out, "  {:<26} {}", "propose, execute", names(&callers.planners))?;
    writeln!(out, "  {:<26} {}", "read all, change nothing", names(&callers.auditors))?;
    writeln!(out, "  {:<26} {}", "turn switches", names(&callers.operators))?;
    for approvers in &callers.approvers {
        let tenants: Vec<_> = approvers.tenants.iter().map(String::as_str).collect();
        let who = String::from(approvers.id.clone());
        writeln!(out, "  {:<26} {who}, for {}", "hand over answers", tenants.join(", "))?;
    }
    Ok(())
}

/// What is active, and how many operators change it.
fn changes(out: &mut impl Write, policy: &Policy, parts: &Parts) -> io::Result<()> {
    let operators: Vec<_> = policy
        .people()
        .iter()
        .filter(|person| person.roles.contains(ROLE))
        .map(|person| person.id.as_str())
        .collect();
    writeln!(out, "\nWhat is active, and how many operators sign a change:")?;
    for (part, active) in parts {
        let needed = policy.settings().activation.needed(part.kind());
        let since = active.at.strftime("%F %H:%M UTC");
        writeln!(
            out,
            "  {:<26} {needed}, active since {since}: {}",
            part.to_string(),
            active.digest
        )?;
    }
    match operators.as_slice() {
        [] => writeln!(
            out,
            "Nobody has the role `{ROLE}`: whoever can write the configuration changes all of it alone."
        ),
        some => writeln!(out, "Operators: {}", some.join(", ")),
    }
}
