//! What the customer says on the page: a yes becomes a grant, signed by the page's key
//! and checked by the core as every other (A YES IS SHOWN AND SIGNED).

use countersign_core::error::Refused;
use countersign_core::grant::{self, Need, Parked, Vote};
use countersign_core::lifecycle::{Event, State};
use countersign_core::proposal::Proposal;
use countersign_shared::codes::Code;
use countersign_shared::ids::{ProposalId, ReceiptId};

use super::{Confirm, PAGE};
use crate::desk::Desk;
use crate::grants::{Afresh, TRIES, crowded};
use crate::ports::{Named, StoreError};
use crate::running::Step;
use crate::turned::{Turned, unavailable};

impl Desk {
    /// Sends the customer the link of a proposal; answers with the masked address.
    pub fn send_link(&self, proposal: &Proposal) -> Option<String> {
        self.confirm.as_ref()?.send(proposal, self.pipeline.clock.now())
    }

    /// The address of a receipt's page; empty where no page for customers is served.
    pub(crate) fn receipt_link(&self, id: &ReceiptId) -> String {
        self.confirm.as_ref().map_or_else(String::new, |confirm| confirm.receipt_link(id))
    }

    /// Counts the customer's yes to the card that the page showed. Given twice, it is
    /// one yes. It goes on when the page is closed.
    ///
    /// # Errors
    /// `STATE_CHANGED` with the request that takes its place, `PROPOSAL_EXPIRED`,
    /// `CONFIRMATION_INVALID`, `POLICY_FORBIDS`, and what carrying it out says.
    pub(crate) async fn confirmed_here(
        &self,
        confirm: &Confirm,
        id: &ProposalId,
        card: &str,
    ) -> Result<Step, Turned> {
        for _ in 0..TRIES {
            let mut life = self.parked(Named::Proposal(id.clone())).await?;
            let State::Proposed(parked) = life.state() else { return self.known(life).await };
            if !waits_for_customer(parked) {
                return self.granted(life).await;
            }
            let proposal = parked.proposal();
            if card != proposal.card_digest() {
                let message = "this is not the card that waits";
                return Err(Turned::only(Refused::new(Code::ConfirmationInvalid, message)));
            }
            if let Afresh::Changed(refused) = self.afresh(parked).await? {
                return Err(Turned::only(*refused));
            }
            let now = self.pipeline.clock.now();
            let yes = confirm.yes(proposal, now);
            let vote = self
                .contract(parked)
                .and_then(|contract| grant::confirm(parked, &yes, &contract, &self.signers(), now));
            match vote {
                Ok(vote) => life.take(Event::Voted(Box::new(vote))),
                Err(refused) => return Err(self.not_granted(&life, refused).await),
            }
            if !life.state().parked().is_some_and(Parked::waits_for_staff) {
                return self.granted(life).await;
            }
            match life.flush(&*self.pipeline.store).await {
                Ok(()) => return self.granted(life).await,
                // The other tap came first: this one finds it counted.
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(Turned::only(unavailable(&error))),
            }
        }
        Err(crowded())
    }

    /// The customer says no: the request is taken back.
    pub(crate) async fn declined_here(&self, id: &ProposalId) -> Result<(), Turned> {
        let life = self.parked(Named::Proposal(id.clone())).await?;
        if life.state().parked().is_some_and(waits_for_customer) {
            let message = "the customer said no on the page";
            self.refused(&life, Refused::new(Code::ProposalWithdrawn, message)).await;
        }
        Ok(())
    }
}

/// The customer has not answered yet.
pub(crate) fn waits_for_customer(parked: &Parked) -> bool {
    parked.missing().any(|need| *need == Need::Customer)
}

/// The customer's yes came from the page: whoever asks them again sends a link again.
pub(crate) fn on_page(parked: &Parked) -> bool {
    parked.votes().iter().any(|vote| match vote {
        Vote::Confirmed(yes) => yes.frontend == PAGE,
        Vote::Approved(_) | Vote::Rejected(_) => false,
    })
}
