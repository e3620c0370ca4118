//! Finds secrets in whatever form they were written down.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use regex::bytes::{Regex, RegexBuilder};

/// Something that must not be seen, and what it is called.
#[derive(Clone)]
pub struct Secret {
    pub name: String,
    pub bytes: Vec<u8>,
}

impl Secret {
    pub fn new(name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.to_owned(), bytes: bytes.into() }
    }

    /// Each half by itself: a secret that was cut off is one as well.
    fn halves(&self) -> [&[u8]; 2] {
        let (head, tail) = self.bytes.split_at(self.bytes.len() / 2);
        assert!(head.len() >= 12, "{}: too short to tell from chance", self.name);
        [head, tail]
    }
}

/// Looks for every form of some secrets.
pub struct Search {
    any: Regex,
    /// What each form is of.
    told: HashMap<Vec<u8>, String>,
}

impl Search {
    pub fn new(secrets: &[Secret]) -> Self {
        let mut told = HashMap::new();
        for secret in secrets {
            for (half, part) in secret.halves().into_iter().zip(["first", "second"]) {
                for (form, bytes) in forms(half) {
                    let what = || format!("the {part} half of {}, {form}", secret.name);
                    told.entry(unescaped(&bytes)).or_insert_with(what);
                }
            }
        }
        let each: Vec<_> = told.keys().map(|bytes| escaped(bytes)).collect();
        let any = RegexBuilder::new(&each.join("|")).unicode(false).size_limit(1 << 28).build();
        Self { any: any.unwrap(), told }
    }

    /// Everything found, each with what stands before it.
    pub fn hits(&self, place: &str, bytes: &[u8]) -> Vec<String> {
        let bytes = unescaped(bytes);
        let tell = |found: regex::bytes::Match<'_>| {
            let before = &bytes[found.start().saturating_sub(120)..found.start()];
            let what = &self.told[found.as_bytes()];
            format!("{place}: {what}, after `{}`", String::from_utf8_lossy(before))
        };
        self.any.find_iter(&bytes).map(tell).collect()
    }

    /// Everything found in the files below a folder, but for those that `rightful` names by
    /// their path in it. What is a link leads elsewhere.
    pub fn below(&self, folder: &Path, rightful: impl Fn(&str) -> bool) -> Vec<String> {
        let mut hits = Vec::new();
        for path in files(folder) {
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            if !rightful(&name) {
                // A file that went since is none.
                hits.extend(self.hits(&name, &fs::read(path).unwrap_or_default()));
            }
        }
        hits
    }
}

/// Files below a folder.
pub fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(entry.path()),
                Ok(kind) if kind.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found
}

/// Without backslashes: who escapes what was escaped adds some, as often as it happens.
fn unescaped(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().filter(|byte| *byte != b'\\').collect()
}

/// Every way in which a secret gets written, by name.
pub fn forms(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut all = vec![
        ("as it is", secret.to_vec()),
        ("in hex", hex::encode(secret).into_bytes()),
        ("in HEX", hex::encode_upper(secret).into_bytes()),
        ("as a list of numbers", listed(secret)),
        ("percent-encoded", percent(secret, false, true)),
        ("percent-encoded in small letters", percent(secret, false, false)),
        ("percent-encoded throughout", percent(secret, true, true)),
        ("percent-encoded throughout in small letters", percent(secret, true, false)),
    ];
    // An OAuth client's secret is percent-encoded before it becomes Basic.
    let encoded = percent(secret, false, true);
    for at in 0..3 {
        all.push(("in base64", base64(&STANDARD_NO_PAD, secret, at)));
        all.push(("in base64url", base64(&URL_SAFE_NO_PAD, secret, at)));
        all.push(("percent-encoded in base64", base64(&STANDARD_NO_PAD, &encoded, at)));
        all.push(("percent-encoded in base64url", base64(&URL_SAFE_NO_PAD, &encoded, at)));
    }
    if let Ok(text) = std::str::from_utf8(secret) {
        let once = json(text);
        let slashes = once.replace('/', "\\/");
        all.push(("in JSON in JSON", json(&once).into_bytes()));
        all.push(("in JSON with escaped slashes", slashes.into_bytes()));
        all.push(("in JSON, marks as numbers", numbered(text, false).into_bytes()));
        all.push(("in JSON, marks as small numbers", numbered(text, true).into_bytes()));
        all.push(("in HTML", html(text).into_bytes()));
        all.push(("in JSON", once.into_bytes()));
    }
    all
}

/// The part of a text in base64 that does not depend on what stands around the secret,
/// where it begins `at` bytes after a group of three.
fn base64(alphabet: &impl base64::Engine, secret: &[u8], at: usize) -> Vec<u8> {
    let whole = alphabet.encode([&vec![0; at], secret].concat());
    let until = (at + secret.len()) * 8 / 6;
    whole.as_bytes()[(at * 8).div_ceil(6)..until].to_vec()
}

fn percent(secret: &[u8], throughout: bool, large: bool) -> Vec<u8> {
    let mut text = String::new();
    for byte in secret {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
        let wrote = match (plain && !throughout, large) {
            (true, _) => write!(text, "{}", char::from(*byte)),
            (false, true) => write!(text, "%{byte:02X}"),
            (false, false) => write!(text, "%{byte:02x}"),
        };
        wrote.unwrap();
    }
    text.into_bytes()
}

/// As `{:?}` shows bytes.
fn listed(secret: &[u8]) -> Vec<u8> {
    let all = format!("{secret:?}");
    all.trim_matches(['[', ']']).to_owned().into_bytes()
}

fn json(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    quoted[1..quoted.len() - 1].to_owned()
}

/// As writers of JSON do that fear for a page around it.
fn numbered(text: &str, small: bool) -> String {
    let each = text.chars().map(|c| match c {
        c if c.is_ascii_alphanumeric() || "-._~/ :=@".contains(c) => c.to_string(),
        c if small => format!("\\u{:04x}", u32::from(c)),
        c => format!("\\u{:04X}", u32::from(c)),
    });
    each.collect()
}

fn html(text: &str) -> String {
    let each = text.chars().map(|c| match c {
        '<' | '>' | '&' | '"' | '\'' => format!("&#{};", u32::from(c)),
        c => c.to_string(),
    });
    each.collect()
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |all, byte| all + &format!("\\x{byte:02x}"))
}
