//! The command line as a whole: verbs, help, exit codes.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::{
    actions, activate, analytics, approvals, audit, backup, bench, chat, completions, contracts,
    coverage, demo, doctor, erase, escalations, eval, explain, guard, init, pki, policy, receipts,
    recover, replay, report, switch,
};

/// A verb did what it was asked, and what it looked at is right.
pub const OK: u8 = 0;
/// It could not, or what it looked at is wrong.
pub const FAILED: u8 = 1;
/// The command line is wrong. Nothing was done.
pub const USAGE: u8 = 2;

const EXAMPLES: &str = "\
Examples:
  Try everything in a sandbox, with nothing to set up:
    countersign demo
    countersign demo --as customer1@example.com --say \"cancel order #1001\" --say yes
  See how a model does, and what is made of it where it does badly:
    countersign eval deploy/scenarios
  Read and check what was done:
    countersign receipts list --state DIR
    countersign receipts show rcp_… --state DIR --proof
    countersign audit verify DIR/executor/log --key DIR/log.pub
    countersign audit replay --all --state DIR
  Find out what a refusal means and what to do:
    countersign explain STATE_CHANGED
  Set up a deployment:
    countersign init DIR
    countersign doctor --executor DIR/executor.yaml
    countersign policy test DIR/policy --packs DIR/packs/shopify

Exit codes:
  0  done, and what was looked at is right
  1  could not be done, or what was looked at is wrong
  2  the command line is wrong; nothing was done";

/// Real actions that a language model may ask for: checked by an executor, carried out once, and
/// never called done unless they are.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, after_help = EXAMPLES)]
struct Line {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Start a sandbox shop, an executor and a planner here, and chat with them.
    Demo(demo::Args),
    /// Measure actions a second here, beside a forwarder that checks and records nothing.
    Bench(bench::Args),
    /// Play scenarios with any model, and say what it did that it should not.
    Eval(eval::Args),
    /// Talk to your own planner in the terminal, as one of your customers.
    Chat(chat::Args),
    /// Check, draft and try contracts and connectors.
    #[command(subcommand)]
    Contracts(contracts::Command),
    /// Say what a code means, who can do something about it, and what.
    Explain(explain::Args),
    /// Check, test and show the policy: who may do what, and who approves.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Write the commented configuration of both services into a folder.
    Init(init::Args),
    /// Say what is wrong with a configuration, and how to put it right.
    Doctor(doctor::Args),
    /// Make a certificate authority and let it issue certificates.
    #[command(subcommand)]
    Pki(pki::PkiCommand),
    /// Sign a change of policy, packs, issuers or egress, so that the executor runs with it.
    Activate(activate::Args),
    /// Copy an executor's store while it is in use.
    Backup(backup::Args),
    /// Bring back what a restored store has forgotten.
    Recover(recover::Args),
    /// Switch a tool, a pack, a tenant or everything off, and on again.
    #[command(subcommand)]
    Switch(switch::Command),
    /// Erase what is personal of somebody, or put a legal hold on it.
    Erase(erase::Args),
    /// List, show and answer the requests that wait for members of staff.
    #[command(subcommand)]
    Approvals(approvals::Command),
    /// List, take and finish the matters that wait for a person.
    #[command(subcommand)]
    Escalations(escalations::Command),
    /// Hold each tool against the eleven guardrails: what is missing, and how to add it.
    Coverage(coverage::Args),
    /// List and show receipts, from an executor or from a log folder.
    #[command(subcommand)]
    Receipts(receipts::Command),
    /// Search for actions: by customer, order, ticket, tool, outcome, amount and time.
    Actions(actions::Args),
    /// Add actions up: how many without a person, how long people took, what money moved.
    Analytics(analytics::Args),
    /// Say what was out of the ordinary in a week, as Markdown.
    Review(analytics::ReviewArgs),
    /// Hold the planner's confidence against how its plans ended.
    #[command(subcommand)]
    Report(report::Command),
    /// Check the log and every verdict in it, offline; try a policy on the past; find what happened
    /// and why.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Show a whole conversation step by step, as it was told and as it was done.
    Replay(replay::Args),
    /// Print a completion script for a shell.
    ///
    /// For bash: `countersign completions bash > ~/.local/share/bash-completion/completions/countersign`
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Stops the processes of a demo or a benchmark when it is gone itself. Started by them.
    #[command(hide = true)]
    Guard(guard::Args),
    /// Makes the backend calls without a rule, a journal or a receipt. Started by the benchmark.
    #[command(hide = true)]
    BenchForwarder(bench::ForwarderArgs),
}

/// Reads the command line, does what it says, and answers with the exit code.
#[must_use]
pub fn main() -> ExitCode {
    // Clap ends the process with USAGE where the line is wrong.
    let line = Line::parse();
    match run(line.verb) {
        Ok(code) => code,
        Err(error) if reader_left(&error) => ExitCode::from(OK),
        Err(error) => {
            // Nothing is left to do where even this cannot be written.
            let _unwritten = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Demo(args) => demo::run(args),
        Verb::Bench(args) => bench::run(&args),
        Verb::Eval(args) => eval::run(args),
        Verb::Chat(args) => chat::run(args),
        Verb::Contracts(command) => contracts::run(command),
        Verb::Explain(args) => explain::run(&args),
        Verb::Policy(command) => policy::run(command),
        Verb::Init(args) => init::run(&args),
        Verb::Doctor(args) => doctor::run(&args),
        Verb::Pki(command) => pki::run(command).map(|()| ExitCode::from(OK)),
        Verb::Activate(args) => activate::run(&args),
        Verb::Backup(args) => backup::run(&args),
        Verb::Recover(args) => recover::run(&args),
        Verb::Switch(command) => switch::run(command),
        Verb::Erase(args) => erase::run(args),
        Verb::Approvals(command) => approvals::run(command),
        Verb::Escalations(command) => escalations::run(command),
        Verb::Coverage(args) => coverage::run(&args),
        Verb::Receipts(command) => receipts::run(command),
        Verb::Actions(args) => actions::run(args),
        Verb::Analytics(args) => analytics::run(args),
        Verb::Review(args) => analytics::review(args),
        Verb::Report(command) => report::run(command),
        Verb::Audit(command) => audit::run(command),
        Verb::Replay(args) => replay::run(&args),
        Verb::Completions { shell } => completions::run(shell, &mut Line::command()),
        Verb::Guard(args) => guard::guard(&args),
        Verb::BenchForwarder(args) => bench::forward(&args),
    }
}

/// `countersign … | head` is no failure.
fn reader_left(error: &anyhow::Error) -> bool {
    let broken = |e: &(dyn Error + 'static)| {
        e.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    };
    error.chain().any(broken)
}

#[cfg(test)]
mod runbooks;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Line::command().debug_assert();
    }

    #[test]
    fn the_helps_own_examples_parse() {
        let lines = EXAMPLES.lines().filter_map(|l| l.strip_prefix("    countersign "));
        let mut seen = 0;
        for line in lines {
            let line = line.replace("\"cancel order #1001\"", "cancel");
            let line = line.replace("rcp_…", "rcp_01k0000000000000000000000a");
            let words = ["countersign"].into_iter().chain(line.split(' '));
            let parsed = Line::try_parse_from(words);
            assert!(parsed.is_ok(), "{line}: {:?}", parsed.err());
            seen += 1;
        }
        assert_eq!(seen, 11);
    }
}
