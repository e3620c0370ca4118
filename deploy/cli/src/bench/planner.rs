//! `countersign bench planner`: what the planner adds to a turn, and what it holds while many
//! conversations stream at once.
//!
//! ```text
//!            HTTP, SSE                mTLS gRPC
//! crowd ──▶ planner (a process) ──▶ stub executor (in this process)
//!                └──── HTTP ─────▶ stub model    (in this process)
//! ```

mod crowd;
mod direct;
mod figures;
mod stub;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::key::{LogKey, Signer as _};
use countersign_shared::tlog::merkle::leaf_hash;
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::{Value as Json, json};

use super::INTERRUPTED;
use super::process::{Running, Start, ready_file};
use crate::chat::jws::Signer;
use crate::command::OK;
use crate::pki::{Role, init_ca, issue};
use crate::{binaries, ed25519, logkey};
use crowd::Crowd;
use direct::Direct;
use figures::Report;
use stub::{Stub, Times};

const DOMAIN: &str = "bench.countersign.internal";
/// The frontend's key at the planner.
const KEY: &str = "a-key-of-the-benchmark-alone";
/// For all of it, beyond the time for which conversations are held open.
const PATIENCE: Duration = Duration::from_secs(600);
/// File handles of a conversation: its own connection and the model's, each with two ends here.
const HANDLES: u64 = 4;

const HELP: &str = "\
Overhead: turns one after the other, as a chat frontend asks for them (HTTP, server-sent events, the
whole conversation sent each time). A turn asks the executor for the tools, the model for a decision,
and the executor for a read; what is told is the turn's time at the frontend less the time spent
inside model and executor, which are stubs that answer at once. So HTTP, mutual TLS, gRPC, parsing
and the planner's own memory on disk are all in it. Beside it: the planner's processor time for a
turn, and what a program waits that asks the model and makes the read itself, over the same kinds of
connection: what is left of the turn's time then is what the planner adds on top of model and
executor as their clients know them.

Streaming: conversations are begun at a fixed pace, whatever became of those before, and the model
keeps each waiting until all are open. The time to the first byte counts from when each was due.

Examples:
  countersign bench planner
  countersign bench planner --conversations 200 --json";

/// What `bench planner` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Args {
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
    /// Turns of which the overhead is measured.
    #[arg(long, value_name = "N", default_value_t = 1000,
          value_parser = clap::value_parser!(u32).range(10..=100_000))]
    turns: u32,
    /// Conversations that stream at once; the planner takes 2048.
    #[arg(long, value_name = "N", default_value_t = 2000,
          value_parser = clap::value_parser!(u32).range(1..=2048))]
    conversations: u32,
    /// Conversations begun a second.
    #[arg(long, value_name = "N", default_value_t = 200,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pace: u32,
}

/// Measures and prints; Ctrl-C ends it cleanly.
///
/// # Errors
/// When something does not start.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    handles(u64::from(args.conversations))?;
    let folder = tempfile::Builder::new().prefix(".countersign-bench-").tempdir_in(".")?;
    let path = folder.path().canonicalize()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let mut running = Running::default();
        let ended = tokio::select! {
            ended = tokio::time::timeout(PATIENCE, session(args, &path, &mut running)) => {
                let hangs = |_| anyhow::anyhow!("not done after {} s: it hangs", PATIENCE.as_secs());
                ended.map_err(hangs).and_then(|ended| ended.map(Some))
            }
            interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| None).map_err(Into::into),
        };
        running.stop().await.and(ended)
    });
    drop(runtime);
    let Some(report) = ended? else { return Ok(ExitCode::from(INTERRUPTED)) };
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        writeln!(out, "{report}")?;
    }
    Ok(ExitCode::from(OK))
}

/// Takes as many file handles as the system gives.
fn handles(conversations: u64) -> anyhow::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    let wanted = conversations * HANDLES + 200;
    let given = limit.maximum.unwrap_or(u64::MAX);
    anyhow::ensure!(
        given >= wanted,
        "{conversations} conversations take {wanted} file handles and the system gives {given}: \
         raise `ulimit -n`, or ask for fewer --conversations"
    );
    Ok(())
}

