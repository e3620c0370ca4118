//! One sign-in under way, in the browser that began it. Its cookie holds all there is of
//! it: what the house's sign-in is told are digests of that, so nothing is kept here but
//! which ones are over.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::console::challenge::Challenges;
use crate::console::site::{Site, local};

/// Longest way back that is remembered, in bytes: several cookies go with each request.
const LONGEST: usize = 400;
/// How much of the state names the cookie: one browser may begin several at once.
const NAME: usize = 12;

/// A sign-in under way.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Way(String);

impl Way {
    /// Begins one that leads back to a page of ours.
    ///
    /// # Errors
    /// No randomness.
    pub(super) fn begin(
        ours: &Challenges,
        to: &str,
        now: Timestamp,
    ) -> Result<Self, getrandom::Error> {
        let to = if to.len() > LONGEST { "/" } else { local(to) };
        Ok(Self(format!("{}.{}", ours.ask(now)?, URL_SAFE_NO_PAD.encode(to))))
    }

    /// The one that this browser began and that a state belongs to.
    pub(super) fn shown(site: &Site, headers: &HeaderMap, state: &str) -> Option<Self> {
        let way = Self(site.way(headers, state.get(..NAME)?)?);
        (way.state() == state).then_some(way)
    }

    /// Where it leads back to, as long as it stands.
    pub(super) fn to(&self, ours: &Challenges, now: Timestamp) -> Option<String> {
        let (_, to) = self.0.rsplit_once('.').filter(|(it, _)| ours.stands(it, now))?;
        let to = String::from_utf8(URL_SAFE_NO_PAD.decode(to).ok()?).ok()?;
        Some(local(&to).to_owned())
    }

    /// Takes it, once and in time, before it makes us ask the house's sign-in. That it is
    /// over is remembered for minutes, and is made known at the pace of those questions.
    pub(super) fn take(&self, ours: &Challenges, now: Timestamp) -> bool {
        self.0.rsplit_once('.').is_some_and(|(question, _)| ours.take(question, now))
    }

    /// What comes back with the answer.
    pub(super) fn state(&self) -> String {
        self.digest("state")
    }

    /// What stands in the ID token.
    pub(super) fn nonce(&self) -> String {
        self.digest("nonce")
    }

    /// What redeems the code (RFC 7636).
    pub(super) fn verifier(&self) -> String {
        self.digest("verifier")
    }

    /// What the code is bound to.
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier()))
    }

    /// The header that gives the browser its cookie.
    pub(super) fn cookie(&self, site: &Site) -> String {
        site.way_cookie(self.state().get(..NAME).unwrap_or_default(), &self.0)
    }

    /// The header that takes the cookie back.
    pub(super) fn cookie_back(&self, site: &Site) -> String {
        site.way_cookie(self.state().get(..NAME).unwrap_or_default(), "")
    }

    fn digest(&self, what: &str) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(format!("countersign sign-in {what}\n{}", self.0)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use axum::http::header::COOKIE;

    use super::*;

    fn browser(way: &Way, site: &Site) -> HeaderMap {
        let cookie = way.cookie(site).split(';').next().unwrap().to_owned();
        HeaderMap::from_iter([(COOKIE, cookie.parse().unwrap())])
    }

    #[test]
    fn only_the_browser_that_began_it_ends_it_once_and_in_time() {
        let (ours, now) = (Challenges::new().unwrap(), Timestamp::UNIX_EPOCH);
        let site = Site::new("https://a.example").unwrap();
        let way = Way::begin(&ours, "/approve/prp_1?x=y", now).unwrap();
        let other = Way::begin(&ours, "/", now).unwrap();
        let own = browser(&way, &site);
        assert_eq!(Way::shown(&site, &own, &way.state()).as_ref(), Some(&way));
        // Log-in CSRF: another's answer in this browser, and ours in another's.
        assert_eq!(Way::shown(&site, &own, &other.state()), None);
        assert_eq!(Way::shown(&site, &browser(&other, &site), &way.state()), None);
        assert_eq!(Way::shown(&site, &HeaderMap::new(), &way.state()), None);
        for wrong in ["", "é", "short", way.state().get(..NAME).unwrap()] {
            assert_eq!(Way::shown(&site, &own, wrong), None, "{wrong}");
        }
        let late = now + Duration::from_secs(5 * 60);
        assert_eq!(way.to(&ours, late), None);
        assert!(!way.take(&ours, late));
        assert_eq!(way.to(&Challenges::new().unwrap(), now), None, "of another process");
        assert_eq!(way.to(&ours, now).as_deref(), Some("/approve/prp_1?x=y"));
        assert!(way.take(&ours, now));
        assert_eq!(way.to(&ours, now), None, "again");
        assert!(!way.take(&ours, now), "again");
    }

    #[test]
    fn what_is_told_gives_nothing_of_the_rest_away() {
        let ours = Challenges::new().unwrap();
        let way = Way::begin(&ours, "/", Timestamp::UNIX_EPOCH).unwrap();
        let all = [way.state(), way.nonce(), way.verifier(), way.challenge()];
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), 4);
        assert!(all.iter().all(|text| text.len() == 43), "RFC 7636 wants 43 to 128: {all:?}");
    }

    #[test]
    fn the_way_back_never_leaves_the_site() {
        let (ours, now) = (Challenges::new().unwrap(), Timestamp::UNIX_EPOCH);
        let long = format!("/{}", "a".repeat(LONGEST));
        for to in ["//evil.example", "https://evil.example", "/\\evil.example", &long] {
            let way = Way::begin(&ours, to, now).unwrap();
            assert_eq!(way.to(&ours, now).as_deref(), Some("/"), "{to}");
        }
        // A cookie that was written by hand holds to it too.
        let question = ours.ask(now).unwrap();
        let crafted = Way(format!("{question}.{}", URL_SAFE_NO_PAD.encode("//evil.example")));
        assert_eq!(crafted.to(&ours, now).as_deref(), Some("/"));
    }
}
