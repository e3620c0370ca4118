//! Where receipts come from: an executor, a log folder, exported lines, or a demo.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::bail;
use countersign_executor::ports::Files;
use countersign_shared::ids::ReceiptId;
use countersign_shared::mtls::SpiffeId;
use countersign_shared::receipt::Receipt;
use countersign_shared::tlog::key::VerifierKey;

use super::folder::Folder;
use super::lines::Lines;
use super::remote::{Remote, Unreachable};
use super::stopped::Stopped;
use super::{Filter, Logged};
use crate::audit::read_key;
use crate::demo::place::Place;

/// Where receipts are read from; exactly one of `--state`, `--log`, `--receipts` and `--executor`.
#[derive(Debug, clap::Args)]
#[group(id = "from", required = true, args = ["state", "log", "receipts", "executor"])]
pub(crate) struct SourceArgs {
    /// State folder of a demo, running or ended.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["log", "receipts", "executor", "tls", "executor_id", "key"])]
    state: Option<PathBuf>,
    /// A log folder, offline.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["executor", "tls", "executor_id"])]
    log: Option<PathBuf>,
    /// Receipts as JSON lines, as `receipts list --json` prints them: a file, or a folder of `.jsonl`
    /// files.
    #[arg(long, value_name = "FILE|DIR", conflicts_with_all = ["log", "executor", "tls", "executor_id", "key"])]
    receipts: Option<PathBuf>,
    /// Address of an executor, `host:port`.
    #[arg(long, value_name = "ADDRESS", requires = "tls", requires = "executor_id")]
    executor: Option<String>,
    /// Folder of an auditor's certificate: tls.crt, tls.key, ca.crt.
    #[arg(long, value_name = "DIR", requires = "executor")]
    tls: Option<PathBuf>,
    /// The executor's identity: `spiffe://…`.
    #[arg(long, value_name = "SPIFFE", requires = "executor")]
    executor_id: Option<SpiffeId>,
    /// The log's public key, or a file that holds it: receipts are then checked against the log.
    #[arg(long, value_name = "KEY|FILE")]
    key: Option<String>,
}

/// An open source.
pub(crate) struct Source {
    from: From,
    key: Option<VerifierKey>,
}

enum From {
    Executor(Remote),
    Folder(Folder),
    Lines(Lines),
    /// A store of an executor that is stopped, and the log that it published.
    Stopped(Stopped, Folder),
}

impl Source {
    /// Opens what the arguments name.
    pub(crate) async fn open(args: SourceArgs) -> anyhow::Result<Self> {
        let key = args.key.as_deref().map(read_key).transpose()?;
        if let Some(lines) = &args.receipts {
            return Ok(Self { from: From::Lines(Lines::open(lines)?), key });
        }
        let from = match (args.state, args.log, args.executor, args.tls, args.executor_id) {
            (Some(state), ..) => return Self::of_demo(&Place::read(&state)?).await,
            (None, Some(log), ..) => From::Folder(Folder::open(&log)?),
            (None, None, Some(address), Some(tls), Some(id)) => {
                From::Executor(Remote::connect(&address, &tls, id)?)
            }
            (None, None, _, _, _) => {
                anyhow::bail!(
                    "say where to read from: --state DIR, --log DIR, --receipts FILE, or --executor with --tls and --executor-id"
                )
            }
        };
        Ok(Self { from, key })
    }

    /// A running executor.
    pub(crate) fn of_executor(address: &str, tls: &Path, id: SpiffeId) -> anyhow::Result<Self> {
        Ok(Self { from: From::Executor(Remote::connect(address, tls, id)?), key: None })
    }

    /// A demo's executor while it runs, its store afterwards; its log where that is not ours.
    pub(crate) async fn of_demo(place: &Place) -> anyhow::Result<Self> {
        let key = Some(read_key(&place.log_key)?);
        let executor = &place.executor;
        let remote = Remote::connect(&executor.address, &place.auditor, executor.id.parse()?)?;
        match remote.reach().await {
            Ok(()) => Ok(Self { from: From::Executor(remote), key }),
            Err(Unreachable) => {
                let folder = Folder::open(&place.log)?;
                let config = place.state.join("executor/executor.yaml");
                let (what, from) = match Stopped::read(&config).await {
                    Ok(store) => ("store", From::Stopped(store, folder)),
                    Err(_not_ours) => {
                        ("log, where personal values are covered", From::Folder(folder))
                    }
                };
                writeln!(io::stderr(), "The demo is not running: reading its {what}.")?;
                Ok(Self { from, key })
            }
        }
    }

    /// The log's key, where it is known.
    pub(crate) fn key(&self) -> Option<&VerifierKey> {
        self.key.as_ref()
    }

    /// Receipts that match, newest first.
    pub(crate) async fn list(&self, filter: &Filter, limit: u32) -> anyhow::Result<Vec<Logged>> {
        match &self.from {
            From::Executor(remote) => remote.list(filter, limit).await,
            From::Folder(folder) => folder.list(filter, limit),
            From::Lines(lines) => lines.list(filter, limit),
            From::Stopped(store, _) => Ok(store.list(filter, limit)),
        }
    }

    /// One receipt.
    pub(crate) async fn get(&self, id: &ReceiptId) -> anyhow::Result<Logged> {
        match &self.from {
            From::Executor(remote) => remote.get(id).await,
            From::Folder(folder) => folder.get(id),
            From::Lines(lines) => lines.get(id),
            From::Stopped(store, _) => store.get(id),
        }
    }

    /// The text of a `.tlog-proof` file for it, unchecked.
    pub(crate) async fn proof(&self, logged: &Logged) -> anyhow::Result<String> {
        match &self.from {
            From::Executor(remote) => remote.proof(&logged.receipt.receipt_id).await,
            From::Folder(folder) | From::Stopped(_, folder) => folder.proof(logged.index),
            From::Lines(_) => bail!("lines prove nothing: read from the log, or from the executor"),
        }
    }

    /// Every receipt, newest first.
    pub(crate) async fn every(&self) -> anyhow::Result<Vec<Receipt>> {
        let all = self.list(&Filter::default(), u32::MAX).await?;
        Ok(all.into_iter().map(|logged| logged.receipt).collect())
    }

    /// Every receipt as JSON, opened as far as it can be.
    pub(crate) async fn bodies(&self) -> anyhow::Result<Vec<Vec<u8>>> {
        match &self.from {
            From::Lines(lines) => Ok(lines.bodies().to_vec()),
            From::Executor(_) | From::Folder(_) | From::Stopped(..) => {
                let all = self.list(&Filter::default(), u32::MAX).await?;
                all.iter().map(|logged| Ok(serde_json::to_vec(&logged.receipt)?)).collect()
            }
        }
    }

    /// Every policy and pack that an executor keeps, by digest.
    pub(crate) async fn bundles(&self) -> anyhow::Result<BTreeMap<String, Files>> {
        match &self.from {
            From::Executor(remote) => remote.bundles().await,
            From::Stopped(store, _) => Ok(store.bundles()),
            From::Folder(_) | From::Lines(_) => bail!(
                "receipts alone do not hold what decided them: say --bundles DIR, which \
                 `countersign audit bundles` writes"
            ),
        }
    }
}
