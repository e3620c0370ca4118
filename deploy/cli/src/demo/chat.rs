//! What can be typed in the demo's chat beside words: looks at what came of them.

use super::place::Place;
use super::summary;
use crate::chat::talk::Commands;
use crate::receipts::source::Source;
use crate::receipts::{Filter, table};

/// Receipts that `/receipts` lists.
const LISTED: u32 = 50;

/// The demo's commands.
pub(super) struct Looks<'a>(pub(super) &'a Place);

impl Commands for Looks<'_> {
    const HELP: &'static str = "  yes         sign the card shown last and have it carried out
  /receipts   list the receipts so far
  /verify     check the log that they are in
  /ledger     list what really happened in the sandbox shop
  /quit       end the demo
Anything else is said to the shop's assistant.";

    async fn run(&self, command: &str) -> anyhow::Result<Option<String>> {
        Ok(match command {
            "/receipts" => Some(self.receipts().await?),
            "/verify" => Some(summary::verdict(&summary::check(self.0).await?)),
            "/ledger" => Some(summary::ledger(&self.0.shop().ledger().await?)),
            _ => None,
        })
    }
}

impl Looks<'_> {
    async fn receipts(&self) -> anyhow::Result<String> {
        let source = Source::of_demo(self.0).await?;
        let found = source.list(&Filter::default(), LISTED).await?;
        if found.is_empty() {
            return Ok("No receipts yet.".to_owned());
        }
        let more = format!("countersign receipts show ID --state {}", self.0.state.display());
        Ok(format!("{}\nOne of them in full, from another terminal: {more}", table(&found)))
    }
}
