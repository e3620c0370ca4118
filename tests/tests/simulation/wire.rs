//! The network between the hosts: mutual TLS as in production on simulated TCP for the
//! services, and plain frames for the shop.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use countersign_shared::mtls::{
    Channel, ConnectionLimits, Material, PeerIdentity, SpiffeId, accept, connect,
};
use hyper_util::rt::TokioIo;
use serde_json::Value as Json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;
use tonic::transport::server::Connected;
use turmoil::net::{TcpListener, TcpStream};

/// Where services listen.
pub const PORT: u16 = 7443;
const HANDSHAKE: Duration = Duration::from_secs(2);
const SILENCE: Duration = Duration::from_secs(3);
/// Largest frame, in bytes.
const LARGEST: u32 = 1 << 20;

/// Shorter than in production, so that a broken network is noticed within a simulation.
pub fn limits() -> ConnectionLimits {
    ConnectionLimits {
        keepalive_interval: SILENCE,
        keepalive_timeout: Duration::from_secs(1),
        ..ConnectionLimits::default()
    }
}

/// A connection whose peer has proved who it is.
pub struct Connection {
    tls: tokio_rustls::server::TlsStream<TcpStream>,
    peer: PeerIdentity,
}

/// Accepts for as long as the stream is read.
pub async fn listen(material: Arc<Material>) -> io::Result<ReceiverStream<io::Result<Connection>>> {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    let (give, take) = mpsc::channel(16);
    tokio::spawn(async move {
        while let Ok((stream, address)) = listener.accept().await {
            let (material, give) = (Arc::clone(&material), give.clone());
            tokio::spawn(async move {
                if let Ok(Ok((tls, id))) = timeout(HANDSHAKE, accept(stream, &material)).await {
                    let peer = PeerIdentity { id, address };
                    let _ = give.send(Ok(Connection { tls, peer })).await;
                }
            });
        }
    });
    Ok(ReceiverStream::new(take))
}

/// A channel that dials `choose`'s host, again whenever the connection is gone.
pub fn channel(
    choose: impl Fn() -> &'static str + Clone + Send + Sync + 'static,
    material: Arc<Material>,
    expected: SpiffeId,
) -> Channel {
    let dial = tower::service_fn(move |_| {
        let (host, material, expected) = (choose(), Arc::clone(&material), expected.clone());
        async move {
            let stream = TcpStream::connect((host, PORT)).await?;
            let tls = connect(stream, &material, &expected).await?;
            Ok::<_, io::Error>(TokioIo::new(tls))
        }
    });
    Endpoint::from_static("http://service")
        .connect_timeout(HANDSHAKE)
        .http2_keep_alive_interval(SILENCE)
        .keep_alive_timeout(Duration::from_secs(1))
        .keep_alive_while_idle(true)
        .connect_with_connector_lazy(dial)
        .into()
}

/// Writes one frame.
pub async fn put(stream: &mut TcpStream, frame: &Json) -> io::Result<()> {
    let body = frame.to_string().into_bytes();
    let mut bytes = u32::try_from(body.len()).map_err(io::Error::other)?.to_be_bytes().to_vec();
    bytes.extend(body);
    stream.write_all(&bytes).await
}

/// Reads one frame, whole.
pub async fn get(stream: &mut TcpStream) -> io::Result<Json> {
    let length = stream.read_u32().await?;
    if length > LARGEST {
        return Err(io::Error::other("the frame is too large"));
    }
    let mut body = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    stream.read_exact(&mut body).await?;
    serde_json::from_slice(&body).map_err(io::Error::other)
}

impl Connected for Connection {
    type ConnectInfo = PeerIdentity;

    fn connect_info(&self) -> PeerIdentity {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}
