//! Dialling a service by address and believing it by identity.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::Endpoint;

use super::channel::Channel;
use super::material::Material;
use crate::spiffe::SpiffeId;

/// For reaching the peer and finishing the handshake, together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Before each time that is dialled again where nobody listens: one of several may be stopping.
const AGAIN_AFTER: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
];
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// A channel to the one workload `expected` at `address` (`host:port`).
///
/// It dials at the first call and again whenever the connection is gone, each time with the
/// material of that moment. Where nobody listens it dials again for a moment: no call was sent, and
/// behind one address may be several, one of which stops. For the same reason a call that its
/// connection's end cut off before it was sent is made once more. A call that cannot reach the peer
/// fails with `UNAVAILABLE`; any other workload at that address is refused in the handshake.
///
/// # Errors
/// When `address` is not `host:port`.
pub fn channel(
    address: &str,
    material: Arc<Material>,
    expected: SpiffeId,
) -> Result<Channel, AddressError> {
    let bad = || AddressError(address.to_owned());
    // Plain http to tonic: the encryption is below it, in `dial`.
    let uri = Uri::builder()
        .scheme("http")
        .authority(address)
        .path_and_query("/")
        .build()
        .map_err(|_| bad())?;
    if uri.port_u16().is_none() || address.contains('@') {
        return Err(bad());
    }
    let connector =
        tower::service_fn(move |uri: Uri| dial(uri, Arc::clone(&material), expected.clone()));
    Ok(Endpoint::from(uri)
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .connect_with_connector_lazy(connector)
        .into())
}

/// The address of a service is not of the form `host:port`.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no address: write it like executor.example:7443")]
pub struct AddressError(String);

async fn dial(
    uri: Uri,
    material: Arc<Material>,
    expected: SpiffeId,
) -> std::io::Result<TokioIo<TlsStream<TcpStream>>> {
    for pause in AGAIN_AFTER {
        match dial_once(&uri, &material, &expected).await {
            Err(error) if is_nobody(error.kind()) => tokio::time::sleep(pause).await,
            dialled => return dialled,
        }
    }
    dial_once(&uri, &material, &expected).await
}

/// Whether a connection ended like this had nobody at its other end, or one that stops.
fn is_nobody(kind: ErrorKind) -> bool {
    let nobody = [
        ErrorKind::ConnectionRefused,
        ErrorKind::ConnectionReset,
        ErrorKind::ConnectionAborted,
        ErrorKind::UnexpectedEof,
        ErrorKind::BrokenPipe,
    ];
    nobody.contains(&kind)
}

async fn dial_once(
    uri: &Uri,
    material: &Material,
    expected: &SpiffeId,
) -> std::io::Result<TokioIo<TlsStream<TcpStream>>> {
    let address = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(TokioIo::new(connect(stream, material, expected).await?))
}

/// Our end of the handshake on a stream that is open: whoever is there has to be `expected`.
///
/// # Errors
/// When the stream ends or the peer does not prove that identity.
pub async fn connect<S>(
    stream: S,
    material: &Material,
    expected: &SpiffeId,
) -> std::io::Result<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = material.client_config(expected).map_err(std::io::Error::other)?;
    // rustls asks for a name; identity is verified by SPIFFE id alone, and an IP address is the
    // kind of name that is not sent to the peer.
    let nobody = ServerName::IpAddress(IpAddr::V4(Ipv4Addr::UNSPECIFIED).into());
    TlsConnector::from(Arc::new(config)).connect(nobody, stream).await
}
