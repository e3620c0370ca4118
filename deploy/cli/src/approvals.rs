//! `countersign approvals`: the requests that wait for members of staff, and signed answers.

mod answer;
mod page;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Subcommand;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use countersign_proto::v1::approvals_client::ApprovalsClient;
use countersign_proto::v1::{ApprovalRequest, GetRequestRequest, ListRequestsRequest};
use jiff::Timestamp;

use crate::command::OK;
use crate::remote::{ExecutorArgs, timed};
use crate::text::one_line;

const LIST_EXAMPLES: &str = "\
Example:
  countersign approvals list --role finance --executor 127.0.0.1:7443 --tls ./approver \\
      --executor-id spiffe://shop.example/executor";

const ANSWER_EXAMPLES: &str = "\
Example:
  countersign approvals approve prp_… --as alice --issuer https://directory.shop.example \\
      --key alice.key --kid alice-1 --executor 127.0.0.1:7443 --tls ./approver \\
      --executor-id spiffe://shop.example/executor

Several can be answered in turn: approve prp_1… prp_2… Each is shown whole, and you are asked before
your key signs; one that changed keeps none of the others from it. What is signed is a digest of the
card as it was shown. The person, the directory and the public key are those of people.yaml in the
policy. The last yes sets the action going; the command then waits for its end.";

/// List, show and answer requests.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the requests that wait, oldest first.
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArgs),
    /// Show one request, its state read afresh.
    Show(ShowArgs),
    /// Say yes to a request, signed.
    #[command(after_help = ANSWER_EXAMPLES)]
    Approve(answer::Args),
    /// Say no to a request, signed.
    #[command(after_help = ANSWER_EXAMPLES)]
    Reject(answer::Args),
}

/// What `approvals list` takes.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Only requests of this tenant.
    #[arg(long)]
    tenant: Option<String>,
    /// Only requests that wait for this role.
    #[arg(long)]
    role: Option<String>,
    /// Print one JSON object a request.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    executor: ExecutorArgs,
}

/// What `approvals show` takes.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// The proposal: `prp_…`.
    id: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    executor: ExecutorArgs,
}

/// Does what the command says.
///
/// # Errors
/// When the executor cannot be reached or refuses, or a key cannot be used.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    use countersign_shared::attest::Decision;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::List(args) => list(args).await,
            Command::Show(args) => show(&args).await,
            Command::Approve(args) => answer::give(&args, Decision::Approve).await,
            Command::Reject(args) => answer::give(&args, Decision::Reject).await,
        }
    })?;
    Ok(ExitCode::from(OK))
}

async fn list(args: ListArgs) -> anyhow::Result<()> {
    let ListArgs { tenant, role, json, executor } = args;
    let (tenant, role) = (tenant.unwrap_or_default(), role.unwrap_or_default());
    let mut client = ApprovalsClient::new(executor.channel()?);
    let mut ask = ListRequestsRequest { tenant, role, ..Default::default() };
    let mut requests = Vec::new();
    loop {
        let page = client.list_requests(timed(ask.clone())).await;
        let page = page.map_err(|status| executor.refused(&status))?.into_inner();
        requests.extend(page.requests);
        ask.page_token = page.next_page_token;
        if ask.page_token.is_empty() {
            break;
        }
    }
    let mut out = io::stdout().lock();
    if json {
        for request in &requests {
            writeln!(out, "{}", page::json(request))?;
        }
        return Ok(());
    }
    if requests.is_empty() {
        writeln!(out, "Nothing waits for an answer.")?;
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["ASKED (UTC)", "TOOL", "AMOUNT", "FOR", "WAITS FOR", "REQUEST"]);
    for request in &requests {
        table.add_row(row(request));
    }
    writeln!(out, "{}", table.trim_fmt())?;
    Ok(())
}

fn row(request: &ApprovalRequest) -> [String; 6] {
    let roles: Vec<_> = request.missing.iter().map(|need| need.role.as_str()).collect();
    let id = request.card.as_ref().map_or("", |card| card.proposal_id.as_str());
    [
        time(request.asked_at.as_ref()),
        one_line(&request.tool),
        page::amount(request).unwrap_or_else(|| "-".to_owned()),
        one_line(&request.subject),
        one_line(&roles.join(", ")),
        one_line(id),
    ]
}

async fn show(args: &ShowArgs) -> anyhow::Result<()> {
    let request = get(&args.executor, &args.id).await?;
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", page::json(&request))?;
    } else {
        page::write(&mut out, &request)?;
    }
    Ok(())
}

/// A request, its state read afresh.
async fn get(executor: &ExecutorArgs, id: &str) -> anyhow::Result<ApprovalRequest> {
    let request = timed(GetRequestRequest { proposal_id: id.to_owned() });
    let answer = ApprovalsClient::new(executor.channel()?).get_request(request).await;
    let answer = answer.map_err(|status| executor.refused(&status))?.into_inner();
    answer.request.ok_or_else(|| anyhow::anyhow!("the executor's answer holds no request"))
}

/// A time of the protocol, for a table.
pub(crate) fn time(at: Option<&prost_types::Timestamp>) -> String {
    let at = at.and_then(|at| Timestamp::new(at.seconds, at.nanos).ok());
    at.map_or_else(|| "-".to_owned(), |at| at.strftime("%F %T").to_string())
}
