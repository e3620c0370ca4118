//! The sandbox shop's control endpoints: what really happened, and misbehaviour on demand.

use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;
use serde_json::{Value as Json, json};

const PATIENCE: Duration = Duration::from_secs(10);

/// The sandbox shop.
#[derive(Debug, Clone)]
pub(super) struct Shop {
    url: String,
}

/// Something that really happened in the shop.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Effect {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) amount: Option<String>,
    pub(super) currency: Option<String>,
    /// The credential it came through, or `staff`.
    pub(super) by: String,
}

impl Effect {
    /// `order_cancelled #1001 USD 123.50, through shopify_token`.
    pub(super) fn told(&self) -> String {
        let words =
            [Some(&self.kind), Some(&self.name), self.currency.as_ref(), self.amount.as_ref()];
        let words: Vec<_> = words.into_iter().flatten().map(|w| crate::text::one_line(w)).collect();
        format!("{}, through {}", words.join(" "), crate::text::one_line(&self.by))
    }
}

/// A client for loopback addresses.
pub(super) fn client() -> anyhow::Result<reqwest::Client> {
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build();
    client.context("cannot set up HTTP")
}

impl Shop {
    pub(super) fn at(url: &str) -> Self {
        Self { url: url.to_owned() }
    }

    /// Every effect so far, oldest first.
    pub(super) async fn ledger(&self) -> anyhow::Result<Vec<Effect>> {
        #[derive(Deserialize)]
        struct Ledger {
            effects: Vec<Effect>,
        }
        Ok(self.get::<Ledger>("ledger").await?.effects)
    }

    /// Makes the shop misbehave, once.
    pub(super) async fn arm(&self, fault: &str) -> anyhow::Result<()> {
        #[derive(Deserialize)]
        struct Faults {
            available: Vec<Available>,
        }
        #[derive(Deserialize)]
        struct Available {
            fault: String,
            about: String,
        }
        let known = self.get::<Faults>("faults").await?.available;
        if !known.iter().any(|known| known.fault == fault) {
            let lines = known.iter().map(|k| format!("  {:<18} {}", k.fault, k.about));
            let lines: Vec<_> = lines.collect();
            anyhow::bail!("the sandbox knows no fault {fault:?}. It knows:\n{}", lines.join("\n"));
        }
        let sent =
            client()?.post(self.address("faults")).json(&json!({ "fault": fault })).send().await;
        sent.and_then(reqwest::Response::error_for_status)
            .context("the sandbox did not take the fault")?;
        Ok(())
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, what: &str) -> anyhow::Result<T> {
        let read = async {
            let answer = client()?.get(self.address(what)).send().await?.error_for_status()?;
            let body: Json = answer.json().await?;
            Ok::<T, anyhow::Error>(serde_json::from_value(body)?)
        };
        read.await.with_context(|| format!("cannot read the sandbox's {what}"))
    }

    fn address(&self, what: &str) -> String {
        format!("{}/sandbox/{what}", self.url)
    }
}
