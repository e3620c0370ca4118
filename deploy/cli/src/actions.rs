//! `countersign actions`: what was asked for and how it ended, by what somebody knows of it.

mod rows;

use std::io::{self, Write};
use std::process::ExitCode;

use countersign_proto::v1::{ActionEntry, GetTimelineRequest, SearchActionsRequest};
use countersign_shared::ids::ReceiptId;
use jiff::Timestamp;

use crate::auditor::{Auditor, AuditorArgs, time};
use crate::command::OK;
use crate::remote::timed;
use crate::text::{one_line, wrap};

const EXAMPLES: &str = "\
Examples:
  countersign actions --state ./demo-state --customer ann@example.com --since 30d
  countersign actions --state ./demo-state --value \"#1001\"
  countersign actions --state ./demo-state --outcome refused --since 7d --csv > refused.csv
  countersign actions --state ./demo-state --currency USD --least 500 --json
  countersign actions --state ./demo-state --by override --since 7d
  countersign actions --state ./demo-state --show rcp_…
  countersign actions --outcome waiting --executor executor.example:7443 --tls ./auditor \\
      --executor-id spiffe://shop.example/executor";

/// What an action can have come to, and what has come to nothing yet.
const OUTCOMES: [&str; 5] = ["applied", "not_applied", "unknown", "refused", "waiting"];
/// What people of the house can have done.
const PARTS: [&str; 6] = ["nobody", "somebody", "people", "hand", "override", "first"];
/// Most actions that are asked for at once.
const PAGE: u32 = 500;
/// Width of a line of a timeline, in characters.
const WIDTH: usize = 96;

/// What `actions` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    auditor: AuditorArgs,
    #[command(flatten)]
    filter: Filter,
    /// At most this many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Print one JSON object a line.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print comma-separated values.
    #[arg(long)]
    csv: bool,
    /// Show one action step by step, from what was said to its receipt.
    #[arg(long, value_name = "RECEIPT", conflicts_with_all = ["json", "csv"])]
    show: Option<ReceiptId>,
}

/// Which actions; everything that is given has to hold.
#[derive(Debug, Default, clap::Args)]
struct Filter {
    /// Only this tenant's.
    #[arg(long)]
    tenant: Option<String>,
    /// Only of this customer: an e-mail address, or a name that issuer or backend has for them.
    #[arg(long)]
    customer: Option<String>,
    /// Only with this value, such as an order's number.
    #[arg(long)]
    value: Option<String>,
    /// Only of this conversation.
    #[arg(long)]
    conversation: Option<String>,
    /// Only with this ticket.
    #[arg(long = "ref", value_name = "TICKET")]
    external_ref: Option<String>,
    /// Only those that this person of the house answered.
    #[arg(long)]
    approver: Option<String>,
    /// Only of this tool, such as `shopify.cancel_order`.
    #[arg(long)]
    tool: Option<String>,
    /// Only with this outcome; `waiting` is what waits for people of the house.
    #[arg(long, value_parser = OUTCOMES)]
    outcome: Option<String>,
    /// Only with this code.
    #[arg(long)]
    code: Option<String>,
    /// Only those that a person had to look at for this reason, such as `in_doubt`.
    #[arg(long)]
    reason: Option<String>,
    /// Only those in which people of the house had this part: `nobody`, `somebody` (answered, or
    /// had to look), `people` (answered), `hand` (settled it), `override` (said no, or settled
    /// it), `first` (all but what settled an earlier one: what numbers count).
    #[arg(long, value_parser = PARTS)]
    by: Option<String>,
    /// Only in this currency.
    #[arg(long)]
    currency: Option<String>,
    /// Not less than this amount.
    #[arg(long, requires = "currency")]
    least: Option<String>,
    /// Not more than this amount.
    #[arg(long, requires = "currency")]
    most: Option<String>,
    /// Not before: 7d, 12h, 2026-11-16.
    #[arg(long, value_parser = time)]
    since: Option<Timestamp>,
    /// Before: 2026-11-23.
    #[arg(long, value_parser = time)]
    until: Option<Timestamp>,
}

impl Filter {
    fn request(self) -> SearchActionsRequest {
        let text = Option::unwrap_or_default;
        let seconds = |at: Option<Timestamp>| at.map_or(0, Timestamp::as_second);
        SearchActionsRequest {
            tenant: text(self.tenant),
            customer: text(self.customer),
            value: text(self.value),
            conversation_id: text(self.conversation),
            external_ref: text(self.external_ref),
            approver: text(self.approver),
            tool: text(self.tool),
            outcome: text(self.outcome),
            code: text(self.code),
            reason: text(self.reason),
            currency: text(self.currency),
            least: text(self.least),
            most: text(self.most),
            from: seconds(self.since),
            to: seconds(self.until),
            page_size: 0,
            page_token: String::new(),
            by: text(self.by),
        }
    }
}

/// Does what the arguments say.
///
/// # Errors
/// When the executor cannot be reached or refuses.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(answer(args))?;
    Ok(ExitCode::from(OK))
}

async fn answer(args: Args) -> anyhow::Result<()> {
    let flags = args.auditor.for_proofs();
    let auditor = args.auditor.open()?;
    let mut out = io::stdout().lock();
    if let Some(receipt) = args.show {
        return show(&auditor, (&receipt, &flags), &mut out).await;
    }
    let found = search(&auditor, args.filter.request(), args.limit).await?;
    match (args.json, args.csv) {
        (true, _) => rows::json(&mut out, &found)?,
        (false, true) => rows::csv(&mut out, &found)?,
        (false, false) if found.is_empty() => writeln!(out, "No actions.")?,
        (false, false) => writeln!(out, "{}", rows::table(&found))?,
    }
    Ok(())
}

async fn search(
    auditor: &Auditor,
    mut request: SearchActionsRequest,
    limit: u32,
) -> anyhow::Result<Vec<ActionEntry>> {
    let mut found = Vec::new();
    loop {
        let left = limit.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
        request.page_size = left.min(PAGE);
        let page = auditor.client.clone().search_actions(timed(request.clone())).await;
        let page = page.map_err(|status| auditor.refused(&status))?.into_inner();
        found.extend(page.actions);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() || found.len() >= limit as usize {
            found.truncate(limit as usize);
            return Ok(found);
        }
    }
}

async fn show(
    auditor: &Auditor,
    (id, flags): (&ReceiptId, &str),
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let request = GetTimelineRequest { receipt_id: id.to_string() };
    let answer = auditor.client.clone().get_timeline(timed(request)).await;
    let answer = answer.map_err(|status| auditor.refused(&status))?.into_inner();
    for step in answer.steps {
        writeln!(out, "{:<10} {}", one_line(&step.name), rows::clock(step.at))?;
        for line in step.lines {
            let text = format!("{}: {}", line.name, one_line(&line.text));
            for piece in wrap(&one_line(&text), WIDTH) {
                writeln!(out, "    {piece}")?;
            }
        }
    }
    writeln!(out, "\nThe proof that it is in the log:")?;
    writeln!(out, "  countersign receipts show {id} --proof {flags}")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_did_is_asked_for() {
        let filter = Filter { by: Some("override".into()), ..Filter::default() };
        assert_eq!(filter.request().by, "override");
    }
}
