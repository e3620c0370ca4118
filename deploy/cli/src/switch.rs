//! `countersign switch`: stops and starts what the executor may send.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Subcommand;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use countersign_proto::v1::operator_client::OperatorClient;
use countersign_proto::v1::{ListSwitchesRequest, SetSwitchRequest, Switch};
use serde_json::json;

use crate::command::OK;
use crate::remote::{ExecutorArgs, timed};
use crate::text::one_line;

const EXAMPLES: &str = "\
Examples:
  countersign switch off --tool shopify.refund_lines --reason \"refunds come out twice\" \\
      --executor 127.0.0.1:7443 --tls ./operator --executor-id spiffe://shop.example/executor
  countersign switch off --all --reason \"incident 42\" …
  countersign switch on --all --reason \"incident 42 is over\" …

What is switched off is not proposed, claimed or sent any more when the command ends. Reads go on, so
that what was sent before is still verified. Each change has a receipt in the log.";

/// Turn and list switches.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Switch off.
    #[command(after_help = EXAMPLES)]
    Off(Turn),
    /// Switch on again.
    #[command(after_help = EXAMPLES)]
    On(Turn),
    /// List what is off.
    List(List),
}

/// What `switch list` takes.
#[derive(Debug, clap::Args)]
pub struct List {
    #[command(flatten)]
    executor: ExecutorArgs,
    /// Print one JSON object a switch.
    #[arg(long)]
    json: bool,
}

/// What `switch off` and `switch on` take.
#[derive(Debug, clap::Args)]
pub struct Turn {
    #[command(flatten)]
    reach: Reach,
    /// Why; colleagues and auditors read it.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    executor: ExecutorArgs,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Reach {
    /// One tool, such as shopify.refund_lines.
    #[arg(long)]
    tool: Option<String>,
    /// Every tool of a pack.
    #[arg(long)]
    pack: Option<String>,
    /// Everything of a tenant.
    #[arg(long)]
    tenant: Option<String>,
    /// Everything.
    #[arg(long)]
    all: bool,
}

impl Reach {
    fn text(&self) -> String {
        match (&self.tool, &self.pack, &self.tenant) {
            (Some(name), _, _) => format!("tool/{name}"),
            (None, Some(name), _) => format!("pack/{name}"),
            (None, None, Some(name)) => format!("tenant/{name}"),
            (None, None, None) => "all".to_owned(),
        }
    }
}

/// Does what the command says.
///
/// # Errors
/// When the executor cannot be reached or refuses.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Off(turn) => set(turn, true).await,
            Command::On(turn) => set(turn, false).await,
            Command::List(List { executor, json }) => list(&executor, json).await,
        }
    })?;
    Ok(ExitCode::from(OK))
}

async fn set(turn: Turn, off: bool) -> anyhow::Result<()> {
    let Turn { reach, reason, executor } = turn;
    let reach = reach.text();
    let request = SetSwitchRequest { reach: reach.clone(), off, reason };
    let answer = OperatorClient::new(executor.channel()?).set_switch(timed(request)).await;
    let done = answer.map_err(|status| executor.refused(&status))?.into_inner();
    let mut out = io::stdout().lock();
    let word = if off { "off" } else { "on" };
    writeln!(out, "{} is {word} (receipt {}).", one_line(&reach), one_line(&done.receipt_id))?;
    if done.under_way > 0 {
        let still = done.under_way;
        writeln!(
            out,
            "{still} requests were on their way before, and have not been answered yet."
        )?;
    }
    Ok(())
}

async fn list(executor: &ExecutorArgs, json: bool) -> anyhow::Result<()> {
    let answer =
        OperatorClient::new(executor.channel()?).list_switches(timed(ListSwitchesRequest {})).await;
    let switches = answer.map_err(|status| executor.refused(&status))?.into_inner().switches;
    let mut out = io::stdout().lock();
    if json {
        for Switch { reach, by, reason, at } in switches {
            let at = at.map(|at| at.seconds);
            writeln!(out, "{}", json!({ "off": reach, "by": by, "reason": reason, "at": at }))?;
        }
        return Ok(());
    }
    if switches.is_empty() {
        writeln!(out, "Nothing is switched off.")?;
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["OFF", "SINCE (UTC)", "BY", "REASON"]);
    for switch in switches {
        let since = crate::approvals::time(switch.at.as_ref());
        let [reach, by, reason] = [switch.reach, switch.by, switch.reason].map(|t| one_line(&t));
        table.add_row([reach, since, by, reason]);
    }
    writeln!(out, "{}", table.trim_fmt())?;
    Ok(())
}
