//! `countersign.v1.Executor`.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::belts::Belt;
use countersign_core::contract::{self, Body, Confirm, Contract};
use countersign_core::lifecycle::State;
use countersign_core::person::Person;
use countersign_core::subject::Subject;
use countersign_proto::v1::{self, execute_request::Target, executor_server::Executor};
use countersign_shared::codes::Code;
use countersign_shared::ids::ReceiptId;
use countersign_shared::kept::HEADER;
use countersign_shared::receipt::{self, Receipt, SAID};
use countersign_shared::refusal::Refusal;
use futures_util::{Stream, stream};
use tokio_stream::StreamExt as _;
use tonic::{Request, Response, Status};

use super::audit;
use crate::desk::{self, Desk};
use crate::kill;
use crate::peer::Caller;
use crate::ports::{Named, ReceiptQuery, SealedReceipt};
use crate::quarantine::Witness;
use crate::running::{Step, Told};
use crate::turned::{Turned, unavailable};
use crate::wire;

/// How long `Execute` waits before it answers with an action still under way.
const WAIT: Duration = Duration::from_secs(30);

/// Names of keys that a planner may ask about at once.
const MOST_ERASED: usize = 500;

/// The grant of a person's word that ends a matter.
const FINISHED: &str = "finish";

/// Serves planners.
#[derive(Clone)]
pub struct ExecutorService {
    desk: Desk,
    witness: Option<Arc<Witness>>,
}

impl ExecutorService {
    /// In front of a desk.
    #[must_use]
    pub fn new(desk: Desk) -> Self {
        Self { desk, witness: None }
    }

    /// Comparing what planners keep of our history with our own.
    #[must_use]
    pub fn hearing(self, witness: Witness) -> Self {
        Self { witness: Some(Arc::new(witness)), ..self }
    }

    /// Who calls, after what they keep of our history was compared.
    async fn caller<T>(&self, request: &Request<T>) -> Result<Caller, Status> {
        let caller = caller(request)?;
        let note = request.metadata().get_bin(HEADER).and_then(|value| value.to_bytes().ok());
        if let Some((witness, note)) = self.witness.as_ref().zip(note) {
            let heard = witness.hear(&note, &caller.id.to_string()).await;
            heard.map_err(|error| Turned::only(unavailable(&error)))?;
        }
        Ok(caller)
    }

    /// Who has a conversation, or what was handed over.
    async fn stands(
        &self,
        caller: &Caller,
        wire: v1::GetHandoverRequest,
    ) -> Result<v1::GetHandoverResponse, Status> {
        let request =
            self.request(caller, &wire.subject_token, vec![], &wire.conversation_id).await?;
        let matter = if wire.receipt_id.is_empty() {
            let open = self.desk.open_of(&request.subject, &wire.conversation_id).await?;
            let Some(open) = open else { return Ok(v1::GetHandoverResponse::default()) };
            open
        } else {
            let id = wire.receipt_id.parse().map_err(|_| {
                Refusal::new(Code::NotFound, "no such matter of this subject").into_status()
            })?;
            self.desk.handed_over(&request.subject, &id).await?
        };
        let (mut note, mut closed_by_receipt_id) = (String::new(), String::new());
        if let Some(id) = &matter.closed_by {
            let closing = opened(&receipt(&self.desk, &request.subject, id).await?)?;
            let word = closing.grants.into_iter().rfind(|grant| grant.kind == FINISHED);
            note = word.map(|word| word.reason).unwrap_or_default();
            closed_by_receipt_id = id.to_string();
        }
        Ok(v1::GetHandoverResponse {
            taken: matter.taken_by.is_some(),
            closed_by_receipt_id,
            note,
            receipt_id: matter.case.receipt.to_string(),
        })
    }

    /// An action, with its receipt and the proof of it for whoever keeps them, and the link to
    /// its page for whoever asked for it.
    async fn kept(&self, step: &Step) -> Result<v1::Action, Status> {
        let Some(told) = told(&self.desk, step).await? else { return Ok(under_way(step)) };
        let proof = audit::proof(&self.desk, told.sealed.index).await?;
        let (shown, body) = (shown(step, &told), told.sealed.body.clone());
        let receipt_link = self.desk.receipt_link(&told.sealed.id);
        Ok(v1::Action { receipt: body, tlog_proof: proof, receipt_link, ..shown })
    }

