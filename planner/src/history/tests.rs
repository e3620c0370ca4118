//! An executor of a version before, over gRPC: with its tools it tells neither its newest
//! checkpoint nor who has the conversation, so it is asked for both (TWO KEEP THE HISTORY).

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::Response;
use axum::routing::post;
use countersign_proto::v1::{
    GetCheckpointResponse, GetConsistencyProofResponse, GetHandoverResponse, ListToolsResponse,
};
use countersign_shared::tlog::merkle::leaf_hash;
use parking_lot::Mutex;
use prost::Message;
use tonic::transport::Endpoint;

use super::*;
use crate::conversation::fake::Talk;
use crate::executor::{Executor, GrpcExecutor};
use crate::keep::tests::{note, open};
use crate::knowledge::Knowledge;
use crate::model::offline::Offline;
use crate::reply;

/// What it answers, and how often it was asked.
#[derive(Default)]
struct Shown {
    /// The checkpoint that comes with its tools.
    by_itself: String,
    /// Its newest checkpoint; without one its log is empty.
    newest: Option<String>,
    /// What asking for that is refused with.
    refused: Option<Code>,
    /// What proves that it grew; without one it says that it has no such history.
    proof: Option<Vec<Hash>>,
    asked: usize,
    handover: GetHandoverResponse,
}

/// A message as gRPC frames it.
fn framed(message: &impl Message) -> Response<Body> {
    let body = message.encode_to_vec();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let frame = [&[0], length.as_slice(), &body].concat();
    let head = Response::builder().header("content-type", "application/grpc");
    head.header("grpc-status", "0").body(Body::from(frame)).unwrap()
}

fn no(code: Code) -> Response<Body> {
    Refusal::new(code, "no").into_status().into_http()
}

impl Shown {
    fn tools(&mut self) -> Response<Body> {
        let checkpoint = self.by_itself.clone();
        framed(&ListToolsResponse { checkpoint, ..ListToolsResponse::default() })
    }

    fn checkpoint(&mut self) -> Response<Body> {
        self.asked += 1;
        match (self.refused, self.newest.clone()) {
            (Some(code), _) => no(code),
            (None, None) => no(Code::NotFound),
            (None, Some(checkpoint)) => framed(&GetCheckpointResponse { checkpoint }),
        }
    }

    fn proof(&mut self) -> Response<Body> {
        let Some(proof) = &self.proof else { return no(Code::NotFound) };
        let hashes = proof.iter().map(|hash| hash.to_vec()).collect();
        framed(&GetConsistencyProofResponse { hashes, ..GetConsistencyProofResponse::default() })
    }

    fn handover(&mut self) -> Response<Body> {
        framed(&self.handover)
    }
}

/// Serves it, and a client that keeps its history there.
async fn older(keep: &Keep) -> (Arc<Mutex<Shown>>, GrpcExecutor) {
    let shown = Arc::new(Mutex::new(Shown::default()));
    let answers = |answer: fn(&mut Shown) -> Response<Body>| {
        let shown = Arc::clone(&shown);
        post(async move |_asked: Bytes| answer(&mut shown.lock()))
    };
    let router = Router::new()
        .route("/countersign.v1.Executor/ListTools", answers(Shown::tools))
        .route("/countersign.v1.Executor/GetHandover", answers(Shown::handover))
        .route("/countersign.v1.Audit/GetCheckpoint", answers(Shown::checkpoint))
        .route("/countersign.v1.Audit/GetConsistencyProof", answers(Shown::proof));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let channel = Endpoint::from_shared(address).unwrap().connect_lazy();
    let client = GrpcExecutor::new(channel.into(), keep.clone(), Memory::default());
    (shown, client)
}

/// The code that listing its tools is refused with.
async fn refused(executor: &GrpcExecutor) -> String {
    let error = executor.list_tools("t", "c").await.unwrap_err();
    error.refusal().map(|refusal| refusal.code.clone()).unwrap_or_default()
}

#[tokio::test]
async fn an_executor_that_shows_no_checkpoint_by_itself_is_asked_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let keep = open(folder.path()).unwrap();
    let (shown, executor) = older(&keep).await;
    executor.list_tools("t", "c").await.unwrap();
    assert_eq!((keep.newest_size(), shown.lock().asked), (None, 1), "its log is empty");
    shown.lock().newest = Some(note(1, 9).0);
    executor.list_tools("t", "c").await.unwrap();
    assert_eq!((keep.newest_size(), shown.lock().asked), (Some(1), 2));
    shown.lock().newest = Some(note(2, 9).0);
    shown.lock().proof = Some(vec![leaf_hash(b"1")]);
    executor.list_tools("t", "c").await.unwrap();
    assert_eq!((keep.newest_size(), shown.lock().asked), (Some(2), 3));
    // A newer version shows it with its tools.
    shown.lock().by_itself = note(2, 9).0;
    executor.list_tools("t", "c").await.unwrap();
    assert_eq!(shown.lock().asked, 3);
}

#[tokio::test]
async fn an_executor_that_is_asked_and_went_back_lists_nothing() {
    for newest in [None, Some(note(2, 9).0), Some(note(3, 1).0)] {
        let folder = tempfile::tempdir().unwrap();
        let keep = open(folder.path()).unwrap();
        keep.weigh(note(3, 9).0.as_bytes()).unwrap();
        let (shown, executor) = older(&keep).await;
        shown.lock().newest = newest;
        assert_eq!(refused(&executor).await, "HISTORY_DISTRUSTED");
        assert!(keep.distrust().is_some());
        // Nothing more is asked of it.
        assert_eq!(refused(&executor).await, "HISTORY_DISTRUSTED");
        assert_eq!(shown.lock().asked, 1);
    }
}

#[tokio::test]
async fn an_executor_that_cannot_say_now_lists_nothing_and_is_not_distrusted() {
    let folder = tempfile::tempdir().unwrap();
    let keep = open(folder.path()).unwrap();
    let (shown, executor) = older(&keep).await;
    shown.lock().refused = Some(Code::StoreUnavailable);
    assert_eq!(refused(&executor).await, "STORE_UNAVAILABLE");
    assert_eq!(keep.distrust(), None);
    shown.lock().refused = None;
    executor.list_tools("t", "c").await.unwrap();
}

#[tokio::test]
async fn without_a_folder_no_checkpoint_is_asked_for() {
    let (shown, executor) = older(&Keep::default()).await;
    executor.list_tools("t", "c").await.unwrap();
    assert_eq!(shown.lock().asked, 0);
}

#[tokio::test]
async fn an_executor_that_does_not_tell_who_has_the_conversation_is_asked() {
    let (shown, executor) = older(&Keep::default()).await;
    let others = (Memory::default(), Knowledge::default());
    let mut talk = Talk::remembering(Arc::new(executor), Arc::new(Offline), others);
    assert_ne!(talk.say("hello").await.reply, reply::WITH_A_COLLEAGUE);
    shown.lock().handover =
        GetHandoverResponse { taken: true, receipt_id: "rcp_9".into(), ..Default::default() };
    assert_eq!(talk.say("hello").await.reply, reply::WITH_A_COLLEAGUE);
}
