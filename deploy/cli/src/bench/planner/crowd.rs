//! Customers: one after the other, or many at a fixed pace.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use reqwest::Client;
use serde_json::json;
use tokio::task::JoinSet;

use super::direct::Direct;
use super::figures::{Overhead, Streaming};
use super::stub::Times;
use crate::bench::forwarder::client;
use crate::bench::process::{Process, processor_time, resident};

/// Turns of one conversation while the overhead is measured, and turns before any counts.
const LENGTH: u32 = 20;
const WARM_UP: u32 = 40;
/// Between two looks at how much memory is held.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// For those that were begun last to be open as well.
const ALL_OPEN: Duration = Duration::from_secs(5);

/// Everybody who asks.
#[derive(Clone)]
pub(super) struct Crowd {
    http: Client,
    url: Arc<str>,
    key: Arc<str>,
    token: Arc<str>,
}

/// A turn, as its frontend saw it.
struct Turned {
    first_byte: Duration,
    whole: Duration,
}

impl Crowd {
    pub(super) fn new(address: &str, key: &str, token: String) -> anyhow::Result<Self> {
        let url = format!("http://{address}/v1/chat/completions").into();
        Ok(Self { http: client(8)?, url, key: key.into(), token: token.into() })
    }

    /// Asks as chat frontends do, with the whole conversation; waits for the stream's end.
    async fn turn(&self, conversation: &str, said: u32) -> anyhow::Result<Turned> {
        let message = |n: u32| json!({ "role": "user", "content": format!("my sales, {n}") });
        let messages: Vec<_> = (0..=said).map(message).collect();
        let body = json!({ "model": "countersign", "stream": true, "messages": messages });
        let began = Instant::now();
        let request = self.http.post(&*self.url).bearer_auth(&self.key).body(body.to_string());
        let request = request.header("X-Subject-Token", &*self.token);
        let request = request.header("X-Countersign-Conversation", conversation);
        let mut response = request.send().await?.error_for_status()?;
        let (mut first_byte, mut text) = (None, Vec::new());
        while let Some(chunk) = response.chunk().await? {
            first_byte.get_or_insert_with(|| began.elapsed());
            text.extend_from_slice(&chunk);
        }
        let whole = began.elapsed();
        let text = String::from_utf8_lossy(&text);
        // An answer without the read in it was cheaper than a turn.
        ensure!(text.contains("5.00 USD") && text.contains("[DONE]"), "no whole turn: {text}");
        Ok(Turned { first_byte: first_byte.context("nothing came")?, whole })
    }

    /// One after the other: what each takes beyond model and executor. After each conversation
    /// both are asked directly as often, so that whatever else the machine does falls on both.
    pub(super) async fn overhead(
        self,
        turns: u32,
        times: Arc<Times>,
        planner: Process,
        mut direct: Direct,
    ) -> anyhow::Result<Overhead> {
        let (mut beyond, mut inside) = (Histogram::<u64>::new(3)?, Histogram::<u64>::new(3)?);
        let (mut whole, mut directly) = (Histogram::<u64>::new(3)?, Histogram::<u64>::new(3)?);
        let used = || processor_time(planner.id).context("the system tells no processor time");
        let mut processor = Duration::ZERO;
        for first in (0..WARM_UP + turns).step_by(LENGTH as usize) {
            let conversation = format!("one-{first}");
            let length = LENGTH.min(WARM_UP + turns - first);
            let before = used()?;
            for said in 0..length {
                let _before = times.taken();
                let took = self.turn(&conversation, said).await?.whole;
                let stubs = times.taken();
                if first >= WARM_UP {
                    whole.record(micros(took))?;
                    beyond.record(micros(took.saturating_sub(stubs)))?;
                    inside.record(micros(stubs))?;
                }
            }
            if first >= WARM_UP {
                processor += used()?.saturating_sub(before);
            }
            for _ in 0..length {
                let took = direct.turn().await?;
                if first >= WARM_UP {
                    directly.record(micros(took))?;
                }
            }
        }
        let (whole_p50_us, direct_p50_us) =
            (whole.value_at_quantile(0.5), directly.value_at_quantile(0.5));
        Ok(Overhead {
            turns,
            p50_us: beyond.value_at_quantile(0.5),
            p99_us: beyond.value_at_quantile(0.99),
            inside_stubs_p50_us: inside.value_at_quantile(0.5),
            whole_p50_us,
            direct_p50_us,
            beyond_direct_p50_us: whole_p50_us.saturating_sub(direct_p50_us),
            processor_us: micros(processor / turns),
        })
    }

    /// All at once, each begun when it is due.
    pub(super) async fn streaming(
        &self,
        conversations: u32,
        pace: u32,
        times: &Times,
        planner: &Process,
    ) -> anyhow::Result<Streaming> {
        let apart = Duration::from_secs(1) / pace;
        times.hold(apart * conversations + ALL_OPEN);
        let resident_before = resident(planner.id).context("the system tells no memory")?;
        let start = Instant::now();
        let mut under_way = JoinSet::new();
        for number in 0..conversations {
            let (crowd, due) = (self.clone(), start + apart * number);
            under_way.spawn(async move {
                tokio::time::sleep_until(due.into()).await;
                let late = due.elapsed();
                let turned = crowd.turn(&format!("many-{number}"), 0).await?;
                anyhow::Ok(turned.first_byte + late)
            });
        }
        let (mut first, mut errors, mut most) = (Histogram::<u64>::new(3)?, Vec::new(), 0);
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                ended = under_way.join_next() => match ended {
                    None => break,
                    Some(Ok(Ok(first_byte))) => first.record(micros(first_byte))?,
                    Some(Ok(Err(error))) => errors.push(format!("{error:#}")),
                    Some(Err(error)) => errors.push(error.to_string()),
                },
                _ = looks.tick() => most = most.max(resident(planner.id).unwrap_or_default()),
            }
        }
        Ok(Streaming {
            conversations,
            begun_a_second: pace,
            at_once: times.most_waiting(),
            errors: errors.len(),
            first_error: errors.into_iter().next(),
            first_byte_p50_us: first.value_at_quantile(0.5),
            first_byte_p99_us: first.value_at_quantile(0.99),
            resident_before,
            resident_most: most,
        })
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