    /// A refusal, with the link to the page of the receipt that it ended with; else of the
    /// earlier one where the same was done before.
    async fn refused(&self, who: &Subject, turned: Turned) -> Status {
        let receipt_link = match &turned.receipt {
            Some(id) => self.link(id),
            None => self.link_to_earlier(who, &turned).await,
        };
        Refusal { receipt_link, ..turned.into() }.into_status()
    }

    /// Only to what the same person asked for: it may have been done for somebody else.
    async fn link_to_earlier(&self, who: &Subject, turned: &Turned) -> Option<String> {
        let done = Some(&turned.refused).filter(|refused| refused.is(Code::AlreadyDone))?;
        let id: ReceiptId = done.earlier_receipt.as_ref()?.parse().ok()?;
        let link = self.link(&id)?;
        let found = self.desk.pipeline.store.receipts(own(who, &id)).await.ok()?;
        (!found.is_empty()).then_some(link)
    }

    fn link(&self, id: &ReceiptId) -> Option<String> {
        Some(self.desk.receipt_link(id)).filter(|link| !link.is_empty())
    }

    async fn kept_under(&self, person: &Person) -> Result<String, Status> {
        let store = &self.desk.pipeline.store;
        let named = store.kept_under(&store.person(person)).await;
        Ok(named.map_err(|e| Turned::only(unavailable(&e)))?)
    }

    async fn request(
        &self,
        caller: &Caller,
        token: &str,
        words: Vec<v1::AttestedMessage>,
        conversation: &str,
    ) -> Result<desk::Request, Turned> {
        let now = self.desk.pipeline.clock.now();
        let subject = self.desk.subjects.verify(token, &caller.id, now).await?;
        let subject = self.desk.known_as(subject, &caller.id.to_string(), conversation).await?;
        let said = wire::said(words);
        let messages = self.desk.subjects.words(&said, &subject, conversation, now)?;
        Ok(desk::Request { caller: caller.id.to_string(), subject, messages })
    }
}

/// Who calls, as the table let them through.
pub(super) fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    request
        .extensions()
        .get::<Caller>()
        .cloned()
        .ok_or_else(|| Refusal::new(Code::CallerNotAllowed, "no verified caller").into_status())
}

/// An action with the words of its receipt (NO CLAIM WITHOUT A RECEIPT).
pub(super) async fn action(desk: &Desk, step: &Step) -> Result<v1::Action, Status> {
    let told = told(desk, step).await?;
    Ok(told.map_or_else(|| under_way(step), |told| shown(step, &told)))
}

/// The receipt of an action that ended: as it was just sealed, or as the store has it.
async fn told(desk: &Desk, step: &Step) -> Result<Option<Arc<Told>>, Status> {
    let Some(id) = step.state.receipt() else { return Ok(None) };
    let ours = |told: &&Arc<Told>| told.sealed.id == *id && !told.sealed.is_erased();
    if let Some(told) = step.told.as_ref().filter(ours) {
        return Ok(Some(Arc::clone(told)));
    }
    let sealed = receipt(desk, &step.state.proposal().asked().subject, id).await?;
    let said = said(&sealed)?;
    Ok(Some(Arc::new(Told { sealed, said })))
}

fn shown(step: &Step, Told { sealed, said }: &Told) -> v1::Action {
    let said_opening = serde_json::to_vec(&sealed.openings.only(SAID)).unwrap_or_default();
    v1::Action { said_opening, ..wire::action(&step.state, said.clone(), sealed.index) }
}

fn under_way(step: &Step) -> v1::Action {
    let said = match &*step.state {
        State::Proposed(p) if p.waits_for_staff() => Code::ApprovalRequired.page().say,
        State::Proposed(_) => "",
        State::Granted(_)
        | State::Claimed(_)
        | State::Cleared(_)
        | State::Sent(_)
        | State::Answered(_)
        | State::Looking(..)
        | State::Settled(_)
        | State::Refused(_)
        | State::Sealed(..)
        | State::SealedRefusal(..) => "I've started on that and I'm still checking that it worked.",
    };
    wire::action(&step.state, said.to_owned(), 0)
}

/// What a customer is told of an action that ended.
///
/// # Errors
/// A receipt that cannot be read.
pub(crate) async fn words(desk: &Desk, owner: &Subject, id: &ReceiptId) -> Result<String, Status> {
    said(&receipt(desk, owner, id).await?)
}

/// This receipt, where it is of what they asked for.
fn own(who: &Subject, id: &ReceiptId) -> ReceiptQuery {
    ReceiptQuery {
        id: Some(id.clone()),
        owner: Some((who.tenant.clone(), who.issuer.clone(), who.id.clone())),
        limit: 1,
        ..ReceiptQuery::default()
    }
}

