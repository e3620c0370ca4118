//! A call to the executor: a span of its own, and once more where an executor stopped under it.

use std::time::Duration;

use countersign_shared::refusal::Refusal;
use countersign_shared::span::{Kind, Span};
use countersign_shared::trace;
use tonic::{Code, Request, Status};

/// A call after which nothing has happened yet. Where its connection ended it is made again, which dials anew: one
/// of several executors stopped, and a request that met it on its way out says nothing.
pub(crate) async fn asked<T, C>(method: &str, call: impl Fn() -> C) -> Result<T, Status>
where
    C: Future<Output = Result<T, Status>>,
{
    match called(method, call()).await {
        Err(first) if broke_off(&first) => match called(method, call()).await {
            // That this one was not sent says nothing of the first, which may have been.
            Err(second) if never_connected(&second) => Err(first),
            answer => answer,
        },
        answer => answer,
    }
}

/// A call as a span.
pub(crate) async fn called<T>(
    method: &str,
    call: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    let mut span = Span::begin(Kind::Client, format!("countersign.v1.{method}"));
    span.set("rpc.system", "grpc");
    span.set("rpc.method", method.rsplit('/').next().unwrap_or(method));
    let answer = span.run(call).await;
    if let Err(status) = &answer {
        let refused = Refusal::from_status(status).is_some();
        span.set("error.type", if refused { "refused" } else { "grpc" });
        span.fail();
        if !refused {
            let (code, said) = (status.code(), status.message());
            tracing::warn!(method, ?code, said, "the executor gave no answer");
        }
    }
    answer
}

/// Neither an answer of the executor's nor a wait that ran out.
fn broke_off(status: &Status) -> bool {
    let transport = [Code::Unavailable, Code::Unknown, Code::Internal, Code::Cancelled];
    transport.contains(&status.code()) && Refusal::from_status(status).is_none()
}

/// Only a failed connect proves that nothing was sent.
pub(crate) fn never_connected(status: &Status) -> bool {
    if status.code() != Code::Unavailable {
        return false;
    }
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        if error.to_string().contains("error trying to connect")
            || error.to_string() == "tcp connect error"
        {
            return true;
        }
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && matches!(
                io.kind(),
                std::io::ErrorKind::ConnectionRefused | std::io::ErrorKind::NotFound
            )
        {
            return true;
        }
        cause = error.source();
    }
    false
}

/// A message that is waited for so long, in the trace of the turn.
pub(crate) fn timed<T>(message: T, patience: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(patience);
    trace::carry(&mut request);
    request
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::executor::CallError;

    #[tokio::test]
    async fn what_may_have_been_sent_is_not_unsent_because_the_next_call_was_not() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let mut unconnected = Status::unavailable("tcp connect error");
        unconnected.set_source(std::sync::Arc::new(refused));
        for (first, sent) in
            [(Status::unavailable("broken pipe"), true), (unconnected.clone(), false)]
        {
            let answers = parking_lot::Mutex::new(vec![unconnected.clone(), first]);
            let call = || async { Err::<(), _>(answers.lock().pop().unwrap()) };
            let status = asked("Executor/Propose", call).await.unwrap_err();
            let lost = matches!(CallError::from_status(&status), CallError::Lost(_));
            assert_eq!(lost, sent, "{status:?}");
        }
    }

    async fn times(status: Status) -> u32 {
        let calls = AtomicU32::new(0);
        let call = || async {
            calls.fetch_add(1, Ordering::SeqCst);
            Err::<(), _>(status.clone())
        };
        asked("Executor/ListTools", call).await.unwrap_err();
        calls.into_inner()
    }

    #[tokio::test]
    async fn what_broke_off_is_asked_once_more_and_an_answer_is_an_answer() {
        assert_eq!(times(Status::unknown("h2 protocol error")).await, 2);
        assert_eq!(times(Status::unavailable("error reading a body")).await, 2);
        assert_eq!(times(Status::deadline_exceeded("timeout")).await, 1);
        let code = countersign_shared::codes::Code::StoreUnavailable;
        assert_eq!(times(Refusal::new(code, "later").into_status()).await, 1);
    }
}
