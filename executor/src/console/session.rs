//! Who is signed in, in memory: a restart signs everybody out, and nobody's yes
//! depends on it.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::policy::{Passkey, Person};
use countersign_shared::mtls::SpiffeId;
use jiff::Timestamp;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

/// How long a session lasts at most.
pub(super) const LASTS: Duration = Duration::from_secs(8 * 3600);
/// One that the house's sign-in began: whoever is locked out there reads on for so long at
/// most.
const OF_THE_HOUSE: Duration = Duration::from_secs(3600);
/// Sessions of one person at once; where there are more, the oldest ends.
const EACH: usize = 16;
/// How long it lasts without a request.
const IDLE: Duration = Duration::from_secs(3600);

/// Every session, by the digest of its token: a copy of this memory signs nobody in.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<[u8; 32], Session>>);

struct Session {
    person: String,
    proof: Proof,
    begun: Timestamp,
    /// Ends in any case.
    until: Timestamp,
    /// Ends unless there is a request before.
    idle: Timestamp,
}

/// What somebody signed in with: once it is taken away, the session counts no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Proof {
    /// A passkey of theirs.
    Passkey(Passkey),
    /// The house's own sign-in, which has them by this name.
    Subject {
        /// The issuer.
        issuer: String,
        /// Its name for them.
        id: String,
    },
    /// A certificate. It has to be shown with each request.
    Certificate(SpiffeId),
}

/// As the log names it: what somebody is called elsewhere stands there as a digest.
impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passkey(_) => f.write_str("passkey"),
            Self::Subject { issuer, id } => write!(f, "{issuer}, sub {}", veiled(id)),
            Self::Certificate(id) => write!(f, "certificate {id}"),
        }
    }
}

impl Proof {
    /// How long a session that it begins lasts at most.
    fn lasts(&self) -> Duration {
        match self {
            Self::Passkey(_) | Self::Certificate(_) => LASTS,
            Self::Subject { .. } => OF_THE_HOUSE,
        }
    }

    /// Whether it is still the person's, over a connection that shows this certificate.
    pub(super) fn holds(&self, person: &Person, shown: Option<&SpiffeId>) -> bool {
        match self {
            Self::Passkey(passkey) => person.passkeys.contains(passkey),
            Self::Subject { issuer, id } => person.subjects.contains(&(issuer.clone(), id.clone())),
            Self::Certificate(id) => shown == Some(id) && person.certificates.contains(id.as_str()),
        }
    }
}

impl Sessions {
    /// Begins one; answers with its token.
    ///
    /// # Errors
    /// No randomness.
    pub(super) fn begin(
        &self,
        person: &str,
        proof: Proof,
        now: Timestamp,
    ) -> Result<String, getrandom::Error> {
        let mut token = [0; 32];
        getrandom::fill(&mut token)?;
        let token = URL_SAFE_NO_PAD.encode(token);
        let session = Session {
            person: person.to_owned(),
            begun: now,
            until: after(now, proof.lasts()),
            proof,
            idle: after(now, IDLE),
        };
        let mut open = self.0.lock();
        open.retain(|_, session| session.lives(now));
        let own = open.iter().filter(|(_, session)| session.person == person);
        let mut own: Vec<_> = own.map(|(token, session)| (session.begun, *token)).collect();
        own.sort_unstable();
        for (_, oldest) in own.iter().rev().skip(EACH - 1) {
            open.remove(oldest);
        }
        open.insert(digest(&token), session);
        Ok(token)
    }

    /// Whose it is and by what; asked for, it lasts longer.
    pub(super) fn of(&self, token: &str, now: Timestamp) -> Option<(String, Proof)> {
        let mut open = self.0.lock();
        let session = open.get_mut(&digest(token)).filter(|session| session.lives(now))?;
        session.idle = session.idle.max(after(now, IDLE));
        Some((session.person.clone(), session.proof.clone()))
    }

