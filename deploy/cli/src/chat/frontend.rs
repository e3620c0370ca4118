//! A chat frontend: attests what is written at the terminal, and signs a yes only over a card that
//! it showed (A YES IS SHOWN AND SIGNED).

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use countersign_proto::v1::converse_response::Event;
use countersign_proto::v1::planner_client::PlannerClient;
use countersign_proto::v1::{Card, ConverseRequest, Turn};
use countersign_shared::mtls::Channel;
use countersign_shared::mtls::{Material, MaterialFiles, SpiffeId, channel};
use countersign_shared::refusal::Refusal;
use jiff::Timestamp;
use tonic::{Request, Status};
use uuid::Uuid;

use super::voice::Voice;
use super::yes::is_yes;
use crate::text::printable;

/// For one turn, a slow model and a slow backend included.
const PATIENCE: Duration = Duration::from_secs(240);

/// Where the planner is, who it must be, and who asks.
pub(crate) struct Line {
    /// `host:port`.
    pub(crate) address: String,
    pub(crate) id: SpiffeId,
    /// Folder of the frontend's own certificate.
    pub(crate) tls: PathBuf,
}

/// One conversation of one person.
pub(crate) struct Frontend {
    planner: PlannerClient<Channel>,
    voice: Voice,
    conversation: String,
    messages: u32,
    /// The card that was shown last and waits for an answer.
    card: Option<Shown>,
}

/// A card as it was shown: what is signed is this text, not what came over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) proposal_id: String,
    pub(crate) text: String,
    pub(crate) expires_at: Timestamp,
    pub(crate) commitment: String,
}

/// One turn, from the message to the answer.
#[derive(Debug)]
pub(crate) struct Spoken {
    /// Whether the message was signed as a yes to the card before it.
    pub(crate) signed: bool,
    /// The card that this turn shows.
    pub(crate) card: Option<Shown>,
    /// What came of it.
    pub(crate) turn: Result<Turn, Failed>,
}

/// A turn that the planner could not finish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) code: String,
    pub(crate) message: String,
    /// For the customer.
    pub(crate) say: String,
}

impl Frontend {
    /// Begins a conversation. Nobody is dialled before the first word.
    pub(crate) fn open(line: &Line, voice: Voice) -> anyhow::Result<Self> {
        let material = Material::open(MaterialFiles::in_dir(&line.tls)).context(
            "the frontend has no certificate: countersign pki issue --role frontend --dir PKI --out DIR makes DIR/frontend, the folder for --tls",
        )?;
        let channel = channel(&line.address, material, line.id.clone())?;
        Ok(Self {
            planner: PlannerClient::new(channel),
            voice,
            conversation: format!("terminal-{}", Uuid::now_v7().simple()),
            messages: 0,
            card: None,
        })
    }

    /// What the next answer is an answer to, if it is a yes.
    pub(crate) fn look_at(&mut self, card: Option<Shown>) {
        self.card = card;
    }

    /// Says something; `progress` hears what is being done meanwhile.
    pub(crate) async fn say(
        &mut self,
        text: &str,
        mut progress: impl FnMut(&str),
    ) -> anyhow::Result<Spoken> {
        let now = Timestamp::now();
        // Only the answer right after a card is an answer to it.
        let answered = self.card.take().filter(|card| is_yes(text) && now < card.expires_at);
        let confirmation = answered
            .as_ref()
            .map(|card| self.voice.confirm(&self.conversation, card, now))
            .transpose()?;
        self.messages = self.messages.saturating_add(1);
        let id = format!("m{}", self.messages);
        let request = ConverseRequest {
            subject_token: self.voice.token(now)?,
            conversation_id: self.conversation.clone(),
            message: Some(self.voice.attest(&self.conversation, id, text, now)?),
            confirmation: confirmation.unwrap_or_default(),
            external_ref: String::new(),
            confirm_by_link: false,
            edited: false,
            branch: String::new(),
        };
        let mut card = None;
        let turn = self.converse(request, &mut card, &mut progress).await;
        self.card.clone_from(&card);
        Ok(Spoken {
            signed: answered.is_some(),
            card,
            turn: turn.map_err(|status| failed(&status)),
        })
    }

    async fn converse(
        &mut self,
        request: ConverseRequest,
        card: &mut Option<Shown>,
        progress: &mut impl FnMut(&str),
    ) -> Result<Turn, Status> {
        let mut request = Request::new(request);
        request.set_timeout(PATIENCE);
        let mut events = self.planner.converse(request).await?.into_inner();
        while let Some(event) = events.message().await? {
            match event.event {
                Some(Event::Progress(at)) => progress(&printable(&at.note)),
                Some(Event::Card(shown)) => *card = Some(Shown::of(shown)?),
                Some(Event::Turn(turn)) => return Ok(turn),
                None => {}
            }
        }
        Err(Status::internal("the planner ended the turn without a result"))
    }
}

impl Shown {
    /// What will be shown of a card: its text, fit for a terminal.
    fn of(card: Card) -> Result<Self, Status> {
        let expires_at = card.expires_at.and_then(|at| Timestamp::new(at.seconds, at.nanos).ok());
        Ok(Self {
            proposal_id: card.proposal_id,
            text: printable(&card.text),
            expires_at: expires_at.ok_or_else(|| Status::internal("the card has no end"))?,
            commitment: card.commitment,
        })
    }
}

fn failed(status: &Status) -> Failed {
    match Refusal::from_status(status) {
        Some(refusal) => Failed { code: refusal.code, message: refusal.message, say: refusal.say },
        None => Failed {
            code: format!("{:?}", status.code()).to_uppercase(),
            message: status.message().to_owned(),
            say: "Something went wrong here, and I can't tell what came of it.".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_is_signed_is_what_is_shown() {
        let card = |text: &str| Card {
            proposal_id: "prp_1".into(),
            text: text.into(),
            commitment: "ab".into(),
            expires_at: Some(prost_types::Timestamp { seconds: 100, nanos: 0 }),
        };
        let honest = Shown::of(card("Refund USD 5.00?")).unwrap();
        assert_eq!(honest.text, "Refund USD 5.00?");
        // What a terminal would hide is not signed for: the digest then fits no proposal.
        let hidden = Shown::of(card("Refund USD 5.00\u{1b}[8m0\u{1b}[0m?")).unwrap();
        assert_eq!(hidden.text, "Refund USD 5.00[8m0[0m?");
        let endless = Card { expires_at: None, ..card("Refund?") };
        assert!(Shown::of(endless).is_err());
    }
}
