//! A browser without a screen: cookies, posts, and a passkey by hand.

use std::net::TcpListener;

use reqwest::header::{COOKIE, HeaderMap, HeaderValue, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{Client, ClientBuilder, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use super::authenticator::Passkey;

/// The page's address, free until the executor takes it.
pub fn free_origin() -> String {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    format!("http://localhost:{port}")
}

pub struct Page<'a> {
    client: Client,
    pub origin: String,
    passkey: &'a Passkey,
    cookie: Option<String>,
}

impl<'a> Page<'a> {
    pub fn new(origin: &str, passkey: &'a Passkey) -> Self {
        Self::over(origin, passkey, |client| client)
    }

    /// Whose browser connects in a way of its own.
    pub fn over(
        origin: &str,
        passkey: &'a Passkey,
        how: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let client = how(client).build().unwrap();
        Self { client, origin: origin.to_owned(), passkey, cookie: None }
    }

    pub async fn signed_in(origin: &str, passkey: &'a Passkey) -> Self {
        Self::new(origin, passkey).enters().await
    }

    /// Signs in.
    pub async fn enters(mut self) -> Self {
        let question = self.question().await;
        let answer = self.passkey.answer(&question, &self.origin);
        assert_eq!(self.sign_in(&answer).await, StatusCode::NO_CONTENT);
        self
    }

    pub async fn question(&self) -> Value {
        self.post("/sign-in/question", &json!({})).await.json().await.unwrap()
    }

    pub async fn sign_in(&mut self, answer: &Value) -> StatusCode {
        let response = self.post("/sign-in", answer).await;
        let cookie = response.headers().get(SET_COOKIE).map(|c| c.to_str().unwrap().to_owned());
        self.cookie = cookie.map(|c| c.split(';').next().unwrap().to_owned());
        response.status()
    }

    pub fn forget_session(&mut self) {
        self.cookie = None;
    }

    pub fn headers(&self) -> HeaderMap {
        let cookie = self.cookie.iter().map(|c| (COOKIE, HeaderValue::from_str(c).unwrap()));
        cookie.collect()
    }

    pub async fn get(&self, path: &str) -> Response {
        let url = format!("{}{path}", self.origin);
        self.client.get(url).headers(self.headers()).send().await.unwrap()
    }

    /// The text of a page.
    pub async fn read(&self, path: &str) -> String {
        let response = self.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.text().await.unwrap()
    }

    pub async fn leads_to(&self, path: &str) -> String {
        self.get(path).await.headers()[LOCATION].to_str().unwrap().to_owned()
    }

    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.post_from(&self.origin, path, body).await
    }

    pub async fn post_from(&self, origin: &str, path: &str, body: &Value) -> Response {
        self.posting(origin, path).json(body).send().await.unwrap()
    }

    /// A post that is not sent yet.
    pub fn posting(&self, origin: &str, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.origin);
        self.client.post(url).headers(self.headers()).header(ORIGIN, origin)
    }

    /// The claims of an answer to what the page shows.
    pub async fn claims(&self, proposal: &str, decision: &str, reason: &str) -> Response {
        let shown = self.read(&format!("/approve/{proposal}")).await;
        let card = shown.split("data-card=\"").nth(1).map(|rest| rest.split('"').next().unwrap());
        let wish = json!({
            "decision": decision, "reason": reason, "card": card.unwrap_or_default(),
        });
        self.post(&format!("/approve/{proposal}/claims"), &wish).await
    }

    /// Taps and signs.
    pub async fn answer(&self, proposal: &str, decision: &str, reason: &str) -> Response {
        let signed = self.signed(proposal, decision, reason).await;
        self.post(&format!("/approve/{proposal}/answer"), &signed).await
    }

    /// An answer to what the page shows, signed and not sent.
    pub async fn signed(&self, proposal: &str, decision: &str, reason: &str) -> Value {
        let question = self.claims(proposal, decision, reason).await;
        assert_eq!(question.status(), StatusCode::OK);
        let question: Value = question.json().await.unwrap();
        self.passkey.answer(&question, &self.origin)
    }
}
