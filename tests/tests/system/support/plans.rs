//! A planner's calls, made by hand: what a hostile one could send as well.

use std::time::Duration;

use countersign_proto::v1;
use countersign_proto::v1::argument::Source;
use countersign_proto::v1::execute_request::Target;
use countersign_proto::v1::executor_client::ExecutorClient;
use countersign_shared::mtls::Channel;
use countersign_shared::refusal::Refusal;
use countersign_tests::sandbox::Fault;
use serde_json::Value;

use super::pair::Pair;
use super::people::Customer;

/// One conversation of one customer with the executor.
pub struct Desk<'a> {
    pub pair: &'a Pair,
    pub who: Customer,
    pub conversation: String,
    pub client: ExecutorClient<Channel>,
    pub words: Vec<v1::AttestedMessage>,
    /// Whether proposals ask for the customer's link.
    pub confirm_by_link: bool,
}

/// What somebody waits for.
pub type Call = tokio::task::JoinHandle<Result<v1::Action, tonic::Status>>;

pub fn model(json: &Value) -> v1::Argument {
    v1::Argument { source: Some(Source::ModelJson(json.to_string())) }
}

pub fn seen(observation: &v1::Observation, pointer: &str) -> v1::Argument {
    let reference = v1::ObservationRef {
        observation_id: observation.observation_id.clone(),
        pointer: pointer.into(),
    };
    v1::Argument { source: Some(Source::Observation(reference)) }
}

pub fn list(items: Vec<v1::Argument>) -> v1::Argument {
    v1::Argument { source: Some(Source::List(v1::ArgumentList { items })) }
}

pub fn fields(fields: Vec<(&str, v1::Argument)>) -> v1::Argument {
    let fields = fields.into_iter().map(|(name, a)| (name.to_owned(), a)).collect();
    v1::Argument { source: Some(Source::Fields(v1::ArgumentFields { fields })) }
}

pub fn step(tool: &str, arguments: Vec<(&str, v1::Argument)>) -> v1::Step {
    let arguments = arguments.into_iter().map(|(name, a)| (name.to_owned(), a)).collect();
    v1::Step { id: format!("s{}", tool.len()), tool: tool.into(), arguments }
}

pub fn value(observation: &v1::Observation) -> Value {
    serde_json::from_str(&observation.value_json).unwrap()
}

/// The refusal that a call must have ended in.
pub fn refusal<T: std::fmt::Debug>(answer: Result<T, tonic::Status>) -> Refusal {
    let status = answer.expect_err("the call should have been refused");
    Refusal::from_status(&status).unwrap_or_else(|| panic!("not a refusal of ours: {status:?}"))
}

impl<'a> Desk<'a> {
    pub fn new(pair: &'a Pair, who: Customer, conversation: &str) -> Self {
        let client = pair.executor();
        Self {
            pair,
            who,
            conversation: conversation.into(),
            client,
            words: vec![],
            confirm_by_link: false,
        }
    }

    /// The customer says something; the span of `part` in it becomes an argument.
    pub fn say(&mut self, text: &str, part: &str) -> v1::Argument {
        let id = format!("m{}", self.words.len() + 1);
        let word = self.pair.frontend.message(&self.who, &self.conversation, &id, text);
        self.words.push(word);
        let start = text.find(part).expect("the part is in the text");
        let end = u32::try_from(start + part.len()).unwrap();
        let start = u32::try_from(start).unwrap();
        let span = v1::UtteranceSpan { message_id: id, start, end };
        v1::Argument { source: Some(Source::Utterance(span)) }
    }

    pub fn plan(&self, steps: Vec<v1::Step>) -> v1::Plan {
        v1::Plan {
            conversation_id: self.conversation.clone(),
            external_ref: "T-1".into(),
            steps,
            confidence: Some(v1::Confidence {
                score: 0.99,
                uncertainty_reason: String::new(),
                recommended_action: v1::RecommendedAction::Proceed.into(),
                ..Default::default()
            }),
            model: Some(v1::ModelUse { model: "by-hand".into(), ..Default::default() }),
            after_receipt_id: String::new(),
        }
    }

    pub async fn read(&mut self, step: v1::Step) -> Result<v1::Observation, tonic::Status> {
        let plan = self.plan(vec![step]);
        let answer = self.execute_plan(plan).await?;
        Ok(answer.observations.into_iter().next().unwrap())
    }

