//! How many requests of a connection are under way: from their headers to the last byte of the
//! answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::watch;

/// Counts those of one connection.
pub(super) struct UnderWay(Arc<watch::Sender<usize>>);

impl UnderWay {
    /// None yet, and where the count is seen.
    pub(super) fn watched() -> (Self, watch::Receiver<usize>) {
        let (tell, seen) = watch::channel(0);
        (Self(Arc::new(tell)), seen)
    }

    /// One more.
    pub(super) fn begin(&self) -> Begun {
        self.0.send_modify(|count| *count = count.saturating_add(1));
        Begun(Arc::clone(&self.0))
    }
}

/// A request that is under way until this is dropped.
pub(super) struct Begun(Arc<watch::Sender<usize>>);

impl Begun {
    /// Until its answer was handed on.
    pub(super) fn until_sent(self, body: Body) -> Held {
        Held { body, _begun: self }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// The body of an answer, counted as under way.
pub(super) struct Held {
    body: Body,
    _begun: Begun,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
