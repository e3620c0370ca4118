//! A collector of OpenTelemetry logs, over HTTP with protobuf.

use prost::Message as _;

use super::http::{Post, Receiver};
use super::proto::{Answer, Export, of};
use crate::siem::config::HttpConfig;
use crate::siem::event::Event;
use crate::vault::Vault;

const PROTOBUF: &str = "application/x-protobuf";

pub(in crate::siem) struct Otlp {
    receiver: Receiver,
}

impl Otlp {
    pub(super) fn new(to: &HttpConfig, vault: &Vault) -> Result<Self, String> {
        Ok(Self { receiver: Receiver::new(to, vault, "Bearer")? })
    }

    pub(super) async fn send(&self, events: &[Event]) -> Result<(), String> {
        let export: Export = of(events);
        let (url, body) = (self.receiver.url.clone(), export.encode_to_vec());
        let post = Post { url, content: PROTOBUF, header: None, body };
        let answer = self.receiver.post(post).await?;
        let answer = Answer::decode(answer.as_slice())
            .map_err(|_| "the answer is not an OTLP collector's: look at `url`")?;
        match answer.partial_success.filter(|partial| partial.rejected > 0) {
            None => Ok(()),
            // Nobody knows which: all of them are sent again, and say so.
            Some(partial) => Err(format!("it rejected {} of the events", partial.rejected)),
        }
    }
}
