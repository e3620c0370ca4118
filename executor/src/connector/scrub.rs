//! Takes a credential out of whatever comes back: backends, proxies and their pages quote
//! what they were sent, each in its own way of writing (NO SECRET LEAVES).

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use memchr::memmem;
use parking_lot::Mutex;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

/// Shorter secrets are not looked for: they would be found by chance.
const SHORTEST: usize = 6;

type Form = Zeroizing<Vec<u8>>;

/// What a request's answer must not show.
pub(super) struct Scrub {
    secrets: Vec<SecretString>,
    forms: Vec<Form>,
}

/// The one of the request before: nearly every request of a connection carries the same
/// credential, and writing it down in every way costs more than looking for it.
#[derive(Default)]
pub(super) struct Scrubs(Mutex<Option<Arc<Scrub>>>);

impl Scrubs {
    pub(super) fn of(&self, secrets: &[SecretString]) -> Arc<Scrub> {
        let mut kept = self.0.lock();
        if let Some(scrub) = kept.as_ref().filter(|scrub| scrub.is_of(secrets)) {
            return Arc::clone(scrub);
        }
        let scrub = Arc::new(Scrub::of(secrets));
        *kept = Some(Arc::clone(&scrub));
        scrub
    }
}

impl Scrub {
    pub(super) fn of(secrets: &[SecretString]) -> Self {
        let long = secrets.iter().map(|secret| secret.expose_secret());
        let long = long.filter(|secret| secret.len() >= SHORTEST);
        Self { secrets: secrets.to_vec(), forms: long.flat_map(forms).collect() }
    }

    fn is_of(&self, secrets: &[SecretString]) -> bool {
        let ours = self.secrets.iter().map(|secret| secret.expose_secret());
        ours.eq(secrets.iter().map(|secret| secret.expose_secret()))
    }

    /// The bytes with `***` in place of each form.
    pub(super) fn bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        let view = View::of(&bytes);
        let mut found: Vec<_> = self
            .forms
            .iter()
            .flat_map(|form| memmem::find_iter(&view.text, &**form).map(|at| (at, at + form.len())))
            .map(|(from, until)| (view.place(from), view.place(until)))
            .collect();
        found.sort_unstable();
        if found.is_empty() { bytes } else { without(&bytes, &found) }
    }

    pub(super) fn text(&self, text: String) -> String {
        String::from_utf8_lossy(&self.bytes(text.into_bytes())).into_owned()
    }
}

/// A text as it reads: without the backslashes of any number of writers that escaped it one
/// after the other, and with `\u0022` as the mark that it stands for.
struct View<'a> {
    text: Cow<'a, [u8]>,
    /// Where each byte of it begins, its backslashes included; empty where there are none.
    begins: Vec<usize>,
    end: usize,
}

impl<'a> View<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        let mut view = Self { text: Cow::Borrowed(bytes), begins: Vec::new(), end: bytes.len() };
        // A mark that was written as a number may be a backslash itself. Each round is
        // shorter than the one before.
        while memchr::memchr(b'\\', &view.text).is_some() {
            view = view.unescaped();
        }
        view
    }

    fn unescaped(self) -> Self {
        let length = self.text.len();
        let (mut text, mut begins) = (Vec::with_capacity(length), Vec::with_capacity(length));
        let mut rest = &*self.text;
        while let Some((byte, after)) = next(rest) {
            begins.push(self.place(length - rest.len()));
            text.push(byte);
            rest = after;
        }
        Self { text: Cow::Owned(text), begins, end: self.end }
    }

    fn place(&self, at: usize) -> usize {
        if self.begins.is_empty() { at } else { self.begins.get(at).copied().unwrap_or(self.end) }
    }
}

/// The first byte as it reads, and what comes after it.
fn next(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let plain = bytes.iter().position(|byte| *byte != b'\\')?;
    let (first, after) = bytes.get(plain..)?.split_first()?;
    let number = || {
        let (digits, after) = after.split_at_checked(4).filter(|_| plain > 0 && *first == b'u')?;
        let code = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        Some((u8::try_from(code).ok().filter(u8::is_ascii)?, after))
    };
    Some(number().unwrap_or((*first, after)))
}

/// A secret in each way of writing things down that is more than escaping.
fn forms(secret: &str) -> Vec<Form> {
    let bytes = secret.as_bytes();
    let mut all = vec![
        secret.to_owned(),
        html(secret, |c| format!("&#{};", u32::from(c))),
        html(secret, named),
        hex::encode(bytes),
        hex::encode_upper(bytes),
        STANDARD.encode(bytes),
        format!("{bytes:?}").trim_matches(['[', ']']).to_owned(),
    ];
    for throughout in [false, true] {
        let large = percent(bytes, throughout, |text, byte| write!(text, "%{byte:02X}"));
        let small = percent(bytes, throughout, |text, byte| write!(text, "%{byte:02x}"));
        all.extend([large, small]);
    }
    // OAuth percent-encodes a client's secret before it becomes Basic.
    let encoded = countersign_core::request::percent(secret);
    for (bytes, before) in (0..3).flat_map(|before| [(bytes, before), (encoded.as_bytes(), before)])
    {
        all.push(within(&STANDARD_NO_PAD, bytes, before));
        all.push(within(&URL_SAFE_NO_PAD, bytes, before));
    }
    all.into_iter()
        .map(|form| Zeroizing::new(View::of(form.as_bytes()).text.into_owned()))
        .collect()
}

