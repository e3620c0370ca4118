//! A hand-written executor for tests: a small shop, a script of troubles, and a
//! record of everything it was asked.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "tests"
)]

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use countersign_proto::v1::*;
use countersign_shared::codes::Code;
use countersign_shared::refusal::Refusal;
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value as Json, json};
use tokio::sync::{Barrier, Notify, OwnedMutexGuard};
use tokio_util::task::TaskTracker;

use super::turn::{Engine, Verified};
use super::{Conversation, Limits};
use crate::executor::{CallError, Executor};
use crate::knowledge::Knowledge;
use crate::memory::Memory;
use crate::model::Model;
use crate::model::offline::Offline;
use crate::record::Recorder;
use crate::subject;

pub(crate) const TOKEN: &str = "e30.eyJpc3MiOiJpIiwic3ViIjoiYWRhIn0.c2ln";

/// What was proposed: tool and resolved arguments.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Proposed {
    pub(crate) tool: String,
    pub(crate) arguments: BTreeMap<String, Json>,
    pub(crate) after: String,
}

#[derive(Default)]
pub(crate) struct Shop {
    /// Order number to titles with quantities.
    pub(crate) orders: Vec<(u32, Vec<(String, i64)>)>,
    pub(crate) observations: BTreeMap<String, Json>,
    pub(crate) proposed: Vec<Proposed>,
    pub(crate) executed: Vec<(String, String)>,
    pub(crate) reads: Vec<String>,
    /// How sure the plan of each read was.
    pub(crate) sure_of_reads: Vec<Confidence>,
    /// Answers of the next calls, instead of the usual ones.
    pub(crate) propose_script: VecDeque<CallError>,
    pub(crate) execute_script: VecDeque<Result<Action, CallError>>,
    pub(crate) list_script: VecDeque<CallError>,
    /// What its tools are not listed before.
    pub(crate) list_after: Option<Arc<Notify>>,
    pub(crate) rated: Vec<RecordRatingRequest>,
    pub(crate) rate_script: VecDeque<CallError>,
    pub(crate) withdrawn: Vec<String>,
    pub(crate) withdraw_script: VecDeque<Result<Action, CallError>>,
    pub(crate) watch_script: VecDeque<Action>,
    /// How many look at an action before anybody sees it.
    pub(crate) looks: Option<Arc<Barrier>>,
    /// What is not there any more.
    pub(crate) forgotten: bool,
    pub(crate) no_confirmation: bool,
    /// Whether there is nothing to show to whoever has to say yes.
    pub(crate) no_card: bool,
    /// Whether it serves the customer's page.
    pub(crate) sends_links: bool,
    pub(crate) escalated: Vec<EscalateRequest>,
    pub(crate) recorded: Vec<RecordTurnRequest>,
    /// Whether reads ask for a match first, and what was matched.
    pub(crate) guest: bool,
    pub(crate) matched: Vec<(String, String)>,
    pub(crate) escalate_script: VecDeque<CallError>,
    /// The key of the subject, and those that are erased.
    pub(crate) kept_under: String,
    pub(crate) erased: Vec<String>,
    /// The key of whoever is matched.
    pub(crate) matched_under: String,
    /// How often it was asked for its tools.
    pub(crate) listed: usize,
    /// How what was handed over stands.
    pub(crate) handover: GetHandoverResponse,
    /// Whether it lists its tools and tells nothing beside them, as an older version does.
    pub(crate) only_lists: bool,
    /// What asking for it is refused with.
    pub(crate) handover_refused: Option<Code>,
    /// Called whenever it is not only asked but told to do something.
    pub(crate) on_told: Option<Box<dyn FnMut() + Send>>,
}

pub(crate) struct FakeExecutor {
    pub(crate) shop: Mutex<Shop>,
    tools: Vec<Tool>,
}

impl FakeExecutor {
    pub(crate) fn new(orders: &[(u32, &[(&str, i64)])]) -> Arc<Self> {
        let lines = |l: &[(&str, i64)]| l.iter().map(|(t, q)| ((*t).to_owned(), *q)).collect();
        let orders = orders.iter().map(|(n, l)| (*n, lines(l))).collect();
        Self::with_tools(orders, tools(include_str!("../../testdata/shopify_tools.json")))
    }

