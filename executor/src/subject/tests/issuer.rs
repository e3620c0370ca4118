//! A hand-written issuer: keys, tokens, and a server that publishes what it is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use parking_lot::Mutex;
use rcgen::{KeyPair, PublicKeyData as _};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A private key of the issuer.
pub(super) struct Private {
    kid: &'static str,
    algorithm: Algorithm,
    key: EncodingKey,
    raw: Vec<u8>,
}

impl Private {
    pub(super) fn ed25519(kid: &'static str) -> Self {
        let pair = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let key = EncodingKey::from_ed_pem(pair.serialize_pem().as_bytes()).unwrap();
        Self { kid, algorithm: Algorithm::EdDSA, key, raw: pair.der_bytes().to_vec() }
    }

    pub(super) fn es256(kid: &'static str) -> Self {
        let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
        Self { kid, algorithm: Algorithm::ES256, key, raw: Vec::new() }
    }

    pub(super) fn rs256(kid: &'static str) -> Self {
        let pair = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let key = EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).unwrap();
        Self { kid, algorithm: Algorithm::RS256, key, raw: Vec::new() }
    }

    /// As the issuer publishes it.
    pub(super) fn public(&self) -> Json {
        let mut jwk = if self.algorithm == Algorithm::EdDSA {
            json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(&self.raw) })
        } else {
            let jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
            serde_json::to_value(jwk).unwrap()
        };
        let fields = jwk.as_object_mut().unwrap();
        fields.insert("kid".to_owned(), json!(self.kid));
        fields.insert("use".to_owned(), json!("sig"));
        jwk
    }

    pub(super) fn sign(&self, claims: &Json) -> String {
        self.sign_as(self.kid, claims)
    }

    pub(super) fn sign_as(&self, kid: &str, claims: &Json) -> String {
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(self.algorithm) };
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }
}

/// What the server says next.
#[derive(Clone)]
pub(super) enum Says {
    Keys(Json),
    Raw(String),
    Nothing,
}

/// Publishes keys on a loopback address.
pub(super) struct Server {
    pub(super) url: String,
    says: Arc<Mutex<Says>>,
    asked: Arc<AtomicUsize>,
}

impl Server {
    pub(super) async fn start(keys: &[&Private]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
        let server = Self { url, says: Arc::new(Mutex::new(set(keys))), asked: Arc::default() };
        let (says, asked) = (Arc::clone(&server.says), Arc::clone(&server.asked));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                asked.fetch_add(1, Ordering::SeqCst);
                let says = says.lock().clone();
                tokio::spawn(answer(stream, says));
            }
        });
        server
    }

    /// Publishes keys that may be kept this long, as the answer says it.
    pub(super) fn publishes_for(&self, keys: &[&Private], cache: &str) {
        let Says::Keys(set) = set(keys) else { return };
        let (body, length) = (set.to_string(), set.to_string().len());
        let head = format!("HTTP/1.1 200 OK\r\ncache-control: {cache}\r\n");
        self.says(Says::Raw(format!("{head}content-length: {length}\r\n\r\n{body}")));
    }

    pub(super) fn says(&self, what: Says) {
        *self.says.lock() = what;
    }

    pub(super) fn publishes(&self, keys: &[&Private]) {
        self.says(set(keys));
    }

    /// How often it was asked.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn set(keys: &[&Private]) -> Says {
    let keys: Vec<_> = keys.iter().map(|key| key.public()).collect();
    Says::Keys(json!({ "keys": keys }))
}

async fn answer(mut stream: TcpStream, says: Says) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let byte = stream.read_u8().await.unwrap();
        request.push(byte);
    }
    let text = match says {
        Says::Keys(set) => {
            let body = set.to_string();
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        }
        Says::Raw(text) => text,
        Says::Nothing => return std::future::pending().await,
    };
    // The client may have hung up: that is its answer.
    let _hung_up = stream.write_all(text.as_bytes()).await;
}
