//! A connection that calls go over, and once more where one was never sent.
//!
//! ```text
//! call ─▶ its connection ended first, nothing was written ─▶ dial ─▶ call
//!     └─▶ anything else: as it is
//! ```
//!
//! A connection may end between the moment a call is given to it and the moment it is written:
//! a peer that stops, or that has had the connection long enough. hyper says so of the call
//! itself (`is_canceled`: it never left its queue), and only that counts. A peer's word that it
//! did nothing (`REFUSED_STREAM`, a `GOAWAY` below the stream) is somebody's word, and a call
//! whose answer is lost may have been carried out: whoever called decides about these.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use tokio::sync::oneshot;
use tonic::Status;
use tonic::body::Body;
use tonic::transport;
use tower::{Service, ServiceExt as _};

/// A connection to one workload, dialled when it is needed. Clones share it.
#[derive(Clone, Debug)]
pub struct Channel(transport::Channel);

impl From<transport::Channel> for Channel {
    fn from(channel: transport::Channel) -> Self {
        Self(channel)
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = transport::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, transport::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), transport::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The one that is ready goes with the call.
        let next = self.0.clone();
        Box::pin(send(std::mem::replace(&mut self.0, next), request))
    }
}

async fn send(
    mut channel: transport::Channel,
    request: Request<Body>,
) -> Result<Response<Body>, transport::Error> {
    let (head, body) = request.into_parts();
    let (body, mut unread) = Lent::new(body);
    let sent = channel.call(Request::from_parts(head.clone(), Body::new(body))).await;
    match (sent, unread.try_recv()) {
        (Err(error), Ok(body)) if never_sent(&error) => {
            tracing::debug!("a call that was not sent is made once more");
            channel.ready().await?.call(Request::from_parts(head, body)).await
        }
        (sent, _) => sent,
    }
}

/// Whether the request was still in its connection's queue.
fn never_sent(error: &transport::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            return error.is_canceled();
        }
        cause = error.source();
    }
    false
}

/// A request's body, which comes back if nobody read of it.
struct Lent {
    body: Body,
    back: Option<oneshot::Sender<Body>>,
}

impl Lent {
    fn new(body: Body) -> (Self, oneshot::Receiver<Body>) {
        let (back, unread) = oneshot::channel();
        (Self { body, back: Some(back) }, unread)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(back) = self.back.take() {
            // Whoever lent it may have gone.
            let _ = back.send(std::mem::take(&mut self.body));
        }
    }
}

impl http_body::Body for Lent {
    type Data = <Body as http_body::Body>::Data;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Status>>> {
        self.back = None;
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
