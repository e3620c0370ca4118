//! HTTP for browsers and other clients that prove nothing before they connect: with TLS where a
//! certificate is configured. Strangers get little patience and few connections; the end is
//! graceful.
//!
//! ```text
//! accept ─▶ a place ─▶ TLS ─▶ HTTP/1.1, or by ALPN HTTP/2 ─▶ requests ─▶ silent, old, or told
//!             ▲                                                          to stop: GOAWAY ─▶ cut
//!             └──────────────────────────────────────────────────────────────────┘
//! ```

mod held;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use hyper_util::service::TowerToHyperService;
use rustls::{ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, interval_at, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use held::UnderWay;

/// How long the files of a certificate stand once they were read.
pub const STANDS: Duration = Duration::from_secs(60);
/// After a failed accept (out of file handles, say) the next one waits this long.
const PAUSE: Duration = Duration::from_millis(100);
/// A silent HTTP/2 connection is asked for a sign of life this often.
const SIGN_OF_LIFE: Duration = Duration::from_secs(20);
/// With nothing under way for so long a connection ends: longer than proxies keep theirs for
/// reuse, so that none sends a request into the end.
const IDLE: Duration = Duration::from_secs(100);
/// After this a connection takes no new requests, as one between services.
const AGE: Duration = Duration::from_secs(300);
/// What requests that are under way then get to finish: a turn of the chat can take minutes.
const REST: Duration = Duration::from_secs(300);
/// The same once the process is told to stop.
const GRACE: Duration = Duration::from_secs(10);
const HTTP_2: &[u8] = b"h2";

/// How much strangers get.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; further ones wait in the system's queue.
    pub connections: usize,
    /// For a handshake, and for the first request after it.
    pub patience: Duration,
}

impl Limits {
    /// The usual patience, for so many connections.
    #[must_use]
    pub fn of(connections: usize) -> Self {
        Self { connections, patience: Duration::from_secs(10) }
    }
}

/// What TLS is spoken with.
pub trait Certified: Send {
    /// Reads its files again; what cannot be used changes nothing.
    fn renew(&mut self);
    /// For the next connection.
    fn config(&self) -> Arc<ServerConfig>;
}

/// The ports of a process that listen so. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Ports {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Ports {
    /// Serves until told to stop. `routes` are those of one connection, with what its TLS has
    /// proved.
    pub fn serve(
        &self,
        listener: TcpListener,
        tls: Option<Box<dyn Certified>>,
        limits: Limits,
        routes: impl Fn(Option<&ServerConnection>) -> Router + Send + Sync + 'static,
    ) {
        let port = Port { stop: self.stop.clone(), limits, routes: Arc::new(routes) };
        self.tasks.spawn(run(listener, tls, port, self.tasks.clone()));
    }

    /// From now on nothing new is taken.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Ends once what was under way has ended, or was given its time.
    pub async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

struct Port<R> {
    stop: CancellationToken,
    limits: Limits,
    routes: Arc<R>,
}

impl<R> Clone for Port<R> {
    fn clone(&self) -> Self {
        Self { stop: self.stop.clone(), limits: self.limits, routes: Arc::clone(&self.routes) }
    }
}

async fn run<R>(
    listener: TcpListener,
    mut tls: Option<Box<dyn Certified>>,
    port: Port<R>,
    tasks: TaskTracker,
) where
    R: Fn(Option<&ServerConnection>) -> Router + Send + Sync + 'static,
{
    let room = Arc::new(Semaphore::new(port.limits.connections));
    // Also where nobody comes: it is told when what is in use ends.
    let mut again = interval_at(Instant::now() + STANDS, STANDS);
    loop {
        let place = Arc::clone(&room).acquire_owned();
        let next = async { (place.await, listener.accept().await) };
        let (place, accepted) = tokio::select! {
            () = port.stop.cancelled() => break,
            next = next => next,
            _ = again.tick() => {
                if let Some(tls) = &mut tls {
                    tls.renew();
                }
                continue;
            }
        };
        match accepted {
            Ok((stream, _from)) => {
                let acceptor = tls.as_ref().map(|tls| TlsAcceptor::from(tls.config()));
                let port = port.clone();
                tasks.spawn(async move {
                    port.connected(stream, acceptor).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                sleep(PAUSE).await;
            }
        }
    }
}

impl<R: Fn(Option<&ServerConnection>) -> Router> Port<R> {
    async fn connected(self, stream: TcpStream, tls: Option<TlsAcceptor>) {
        // An answer comes in several writes: the second must not wait for the first to be
        // acknowledged.
        let _best_effort = stream.set_nodelay(true);
        let Some(acceptor) = tls else {
            let router = (self.routes)(None);
            return self.spoken(stream, router, false).await;
        };
        let accepted = tokio::select! {
            accepted = timeout(self.limits.patience, acceptor.accept(stream)) => accepted,
            () = self.stop.cancelled() => return,
        };
        // Port checks and broken networks are nobody's fault.
        if let Ok(Ok(stream)) = accepted {
            let (_, tls) = stream.get_ref();
            let (router, second) = ((self.routes)(Some(tls)), tls.alpn_protocol() == Some(HTTP_2));
            self.spoken(stream, router, second).await;
        }
    }

    /// Which HTTP it is was settled before: what would have to guess waits for ever.
    async fn spoken<S>(self, stream: S, router: Router, second: bool)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (under_way, seen) = UnderWay::watched();
        let router = TowerToHyperService::new(router);
        let service = service_fn(move |request: Request<Incoming>| {
            let (begun, answer) = (under_way.begin(), router.call(request));
            async move { answer.await.map(|answer| answer.map(|body| begun.until_sent(body))) }
        });
        let stream = TokioIo::new(stream);
        if second {
            let mut server = http2::Builder::new(TokioExecutor::new());
            server.timer(TokioTimer::new()).keep_alive_interval(SIGN_OF_LIFE);
            self.lived(server.serve_connection(stream, service), seen).await;
        } else {
            self.lived(http1::Builder::new().serve_connection(stream, service), seen).await;
        }
    }

    /// Whatever ends it, there is nobody left to tell.
    async fn lived<C: GracefulConnection>(self, connection: C, seen: watch::Receiver<usize>) {
        let mut connection = pin!(connection);
        let rest = tokio::select! {
            _ended = &mut connection => return,
            rest = silent(seen, self.limits.patience) => rest,
            () = sleep(AGE) => REST,
            () = self.stop.cancelled() => GRACE,
        };
        connection.as_mut().graceful_shutdown();
        let stopped = async {
            self.stop.cancelled().await;
            sleep(GRACE).await;
        };
        tokio::select! {
            _ended = connection => {}
            () = sleep(rest) => {}
            () = stopped => {}
        }
    }
}

/// Ends once a connection was silent for too long; with what it gets to finish. Who never asked
/// for anything has nothing to finish; what crosses the goodbye of HTTP/2 has.
async fn silent(mut under_way: watch::Receiver<usize>, patience: Duration) -> Duration {
    if timeout(patience, under_way.changed()).await.is_err() {
        return Duration::ZERO;
    }
    loop {
        let idle = *under_way.borrow_and_update() == 0;
        let longest = if idle { IDLE } else { Duration::MAX };
        if !matches!(timeout(longest, under_way.changed()).await, Ok(Ok(()))) {
            return REST;
        }
    }
}

#[cfg(test)]
mod tests;