async fn receipt(desk: &Desk, who: &Subject, id: &ReceiptId) -> Result<SealedReceipt, Status> {
    let found = desk.pipeline.store.receipts(own(who, id)).await.map_err(|e| unreadable(id, &e))?;
    let sealed = found.into_iter().next().ok_or_else(|| unreadable(id, &"not found"))?;
    if let Some(why) = sealed.gone() {
        return Err(Refusal::new(Code::Erased, why.to_string()).into_status());
    }
    Ok(sealed)
}

fn opened(sealed: &SealedReceipt) -> Result<Receipt, Status> {
    sealed.open().map_err(|e| unreadable(&sealed.id, &e))
}

fn said(sealed: &SealedReceipt) -> Result<String, Status> {
    receipt::said(&sealed.body, &sealed.openings).map_err(|e| unreadable(&sealed.id, &e))
}

fn unreadable(id: &ReceiptId, why: &dyn std::fmt::Display) -> Status {
    tracing::error!(%why, receipt = %id, "a receipt cannot be read");
    Refusal::new(Code::StoreUnavailable, "the receipt cannot be read now").into_status()
}

#[tonic::async_trait]
impl Executor for ExecutorService {
    async fn list_tools(
        &self,
        request: Request<v1::ListToolsRequest>,
    ) -> Result<Response<v1::ListToolsResponse>, Status> {
        let caller = self.caller(&request).await?;
        let wire = request.into_inner();
        let request = self.request(&caller, &wire.subject_token, vec![], "").await?;
        let (pipeline, subject) = (&self.desk.pipeline, &request.subject);
        let now = pipeline.clock.now();
        // What is switched off stays: whoever asks for it hears why, and it may be on by then.
        let closed = |c: &Contract| pipeline.policy.closes(c, subject, &request.caller, now);
        let theirs = |c: &Contract| c.open_to.contains(&subject.kind) && !closed(c);
        // Only tools whose backend this tenant has.
        let usable = |c: &&Arc<Contract>| {
            c.listed
                && pipeline.driver.account(&subject.tenant, c).is_ok()
                && (!Belt::ListedFor.is_on() || theirs(c))
        };
        let tools = pipeline.catalog.tools.values().filter(usable).map(|c| tool(c));
        let kept_under = self.kept_under(&Person::of(subject)).await?;
        let asked = v1::GetHandoverRequest {
            subject_token: wire.subject_token,
            conversation_id: wire.conversation_id,
            receipt_id: String::new(),
        };
        let handover = if asked.conversation_id.is_empty() {
            None
        } else {
            self.stands(&caller, asked).await.ok()
        };
        let checkpoint = audit::checkpoint(&self.desk).await.map(|(note, _)| note.to_string());
        Ok(Response::new(v1::ListToolsResponse {
            tools: tools.collect(),
            kept_under,
            handover,
            checkpoint: checkpoint.unwrap_or_default(),
        }))
    }

    async fn list_erased(
        &self,
        request: Request<v1::ListErasedRequest>,
    ) -> Result<Response<v1::ListErasedResponse>, Status> {
        self.caller(&request).await?;
        let asked = request.into_inner().kept_under;
        if asked.len() > MOST_ERASED {
            let why = format!("at most {MOST_ERASED} names may be asked for at once");
            return Err(Refusal::new(Code::ArgumentInvalid, why).into_status());
        }
        let gone = self.desk.pipeline.store.erased(&asked).await;
        let kept_under = gone.map_err(|e| Turned::only(unavailable(&e)))?;
        Ok(Response::new(v1::ListErasedResponse { kept_under }))
    }

    async fn propose(
        &self,
        request: Request<v1::ProposeRequest>,
    ) -> Result<Response<v1::ProposeResponse>, Status> {
        let caller = self.caller(&request).await?;
        let wire = request.into_inner();
        let plan = wire.plan.unwrap_or_default();
        let conversation = plan.conversation_id.clone();
        let request =
            self.request(&caller, &wire.subject_token, wire.messages, &conversation).await?;
        let plan = wire::plan(plan).map_err(Turned::from)?;
        let made = match self.desk.propose(&request, &plan).await {
            Ok(made) => made,
            Err(turned) => return Err(self.refused(&request.subject, turned).await),
        };
        let sent = Some(&made).filter(|_| wire.confirm_by_link);
        let link_sent_to = sent.and_then(|made| self.desk.send_link(made)).unwrap_or_default();
        let kept_under = self.kept_under(&Person::about(&made)).await?;
        let proposal = v1::Proposal { link_sent_to, kept_under, ..wire::proposal(&made) };
        Ok(Response::new(v1::ProposeResponse { proposal: Some(proposal) }))
    }

