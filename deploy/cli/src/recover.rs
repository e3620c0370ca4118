//! `countersign recover`: brings back what a restored store has forgotten.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use countersign_core::policy;
use countersign_executor::config::Config;
use countersign_executor::log::LogKeys;
use countersign_executor::restore::{EPOCH, Evidence, GAP, Plan, close_gap, gap_change};
use countersign_executor::run::alone;
use countersign_executor::standing::{Quarantine, Standing};
use countersign_executor::store::{self, Past, Restored};
use countersign_shared::tlog::key::Signer as _;
use jiff::Timestamp;

use crate::command::{FAILED, OK};
use crate::signatures::{Signatures, judge};

const HELP: &str = "\
Stop the executor first, all of them where several share a database. Name everything that kept receipts; each is checked against the log's key,
and what is not proved is not used:
  the published log folder (STATE/log), or an auditor's copy of one
  the state folder of every planner (`state` in planner.yaml)
  receipts with their proofs: X.json beside X.tlog-proof, as `receipts show` prints them

Examples:
  countersign recover --executor executor.yaml --restored --from state/log --from planner-state --dry-run
  countersign recover --executor executor.yaml --restored --from state/log --from planner-state

With --restored you say that the store is a restored copy: it may bear no mark, and nothing newer
may be left than it. What was under way when the old store was lost has no receipt then either.
Where nothing kept receipts, leave --from out. Say it also where keys of persons (keys.db) alone
were lost: nothing else shows that, and what only they open is ended.

Where receipts stay missing, or nothing shows where the log had ended, it begins a new epoch, which
operators of the active policy sign, as many as it asks for a change of itself. Each runs, with the
same --from:
  countersign recover --executor executor.yaml --restored --from … --by alice --key alice.key

Afterwards each effect is looked for before it is first sent, because some may have no receipt. Once
nothing of that time can be asked for again, an operator ends that:
  countersign recover --executor executor.yaml --close-gap --by alice --key alice.key";

/// What each who signs a new epoch has to repeat.
const SAME: &str = ", with the same --from";

/// What `recover` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    /// The executor's configuration.
    #[arg(long, value_name = "FILE")]
    executor: PathBuf,
    /// A log folder, a planner's state folder, or receipts with proofs. Again for each.
    #[arg(long, value_name = "PATH", required_unless_present_any = ["restored", "close_gap"])]
    from: Vec<PathBuf>,
    /// The store is a restored copy, or keys of persons were lost, whether anything shows it or not.
    #[arg(long)]
    restored: bool,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// End the time in which effects are looked for before they are sent.
    #[arg(long, conflicts_with_all = ["from", "restored", "dry_run"])]
    close_gap: bool,
    /// Who you are: your `id` in people.yaml of the active policy.
    #[arg(long, value_name = "PERSON", requires = "key")]
    by: Option<String>,
    /// Your private key: Ed25519, PKCS#8 PEM.
    #[arg(long, value_name = "FILE", requires = "by")]
    key: Option<PathBuf>,
    /// Why; goes into the receipt.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// Does what the arguments say.
///
/// # Errors
/// When the executor runs, evidence is not proved, or the store cannot be used.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.executor)?;
    let _alone = alone(&config.state)?;
    let keys = LogKeys::open(&config.log)?;
    let store = store::past(&config, &keys).with_context(|| store::place(&config))?;
    let own = args.by.as_deref().zip(args.key.as_deref());
    let judge = judge(&*store, &config)?;
    let signatures = Signatures { config: &config, judge, own, reason: &args.reason };
    let house = House { args, signatures };
    if args.close_gap {
        return house.close_gap(store, &keys);
    }
    let evidence = Evidence::gather(&args.from, &keys)?;
    let plan = Plan::of(&*store, evidence, &keys)?;
    house.recover(store, plan, &keys)
}

/// What a recovery is decided with.
struct House<'a> {
    args: &'a Args,
    signatures: Signatures<'a>,
}

