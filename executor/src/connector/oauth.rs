//! OAuth 2 client credentials: one token kept per connection, asked for again
//! before it expires or once the backend refuses it.

use std::time::Duration;

use countersign_core::answer::{Barrier, Sent};
use countersign_core::contract::CredentialUse;
use countersign_core::request::{WireRequest, pairs, percent};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::credential::Presented;

/// Lifetime of a token whose server tells none.
const UNTOLD: Duration = Duration::from_secs(300);
/// Longest lifetime believed.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// A token is not used in its last minute, or its last quarter if that is shorter.
const MARGIN: Duration = Duration::from_secs(60);

/// The connection's token.
#[derive(Default)]
pub(super) struct Tokens {
    kept: Mutex<Option<Token>>,
}

struct Token {
    secret: SecretString,
    /// Digest of the client's credential that it was made for.
    client: [u8; 32],
    until: Instant,
}

impl Tokens {
    /// The kept token, or a new one from `ask`. One caller asks, the others wait.
    pub(super) async fn get(
        &self,
        client: &SecretString,
        now: Instant,
        deadline: Instant,
        ask: impl Future<Output = Sent>,
    ) -> Result<SecretString, Sent> {
        let digest: [u8; 32] = Sha256::digest(client.expose_secret()).into();
        let mut kept = tokio::time::timeout_at(deadline, self.kept.lock())
            .await
            .map_err(|_| failed(Barrier::Unreachable, "the token end point is slow"))?;
        if let Some(token) = kept.as_ref()
            && token.client == digest
            && now < token.until
        {
            return Ok(token.secret.clone());
        }
        *kept = None;
        let (secret, lifetime) = granted(ask.await)?;
        let until = now + lifetime.saturating_sub(MARGIN.min(lifetime / 4));
        *kept = Some(Token { secret: secret.clone(), client: digest, until });
        Ok(secret)
    }

    /// Drops a token that the backend refused, unless it was replaced meanwhile.
    pub(super) async fn forget(&self, refused: &SecretString) {
        let mut kept = self.kept.lock().await;
        if kept.as_ref().is_some_and(|t| t.secret.expose_secret() == refused.expose_secret()) {
            *kept = None;
        }
    }
}

/// The request for a token, and the client's credential on it.
pub(super) fn ask(
    token_path: &str,
    scope: &str,
    client: &SecretString,
) -> Result<(WireRequest, Presented), &'static str> {
    let (id, secret) = client
        .expose_secret()
        .split_once(':')
        .ok_or("the file must hold `client_id:client_secret`")?;
    // Both parts are form-encoded first (RFC 6749, 2.3.1).
    let basic = SecretString::from(format!("{}:{}", percent(id), percent(secret)));
    let mut form = Map::from_iter([("grant_type".to_owned(), Json::from("client_credentials"))]);
    if !scope.is_empty() {
        form.insert("scope".to_owned(), Json::from(scope));
    }
    let line = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let request = WireRequest {
        method: "POST".to_owned(),
        path: token_path.to_owned(),
        query: String::new(),
        headers: vec![
            line("accept", "application/json"),
            line("content-type", "application/x-www-form-urlencoded"),
        ],
        body: pairs(&form).into_bytes(),
    };
    let presented = Presented::new(&CredentialUse::Basic, &basic, &request.body)?.hiding(client);
    Ok((request, presented))
}

#[derive(Deserialize)]
struct Grant {
    access_token: SecretString,
    token_type: Option<String>,
    expires_in: Option<u64>,
}

