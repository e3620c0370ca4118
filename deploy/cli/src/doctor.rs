//! `countersign doctor`: what is wrong with a configuration, where, and how to put it right.

mod certificate;
mod executor;
mod files;
mod pages;
mod planner;
mod report;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::command::{FAILED, OK};
use report::Report;

/// What `doctor` takes.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
#[command(after_help = "\
Example:
  countersign doctor --executor ./executor.yaml
  countersign doctor --planner ./planner.yaml

Run it as the user that the service runs as: it reads what the service will read. Nothing is
changed, nobody is called. Exits with 1 where something is wrong; warnings alone are fine.")]
pub struct Args {
    /// The executor's configuration.
    #[arg(long, value_name = "FILE")]
    executor: Option<PathBuf>,
    /// The planner's configuration.
    #[arg(long, value_name = "FILE")]
    planner: Option<PathBuf>,
}

/// Looks, and prints what was found.
///
/// # Errors
/// Only when the findings cannot be printed.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    // Certificates are read as the services read them, by a task.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _inside = runtime.enter();
    let mut report = Report::default();
    if let Some(file) = &args.executor {
        executor::look(&mut report, file);
    }
    if let Some(file) = &args.planner {
        planner::look(&mut report, file);
    }
    let mut out = io::stdout().lock();
    report.print(&mut out)?;
    out.flush()?;
    Ok(ExitCode::from(if report.has_errors() { FAILED } else { OK }))
}
