//! The way to a model server: one request, no retries, no redirects, no proxy, a
//! time limit and a size limit. Nothing is read from the environment.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_openai::config::Config;
use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::dialect::{self, Parameter};
use crate::config::OpenaiConfig;
use crate::guards::Guard;
use crate::model::Failure;

/// Largest answer read, in bytes.
const MAX_BODY: usize = 1024 * 1024;
/// Largest refusal read, in bytes.
const MAX_REFUSAL: usize = 16 * 1024;

/// Why no way to the model server could be made.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The API key's file.
    #[error(
        "cannot read the model's API key {0}: {1}. Write the key into that file or remove api_key_file"
    )]
    Key(String, std::io::Error),
    /// TLS.
    #[error("no TLS client for the model server: {0}")]
    Tls(String),
}

/// Address and key.
#[derive(Clone)]
pub(super) struct Endpoint {
    base: Url,
    key: SecretString,
    key_header: Option<HeaderName>,
}

impl Endpoint {
    pub(super) fn new(config: &OpenaiConfig) -> Result<Self, EndpointError> {
        let key = match &config.api_key_file {
            Some(file) => std::fs::read_to_string(file)
                .map_err(|error| EndpointError::Key(file.display().to_string(), error))?,
            None => String::new(),
        };
        let key = SecretString::from(key.trim().to_owned());
        Ok(Self { base: config.url.clone(), key, key_header: config.key_header.clone() })
    }
}

impl Config for Endpoint {
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let key = self.key.expose_secret();
        let (name, value) = match &self.key_header {
            Some(name) => (name.clone(), key.to_owned()),
            None => (AUTHORIZATION, format!("Bearer {key}")),
        };
        if !key.is_empty()
            && let Ok(mut value) = HeaderValue::from_str(&value)
        {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        headers
    }

    fn url(&self, path: &str) -> String {
        let mut url = self.base.clone();
        // What the base asks for, such as `?api-version=…`, stays behind the path.
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url.into()
    }

    fn query(&self) -> Vec<(&str, &str)> {
        Vec::new()
    }

    fn api_base(&self) -> &str {
        self.base.as_str()
    }

    fn api_key(&self) -> &SecretString {
        &self.key
    }
}

/// How long an answer is waited for.
pub(super) fn patience(config: &OpenaiConfig) -> Duration {
    if Guard::AnswerTimeout.is_on() { config.timeout } else { Duration::from_secs(3600) }
}

/// Sends a request exactly once.
#[derive(Clone)]
pub(super) struct OneCall {
    client: reqwest::Client,
}

impl OneCall {
    pub(super) fn new(config: &OpenaiConfig) -> Result<Self, EndpointError> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(
                crate::tls::client().map_err(|error| EndpointError::Tls(error.to_string()))?,
            )
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .timeout(patience(config))
            .build()
            .map_err(|error| EndpointError::Tls(error.to_string()))?;
        Ok(Self { client })
    }

    pub(super) fn client(&self) -> &reqwest::Client {
        &self.client
    }
}

/// An answer that is no success. Its body stays out of it: servers echo prompts.
#[derive(Debug, thiserror::Error)]
#[error("the model server answered {status}")]
struct Failed {
    status: u16,
    /// The parameter that it refuses.
    refused: Option<Parameter>,
}

#[derive(Debug, thiserror::Error)]
#[error("the model server's answer is larger than {MAX_BODY} bytes")]
struct TooLarge;

