//! Puts a credential on a request, and takes it out of whatever comes back.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_core::contract::CredentialUse;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// Shorter parts of a credential are not looked for: they would be found by chance.
const SHORTEST_PART: usize = 6;

/// What the vault asks to see before it opens: made nowhere but in the connector.
pub(crate) struct LastHop(());

impl LastHop {
    pub(super) const fn new() -> Self {
        Self(())
    }
}

/// A credential as one request carries it. Shows nothing of it.
pub(super) struct Presented {
    /// At most one.
    header: Option<(HeaderName, HeaderValue)>,
    /// What must not be seen in answers or errors.
    parts: Vec<SecretString>,
}

impl Presented {
    /// No credential.
    pub(super) const fn nothing() -> Self {
        Self { header: None, parts: Vec::new() }
    }

    /// `secret` in the way of `usage`, for a request with this body.
    pub(super) fn new(
        usage: &CredentialUse,
        secret: &SecretString,
        body: &[u8],
    ) -> Result<Self, &'static str> {
        let text = secret.expose_secret();
        let (name, value) = match usage {
            CredentialUse::None => return Ok(Self::nothing()),
            CredentialUse::Header(name) => (named(name)?, Zeroizing::new(text.to_owned())),
            CredentialUse::Bearer => (AUTHORIZATION, Zeroizing::new(format!("Bearer {text}"))),
            CredentialUse::Basic => {
                text.split_once(':').ok_or("the file must hold `user:password`")?;
                (AUTHORIZATION, Zeroizing::new(format!("Basic {}", STANDARD.encode(text))))
            }
            CredentialUse::Hmac { header } => (named(header)?, signature(text, body)),
            CredentialUse::OauthClientCredentials { .. } => {
                return Err("a client's secret goes only to the token end point");
            }
        };
        let mut header = HeaderValue::from_str(&value)
            .map_err(|_| "the secret has characters that no header can carry")?;
        // Keeps it out of every library's debug output.
        header.set_sensitive(true);
        let mut parts = vec![secret.clone()];
        if matches!(usage, CredentialUse::Basic) {
            parts.push(STANDARD.encode(text).into());
            parts.extend(text.split_once(':').map(|(_, password)| password.into()));
        }
        Ok(Self { header: Some((name, header)), parts })
    }

    /// Another secret that must not be seen in answers or errors.
    pub(super) fn hiding(mut self, secret: &SecretString) -> Self {
        self.parts.push(secret.clone());
        self
    }

    pub(super) fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        self.header.clone()
    }

    /// The text without any part of the credential: backends and proxies do echo
    /// them in error messages (NO SECRET LEAVES).
    pub(super) fn scrub(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        for part in &self.parts {
            let part = part.expose_secret().as_bytes();
            if part.len() >= SHORTEST_PART && position(&bytes, part).is_some() {
                bytes = without(&bytes, part);
            }
        }
        bytes
    }

    pub(super) fn scrub_text(&self, text: String) -> String {
        String::from_utf8_lossy(&self.scrub(text.into_bytes())).into_owned()
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Presented")
    }
}

fn named(name: &str) -> Result<HeaderName, &'static str> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| "the pack's header name is no header name")
}

fn signature(key: &str, body: &[u8]) -> Zeroizing<String> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    Zeroizing::new(hex::encode(hmac::sign(&key, body)))
}

fn position(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

fn without(bytes: &[u8], part: &[u8]) -> Vec<u8> {
    let mut clean = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((before, after)) = position(rest, part).and_then(|at| rest.split_at_checked(at))
    {
        clean.extend_from_slice(before);
        clean.extend_from_slice(b"***");
        rest = after.get(part.len()..).unwrap_or_default();
    }
    clean.extend_from_slice(rest);
    clean
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn header(usage: &CredentialUse, secret: &str, body: &[u8]) -> (String, String) {
        let presented = Presented::new(usage, &secret.into(), body).unwrap();
        let (name, value) = presented.header().unwrap();
        assert!(value.is_sensitive());
        assert!(!format!("{presented:?}{value:?}").contains(secret), "{presented:?} {value:?}");
        (name.as_str().to_owned(), value.to_str().unwrap().to_owned())
    }

    #[test]
    fn each_use_writes_its_header() {
        let line = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let custom = CredentialUse::Header("X-Shop-Token".to_owned());
        assert_eq!(header(&custom, "abc", b""), line("x-shop-token", "abc"));
        assert_eq!(header(&CredentialUse::Bearer, "abc", b""), line("authorization", "Bearer abc"));
        let basic = header(&CredentialUse::Basic, "Aladdin:open sesame", b"");
        assert_eq!(basic, line("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        // RFC 4231, test case 2.
        let hmac = CredentialUse::Hmac { header: "X-Signature".to_owned() };
        assert_eq!(
            header(&hmac, "Jefe", b"what do ya want for nothing?"),
            line("x-signature", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        );
    }

    #[test]
    fn what_cannot_be_presented_says_why_without_showing_it() {
        let no_colon = Presented::new(&CredentialUse::Basic, &"hunter2".into(), b"").unwrap_err();
        assert!(no_colon.contains("user:password"));
        let not_ascii =
            Presented::new(&CredentialUse::Bearer, &"hunter2\n".into(), b"").unwrap_err();
        assert!(!not_ascii.contains("hunter2"));
    }

    #[test]
    fn echoes_are_taken_out() {
        let basic = Presented::new(&CredentialUse::Basic, &"user:pass-word".into(), b"").unwrap();
        let echo =
            b"you sent user:pass-word, Basic dXNlcjpwYXNzLXdvcmQ=, or pass-wordpass-word".to_vec();
        assert_eq!(basic.scrub(echo), b"you sent ***, Basic ***, or ******");
        let short = Presented::new(&CredentialUse::Bearer, &"id".into(), b"").unwrap();
        assert_eq!(short.scrub(b"an id".to_vec()), b"an id", "too short to tell from chance");
    }
}
