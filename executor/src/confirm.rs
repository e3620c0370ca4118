//! The pages for customers. The one-time page, for frontends that cannot sign a confirmation:
//! its link, the mailer that carries the link, and the key that signs each yes given on it. And
//! the page of a receipt, whose link goes into the reply.
//!
//! ```text
//! propose ─▶ link ─▶ the house's mailer ─▶ the subject's own mailbox ─▶ page ─▶ yes, signed here
//!    └─▶ planner: that a link was sent, and roughly where to; never the link
//! ```
//!
//! The planner sees whatever goes through it, so nothing that goes through it opens the
//! page (A YES IS SHOWN AND SIGNED). A link ends with its proposal. The page of a receipt is
//! only read, and says what the planner was told already: its link may go through it.

mod answer;
mod config;
mod links;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::grant::Need;
use countersign_core::proposal::Proposal;
use countersign_core::subject::{Strength, Subject};
use countersign_shared::attest::{AUDIENCE, ConfirmationClaims, ConfirmationType};
use countersign_shared::ids::{ProposalId, ReceiptId};
use ed25519_dalek::{Signer as _, SigningKey};
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::json;

use crate::console::Site;
use crate::webhook::Webhook;
pub(crate) use answer::{on_page, waits_for_customer};
pub use config::{ConfirmConfig, MailerConfig};
use links::Links;

/// What the page is called where a frontend has its id: in policies and receipts.
pub const PAGE: &str = "executor-page";
/// `kid` of what the page signs.
pub const KID: &str = "page";
/// How long a signed yes may be on its way to the core, in seconds.
const COUNTS: i64 = 60;
/// Most links to one subject in [`WITHIN`]: a planner cannot fill a mailbox.
const MOST: usize = 10;
/// The time in which links are counted.
const WITHIN: Duration = Duration::from_secs(3600);

/// The page's key, its links and its mailer.
pub struct Confirm {
    site: Site,
    key: SigningKey,
    proposals: Links,
    receipts: Links,
    mailer: Arc<Webhook>,
    sent: Mutex<HashMap<[String; 3], Vec<Timestamp>>>,
}

impl Confirm {
    /// Ready to send links. Dials nothing.
    ///
    /// # Errors
    /// A key, an address or a mailer that cannot be used.
    pub fn open(config: &ConfirmConfig) -> anyhow::Result<Self> {
        let key = config.signing_key()?;
        let mailer = Webhook::new(&config.mailer.receiver())
            .map_err(|why| anyhow!("`confirm.mailer`: {why}"))?;
        Ok(Self {
            site: config.page.site().context("`confirm.page`")?,
            proposals: Links::new(&key, "/yes", b"countersign confirmation link v1"),
            receipts: Links::new(&key, "/receipt", b"countersign receipt link v1"),
            key,
            mailer: Arc::new(mailer),
            sent: Mutex::default(),
        })
    }

    /// Sends the link of a proposal that waits for its customer to the address that the
    /// subject's own sign-in or match proves. Answers with that address, made
    /// unreadable; `None` where there is nobody to send it to.
    pub fn send(&self, proposal: &Proposal, now: Timestamp) -> Option<String> {
        let subject = &proposal.asked().subject;
        let to = address(subject).filter(|_| proposal.needs().contains(&Need::Customer))?;
        if !self.mailer.has_room() || !self.room(subject, now) {
            tracing::warn!(proposal = %proposal.id(), "too many links: this one is not sent");
            return None;
        }
        let body = json!({
            "event": "confirmation.asked", "to": to, "link": self.link(proposal.id()),
            "tenant": subject.tenant, "issuer": subject.issuer, "subject": subject.id,
            "proposal": proposal.id(), "card": proposal.card(),
            "expires_at": proposal.expires_at().to_string(),
        });
        let (mailer, about) = (Arc::clone(&self.mailer), proposal.id().to_string());
        tokio::spawn(async move { mailer.tell(&about, &body.to_string()).await });
        Some(masked(to))
    }

    fn room(&self, subject: &Subject, now: Timestamp) -> bool {
        let who = [&subject.tenant, &subject.issuer, &subject.id].map(Clone::clone);
        let fresh = |at: &Timestamp| now.duration_since(*at).unsigned_abs() < WITHIN;
        let mut sent = self.sent.lock();
        sent.retain(|_, times| times.iter().any(fresh));
        let times = sent.entry(who).or_default();
        times.retain(fresh);
        let room = times.len() < MOST;
        if room {
            times.push(now);
        }
        room
    }

    fn link(&self, id: &ProposalId) -> String {
        format!("{}{}", self.site.origin(), self.path(id))
    }

    /// The page of a proposal: whoever knows it may answer.
    pub(crate) fn path(&self, id: &ProposalId) -> String {
        self.proposals.path(id.as_str())
    }

    /// The proposal that a link opens, where the link is ours.
    pub(crate) fn opens(&self, id: &str, secret: &str) -> Option<ProposalId> {
        self.proposals.opens(id, secret).then(|| id.parse().ok()).flatten()
    }

    /// The address of a receipt's page: whoever knows it may read what its customer was told.
    pub(crate) fn receipt_link(&self, id: &ReceiptId) -> String {
        format!("{}{}", self.site.origin(), self.receipts.path(id.as_str()))
    }

    /// The receipt that a link opens, where the link is ours.
    pub(crate) fn opens_receipt(&self, id: &str, secret: &str) -> Option<ReceiptId> {
        self.receipts.opens(id, secret).then(|| id.parse().ok()).flatten()
    }

    /// As what browsers know the page.
    pub(crate) fn site(&self) -> &Site {
        &self.site
    }

    /// The yes to a card that was shown on the page.
    fn yes(&self, proposal: &Proposal, now: Timestamp) -> String {
        let asked = proposal.asked();
        let claims = ConfirmationClaims {
            typ: ConfirmationType::Confirmation,
            iss: PAGE.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: asked.subject.signs_as.clone(),
            conv: asked.conversation.clone(),
            proposal: proposal.id().to_string(),
            card: proposal.card_digest(),
            iat: now.as_second(),
            exp: now.as_second() + COUNTS,
        };
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({ "alg": "EdDSA", "kid": KID });
        let signed = format!("{}.{}", part(header), part(json!(claims)));
        let signature = self.key.sign(signed.as_bytes()).to_bytes();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Where the subject can be reached without the planner. What a frontend or planner
/// merely asserts is no address.
pub(crate) fn address(subject: &Subject) -> Option<&str> {
    let email = subject.claim("email").filter(|email| email.contains('@'));
    email.filter(|_| subject.strength >= Strength::Matched)
}

/// Enough of an address for its owner to know it: `c…@shop.example`.
pub(crate) fn masked(address: &str) -> String {
    let (name, host) = address.rsplit_once('@').unwrap_or((address, ""));
    let first = name.chars().next().map(String::from).unwrap_or_default();
    format!("{first}…@{host}")
}

#[cfg(test)]
mod tests;
