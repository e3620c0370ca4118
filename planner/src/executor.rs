//! The executor as the planner sees it: a port, so that conversations are tested
//! against a hand-written one, and its gRPC client.

use std::time::Duration;

use async_trait::async_trait;
use countersign_proto::v1::execute_request::Target;
use countersign_proto::v1::executor_client::ExecutorClient;
use countersign_proto::v1::{
    Action, ActionState, EscalateRequest, EscalateResponse, ExecuteRequest, ExecuteResponse,
    GetActionRequest, GetHandoverRequest, GetHandoverResponse, ListErasedRequest, ListToolsRequest,
    ListToolsResponse, MatchSubjectRequest, Proposal, ProposeRequest, RecordRatingRequest,
    RecordTurnRequest, WatchActionRequest, WithdrawRequest,
};
use countersign_shared::mtls::Channel;
use countersign_shared::refusal::Refusal;
use countersign_shared::trace;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Status};

use crate::call::{asked, called, never_connected, timed};
use crate::history::History;
use crate::keep::Keep;
use crate::memory::Memory;

/// Reads and dry runs end after this; nothing depends on them having ended.
const ADVISORY_PATIENCE: Duration = Duration::from_secs(30);
/// Waiting for an action's result before watching it instead.
const EXECUTE_PATIENCE: Duration = Duration::from_secs(60);

/// What a planner may ask of an executor.
#[async_trait]
pub trait Executor: Send + Sync {
    /// The tools of the subject, the key that they are kept under, and, where a conversation is
    /// named, who has it. Fails where the token does not verify, so every turn starts with it.
    async fn list_tools(
        &self,
        token: &str,
        conversation_id: &str,
    ) -> Result<ListToolsResponse, CallError>;
    /// Which of these keys are erased.
    async fn erased(&self, kept_under: Vec<String>) -> Result<Vec<String>, CallError>;
    /// Dry run.
    async fn propose(&self, request: ProposeRequest) -> Result<Proposal, CallError>;
    /// Reads, or carries out a proposal.
    async fn execute(&self, request: ExecuteRequest) -> Result<ExecuteResponse, CallError>;
    /// Takes a proposal back: from then on no yes to it counts. Answers with the action, which
    /// may have been carried out before.
    async fn withdraw(&self, token: &str, proposal_id: &str) -> Result<Action, CallError>;
    /// Makes a guest known to the executor, for this conversation. Answers with the key that
    /// whoever they are is kept under.
    async fn match_subject(&self, request: MatchSubjectRequest) -> Result<String, CallError>;
    /// Hands a matter to a person.
    async fn escalate(&self, request: EscalateRequest) -> Result<EscalateResponse, CallError>;
    /// Tells what happened in a turn.
    async fn record_turn(&self, request: RecordTurnRequest) -> Result<(), CallError>;
    /// Tells how a conversation was rated.
    async fn record_rating(&self, request: RecordRatingRequest) -> Result<(), CallError>;
    /// How a matter stands that was handed over: by its receipt, or, where that is empty, the
    /// one that is open of the conversation.
    async fn handover(
        &self,
        token: &str,
        conversation_id: &str,
        receipt_id: &str,
    ) -> Result<GetHandoverResponse, CallError>;
    /// One action as it stands.
    async fn action(&self, token: &str, action_id: &str) -> Result<Action, CallError>;
    /// The action when it is sealed, or as it was last seen after `patience`.
    async fn watch(
        &self,
        token: &str,
        action_id: &str,
        patience: Duration,
    ) -> Result<Action, CallError>;
}

/// Why a call gave no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// The executor said no, with a code.
    #[error("{}: {}", .0.code, .0.message)]
    Refused(Box<Refusal>),
    /// The call never reached it: nothing happened.
    #[error("the executor cannot be reached: {0}")]
    Unreachable(String),
    /// The call may have reached it and the answer is missing. For a write this
    /// says nothing about the outcome (FOUR OUTCOMES).
    #[error("the executor's answer was lost: {0}")]
    Lost(String),
}

