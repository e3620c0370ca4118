//! Chat frontends over HTTP: real clients against the real pair.

mod node;
mod open_webui;
mod planner_killed;

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_shared::attest::{ConfirmationClaims, MessageClaims, card_digest, text_digest};
use ed25519_dalek::pkcs8::DecodePublicKey as _;
use ed25519_dalek::{Signature, VerifyingKey};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::support::pair::{Pair, WIDGET};
use super::support::people::Signer;

/// The key of the frontend that signs, and of the one that does not.
pub const SIGNING: &str = "chat-key-of-the-signing-frontend";
pub const ASSERTING: &str = "chat-key-of-the-other-frontend--";

/// A pair whose planner serves chat: to a frontend that signs and passes tokens on, and to
/// one that only names its users.
pub async fn with_chat() -> Pair {
    let mut pair = Pair::executor_only().await;
    serve_chat(&mut pair);
    pair
}

/// Starts the planner, or another on the same folder.
fn serve_chat(pair: &mut Pair) {
    serve_chat_with(pair, "");
}

/// The same with these lines beside the planner's configuration.
pub fn serve_chat_with(pair: &mut Pair, more: &str) {
    let chat = chat_config(pair);
    pair.start_planner_with("{ kind: offline }", &format!("{more}{chat}"));
}

/// What serves chat in a planner's configuration, with its files.
pub fn chat_config(pair: &Pair) -> String {
    fs::write(pair.path("signing.keys"), SIGNING).unwrap();
    fs::write(pair.path("asserting.keys"), ASSERTING).unwrap();
    fs::write(pair.path("asserting.pem"), pair.issuer.secret_pem()).unwrap();
    format!(
        "chat:\n  listen: \"127.0.0.1:0\"\n  frontends:\n    - name: signing\n      keys: signing.keys\n\
         \x20     subject: {{ token: X-Subject-Token }}\n      conversation: X-OpenWebUI-Chat-Id\n\
         \x20     signs: true\n      per_minute_each: 1000\n    - name: asserting\n      keys: asserting.keys\n\
         \x20     conversation: X-OpenWebUI-Chat-Id\n      per_minute_each: 1000\n      subject:\n\
         \x20       asserted: {{ header: X-OpenWebUI-User-Email, issuer: \"{WIDGET}\", kid: dev, key: asserting.pem }}\n"
    )
}

pub fn cancels(pair: &Pair) -> usize {
    pair.effects().iter().filter(|effect| effect.kind.contains("cancel")).count()
}

/// What a script is given: where to talk, for whom, and with which key to sign.
fn given(pair: &Pair, conversation: &str) -> Value {
    let who = pair.customer(1);
    json!({
        "url": pair.chat(), "key": SIGNING, "token": who.token, "subject": who.email,
        "conversation": conversation, "frontend": "demo-frontend", "kid": "dev",
        "pem": pair.frontend.openssl_pem(),
    })
}

/// One conversation with aborts, lost replies, regenerated and edited messages; each wish that
/// was confirmed has one effect.
async fn talked(script: &'static str, effects: usize) -> Option<Value> {
    let pair = with_chat().await;
    let told = node::run(&pair, script, given(&pair, "c1")).await?;
    assert_eq!(cancels(&pair), effects, "{:?}", pair.effects());
    assert!(told["receipt"].as_str().unwrap().starts_with("rcp_"), "{told}");
    println!("{script}: {told}");
    Some(told)
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_sdk_holds_an_action_conversation_with_one_effect_a_wish() {
    talked("openai.mjs", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ai_sdk_holds_an_action_conversation_with_one_effect() {
    talked("ai.mjs", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agui_client_confirms_by_resuming_an_interrupt() {
    let told = talked("agui.mjs", 1).await;
    assert!(told.is_none_or(|told| told["dropped"] == "interrupt"), "a card was dropped");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signing_snippet_in_python_signs_what_the_executor_verifies() {
    let signer = Signer::new(9);
    let card = json!({ "proposal_id": "prp_1", "commitment": "c0", "text": "Refund 5,00 €?" });
    let given = json!({
        "frontend": "web", "kid": "dev", "pem": signer.openssl_pem(), "subject": "ann",
        "conversation": "c1", "text": "grüße", "card": card,
        "snippet": concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/frontends/countersign.py"),
    });
    let Some(told) = node::python("sign.py", &given) else { return };
    let message: MessageClaims = verified(&signer, told["attestation"].as_str().unwrap());
    assert_eq!((&*message.sub, &*message.conv, &*message.mid), ("ann", "c1", "m1"));
    assert_eq!(message.sha256, text_digest("grüße"));
    let yes: ConfirmationClaims = verified(&signer, told["confirmation"].as_str().unwrap());
    assert_eq!(yes.card, card_digest("prp_1", "c0", "Refund 5,00 €?"));
    assert_eq!((&*yes.proposal, yes.exp - yes.iat), ("prp_1", 300));
}

fn verified<T: DeserializeOwned>(signer: &Signer, jws: &str) -> T {
    let (signed, signature) = jws.rsplit_once('.').unwrap();
    let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let key = VerifyingKey::from_public_key_pem(&signer.public_pem()).unwrap();
    let signature = Signature::from_slice(&bytes(signature)).unwrap();
    key.verify_strict(signed.as_bytes(), &signature).unwrap();
    serde_json::from_slice(&bytes(signed.split_once('.').unwrap().1)).unwrap()
}
