#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod issuer;
mod twice;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::subject::{Kind, Strength};
use countersign_shared::codes::Code;
use futures_util::future::join_all;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;

use self::issuer::{Private, Says, Server};
use super::*;

const ISSUER: &str = "https://id.shop.example";
const PLANNER: &str = "spiffe://shop.example/planner";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// A good token's claims, an hour long.
fn claims() -> Json {
    let now = at(0).as_second();
    json!({ "iss": ISSUER, "aud": "support", "sub": "u1", "iat": now, "exp": now + 3600 })
}

fn with(more: Json) -> Json {
    let mut claims = claims();
    for (name, value) in more.as_object().unwrap() {
        let fields = claims.as_object_mut().unwrap();
        fields.remove(name);
        if !value.is_null() {
            fields.insert(name.clone(), value.clone());
        }
    }
    claims
}

fn rule(jwks: &str, more: Json) -> Json {
    let mut rule = json!({
        "issuer": ISSUER, "audience": "support", "tenant": "shop", "planners": [PLANNER],
        "jwks": jwks, "plain_http": true, "private_networks": ["127.0.0.0/8"],
    });
    rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    rule
}

fn configured(rule: Json) -> Result<Subjects, String> {
    let rule = serde_json::from_value(rule).map_err(|e: serde_json::Error| e.to_string())?;
    let issuers = vec![Issuer::new(&rule, ISSUER).map_err(|e| e.to_string())?];
    Ok(Subjects { issuers, frontends: Keyring::default() })
}

fn subjects(server: &Server) -> Subjects {
    configured(rule(&server.url, json!({}))).unwrap()
}

async fn verify(subjects: &Subjects, token: &str, now: i64) -> Result<Subject, Refused> {
    subjects.verify(token, &PLANNER.parse().unwrap(), at(now)).await
}

fn refused(answer: Result<Subject, Refused>, code: Code) {
    let refused = answer.unwrap_err();
    assert!(refused.is(code), "{refused}");
}

#[tokio::test]
async fn each_algorithm_verifies_with_its_own_kind_of_key() {
    let keys = [Private::ed25519("ed"), Private::es256("es"), Private::rs256("rs")];
    let server = Server::start(&[&keys[0], &keys[1], &keys[2]]).await;
    let all = subjects(&server);
    assert_eq!(server.asked(), 0, "nothing is dialled before the first use");
    for key in &keys {
        let subject = verify(&all, &key.sign(&claims()), 0).await.unwrap();
        assert_eq!((subject.tenant.as_str(), subject.id.as_str()), ("shop", "u1"));
        assert_eq!(subject.strength, Strength::SignedIn);
    }
    assert_eq!(server.asked(), 1);
    let only = rule(&server.url, json!({ "algorithms": ["ES256"] }));
    let only = configured(only).unwrap();
    verify(&only, &keys[1].sign(&claims()), 0).await.unwrap();
    refused(verify(&only, &keys[0].sign(&claims()), 0).await, Code::SubjectUnverified);
}

#[tokio::test]
async fn a_token_that_was_checked_is_checked_again_once_time_or_key_is_another() {
    let key = Private::ed25519("k");
    let server = Server::start(&[&key]).await;
    let all = subjects(&server);
    let token = key.sign(&claims());
    for _ in 0..2 {
        let subject = verify(&all, &token, 0).await.unwrap();
        assert_eq!(subject.verified_at, at(0));
        refused(verify(&all, &token, 3600).await, Code::SubjectUnverified);
        refused(verify(&all, &token, -61).await, Code::SubjectUnverified);
        let other = "spiffe://shop.example/other".parse().unwrap();
        refused(all.verify(&token, &other, at(0)).await, Code::TenantNotAllowed);
    }
    // The same name, and another's signature.
    refused(verify(&all, &Private::ed25519("k").sign(&claims()), 0).await, Code::SubjectUnverified);
    let (head, _) = token.rsplit_once('.').unwrap();
    refused(verify(&all, &format!("{head}.AAAA"), 0).await, Code::SubjectUnverified);
    // A key that was replaced vouches for nothing any more.
    let another = Server::start(&[&Private::ed25519("k")]).await;
    refused(verify(&subjects(&another), &token, 0).await, Code::SubjectUnverified);
}