impl House<'_> {
    fn recover(
        &self,
        mut store: Box<dyn Past>,
        plan: Plan,
        keys: &LogKeys,
    ) -> anyhow::Result<ExitCode> {
        let mut out = io::stdout().lock();
        let quarantine = store.standing().quarantine.clone();
        describe(&mut out, &plan, quarantine.as_ref())?;
        let shown = quarantine.is_some() || !plan.complete || !plan.back.is_empty();
        if !shown && !self.args.restored {
            writeln!(out, "Nothing shows that this store went back. Nothing was changed.")?;
            writeln!(out, "Is it a restored copy? Then what was under way has no receipt either.")?;
            writeln!(
                out,
                "Were keys of persons lost? Then nobody can read what they open. In both"
            )?;
            writeln!(out, "cases, run this with --restored before you start the executor.")?;
            return Ok(ExitCode::from(FAILED));
        }
        if self.args.dry_run {
            writeln!(out, "Nothing was changed.")?;
            return Ok(ExitCode::from(OK));
        }
        let mut by = Vec::new();
        if !plan.complete {
            let judge = &self.signatures.judge;
            let needed = judge.settings().activation.needed(policy::Part::Policy) as usize;
            let since = quarantine.as_ref().map(|q| q.since);
            by = self.signatures.collect((EPOCH, &plan.old, &plan.new), since)?;
            if !self.signatures.enough(&mut out, &by, needed, SAME)? {
                return Ok(ExitCode::from(FAILED));
            }
        }
        let key = keys.of(plan.epoch)?;
        let (now, complete) = (Timestamp::now(), plan.complete);
        let (restoration, standing) = plan.restoration(by, now);
        let done = store.restore(&restoration, &standing, &key, now)?;
        summary(&mut out, &done, &standing, restoration.back.len())?;
        if !complete {
            writeln!(out, "The log is another one from now on. Give auditors its new key:")?;
            writeln!(out, "  {}", key.verifier_key())?;
        }
        writeln!(out, "Start the executor.")?;
        Ok(ExitCode::from(OK))
    }

    fn close_gap(&self, mut store: Box<dyn Past>, keys: &LogKeys) -> anyhow::Result<ExitCode> {
        let mut out = io::stdout().lock();
        let standing = store.standing().clone();
        ensure!(standing.quarantine.is_none(), "the store is in quarantine: recover it first");
        let Some(gap) = &standing.gap else {
            writeln!(out, "Nothing to do: no effect is looked for before it is sent.")?;
            return Ok(ExitCode::from(OK));
        };
        let (old, new) = gap_change(gap);
        let by = self.signatures.collect((GAP, &old, &new), Some(gap.since))?;
        if !self.signatures.enough(&mut out, &by, 1, "")? {
            return Ok(ExitCode::from(FAILED));
        }
        let now = Timestamp::now();
        let (restoration, after) = close_gap(gap, by, &standing, now);
        store.restore(&restoration, &after, &keys.of(after.epoch)?, now)?;
        writeln!(out, "Closed. From the next start on nothing is looked for before it is sent.")?;
        Ok(ExitCode::from(OK))
    }
}

fn describe(out: &mut impl Write, plan: &Plan, quarantine: Option<&Quarantine>) -> io::Result<()> {
    if let Some(quarantine) = quarantine {
        writeln!(out, "In quarantine since {}: {}.", quarantine.since, quarantine.why)?;
    }
    writeln!(out, "The store's log:  {}", plan.old)?;
    writeln!(out, "Receipts that come back: {}", plan.back.len())?;
    if plan.complete {
        writeln!(out, "None is missing up to the newest checkpoint known: the log goes on.")
    } else {
        writeln!(out, "Receipts known to be missing: {}", plan.missing)?;
        writeln!(out, "The log begins a new epoch: {}", plan.new)
    }
}

