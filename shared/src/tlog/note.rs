//! C2SP signed notes: a text, an empty line, and one line for each signature.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::key::{KeyError, KeyId, SignError, Signer, VerifierKey, check_name};

/// The most signature lines a note may carry.
pub const MAX_SIGNATURES: usize = 64;
/// The longest note, in bytes.
pub const MAX_NOTE_BYTES: usize = 1 << 20;

const SIGNATURE_START: &str = "\u{2014} ";

/// A text and the signature lines under it. What it says counts only after [`Note::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<SignatureLine>,
}

/// One signature, by a key known by name and id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureLine {
    /// The key's name.
    pub name: String,
    /// The key's id.
    pub id: KeyId,
    /// The signature, in the form of the key's algorithm.
    pub signature: Vec<u8>,
}

/// One signature that proved good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed<'k> {
    /// By this key.
    pub key: &'k VerifierKey,
    /// At this time, in seconds since 1970, if the algorithm states one.
    pub time: Option<u64>,
}

/// Why a note is not acceptable.
#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    /// Not the one form that a note has.
    #[error("not a signed note: {0}")]
    Format(&'static str),
    /// A name in it cannot be a key's.
    #[error(transparent)]
    Name(#[from] KeyError),
    /// No signature by any of the keys given.
    #[error("the note carries no signature by {0}; check that it is the right log and key")]
    Unsigned(String),
    /// A signature that names a known key does not verify.
    #[error("the signature by {0} does not fit the text; the note was changed after signing")]
    BadSignature(String),
    /// The signer failed.
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl Note {
    /// A note of `text`, signed by `signer`.
    ///
    /// # Errors
    /// When the text cannot be a note's (empty, not ending in a newline, control characters), or
    /// signing fails.
    pub fn sign(text: &str, signer: &dyn Signer) -> Result<Self, NoteError> {
        check_text(text)?;
        let signatures = vec![signer.sign(text)?];
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// Reads a note; every byte counts.
    ///
    /// # Errors
    /// When it is not exactly what [`Note`]'s `Display` would write.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_NOTE_BYTES {
            return Err(NoteError::Format("it is too long"));
        }
        let all = std::str::from_utf8(bytes).map_err(|_| NoteError::Format("it is not UTF-8"))?;
        let (text, lines) =
            all.rsplit_once("\n\n").ok_or(NoteError::Format("no empty line before signatures"))?;
        let text = format!("{text}\n");
        check_text(&text)?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Format("no newline at its end"))?;
        if lines.split('\n').count() > MAX_SIGNATURES {
            return Err(NoteError::Format("too many signatures"));
        }
        let signatures = lines.split('\n').map(SignatureLine::parse).collect::<Result<_, _>>()?;
        Ok(Self { text, signatures })
    }

    /// The text, with its final newline.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines, unverified.
    #[must_use]
    pub fn signatures(&self) -> &[SignatureLine] {
        &self.signatures
    }

    /// Adds a signature line, such as a witness's, made by a key or read by
    /// [`SignatureLine::parse`]. It takes the place of an earlier one of the same key, so that
    /// nobody fills a note.
    pub fn push(&mut self, line: SignatureLine) {
        let same = |other: &&mut SignatureLine| (&other.name, other.id) == (&line.name, line.id);
        match self.signatures.iter_mut().find(same) {
            Some(earlier) => *earlier = line,
            None => self.signatures.push(line),
        }
    }

    /// The same note with no lines but those that name one of `keys`, one each.
    #[must_use]
    pub fn only_by(&self, keys: &[VerifierKey]) -> Self {
        let mut only = Self { text: self.text.clone(), signatures: Vec::new() };
        let named = |line: &&SignatureLine| keys.iter().any(|key| key.names(line));
        self.signatures.iter().filter(named).cloned().for_each(|line| only.push(line));
        only
    }

    /// Checks the signatures by `keys`; lines by other keys are ignored, as the format demands.
    ///
    /// # Errors
    /// When a line that names one of `keys` does not verify, or none of them signed.
    pub fn verify<'k>(&self, keys: &'k [VerifierKey]) -> Result<Vec<Signed<'k>>, NoteError> {
        let mut good = Vec::new();
        for line in &self.signatures {
            let Some(key) = keys.iter().find(|key| key.names(line)) else {
                continue;
            };
            let time = key
                .verify(&self.text, line)
                .ok_or_else(|| NoteError::BadSignature(line.name.clone()))?;
            good.push(Signed { key, time });
        }
        if good.is_empty() {
            let names: Vec<&str> = keys.iter().map(VerifierKey::name).collect();
            return Err(NoteError::Unsigned(names.join(" or ")));
        }
        Ok(good)
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl SignatureLine {
    /// Reads one line, without its newline.
    ///
    /// # Errors
    /// When it is not exactly what `Display` would write.
    pub fn parse(line: &str) -> Result<Self, NoteError> {
        let rest = line
            .strip_prefix(SIGNATURE_START)
            .ok_or(NoteError::Format("a signature line does not start with a dash and a space"))?;
        let (name, signature) =
            rest.split_once(' ').ok_or(NoteError::Format("a signature line lacks a part"))?;
        check_name(name)?;
        // The engine refuses missing padding and stray trailing bits, so one value has one text.
        let bytes = STANDARD
            .decode(signature)
            .map_err(|_| NoteError::Format("a signature is not canonical base64"))?;
        let (id, signature) = bytes
            .split_first_chunk::<4>()
            .filter(|(_, signature)| !signature.is_empty())
            .ok_or(NoteError::Format("a signature is too short"))?;
        Ok(Self { name: name.to_owned(), id: *id, signature: signature.to_vec() })
    }
}

