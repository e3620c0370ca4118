//! A browser without a screen that keeps its cookies and follows nothing by itself.

use std::collections::BTreeMap;

use reqwest::header::{COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{Client, ClientBuilder, Response, StatusCode};
use serde_json::Value;

#[derive(Clone)]
pub struct Visitor {
    client: Client,
    pub origin: String,
    pub cookies: BTreeMap<String, String>,
}

impl Visitor {
    pub fn new(origin: &str) -> Self {
        Self::over(origin, |client| client)
    }

    pub fn over(origin: &str, how: impl Fn(ClientBuilder) -> ClientBuilder) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let client = how(client).build().unwrap();
        Self { client, origin: origin.to_owned(), cookies: BTreeMap::new() }
    }

    fn kept(&self) -> String {
        let pairs = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }

    /// A page of ours by its path, or any other by its address.
    pub async fn get(&mut self, to: &str) -> Response {
        let url = if to.starts_with('/') { format!("{}{to}", self.origin) } else { to.to_owned() };
        let mut request = self.client.get(&url);
        // Another site's pages get none of our cookies.
        if url.starts_with(&self.origin) {
            request = request.header(COOKIE, self.kept());
        }
        let answer = request.send().await.unwrap();
        self.keep(&answer);
        answer
    }

    pub async fn form(&mut self, path: &str, fields: &[(&str, &str)]) -> Response {
        let request = self.client.post(format!("{}{path}", self.origin)).form(fields);
        let request = request.header(COOKIE, self.kept()).header(ORIGIN, &self.origin);
        let answer = request.send().await.unwrap();
        self.keep(&answer);
        answer
    }

    pub async fn post(&self, path: &str, body: &Value) -> Response {
        let request = self.client.post(format!("{}{path}", self.origin)).json(body);
        let request = request.header(COOKIE, self.kept()).header(ORIGIN, &self.origin);
        request.send().await.unwrap()
    }

    pub async fn read(&mut self, path: &str) -> (StatusCode, String) {
        let answer = self.get(path).await;
        (answer.status(), answer.text().await.unwrap())
    }

    pub async fn leads_to(&mut self, to: &str) -> String {
        let answer = self.get(to).await;
        assert!(answer.status().is_redirection(), "{to}: {answer:?}");
        answer.headers()[LOCATION].to_str().unwrap().to_owned()
    }

    /// Whether it holds a session's cookie; of sign-ins under way there are others.
    pub fn has_session(&self) -> bool {
        self.cookies.keys().any(|name| name.ends_with("countersign"))
    }

    fn keep(&mut self, answer: &Response) {
        for line in answer.headers().get_all(SET_COOKIE) {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if line.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}
