//! The gRPC face: checks a request's form, runs the turn in a task of its own, from the question
//! who asks, and streams its events. A frontend that hangs up does not stop a turn midway.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_proto::v1::planner_server::Planner;
use countersign_proto::v1::{
    ConverseRequest, ConverseResponse, RateRequest, RateResponse, RecordRatingRequest,
};
use countersign_shared::codes::Code;
use countersign_shared::mtls::SpiffeId;
use countersign_shared::refusal::Refusal;
use countersign_shared::span::{Kind, Span};
use countersign_shared::turn::SCORES;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status};

use crate::conversation::turn::Engine;
use crate::executor::CallError;
use crate::pace::Paces;
use crate::subject;

/// Turns under way at once; further ones are refused, to be tried again.
const MAX_TURNS: usize = 512;
const MAX_TEXT: usize = 16 * 1024;
const MAX_TOKEN: usize = 16 * 1024;
const MAX_ID: usize = 128;

/// Answers frontends.
#[derive(Clone)]
pub struct PlannerService {
    engine: Arc<Engine>,
    room: Arc<Semaphore>,
    paces: Arc<Paces>,
    turns: TaskTracker,
}

impl PlannerService {
    /// Over an engine, with so many turns a minute for each caller, and for each of its customers.
    /// `turns` tells when the last turn has ended.
    #[must_use]
    pub fn new(engine: Arc<Engine>, (all, each): (u32, u32), turns: TaskTracker) -> Self {
        let (room, paces) = (Semaphore::new(MAX_TURNS), Paces::new(all, each));
        Self { engine, room: Arc::new(room), paces: Arc::new(paces), turns }
    }
}

#[tonic::async_trait]
impl Planner for PlannerService {
    type ConverseStream = std::pin::Pin<
        Box<dyn tokio_stream::Stream<Item = Result<ConverseResponse, Status>> + Send>,
    >;

    async fn converse(
        &self,
        request: Request<ConverseRequest>,
    ) -> Result<Response<Self::ConverseStream>, Status> {
        let caller = caller(&request).map_err(Refusal::into_status)?;
        keep_pace(&self.paces, &caller, Instant::now()).map_err(Refusal::into_status)?;
        let request = request.into_inner();
        check(&request).map_err(Refusal::into_status)?;
        let customer = subject::key(&request.subject_token);
        look_at(&self.paces, &caller, &customer).map_err(Refusal::into_status)?;
        let place = take_place(&self.room).map_err(Refusal::into_status)?;
        let span = Span::begin(Kind::Internal, "turn");
        let (events, stream) = mpsc::unbounded_channel();
        let (begins, begun) = oneshot::channel();
        let (engine, paces) = (Arc::clone(&self.engine), Arc::clone(&self.paces));
        self.turns.spawn(async move {
            let turn = async {
                let verify = engine.verify(&request.subject_token, &request.conversation_id);
                let verified = verify.await;
                let paced = match &verified {
                    Ok(_) => keep_pace_of(&paces, &caller, &customer),
                    Err(_) => Ok(()),
                };
                let goes_on = paced.is_ok();
                // Whoever asked may have hung up: the turn goes on.
                let _left = begins.send(paced);
                if goes_on {
                    engine.turn_of(request, verified, None, &events).await;
                }
            };
            span.run(turn).await;
            drop(place);
        });
        let broke_off = |_gone| Refusal::new(Code::Internal, "the turn broke off");
        begun.await.map_err(broke_off).flatten().map_err(Refusal::into_status)?;
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(stream).map(Ok))))
    }

    async fn rate(&self, request: Request<RateRequest>) -> Result<Response<RateResponse>, Status> {
        let caller = caller(&request).map_err(Refusal::into_status)?;
        keep_pace(&self.paces, &caller, Instant::now()).map_err(Refusal::into_status)?;
        let RateRequest { subject_token, conversation_id, score } = request.into_inner();
        check_rating(&subject_token, &conversation_id, score).map_err(Refusal::into_status)?;
        let customer = subject::key(&subject_token);
        look_at(&self.paces, &caller, &customer).map_err(Refusal::into_status)?;
        let _place = take_place(&self.room).map_err(Refusal::into_status)?;
        self.engine.verify(&subject_token, "").await.map_err(not_rated)?;
        keep_pace_of(&self.paces, &caller, &customer).map_err(Refusal::into_status)?;
        let rating = RecordRatingRequest { subject_token, conversation_id, score };
        self.engine.rate(rating).await.map_err(not_rated)?;
        Ok(Response::new(RateResponse {}))
    }
}

fn not_rated(error: CallError) -> Status {
    match error {
        CallError::Refused(refusal) => refusal.into_status(),
        CallError::Unreachable(why) | CallError::Lost(why) => {
            let message = format!("the executor does not answer, try again: {why}");
            Refusal::new(Code::StoreUnavailable, message).into_status()
        }
    }
}