impl CallError {
    pub(crate) fn from_status(status: &Status) -> Self {
        if let Some(refusal) = Refusal::from_status(status) {
            return Self::Refused(Box::new(refusal));
        }
        let text = format!("{:?}: {}", status.code(), status.message());
        if never_connected(status) { Self::Unreachable(text) } else { Self::Lost(text) }
    }

    /// The refusal, where it is one.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Unreachable(_) | Self::Lost(_) => None,
        }
    }
}

/// The executor over gRPC.
#[derive(Clone)]
pub struct GrpcExecutor {
    client: ExecutorClient<InterceptedService<Channel, Keep>>,
    history: History,
}

impl GrpcExecutor {
    /// Over a channel that dials the one expected workload. What planners share of its history
    /// is in `memory`.
    #[must_use]
    pub fn new(channel: Channel, keep: Keep, memory: Memory) -> Self {
        let client = ExecutorClient::with_interceptor(channel.clone(), keep.clone());
        Self { client, history: History::new(channel, keep, memory) }
    }
}

#[async_trait]
impl Executor for GrpcExecutor {
    /// Its history is looked at, too: the newest checkpoint goes with the call, so an executor
    /// that went back hears of it, and what it lists counts only once it did not.
    async fn list_tools(
        &self,
        token: &str,
        conversation_id: &str,
    ) -> Result<ListToolsResponse, CallError> {
        self.history.trusted()?;
        let request = ListToolsRequest {
            subject_token: token.to_owned(),
            conversation_id: conversation_id.to_owned(),
        };
        let listed = asked("Executor/ListTools", || async {
            self.client.clone().list_tools(timed(request.clone(), ADVISORY_PATIENCE)).await
        });
        let listed = listed.await.map_err(|s| CallError::from_status(&s))?.into_inner();
        self.history.look(&listed.checkpoint).await?;
        Ok(listed)
    }

    async fn erased(&self, kept_under: Vec<String>) -> Result<Vec<String>, CallError> {
        self.history.trusted()?;
        let request = ListErasedRequest { kept_under };
        let answer = asked("Executor/ListErased", || async {
            self.client.clone().list_erased(timed(request.clone(), ADVISORY_PATIENCE)).await
        })
        .await;
        Ok(answer.map_err(|s| CallError::from_status(&s))?.into_inner().kept_under)
    }

    async fn propose(&self, request: ProposeRequest) -> Result<Proposal, CallError> {
        self.history.trusted()?;
        let answer = asked("Executor/Propose", || async {
            self.client.clone().propose(timed(request.clone(), ADVISORY_PATIENCE)).await
        })
        .await;
        let answer = answer.map_err(|s| CallError::from_status(&s))?.into_inner();
        answer.proposal.ok_or_else(|| CallError::Lost("the answer holds no proposal".to_owned()))
    }

    async fn execute(&self, request: ExecuteRequest) -> Result<ExecuteResponse, CallError> {
        self.history.trusted()?;
        let reads = matches!(request.target, Some(Target::Plan(_)));
        let call = || async {
            self.client.clone().execute(timed(request.clone(), EXECUTE_PATIENCE)).await
        };
        // Whoever carries a proposal out asks again by itself, and needs to know that it was sent.
        let answer = if reads {
            asked("Executor/Execute", call).await
        } else {
            called("Executor/Execute", call()).await
        };
        let mut answer = answer.map_err(|s| CallError::from_status(&s))?.into_inner();
        if let Some(action) = answer.action.take() {
            answer.action = Some(self.history.proved(action).await?);
        }
        Ok(answer)
    }

    async fn withdraw(&self, token: &str, proposal_id: &str) -> Result<Action, CallError> {
        self.history.trusted()?;
        let [subject_token, proposal_id] = [token, proposal_id].map(str::to_owned);
        let request = WithdrawRequest { subject_token, proposal_id };
        let answer = called("Executor/Withdraw", async {
            self.client.clone().withdraw(timed(request, ADVISORY_PATIENCE)).await
        })
        .await;
        let answer = answer.map_err(|s| CallError::from_status(&s))?.into_inner();
        let action = answer.action.ok_or_else(|| CallError::Lost("no action came".to_owned()))?;
        self.history.proved(action).await
    }

