//! The house's own search, over HTTP: `POST { "query": … }`, and back
//! `{ "results": [{ "title", "text", "source" }] }`, best first; none where nothing is near.

use std::time::Duration;

use anyhow::Context;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use serde::Deserialize;
use serde_json::json;

use super::Found;
use crate::config::SearchConfig;

/// Largest answer read, in bytes.
const LARGEST: usize = 256 * 1024;
/// Longest question sent, in bytes.
const LONGEST_QUESTION: usize = 1_000;

/// The way there.
#[derive(Debug)]
pub(super) struct Remote {
    http: Client,
    url: Url,
}

#[derive(Deserialize)]
struct Answer {
    results: Vec<Piece>,
}

#[derive(Deserialize)]
struct Piece {
    title: String,
    text: String,
    source: String,
}

impl Remote {
    pub(super) fn new(config: &SearchConfig) -> anyhow::Result<Self> {
        let tls = crate::tls::client().context("no TLS client for the search")?;
        let http = Client::builder()
            .tls_backend_preconfigured(tls)
            .timeout(config.timeout)
            .connect_timeout(Duration::from_secs(5).min(config.timeout))
            .redirect(Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self { http, url: config.url.clone() })
    }

    /// What it finds, the nearest first. A search that fails finds nothing, and is logged.
    pub(super) async fn near(&self, question: &str) -> Vec<Found> {
        self.asked(question).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the search for pages gave no answer");
            Vec::new()
        })
    }

    async fn asked(&self, question: &str) -> anyhow::Result<Vec<Found>> {
        let question = question.get(..question.floor_char_boundary(LONGEST_QUESTION)).unwrap_or("");
        let request = self.http.post(self.url.clone()).json(&json!({ "query": question }));
        let mut response = request.send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            anyhow::ensure!(body.len() + chunk.len() <= LARGEST, "it is longer than 256 KiB");
            body.extend_from_slice(&chunk);
        }
        let answer: Answer = serde_json::from_slice(&body)?;
        let told = answer.results.into_iter().filter(|piece| !piece.text.trim().is_empty());
        Ok(told.map(|Piece { title, text, source }| Found { title, text, source }).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use axum::Router;
    use axum::routing::post;

    use super::*;

    #[tokio::test]
    async fn what_is_found_is_an_answer_and_trouble_is_none() {
        let page = |text: &str| json!({ "title": "Returns", "text": text, "source": "r.md" });
        let good = json!({ "results": [page(" "), page("Within 30 days.")] }).to_string();
        let long = json!({ "results": [page(&"x".repeat(LARGEST))] }).to_string();
        let router = Router::new()
            .route("/good", post(async move || good))
            .route("/long", post(async move || long))
            .route("/wrong", post(async || "no pages today"))
            .route("/slow", post(async || std::future::pending::<String>().await));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let asked = async |path: &str, timeout| {
            let url = format!("http://{host}/{path}").parse().unwrap();
            Remote::new(&SearchConfig { url, timeout }).unwrap().near("how long?").await
        };
        let patient = Duration::from_secs(30);
        let [found] = asked("good", patient).await.try_into().unwrap();
        assert_eq!((&*found.title, &*found.text), ("Returns", "Within 30 days."));
        assert_eq!(found.source, "r.md");
        assert!(asked("long", patient).await.is_empty());
        assert!(asked("wrong", patient).await.is_empty());
        assert!(asked("slow", Duration::from_millis(50)).await.is_empty());
    }
}
