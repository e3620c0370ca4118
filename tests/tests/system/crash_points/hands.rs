//! What callers and people of the house hold of a running executor.

use std::sync::Arc;
use std::time::Duration;

use countersign_executor::desk::Desk;
use countersign_executor::peer::{Caller, Role};
use countersign_executor::ports::{Named, ReceiptQuery, Store};
use countersign_executor::service::approvals::ApprovalsService;
use countersign_executor::service::escalations::EscalationsService;
use countersign_executor::service::executor::ExecutorService;
use countersign_executor::{pipeline, wire};
use countersign_proto::v1;
use countersign_proto::v1::approvals_server::Approvals as _;
use countersign_proto::v1::argument::Source;
use countersign_proto::v1::escalations_server::Escalations as _;
use countersign_proto::v1::execute_request::Target;
use countersign_proto::v1::executor_server::Executor as _;
use countersign_shared::attest::Decision;
use countersign_shared::receipt::Receipt;
use countersign_shared::refusal::Refusal;
use countersign_tests::sandbox::Sandbox;
use parking_lot::Mutex;

use super::process::World;
use crate::support::pair::ISSUER;
use crate::support::people::{Customer, Signer};
use crate::support::plans::step;

/// Conversation of everything here.
const TALK: &str = "c1";

/// One customer's planner, and the house.
pub struct Hands {
    /// Actions of an earlier process that it found unfinished.
    pub carried_on: usize,
    pub desk: Desk,
    service: ExecutorService,
    approvals: ApprovalsService,
    escalations: EscalationsService,
    store: Arc<dyn Store>,
    world: Arc<World>,
    who: Customer,
    words: Mutex<Vec<v1::AttestedMessage>>,
}

impl Hands {
    pub(super) fn new(desk: Desk, world: Arc<World>) -> Self {
        let id = "gid://shopify/Customer/1";
        Self {
            carried_on: 0,
            service: ExecutorService::new(desk.clone()),
            approvals: ApprovalsService::new(desk.clone()),
            escalations: EscalationsService::new(desk.clone()),
            store: Arc::clone(&desk.pipeline.store),
            who: world.issuer.customer(ISSUER, "customer1@example.com", id),
            words: Mutex::default(),
            desk,
            world,
        }
    }

    pub fn sandbox(&self) -> &Sandbox {
        &self.world.sandbox
    }

