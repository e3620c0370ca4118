//! One conversation as an auditor gets it: what planners told of it, and what was done in it.

use std::io::{self, Write as _};

use anyhow::{Context as _, bail};
use countersign_proto::v1::audit_client::AuditClient;
use countersign_proto::v1::{FindRequest, GetReceiptRequest};
use countersign_shared::mtls::Channel;
use countersign_shared::receipt::Receipt;

use crate::audit::chain::Recorded;
use crate::receipts::Logged;
use crate::remote::{ExecutorArgs, LARGEST, timed};

/// Most turns and receipts of a conversation.
const MOST: u32 = 500;

/// Which conversation, and whom to ask.
#[derive(Debug, clap::Args)]
pub(crate) struct ConversationArgs {
    /// The frontend's ticket.
    #[arg(long, value_name = "REF", required_unless_present = "conversation")]
    ticket: Option<String>,
    /// The conversation.
    #[arg(long)]
    conversation: Option<String>,
    #[command(flatten)]
    executor: ExecutorArgs,
}

/// A conversation, oldest first.
pub(crate) struct Conversation {
    /// What planners told.
    pub(crate) turns: Vec<Recorded>,
    /// What was done, or refused.
    pub(crate) receipts: Vec<Receipt>,
}

impl ConversationArgs {
    /// Asks the executor for all of it.
    ///
    /// # Errors
    /// When it cannot be asked, or knows nothing of it.
    pub(crate) async fn collect(&self) -> anyhow::Result<Conversation> {
        let mut client =
            AuditClient::new(self.executor.channel()?).max_decoding_message_size(LARGEST);
        let request = FindRequest {
            external_ref: self.ticket.clone().unwrap_or_default(),
            conversation_id: self.conversation.clone().unwrap_or_default(),
            page_size: MOST,
            ..FindRequest::default()
        };
        let found = client.find(timed(request)).await;
        let found = found.map_err(|status| self.executor.refused(&status))?.into_inner();
        if !found.next_page_token.is_empty() {
            writeln!(io::stderr(), "There is more: only the newest {MOST} receipts are taken.")?;
        }
        let turns = found.turns.into_iter().map(Recorded::read);
        let mut turns = turns.collect::<anyhow::Result<Vec<_>>>()?;
        let receipts = found.receipts.into_iter().map(|receipt| Ok(Logged::of(receipt)?.receipt));
        let mut receipts = receipts.collect::<anyhow::Result<Vec<_>>>()?;
        if turns.is_empty() && receipts.is_empty() {
            bail!("the executor knows nothing of it: look with `countersign audit find`");
        }
        for receipt in &mut receipts {
            *receipt = self.whole(&mut client, receipt).await?;
        }
        turns.sort_by_key(|told| told.at);
        receipts.sort_by_key(|receipt| receipt.sealed_at);
        Ok(Conversation { turns, receipts })
    }

    /// A list of receipts leaves out what each was decided from.
    async fn whole(
        &self,
        client: &mut AuditClient<Channel>,
        receipt: &Receipt,
    ) -> anyhow::Result<Receipt> {
        let receipt_id = receipt.receipt_id.clone();
        let request = GetReceiptRequest { receipt_id, ..GetReceiptRequest::default() };
        let found = client.get_receipt(timed(request)).await;
        let found = found.map_err(|status| self.executor.refused(&status))?.into_inner();
        let found = found.receipt.context("the executor's answer holds no receipt")?;
        Ok(Logged::of(found)?.receipt)
    }
}
