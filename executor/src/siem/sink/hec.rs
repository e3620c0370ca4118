//! Splunk's HTTP event collector. With indexer acknowledgement switched on for the token,
//! a batch counts once Splunk says that it is indexed; else once it was taken.

use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use url::Url;
use uuid::Uuid;

use super::http::{Post, Receiver};
use crate::siem::config::HttpConfig;
use crate::siem::event::Event;
use crate::vault::Vault;

/// Between two questions whether a batch is indexed.
const AGAIN: Duration = Duration::from_secs(1);
/// How often that is asked before the batch is sent again.
const QUESTIONS: u32 = 120;
const JSON: &str = "application/json";

pub(in crate::siem) struct Hec {
    receiver: Receiver,
    events: Url,
    acks: Url,
    channel: HeaderValue,
}

/// The answer to a batch.
#[derive(Deserialize)]
struct Taken {
    code: i64,
    #[serde(rename = "ackId")]
    ack: Option<u64>,
}

#[derive(Deserialize)]
struct Acks {
    acks: std::collections::BTreeMap<String, bool>,
}

impl Hec {
    pub(super) fn new(to: &HttpConfig, vault: &Vault, channel: Uuid) -> Result<Self, String> {
        let at = |path: &str| to.url.join(path).map_err(|error| format!("`url`: {error}"));
        let channel = channel.to_string();
        let mut acks = at("/services/collector/ack")?;
        acks.query_pairs_mut().append_pair("channel", &channel);
        Ok(Self {
            receiver: Receiver::new(to, vault, "Splunk")?,
            events: at("/services/collector/event")?,
            acks,
            channel: HeaderValue::from_str(&channel).map_err(|error| error.to_string())?,
        })
    }

    pub(super) async fn send(&self, events: &[Event]) -> Result<(), String> {
        let body = events.iter().map(|event| wrap(event).to_string()).collect::<Vec<_>>();
        let answer = self.post(self.events.clone(), body.join("\n")).await?;
        let taken: Taken = serde_json::from_slice(&answer)
            .map_err(|_| "the answer is not an event collector's: look at `url`")?;
        match (taken.code, taken.ack) {
            (0, None) => Ok(()),
            (0, Some(ack)) => self.indexed(ack).await,
            (code, _) => Err(format!("the collector answered with code {code}")),
        }
    }

    async fn indexed(&self, ack: u64) -> Result<(), String> {
        for _ in 0..QUESTIONS {
            let answer = self.post(self.acks.clone(), json!({ "acks": [ack] }).to_string()).await?;
            let acks: Acks = serde_json::from_slice(&answer)
                .map_err(|_| "the answer about an acknowledgement makes no sense")?;
            if acks.acks.get(&ack.to_string()) == Some(&true) {
                return Ok(());
            }
            tokio::time::sleep(AGAIN).await;
        }
        Err("it took the events and does not say that they are indexed".to_owned())
    }

    async fn post(&self, url: Url, body: String) -> Result<Vec<u8>, String> {
        let channel = (HeaderName::from_static("x-splunk-request-channel"), self.channel.clone());
        let post = Post { url, content: JSON, header: Some(channel), body: body.into_bytes() };
        self.receiver.post(post).await
    }
}

/// An event as the collector takes it; the time in seconds.
fn wrap(event: &Event) -> Json {
    let millis = event.at.as_millisecond();
    let time = format!("{}.{:03}", millis.div_euclid(1000), millis.rem_euclid(1000));
    json!({
        "time": time,
        "source": "countersign",
        "sourcetype": "countersign:ocsf",
        "event": event.body,
    })
}