    /// Until nothing is left of an earlier process.
    pub async fn recovered(&self) {
        while !self.store.unfinished().await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Every receipt, newest first, once nothing is left unfinished.
    pub async fn receipts(&self) -> Vec<Receipt> {
        assert_eq!(self.store.unfinished().await.unwrap().len(), 0, "something is unfinished");
        let all = ReceiptQuery { limit: 100, ..ReceiptQuery::default() };
        let receipts = self.store.receipts(all).await.unwrap();
        receipts.iter().map(|r| r.open().unwrap()).collect()
    }

    /// An answer as it is, or `STORE_UNAVAILABLE`: nothing else may go wrong here.
    pub fn told<T>(&self, answer: Result<T, tonic::Status>) -> Result<T, Refusal> {
        answer.map_err(|status| {
            let refusal = Refusal::from_status(&status).expect("a refusal of ours");
            assert_eq!(refusal.code, "STORE_UNAVAILABLE", "{refusal:?}");
            refusal
        })
    }

    pub async fn order(&self, number: &str, turn: u32) -> Result<v1::Observation, tonic::Status> {
        let (id, text) = (format!("m{turn}"), format!("it is about order #{number}"));
        *self.words.lock() = vec![self.world.frontend.message(&self.who, TALK, &id, &text)];
        let start = text.find(number).unwrap();
        let span = v1::UtteranceSpan {
            message_id: id,
            start: u32::try_from(start).unwrap(),
            end: u32::try_from(start + number.len()).unwrap(),
        };
        let number = v1::Argument { source: Some(Source::Utterance(span)) };
        self.read(step("shopify.find_order", vec![("number", number)])).await
    }

    pub async fn read(&self, step: v1::Step) -> Result<v1::Observation, tonic::Status> {
        let request = v1::ExecuteRequest {
            subject_token: self.who.token.clone(),
            target: Some(Target::Plan(plan(step))),
            messages: self.words.lock().clone(),
            confirmation: String::new(),
        };
        let done = self.service.execute(by_planner(request)).await?.into_inner();
        Ok(done.observations.into_iter().next().unwrap())
    }

    pub async fn propose(&self, step: v1::Step) -> Result<v1::Proposal, tonic::Status> {
        let request = v1::ProposeRequest {
            subject_token: self.who.token.clone(),
            messages: self.words.lock().clone(),
            plan: Some(plan(step)),
            confirm_by_link: false,
        };
        let made = self.service.propose(by_planner(request)).await?.into_inner();
        Ok(made.proposal.unwrap())
    }

    pub async fn execute(&self, proposal: &v1::Proposal) -> Result<v1::Action, tonic::Status> {
        let card = proposal.card.as_ref().unwrap();
        let request = v1::ExecuteRequest {
            subject_token: self.who.token.clone(),
            target: Some(Target::ProposalId(proposal.proposal_id.clone())),
            messages: vec![],
            confirmation: self.world.frontend.yes(&self.who, TALK, card),
        };
        let done = self.service.execute(by_planner(request)).await?.into_inner();
        Ok(done.action.unwrap())
    }

    /// What a member of staff is told who says yes or no to a card.
    pub async fn answer(
        &self,
        (who, key): (&str, &Signer),
        card: &v1::Card,
        decision: Decision,
    ) -> Result<v1::Action, tonic::Status> {
        let jws = key.answer(who, "finance", card, decision);
        let request = v1::AnswerRequestRequest { proposal_id: card.proposal_id.clone(), jws };
        let done = self.approvals.answer_request(by(Role::Approver, request)).await?;
        Ok(done.into_inner().action.unwrap())
    }

    /// The customer takes a request back.
    pub async fn withdraw(&self, card: &v1::Card) -> Result<v1::Action, tonic::Status> {
        let request = v1::WithdrawRequest {
            subject_token: self.who.token.clone(),
            proposal_id: card.proposal_id.clone(),
        };
        let done = self.service.withdraw(by_planner(request)).await?.into_inner();
        Ok(done.action.unwrap())
    }

    /// An action as it stands.
    pub async fn standing(&self, action_id: &str) -> Result<v1::Action, tonic::Status> {
        let request = v1::GetActionRequest {
            subject_token: self.who.token.clone(),
            action_id: action_id.to_owned(),
        };
        let found = self.service.get_action(by_planner(request)).await?.into_inner();
        Ok(found.action.unwrap())
    }

    /// The card of an action that waits, as a chat would show it.
    pub async fn card(&self, action_id: &str) -> v1::Card {
        let journal = self.store.parked(Named::Action(action_id.parse().unwrap())).await.unwrap();
        wire::card(pipeline::Life::resume(journal).unwrap().state().proposal())
    }

    /// Matters that wait for a person.
    pub async fn matters(&self) -> Vec<v1::Escalation> {
        let request = by(Role::Approver, v1::ListEscalationsRequest::default());
        self.escalations.list_escalations(request).await.unwrap().into_inner().escalations
    }

    /// A person says how a matter ended.
    pub async fn finish(
        &self,
        (who, key): (&str, &Signer),
        matter: &v1::Escalation,
        done: bool,
    ) -> Result<v1::Action, tonic::Status> {
        let jws = key.finish(who, &matter.action_id, done);
        let escalation_id = matter.escalation_id.clone();
        let request = by(Role::Approver, v1::FinishEscalationRequest { escalation_id, jws });
        let done = self.escalations.finish_escalation(request).await?.into_inner();
        Ok(done.action.unwrap())
    }
}

fn plan(step: v1::Step) -> v1::Plan {
    let confidence = v1::Confidence { score: 0.99, ..Default::default() };
    v1::Plan {
        conversation_id: TALK.into(),
        steps: vec![step],
        confidence: Some(confidence),
        ..Default::default()
    }
}

fn by_planner<T>(message: T) -> tonic::Request<T> {
    by(Role::Planner, message)
}

/// As the table of callers hands it on.
fn by<T>(role: Role, message: T) -> tonic::Request<T> {
    let id = "spiffe://test.countersign.internal/planner".parse().unwrap();
    let mut request = tonic::Request::new(message);
    let tenants = ["demo-shop".to_owned()].into();
    request.extensions_mut().insert(Caller { id, role, tenants });
    request
}
