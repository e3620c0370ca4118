//! `countersign erase`: erases what is personal of somebody, or holds it.

use std::io::{self, Write};
use std::process::ExitCode;

use countersign_proto::v1::operator_client::OperatorClient;
use countersign_proto::v1::{DataSubject, EraseRequest, SetHoldRequest};

use crate::command::OK;
use crate::remote::{ExecutorArgs, timed};
use crate::text::one_line;

const EXAMPLES: &str = "\
Examples:
  countersign erase --tenant shop --subject customer-17 --reason \"request 2026-118\" \\
      --executor 127.0.0.1:7443 --tls ./operator --executor-id spiffe://shop.example/executor
  The same person as the shop's backend names them, for what colleagues did for them:
    countersign erase --tenant shop --subject customer-17 --owner customer_id=gid://shopify/Customer/17 …
  A legal hold: nothing of theirs is erased, or removed by its age, until it is released:
    countersign erase --tenant shop --subject customer-17 --hold \"case 9 of 2026\" …
    countersign erase --tenant shop --subject customer-17 --release \"case 9 has ended\" …

What is erased stays so: no copy of the store opens it any more, also where it was made before, but
for copies of the keys themselves. Actions stay known and are not done again; every receipt keeps
its place in the log and its proof. Reasons are logged: do not name the person in them.";

/// What `erase` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The tenant.
    #[arg(long)]
    tenant: String,
    /// The issuer's name for the person.
    #[arg(long, required_unless_present = "owner")]
    subject: Option<String>,
    /// Who vouches for that name; without it, each issuer of the tenant.
    #[arg(long, requires = "subject")]
    issuer: Option<String>,
    /// The backend's name for the person, as the contracts' claim has it.
    #[arg(long, value_name = "CLAIM=VALUE")]
    owner: Option<String>,
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    executor: ExecutorArgs,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct What {
    /// Erase, and why.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Begin a legal hold instead, and why.
    #[arg(long, value_name = "REASON")]
    hold: Option<String>,
    /// End a legal hold, and why.
    #[arg(long, value_name = "REASON")]
    release: Option<String>,
}

/// Does what the arguments say.
///
/// # Errors
/// When the executor cannot be reached or refuses.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(order(args))?;
    Ok(ExitCode::from(OK))
}

async fn order(args: Args) -> anyhow::Result<()> {
    let Args { tenant, subject, issuer, owner, what, executor } = args;
    let who = Some(DataSubject {
        tenant,
        issuer: issuer.unwrap_or_default(),
        subject: subject.unwrap_or_default(),
        owner: owner.unwrap_or_default(),
    });
    let mut operator = OperatorClient::new(executor.channel()?);
    let (done, receipts) = match (what.reason, what.hold, what.release) {
        (Some(reason), _, _) => {
            let answer = operator.erase(timed(EraseRequest { who, reason })).await;
            let answer = answer.map_err(|status| executor.refused(&status))?;
            ("Erased", answer.into_inner().receipt_ids)
        }
        (None, hold, release) => {
            let (holds, word) = if hold.is_some() { (true, "Held") } else { (false, "Released") };
            let reason = hold.or(release).unwrap_or_default();
            let answer = operator.set_hold(timed(SetHoldRequest { who, holds, reason })).await;
            let answer = answer.map_err(|status| executor.refused(&status))?;
            (word, answer.into_inner().receipt_ids)
        }
    };
    let receipts: Vec<_> = receipts.iter().map(|id| one_line(id)).collect();
    writeln!(io::stdout().lock(), "{done}. Receipts: {}", receipts.join(", "))?;
    Ok(())
}
