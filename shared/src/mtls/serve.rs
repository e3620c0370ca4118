//! A tonic server whose connections end in time, and whose own end does too.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;
use tonic::transport::Server;

/// How long connections live and how silence is noticed.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// After this a connection takes no new calls; the peer dials again and so proves itself
    /// again, against the authorities of that moment.
    pub max_age: Duration,
    /// A silent connection is asked for a sign of life this often.
    pub keepalive_interval: Duration,
    /// Without an answer for this long it is closed.
    pub keepalive_timeout: Duration,
    /// Calls in progress on one connection.
    pub concurrent_streams: u32,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(300),
            keepalive_interval: Duration::from_secs(20),
            keepalive_timeout: Duration::from_secs(10),
            concurrent_streams: 256,
        }
    }
}

/// A server builder with these limits set; add layers and services to it.
pub fn server(limits: ConnectionLimits) -> Server {
    Server::builder()
        .max_connection_age(limits.max_age)
        .http2_keepalive_interval(Some(limits.keepalive_interval))
        .http2_keepalive_timeout(Some(limits.keepalive_timeout))
        .max_concurrent_streams(limits.concurrent_streams)
}

/// Serves until `stop` ends, then gives calls in progress `grace` to finish.
///
/// `serve` gets the signal to pass on, as in
/// `serve_until(stop, grace, |stop| router.serve_with_incoming_shutdown(incoming, stop))`. The
/// limit is ours because a graceful HTTP/2 shutdown can wait for ever on a peer that stays silent.
///
/// # Errors
/// What `serve` ended with.
pub async fn serve_until<S, E>(
    stop: impl Future<Output = ()>,
    grace: Duration,
    serve: impl FnOnce(StopSignal) -> S,
) -> Result<(), E>
where
    S: Future<Output = Result<(), E>>,
{
    let (tell, told) = oneshot::channel();
    let mut serving = pin!(serve(StopSignal(told)));
    tokio::select! {
        ended = &mut serving => return ended,
        () = stop => drop(tell),
    }
    tokio::time::timeout(grace, serving).await.unwrap_or_else(|_elapsed| {
        tracing::warn!(?grace, "stopped with calls in progress: their callers see a lost reply");
        Ok(())
    })
}

/// Ends when the server should stop taking calls.
#[derive(Debug)]
pub struct StopSignal(oneshot::Receiver<()>);

impl Future for StopSignal {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(|_told| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_that_never_ends_is_left_behind() {
        let stuck = |stop: StopSignal| async move {
            stop.await;
            std::future::pending::<Result<(), ()>>().await
        };
        assert_eq!(serve_until(async {}, Duration::from_millis(10), stuck).await, Ok(()));
    }

    #[tokio::test]
    async fn a_failure_before_any_stop_is_handed_on() {
        let failing = |_stop: StopSignal| async { Err("port gone") };
        let ended = serve_until(std::future::pending(), Duration::from_secs(10), failing).await;
        assert_eq!(ended, Err("port gone"));
    }
}