    pub(crate) fn with_tools(
        orders: Vec<(u32, Vec<(String, i64)>)>,
        tools: Vec<Tool>,
    ) -> Arc<Self> {
        Arc::new(Self { shop: Mutex::new(Shop { orders, ..Shop::default() }), tools })
    }

    pub(crate) fn proposed(&self) -> Vec<Proposed> {
        self.shop.lock().proposed.clone()
    }

    fn told(&self) -> MutexGuard<'_, Shop> {
        let mut shop = self.shop.lock();
        if let Some(look) = &mut shop.on_told {
            look();
        }
        shop
    }

    fn resolve(&self, argument: &Argument, messages: &[AttestedMessage]) -> Json {
        match argument.source.as_ref().expect("a source") {
            argument::Source::Claim(name) => json!({ "claim": name }),
            argument::Source::Observation(r) => {
                let shop = self.shop.lock();
                let value = shop.observations.get(&r.observation_id).expect("a known observation");
                value.pointer(&r.pointer).expect("a pointer that resolves").clone()
            }
            argument::Source::Receipt(r) => json!(r.receipt_id),
            argument::Source::Utterance(s) => {
                let message = messages
                    .iter()
                    .find(|m| m.message_id == s.message_id)
                    .expect("the message is sent along");
                json!(message.text[s.start as usize..s.end as usize])
            }
            argument::Source::ModelJson(text) => serde_json::from_str(text).unwrap(),
            argument::Source::List(list) => {
                list.items.iter().map(|a| self.resolve(a, messages)).collect()
            }
            argument::Source::Fields(f) => {
                f.fields.iter().map(|(k, a)| (k.clone(), self.resolve(a, messages))).collect()
            }
        }
    }

    fn arguments(&self, step: &Step, messages: &[AttestedMessage]) -> BTreeMap<String, Json> {
        step.arguments.iter().map(|(k, a)| (k.clone(), self.resolve(a, messages))).collect()
    }

    fn read(
        &self,
        tool: &str,
        arguments: &BTreeMap<String, Json>,
    ) -> Result<(Json, String), CallError> {
        let mut shop = self.shop.lock();
        if shop.guest {
            return Err(refused(Refusal::new(Code::StrengthRequired, "who is it?")));
        }
        shop.reads.push(tool.to_owned());
        let order = |(number, _): &(u32, Vec<(String, i64)>)| {
            json!({"id": format!("gid://shopify/Order/{number}"), "name": format!("#{number}"),
                   "total": {"amount": "20.00", "currency": "USD"}, "placed": "2026-11-01T10:00:00Z"})
        };
        let by_id = |shop: &Shop| {
            let id =
                arguments.get("order_id").and_then(Json::as_str).unwrap_or_default().to_owned();
            shop.orders
                .iter()
                .find(|(n, _)| id.ends_with(&n.to_string()))
                .cloned()
                .expect("an order id that exists")
        };
        match tool {
            "shopify.list_orders" => Ok((
                json!({"orders": shop.orders.iter().map(order).collect::<Vec<_>>()}),
                "Your orders.".into(),
            )),
            "shopify.find_order" => {
                let number = arguments["number"].as_str().unwrap().to_owned();
                let found: Vec<Json> = shop
                    .orders
                    .iter()
                    .filter(|(n, _)| n.to_string() == number)
                    .map(order)
                    .collect();
                if found.is_empty() {
                    let say = "I cannot find that order among your orders.".to_owned();
                    return Err(refused(Refusal {
                        code: "ORDER_NOT_FOUND".into(),
                        say,
                        ..Refusal::default()
                    }));
                }
                Ok((json!({"orders": found}), format!("Order #{number}.")))
            }
            "shopify.get_order" => {
                let (number, lines) = by_id(&shop);
                let line = |(at, (title, quantity)): (usize, &(String, i64))| json!({"id": format!("gid://shopify/LineItem/{number}{at}"), "title": title, "quantity": quantity, "refundable": quantity});
                let lines: Vec<Json> = lines.iter().enumerate().map(line).collect();
                Ok((
                    json!({"id": format!("gid://shopify/Order/{number}"), "name": format!("#{number}"), "lines": lines}),
                    String::new(),
                ))
            }
            "shopify.track_shipment" => {
                let (number, _) = by_id(&shop);
                Ok((
                    json!({"name": format!("#{number}")}),
                    format!("Order #{number} is on its way."),
                ))
            }
            "payments.find_payment" | "payments.list_payments" => {
                let wanted = arguments.get("reference").and_then(Json::as_str);
                let all = [("1111", "5.00"), ("2222", "7.50")].map(|(number, amount)| {
                    json!({"id": format!("p{number}"), "reference": format!("PAY-{number}"), "amount": {"amount": amount, "currency": "EUR"}})
                });
                let found: Vec<Json> = all
                    .into_iter()
                    .filter(|p| wanted.is_none_or(|w| p["reference"] == w))
                    .collect();
                Ok((json!({"payments": found}), String::new()))
            }
            other => panic!("unexpected read {other}"),
        }
    }
}

