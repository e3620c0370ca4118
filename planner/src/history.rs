//! The executor's history as it shows it, held against the one kept (TWO KEEP THE HISTORY):
//! before it is asked for anything, and before anybody hears what it did.

use std::time::Duration;

use countersign_proto::v1::audit_client::AuditClient;
use countersign_proto::v1::{Action, GetCheckpointRequest, GetConsistencyProofRequest};
use countersign_shared::codes::Code;
use countersign_shared::mtls::Channel;
use countersign_shared::refusal::Refusal;
use countersign_shared::tlog::merkle::Hash;
use tokio::task::JoinError;
use tonic::service::interceptor::InterceptedService;

use crate::call::{asked, timed};
use crate::executor::{CallError, is_sealed};
use crate::keep::{Distrusted, Keep, Question};
use crate::memory::Memory;

/// Checkpoints and proofs come from tables: nobody waits long for them.
const PATIENCE: Duration = Duration::from_secs(10);

/// The executor's history, and our own memory of it.
#[derive(Clone)]
pub struct History {
    audit: AuditClient<InterceptedService<Channel, Keep>>,
    keep: Keep,
    memory: Memory,
}

impl History {
    /// Over the executor's channel, and with what other planners verified in `memory`.
    #[must_use]
    pub fn new(channel: Channel, keep: Keep, memory: Memory) -> Self {
        Self { audit: AuditClient::with_interceptor(channel, keep.clone()), keep, memory }
    }

    /// Whether anything is asked of the executor.
    ///
    /// # Errors
    /// Why not, while what was caught lies in the folder.
    pub fn trusted(&self) -> Result<(), CallError> {
        self.keep.distrust().map_or(Ok(()), |why| Err(distrusted(Distrusted(why))))
    }

    /// Looks whether the executor's newest checkpoint extends what is kept, here and by the other
    /// planners: an executor that went back is caught by whoever asks it next.
    ///
    /// `shown` is what it showed by itself; where that is empty it is asked.
    ///
    /// # Errors
    /// When it does not, or cannot be had.
    pub async fn look(&self, shown: &str) -> Result<(), CallError> {
        if !self.keep.is_kept() {
            return Ok(());
        }
        self.learn().await?;
        if !shown.is_empty() {
            return self.believe(shown.as_bytes()).await;
        }
        let call = || async {
            let request = timed(GetCheckpointRequest {}, PATIENCE);
            self.audit.clone().get_checkpoint(request).await
        };
        match asked("Audit/GetCheckpoint", call)
            .await
            .map_err(|status| CallError::from_status(&status))
        {
            Ok(answer) => self.believe(answer.into_inner().checkpoint.as_bytes()).await,
            Err(CallError::Refused(refusal)) if refusal.code == Code::NotFound.name() => {
                self.keep.emptied().map_err(distrusted)
            }
            Err(error) => Err(error),
        }
    }

    /// An action as it may be told: one that is sealed is in the log, the log is ours, and the
    /// receipt says the same. It is kept then.
    ///
    /// # Errors
    /// When it is not, or that cannot be told now.
    pub async fn proved(&self, action: Action) -> Result<Action, CallError> {
        if !self.keep.is_kept() || !is_sealed(&action) {
            return Ok(action);
        }
        if action.tlog_proof.is_empty() {
            return Err(CallError::Lost("the answer holds no proof of its receipt".to_owned()));
        }
        let note = self.keep.included(&action).map_err(distrusted)?;
        self.believe(&note).await?;
        self.keep.keep(&action).await;
        Ok(action)
    }

    /// What another planner verified is one more checkpoint of the log. What is none is taken
    /// away, since it would hide the others, and with it no receipt: those lie in the planners'
    /// own folders. Where it was one, of a key that is not configured here yet, whoever verified
    /// it shows it again at the next look.
    async fn learn(&self) -> Result<(), CallError> {
        if !self.memory.is_shared() {
            return Ok(());
        }
        let shown = match self.memory.checkpoint(self.keep.origins()).await {
            Some((size, note)) if self.keep.signed_size(&note) == Some(size) => {
                self.believe(&note).await?;
                Some(size)
            }
            Some((_, note)) => {
                tracing::warn!(
                    "what lies where planners show each other checkpoints is none of a key that \
                     is configured, or of another size than it is said to be: it is taken away"
                );
                self.memory.drop_checkpoint(note).await;
                None
            }
            None => None,
        };
        if self.keep.newest_size() > shown {
            self.show().await;
        }
        Ok(())
    }

    /// Shows the newest checkpoint to the other planners.
    async fn show(&self) {
        if let Some((origin, size, note)) = self.keep.newest() {
            self.memory.keep_checkpoint(&origin, size, note).await;
        }
    }

    async fn believe(&self, note: &[u8]) -> Result<(), CallError> {
        let turn = self.keep.turn().await;
        let before = self.keep.newest_size();
        if let Some(question) = self.keep.weigh(note).map_err(distrusted)? {
            let proof =
                if question.needs_a_proof() { self.ask(&question).await? } else { Vec::new() };
            let settled = self.keep.settle_in(turn, question, proof).await;
            let stopped = |error: JoinError| CallError::Lost(error.to_string());
            settled.map_err(stopped)?.map_err(distrusted)?;
        }
        if self.keep.newest_size() > before {
            self.show().await;
        }
        Ok(())
    }

    async fn ask(&self, question: &Question) -> Result<Vec<Hash>, CallError> {
        let (from_size, to_size) = question.sizes();
        let call = || async {
            let request = timed(GetConsistencyProofRequest { from_size, to_size }, PATIENCE);
            self.audit.clone().get_consistency_proof(request).await
        };
        let answer = match asked("Audit/GetConsistencyProof", call).await {
            Ok(answer) => answer.into_inner(),
            Err(status) => {
                let error = CallError::from_status(&status);
                return Err(match error.refusal().filter(|refusal| denies(refusal)) {
                    Some(refusal) => distrusted(self.keep.withheld(question, &refusal.message)),
                    None => error,
                });
            }
        };
        // A hash of another length proves nothing, and is refused as such.
        let hashes = answer.hashes.into_iter().map(|hash| Hash::try_from(hash).unwrap_or_default());
        Ok(hashes.collect())
    }
}

/// Whether the executor says that it has no such history, rather than that it cannot look.
fn denies(refusal: &Refusal) -> bool {
    [Code::ArgumentInvalid, Code::NotFound].iter().any(|code| code.name() == refusal.code)
}

fn distrusted(why: Distrusted) -> CallError {
    CallError::Refused(Box::new(Refusal::new(Code::HistoryDistrusted, why.to_string())))
}

#[cfg(test)]
mod tests;
