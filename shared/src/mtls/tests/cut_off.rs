//! Calls that meet the end of their connection: made once more where they were not sent, and
//! only there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use h2::server::{Connection, SendResponse, handshake};
use http::{HeaderMap, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::server::TlsStream;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::kit::{Authority, EXECUTOR, PLANNER, id};
use crate::mtls::{Channel, Material, accept, channel};

type Bytes = tonic::codegen::Bytes;

/// How the service ends its first connection, after the first call on it.
#[derive(Clone, Copy, PartialEq)]
enum Ends {
    /// Says GOAWAY, and answers the call when it is told to.
    Politely,
    /// Says that it did nothing with the call, and goes.
    Refusing,
    /// Goes.
    Abruptly,
}

/// A service that counts the calls that arrive.
struct Service {
    channel: Channel,
    calls: Arc<AtomicU64>,
    /// Told that GOAWAY was said, and to answer the call that it was said after.
    said: Arc<Notify>,
    answer: Arc<Notify>,
}

impl Service {
    async fn start(ends: Ends) -> Self {
        let ca = Authority::new("ca");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let channel = channel(&address, ca.material(PLANNER), id(EXECUTOR)).unwrap();
        let (calls, said, answer) = <(Arc<AtomicU64>, Arc<Notify>, Arc<Notify>)>::default();
        let this = Self { channel, calls, said, answer };
        let (calls, said, answer) =
            (Arc::clone(&this.calls), Arc::clone(&this.said), Arc::clone(&this.answer));
        let material = ca.material(EXECUTOR);
        tokio::spawn(async move {
            let mut first = accepted(&listener, &material).await;
            let (_, mut call) = first.accept().await.unwrap().unwrap();
            calls.fetch_add(1, Ordering::SeqCst);
            match ends {
                Ends::Politely => {
                    first.graceful_shutdown();
                    tokio::spawn(async move {
                        // What is heard meanwhile only moves frames.
                        let more = async { while first.accept().await.is_some() {} };
                        said.notify_one();
                        tokio::select! { () = more => {} () = answer.notified() => {} }
                        answered(call);
                        while first.accept().await.is_some() {}
                    });
                }
                Ends::Refusing => {
                    call.send_reset(h2::Reason::REFUSED_STREAM);
                    first.graceful_shutdown();
                    tokio::spawn(async move { while first.accept().await.is_some() {} });
                }
                Ends::Abruptly => drop((call, first)),
            }
            let mut second = accepted(&listener, &material).await;
            while let Some(Ok((_, call))) = second.accept().await {
                calls.fetch_add(1, Ordering::SeqCst);
                answered(call);
            }
        });
        this
    }

    async fn call(&self) -> Result<(), Status> {
        let mut client = HealthClient::new(self.channel.clone());
        client.check(HealthCheckRequest::default()).await.map(drop)
    }

    fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }
}

async fn accepted(
    listener: &TcpListener,
    material: &Material,
) -> Connection<TlsStream<TcpStream>, Bytes> {
    let (stream, _) = listener.accept().await.unwrap();
    let (tls, _) = accept(stream, material).await.unwrap();
    handshake(tls).await.unwrap()
}

/// An empty message, which is a whole answer.
fn answered(mut call: SendResponse<Bytes>) {
    let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    let mut body = call.send_response(head, false).unwrap();
    body.send_data(Bytes::from_static(&[0; 5]), false).unwrap();
    let mut end = HeaderMap::new();
    end.insert("grpc-status", "0".parse().unwrap());
    body.send_trailers(end).unwrap();
}

/// The connection still carries the earlier call, so whoever calls does not see that it ends.
#[tokio::test]
async fn a_call_that_was_not_sent_is_made_once_more_on_a_new_connection() {
    let service = Service::start(Ends::Politely).await;
    let earlier = async { service.call().await };
    let later = async {
        service.said.notified().await;
        // GOAWAY reaches our end before the call is given to the connection.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let done = service.call().await;
        assert_eq!(service.calls(), 2, "on the second connection");
        service.answer.notify_one();
        done
    };
    let (earlier, later) = tokio::join!(earlier, later);
    earlier.unwrap();
    later.unwrap();
    assert_eq!(service.calls(), 2);
}

/// Whether it was carried out is the caller's question.
#[tokio::test]
async fn a_call_that_was_sent_is_never_made_again() {
    for (ends, code) in [(Ends::Abruptly, Code::Unknown), (Ends::Refusing, Code::Unavailable)] {
        let service = Service::start(ends).await;
        let error = service.call().await.unwrap_err();
        assert_eq!((error.code(), service.calls()), (code, 1), "{error:?}");
        // The next one is a call of its own.
        service.call().await.unwrap();
        assert_eq!(service.calls(), 2);
    }
}
