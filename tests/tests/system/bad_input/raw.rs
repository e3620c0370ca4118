//! Calls and handshakes made by hand: bytes that no generated client would send.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use bytes::{Buf as _, BufMut as _};
use countersign::pki::Role;
use rustls::pki_types::{CertificateDer, ServerName};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use crate::support::pair::Pair;

/// Sends these bytes as the message of an executor's call.
pub async fn call(pair: &Pair, method: &str, message: Vec<u8>) -> Result<Vec<u8>, Status> {
    let mut client = tonic::client::Grpc::new(pair.channel(Role::Planner));
    client.ready().await.unwrap();
    let path = format!("/countersign.v1.Executor/{method}").parse().unwrap();
    Ok(client.unary(tonic::Request::new(message), path, Bytes).await?.into_inner())
}

#[derive(Clone, Copy)]
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut item = vec![0; from.remaining()];
        from.copy_to_slice(&mut item);
        Ok(Some(item))
    }
}

/// What is no `ProposeRequest`, or one with what no string may hold.
pub fn broken_messages(token: &str) -> Vec<(&'static str, Vec<u8>)> {
    let token = string_field(1, token.as_bytes());
    let with = |plan: Vec<u8>| [token.clone(), field(3, &plan)].concat();
    let argument = |value: &[u8]| {
        let entry = [string_field(1, b"order_id"), field(2, value)].concat();
        let step =
            [string_field(1, b"s1"), string_field(2, b"shopify.cancel_order"), field(3, &entry)];
        with([string_field(1, b"c1"), field(3, &step.concat())].concat())
    };
    // Argument { list: ArgumentList { items: [ Argument { … } ] } }, from the inside out.
    let nested = |times| (0..times).fold(Vec::new(), |inner, _| field(6, &field(1, &inner)));
    vec![
        ("no field", vec![0xff; 64]),
        ("an endless number", vec![0x08; 1].into_iter().chain([0x80; 20]).collect()),
        ("a length beyond the end", vec![0x0a, 0xff, 0xff, 0xff, 0x7f, b'x']),
        (
            "a length of the whole world",
            vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        ),
        ("another wire type", vec![0x0d, 1, 2, 3, 4]),
        ("an unclosed group", vec![0x0b; 1000]),
        ("a token that is no UTF-8", string_field(1, b"\xff\xfe\xc0\x80")),
        ("a conversation that is no UTF-8", with(string_field(1, b"\xed\xa0\x80"))),
        ("JSON that is no UTF-8", argument(&string_field(5, b"\"\xc3\x28\""))),
        ("ten thousand lists in each other", argument(&nested(10_000))),
        ("a hundred lists in each other", argument(&nested(100))),
    ]
}

/// A field of bytes, as protocol buffers write it.
pub fn string_field(number: u8, value: &[u8]) -> Vec<u8> {
    field(number, value)
}

fn field(number: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut length = value.len();
    while length >= 0x80 {
        bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).unwrap());
    bytes.extend_from_slice(value);
    bytes
}

/// A good handshake by somebody without a certificate; what comes of it.
pub fn without_certificate(address: &str) -> String {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        .with_no_client_auth();
    let name = ServerName::try_from("executor").unwrap();
    let client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = rustls::StreamOwned::new(client, TcpStream::connect(address).unwrap());
    let said = stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    let heard = stream.read(&mut [0; 64]);
    format!("{said:?} {heard:?}")
}

/// Takes whoever answers: it is the client that is on trial.
#[derive(Debug)]
struct Anyone(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("only TLS 1.3".into()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