#[tokio::test]
async fn no_token_chooses_its_algorithm() {
    let (ed, es) = (Private::ed25519("ed"), Private::es256("es"));
    let server = Server::start(&[&ed, &es]).await;
    let all = subjects(&server);
    // A key's name with another key's algorithm.
    refused(verify(&all, &es.sign_as("ed", &claims()), 0).await, Code::SubjectUnverified);
    // The public key as a shared secret.
    let public = ed.public();
    let raw = URL_SAFE_NO_PAD.decode(public["x"].as_str().unwrap()).unwrap();
    for secret in [raw, public.to_string().into_bytes()] {
        let header = Header { kid: Some("ed".into()), ..Header::default() };
        let token = jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(&secret));
        refused(verify(&all, &token.unwrap(), 0).await, Code::SubjectUnverified);
    }
    // No signature at all.
    let part = |json: Json| URL_SAFE_NO_PAD.encode(json.to_string());
    let head = part(json!({ "alg": "none", "kid": "ed" }));
    for signature in ["", "AAAA"] {
        let token = format!("{head}.{}.{signature}", part(claims()));
        refused(verify(&all, &token, 0).await, Code::SubjectUnverified);
    }
    // No name of a key, and a signature over other claims.
    let good = ed.sign(&claims());
    let (head, rest) = good.split_once('.').unwrap();
    let other = format!(
        "{head}.{}.{}",
        part(with(json!({ "sub": "u2" }))),
        rest.split_once('.').unwrap().1
    );
    refused(verify(&all, &other, 0).await, Code::SubjectUnverified);
    refused(verify(&all, "no.token", 0).await, Code::SubjectUnverified);
    verify(&all, &good, 0).await.unwrap();
}

#[tokio::test]
async fn claims_of_time_issuer_and_audience_must_all_be_right() {
    let key = Private::ed25519("k");
    let server = Server::start(&[&key]).await;
    let all = subjects(&server);
    let now = at(0).as_second();
    for good in [
        json!({}),
        json!({ "iat": now + 59 }),
        json!({ "nbf": now + 59 }),
        json!({ "aud": ["other", "support"] }),
        json!({ "typ": "Bearer" }),
    ] {
        verify(&all, &key.sign(&with(good.clone())), 0)
            .await
            .map_err(|e| format!("{good} {e}"))
            .unwrap();
    }
    for bad in [
        json!({ "exp": now }),
        json!({ "exp": now - 1 }),
        json!({ "exp": null }),
        json!({ "exp": "tomorrow" }),
        json!({ "iat": now + 61 }),
        json!({ "iat": null }),
        json!({ "nbf": now + 61 }),
        json!({ "nbf": "later" }),
        json!({ "aud": "other" }),
        json!({ "aud": null }),
        json!({ "iss": "https://evil.example" }),
        json!({ "iss": null }),
        json!({ "sub": null }),
        json!({ "sub": "" }),
        json!({ "typ": "message" }),
        json!({ "typ": "Refresh" }),
    ] {
        let answer = verify(&all, &key.sign(&with(bad.clone())), 0).await;
        assert!(answer.as_ref().is_err_and(|e| e.is(Code::SubjectUnverified)), "{bad}: {answer:?}");
    }
    let stranger = "spiffe://shop.example/other".parse().unwrap();
    let answer = all.verify(&key.sign(&claims()), &stranger, at(0)).await;
    refused(answer, Code::TenantNotAllowed);
}

#[tokio::test]
async fn a_rotated_key_is_found_and_floods_of_unknown_ones_reach_nobody() {
    let (old, new) = (Private::ed25519("old"), Private::ed25519("new"));
    let server = Server::start(&[&old]).await;
    let all = subjects(&server);
    verify(&all, &old.sign(&claims()), 0).await.unwrap();
    server.publishes(&[&new]);
    verify(&all, &new.sign(&claims()), 1).await.unwrap();
    assert_eq!(server.asked(), 2, "one fetch for the unknown key");
    refused(verify(&all, &old.sign(&claims()), 2).await, Code::SubjectUnverified);
    let flood = (0..200).map(|n| new.sign_as(&format!("k{n}"), &claims())).collect::<Vec<_>>();
    for answer in join_all(flood.iter().map(|token| verify(&all, token, 20))).await {
        refused(answer, Code::SubjectUnverified);
    }
    assert_eq!(server.asked(), 2, "none of them within 30 s");
    for answer in join_all(flood.iter().map(|token| verify(&all, token, 31))).await {
        refused(answer, Code::SubjectUnverified);
    }
    assert_eq!(server.asked(), 3, "all of them together one");
    verify(&all, &new.sign(&claims()), 32).await.unwrap();
}

