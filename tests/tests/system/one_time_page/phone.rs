//! A browser without a screen and without cookies, at the customer's page.

use reqwest::header::{CONTENT_SECURITY_POLICY, ORIGIN};
use reqwest::{Client, Method, Response, StatusCode};

pub struct Phone {
    client: Client,
    pub origin: String,
}

impl Phone {
    pub fn new(origin: &str) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        Self { client: client.build().unwrap(), origin: origin.to_owned() }
    }

    pub async fn ask(&self, method: Method, path: &str) -> StatusCode {
        self.send(method, path).await.status()
    }

    pub async fn send(&self, method: Method, path: &str) -> Response {
        let response = self.client.request(method, format!("{}{path}", self.origin));
        let response = response.send().await.unwrap();
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        response
    }

    /// The text of a page.
    pub async fn read(&self, path: &str) -> String {
        let response = self.send(Method::GET, path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let text = response.text().await.unwrap();
        assert!(!text.contains("<script"), "{text}");
        text
    }

    /// The digest of the card that the page shows.
    pub async fn card(&self, path: &str) -> String {
        let text = self.read(path).await;
        let card = text.split("name=\"card\" value=\"").nth(1).unwrap_or_else(|| panic!("{text}"));
        card.split('"').next().unwrap().to_owned()
    }

    pub async fn post(&self, path: &str, card: &str, answer: &str) -> Response {
        self.post_from(Some(&self.origin), path, card, answer).await
    }

    pub async fn post_from(
        &self,
        origin: Option<&str>,
        path: &str,
        card: &str,
        answer: &str,
    ) -> Response {
        let mut request = self.client.post(format!("{}{path}", self.origin));
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        let form = format!("card={card}&answer={answer}");
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        request.body(form).send().await.unwrap()
    }
}