    async fn execute(
        &self,
        request: Request<v1::ExecuteRequest>,
    ) -> Result<Response<v1::ExecuteResponse>, Status> {
        let caller = self.caller(&request).await?;
        let wire = request.into_inner();
        let done = match wire.target {
            None => return Err(Refusal::new(Code::PlanInvalid, "no target is set").into_status()),
            Some(Target::ProposalId(id)) => {
                let request = self.request(&caller, &wire.subject_token, vec![], "").await?;
                let id = id.parse().map_err(|_| {
                    Refusal::new(Code::NotFound, "no such proposal of this subject").into_status()
                })?;
                let waiting = self.desk.execute_proposal(&request, &id, &wire.confirmation);
                let step = match tokio::time::timeout(WAIT, waiting).await {
                    Ok(step) => step,
                    Err(_) => self.desk.standing(&request, Named::Proposal(id)).await,
                };
                let step = match step {
                    Ok(step) => step,
                    Err(turned) => return Err(self.refused(&request.subject, turned).await),
                };
                let action = self.kept(&step).await?;
                kill::Step::Reply.before();
                v1::ExecuteResponse { observations: vec![], action: Some(action) }
            }
            Some(Target::Plan(plan)) => {
                let conversation = plan.conversation_id.clone();
                let request = self
                    .request(&caller, &wire.subject_token, wire.messages, &conversation)
                    .await?;
                let plan = wire::plan(plan).map_err(Turned::from)?;
                let done = self.desk.execute_plan(&request, &plan).await?;
                let action = match &done.action {
                    Some(step) => Some(self.kept(step).await?),
                    None => None,
                };
                let observations = done.observations.iter().map(wire::observation).collect();
                v1::ExecuteResponse { observations, action }
            }
        };
        Ok(Response::new(done))
    }

    async fn withdraw(
        &self,
        request: Request<v1::WithdrawRequest>,
    ) -> Result<Response<v1::WithdrawResponse>, Status> {
        let caller = self.caller(&request).await?;
        let wire = request.into_inner();
        let request = self.request(&caller, &wire.subject_token, vec![], "").await?;
        let id = wire.proposal_id.parse().map_err(|_| {
            Refusal::new(Code::NotFound, "no such proposal of this subject").into_status()
        })?;
        let step = match self.desk.withdraw(&request, &id).await {
            Ok(step) => step,
            Err(turned) => return Err(self.refused(&request.subject, turned).await),
        };
        let action = self.kept(&step).await?;
        Ok(Response::new(v1::WithdrawResponse { action: Some(action) }))
    }

    async fn match_subject(
        &self,
        request: Request<v1::MatchSubjectRequest>,
    ) -> Result<Response<v1::MatchSubjectResponse>, Status> {
        let caller = self.caller(&request).await?;
        let wire = request.into_inner();
        let conversation = wire.conversation_id;
        let request =
            self.request(&caller, &wire.subject_token, wire.messages, &conversation).await?;
        let (order, email) = (wire::span(wire.order), wire::span(wire.email));
        let matched = self.desk.match_subject(&request, &conversation, &order, &email).await?;
        let (until, who) = matched;
        let kept_under = self.kept_under(&who).await?;
        let valid_until = Some(wire::time(until));
        Ok(Response::new(v1::MatchSubjectResponse { valid_until, kept_under }))
    }

    async fn escalate(
        &self,
        request: Request<v1::EscalateRequest>,
    ) -> Result<Response<v1::EscalateResponse>, Status> {
        let caller = self.caller(&request).await?;
        let mut wire = request.into_inner();
        let words = std::mem::take(&mut wire.messages);
        let request =
            self.request(&caller, &wire.subject_token, words, &wire.conversation_id).await?;
        let asked = wire::handing_over(&request, &wire);
        let receipt = self.desk.escalate(&asked, &wire::handover(wire)).await?;
        let said = Code::Escalated.page().say.to_owned();
        Ok(Response::new(v1::EscalateResponse { receipt_id: receipt.to_string(), said }))
    }

