//! `contracts try`: a tool's reads against the live service, and of a write
//! everything up to the sending.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use countersign_core::contract::{Body, Catalog, Contract, ReadBody};
use countersign_core::dispatch::Account;
use countersign_core::error::Refused;
use countersign_core::expr::Scope;
use countersign_core::verify::Sight;
use countersign_executor::config::Config;
use countersign_executor::connector::Connections;
use countersign_executor::driver::Driver;
use countersign_executor::ports::{Backends, Clock, SystemClock};
use countersign_executor::vault::Vault;
use serde_json::Value as Json;

use super::backend::{Exchange, Live};
use super::rehearsal::{Rehearsal, Stage, arguments};
use super::{catalog, load, show, subject, tool, unasked};

/// `countersign contracts try`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The pack's folder.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The tool, with or without the pack's name.
    tool: String,
    /// The executor's configuration: connections and credentials.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The tenant whose connection is used.
    #[arg(long)]
    tenant: String,
    /// For whom: {"id": "c1", "customer_id": "…"}.
    #[arg(long, value_name = "JSON", value_parser = json)]
    subject: Json,
    /// The resolved arguments: {"order_id": "…"}.
    #[arg(long, value_name = "JSON", value_parser = json, default_value = "{}")]
    args: Json,
}

fn json(text: &str) -> Result<Json, serde_json::Error> {
    serde_json::from_str(text)
}

/// Does the reads and shows everything; true where no rule says no.
pub(super) async fn run(args: &Args) -> anyhow::Result<bool> {
    let catalog = Arc::new(catalog(load(&args.dir)?)?);
    let contract = tool(&catalog, &args.tool)?;
    let connections = connections(args, &catalog)?;
    let account = Backends::account(&connections, &args.tenant, &contract.pack.name)
        .context("the connection has no account")?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let subject = subject(&args.tenant, &args.subject, clock.now())?;
    let live = Arc::new(Live::new(connections));
    let backends = Arc::clone(&live) as Arc<dyn Backends>;
    let driver = Driver::new(Arc::clone(&catalog), backends, Arc::clone(&clock));
    let stage = Stage { driver, policy: unasked::policy()?, subject, clock };
    let mut out = io::stdout().lock();
    writeln!(out, "{} as {} at {}\n", contract.tool, stage.subject.id, account.account)?;
    let done = match &contract.body {
        Body::Read(read) => try_read(&mut out, &live, &stage, contract, read, args).await?,
        Body::Write(_) => try_write(&mut out, &live, &stage, contract, args, account).await?,
    };
    match done {
        Ok(()) => Ok(true),
        Err(refused) => {
            exchanges(&mut out, &live)?;
            if !refused.findings.is_empty() {
                writeln!(out, "{}", show::section("gates", &show::findings(&refused.findings)))?;
            }
            writeln!(out, "{}", show::section("refused", &said(&refused)))?;
            Ok(false)
        }
    }
}

/// The one connection that is needed.
fn connections(args: &Args, catalog: &Catalog) -> anyhow::Result<Connections> {
    let config = Config::load(&args.config)?;
    let wanted: Vec<_> = config
        .connections
        .iter()
        .filter(|c| c.tenant == args.tenant && catalog.packs.contains_key(&c.pack))
        .cloned()
        .collect();
    if wanted.is_empty() {
        let packs: Vec<_> = catalog.packs.keys().map(String::as_str).collect();
        anyhow::bail!(
            "{} has no connection of tenant {} to {}: add one to `connections`",
            args.config.display(),
            args.tenant,
            packs.join(", "),
        );
    }
    let vault = Vault::open(&config.credentials)?;
    Connections::build(&wanted, catalog, &vault).map_err(|problems| {
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{}", lines.join("\n"))
    })
}

type Done = anyhow::Result<Result<(), Refused>>;

async fn try_read(
    out: &mut impl Write,
    live: &Live,
    stage: &Stage,
    contract: &Contract,
    read: &ReadBody,
    args: &Args,
) -> Done {
    let fetched = match arguments(contract, &args.args) {
        Ok(arguments) => stage.driver.fetch(&stage.subject, contract, &arguments).await,
        Err(refused) => Err(refused),
    };
    let value = match fetched {
        Ok(value) => value,
        Err(refused) => return Ok(Err(refused)),
    };
    exchanges(out, live)?;
    let labels = read.output.labels(&value);
    writeln!(out, "{}", show::section("output", &show::labelled(&value.to_json(), &labels)))?;
    if let Some(say) = &read.say {
        let text = say.render(&Scope::of(&value)).unwrap_or_else(|error| error.to_string());
        writeln!(out, "{}", show::section("said to the customer", &text))?;
    }
    Ok(Ok(()))
}

async fn try_write(
    out: &mut impl Write,
    live: &Live,
    stage: &Stage,
    contract: &Contract,
    args: &Args,
    account: Account,
) -> Done {
    let ready = match rehearse(stage, contract, &args.args, account).await {
        Ok(ready) => ready,
        Err(refused) => return Ok(Err(refused)),
    };
    exchanges(out, live)?;
    let proposal = ready.proposal();
    let state = format!("{:#}", proposal.state().to_json());
    writeln!(out, "{}", show::section("state that a yes is bound to", &state))?;
    writeln!(out, "{}", show::section("gates", &show::findings(proposal.findings())))?;
    writeln!(out, "{}", show::section("card", proposal.card()))?;
    let dispatch = match ready.dispatch() {
        Ok(dispatch) => dispatch,
        Err(refused) => return Ok(Err(refused)),
    };
    let request = show::request(dispatch.request());
    writeln!(out, "{}", show::section("would be sent; nothing was sent", &request))?;
    let look = stage.driver.look(dispatch, contract).await;
    exchanges(out, live)?;
    writeln!(out, "{}", show::section("look", &seen(&look.sight)))?;
    Ok(Ok(()))
}

async fn rehearse<'c>(
    stage: &Stage,
    contract: &'c Contract,
    given: &Json,
    account: Account,
) -> Result<Rehearsal<'c>, Refused> {
    let arguments = arguments(contract, given)?;
    let proposed = Rehearsal::propose(stage, contract, &arguments).await?;
    let cleared = proposed.claim(stage, None)?.gate(stage).await?;
    cleared.intend(account, stage.clock.now())
}

fn exchanges(out: &mut impl Write, live: &Live) -> io::Result<()> {
    for Exchange { tool, request, answer } in live.exchanges() {
        let text = format!("{}\n\nanswer: {answer}", show::request(&request));
        writeln!(out, "{}", show::section(&format!("read {tool}"), &text))?;
    }
    Ok(())
}

fn said(refused: &Refused) -> String {
    format!("{refused}\nsaid to the customer: {}", refused.say)
}

/// Before anything was sent, finding nothing of ours is right.
fn seen(sight: &Sight) -> String {
    match sight {
        Sight::Absent { .. } => {
            "nothing of ours is there, as it should be before the sending".to_owned()
        }
        Sight::Many { count } => {
            format!("{count} effects already look like ours: `find` is too wide")
        }
        Sight::Unreadable { why } => format!("cannot be read: {why}"),
        Sight::Right { facts, .. }
        | Sight::Wrong { facts }
        | Sight::Pending { facts }
        | Sight::Failed { facts } => {
            format!(
                "something already looks like ours, before the sending: `find` is too wide\n{facts}"
            )
        }
    }
}