impl std::fmt::Display for SignatureLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = [self.id.as_slice(), &self.signature].concat();
        write!(f, "{SIGNATURE_START}{} {}", self.name, STANDARD.encode(bytes))
    }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if text.contains(|c: char| c < ' ' && c != '\n') {
        return Err(NoteError::Format("it holds a control character"));
    }
    if !text.ends_with('\n') || text == "\n" {
        return Err(NoteError::Format("its text is empty or does not end in a newline"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use proptest::prelude::*;

    use super::super::key::tests::{log_key, witness_key};
    use super::*;

    fn note() -> Note {
        Note::sign("one\n\ntwo\n", &log_key()).unwrap()
    }

    #[test]
    fn a_note_in_use_elsewhere_verifies() {
        let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let text = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n";
        let line = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FF\
                    YC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";
        let keys = [VerifierKey::parse(key).unwrap()];
        let note = Note::parse(format!("{text}\n{line}\n").as_bytes()).unwrap();
        assert_eq!(note.text(), text);
        assert_eq!(note.verify(&keys).unwrap(), [Signed { key: &keys[0], time: None }]);
    }

    #[test]
    fn another_implementation_reads_ours() {
        let key = log_key().verifier_key().to_string();
        let theirs = signed_note::Note::from_bytes(note().to_string().as_bytes()).unwrap();
        let keys = signed_note::VerifierList::new(vec![Box::new(
            signed_note::StandardVerifier::new(&key).unwrap(),
        )]);
        assert_eq!(theirs.text(), note().text().as_bytes());
        assert_eq!(theirs.verify(&keys).unwrap().0.len(), 1);
    }

    #[test]
    fn signatures_by_strangers_are_ignored_and_bad_ones_refuse() {
        let keys = [log_key().verifier_key(), witness_key().verifier_key().clone()];
        let mut cosigned = note();
        cosigned.push(witness_key().cosign(note().text(), 1_700_000_000));
        let stranger = SignatureLine { name: "stranger".into(), id: [0; 4], signature: vec![1] };
        cosigned.push(stranger);
        let read = Note::parse(cosigned.to_string().as_bytes()).unwrap();
        assert_eq!(read, cosigned);
        let times: Vec<_> = read.verify(&keys).unwrap().iter().map(|good| good.time).collect();
        assert_eq!(times, [None, Some(1_700_000_000)]);

        let mut moved = cosigned.clone();
        moved.signatures[1].signature[7] ^= 1;
        assert!(
            matches!(moved.verify(&keys), Err(NoteError::BadSignature(name)) if name == "witness.example")
        );
        assert!(matches!(note().verify(&keys[1..]), Err(NoteError::Unsigned(_))));
    }

    #[test]
    fn a_witness_key_is_no_log_key() {
        let as_log = VerifierKey::parse(&witness_key().verifier_key().to_string()).unwrap();
        let line = witness_key().cosign(note().text(), 5);
        assert!(as_log.names(&line));
        let other = super::super::key::LogKey::new(
            "witness.example",
            ed25519_dalek::SigningKey::from_bytes(&[8; 32]),
        );
        assert!(!other.unwrap().verifier_key().names(&line));
    }

    #[test]
    fn only_one_text_is_the_note() {
        let good = note().to_string();
        let line = note().signatures[0].to_string();
        for bad in [
            good.replace("\n\n\u{2014}", "\n\u{2014}"),
            good.trim_end().to_owned(),
            format!("{good}\n"),
            format!("{good} "),
            good.replace('\u{2014}', "-"),
            good.replace("log ", "log  "),
            good.replace("one", "o\tne"),
            good.replace('\n', "\r\n"),
            good.replace("==\n", "\n").replace("=\n", "\n"),
            format!("one\n\n{line} \n"),
            format!("\n\n{line}\n"),
            "one\n\n".to_owned(),
            format!("one\n\n{}", format!("{line}\n").repeat(MAX_SIGNATURES + 1)),
        ] {
            assert!(Note::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(
            Note::parse(format!("one\n\n{}", format!("{line}\n").repeat(16)).as_bytes()).is_ok()
        );
        assert!(Note::sign("no newline", &log_key()).is_err());
    }

    proptest! {
        #[test]
        fn what_parses_is_written_back_byte_for_byte(
            text in "[a-z \n]{1,20}\n", at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            prop_assume!(text != "\n");
            let mut bytes = Note::sign(&text, &log_key()).unwrap().to_string().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(note) = Note::parse(&bytes) {
                prop_assert_eq!(note.to_string().into_bytes(), bytes);
            }
        }
    }
}