impl tower::Service<HttpRequestFactory> for OneCall {
    type Response = reqwest::Response;
    type Error = OpenAIError;
    type Future = Pin<Box<dyn Future<Output = Result<reqwest::Response, OpenAIError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), OpenAIError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequestFactory) -> Self::Future {
        let client = self.client.clone();
        Box::pin(async move {
            let mut response =
                client.execute(request.build().await?).await.map_err(OpenAIError::Reqwest)?;
            if !response.status().is_success() {
                let status = response.status().as_u16();
                let wrong = [400, 422].contains(&status);
                let refused = if wrong { refusal(&mut response).await } else { None };
                return Err(OpenAIError::Boxed(Box::new(Failed { status, refused })));
            }
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(OpenAIError::Reqwest)? {
                body.extend_from_slice(&chunk);
                if body.len() > MAX_BODY && Guard::AnswerBound.is_on() {
                    return Err(OpenAIError::Boxed(Box::new(TooLarge)));
                }
            }
            Ok(http::Response::new(body).into())
        })
    }
}

/// Which parameter a refused request is refused for. Of the body nothing else is kept.
async fn refusal(response: &mut reqwest::Response) -> Option<Parameter> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_REFUSAL {
            return None;
        }
    }
    dialect::refused(&body)
}

/// The parameter that the server does not take, where it names one.
pub(super) fn refused(error: &OpenAIError) -> Option<Parameter> {
    match error {
        OpenAIError::Boxed(error) => error.downcast_ref::<Failed>()?.refused,
        OpenAIError::ApiError(_)
        | OpenAIError::Reqwest(_)
        | OpenAIError::JSONDeserialize(_, _)
        | OpenAIError::FileSaveError(_)
        | OpenAIError::FileReadError(_)
        | OpenAIError::StreamError(_)
        | OpenAIError::InvalidArgument(_) => None,
    }
}

/// What an error tells. A gateway that gave up waiting says nothing about the server behind it.
pub(super) fn failure(error: &OpenAIError) -> Failure {
    let status = match error {
        OpenAIError::Boxed(error) => error.downcast_ref::<Failed>().map(|failed| failed.status),
        OpenAIError::ApiError(error) => Some(error.status_code.as_u16()),
        OpenAIError::Reqwest(error) if error.is_connect() => return Failure::Server,
        OpenAIError::Reqwest(_) => None,
        OpenAIError::JSONDeserialize(_, _)
        | OpenAIError::FileSaveError(_)
        | OpenAIError::FileReadError(_)
        | OpenAIError::StreamError(_)
        | OpenAIError::InvalidArgument(_) => None,
    };
    match status {
        None | Some(408 | 502 | 504) => Failure::Unknown,
        Some(400 | 413 | 422) => Failure::Request,
        Some(_refused) => Failure::Server,
    }
}

/// An error without customers' words or keys in it.
pub(super) fn in_short(error: &OpenAIError) -> String {
    match error {
        OpenAIError::Reqwest(error) if error.is_timeout() => "no answer in time".to_owned(),
        OpenAIError::Reqwest(error) if error.is_connect() => {
            "the model server cannot be reached".to_owned()
        }
        OpenAIError::Reqwest(_) => "the connection to the model server broke".to_owned(),
        OpenAIError::Boxed(error) => error.to_string(),
        OpenAIError::JSONDeserialize(_, _) => "the answer is no chat completion".to_owned(),
        OpenAIError::ApiError(error) => {
            format!("the model server answered {}", error.status_code.as_u16())
        }
        OpenAIError::FileSaveError(_)
        | OpenAIError::FileReadError(_)
        | OpenAIError::StreamError(_)
        | OpenAIError::InvalidArgument(_) => "the request could not be made".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_that_refuses_costs_nothing_and_a_gateway_that_gave_up_says_nothing() {
        let told =
            |status| failure(&OpenAIError::Boxed(Box::new(Failed { status, refused: None })));
        for status in [400, 413, 422] {
            assert_eq!(told(status), Failure::Request, "{status}");
        }
        for status in [401, 404, 429, 500, 503] {
            assert_eq!(told(status), Failure::Server, "{status}");
        }
        for status in [408, 502, 504] {
            assert_eq!(told(status), Failure::Unknown, "{status}");
        }
        assert_eq!(failure(&OpenAIError::Boxed(Box::new(TooLarge))), Failure::Unknown);
    }
}
