//! Turns as planners tell them: kept for whoever looks into a complaint, believed by nobody.

use countersign_core::error::Refused;
use countersign_core::resolve::Message;
use countersign_shared::attest::text_digest;
use countersign_shared::codes::Code;
use countersign_shared::ids::TurnId;
use countersign_shared::trace;
use countersign_shared::turn::{self, LARGEST, SCORES, Said, Told};

use crate::conversations::{Cost, Rating};
use crate::desk::{Desk, Request};
use crate::flood::Source;
use crate::ports::Turn;
use crate::register::day_of;
use crate::turned::unavailable;

/// Most characters of a message that are kept; its digest is of all of it.
const LONGEST: usize = 16_384;

impl Desk {
    /// Keeps a turn. Its message is the request's, attested or not.
    ///
    /// # Errors
    /// `ARGUMENT_INVALID` for what is no turn, or too large; `OVERLOADED` beyond the caller's
    /// quota; a store that takes nothing.
    pub async fn record_turn(
        &self,
        request: &Request,
        conversation: &str,
        external_ref: &str,
        told_json: &str,
    ) -> Result<(), Refused> {
        let told = told(told_json)?;
        let (caller, tenant) = (request.caller.clone(), request.subject.tenant.clone());
        if !self.hears(Source { caller, tenant }) {
            let message = "too many turns were told within a minute; this one is not kept";
            return Err(Refused::new(Code::Overloaded, message));
        }
        let cost = Cost::of(&told);
        let message = request.messages.first().map(said);
        let body = turn::Turn { caller: request.caller.clone(), message, told };
        let body = serde_json::to_string(&body).map_err(|e| invalid(&e.to_string()))?;
        let who = &request.subject;
        let [tenant, issuer, subject] = [&who.tenant, &who.issuer, &who.id].map(Clone::clone);
        let turn = Turn {
            id: TurnId::from_uuid(self.pipeline.clock.fresh_id()),
            tenant,
            issuer,
            subject,
            conversation: brief(conversation),
            external_ref: brief(external_ref),
            trace: trace::current_id(),
            body,
            cost,
        };
        self.pipeline.store.record(who, turn).await.map_err(|e| unavailable(&e))
    }

    /// Keeps how a conversation of the request's subject was rated, as a frontend says.
    ///
    /// # Errors
    /// `ARGUMENT_INVALID` for no score; `NOT_FOUND` where no turn of theirs is kept there;
    /// `OVERLOADED` beyond the caller's quota of turns; a store that takes nothing.
    pub async fn record_rating(
        &self,
        request: &Request,
        conversation: &str,
        score: u32,
    ) -> Result<(), Refused> {
        if !SCORES.contains(&score) {
            return Err(Refused::new(Code::ArgumentInvalid, "a score is a number from 1 to 5"));
        }
        let (caller, tenant) = (request.caller.clone(), request.subject.tenant.clone());
        if !self.hears(Source { caller, tenant }) {
            let message = "too many turns were told within a minute; this score is not kept";
            return Err(Refused::new(Code::Overloaded, message));
        }
        let rating = Rating { day: day_of(self.pipeline.clock.now()), score: i64::from(score) };
        let kept = self.pipeline.store.rate(&request.subject, &brief(conversation), rating).await;
        if kept.map_err(|e| unavailable(&e))? {
            return Ok(());
        }
        Err(Refused::new(Code::NotFound, "no such conversation of this subject"))
    }
}

fn brief(text: &str) -> String {
    text.chars().take(128).collect()
}

fn told(json: &str) -> Result<Told, Refused> {
    if json.len() > LARGEST {
        return Err(invalid(&format!("more than {LARGEST} bytes")));
    }
    serde_json::from_str(json).map_err(|e| invalid(&e.to_string()))
}

fn invalid(why: &str) -> Refused {
    Refused::new(Code::ArgumentInvalid, format!("told_json is no turn: {why}"))
}

fn said(message: &Message) -> Said {
    Said {
        id: message.id.clone(),
        sha256: text_digest(&message.text),
        text: message.text.chars().take(LONGEST).collect(),
        attested_by: message.frontend.clone(),
    }
}
