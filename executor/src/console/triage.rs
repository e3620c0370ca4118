//! Several requests answered at once: one tap of the passkey over the list of their
//! answers. Each answer is made from its own card, signed in that list, and counted by
//! itself; what changed meanwhile drops out and the rest goes on.

use std::str::FromStr as _;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::grant::signature::{Assertion, MOST_AT_ONCE, Signature};
use countersign_core::policy::Person;
use countersign_shared::attest::{ApprovalClaims, Decision, answer_digest, answers_challenge};
use countersign_shared::ids::ProposalId;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::Console;
use super::answer::{PATIENCE, Unsigned, Wish, credentials, held_up, said};
use super::view::Headline;
use super::visitor::Visitor;
use crate::grants::Afresh;

/// What somebody wants to answer to the cards that they selected.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wishes {
    decision: Decision,
    #[serde(default)]
    reason: String,
    items: Vec<Selected>,
}

/// A card of the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Selected {
    id: String,
    /// Digest of the card that the list shows.
    card: String,
}

/// What a passkey is asked, for all that can be answered.
#[derive(Serialize)]
struct Asked {
    challenge: String,
    rp_id: String,
    credentials: Vec<String>,
    items: Vec<Item>,
    dropped: Vec<Line>,
}

/// One answer of the list: exact JSON of its claims.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    id: String,
    claims: String,
}

/// What became of one.
#[derive(Serialize)]
struct Line {
    id: String,
    message: String,
}

/// The signed list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signed {
    credential: String,
    authenticator_data: String,
    client_data: String,
    signature: String,
    items: Vec<Item>,
}

/// `POST /approvals/claims`: reads the state of each anew, and draws the list up.
pub(super) async fn claims(
    State(console): State<Console>,
    visitor: Visitor,
    Json(wishes): Json<Wishes>,
) -> Response {
    let person = &visitor.person;
    if wishes.items.len() > MOST_AT_ONCE {
        let message = format!("Select at most {MOST_AT_ONCE} at once.");
        return said(StatusCode::BAD_REQUEST, &message);
    }
    let each = wishes.items.iter().map(|one| console.drawn(one, &wishes, person));
    let (mut items, mut dropped) = (Vec::new(), Vec::new());
    for drawn in join_all(each).await {
        match drawn {
            Ok(item) => items.push(item),
            Err(line) => dropped.push(line),
        }
    }
    let digests: Vec<_> = items.iter().map(|item| answer_digest(&item.claims)).collect();
    Json(Asked {
        challenge: URL_SAFE_NO_PAD.encode(answers_challenge(&digests)),
        rp_id: console.site.host().to_owned(),
        credentials: credentials(person),
        items,
        dropped,
    })
    .into_response()
}

/// `POST /approvals/answers`: counts each answer of a signed list.
pub(super) async fn answers(
    State(console): State<Console>,
    visitor: Visitor,
    Json(signed): Json<Signed>,
) -> Response {
    let person = &visitor.person;
    if signed.items.len() > MOST_AT_ONCE {
        return said(StatusCode::BAD_REQUEST, "Too many answers at once.");
    }
    let own = |item: &Item| {
        let claims = serde_json::from_str::<ApprovalClaims>(&item.claims);
        claims.is_ok_and(|claims| claims.sub == person.id)
    };
    if !signed.items.iter().all(own) {
        return said(StatusCode::FORBIDDEN, "These answers are not the signed-in person's.");
    }
    let among: Vec<_> = signed.items.iter().map(|item| answer_digest(&item.claims)).collect();
    let each = signed.items.iter().map(|item| {
        let assertion = Assertion {
            claims: item.claims.clone(),
            among: among.clone(),
            credential: signed.credential.clone(),
            authenticator_data: signed.authenticator_data.clone(),
            client_data: signed.client_data.clone(),
            signature: signed.signature.clone(),
        };
        console.counted(&item.id, assertion, person)
    });
    Json(serde_json::json!({ "results": join_all(each).await })).into_response()
}

impl Console {
    /// One answer, drawn up on state read just now (FRESH STATE), or why it drops out.
    async fn drawn(&self, one: &Selected, wishes: &Wishes, person: &Person) -> Result<Item, Line> {
        let wish = Wish {
            decision: wishes.decision,
            card: one.card.clone(),
            reason: wishes.reason.clone(),
        };
        let drop = |message: String| Line { id: one.id.clone(), message };
        let Ok(id) = ProposalId::from_str(&one.id) else {
            return Err(drop("There is no such request.".to_owned()));
        };
        let drawn = match self.waiting(&id, person).await {
            Ok(parked) => self.drawn_up(&parked, person, &wish).map(|claims| (parked, claims)),
            Err(unsigned) => Err(unsigned),
        };
        let (parked, claims) = match drawn {
            Ok(drawn) => drawn,
            Err(Unsigned::Said(_, message)) => return Err(drop(message)),
            Err(Unsigned::Ended) => return Err(drop(self.stands(&id, person).await)),
        };
        match self.desk.afresh(&parked).await {
            Ok(Afresh::Same) => Ok(Item { id: one.id.clone(), claims }),
            Ok(Afresh::Changed(_)) => Err(drop(self.stands(&id, person).await)),
            Err(turned) => Err(drop(turned.refused.message)),
        }
    }

    /// Counts one answer, and says how its request stands then. It goes on when the page
    /// is closed.
    async fn counted(&self, id: &str, assertion: Assertion, person: &Person) -> Line {
        let line = |message: String| Line { id: id.to_owned(), message };
        let Ok(id) = ProposalId::from_str(id) else {
            return line("There is no such request.".to_owned());
        };
        let answer = self.desk.answer(&id, Signature::Passkey(Box::new(assertion)));
        match timeout(PATIENCE, answer).await {
            Ok(Err(turned)) => match self.waiting(&id, person).await {
                Ok(parked) => line(held_up(&parked, &person.id, &turned.refused)),
                Err(_) => line(self.stands(&id, person).await),
            },
            Err(_) | Ok(Ok(_)) => line(self.stands(&id, person).await),
        }
    }

    async fn stands(&self, id: &ProposalId, person: &Person) -> String {
        let now = self.desk.pipeline.clock.now();
        match self.found(id, person).await {
            Ok(life) => {
                let signers = self.desk.signers();
                let shown = Headline::of(life.state(), person, None, signers.policy.people(), now);
                format!("{}. {}", shown.title, shown.text)
            }
            Err(turned) => turned.refused.message,
        }
    }
}