/// A place for one more turn.
fn take_place(room: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Refusal> {
    let full = |_full| Refusal::new(Code::Overloaded, "too many turns at once");
    Arc::clone(room).try_acquire_owned().map_err(full)
}

fn caller<T>(request: &Request<T>) -> Result<SpiffeId, Refusal> {
    let caller = request.extensions().get::<SpiffeId>().cloned();
    caller.ok_or_else(|| Refusal::new(Code::CallerNotAllowed, "no verified caller"))
}

/// Counts what a caller asks, before anything is done for them.
fn keep_pace(paces: &Paces, caller: &SpiffeId, now: Instant) -> Result<(), Refusal> {
    let taken = paces.take(caller.as_str(), now);
    taken.map_err(|again| too_fast(again, "this caller has had its turns of this minute"))
}

/// Refuses what is asked for somebody who had their minute, if it is them.
fn look_at(paces: &Paces, caller: &SpiffeId, customer: &str) -> Result<(), Refusal> {
    paces.look_at(caller.as_str(), customer, Instant::now()).map_err(had_theirs)
}

/// Counts what is asked for a customer whom the executor knows: nobody uses up another's minute.
fn keep_pace_of(paces: &Paces, caller: &SpiffeId, customer: &str) -> Result<(), Refusal> {
    paces.take_of(caller.as_str(), customer, Instant::now()).map_err(had_theirs)
}

fn had_theirs(again: Duration) -> Refusal {
    too_fast(again, "this customer has had their turns of this minute")
}

fn too_fast(again: Duration, why: &str) -> Refusal {
    Refusal { retry_after: Some(again), ..Refusal::new(Code::Overloaded, why) }
}

/// The form of a request; what it says is judged by the executor.
fn check(request: &ConverseRequest) -> Result<(), Refusal> {
    let mut violations = check_whose(&request.subject_token, &request.conversation_id);
    let mut wrong =
        |field: &str, problem: &str| violations.push((field.to_owned(), problem.to_owned()));
    if request.confirmation.len() > MAX_TOKEN {
        wrong("confirmation", "send at most 16 KiB");
    }
    if request.external_ref.len() > MAX_ID {
        wrong("external_ref", "send at most 128 bytes");
    }
    match &request.message {
        Some(message) if message.message_id.is_empty() || message.message_id.len() > MAX_ID => {
            wrong("message.message_id", "give each message an id of up to 128 bytes");
        }
        Some(message) if message.text.len() > MAX_TEXT || message.attestation.len() > MAX_TOKEN => {
            wrong("message", "send at most 16 KiB of text");
        }
        None if request.confirmation.is_empty() => {
            wrong("message", "send a message or a confirmation")
        }
        Some(_) | None => {}
    }
    malformed(violations)
}

fn check_rating(token: &str, conversation: &str, score: u32) -> Result<(), Refusal> {
    let mut violations = check_whose(token, conversation);
    if !SCORES.contains(&score) {
        violations.push(("score".to_owned(), "send a number from 1 to 5".to_owned()));
    }
    malformed(violations)
}

/// Field and what is wrong with it.
fn check_whose(token: &str, conversation: &str) -> Vec<(String, String)> {
    let mut violations = Vec::new();
    let mut wrong =
        |field: &str, problem: &str| violations.push((field.to_owned(), problem.to_owned()));
    let plain = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
    if conversation.is_empty() || conversation.len() > MAX_ID || !conversation.chars().all(plain) {
        wrong("conversation_id", "write 1 to 128 characters of A-Z a-z 0-9 . _ : -");
    }
    if token.is_empty() || token.len() > MAX_TOKEN {
        wrong("subject_token", "send the subject's token, up to 16 KiB");
    }
    violations
}

fn malformed(violations: Vec<(String, String)>) -> Result<(), Refusal> {
    if violations.is_empty() {
        return Ok(());
    }
    Err(Refusal { violations, ..Refusal::new(Code::ArgumentInvalid, "the request is malformed") })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD;
    use countersign_proto::v1::AttestedMessage;
    use futures_util::FutureExt as _;

    use super::*;
    use crate::conversation::Limits;
    use crate::conversation::fake::{FakeExecutor, refused};
    use crate::executor::Executor;
    use crate::model::offline::Offline;

    #[test]
    fn who_finds_no_place_is_told_when_to_come_back() {
        let room = Arc::new(Semaphore::new(1));
        let place = take_place(&room).unwrap();
        let status = take_place(&room).unwrap_err().into_status();
        let refusal = Refusal::from_status(&status).unwrap();
        assert_eq!(refusal.code, Code::Overloaded.name());
        assert!(refusal.retry_after.is_some(), "{refusal:?}");
        drop(place);
        assert!(take_place(&room).is_ok());
    }

    #[test]
    fn each_caller_has_a_pace_of_its_own_and_hears_when_to_come_back() {
        let web = "spiffe://demo/web".parse().unwrap();
        let kiosk = "spiffe://demo/kiosk".parse().unwrap();
        let (pace, start) = (Paces::new(1, 1), Instant::now());
        keep_pace(&pace, &web, start).unwrap();
        let later = start + Duration::from_secs(20);
        let status = keep_pace(&pace, &web, later).unwrap_err().into_status();
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        let refusal = Refusal::from_status(&status).unwrap();
        assert_eq!(refusal.retry_after, Some(Duration::from_secs(40)));
        keep_pace(&pace, &kiosk, later).unwrap();
        assert_eq!(caller(&Request::new(())).unwrap_err().code, "CALLER_NOT_ALLOWED");
    }

    fn over(executor: &Arc<FakeExecutor>, paces: (u32, u32)) -> PlannerService {
        let asked: Arc<dyn Executor> = Arc::<FakeExecutor>::clone(executor);
        let engine = Engine::new(asked, Arc::new(Offline), Limits::default(), Default::default());
        PlannerService::new(Arc::new(engine), paces, TaskTracker::new())
    }

    fn token(who: &str) -> String {
        let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"iss":"i","sub":"{who}"}}"#));
        format!("e30.{claims}.sig")
    }

    fn from_web<T>(message: T) -> Request<T> {
        let mut request = Request::new(message);
        let web: SpiffeId = "spiffe://demo/web".parse().unwrap();
        request.extensions_mut().insert(web);
        request
    }

    fn said(who: &str, text: &str) -> Request<ConverseRequest> {
        from_web(ConverseRequest {
            subject_token: token(who),
            conversation_id: "c".into(),
            message: Some(AttestedMessage {
                message_id: "m".into(),
                text: text.into(),
                attestation: "a".into(),
            }),
            ..ConverseRequest::default()
        })
    }

    #[tokio::test]
    async fn a_frontend_that_hangs_up_before_it_is_known_who_asks_stops_no_turn() {
        let (executor, known) = (FakeExecutor::new(&[(1001, &[("Mug", 1)])]), Arc::default());
        executor.shop.lock().list_after = Some(Arc::clone(&known));
        let service = over(&executor, (9, 9));
        let mut asks = service.converse(said("ada", "cancel order #1001"));
        assert!(asks.as_mut().now_or_never().is_none());
        drop(asks);
        known.notify_one();
        service.turns.close();
        service.turns.wait().await;
        assert_eq!(executor.proposed().len(), 1);
    }

    #[tokio::test]
    async fn each_customer_has_a_pace_of_their_own_once_they_are_known() {
        let executor = FakeExecutor::new(&[]);
        let service = over(&executor, (4, 1));
        let say = async |who: &str| {
            let turn = service.converse(said(who, "hi")).await;
            turn.map(drop).map_err(|status| status.code())
        };
        // Whoever only says that they are somebody uses up nobody's minute.
        let unknown = refused(Refusal::new(Code::SubjectUnverified, "no"));
        executor.shop.lock().list_script.push_back(unknown);
        say("ada").await.unwrap();
        say("ada").await.unwrap();
        let listed = executor.shop.lock().listed;
        for _again_and_again in 0..9 {
            assert_eq!(say("ada").await, Err(tonic::Code::ResourceExhausted));
        }
        assert_eq!(executor.shop.lock().listed, listed, "the executor is asked for none of them");
        say("bob").await.unwrap();
        let (subject_token, conversation_id) = (token("bob"), "c".to_owned());
        let rating = from_web(RateRequest { subject_token, conversation_id, score: 5 });
        let status = service.rate(rating).await.unwrap_err();
        assert_eq!(Refusal::from_status(&status).unwrap().code, Code::Overloaded.name());
        assert!(executor.shop.lock().rated.is_empty());
    }

    #[test]
    fn every_malformed_field_is_named() {
        let message =
            AttestedMessage { message_id: "m".into(), text: "hi".into(), attestation: "a".into() };
        let good = ConverseRequest {
            subject_token: "t".into(),
            conversation_id: "c.1:a_b-c".into(),
            message: Some(message),
            ..ConverseRequest::default()
        };
        assert!(check(&good).is_ok());
        let bad = ConverseRequest {
            conversation_id: "a b".into(),
            external_ref: "x".repeat(129),
            ..ConverseRequest::default()
        };
        let fields: Vec<_> =
            check(&bad).unwrap_err().violations.into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["conversation_id", "subject_token", "external_ref", "message"]);
        assert!(check_rating("t", "c", 5).is_ok());
        for (token, conversation, score, field) in [
            ("t", "c", 0, "score"),
            ("t", "c", 6, "score"),
            ("", "c", 1, "subject_token"),
            ("t", "a b", 1, "conversation_id"),
        ] {
            let wrong = check_rating(token, conversation, score).unwrap_err().violations;
            assert_eq!(wrong.first().map(|(field, _)| field.as_str()), Some(field));
        }
        let only_yes = ConverseRequest { message: None, confirmation: "y".into(), ..good };
        assert!(check(&only_yes).is_ok());
    }
}
