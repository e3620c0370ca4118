//! Whose API key a request shows, and for whom and in which conversation it asks.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use axum::http::{HeaderMap, HeaderName, header::AUTHORIZATION};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::asserted::Asserting;
use crate::config::{FrontendConfig, SubjectConfig};
use crate::pace::Paces;
use crate::subject;

/// Shorter keys can be guessed.
const SHORTEST_KEY: usize = 24;
const LONGEST_HEADER: usize = 16 * 1024;
const LONGEST_ID: usize = 128;
const LONGEST_NAME: usize = 320;

/// Every configured frontend.
pub(super) struct Frontends(Vec<Frontend>);

/// One frontend of one tenant.
pub(super) struct Frontend {
    name: String,
    /// SHA-256 of each key: what is compared, and all that is kept.
    keys: Vec<[u8; 32]>,
    subject: Speaks,
    conversation: HeaderName,
    ticket: Option<String>,
    pub(super) signs: bool,
    origins: Vec<String>,
    paces: Paces,
}

enum Speaks {
    Token(String),
    Asserted(Box<Asserting>),
}

/// For whom, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    /// The subject's token.
    pub(super) token: String,
    /// Whom it names.
    pub(super) subject: String,
    /// The conversation, as the frontend calls it.
    pub(super) conversation: String,
    /// The ticket; may be empty.
    pub(super) ticket: String,
}

/// Why a request is not heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unheard {
    /// No such key.
    Key,
    /// A header is missing or unfit.
    Header(String, String),
    /// Too many in a minute: again in so long.
    Pace(Duration),
}

impl Frontends {
    pub(super) fn open(configs: &[FrontendConfig]) -> anyhow::Result<Self> {
        let frontends = configs.iter().map(Frontend::open).collect::<Result<Vec<_>, _>>()?;
        for (at, one) in frontends.iter().enumerate() {
            let mut others = frontends.iter().skip(at.saturating_add(1));
            if let Some(other) =
                others.find(|other| one.keys.iter().any(|k| other.keys.contains(k)))
            {
                bail!("{} and {} have a key in common: give each its own", one.name, other.name);
            }
            if frontends.iter().skip(at.saturating_add(1)).any(|other| one.name == other.name) {
                bail!("two frontends are named {}: give each its own name", one.name);
            }
        }
        Ok(Self(frontends))
    }

    /// The frontend whose key this is. Digests are compared, so how far a guess fits shows
    /// nowhere.
    pub(super) fn of(&self, headers: &HeaderMap) -> Result<&Frontend, Unheard> {
        let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let key = shown.and_then(|value| value.split_once(' '));
        let key = key.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let digest = key.map(|(_, key)| <[u8; 32]>::from(Sha256::digest(key.trim())));
        let digest = digest.ok_or(Unheard::Key)?;
        self.0.iter().find(|frontend| frontend.keys.contains(&digest)).ok_or(Unheard::Key)
    }

    /// Whether pages of this origin may call at all: a preflight shows no key.
    pub(super) fn know_origin(&self, origin: &str) -> bool {
        self.0.iter().any(|frontend| frontend.has_origin(origin))
    }
}