    pub async fn execute_plan(
        &mut self,
        plan: v1::Plan,
    ) -> Result<v1::ExecuteResponse, tonic::Status> {
        let request = v1::ExecuteRequest {
            subject_token: self.who.token.clone(),
            target: Some(Target::Plan(plan)),
            messages: self.words.clone(),
            confirmation: String::new(),
        };
        Ok(self.client.execute(request).await?.into_inner())
    }

    pub async fn propose(&mut self, step: v1::Step) -> Result<v1::Proposal, tonic::Status> {
        let plan = self.plan(vec![step]);
        self.propose_plan(plan).await
    }

    pub async fn propose_plan(&mut self, plan: v1::Plan) -> Result<v1::Proposal, tonic::Status> {
        let request = v1::ProposeRequest {
            subject_token: self.who.token.clone(),
            messages: self.words.clone(),
            plan: Some(plan),
            confirm_by_link: self.confirm_by_link,
        };
        Ok(self.client.propose(request).await?.into_inner().proposal.unwrap())
    }

    pub fn yes(&self, proposal: &v1::Proposal) -> String {
        let card = proposal.card.as_ref().unwrap();
        self.pair.frontend.yes(&self.who, &self.conversation, card)
    }

    pub async fn execute(
        &mut self,
        proposal: &v1::Proposal,
        confirmation: &str,
    ) -> Result<v1::Action, tonic::Status> {
        let request = v1::ExecuteRequest {
            subject_token: self.who.token.clone(),
            target: Some(Target::ProposalId(proposal.proposal_id.clone())),
            messages: vec![],
            confirmation: confirmation.into(),
        };
        Ok(self.client.execute(request).await?.into_inner().action.unwrap())
    }

    /// Executes in a task of its own: what a caller hears whose executor may go away.
    pub fn executing(&self, proposal: &v1::Proposal, confirmation: String) -> Call {
        let request = v1::ExecuteRequest {
            subject_token: self.who.token.clone(),
            target: Some(Target::ProposalId(proposal.proposal_id.clone())),
            messages: vec![],
            confirmation,
        };
        let mut client = self.client.clone();
        tokio::spawn(async move {
            client.execute(request).await.map(|answer| answer.into_inner().action.unwrap())
        })
    }

    /// The same, up to where the request is with the shop and its answer is not here yet.
    pub async fn awaiting_the_shop(&self, proposal: &v1::Proposal, confirmation: String) -> Call {
        let before = self.pair.mutations();
        self.pair.sandbox.fault(Fault::Slow);
        let call = self.executing(proposal, confirmation);
        while self.pair.mutations() == before {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        call
    }

    /// Finds an order by its number, the way a planner does.
    pub async fn order(&mut self, number: &str) -> Result<v1::Observation, tonic::Status> {
        let span = self.say(&format!("it is about order #{number}"), number);
        self.read(step("shopify.find_order", vec![("number", span)])).await
    }

    /// Proposes to cancel an order.
    pub async fn propose_cancel(&mut self, number: &str) -> Result<v1::Proposal, tonic::Status> {
        let order = self.order(number).await?;
        self.propose(step("shopify.cancel_order", vec![("order_id", seen(&order, "/orders/0/id"))]))
            .await
    }

    /// Proposes to refund one piece of the order's first line.
    pub async fn propose_refund(&mut self, number: &str) -> Result<v1::Proposal, tonic::Status> {
        let order = self.order(number).await?;
        let whole = self.whole(&order).await?;
        let refund = self.refund_step(&order, &whole);
        self.propose(refund).await
    }

    /// All of an order that was found.
    pub async fn whole(
        &mut self,
        order: &v1::Observation,
    ) -> Result<v1::Observation, tonic::Status> {
        self.read(step("shopify.get_order", vec![("order_id", seen(order, "/orders/0/id"))])).await
    }

    /// The step that refunds one piece of an order's first line.
    pub fn refund_step(&self, order: &v1::Observation, whole: &v1::Observation) -> v1::Step {
        let line = fields(vec![
            ("line_id", seen(whole, "/lines/0/id")),
            ("quantity", model(&serde_json::json!(1))),
        ]);
        let id = seen(order, "/orders/0/id");
        step("shopify.refund_lines", vec![("order_id", id), ("lines", list(vec![line]))])
    }

    /// Proposes, confirms and executes.
    pub async fn cancel(&mut self, number: &str) -> Result<v1::Action, tonic::Status> {
        let proposal = self.propose_cancel(number).await?;
        let yes = self.yes(&proposal);
        self.execute(&proposal, &yes).await
    }
}
