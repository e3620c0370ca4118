//! A frontend that signs no yes: the executor has sent the customer a link of its own.
//! The link never comes through here, and the yes given on it is none of ours to carry;
//! what is left is to say so, and to look how it ended.

use countersign_proto::v1::{Card, EscalationReason, Intent, Proposal};

use super::ending::{Ending, awaiting};
use super::{Checking, Conversation};
use crate::reply;
use crate::tools::ToolSpec;
use crate::triage::Heard;

/// The proposal waits behind a link; without one, nobody could say yes to it.
pub(super) fn sent(
    conversation: &mut Conversation,
    proposal: &Proposal,
    card: &Card,
    tool: Option<&ToolSpec>,
) -> Ending {
    if proposal.link_sent_to.is_empty() {
        let why = "there is no way to confirm it here";
        return Ending::hands_over(EscalationReason::Other, reply::escalate(tool, why));
    }
    conversation.wait_for(Checking {
        tool: proposal.tool.clone(),
        proposal_id: proposal.proposal_id.clone(),
        action_id: Some(proposal.action_id.clone()),
        confirmation: String::new(),
        behind_a_link: Some(card.text.clone()),
        to_withdraw: false,
    });
    let text = format!("{}\n\n{}", card.text, reply::link_sent(&proposal.link_sent_to));
    Ending { actions: vec![awaiting(&proposal.tool)], ..Ending::says(Intent::Action, text) }
}

/// What a link that waits answers by itself: a yes in words, its own wish said again, and a
/// question about what its card says. That it waits is told before it.
pub(super) fn waits(waiting: &Checking, heard: &Heard) -> Option<Ending> {
    let card = waiting.behind_a_link.clone()?;
    if *heard == Heard::Asks {
        return Some(Ending::says(Intent::Action, card));
    }
    let told = Ending::says(Intent::Action, reply::OPEN_THE_LINK);
    (*heard == Heard::UnsignedYes).then_some(Ending { nothing_understood: true, ..told })
}