    async fn match_subject(&self, request: MatchSubjectRequest) -> Result<String, CallError> {
        self.history.trusted()?;
        let answer = called("Executor/MatchSubject", async {
            self.client.clone().match_subject(timed(request, ADVISORY_PATIENCE)).await
        })
        .await;
        answer.map(|a| a.into_inner().kept_under).map_err(|s| CallError::from_status(&s))
    }

    async fn escalate(&self, request: EscalateRequest) -> Result<EscalateResponse, CallError> {
        self.history.trusted()?;
        let answer = called("Executor/Escalate", async {
            self.client.clone().escalate(timed(request, ADVISORY_PATIENCE)).await
        })
        .await;
        answer.map(tonic::Response::into_inner).map_err(|s| CallError::from_status(&s))
    }

    async fn record_turn(&self, request: RecordTurnRequest) -> Result<(), CallError> {
        self.history.trusted()?;
        let answer = called("Executor/RecordTurn", async {
            self.client.clone().record_turn(timed(request, ADVISORY_PATIENCE)).await
        })
        .await;
        answer.map(drop).map_err(|s| CallError::from_status(&s))
    }

    async fn record_rating(&self, request: RecordRatingRequest) -> Result<(), CallError> {
        self.history.trusted()?;
        // The same score again changes nothing.
        let answer = asked("Executor/RecordRating", || async {
            self.client.clone().record_rating(timed(request.clone(), ADVISORY_PATIENCE)).await
        })
        .await;
        answer.map(drop).map_err(|s| CallError::from_status(&s))
    }

    async fn handover(
        &self,
        token: &str,
        conversation_id: &str,
        receipt_id: &str,
    ) -> Result<GetHandoverResponse, CallError> {
        self.history.trusted()?;
        let request = GetHandoverRequest {
            subject_token: token.to_owned(),
            conversation_id: conversation_id.to_owned(),
            receipt_id: receipt_id.to_owned(),
        };
        let answer = asked("Executor/GetHandover", || async {
            self.client.clone().get_handover(timed(request.clone(), ADVISORY_PATIENCE)).await
        })
        .await;
        answer.map(tonic::Response::into_inner).map_err(|s| CallError::from_status(&s))
    }

    async fn action(&self, token: &str, action_id: &str) -> Result<Action, CallError> {
        self.history.trusted()?;
        let request =
            GetActionRequest { subject_token: token.to_owned(), action_id: action_id.to_owned() };
        let answer = asked("Executor/GetAction", || async {
            self.client.clone().get_action(timed(request.clone(), ADVISORY_PATIENCE)).await
        })
        .await;
        let answer = answer.map_err(|s| CallError::from_status(&s))?.into_inner();
        let lost = || CallError::Lost("the answer holds no action".to_owned());
        self.history.proved(answer.action.ok_or_else(lost)?).await
    }

    async fn watch(
        &self,
        token: &str,
        action_id: &str,
        patience: Duration,
    ) -> Result<Action, CallError> {
        self.history.trusted()?;
        let request =
            WatchActionRequest { subject_token: token.to_owned(), action_id: action_id.to_owned() };
        let mut request = Request::new(request);
        trace::carry(&mut request);
        let mut seen = None;
        let mut client = self.client.clone();
        let watching = async {
            let mut states = client.watch_action(request).await?.into_inner();
            while let Some(change) = states.message().await? {
                seen = change.action.or(seen.take());
                if seen.as_ref().is_some_and(is_sealed) {
                    break;
                }
            }
            Ok::<(), Status>(())
        };
        let ended = tokio::time::timeout(patience, watching).await;
        match (seen, ended) {
            (Some(action), _) => self.history.proved(action).await,
            (None, Ok(Err(status))) => Err(CallError::from_status(&status)),
            (None, Ok(Ok(())) | Err(_)) => self.action(token, action_id).await,
        }
    }
}

/// Whether the action's receipt is in the log.
#[must_use]
pub fn is_sealed(action: &Action) -> bool {
    action.state() == ActionState::Sealed
}