async fn session(args: &Args, dir: &Path, running: &mut Running) -> anyhow::Result<Report> {
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    if build == "debug" {
        writeln!(io::stderr(), "This is a debug build: its figures mean little.")?;
    }
    let binaries = binaries::find(&["planner"])?;
    let (token, log) = lay_out(dir)?;
    let times = Arc::<Times>::default();
    let stub = Stub::start(dir, log, Arc::clone(&times)).await?;
    write(dir, "planner.yaml", &config(&stub))?;
    let ready = ready_file(dir, "planner");
    let arguments = vec![
        "--config".into(),
        dir.join("planner.yaml").into(),
        "--ready-file".into(),
        ready.clone().into(),
    ];
    let (program, own) = (binaries.path("planner"), binaries.own.as_path());
    let start = Start { name: "planner", program: &program, arguments, dir, own };
    let process = running.start(&start).await?;
    let direct = Direct::new(dir, &stub, &token)?;
    let crowd = Crowd::new(&chat(&ready)?, KEY, token)?;
    writeln!(io::stderr(), "{} turns, one after the other…", args.turns)?;
    // As a task: a frontend that waits in a thread of its own is woken later.
    let overhead = crowd.clone().overhead(args.turns, Arc::clone(&times), process.clone(), direct);
    let overhead = tokio::spawn(overhead).await??;
    writeln!(io::stderr(), "{} conversations, {} a second…", args.conversations, args.pace)?;
    let streaming = crowd.streaming(args.conversations, args.pace, &times, &process).await?;
    Ok(Report {
        at: jiff::Timestamp::now().strftime("%FT%TZ").to_string(),
        build,
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        overhead,
        streaming,
    })
}

/// Certificates and keys; answers with the subject's token and the newest checkpoint of a log.
fn lay_out(dir: &Path) -> anyhow::Result<(String, String)> {
    let pki = dir.join("pki");
    init_ca(&pki, DOMAIN)?;
    for role in [Role::Executor, Role::Planner] {
        issue(&pki, role, &pki)?;
    }
    fs::create_dir_all(dir.join("state"))?;
    write(dir, "frontend.keys", KEY)?;
    let log = LogKey::new("bench.countersign/log", ed25519::generate()?)?;
    let key = log.verifier_key();
    write(dir, "log.pub", &key.to_string())?;
    let checkpoint = Checkpoint::new(key.name(), 1, leaf_hash(b"the first"))?.sign(&log)?;
    write(dir, "cosign.key", &logkey::cosigner("bench.countersign/planner")?.private_pem)?;
    // The stub believes every token.
    let claims = json!({ "iss": "bench", "aud": "countersign", "sub": "ann" });
    let token = Signer::new(ed25519::generate()?, "bench").sign(&claims)?;
    Ok((token, checkpoint.to_string()))
}

fn write(dir: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = dir.join(name);
    fs::write(&path, text)
        .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o600)))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn config(stub: &Stub) -> String {
    let (executor, model) = (stub.executor, stub.model);
    format!(
        "\
listen: 127.0.0.1:0
admin: 127.0.0.1:0
tls: {{ cert: pki/planner/tls.crt, key: pki/planner/tls.key, ca: pki/planner/ca.crt }}
callers: []
executor: {{ address: \"{executor}\", id: \"spiffe://{DOMAIN}/executor\" }}
state: state
log: {{ keys: log.pub, cosign: {{ name: bench.countersign/planner, key: cosign.key }} }}
model: {{ kind: openai, url: \"http://{model}/v1\", name: stub, timeout: 300s }}
chat:
  listen: 127.0.0.1:0
  frontends:
    - name: bench
      keys: frontend.keys
      subject: {{ token: X-Subject-Token }}
      signs: true
      per_minute: 4000000000
      per_minute_each: 4000000000
"
    )
}

/// Where it serves chat, as its ready file says.
fn chat(ready: &Path) -> anyhow::Result<String> {
    let said: Json = serde_json::from_str(&fs::read_to_string(ready)?)?;
    let address = said.get("chat").and_then(Json::as_str);
    address.map(str::to_owned).context("the planner does not say where it serves chat")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_planner_takes_what_is_written_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let address = "127.0.0.1:9".parse().unwrap();
        let yaml = config(&Stub { executor: address, model: address });
        write(folder.path(), "planner.yaml", &yaml).unwrap();
        let file = folder.path().join("planner.yaml");
        let config = countersign_planner::config::Config::load(&file).unwrap();
        assert_eq!(config.model.servers().len(), 1);
        assert!(config.chat.is_some_and(|chat| chat.frontends.len() == 1));
    }
}
