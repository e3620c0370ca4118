//! `countersign audit export`: a log, or some of it, for an auditor to take away.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{Context, anyhow, bail, ensure};
use countersign_proto::v1::ListReceiptsRequest;
use countersign_proto::v1::audit_client::AuditClient;
use countersign_shared::mtls::{Material, MaterialFiles, SpiffeId, channel};
use countersign_shared::receipt::Receipt;
use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::folder::{CHECKPOINT, COSIGNED};
use countersign_shared::tlog::lookup::tile_bytes;
use countersign_shared::tlog::note::Note;
use countersign_shared::tlog::rotation::claimed;
use countersign_shared::tlog::tile::{Tile, TileKind, decode_entries};
use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::kit::{Disclosed, EXPORT, Extent, RECEIPTS, VERSION};
use super::tar;
use crate::command::OK;
use crate::remote::{LARGEST, refused, timed};

pub(super) const HELP: &str = "\
Examples:
  countersign audit export ./log-of-november --log state/log --from 2026-11-01 --to 2026-12-01
  countersign audit export everything.tar --log state/log
  countersign audit export complaint.tar --log state/log --from 4711 --to 4720 \\
      --executor executor.example:7443 --tls ./auditor --executor-id spiffe://shop.example/executor

Then, wherever it was taken:
  countersign audit verify ./log-of-november --key log.pub

The key is not in it, on purpose: a key that comes with the data vouches for nothing.";

/// Receipts of one page.
const PAGE: u32 = 500;

/// What `audit export` takes.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// The folder to make; an archive where its name ends with `.tar`.
    out: PathBuf,
    /// The published log folder.
    #[arg(long, value_name = "DIR")]
    log: PathBuf,
    /// The first entry, or the time from which on entries were sealed (UTC).
    #[arg(long, value_name = "INDEX|DATE|TIME")]
    from: Option<Bound>,
    /// The first entry, or time, that is left out again.
    #[arg(long, value_name = "INDEX|DATE|TIME")]
    to: Option<Bound>,
    /// Address of the executor, `host:port`: what it discloses of the entries is put beside them.
    #[arg(long, value_name = "ADDRESS", requires = "tls", requires = "executor_id")]
    executor: Option<String>,
    /// Folder of an auditor's certificate: tls.crt, tls.key, ca.crt.
    #[arg(long, value_name = "DIR", requires = "executor")]
    tls: Option<PathBuf>,
    /// The executor's identity: `spiffe://…`.
    #[arg(long, value_name = "SPIFFE", requires = "executor")]
    executor_id: Option<SpiffeId>,
}

/// An end of the extract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Entry(u64),
    Time(Timestamp),
}

impl FromStr for Bound {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map(Self::Entry).map_err(|_| "too large an index".to_owned());
        }
        if let Ok(date) = text.parse::<Date>() {
            let midnight = date.to_zoned(TimeZone::UTC).map_err(|error| error.to_string())?;
            return Ok(Self::Time(midnight.timestamp()));
        }
        let time = text.parse().map(Self::Time);
        time.map_err(|_| "write an index, 2026-11-30, or 2026-11-30T12:00:00Z".to_owned())
    }
}

pub(super) fn run(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    ensure!(!args.out.exists(), "{} is there already: take another name", args.out.display());
    let log = Log::open(&args.log)?;
    let range = log.range(args.from, args.to)?;
    let mut sink = Sink::create(&args.out)?;
    let bundles = log.copy(&range, &mut sink)?;
    let extent = Extent { v: VERSION, from: range.start, to: range.end };
    sink.put(EXPORT, serde_json::to_string(&extent)?.as_bytes())?;
    let disclosed = match (&args.executor, &args.tls, &args.executor_id) {
        (Some(address), Some(tls), Some(id)) => {
            let lines = disclosed(address, tls, id.clone(), &range)?;
            sink.put(RECEIPTS, lines.0.as_bytes())?;
            lines.1
        }
        (..) => 0,
    };
    sink.end()?;
    let mut out = io::stdout().lock();
    writeln!(out, "Wrote {}:", args.out.display())?;
    writeln!(out, "  log      {}, {} entries", log.checkpoint.origin(), log.checkpoint.size())?;
    writeln!(out, "  entries  {} to before {}, in {bundles} bundles", range.start, range.end)?;
    if args.executor.is_some() {
        writeln!(out, "  shown    {disclosed} receipts, as the executor discloses them")?;
    }
    writeln!(out, "Nothing was checked yet: that is for `countersign audit verify`.")?;
    Ok(ExitCode::from(OK))
}