pub(crate) fn refused(refusal: Refusal) -> CallError {
    CallError::Refused(Box::new(refusal))
}

/// Tools of a fixture file.
pub(crate) fn tools(json: &str) -> Vec<Tool> {
    let listed: Vec<Json> = serde_json::from_str(json).unwrap();
    let text = |t: &Json, k: &str| t[k].as_str().unwrap_or_default().to_owned();
    let tool = |t: &Json| Tool {
        name: text(t, "name"),
        summary: text(t, "summary"),
        read: t["read"].as_bool().unwrap(),
        arguments_json: t["arguments"].to_string(),
        output_json: t["output"].to_string(),
        examples: t["examples"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e.as_str().unwrap().to_owned())
            .collect(),
        needs_confirmation: t["needs_confirmation"].as_bool().unwrap(),
        confidence_floor: t["confidence_floor"].as_f64().unwrap(),
        label: text(t, "label"),
        ..Tool::default()
    };
    listed.iter().map(tool).collect()
}

pub(crate) fn sealed(outcome: Outcome, said: &str) -> Action {
    Action {
        action_id: "act_1".into(),
        tool: "shopify.cancel_order".into(),
        state: ActionState::Sealed.into(),
        outcome: outcome.into(),
        said: said.into(),
        receipt_id: "rcp_1".into(),
        ..Action::default()
    }
}

#[async_trait]
impl Executor for FakeExecutor {
    async fn list_tools(
        &self,
        token: &str,
        conversation_id: &str,
    ) -> Result<ListToolsResponse, CallError> {
        let after = self.shop.lock().list_after.clone();
        if let Some(after) = after {
            after.notified().await;
        }
        let stands = self.handover(token, conversation_id, "").await.ok();
        let mut shop = self.shop.lock();
        shop.listed += 1;
        match shop.list_script.pop_front() {
            Some(error) => Err(error),
            None => {
                let kept_under = shop.kept_under.clone();
                Ok(ListToolsResponse {
                    tools: self.tools.clone(),
                    kept_under,
                    handover: stands.filter(|_| !conversation_id.is_empty() && !shop.only_lists),
                    checkpoint: String::new(),
                })
            }
        }
    }

    async fn erased(&self, kept_under: Vec<String>) -> Result<Vec<String>, CallError> {
        let gone = &self.shop.lock().erased;
        Ok(kept_under.into_iter().filter(|key| gone.contains(key)).collect())
    }

    async fn withdraw(&self, _token: &str, proposal_id: &str) -> Result<Action, CallError> {
        let mut shop = self.told();
        shop.withdrawn.push(proposal_id.to_owned());
        shop.withdraw_script.pop_front().unwrap_or_else(|| {
            let code = Code::ProposalWithdrawn.name().to_owned();
            Ok(Action { code, receipt_id: "rcp_w".into(), ..Action::default() })
        })
    }

    async fn match_subject(&self, request: MatchSubjectRequest) -> Result<String, CallError> {
        let said = |span: Option<UtteranceSpan>| {
            self.resolve(
                &Argument { source: span.map(argument::Source::Utterance) },
                &request.messages,
            )
        };
        let (order, email) = (said(request.order.clone()), said(request.email.clone()));
        let (order, email) =
            (order.as_str().unwrap().to_owned(), email.as_str().unwrap().to_owned());
        let mut shop = self.shop.lock();
        if email != "ada@example.com" {
            return Err(refused(Refusal::new(Code::MatchFailed, "no")));
        }
        shop.guest = false;
        shop.matched.push((order, email));
        Ok(shop.matched_under.clone())
    }

    async fn record_turn(&self, request: RecordTurnRequest) -> Result<(), CallError> {
        self.shop.lock().recorded.push(request);
        Ok(())
    }

