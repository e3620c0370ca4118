//! The sandbox shop of one lane: reset before each play, told to misbehave, asked what happened.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use countersign_executor::packs::shipped;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::process::{Child, Command};

use super::house::TOKEN;
use super::scenario::Act;

/// For it to listen.
const START: Duration = Duration::from_secs(20);

/// A sandbox shop somewhere on this machine.
pub(super) struct Shop {
    url: String,
    client: reqwest::Client,
}

/// Something that really happened in it.
#[derive(Debug, Clone, Deserialize)]
struct Effect {
    kind: String,
    name: String,
    amount: Option<String>,
    currency: Option<String>,
    by: String,
}

impl Shop {
    pub(super) fn at(url: &str) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().no_proxy().timeout(START).build()?;
        Ok(Self { url: url.to_owned(), client })
    }

    /// Everything as after the start.
    pub(super) async fn reset(&self) -> anyhow::Result<()> {
        self.post("reset", &Json::Null).await
    }

    pub(super) async fn act(&self, act: &Act) -> anyhow::Result<()> {
        match act {
            Act::Fault(fault) => self.post("faults", fault).await,
            Act::Staff(staff) => self.post("staff", staff).await,
            Act::AdvanceS(seconds) => self.post("clock", &json!({ "advance_s": seconds })).await,
        }
    }

    /// Every effect that came through the executor's credential.
    pub(super) async fn effects(&self) -> anyhow::Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Ledger {
            effects: Vec<Effect>,
        }
        let asked = self.client.get(format!("{}/sandbox/ledger", self.url)).send().await?;
        let ledger: Ledger = asked.error_for_status()?.json().await?;
        let ours = ledger.effects.into_iter().filter(|effect| effect.by == TOKEN.0);
        Ok(ours.map(|effect| effect.told()).collect())
    }

    /// An order, as the shop's API tells it; null where it has none of this id.
    pub(super) async fn order(&self, id: &str) -> anyhow::Result<Json> {
        let document = shipped().find(|(path, _)| *path == "shopify/documents/get_order.graphql");
        let (_, document) = document.context("the pack has no document that reads an order")?;
        let asked = self
            .client
            .post(format!("{}/admin/api/2026-07/graphql.json", self.url))
            .header("X-Shopify-Access-Token", TOKEN.1)
            .json(&json!({ "query": document, "variables": { "id": id } }));
        let answer: Json = asked.send().await?.error_for_status()?.json().await?;
        Ok(answer.pointer("/data/order").cloned().unwrap_or_default())
    }

    async fn post(&self, what: &str, body: &Json) -> anyhow::Result<()> {
        let asked = self.client.post(format!("{}/sandbox/{what}", self.url)).json(body);
        let answer = asked.send().await.with_context(|| format!("the sandbox's {what}"))?;
        let (status, said) = (answer.status(), answer.text().await.unwrap_or_default());
        ensure!(status.is_success(), "the sandbox does not take {what} {body}: {status} {said}");
        Ok(())
    }
}

impl Effect {
    fn told(&self) -> String {
        let money = [self.currency.clone(), self.amount.clone()];
        let words = [Some(self.kind.clone()), Some(self.name.clone())].into_iter().chain(money);
        words.flatten().collect::<Vec<_>>().join(" ")
    }
}

/// Starts a sandbox shop; it ends when dropped.
pub(super) async fn start(
    program: &Path,
    folder: &Path,
    lane: usize,
) -> anyhow::Result<(Child, String)> {
    let port = folder.join(format!("shop-{lane}.port"));
    let mut process = Command::new(program)
        .arg("--port-file")
        .arg(&port)
        .arg("--tokens")
        .arg(format!("{}={}", TOKEN.0, TOKEN.1))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let until = Instant::now() + START;
    loop {
        if let Ok(text) = std::fs::read_to_string(&port) {
            return Ok((process, format!("http://127.0.0.1:{}", text.trim())));
        }
        ensure!(process.try_wait()?.is_none(), "the sandbox shop ended while starting");
        ensure!(Instant::now() < until, "the sandbox shop did not start");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
