//! Accepting connections, with TLS where a certificate is configured. Strangers get little
//! patience and few connections; the end is graceful.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, interval_at};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::tls::{STANDS, Tls};

/// For a handshake, and for the headers of a request.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections at once; further ones wait in the system's queue.
const CONNECTIONS: usize = 8_192;
/// After a failed accept (out of file handles, say) the next one waits this long.
const PAUSE: Duration = Duration::from_millis(100);
/// What answers under way get to finish once the planner stops.
const GRACE: Duration = Duration::from_secs(10);
/// A silent HTTP/2 connection is asked for a sign of life this often.
const SIGN_OF_LIFE: Duration = Duration::from_secs(20);

/// Serves the router until told to stop.
pub(super) async fn run(
    listener: TcpListener,
    mut tls: Option<Tls>,
    router: Router,
    stop: CancellationToken,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let under_way = Arc::new(GracefulShutdown::new());
    // Also where nobody comes: it is told when what is in use ends.
    let mut again = interval_at(Instant::now() + STANDS, STANDS);
    loop {
        let place = Arc::clone(&room).acquire_owned();
        let next = async { (place.await, listener.accept().await) };
        let (place, accepted) = tokio::select! {
            next = next => next,
            _ = again.tick() => {
                if let Some(tls) = &mut tls {
                    tls.renew();
                }
                continue;
            }
            () = stop.cancelled() => break,
        };
        match (place, accepted) {
            (Ok(place), Ok((stream, _from))) => {
                let served = served(
                    stream,
                    tls.as_ref().map(Tls::acceptor),
                    router.clone(),
                    (Arc::clone(&under_way), place),
                );
                tokio::spawn(served);
            }
            (_, Err(error)) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(PAUSE).await;
            }
            (Err(_closed), Ok(_)) => break,
        }
    }
    drop(listener);
    // Connections that are being made hold it for a moment longer: those are cut.
    if let Some(under_way) = Arc::into_inner(under_way) {
        let _elapsed = tokio::time::timeout(GRACE, under_way.shutdown()).await;
    }
}

type Watched = (Arc<GracefulShutdown>, OwnedSemaphorePermit);

async fn served(stream: TcpStream, tls: Option<TlsAcceptor>, router: Router, watched: Watched) {
    // An answer comes in several writes: the second must not wait for the first to be acknowledged.
    let _best_effort = stream.set_nodelay(true);
    match tls {
        None => spoken(stream, router, watched).await,
        Some(acceptor) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await {
                spoken(stream, router, watched).await;
            }
        }
    }
}

async fn spoken<S>(stream: S, router: Router, (under_way, place): Watched)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    server.http2().timer(TokioTimer::new()).keep_alive_interval(SIGN_OF_LIFE);
    let connection = server
        .serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(router));
    let connection = under_way.watch(connection.into_owned());
    drop(under_way);
    // Whatever ended it, there is nobody left to tell.
    let _ended = connection.await;
    drop(place);
}
