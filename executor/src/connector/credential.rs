//! Puts a credential on a request, and knows what the answer must not show of it.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_core::contract::CredentialUse;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

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
        let presented = Self { header: Some((name, header)), parts: vec![secret.clone()] };
        let basic = matches!(usage, CredentialUse::Basic);
        Ok(if basic { presented.hiding(secret) } else { presented })
    }

    /// `user:password` that must not be seen in answers or errors, nor the password alone.
    pub(super) fn hiding(mut self, secret: &SecretString) -> Self {
        let password = secret.expose_secret().split_once(':').map(|(_, password)| password.into());
        self.parts.extend(password);
        self.parts.push(secret.clone());
        self
    }

    pub(super) fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        self.header.clone()
    }

    /// What an answer to it must not show.
    pub(super) fn parts(&self) -> &[SecretString] {
        &self.parts
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::connector::scrub::Scrub;

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
        assert_eq!(Scrub::of(basic.parts()).bytes(echo), b"you sent ***, Basic ***, or ******");
    }
}
