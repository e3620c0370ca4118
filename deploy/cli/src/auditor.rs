//! An executor's history as an auditor asks for it: a demo's, or one over mutual TLS.

use std::path::{Path, PathBuf};

use countersign_proto::v1::audit_client::AuditClient;
use countersign_shared::mtls::Channel;
use countersign_shared::mtls::{Material, MaterialFiles, SpiffeId, channel};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tonic::Status;

use crate::demo::place::Place;
use crate::remote::{refused, unreachable};
use crate::text::shell;

/// Largest answer, in bytes.
const LARGEST: usize = 64 * 1024 * 1024;

/// Whose history: exactly one of `--state` and `--executor`.
#[derive(Debug, clap::Args)]
#[group(id = "of", required = true, args = ["state", "executor"])]
pub(crate) struct AuditorArgs {
    /// State folder of a demo that is running.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["executor", "tls", "executor_id"])]
    state: Option<PathBuf>,
    /// Address of an executor, `host:port`.
    #[arg(long, value_name = "ADDRESS", requires = "tls", requires = "executor_id")]
    executor: Option<String>,
    /// Folder of an auditor's certificate: tls.crt, tls.key, ca.crt.
    #[arg(long, value_name = "DIR", requires = "executor")]
    tls: Option<PathBuf>,
    /// The executor's identity: `spiffe://…`.
    #[arg(long, value_name = "SPIFFE", requires = "executor")]
    executor_id: Option<SpiffeId>,
}

/// An executor's history.
pub(crate) struct Auditor {
    pub(crate) client: AuditClient<Channel>,
    address: String,
    /// The demo's state folder, where it is one.
    demo: Option<PathBuf>,
}

impl AuditorArgs {
    /// The same executor, as flags of a command that checks proofs: a demo's log key is known.
    pub(crate) fn for_proofs(&self) -> String {
        let flag = |name: &str, value: &str| format!("--{name} {}", shell(value));
        if let Some(state) = &self.state {
            return flag("state", &state.to_string_lossy());
        }
        let tls = self.tls.as_deref().map(Path::to_string_lossy);
        let given = [
            self.executor.as_deref().map(|address| flag("executor", address)),
            tls.map(|dir| flag("tls", &dir)),
            self.executor_id.as_ref().map(|id| flag("executor-id", id.as_str())),
            Some("--key log.pub".to_owned()),
        ];
        given.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// A connection that is made when it is first used.
    pub(crate) fn open(self) -> anyhow::Result<Auditor> {
        let demo = self.state.clone();
        let (address, tls, id) = match (self.state, self.executor, self.tls, self.executor_id) {
            (Some(state), ..) => {
                let place = Place::read(&state)?;
                (place.executor.address.clone(), place.auditor.clone(), place.executor.id.parse()?)
            }
            (None, Some(address), Some(tls), Some(id)) => (address, tls, id),
            (None, ..) => {
                anyhow::bail!("say whose: --state DIR, or --executor with --tls and --executor-id")
            }
        };
        let material = Material::open(MaterialFiles::in_dir(&tls))?;
        let channel = channel(&address, material, id)?;
        let client = AuditClient::new(channel).max_decoding_message_size(LARGEST);
        Ok(Auditor { client, address, demo })
    }
}

impl Auditor {
    /// What went wrong, for a person.
    pub(crate) fn refused(&self, status: &Status) -> anyhow::Error {
        match &self.demo {
            Some(state) if unreachable(status) => anyhow::anyhow!(
                "the demo in {} is not running: start it again with `countersign demo --state {}`, \
                 or read what it left behind with `countersign receipts list --state {}`",
                state.display(),
                shell(&state.to_string_lossy()),
                shell(&state.to_string_lossy()),
            ),
            Some(_) | None => refused(&self.address, status),
        }
    }
}

/// Reads a point in time: `2026-11-16`, `2026-11-16T12:00:00Z`, or back from now: `7d`, `12h`.
pub(crate) fn time(text: &str) -> Result<Timestamp, String> {
    let back = |unit: char, hours: i64| {
        let count: i64 = text.strip_suffix(unit)?.parse().ok()?;
        SignedDuration::try_from_hours(count.checked_mul(hours)?)
    };
    if let Some(back) = back('d', 24).or_else(|| back('h', 1)) {
        return Timestamp::now().checked_sub(back).map_err(|e| e.to_string());
    }
    if let Ok(date) = text.parse::<Date>() {
        let zoned = date.to_zoned(TimeZone::UTC).map_err(|e| e.to_string())?;
        return Ok(zoned.timestamp());
    }
    let wrong =
        |_| format!("`{text}` is no time: write 7d, 12h, 2026-11-16 or 2026-11-16T12:00:00Z");
    text.parse().map_err(wrong)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_way_to_the_proof_is_written_as_it_was_given() {
        let args = |state: Option<&str>| AuditorArgs {
            state: state.map(PathBuf::from),
            executor: Some("executor.example:7443".into()),
            tls: Some("my auditor".into()),
            executor_id: Some("spiffe://shop.example/executor".parse().unwrap()),
        };
        assert_eq!(args(Some("./demo")).for_proofs(), "--state ./demo");
        assert_eq!(
            args(None).for_proofs(),
            "--executor executor.example:7443 --tls 'my auditor' \
             --executor-id spiffe://shop.example/executor --key log.pub"
        );
    }

    #[test]
    fn a_stopped_demo_is_told_in_its_own_words() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _inside = runtime.enter();
        let there = tonic::transport::Endpoint::from_static("http://127.0.0.1:1");
        let channel = Channel::from(there.connect_lazy());
        let told = |demo: Option<PathBuf>| {
            let auditor = Auditor {
                client: AuditClient::new(channel.clone()),
                address: "127.0.0.1:1".into(),
                demo,
            };
            auditor.refused(&Status::unavailable("refused")).to_string()
        };
        let demo = told(Some("demo-state".into()));
        assert!(demo.contains("is not running") && !demo.contains("--executor-id"), "{demo}");
        assert!(told(None).contains("--executor-id"));
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(time("2026-11-16").unwrap().as_second(), 1_794_787_200);
        assert_eq!(time("2026-11-16T00:00:01Z").unwrap().as_second(), 1_794_787_201);
        let week = Timestamp::now() - time("7d").unwrap();
        assert!((week.get_seconds() - 7 * 86_400).abs() < 60);
        assert!(time("9000000000000000h").is_err() && time("99999999999999999d").is_err());
        assert!(time("yesterday").unwrap_err().contains("7d"));
    }
}