fn summary(
    out: &mut impl Write,
    done: &Restored,
    standing: &Standing,
    back: usize,
) -> io::Result<()> {
    let missing = standing.gap.as_ref().map_or(0, |gap| gap.missing);
    writeln!(out, "Brought back: {back} receipts, with the keys of {} actions.", done.keys)?;
    writeln!(out, "In doubt, with their objects locked: {}. People settle them:", done.frozen)?;
    writeln!(out, "  countersign escalations list …")?;
    writeln!(out, "Ended, to be asked again: {}.", done.ended)?;
    writeln!(out, "Missing: {missing}.")?;
    writeln!(out, "The quarantine is over. Each effect is looked for before it is first sent,")?;
    writeln!(out, "until an operator runs `countersign recover --close-gap`.")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::path::Path;
    use std::sync::Arc;

    use countersign_core::seal;
    use countersign_executor::ports::{ReceiptQuery, Store as _};
    use countersign_executor::store::sqlite::Sqlite;
    use countersign_shared::ids::ReceiptId;
    use countersign_shared::receipt::Change;
    use countersign_shared::tlog::folder::Publisher;
    use uuid::Uuid;

    use super::*;

    /// A deployment with one receipt, all of it published, and no mark of a backup.
    async fn deployment(dir: &Path) -> Config {
        crate::init::write(dir).unwrap();
        let config = Config::load(&dir.join("executor.yaml")).unwrap();
        let store = store(&config, 1);
        let (what, [old, new, reason, note]) = ("switch/all".to_owned(), Default::default());
        let change = Change { what, old, new, reason, by: Vec::new(), note };
        let id = ReceiptId::from_uuid(Uuid::now_v7());
        store.seal(seal::changed(change, &id, Timestamp::now()), None).await.unwrap();
        let key = LogKeys::open(&config.log).unwrap().of(1).unwrap().verifier_key();
        Publisher::new(&config.state.join("log"), key).publish(&store.log_source()).unwrap();
        config
    }

    fn store(config: &Config, epoch: u32) -> Sqlite {
        let key = LogKeys::open(&config.log).unwrap().of(epoch).unwrap();
        std::fs::create_dir_all(&config.state).unwrap();
        Sqlite::open(&config.state.join("executor.db"), None, Arc::new(key)).unwrap()
    }

    fn recover(dir: &Path, from: Option<PathBuf>, restored: bool, dry_run: bool) -> bool {
        let args = Args {
            executor: dir.join("executor.yaml"),
            from: from.into_iter().collect(),
            restored,
            dry_run,
            close_gap: false,
            by: None,
            key: None,
            reason: String::new(),
        };
        run(&args).unwrap() == ExitCode::from(OK)
    }

    /// Whether a gap is open, and what the receipts since the first one say.
    async fn after(config: &Config, epoch: u32) -> (bool, Vec<String>) {
        let store = store(config, epoch);
        let query = ReceiptQuery { limit: 9, ..ReceiptQuery::default() };
        let all = store.receipts(query).await.unwrap();
        let said = all.iter().filter(|sealed| sealed.index > 0).map(|sealed| sealed.open());
        let said = said.map(|receipt| receipt.unwrap().change.unwrap().what).collect();
        (store.standing().await.unwrap().gap.is_some(), said)
    }

    #[tokio::test]
    async fn a_restored_copy_that_nothing_shows_is_told_by_its_operator() {
        let folder = tempfile::tempdir().unwrap();
        let config = deployment(folder.path()).await;
        let log = || Some(config.state.join("log"));
        assert!(!recover(folder.path(), log(), false, false), "it says what it needs");
        assert!(recover(folder.path(), log(), true, true));
        assert_eq!(after(&config, 1).await, (false, vec![]), "a healthy store is left alone");
        assert!(recover(folder.path(), log(), true, false));
        assert_eq!(after(&config, 1).await, (true, vec!["log/recovery".to_owned()]));
    }

    #[tokio::test]
    async fn where_keys_of_persons_alone_are_lost_the_operator_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let config = deployment(folder.path()).await;
        std::fs::remove_file(config.state.join("keys.db")).unwrap();
        let log = || Some(config.state.join("log"));
        assert!(!recover(folder.path(), log(), false, false), "nothing shows it");
        assert!(recover(folder.path(), log(), true, false));
        assert_eq!(after(&config, 1).await, (true, vec!["log/recovery".to_owned()]));
    }

    #[tokio::test]
    async fn where_nothing_kept_receipts_the_log_begins_a_new_epoch() {
        let folder = tempfile::tempdir().unwrap();
        let config = deployment(folder.path()).await;
        assert!(recover(folder.path(), None, true, false));
        assert_eq!(after(&config, 2).await, (true, vec!["log/epoch".to_owned()]));
    }
}
