//! A receiver of events, and what counts as its acknowledgement.

mod file;
mod hec;
mod http;
mod otlp;
mod proto;

use crate::ports::Clock;
use crate::siem::config::{SinkConfig, To};
use crate::siem::event::Event;
use crate::vault::Vault;
use file::JsonLines;
use hec::Hec;
use otlp::Otlp;

/// What the vault asks to see before it opens: made nowhere but here.
pub(crate) struct Token(());

/// One receiver.
pub(super) enum Sink {
    File(JsonLines),
    Hec(Box<Hec>),
    Otlp(Otlp),
}

impl Sink {
    /// Ready to send. Dials nothing.
    pub(super) fn new(
        settings: &SinkConfig,
        vault: &Vault,
        clock: &dyn Clock,
    ) -> Result<Self, String> {
        Ok(match &settings.to {
            To::File(file) => Self::File(JsonLines::new(&file.path)),
            To::SplunkHec(to) => Self::Hec(Box::new(Hec::new(to, vault, clock.fresh_id())?)),
            To::Otlp(to) => Self::Otlp(Otlp::new(to, vault)?),
        })
    }

    /// Returns only when the receiver has acknowledged every event.
    ///
    /// # Errors
    /// Why it is not known that it has them all. It may have some.
    pub(super) async fn send(&self, events: Vec<Event>) -> Result<(), String> {
        match self {
            Self::File(file) => file.send(events).await,
            Self::Hec(hec) => hec.send(&events).await,
            Self::Otlp(otlp) => otlp.send(&events).await,
        }
    }
}

#[cfg(test)]
mod tests;