/// The token in the token end point's answer. The words of that answer are not
/// repeated: they are about a credential.
fn granted(sent: Sent) -> Result<(SecretString, Duration), Sent> {
    let (status, body) = match sent {
        Sent::Answered { status, retry_after: _, replayed: _, body } => (status, body),
        Sent::NotSent { barrier, why } => return Err(failed(barrier, &why)),
        // The token's request may be lost; the one that waits for it was not sent.
        Sent::Lost { why } => return Err(failed(Barrier::Unreachable, &why)),
    };
    match status {
        200 => {}
        400..=403 => return Err(failed(Barrier::Credential, &format!("HTTP {status}"))),
        _ => return Err(failed(Barrier::Unreachable, &format!("HTTP {status}"))),
    }
    let grant: Grant = serde_json::from_slice(&body)
        .map_err(|_| failed(Barrier::Unreachable, "its answer holds no `access_token`"))?;
    if grant.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(failed(Barrier::Credential, "it gave a token that is no bearer token"));
    }
    let lifetime = grant.expires_in.map_or(UNTOLD, Duration::from_secs).min(LONGEST);
    Ok((grant.access_token, lifetime))
}

fn failed(barrier: Barrier, why: &str) -> Sent {
    Sent::NotSent { barrier, why: format!("token end point: {why}") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn answer(status: u16, body: &str) -> Sent {
        Sent::Answered {
            status,
            retry_after: None,
            replayed: false,
            body: body.as_bytes().to_vec(),
        }
    }

    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();

    async fn get(tokens: &Tokens, client: &str, after: u64, body: &str) -> String {
        let now = *START.get_or_init(Instant::now) + Duration::from_secs(after);
        let asked = async { answer(200, body) };
        let token = tokens.get(&client.into(), now, now + LONGEST, asked).await.unwrap();
        token.expose_secret().to_owned()
    }

    #[tokio::test]
    async fn a_token_is_kept_until_shortly_before_it_expires() {
        let tokens = Tokens::default();
        let one = r#"{"access_token":"one","token_type":"Bearer","expires_in":600}"#;
        let two = r#"{"access_token":"two","token_type":"bearer"}"#;
        let three = r#"{"access_token":"three"}"#;
        assert_eq!(get(&tokens, "id:s", 0, one).await, "one");
        assert_eq!(get(&tokens, "id:s", 539, two).await, "one");
        assert_eq!(get(&tokens, "id:s", 541, two).await, "two");
        tokens.forget(&"one".into()).await;
        assert_eq!(
            get(&tokens, "id:s", 542, three).await,
            "two",
            "an old refusal drops no new token"
        );
        tokens.forget(&"two".into()).await;
        assert_eq!(get(&tokens, "id:s", 543, three).await, "three");
    }

    #[tokio::test]
    async fn a_changed_client_credential_gets_a_new_token() {
        let tokens = Tokens::default();
        assert_eq!(get(&tokens, "id:a", 0, r#"{"access_token":"one"}"#).await, "one");
        assert_eq!(get(&tokens, "id:b", 0, r#"{"access_token":"two"}"#).await, "two");
    }

    #[tokio::test]
    async fn failures_say_whose_fault_without_the_answers_words() {
        let lost = Sent::Lost { why: "cut".to_owned() };
        for (sent, expected) in [
            (answer(401, "secret-words"), Barrier::Credential),
            (answer(400, "secret-words"), Barrier::Credential),
            (answer(503, "secret-words"), Barrier::Unreachable),
            (answer(200, "secret-words"), Barrier::Unreachable),
            (
                answer(200, r#"{"access_token":"secret-words","token_type":"mac"}"#),
                Barrier::Credential,
            ),
            (lost, Barrier::Unreachable),
        ] {
            let now = Instant::now();
            let got =
                Tokens::default().get(&"id:s".into(), now, now + LONGEST, async { sent }).await;
            let failure = got.err().unwrap();
            assert!(
                matches!(&failure, Sent::NotSent { barrier, .. } if *barrier == expected),
                "{failure:?}"
            );
            assert!(!format!("{failure:?}").contains("secret-words"), "{failure:?}");
        }
    }

    #[test]
    fn the_request_is_a_form_with_basic_credentials() {
        let (request, presented) = ask("/oauth/token", "a b", &"id:se:cret".into()).unwrap();
        assert_eq!(request.body, b"grant_type=client_credentials&scope=a%20b");
        let (_, value) = presented.header().unwrap();
        assert_eq!(value.to_str().unwrap(), format!("Basic {}", STANDARD.encode("id:se%3Acret")));
        assert!(ask("/t", "", &"no colon".into()).is_err());
    }
}
