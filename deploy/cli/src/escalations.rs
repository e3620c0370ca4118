//! `countersign escalations`: the matters that wait for a person.

mod page;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Subcommand;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use countersign_proto::v1::escalations_client::EscalationsClient;
use countersign_proto::v1::{
    Escalation, FinishEscalationRequest, GetEscalationRequest, ListEscalationsRequest,
    ReturnEscalationRequest, TakeEscalationRequest,
};
use countersign_shared::attest::{AUDIENCE, FinishClaims, FinishType};
use countersign_shared::mtls::Channel;
use jiff::Timestamp;

use crate::command::OK;
use crate::remote::{ExecutorArgs, timed};
use crate::signer::{SignerArgs, VALID};
use crate::text::{one_line, printable};

const FINISH_EXAMPLES: &str = "\
Example:
  countersign escalations finish esc_… --done --note \"cancelled it in the admin\" --as alice \\
      --issuer https://directory.shop.example --key alice.key --kid alice-1 \\
      --executor 127.0.0.1:7443 --tls ./approver --executor-id spiffe://shop.example/executor

For an action in doubt the executor reads the backend. Where it agrees with you, the action is settled
with a receipt and its object is free again; where it does not, nothing changes. The person, the
directory and the public key are those of people.yaml in the policy.";

/// List, show, take, return and finish matters.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the matters that wait, oldest first.
    List(ListArgs),
    /// Show one matter with everything that was handed over.
    Show(OneArgs),
    /// Say that you are at it.
    Take(TakeArgs),
    /// Give it back to everybody.
    Return(OneArgs),
    /// Say how it ended, signed.
    #[command(after_help = FINISH_EXAMPLES)]
    Finish(FinishArgs),
}

/// What `escalations list` takes.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Only matters of this tenant.
    #[arg(long)]
    tenant: Option<String>,
    /// Closed ones as well.
    #[arg(long)]
    all: bool,
    /// Print one JSON object a matter.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    executor: ExecutorArgs,
}

/// What `escalations show` and `escalations return` take.
#[derive(Debug, clap::Args)]
pub struct OneArgs {
    /// The matter: `esc_…`.
    id: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    executor: ExecutorArgs,
}

/// What `escalations take` takes.
#[derive(Debug, clap::Args)]
pub struct TakeArgs {
    /// Who is at it, where you take it over from them.
    #[arg(long, value_name = "PERSON", default_value = "", hide_default_value = true)]
    from: String,
    #[command(flatten)]
    who: WhoArgs,
}

/// Who works on which matter.
#[derive(Debug, clap::Args)]
pub struct WhoArgs {
    /// Who you are: your `id` in people.yaml.
    #[arg(long = "as", value_name = "PERSON")]
    person: String,
    #[command(flatten)]
    one: OneArgs,
}

/// What `escalations finish` takes.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("how").required(true).args(["done", "not_done"]))]
pub struct FinishArgs {
    /// What was asked for is done now.
    #[arg(long)]
    done: bool,
    /// It was not done, and nothing of it is there. Counts once what was sent can have no
    /// effect any more; until then you are told when.
    #[arg(long)]
    not_done: bool,
    /// What you did; goes into the receipt.
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    #[command(flatten)]
    signer: SignerArgs,
    #[command(flatten)]
    who: WhoArgs,
}

/// Does what the command says.
///
/// # Errors
/// When the executor cannot be reached or refuses, or a key cannot be used.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::List(args) => list(args).await,
            Command::Show(args) => {
                let found = get(&args).await?;
                tell(&args, &found)
            }
            Command::Take(args) => take(args).await,
            Command::Return(args) => give_back(&args).await,
            Command::Finish(args) => finish(&args).await,
        }
    })?;
    Ok(ExitCode::from(OK))
}

fn client(executor: &ExecutorArgs) -> anyhow::Result<EscalationsClient<Channel>> {
    Ok(EscalationsClient::new(executor.channel()?))
}

