//! What people sign.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::grant::signature::Signature;
use countersign_core::proposal::Proposal;
use countersign_core::signed::{Key, Keyring, Voice};
use countersign_shared::attest::{
    AUDIENCE, ApprovalClaims, ApprovalType, ConfirmationClaims, ConfirmationType, Decision,
    FinishClaims, FinishType,
};
use ed25519_dalek::Signer as _;
use ed25519_dalek::pkcs8::EncodePublicKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::books::key;

/// Signed by whoever's name it is, whatever it says.
fn jws(who: &str, claims: impl Serialize) -> String {
    let part = |json: &Json| URL_SAFE_NO_PAD.encode(json.to_string());
    let header = part(&json!({ "alg": "EdDSA", "kid": who }));
    let signed = format!("{header}.{}", part(&json!(claims)));
    let signature = key(who).sign(signed.as_bytes()).to_bytes();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The one frontend that there is.
pub(crate) fn frontends() -> Keyring {
    let pem = key("web").verifying_key().to_public_key_pem(LineEnding::LF).unwrap();
    let mut ring = Keyring::default();
    ring.add(Voice {
        issuer: "web".into(),
        audience: AUDIENCE.into(),
        tenant: "t".into(),
        keys: [("web".to_owned(), Key::ed25519_pem(pem.as_bytes()).unwrap())].into(),
    });
    ring
}

/// The subject's yes; `wrong` makes it one of the many that do not count.
pub(crate) fn yes(shown: &Proposal, now: Timestamp, wrong: Option<usize>) -> String {
    let mut claims = ConfirmationClaims {
        typ: ConfirmationType::Confirmation,
        iss: "web".into(),
        aud: AUDIENCE.into(),
        sub: shown.asked().subject.signs_as.clone(),
        conv: shown.asked().conversation.clone(),
        proposal: shown.id().to_string(),
        card: shown.card_digest(),
        iat: now.as_second(),
        exp: now.as_second() + 600,
    };
    let mut who = "web";
    match wrong {
        None => {}
        Some(0) => claims.sub = "bob".into(),
        Some(1) => claims.conv = "another".into(),
        Some(2) => claims.card = "another".into(),
        Some(3) => claims.exp = now.as_second() - 1,
        Some(4) => who = "zed",
        Some(_) => return String::new(),
    }
    jws(who, claims)
}

/// Somebody's answer.
pub(crate) fn answer(
    who: &str,
    role: &str,
    shown: &Proposal,
    decision: Decision,
    now: Timestamp,
) -> Signature {
    Signature::Jws(jws(
        who,
        ApprovalClaims {
            typ: ApprovalType::Approval,
            iss: "d".into(),
            aud: AUDIENCE.into(),
            sub: who.into(),
            proposal: shown.id().to_string(),
            card: shown.card_digest(),
            decision,
            role: role.into(),
            reason: "looked at it".into(),
            iat: now.as_second(),
            exp: now.as_second() + 600,
        },
    ))
}

/// A person's word on how an action ended.
pub(crate) fn word(who: &str, action: &str, done: bool, now: Timestamp) -> String {
    jws(
        who,
        FinishClaims {
            typ: FinishType::Finish,
            iss: "d".into(),
            aud: AUDIENCE.into(),
            sub: who.into(),
            action: action.into(),
            done,
            note: "by hand".into(),
            iat: now.as_second(),
            exp: now.as_second() + 600,
        },
    )
}
