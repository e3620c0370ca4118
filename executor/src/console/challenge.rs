//! The questions that a passkey signs to sign in, and those that the house's sign-in
//! brings back. They hold their own time and mark, so
//! that asking costs no memory; only those that were answered are kept, until they are
//! void, so that each is answered once.

use std::collections::HashMap;
use std::time::Duration;

use aws_lc_rs::hmac;
use jiff::Timestamp;
use parking_lot::Mutex;

/// How long a question stands.
pub(super) const STANDS: Duration = Duration::from_secs(5 * 60);

/// Asks, and knows its own questions.
pub(super) struct Challenges {
    key: hmac::Key,
    answered: Mutex<HashMap<String, Timestamp>>,
}

impl Challenges {
    /// With a key of this process.
    ///
    /// # Errors
    /// No randomness.
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        Ok(Self { key, answered: Mutex::default() })
    }

    /// A fresh question.
    ///
    /// # Errors
    /// No randomness.
    pub(super) fn ask(&self, now: Timestamp) -> Result<String, getrandom::Error> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce)?;
        let until = now.saturating_add(STANDS).unwrap_or(Timestamp::MAX);
        let body = format!("{}.{}", until.as_second(), hex::encode(nonce));
        let mark = hmac::sign(&self.key, body.as_bytes());
        Ok(format!("{body}.{}", hex::encode(mark.as_ref())))
    }

    /// Takes the answer to a question: false where it is not ours, void, or answered
    /// already.
    pub(super) fn take(&self, question: &str, now: Timestamp) -> bool {
        let Some(until) = self.until(question).filter(|until| now < *until) else { return false };
        let mut answered = self.answered.lock();
        answered.retain(|_, until| now < *until);
        answered.insert(question.to_owned(), until).is_none()
    }

    /// Whether an answer to a question could still be taken.
    pub(super) fn stands(&self, question: &str, now: Timestamp) -> bool {
        let in_time = self.until(question).is_some_and(|until| now < until);
        in_time && !self.answered.lock().contains_key(question)
    }

    fn until(&self, question: &str) -> Option<Timestamp> {
        let (body, mark) = question.rsplit_once('.')?;
        hmac::verify(&self.key, body.as_bytes(), &hex::decode(mark).ok()?).ok()?;
        Timestamp::from_second(body.split_once('.')?.0.parse().ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_question_is_answered_once_and_in_time() {
        let (ours, now) = (Challenges::new().unwrap(), Timestamp::UNIX_EPOCH);
        let question = ours.ask(now).unwrap();
        assert!(!Challenges::new().unwrap().take(&question, now), "of another process");
        assert!(!ours.take(&question.replacen("300.", "900.", 1), now), "made longer");
        assert!(!ours.take(&question, now + STANDS), "late");
        assert!(ours.take(&question, now + STANDS / 2));
        assert!(!ours.take(&question, now + STANDS / 2), "again");
        for wrong in ["", ".", "1.2.3"] {
            assert!(!ours.take(wrong, now), "{wrong}");
        }
        let later = ours.ask(now + STANDS).unwrap();
        assert!(ours.take(&later, now + STANDS));
        assert_eq!(ours.answered.lock().len(), 1, "void ones are forgotten");
    }
}
