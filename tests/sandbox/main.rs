//! The sandbox as a process: `sandbox --listen 127.0.0.1:0 --tokens demo=secret`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use countersign_tests::sandbox::{Config, Credentials, Fault, Sandbox};
use tokio::signal::unix::{SignalKind, signal};

/// A sandbox shop that speaks Shopify's Admin GraphQL API and Stripe's API v1. Nothing in it is real.
#[derive(Debug, Parser)]
#[command(name = "sandbox", version)]
struct Arguments {
    /// Loopback address to listen on; port 0 picks a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Writes the chosen port into this file once it listens.
    #[arg(long, value_name = "PATH")]
    port_file: Option<PathBuf>,
    /// An access token as NAME=TOKEN, or a file with one such line per token. Repeatable.
    #[arg(long, value_name = "NAME=TOKEN|FILE")]
    tokens: Vec<String>,
    /// An access token that is the whole content of a file. Repeatable.
    #[arg(long, value_name = "NAME=FILE")]
    credential: Vec<String>,
}

fn main() -> anyhow::Result<()> {
    let matches = Arguments::command().after_help(faults_help()).get_matches();
    let arguments = Arguments::from_arg_matches(&matches)?;
    tokio::runtime::Runtime::new().context("cannot start the runtime")?.block_on(run(arguments))
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let credentials = credentials(&arguments)?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let sandbox = Sandbox::start(Config { listen: arguments.listen, credentials }).await?;
    if let Some(path) = &arguments.port_file {
        write_port(path, sandbox.address().port())?;
    }
    let mut out = std::io::stdout();
    writeln!(out, "sandbox listening on {}", sandbox.base_url())?;
    out.flush()?;
    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
    }
    Ok(())
}

/// Whoever waits for the file never reads half of it.
fn write_port(path: &std::path::Path, port: u16) -> anyhow::Result<()> {
    let unfinished = path.with_extension("part");
    std::fs::write(&unfinished, format!("{port}\n"))
        .and_then(|()| std::fs::rename(&unfinished, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn credentials(arguments: &Arguments) -> anyhow::Result<Credentials> {
    let mut known = Credentials::default();
    for given in &arguments.tokens {
        let lines = match given.contains('=') {
            true => given.clone(),
            false => read(given)?,
        };
        for line in
            lines.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            // The line is not shown: it may be a token.
            let (name, token) =
                line.split_once('=').context("a line of --tokens is not NAME=TOKEN")?;
            known.add(name.trim(), token);
        }
    }
    for given in &arguments.credential {
        let (name, file) = given.split_once('=').context("--credential wants NAME=FILE")?;
        known.add(name, &read(file)?);
    }
    anyhow::ensure!(
        !known.is_empty(),
        "no token is known; give --tokens NAME=TOKEN or --credential NAME=FILE"
    );
    Ok(known)
}

fn read(path: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}

fn faults_help() -> String {
    let mut help = String::from(
        "Faults, ordered with POST /sandbox/faults {\"fault\": NAME, \"times\": 1}:\n",
    );
    for fault in Fault::ALL {
        let _infallible = writeln!(help, "  {:<18} {}", fault.name(), fault.about());
    }
    help
}
