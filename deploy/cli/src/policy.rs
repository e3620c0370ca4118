//! What the person who edits the policy needs: a check, a test, the policy in plain words.
//!
//! ```text
//! policy folder ──check──▶ every problem
//!       ├──test──▶ the table of expected verdicts, asked
//!       └──show──▶ per tool: who, mode, limits, approvers
//! ```

mod check;
pub(crate) mod show;
mod test;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use countersign_core::contract::Catalog;
use countersign_core::policy::SCHEMA;
use countersign_executor::packs;

use crate::command::{FAILED, OK};

/// `countersign policy …`
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Name every problem of a policy at once, with file, line and column.
    Check(Args),
    /// Ask every row of a policy's table, and say which are not answered as expected.
    Test(Args),
    /// Say in plain words who may do what, per tool, and who approves.
    Show(Args),
    /// Print the schema that policies are checked against: a folder's schema.cedarschema.
    Schema,
}

/// What the verbs take.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  countersign policy check ./deployment/policy --packs ./deployment/packs/shopify
  countersign policy test ./deployment/policy --packs ./deployment/packs/shopify")]
pub struct Args {
    /// The policy's folder.
    dir: PathBuf,
    /// Folders of the packs whose tools it speaks of; without, those that come with Countersign.
    #[arg(long, value_name = "DIR", num_args = 1..)]
    packs: Vec<PathBuf>,
}

/// Does what the command line says.
///
/// # Errors
/// When it cannot be done at all; what is wrong with the policy is no error but exit code 1.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    let out = &mut io::stdout().lock();
    let good = match command {
        Command::Check(args) => check::run(&args, out)?,
        Command::Test(args) => test::run(&args, out)?,
        Command::Show(args) => show::run(&args, out)?,
        Command::Schema => {
            write!(out, "{SCHEMA}")?;
            true
        }
    };
    Ok(ExitCode::from(if good { OK } else { FAILED }))
}

/// The tools that the policy speaks of.
pub(crate) fn catalog(packs: &[PathBuf]) -> anyhow::Result<Catalog> {
    if packs.is_empty() {
        return shipped();
    }
    packs::load(packs).map_err(|problems| wrong(&problems))
}

fn shipped() -> anyhow::Result<Catalog> {
    let dir = tempfile::tempdir()?;
    packs::write_shipped(dir.path())?;
    let names = std::fs::read_dir(dir.path())?.map(|entry| entry.map(|entry| entry.path()));
    let dirs: Vec<_> = names.collect::<Result<_, _>>()?;
    packs::load(&dirs).map_err(|problems| wrong(&problems))
}

fn wrong(problems: &[packs::PackProblem]) -> anyhow::Error {
    let errors = problems.iter().filter(|p| p.is_error()).map(ToString::to_string);
    anyhow::anyhow!("the packs do not load:\n{}", errors.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod testing {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::Args;

    /// The shipped policy in a folder, and the command line for it.
    pub(super) fn shipped() -> (tempfile::TempDir, Args) {
        let dir = tempfile::tempdir().unwrap();
        countersign_executor::policy::write_shipped(dir.path()).unwrap();
        let args = Args { dir: dir.path().to_owned(), packs: Vec::new() };
        (dir, args)
    }

    /// A file of it with one part exchanged.
    pub(super) fn edit(args: &Args, name: &str, from: &str, to: &str) {
        let file = args.dir.join(name);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{from}");
        std::fs::write(&file, text.replace(from, to)).unwrap();
    }

    /// One operator, where a policy is changed by two.
    pub(super) fn alone(args: &Args) {
        let alice = "people:\n  - { id: alice, issuer: \"https://directory.shop.example\", name: Alice, roles: [operator], tenants: [shop] }";
        edit(args, "people.yaml", "people: []", alice);
    }

    /// What a verb prints, and whether all is well.
    pub(super) fn said(
        verb: impl Fn(&Args, &mut Vec<u8>) -> anyhow::Result<bool>,
        args: &Args,
    ) -> (String, bool) {
        let mut out = Vec::new();
        let good = verb(args, &mut out).unwrap();
        (String::from_utf8(out).unwrap(), good)
    }
}
