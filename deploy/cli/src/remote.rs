//! An executor, called over mutual TLS: where it is, and what its refusals mean in words.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use countersign_shared::codes::explain;
use countersign_shared::mtls::Channel;
use countersign_shared::mtls::{Material, MaterialFiles, SpiffeId, channel};
use countersign_shared::refusal::Refusal;
use tonic::{Code, Request, Status};

/// Largest answer, in bytes: a page of receipts, or a pack.
pub(crate) const LARGEST: usize = 64 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(40);

/// Which executor, and as whom.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ExecutorArgs {
    /// Address of the executor, `host:port`.
    #[arg(long = "executor", value_name = "ADDRESS", help_heading = "Executor")]
    address: String,
    /// Folder of your certificate: tls.crt, tls.key, ca.crt.
    #[arg(long, value_name = "DIR", help_heading = "Executor")]
    tls: PathBuf,
    /// The executor's identity: `spiffe://…`. Nobody else at that address is believed.
    #[arg(long, value_name = "SPIFFE", help_heading = "Executor")]
    executor_id: SpiffeId,
}

impl ExecutorArgs {
    /// A connection that is made when it is first used.
    pub(crate) fn channel(&self) -> anyhow::Result<Channel> {
        let material = Material::open(MaterialFiles::in_dir(&self.tls))?;
        Ok(channel(&self.address, material, self.executor_id.clone())?)
    }

    /// What went wrong, for a person.
    pub(crate) fn refused(&self, status: &Status) -> anyhow::Error {
        refused(&self.address, status)
    }
}

/// Whether nothing answered at all: any answer of an executor says more.
pub(crate) fn unreachable(status: &Status) -> bool {
    status.code() == Code::Unavailable && Refusal::from_status(status).is_none()
}

/// What went wrong at the executor there, for a person.
pub(crate) fn refused(address: &str, status: &Status) -> anyhow::Error {
    if let Some(refusal) = Refusal::from_status(status) {
        let code = &refusal.code;
        let message = crate::text::one_line(&refusal.message);
        return anyhow!("the executor refused: {code}: {message} ({})", explain(code));
    }
    let why = crate::text::one_line(&cause(status));
    if status.code() == Code::Unavailable {
        return anyhow!(
            "cannot reach the executor at {address} ({why}); check that it runs, that --executor-id is its identity, and that --tls is a certificate of its authority"
        );
    }
    anyhow!("the executor at {address} failed: {:?}: {why}", status.code())
}

/// A status and what it came from, as far as it says.
fn cause(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        source = error.source();
    }
    text
}

/// A request that is not waited for without end.
pub(crate) fn timed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request
}