    /// Ends one.
    pub(super) fn end(&self, token: &str) {
        self.0.lock().remove(&digest(token));
    }
}

impl Session {
    fn lives(&self, now: Timestamp) -> bool {
        now < self.until && now < self.idle
    }
}

fn after(now: Timestamp, time: Duration) -> Timestamp {
    now.saturating_add(time).unwrap_or(Timestamp::MAX)
}

/// Enough of a digest to compare by, and not the name itself.
pub(super) fn veiled(name: &str) -> String {
    hex::encode(digest(name)).chars().take(16).collect()
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn key() -> Proof {
        Proof::Passkey(Passkey { id: vec![1], public_key: vec![2] })
    }

    #[test]
    fn a_session_is_one_persons_until_it_ends() {
        let (sessions, now) = (Sessions::default(), Timestamp::UNIX_EPOCH);
        let alice = sessions.begin("alice", key(), now).unwrap();
        let bob = sessions.begin("bob", key(), now).unwrap();
        assert_ne!(alice, bob);
        assert_eq!(sessions.of(&alice, now), Some(("alice".to_owned(), key())));
        assert_eq!(sessions.of("", now), None);
        sessions.end(&bob);
        assert_eq!(sessions.of(&bob, now), None);
    }

    #[test]
    fn a_session_that_is_used_lasts_longer_but_not_for_ever() {
        let (sessions, now, second) =
            (Sessions::default(), Timestamp::UNIX_EPOCH, Duration::from_secs(1));
        let (used, left) = (
            sessions.begin("alice", key(), now).unwrap(),
            sessions.begin("bob", key(), now).unwrap(),
        );
        let mut at = now;
        while at + IDLE < now + LASTS {
            at += IDLE - second;
            assert!(sessions.of(&used, at).is_some(), "{at}");
        }
        assert_eq!(sessions.of(&left, now + IDLE), None);
        assert!(sessions.of(&used, now + LASTS - second).is_some());
        assert_eq!(sessions.of(&used, now + LASTS), None);
    }

    #[test]
    fn a_person_has_so_many_and_the_oldest_ends() {
        let (sessions, now) = (Sessions::default(), Timestamp::UNIX_EPOCH);
        let others = sessions.begin("bob", key(), now).unwrap();
        let seconds = 0..u64::try_from(EACH).unwrap() + 2;
        let begin = |at| sessions.begin("alice", key(), now + Duration::from_secs(at)).unwrap();
        let all: Vec<_> = seconds.map(begin).collect();
        let at = now + Duration::from_secs(60);
        let ended: Vec<_> = all.iter().map(|token| sessions.of(token, at).is_none()).collect();
        assert_eq!(ended[..3], [true, true, false], "{ended:?}");
        assert_eq!(ended.iter().filter(|ended| !**ended).count(), EACH);
        assert!(sessions.of(&others, at).is_some());
    }

    #[test]
    fn whom_the_house_locks_out_reads_on_for_an_hour_at_most() {
        let (sessions, now) = (Sessions::default(), Timestamp::UNIX_EPOCH);
        let of_the_house = Proof::Subject { issuer: "i".to_owned(), id: "s".to_owned() };
        assert!(!of_the_house.to_string().contains("sub s"), "{of_the_house}");
        let token = sessions.begin("alice", of_the_house, now).unwrap();
        let at = |minutes: u64| now + Duration::from_secs(minutes * 60);
        assert!(sessions.of(&token, at(30)).is_some() && sessions.of(&token, at(59)).is_some());
        assert_eq!(sessions.of(&token, at(60)), None, "however it was used");
    }

    #[test]
    fn ended_sessions_are_forgotten() {
        let (sessions, now) = (Sessions::default(), Timestamp::UNIX_EPOCH);
        for hour in 0..100 {
            sessions.begin("alice", key(), now + Duration::from_secs(hour * 3600)).unwrap();
        }
        assert_eq!(sessions.0.lock().len(), 1);
    }
}