    async fn record_rating(&self, request: RecordRatingRequest) -> Result<(), CallError> {
        let mut shop = self.shop.lock();
        if let Some(error) = shop.rate_script.pop_front() {
            return Err(error);
        }
        shop.rated.push(request);
        Ok(())
    }

    async fn escalate(&self, request: EscalateRequest) -> Result<EscalateResponse, CallError> {
        let mut shop = self.told();
        if let Some(error) = shop.escalate_script.pop_front() {
            return Err(error);
        }
        shop.escalated.push(request);
        Ok(EscalateResponse { receipt_id: "rcp_9".into(), said: "Passed on.".into() })
    }

    async fn propose(&self, request: ProposeRequest) -> Result<Proposal, CallError> {
        if let Some(error) = self.told().propose_script.pop_front() {
            return Err(error);
        }
        let plan = request.plan.unwrap();
        assert_eq!(plan.steps.len(), 1);
        let step = plan.steps.into_iter().next().unwrap();
        let arguments = self.arguments(&step, &request.messages);
        let mut shop = self.shop.lock();
        shop.proposed.push(Proposed {
            tool: step.tool.clone(),
            arguments,
            after: plan.after_receipt_id,
        });
        let number = shop.proposed.len();
        let proposal_id = format!("prp_{number}");
        let reachable = request.confirm_by_link && shop.sends_links;
        let link_sent_to = if reachable { "c…@example.com" } else { "" }.to_owned();
        let text = format!(
            "{} {}?",
            step.tool,
            shop.proposed.last().unwrap().arguments.get("order_id").unwrap_or(&Json::Null)
        );
        let needs = if shop.no_confirmation { vec![] } else { vec![GrantKind::Customer.into()] };
        let card = Card {
            proposal_id: proposal_id.clone(),
            text,
            commitment: "c0".into(),
            expires_at: None,
        };
        Ok(Proposal {
            proposal_id,
            tool: step.tool,
            card: Some(card).filter(|_| !shop.no_card),
            needs,
            action_id: format!("act_{number}"),
            link_sent_to,
            ..Proposal::default()
        })
    }

    async fn execute(&self, request: ExecuteRequest) -> Result<ExecuteResponse, CallError> {
        match request.target.unwrap() {
            execute_request::Target::Plan(plan) => {
                let step = &plan.steps[0];
                let arguments = self.arguments(step, &request.messages);
                let (value, said) = self.read(&step.tool, &arguments)?;
                let mut shop = self.shop.lock();
                shop.sure_of_reads.push(plan.confidence.clone().unwrap_or_default());
                let id = format!("obs_{}", shop.observations.len() + 1);
                shop.observations.insert(id.clone(), value.clone());
                let observation = Observation {
                    observation_id: id,
                    tool: step.tool.clone(),
                    value_json: value.to_string(),
                    said,
                    ..Observation::default()
                };
                Ok(ExecuteResponse { observations: vec![observation], action: None })
            }
            execute_request::Target::ProposalId(id) => {
                let mut shop = self.told();
                shop.executed.push((id, request.confirmation));
                let scripted = shop.execute_script.pop_front();
                let action = scripted.unwrap_or_else(|| {
                    Ok(sealed(Outcome::Applied, "It is cancelled. Receipt rcp_1."))
                })?;
                Ok(ExecuteResponse { observations: vec![], action: Some(action) })
            }
        }
    }

    async fn handover(
        &self,
        _token: &str,
        _conversation_id: &str,
        receipt_id: &str,
    ) -> Result<GetHandoverResponse, CallError> {
        let shop = self.shop.lock();
        if let Some(code) = shop.handover_refused {
            return Err(refused(Refusal::new(code, "no")));
        }
        let stands = shop.handover.clone();
        if receipt_id.is_empty() {
            let open = !stands.receipt_id.is_empty() && stands.closed_by_receipt_id.is_empty();
            return Ok(if open { stands } else { GetHandoverResponse::default() });
        }
        assert_eq!(receipt_id, "rcp_9");
        Ok(GetHandoverResponse { receipt_id: receipt_id.to_owned(), ..stands })
    }

    async fn action(&self, token: &str, action_id: &str) -> Result<Action, CallError> {
        // What is answered goes by who asked first, not by who hears first.
        let answer = self.watch(token, action_id, Duration::ZERO).await;
        let together = self.shop.lock().looks.clone();
        if let Some(together) = together {
            together.wait().await;
        }
        answer
    }