/// A published log at its checkpoint, which may go on growing.
struct Log<'d> {
    dir: &'d Path,
    note: Vec<u8>,
    checkpoint: Checkpoint,
}

impl<'d> Log<'d> {
    fn open(dir: &'d Path) -> anyhow::Result<Self> {
        let path = dir.join(CHECKPOINT);
        let note = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let parsed = Note::parse(&note).with_context(|| path.display().to_string())?;
        let checkpoint = Checkpoint::parse(parsed.text())?;
        Ok(Self { dir, note, checkpoint })
    }

    fn tile(&self, tile: Tile) -> anyhow::Result<Vec<u8>> {
        let path = tile.path();
        let found = tile_bytes(self.dir, tile).with_context(|| path.clone())?;
        found.ok_or_else(|| anyhow!("{path} is missing in {}", self.dir.display()))
    }

    fn tiles(&self, kind: TileKind) -> impl Iterator<Item = Tile> + use<> {
        let (full, partial) = Tile::layout(kind, self.checkpoint.size());
        (0..full).map(move |index| Tile::full(kind, index)).chain(partial)
    }

    /// The entries between the two bounds.
    fn range(&self, from: Option<Bound>, to: Option<Bound>) -> anyhow::Result<Range<u64>> {
        let size = self.checkpoint.size();
        let by_time = [from, to].iter().any(|bound| matches!(bound, Some(Bound::Time(_))));
        let (mut first, mut end) = (None, 0);
        if by_time {
            for bundle in self.tiles(TileKind::Entries) {
                let bytes = self.tile(bundle)?;
                let entries = decode_entries(&bytes, bundle.width.into());
                for (index, entry) in (bundle.leaf(0)..).zip(entries) {
                    let receipt: Receipt = serde_json::from_slice(entry?)
                        .with_context(|| format!("entry {index} is no receipt"))?;
                    let at = receipt.sealed_at;
                    let after = from.is_none_or(|from| from.is_before(index, at));
                    if after && to.is_none_or(|to| !to.is_before(index, at)) {
                        first.get_or_insert(index);
                        end = index + 1;
                    }
                }
            }
            return first.map(|first| first..end).context("no entry was sealed in that time");
        }
        let entry = |bound: Option<Bound>, otherwise: u64| match bound {
            Some(Bound::Entry(index)) => index,
            Some(Bound::Time(_)) | None => otherwise,
        };
        let (from, to) = (entry(from, 0), entry(to, size));
        ensure!(from <= to && to <= size, "entries run from 0 to {size}");
        Ok(from..to)
    }

    /// Copies the tree and the bundles; answers with how many bundles.
    fn copy(&self, range: &Range<u64>, sink: &mut Sink) -> anyhow::Result<u64> {
        sink.put(CHECKPOINT, &self.note)?;
        // Of a larger log than the checkpoint, or not there: it is left out.
        if let Ok(note) = fs::read(self.dir.join(COSIGNED))
            && let Ok(parsed) = Note::parse(&note)
            && Checkpoint::parse(parsed.text()).is_ok_and(|c| c.size() <= self.checkpoint.size())
        {
            sink.put(COSIGNED, &note)?;
        }
        for level in (0..8).map(TileKind::Hashes) {
            for tile in self.tiles(level) {
                sink.put(&tile.path(), &self.tile(tile)?)?;
            }
        }
        let mut copied = 0;
        for bundle in self.tiles(TileKind::Entries) {
            let (start, end) = (bundle.leaf(0), bundle.leaf(bundle.width.into()));
            let bytes = self.tile(bundle)?;
            if (start < range.end && range.start < end) || changes_the_key(&bytes, bundle) {
                sink.put(&bundle.path(), &bytes)?;
                copied += 1;
            }
        }
        Ok(copied)
    }
}