impl Frontend {
    fn open(config: &FrontendConfig) -> anyhow::Result<Self> {
        let file = config.keys.display();
        let text =
            std::fs::read_to_string(&config.keys).with_context(|| format!("cannot read {file}"))?;
        let keys: Vec<&str> = text.lines().map(str::trim).filter(|key| !key.is_empty()).collect();
        if keys.is_empty() || keys.iter().any(|key| key.len() < SHORTEST_KEY) {
            bail!(
                "{file} needs a key of {SHORTEST_KEY} characters or more on each line: \
                 openssl rand -base64 32 > {file}"
            );
        }
        if matches!(config.subject, SubjectConfig::Asserted(_)) && !config.origins.is_empty() {
            bail!(
                "{}: a key that a page shows would let any visitor name anybody: with `origins`, \
                 let the subject's own token say who it is",
                config.name
            );
        }
        let subject = match &config.subject {
            SubjectConfig::Token(header) => Speaks::Token(header.clone()),
            SubjectConfig::Asserted(asserted) => {
                Speaks::Asserted(Box::new(Asserting::open(asserted)?))
            }
        };
        Ok(Self {
            name: config.name.clone(),
            keys: keys.iter().map(|key| Sha256::digest(key).into()).collect(),
            subject,
            conversation: header(&config.conversation)?,
            ticket: config.ticket.clone(),
            signs: config.signs,
            origins: config.origins.clone(),
            paces: Paces::new(config.per_minute, config.per_minute_each),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The header with the conversation's id.
    pub(super) fn conversation(&self) -> &HeaderName {
        &self.conversation
    }

    pub(super) fn has_origin(&self, origin: &str) -> bool {
        self.origins.iter().any(|known| known == origin)
    }

    /// Counts a request of the frontend, before anything is done for it.
    pub(super) fn pace(&self, now: Instant) -> Result<(), Unheard> {
        self.paces.take(&self.name, now).map_err(Unheard::Pace)
    }

    /// Whether whom the request is said to be of had their minute.
    pub(super) fn look_at(&self, caller: &Caller, now: Instant) -> Result<(), Unheard> {
        self.paces.look_at(&self.name, &caller.subject, now).map_err(Unheard::Pace)
    }

    /// Counts a request of a subject whom the executor knows.
    pub(super) fn pace_of(&self, caller: &Caller, now: Instant) -> Result<(), Unheard> {
        self.paces.take_of(&self.name, &caller.subject, now).map_err(Unheard::Pace)
    }

    /// For whom and where the request asks.
    pub(super) fn caller(&self, headers: &HeaderMap, now: Timestamp) -> Result<Caller, Unheard> {
        let token = match &self.subject {
            Speaks::Token(name) => text(headers, name, LONGEST_HEADER)?.to_owned(),
            Speaks::Asserted(asserting) => {
                let name = text(headers, &asserting.header, LONGEST_NAME)?.to_lowercase();
                asserting
                    .token(&name, now)
                    .ok_or_else(|| unfit(&asserting.header, "names nobody"))?
            }
        };
        let conversation = text(headers, self.conversation.as_str(), LONGEST_ID)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
        if !conversation.chars().all(plain) {
            return Err(unfit(self.conversation.as_str(), "may hold A-Z a-z 0-9 . _ : - only"));
        }
        let ticket = match &self.ticket {
            Some(name) if headers.contains_key(name) => text(headers, name, LONGEST_ID)?,
            Some(_) | None => "",
        };
        let (conversation, ticket) = (conversation.to_owned(), ticket.to_owned());
        Ok(Caller { subject: subject::key(&token), token, conversation, ticket })
    }
}

/// The name of a header, as configured.
fn header(name: &str) -> anyhow::Result<HeaderName> {
    name.parse().with_context(|| format!("`{name}` is no name of a header"))
}

fn text<'h>(headers: &'h HeaderMap, name: &str, longest: usize) -> Result<&'h str, Unheard> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or_else(|| unfit(name, "is missing"))?;
    if values.next().is_some() {
        return Err(unfit(name, "is there twice"));
    }
    let value = value.to_str().map_err(|_| unfit(name, "is not plain text"))?.trim();
    if value.is_empty() || value.len() > longest {
        return Err(unfit(name, &format!("must hold 1 to {longest} characters")));
    }
    Ok(value)
}

fn unfit(name: &str, problem: &str) -> Unheard {
    Unheard::Header(name.to_owned(), problem.to_owned())
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::chat::asserted::tests::asserting;

    pub(in crate::chat) fn frontend(key: &str, asserted: bool) -> Frontend {
        let subject = if asserted {
            Speaks::Asserted(Box::new(asserting("X-OpenWebUI-User-Email")))
        } else {
            Speaks::Token("X-Subject-Token".to_owned())
        };
        Frontend {
            name: "web".to_owned(),
            keys: vec![Sha256::digest(key).into()],
            subject,
            conversation: HeaderName::from_static("x-chat"),
            ticket: Some("X-Ticket".to_owned()),
            signs: !asserted,
            origins: vec!["https://chat.shop.example".to_owned()],
            paces: Paces::new(3, 2),
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_key_opens_its_own_frontend_and_no_other_does() {
        let frontends = Frontends(vec![frontend("key-of-a", false), frontend("key-of-b", true)]);
        let of = |value: &str| frontends.of(&headers(&[("authorization", value)])).is_ok();
        assert!(of("Bearer key-of-a") && of("bearer  key-of-b"));
        for wrong in ["Bearer", "Bearer ", "Bearer key-of-", "Basic key-of-a", "key-of-a"] {
            assert!(!of(wrong), "{wrong}");
        }
        assert!(frontends.of(&HeaderMap::new()).is_err());
        assert!(frontends.know_origin("https://chat.shop.example"));
        assert!(!frontends.know_origin("https://chat.shop.example.evil.example"));
    }

    #[test]
    fn every_header_is_asked_for_by_name() {
        let one = frontend("k", false);
        let caller = |pairs: &[(&'static str, &str)]| {
            one.caller(&headers(pairs), Timestamp::UNIX_EPOCH).map_err(|unheard| match unheard {
                Unheard::Header(name, _) => name,
                Unheard::Key | Unheard::Pace(_) => String::new(),
            })
        };
        let right = [("x-subject-token", "t.t.t"), ("x-chat", "c:1"), ("x-ticket", "T-1")];
        let found = caller(&right).unwrap();
        assert_eq!((found.conversation.as_str(), found.ticket.as_str()), ("c:1", "T-1"));
        assert_eq!(caller(&[("x-chat", "c")]).unwrap_err(), "X-Subject-Token");
        assert_eq!(caller(&[("x-subject-token", "t")]).unwrap_err(), "x-chat");
        for unfit in ["a b", "ä", "", "a/b"] {
            assert_eq!(
                caller(&[("x-subject-token", "t"), ("x-chat", unfit)]).unwrap_err(),
                "x-chat"
            );
        }
        let twice = [("x-subject-token", "t"), ("x-chat", "a"), ("x-chat", "b")];
        assert_eq!(caller(&twice).unwrap_err(), "x-chat");
    }

    #[test]
    fn one_customer_uses_up_only_their_own_minute() {
        let (one, now) = (frontend("k", true), Instant::now());
        let caller = |name: &str| {
            let headers = headers(&[("x-openwebui-user-email", name), ("x-chat", "c")]);
            one.caller(&headers, Timestamp::UNIX_EPOCH).unwrap()
        };
        // Capitals make nobody another person.
        assert_eq!(caller("A@shop.example"), caller("a@shop.example"));
        let say = |name: &str| {
            one.pace(now)?;
            one.pace_of(&caller(name), now)
        };
        say("a@shop.example").unwrap();
        say("A@shop.example").unwrap();
        for _again_and_again in 0..5 {
            assert!(say("a@shop.example").is_err());
        }
        say("b@shop.example").unwrap();
    }
}
