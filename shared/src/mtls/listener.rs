//! Accepting connections: a handshake each, in a task of its own, and nobody without a proved
//! identity gets further.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::Stream;
use tonic::transport::server::Connected;

use super::material::Material;
use crate::spiffe::SpiffeId;

/// After a failed accept (out of file handles, say) the next one waits this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listens on `address` with TLS 1.3 and mandatory client certificates.
///
/// # Errors
/// When the address cannot be bound.
pub async fn bind(
    address: SocketAddr,
    material: Arc<Material>,
    limits: AcceptLimits,
) -> io::Result<Incoming> {
    let listener = TcpListener::bind(address).await?;
    Ok(Incoming { listener, material, limits, handshakes: JoinSet::new(), pause: None })
}

/// How much patience strangers get, and how long who came in may stay.
#[derive(Clone, Copy, Debug)]
pub struct AcceptLimits {
    /// A handshake that takes longer is dropped.
    pub timeout: Duration,
    /// Handshakes under way at once; further connections wait in the system's queue.
    pub concurrent: usize,
    /// A connection is cut after this, whatever is under way on it: calls that never end would
    /// hold one of an old certificate open for ever. Longer than `ConnectionLimits::max_age`, by
    /// what calls get to finish. Ours, because tonic's own grace cuts calls without the GOAWAY
    /// before it (0.14.9).
    pub longest: Duration,
}

impl Default for AcceptLimits {
    fn default() -> Self {
        let (timeout, longest) = (Duration::from_secs(5), Duration::from_secs(360));
        Self { timeout, concurrent: 256, longest }
    }
}

/// The peer on the other end of a connection, found in each request's extensions.
#[derive(Clone, Debug)]
pub struct PeerIdentity {
    /// The workload, as proved by its certificate.
    pub id: SpiffeId,
    /// Where the connection came from; for logs only.
    pub address: SocketAddr,
}

/// Connections with a proved peer, for tonic's `serve_with_incoming_shutdown`. Dropping it closes
/// the port and ends the handshakes under way.
#[derive(Debug)]
pub struct Incoming {
    listener: TcpListener,
    material: Arc<Material>,
    limits: AcceptLimits,
    handshakes: JoinSet<Option<PeerStream>>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Incoming {
    /// The address in use, with the real port when 0 was asked for.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Starts handshakes for whoever is waiting; pending until the next one knocks, ready when no
    /// more may start now.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.handshakes.len() < self.limits.concurrent.max(1) {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            match ready!(self.listener.poll_accept(cx)) {
                Ok((stream, address)) => {
                    let material = Arc::clone(&self.material);
                    let limits = self.limits;
                    self.handshakes.spawn(handshake(material, stream, address, limits));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    self.pause = Some(Box::pin(tokio::time::sleep(ACCEPT_PAUSE)));
                }
            }
        }
        Poll::Ready(())
    }
}

impl Stream for Incoming {
    type Item = io::Result<PeerStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            // Whatever it answers, there is a waker: the listener's, the pause's, or, when full,
            // that of the next handshake to end.
            let _ = self.poll_accept(cx);
            match ready!(self.handshakes.poll_join_next(cx)) {
                Some(Ok(Some(stream))) => return Poll::Ready(Some(Ok(stream))),
                // A refusal made room, perhaps for someone already waiting.
                Some(Ok(None) | Err(_)) => {}
                None => return Poll::Pending,
            }
        }
    }
}

/// A connection whose peer has proved who it is.
#[derive(Debug)]
pub struct PeerStream {
    tls: TlsStream<TcpStream>,
    peer: PeerIdentity,
    end: Pin<Box<Sleep>>,
}

impl Connected for PeerStream {
    type ConnectInfo = PeerIdentity;

    fn connect_info(&self) -> PeerIdentity {
        self.peer.clone()
    }
}

async fn handshake(
    material: Arc<Material>,
    stream: TcpStream,
    address: SocketAddr,
    AcceptLimits { timeout, longest, .. }: AcceptLimits,
) -> Option<PeerStream> {
    match tokio::time::timeout(timeout, identify(&material, stream, address)).await {
        Ok(Ok((tls, peer))) => {
            let end = Box::pin(tokio::time::sleep(longest));
            Some(PeerStream { tls, peer, end })
        }
        Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
            tracing::warn!(%address, %error, "connection refused");
            None
        }
        // Port checks and broken networks: nobody's certificate is at fault.
        Ok(Err(error)) => {
            tracing::debug!(%address, %error, "connection ended during the handshake");
            None
        }
        Err(_elapsed) => {
            tracing::warn!(%address, ?timeout, "connection refused: the handshake took too long");
            None
        }
    }
}

async fn identify(
    material: &Material,
    stream: TcpStream,
    address: SocketAddr,
) -> io::Result<(TlsStream<TcpStream>, PeerIdentity)> {
    stream.set_nodelay(true)?;
    let (tls, id) = accept(stream, material).await?;
    Ok((tls, PeerIdentity { id, address }))
}

/// Our end of the handshake on a connection that was accepted, and who is at the other.
///
/// # Errors
/// When the connection ends or the peer proves no identity.
pub async fn accept<S>(stream: S, material: &Material) -> io::Result<(TlsStream<S>, SpiffeId)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // The configuration is read per connection, so a rotation counts at once.
    let tls = TlsAcceptor::from(material.server_config()).accept(stream).await?;
    let leaf = tls.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let id = leaf
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no client certificate"))
        .and_then(|leaf| {
            SpiffeId::from_certificate(leaf)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
        })?;
    Ok((tls, id))
}

impl AsyncRead for PeerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.tls).poll_read(cx, buffer)
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.tls.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}
