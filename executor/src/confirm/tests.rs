#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use countersign_core::subject::Kind;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;

fn page(seed: u8) -> Confirm {
    let dir = TempDir::new().unwrap();
    let key = SigningKey::from_bytes(&[seed; 32]).to_pkcs8_pem(LineEnding::LF).unwrap();
    std::fs::write(dir.path().join("page.key"), key.as_bytes()).unwrap();
    std::fs::write(dir.path().join("secret"), "s").unwrap();
    let text = "{ page: { listen: \"127.0.0.1:0\", public_url: \"https://yes.shop.example\" }, \
                key: page.key, mailer: { url: \"https://mail.example/x\", secret_file: secret } }";
    let mut config: ConfirmConfig = serde_saphyr::from_str(text).unwrap();
    for file in config.files() {
        *file = dir.path().join(&*file);
    }
    Confirm::open(&config).unwrap()
}

fn subject(id: &str, email: &str, strength: Strength) -> Subject {
    Subject {
        tenant: "t".into(),
        issuer: "i".into(),
        id: id.into(),
        signs_as: id.into(),
        claims: [("email".to_owned(), email.to_owned())].into(),
        kind: Kind::Customer,
        scopes: BTreeSet::new(),
        segment: String::new(),
        strength,
        verified_at: Timestamp::UNIX_EPOCH,
    }
}

#[test]
fn a_link_opens_its_own_proposal_and_no_other() {
    let (ours, theirs) = (page(1), page(2));
    let ids = [1, 2].map(|n| ProposalId::from_uuid(Uuid::from_u128(n)));
    let path = ours.path(&ids[0]);
    let secret = path.rsplit('/').next().unwrap();
    assert_eq!(secret.len(), 43, "256 bits");
    assert_eq!(ours.opens(ids[0].as_str(), secret).as_ref(), Some(&ids[0]));
    assert_eq!(ours.opens(ids[1].as_str(), secret), None, "another proposal");
    assert_eq!(theirs.opens(ids[0].as_str(), secret), None, "another key");
    let (mut shorter, longer) = (secret.to_owned(), format!("{secret}A"));
    shorter.pop();
    for wrong in ["", "AAAA", &shorter, &longer] {
        assert_eq!(ours.opens(ids[0].as_str(), wrong), None, "{wrong}");
    }
    assert!(ours.link(&ids[0]).starts_with("https://yes.shop.example/yes/prp_"));
}

#[test]
fn a_receipts_link_opens_it_and_nothing_else() {
    let (ours, theirs) = (page(1), page(2));
    // Ids are unique over all tenants: another tenant's receipt is another id.
    let ids = [1, 2].map(|n| ReceiptId::from_uuid(Uuid::from_u128(n)));
    let link = ours.receipt_link(&ids[0]);
    assert!(link.starts_with("https://yes.shop.example/receipt/rcp_"), "{link}");
    let secret = link.rsplit('/').next().unwrap();
    assert_eq!(secret.len(), 43, "256 bits");
    assert_eq!(ours.opens_receipt(ids[0].as_str(), secret).as_ref(), Some(&ids[0]));
    assert_eq!(ours.opens_receipt(ids[1].as_str(), secret), None, "another receipt");
    assert_eq!(theirs.opens_receipt(ids[0].as_str(), secret), None, "another key");
    let (mut shorter, longer) = (secret.to_owned(), format!("{secret}A"));
    shorter.pop();
    let first = if secret.starts_with('A') { "B" } else { "A" };
    let altered = format!("{first}{}", secret.get(1..).unwrap());
    for wrong in ["", "AAAA", &shorter, &longer, &altered] {
        assert_eq!(ours.opens_receipt(ids[0].as_str(), wrong), None, "{wrong}");
    }
    // Each kind of page has secrets of its own, also over the same id.
    assert!(!ours.proposals.opens(ids[0].as_str(), secret));
}

#[test]
fn an_address_is_the_subjects_own_and_never_one_that_is_merely_asserted() {
    let who = |email: &str, strength| address(&subject("s", email, strength)).map(str::to_owned);
    assert_eq!(who("a@b.example", Strength::Asserted), None);
    assert_eq!(who("a@b.example", Strength::Matched).as_deref(), Some("a@b.example"));
    assert_eq!(who("", Strength::SignedIn), None);
    assert_eq!(who("no address", Strength::Strong), None);
    assert_eq!(masked("customer@b.example"), "c…@b.example");
}

#[test]
fn a_mailbox_is_not_filled() {
    let (page, now) = (page(1), Timestamp::UNIX_EPOCH);
    let (one, other) = (subject("s", "", Strength::SignedIn), subject("o", "", Strength::SignedIn));
    for _ in 0..MOST {
        assert!(page.room(&one, now));
    }
    assert!(!page.room(&one, now));
    assert!(page.room(&other, now), "another subject has its own");
    assert!(page.room(&one, now + WITHIN), "an hour later");
    assert_eq!(page.sent.lock().len(), 1, "what is old is forgotten");
}