fn html(text: &str, escape: impl Fn(char) -> String) -> String {
    let each = text.chars().map(|c| match c {
        '<' | '>' | '&' | '"' | '\'' => escape(c),
        c => c.to_string(),
    });
    each.collect()
}

fn named(mark: char) -> String {
    match mark {
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '&' => "&amp;".to_owned(),
        '"' => "&quot;".to_owned(),
        other => format!("&#{};", u32::from(other)),
    }
}

fn percent(
    bytes: &[u8],
    throughout: bool,
    escape: impl Fn(&mut String, u8) -> std::fmt::Result,
) -> String {
    let mut text = String::new();
    for byte in bytes {
        if !throughout && (byte.is_ascii_alphanumeric() || b"-._~".contains(byte)) {
            text.push(char::from(*byte));
        } else if escape(&mut text, *byte).is_err() {
            break;
        }
    }
    text
}

/// The part of a longer text's base64 that this secret alone decides, where it begins
/// `before` bytes after a group of three.
fn within(alphabet: &impl base64::Engine, secret: &[u8], before: usize) -> String {
    let padded = [[0, 0, 0].get(..before).unwrap_or_default(), secret].concat();
    let from = (before * 8).div_ceil(6);
    let until = padded.len() * 8 / 6;
    alphabet.encode(padded).get(from..until).unwrap_or_default().to_owned()
}

fn without(bytes: &[u8], places: &[(usize, usize)]) -> Vec<u8> {
    let mut clean = Vec::with_capacity(bytes.len());
    let mut done = 0;
    for (from, until) in places {
        if *from >= done {
            clean.extend_from_slice(bytes.get(done..*from).unwrap_or_default());
            clean.extend_from_slice(b"***");
        }
        done = done.max(*until);
    }
    clean.extend_from_slice(bytes.get(done..).unwrap_or_default());
    clean
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::{Value as Json, json};

    use super::*;

    const SECRET: &str = "user-7f3a:p\"a/s\\s+w&o<rd=%x";

    fn scrubbed(text: &str) -> String {
        Scrub::of(&[SECRET.into()]).text(text.to_owned())
    }

    #[test]
    fn every_form_goes_and_the_rest_stays() {
        let mut written: Vec<_> =
            forms(SECRET).iter().map(|form| String::from_utf8(form.to_vec()).unwrap()).collect();
        let once = format!("{SECRET:?}");
        written.extend([SECRET.to_owned(), format!("{once:?}"), once.replace('/', "\\/"), once]);
        for form in written {
            let clean = scrubbed(&format!("you sent [{form}]."));
            let clean = clean.replace(['"', '\\'], "");
            assert_eq!(clean, "you sent [***].", "{form}");
        }
        assert_eq!(scrubbed("nothing \\of\n it"), "nothing \\of\n it");
        let short = Scrub::of(&["id".into()]);
        assert_eq!(short.bytes(b"an id".to_vec()), b"an id", "too short to tell from chance");
    }

    #[test]
    fn another_credential_is_looked_for_as_soon_as_it_is_another() {
        let scrubs = Scrubs::default();
        for secret in ["first-secret", "other-secret", "first-secret"] {
            let clean = scrubs.of(&[secret.into()]).text("first-secret other-secret".to_owned());
            assert!(!clean.contains(secret) && clean.contains("-secret"), "{clean}");
        }
        assert_eq!(scrubs.of(&[]).text("first-secret".to_owned()), "first-secret");
    }

    #[test]
    fn base64_of_a_longer_text_shows_at_most_what_stands_around() {
        for before in ["", "x", "xy", "xyz"] {
            let whole = STANDARD.encode(format!("{before}{SECRET}tail"));
            let clean = scrubbed(&whole);
            assert!(clean.contains("***") && clean.len() < whole.len() - 30, "{clean}");
        }
    }

    #[test]
    fn json_stays_json_however_it_is_escaped() {
        let answer = json!({ "note": format!("say {SECRET:?} {SECRET}"), SECRET: [SECRET, "\\"] });
        let text = answer.to_string();
        let large = text.replace('+', "\\u002B").replace('<', "\\u003C");
        let twice = Json::from(large.as_str()).to_string();
        let odd = twice.replace('\\', "\\u005c");
        assert!(!scrubbed(&odd).contains("7f3a"), "{odd}");
        let small = text.replace('+', "\\u002b").replace("\\\\s", "\\u005cs");
        for written in [&text, &large, &small, &text.replace('/', "\\/")] {
            let clean: Json = serde_json::from_str(&scrubbed(written)).unwrap();
            assert_eq!(clean["***"], json!(["***", "\\"]), "{written}");
            assert!(!clean.to_string().contains("7f3a"), "{clean}");
        }
    }
}