    async fn watch(
        &self,
        _token: &str,
        _action_id: &str,
        _patience: Duration,
    ) -> Result<Action, CallError> {
        if self.shop.lock().forgotten {
            return Err(CallError::Refused(Box::new(Refusal::new(
                Code::NotFound,
                "no such action",
            ))));
        }
        self.shop.lock().watch_script.pop_front().ok_or_else(|| CallError::Lost("no news".into()))
    }
}

/// One conversation with an engine.
pub(crate) struct Talk {
    engine: Engine,
    sent: usize,
    conversation: usize,
    /// Whether the frontend says that it signs no yes.
    pub(crate) by_link: bool,
    /// Whether the next message takes the place of an earlier one.
    pub(crate) edited: bool,
    pub(crate) card: Option<Card>,
}

impl Talk {
    pub(crate) fn offline(executor: &Arc<FakeExecutor>) -> Self {
        Self::with(executor, Arc::new(Offline))
    }

    pub(crate) fn with(executor: &Arc<FakeExecutor>, model: Arc<dyn Model>) -> Self {
        Self::knowing(executor, model, Knowledge::default())
    }

    pub(crate) fn knowing(
        executor: &Arc<FakeExecutor>,
        model: Arc<dyn Model>,
        knowledge: Knowledge,
    ) -> Self {
        let executor: Arc<dyn Executor> = Arc::<FakeExecutor>::clone(executor);
        Self::remembering(executor, model, (Memory::default(), knowledge))
    }

    pub(crate) fn remembering(
        executor: Arc<dyn Executor>,
        model: Arc<dyn Model>,
        others: (Memory, Knowledge),
    ) -> Self {
        let recorder = Recorder::new(Arc::clone(&executor), TaskTracker::new());
        let engine = Engine::new(executor, model, Limits::default(), others);
        let engine = engine.recording(recorder);
        Self { engine, sent: 0, conversation: 1, by_link: false, edited: false, card: None }
    }

    /// Another conversation with the same engine.
    pub(crate) fn anew(&mut self) {
        self.conversation += 1;
    }

    pub(crate) async fn say(&mut self, text: &str) -> Turn {
        self.send(text, String::new()).await
    }

    /// Says yes with a confirmation for the card shown last.
    pub(crate) async fn confirm(&mut self) -> Turn {
        self.send("yes", "signed".to_owned()).await
    }

    pub(crate) async fn send(&mut self, text: &str, confirmation: String) -> Turn {
        let verified = self.verified().await;
        self.send_as(verified, text, confirmation).await
    }

    /// What the executor is asked before a turn.
    pub(crate) async fn verified(&self) -> Result<Verified, CallError> {
        self.engine.verify(TOKEN, &format!("c{}", self.conversation)).await
    }

    /// The conversation as another turn has it, until this is dropped: then that turn broke off.
    pub(crate) async fn in_another_turn(&self) -> OwnedMutexGuard<Conversation> {
        let key = format!("c{}\n\n{}", self.conversation, subject::key(TOKEN));
        self.engine.conversations.enter(&key, Instant::now()).lock_owned().await
    }

    /// A turn of which that was asked before.
    pub(crate) async fn send_as(
        &mut self,
        verified: Result<Verified, CallError>,
        text: &str,
        confirmation: String,
    ) -> Turn {
        self.sent += 1;
        let message = AttestedMessage {
            message_id: format!("m{}", self.sent),
            text: text.to_owned(),
            attestation: String::new(),
        };
        let request = ConverseRequest {
            subject_token: TOKEN.into(),
            conversation_id: format!("c{}", self.conversation),
            message: Some(message),
            confirmation,
            external_ref: String::new(),
            confirm_by_link: self.by_link,
            edited: self.edited,
            branch: String::new(),
        };
        let (events, mut seen) = tokio::sync::mpsc::unbounded_channel();
        self.engine.turn_of(request, verified, None, &events).await;
        self.card = None;
        let mut last = None;
        while let Ok(event) = seen.try_recv() {
            match event.event.unwrap() {
                converse_response::Event::Card(card) => self.card = Some(card),
                converse_response::Event::Turn(turn) => last = Some(turn),
                converse_response::Event::Progress(_) => {}
            }
        }
        last.expect("a turn ends with its result")
    }
}