async fn list(args: ListArgs) -> anyhow::Result<()> {
    let ListArgs { tenant, all, json, executor } = args;
    let tenant = tenant.unwrap_or_default();
    let mut client = client(&executor)?;
    let mut ask = ListEscalationsRequest { tenant, closed: all, ..Default::default() };
    let mut found = Vec::new();
    loop {
        let page = client.list_escalations(timed(ask.clone())).await;
        let page = page.map_err(|status| executor.refused(&status))?.into_inner();
        found.extend(page.escalations);
        ask.page_token = page.next_page_token;
        if ask.page_token.is_empty() {
            break;
        }
    }
    let mut out = io::stdout().lock();
    if json {
        for one in &found {
            writeln!(out, "{}", page::json(one))?;
        }
        return Ok(());
    }
    if found.is_empty() {
        writeln!(out, "Nothing waits for a person.")?;
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["OPENED (UTC)", "WHY", "CODE", "TOOL", "FOR", "TAKEN BY", "MATTER"]);
    for one in &found {
        let opened = page::time(one.opened_at.as_ref());
        let cells =
            [&one.reason, &one.code, &one.tool, &one.subject, &one.taken_by, &one.escalation_id];
        table.add_row(std::iter::once(opened).chain(cells.map(|cell| one_line(cell))));
    }
    writeln!(out, "{}", table.trim_fmt())?;
    Ok(())
}

async fn get(args: &OneArgs) -> anyhow::Result<Escalation> {
    let request = timed(GetEscalationRequest { escalation_id: args.id.clone() });
    let answer = client(&args.executor)?.get_escalation(request).await;
    let answer = answer.map_err(|status| args.executor.refused(&status))?.into_inner();
    Ok(answer.escalation.unwrap_or_default())
}

async fn take(args: TakeArgs) -> anyhow::Result<()> {
    let TakeArgs { from, who: WhoArgs { person, one } } = args;
    let escalation_id = one.id.clone();
    let request = timed(TakeEscalationRequest { escalation_id, who: person, from });
    let answer = client(&one.executor)?.take_escalation(request).await;
    let answer = answer.map_err(|status| one.executor.refused(&status))?.into_inner();
    tell(&one, &answer.escalation.unwrap_or_default())
}

async fn give_back(one: &OneArgs) -> anyhow::Result<()> {
    let request = timed(ReturnEscalationRequest { escalation_id: one.id.clone() });
    let answer = client(&one.executor)?.return_escalation(request).await;
    let answer = answer.map_err(|status| one.executor.refused(&status))?.into_inner();
    tell(one, &answer.escalation.unwrap_or_default())
}

async fn finish(args: &FinishArgs) -> anyhow::Result<()> {
    let one = &args.who.one;
    let signer = args.signer.open()?;
    let claims = claims(args, &get(one).await?, Timestamp::now());
    let jws = signer.sign(&claims)?;
    let request = timed(FinishEscalationRequest { escalation_id: one.id.clone(), jws });
    let answer = client(&one.executor)?.finish_escalation(request).await;
    let answer = answer.map_err(|status| one.executor.refused(&status))?.into_inner();
    let found = answer.escalation.unwrap_or_default();
    if one.json {
        return tell(one, &found);
    }
    let mut out = io::stdout().lock();
    writeln!(out, "Finished. Receipt {}.", one_line(&found.closed_by_receipt_id))?;
    if let Some(action) = answer.action {
        writeln!(out, "The customer is told: {}", printable(&action.said))?;
    }
    Ok(())
}

fn claims(args: &FinishArgs, found: &Escalation, now: Timestamp) -> FinishClaims {
    let about = if found.action_id.is_empty() { &found.escalation_id } else { &found.action_id };
    FinishClaims {
        typ: FinishType::Finish,
        iss: args.signer.issuer.clone(),
        aud: AUDIENCE.to_owned(),
        sub: args.who.person.clone(),
        action: about.clone(),
        done: args.done,
        note: args.note.clone(),
        iat: now.as_second(),
        exp: now.as_second() + VALID,
    }
}

fn tell(args: &OneArgs, found: &Escalation) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", page::json(found))?;
    } else {
        page::write(&mut out, found)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::signer;

    fn parsed(more: &[&str]) -> Result<FinishArgs, clap::Error> {
        signer::parsed("esc_1", more)
    }

    #[test]
    fn a_person_says_one_of_two_things() {
        assert!(parsed(&[]).is_err());
        assert!(parsed(&["--done", "--not-done"]).is_err());
        assert!(!parsed(&["--not-done"]).unwrap().done);
    }

    #[test]
    fn the_word_is_about_the_action_where_there_is_one() {
        let args = parsed(&["--done"]).unwrap();
        let mut found = Escalation { escalation_id: "esc_1".into(), ..Escalation::default() };
        let about = |found: &Escalation| claims(&args, found, Timestamp::UNIX_EPOCH).action;
        assert_eq!(about(&found), "esc_1");
        found.action_id = "act_1".into();
        assert_eq!(about(&found), "act_1");
    }
}