    async fn record_turn(
        &self,
        request: Request<v1::RecordTurnRequest>,
    ) -> Result<Response<v1::RecordTurnResponse>, Status> {
        let caller = self.caller(&request).await?;
        let wire = request.into_inner();
        let conversation = wire.conversation_id;
        let words: Vec<_> = wire.message.into_iter().collect();
        let heard = self.request(&caller, &wire.subject_token, words.clone(), &conversation).await;
        let request = match heard {
            Ok(request) => request,
            // A signature that does not hold makes the words the planner's own.
            Err(turned) if turned.refused.is(Code::MessageUnattested) => {
                let bare = |m| v1::AttestedMessage { attestation: String::new(), ..m };
                let words = words.into_iter().map(bare).collect();
                self.request(&caller, &wire.subject_token, words, &conversation).await?
            }
            Err(turned) => return Err(turned.into()),
        };
        let told =
            self.desk.record_turn(&request, &conversation, &wire.external_ref, &wire.told_json);
        told.await.map_err(Turned::from)?;
        Ok(Response::new(v1::RecordTurnResponse {}))
    }

    async fn record_rating(
        &self,
        request: Request<v1::RecordRatingRequest>,
    ) -> Result<Response<v1::RecordRatingResponse>, Status> {
        let caller = self.caller(&request).await?;
        let wire = request.into_inner();
        let conversation = wire.conversation_id;
        let request = self.request(&caller, &wire.subject_token, vec![], &conversation).await?;
        let rated = self.desk.record_rating(&request, &conversation, wire.score);
        rated.await.map_err(Turned::from)?;
        Ok(Response::new(v1::RecordRatingResponse {}))
    }

    async fn get_handover(
        &self,
        request: Request<v1::GetHandoverRequest>,
    ) -> Result<Response<v1::GetHandoverResponse>, Status> {
        let caller = self.caller(&request).await?;
        let answer = self.stands(&caller, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn get_action(
        &self,
        request: Request<v1::GetActionRequest>,
    ) -> Result<Response<v1::GetActionResponse>, Status> {
        let caller = self.caller(&request).await?;
        let wire = request.into_inner();
        let request = self.request(&caller, &wire.subject_token, vec![], "").await?;
        let step = self.desk.standing(&request, Named::Action(action_id(&wire.action_id)?)).await?;
        let action = self.kept(&step).await?;
        Ok(Response::new(v1::GetActionResponse { action: Some(action) }))
    }

    type WatchActionStream =
        Pin<Box<dyn Stream<Item = Result<v1::WatchActionResponse, Status>> + Send>>;

    async fn watch_action(
        &self,
        request: Request<v1::WatchActionRequest>,
    ) -> Result<Response<Self::WatchActionStream>, Status> {
        let caller = self.caller(&request).await?;
        let wire = request.into_inner();
        let request = self.request(&caller, &wire.subject_token, vec![], "").await?;
        let id = action_id(&wire.action_id)?;
        let (now, changes) = self.desk.watch(&request, Named::Action(id)).await?;
        let service = self.clone();
        let shown = self.kept(&now).await?;
        let first = stream::iter([Ok(v1::WatchActionResponse { action: Some(shown) })]);
        let Some(changes) = changes else { return Ok(Response::new(Box::pin(first))) };
        let steps = tokio_stream::wrappers::WatchStream::from_changes(changes);
        let rest = steps.filter_map(|step| step).then(move |step| {
            let service = service.clone();
            async move {
                // A stream may stand still for long: who was erased meanwhile is not told of.
                let action = service.kept(&Step { told: None, ..step }).await?;
                Ok(v1::WatchActionResponse { action: Some(action) })
            }
        });
        Ok(Response::new(Box::pin(first.chain(rest))))
    }
}

fn action_id(text: &str) -> Result<countersign_shared::ids::ActionId, Status> {
    text.parse()
        .map_err(|_| Refusal::new(Code::NotFound, "no such action of this subject").into_status())
}

fn tool(contract: &Contract) -> v1::Tool {
    let (read, confirm, floor, label, say) = match &contract.body {
        Body::Read(read) => {
            let text = |p: &Option<countersign_core::expr::Prose>| {
                p.as_ref().map_or_else(String::new, |p| p.source().to_owned())
            };
            (true, false, 0.0, text(&read.label), text(&read.say))
        }
        Body::Write(write) => {
            let confirm = write.confirm == Confirm::Customer;
            (false, confirm, write.confidence.floor, String::new(), String::new())
        }
    };
    v1::Tool {
        name: contract.tool.clone(),
        summary: contract.summary.clone(),
        read,
        arguments_json: contract::arguments_json(contract).to_string(),
        output_json: contract::output_json(contract).to_string(),
        examples: contract.examples.clone(),
        needs_confirmation: confirm,
        confidence_floor: floor,
        label,
        contract_digest: contract.digest.clone(),
        say,
    }
}