#[tokio::test]
async fn a_caller_who_hangs_up_ends_no_fetch() {
    let key = Private::ed25519("k");
    let server = Server::start(&[&key]).await;
    let all = subjects(&server);
    let token = key.sign(&claims());
    {
        let mut waiting = std::pin::pin!(verify(&all, &token, 0));
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
    }
    verify(&all, &token, 1).await.unwrap();
    assert_eq!(server.asked(), 1, "one fetch, for both");
}

#[tokio::test]
async fn many_first_uses_are_one_fetch() {
    let key = Private::ed25519("k");
    let server = Server::start(&[&key]).await;
    let all = subjects(&server);
    let token = key.sign(&claims());
    for answer in join_all((0..50).map(|_| verify(&all, &token, 0))).await {
        answer.unwrap();
    }
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn keys_are_kept_while_the_issuer_is_away_and_no_longer_than_a_day() {
    let key = Private::ed25519("k");
    let server = Server::start(&[&key]).await;
    let all = subjects(&server);
    let long = key.sign(&with(json!({ "exp": at(0).as_second() + 400_000 })));
    verify(&all, &long, 0).await.unwrap();
    let jwks = all.issuers[0].published().unwrap();
    for broken in [
        "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 302 Found\r\nlocation: /jwks.json\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nnonsense!".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\n\r\n{{\"keys\":[]{}", " ".repeat(300_000)),
    ] {
        server.says(Says::Raw(broken.clone()));
        assert!(!jwks.refresh(at(600)).await, "{:.60}", broken);
        verify(&all, &long, 600).await.unwrap();
    }
    verify(&all, &long, 86_399).await.unwrap();
    refused(verify(&all, &long, 86_400).await, Code::IssuerUnreachable);
    server.publishes(&[&key]);
    refused(verify(&all, &long, 86_401).await, Code::IssuerUnreachable);
    verify(&all, &long, 86_430).await.unwrap();
}

#[tokio::test]
async fn an_issuer_that_was_never_there_is_unreachable_and_recovers() {
    let key = Private::ed25519("k");
    let server = Server::start(&[&key]).await;
    server.says(Says::Raw("HTTP/1.1 503 Later\r\ncontent-length: 0\r\n\r\n".to_owned()));
    let all = subjects(&server);
    let answer = verify(&all, &key.sign(&claims()), 0).await.unwrap_err();
    assert!(answer.is(Code::IssuerUnreachable));
    assert_eq!(answer.retry_after, Some(Duration::from_secs(30)));
    server.publishes(&[&key]);
    refused(verify(&all, &key.sign(&claims()), 29).await, Code::IssuerUnreachable);
    assert_eq!(server.asked(), 1);
    verify(&all, &key.sign(&claims()), 30).await.unwrap();
}

/// A clock that tells what is waited for, and goes on when it is let.
struct Steps {
    now: parking_lot::Mutex<Timestamp>,
    waited: tokio::sync::mpsc::UnboundedSender<Timestamp>,
    go: tokio::sync::Semaphore,
}

#[async_trait::async_trait]
impl Clock for Steps {
    fn now(&self) -> Timestamp {
        *self.now.lock()
    }

    async fn until(&self, at: Timestamp) {
        self.waited.send(at).unwrap();
        self.go.acquire().await.unwrap().forget();
        *self.now.lock() = at;
    }
}

#[tokio::test]
async fn keys_are_fetched_again_in_the_background_as_the_answer_says() {
    let key = Private::ed25519("k");
    let server = Server::start(&[&key]).await;
    let all = subjects(&server);
    let (waited, mut waits) = tokio::sync::mpsc::unbounded_channel();
    let go = tokio::sync::Semaphore::new(0);
    let steps = Arc::new(Steps { now: parking_lot::Mutex::new(at(0)), waited, go });
    let clock: Arc<dyn Clock> = Arc::clone(&steps) as _;
    all.keep_fresh(&clock);
    verify(&all, &key.sign(&claims()), 0).await.unwrap();
    // When it is next due, and what the server says then.
    let mut due = 600;
    for (n, (cache, next)) in [
        (Some("public, max-age=120"), 120),
        (Some("max-age=1"), 60),
        (Some("max-age=9999999"), 24 * 3600),
        (Some("no-store"), 600),
        (None, 30),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(waits.recv().await.unwrap(), at(due), "{cache:?}");
        assert_eq!(server.asked(), n + 1, "nothing before it is due");
        match cache {
            Some(cache) => server.publishes_for(&[&key], cache),
            None => server.says(Says::Raw("HTTP/1.1 500 Oops\r\n\r\n".to_owned())),
        }
        steps.go.add_permits(1);
        due += next;
    }
    assert_eq!(waits.recv().await.unwrap(), at(due));
}

/// Takes as long as the time-out; a wait without one would never end.
#[tokio::test]
async fn a_silent_issuer_is_given_up() {
    let key = Private::ed25519("k");
    let server = Server::start(&[&key]).await;
    server.says(Says::Nothing);
    refused(verify(&subjects(&server), &key.sign(&claims()), 0).await, Code::IssuerUnreachable);
}

#[tokio::test]
async fn a_token_tells_scopes_segment_and_strength_as_configured() {
    let key = Private::ed25519("k");
    let server = Server::start(&[&key]).await;
    let staff = json!({
        "kind": "staff", "claims": ["email", "team"], "scopes_claim": "scope", "segment_claim": "group",
        "strength": { "claim": "amr", "values": { "mfa": "strong", "sms": "signed_in" }, "default": "asserted" },
    });
    let all = configured(rule(&server.url, staff)).unwrap();
    let token = |more| key.sign(&with(more));
    let said = token(
        json!({ "scope": "refunds  orders", "group": "vip", "amr": ["pwd", "sms", "mfa"], "team": 7, "email": "a@b.c" }),
    );
    let subject = verify(&all, &said, 0).await.unwrap();
    assert_eq!(subject.kind, Kind::Staff);
    assert_eq!(
        subject.scopes.iter().map(String::as_str).collect::<Vec<_>>(),
        ["orders", "refunds"]
    );
    assert_eq!((subject.segment.as_str(), subject.strength), ("vip", Strength::Strong));
    assert_eq!(subject.claims.len(), 1, "only texts that are configured: {:?}", subject.claims);
    let listed =
        verify(&all, &token(json!({ "scope": ["a", "b c"], "amr": "sms" })), 0).await.unwrap();
    assert_eq!((listed.scopes.len(), listed.strength), (3, Strength::SignedIn));
    let bare = verify(&all, &token(json!({ "amr": [1, "pwd"] })), 0).await.unwrap();
    assert_eq!((bare.scopes.len(), bare.strength), (0, Strength::Asserted));
}

#[test]
fn settings_that_cannot_be_are_told_with_a_remedy() {
    let https = "https://id.shop.example/jwks.json";
    for (more, part) in [
        (json!({ "jwks": "http://10.0.0.1/k", "plain_http": false }), "not https"),
        (json!({ "jwks": "ftp://id.shop.example/k" }), "not https"),
        (json!({ "jwks": "http://10.0.0.1/k" }), "private_networks"),
        (json!({ "jwks": "nonsense" }), "no URL"),
        (json!({ "jwks": "https://u:hunter2@id.shop.example/k" }), "user or password"),
        (json!({ "jwks": null }), "no keys"),
        (json!({ "keys": [{ "kid": "k", "file": "k.pub" }] }), "both"),
        (json!({ "algorithms": ["HS256"] }), "HS256"),
        (json!({ "algorithms": ["none"] }), "none"),
        (json!({ "strength": { "default": "matched" } }), "executor's own"),
        (json!({ "strength": { "values": { "a": "strong" } } }), "strength.claim"),
        (json!({ "scopes_claim": "scope" }), "kind: staff"),
    ] {
        let why = configured(rule(https, more.clone())).err().unwrap_or_else(|| panic!("{more}"));
        assert!(why.contains(part) && !why.contains("hunter2"), "{more}: {why}");
    }
    assert!(configured(rule(https, json!({ "plain_http": false }))).is_ok());
}