impl Bound {
    /// Whether it lies before, or at, an entry.
    fn is_before(self, index: u64, at: Timestamp) -> bool {
        match self {
            Self::Entry(bound) => bound <= index,
            Self::Time(bound) => bound <= at,
        }
    }
}

/// The history of the log's keys is needed wherever the extract begins.
fn changes_the_key(bytes: &[u8], bundle: Tile) -> bool {
    decode_entries(bytes, bundle.width.into()).flatten().any(|entry| claimed(entry).is_some())
}

/// Where an export goes.
enum Sink {
    Folder(PathBuf),
    Archive(BufWriter<File>),
}

impl Sink {
    fn create(out: &Path) -> anyhow::Result<Self> {
        let shown = out.display();
        if out.extension().is_some_and(|ending| ending == "tar") {
            let file = File::create_new(out).with_context(|| format!("cannot write {shown}"))?;
            return Ok(Self::Archive(BufWriter::new(file)));
        }
        fs::create_dir_all(out).with_context(|| format!("cannot make {shown}"))?;
        Ok(Self::Folder(out.to_owned()))
    }

    fn put(&mut self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let written = match self {
            Self::Archive(file) => tar::add(file, name, bytes),
            Self::Folder(dir) => {
                let to = dir.join(name);
                to.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(to, bytes))
            }
        };
        written.with_context(|| format!("cannot write {name}"))
    }

    fn end(self) -> anyhow::Result<()> {
        match self {
            Self::Folder(_) => Ok(()),
            Self::Archive(mut file) => {
                tar::end(&mut file)?;
                file.into_inner().context("the archive is not whole")?.sync_all()?;
                Ok(())
            }
        }
    }
}

/// What the executor shows an auditor of these entries, as the lines of the file; how many.
#[tokio::main(flavor = "current_thread")]
async fn disclosed(
    address: &str,
    tls: &Path,
    id: SpiffeId,
    range: &Range<u64>,
) -> anyhow::Result<(String, usize)> {
    let channel = channel(address, Material::open(MaterialFiles::in_dir(tls))?, id)?;
    let mut client = AuditClient::new(channel).max_decoding_message_size(LARGEST);
    let (mut newest_first, mut before) = (Vec::new(), range.end);
    while before > range.start {
        let request = ListReceiptsRequest {
            page_size: PAGE,
            page_token: before.to_string(),
            ..ListReceiptsRequest::default()
        };
        let page = client.list_receipts(timed(request)).await;
        let page = page.map_err(|status| refused(address, &status))?.into_inner().receipts;
        let Some(last) = page.last().map(|receipt| receipt.leaf_index) else { break };
        if last >= before {
            bail!("the executor answers with receipts that were not asked for");
        }
        before = last;
        for receipt in page.into_iter().filter(|receipt| receipt.leaf_index >= range.start) {
            let index = receipt.leaf_index;
            let text = |bytes| {
                String::from_utf8(bytes).with_context(|| format!("receipt {index} is no text"))
            };
            let (receipt, openings) = (text(receipt.body)?, text(receipt.openings)?);
            let disclosed = Disclosed { index, receipt, openings };
            newest_first.push(serde_json::to_string(&disclosed)? + "\n");
        }
    }
    let count = newest_first.len();
    newest_first.reverse();
    Ok((newest_first.concat(), count))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn bounds_are_indexes_dates_or_times() {
        assert_eq!("12".parse(), Ok(Bound::Entry(12)));
        let midnight = "2026-11-01T00:00:00Z".parse().unwrap();
        assert_eq!("2026-11-01".parse(), Ok(Bound::Time(midnight)));
        assert_eq!("2026-11-01T00:00:00Z".parse(), Ok(Bound::Time(midnight)));
        assert!("yesterday".parse::<Bound>().is_err());
        assert!("".parse::<Bound>().is_err());
    }
}
