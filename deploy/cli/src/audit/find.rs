//! `countersign audit find`: what is known, by what somebody who complains knows.

use std::io::{self, Write};
use std::process::ExitCode;

use countersign_proto::v1::audit_client::AuditClient;
use countersign_proto::v1::{FindRequest, FindResponse};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::chain::{LARGEST, Recorded};
use crate::command::OK;
use crate::receipts::{Logged, table};
use crate::remote::{ExecutorArgs, timed};
use crate::text::one_line;

pub(super) const EXAMPLES: &str = "\
Examples:
  countersign audit find --email ada@example.com --on 2026-11-25 --executor … --tls … --executor-id …
  countersign audit find --value 1001 --tool shopify.refund_lines --executor …
  countersign audit find --ref TICKET-4711 --executor …

Then: countersign audit chain rcp_… for one receipt, countersign replay --ticket for a conversation.";

/// What `audit find` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    executor: ExecutorArgs,
    /// The customer's address, as in their sign-in.
    #[arg(long)]
    email: Option<String>,
    /// The customer, by the issuer's name for them.
    #[arg(long)]
    subject: Option<String>,
    /// Only this tenant.
    #[arg(long)]
    tenant: Option<String>,
    /// The ticket.
    #[arg(long = "ref", value_name = "TICKET")]
    external_ref: Option<String>,
    /// The conversation.
    #[arg(long)]
    conversation: Option<String>,
    /// A value among the arguments or the state: an order's id, or its name.
    #[arg(long)]
    value: Option<String>,
    /// The tool.
    #[arg(long)]
    tool: Option<String>,
    /// What it came to.
    #[arg(long, value_parser = ["applied", "not_applied", "unknown", "refused"])]
    outcome: Option<String>,
    /// The code, such as `STATE_CHANGED`.
    #[arg(long)]
    code: Option<String>,
    /// One day, in UTC.
    #[arg(long, value_name = "DATE", conflicts_with_all = ["from", "to"])]
    on: Option<Date>,
    /// From the beginning of this day, in UTC.
    #[arg(long, value_name = "DATE")]
    from: Option<Date>,
    /// Up to the end of this day, in UTC.
    #[arg(long, value_name = "DATE")]
    to: Option<Date>,
    /// At most this many of each kind.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    limit: u32,
    /// Go on where an earlier answer ended.
    #[arg(long, value_name = "TOKEN")]
    page: Option<String>,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Prints what is found.
///
/// # Errors
/// When the executor cannot be asked.
pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut client = AuditClient::new(args.executor.channel()?).max_decoding_message_size(LARGEST);
    let found = client.find(timed(request(args)?)).await;
    let found = found.map_err(|status| args.executor.refused(&status))?.into_inner();
    print(&mut io::stdout().lock(), found, args.json)?;
    Ok(ExitCode::from(OK))
}

fn request(args: &Args) -> anyhow::Result<FindRequest> {
    let text = |given: &Option<String>| given.clone().unwrap_or_default();
    let from = args.on.or(args.from).map(midnight).transpose()?;
    let to = args.on.or(args.to).map(|day| midnight(day.tomorrow()?)).transpose()?;
    Ok(FindRequest {
        tenant: text(&args.tenant),
        subject: text(&args.subject),
        email: text(&args.email),
        external_ref: text(&args.external_ref),
        conversation_id: text(&args.conversation),
        value: text(&args.value),
        tool: text(&args.tool),
        outcome: text(&args.outcome),
        code: text(&args.code),
        from: from.unwrap_or_default(),
        to: to.unwrap_or_default(),
        page_size: args.limit,
        page_token: text(&args.page),
    })
}

fn midnight(day: Date) -> anyhow::Result<i64> {
    Ok(day.to_zoned(TimeZone::UTC)?.timestamp().as_second())
}

fn print(out: &mut impl Write, found: FindResponse, as_json: bool) -> anyhow::Result<()> {
    let receipts = found.receipts.into_iter().map(Logged::of);
    let receipts = receipts.collect::<anyhow::Result<Vec<_>>>()?;
    let turns = found.turns.into_iter().map(Recorded::read).collect::<anyhow::Result<Vec<_>>>()?;
    if as_json {
        for logged in &receipts {
            out.write_all(&logged.body)?;
            out.write_all(b"\n")?;
        }
        turns.iter().try_for_each(|turn| writeln!(out, "{}", turn.to_json()))?;
        return Ok(());
    }
    if receipts.is_empty() && turns.is_empty() {
        writeln!(out, "Nothing is found.")?;
        return Ok(());
    }
    if !receipts.is_empty() {
        writeln!(out, "{}", table(&receipts))?;
    }
    for turn in &turns {
        write_turn(out, turn)?;
    }
    if !found.next_page_token.is_empty() {
        writeln!(out, "There is more: --page {}", found.next_page_token)?;
    }
    Ok(())
}

fn write_turn(out: &mut impl Write, told: &Recorded) -> io::Result<()> {
    let said = told.turn.message.as_ref().map_or("(a signed yes)", |said| said.text.as_str());
    let calls = told.turn.told.calls.iter().filter(|call| !call.receipt.is_empty());
    let came: Vec<_> = calls.map(|call| format!("{} {}", call.code, call.receipt)).collect();
    let at = told.at.strftime("%F %T");
    let (who, conversation) = (one_line(&told.subject), one_line(&told.conversation));
    let came = one_line(&came.join(", "));
    let line = format!("{at}  {who}  {conversation}  \"{}\"  {came}", one_line(said));
    writeln!(out, "{}", line.trim_end())
}
