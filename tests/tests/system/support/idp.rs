//! A house's own sign-in, written out: discovery, keys, a sign-in that asks nothing, and
//! codes that are good once, for whoever has their verifier.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Redirect, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use parking_lot::Mutex;
use rcgen::KeyPair;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use url::Url;

pub const CLIENT: &str = "console";
pub const SECRET: &str = "a client's secret:%";

type Bend = Box<dyn Fn(&mut Value) + Send>;

pub struct Idp {
    pub issuer: String,
    key: EncodingKey,
    who: Mutex<String>,
    bend: Mutex<Option<Bend>>,
    away: Mutex<bool>,
    codes: Mutex<HashMap<String, HashMap<String, String>>>,
}

fn key() -> EncodingKey {
    let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap()
}

impl Idp {
    /// Serves on a loopback address until the test ends.
    pub async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let idp = Arc::new(Self {
            issuer: format!("http://{}", listener.local_addr().unwrap()),
            key: key(),
            who: Mutex::new("nobody".to_owned()),
            bend: Mutex::default(),
            away: Mutex::default(),
            codes: Mutex::default(),
        });
        let router = axum::Router::new()
            .route("/.well-known/openid-configuration", get(document))
            .route("/keys", get(keys))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .with_state(Arc::clone(&idp));
        tokio::spawn(async move { axum::serve(listener, router).await });
        idp
    }

    /// Who signs in from now on.
    pub fn signs_in(&self, who: &str) {
        who.clone_into(&mut self.who.lock());
    }

    /// From now on, ID tokens as this leaves them.
    pub fn bends(&self, bend: impl Fn(&mut Value) + Send + 'static) {
        *self.bend.lock() = Some(Box::new(bend));
    }

    pub fn bends_nothing(&self) {
        *self.bend.lock() = None;
    }

    pub fn goes_away(&self, away: bool) {
        *self.away.lock() = away;
    }

    /// Its section of `executor.yaml`, below `sign_in`.
    pub fn config(&self) -> String {
        format!(
            "oidc: {{ issuer: \"{}\", client_id: {CLIENT}, secret_file: idp.secret, \
             plain_http: true, private_networks: [\"127.0.0.0/8\"] }}",
            self.issuer
        )
    }

    fn id_token(&self, asked: &HashMap<String, String>) -> String {
        let now = Timestamp::now().as_second();
        let mut claims = json!({
            "iss": self.issuer, "aud": CLIENT, "sub": *self.who.lock(), "iat": now,
            "exp": now + 300, "nonce": asked["nonce"],
            // What a token says of roles is nobody's to believe.
            "groups": ["operator"], "roles": ["operator", "finance"],
        });
        if let Some(bend) = &*self.bend.lock() {
            bend(&mut claims);
        }
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some("k1".to_owned());
        let other = claims.get("other_key").is_some().then(key);
        jsonwebtoken::encode(&header, &claims, other.as_ref().unwrap_or(&self.key)).unwrap()
    }
}

async fn document(State(idp): State<Arc<Idp>>) -> Json<Value> {
    let at = |path: &str| format!("{}/{path}", idp.issuer);
    Json(json!({
        "issuer": idp.issuer, "authorization_endpoint": at("authorize"),
        "token_endpoint": at("token"), "jwks_uri": at("keys"),
        "authorization_response_iss_parameter_supported": true,
    }))
}

async fn keys(State(idp): State<Arc<Idp>>) -> Json<Value> {
    let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&idp.key, Algorithm::ES256).unwrap());
    let jwk = jwk.as_mut().unwrap();
    jwk["kid"] = json!("k1");
    jwk["use"] = json!("sig");
    Json(json!({ "keys": [jwk] }))
}

async fn authorize(
    State(idp): State<Arc<Idp>>,
    Query(asked): Query<HashMap<String, String>>,
) -> Response {
    let wanted = [("response_type", "code"), ("code_challenge_method", "S256")];
    let mut url = match Url::parse(&asked["redirect_uri"]) {
        Ok(url) if wanted.iter().all(|(name, value)| asked[*name] == *value) => url,
        Ok(_) | Err(_) => return StatusCode::BAD_REQUEST.into_response(),
    };
    let code = hex::encode(Sha256::digest(format!("{asked:?}{:?}", Timestamp::now())));
    url.query_pairs_mut()
        .append_pair("code", &code)
        .append_pair("state", &asked["state"])
        .append_pair("iss", &idp.issuer);
    idp.codes.lock().insert(code, asked);
    Redirect::to(url.as_str()).into_response()
}

async fn token(
    State(idp): State<Arc<Idp>>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    if *idp.away.lock() {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let both = format!("{CLIENT}:a%20client%27s%20secret%3A%25");
    let client = format!("Basic {}", STANDARD.encode(both));
    if headers.get(header::AUTHORIZATION).is_none_or(|given| given != client.as_str()) {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "error": "invalid_client" })))
            .into_response();
    }
    let asked = idp.codes.lock().remove(&form["code"]);
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
    match asked {
        Some(asked)
            if asked["code_challenge"] == challenge
                && asked["redirect_uri"] == form["redirect_uri"]
                && asked["client_id"] == form["client_id"]
                && form["grant_type"] == "authorization_code" =>
        {
            let id_token = idp.id_token(&asked);
            Json(json!({ "token_type": "Bearer", "access_token": "x", "id_token": id_token }))
                .into_response()
        }
        Some(_) | None => {
            (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" }))).into_response()
        }
    }
}
