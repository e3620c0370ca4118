//! Who may sign a note: key names, key ids, signing keys and the public keys that check them.

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use super::note::SignatureLine;

/// The first four bytes of a hash over name, algorithm and public key. It finds a key; it proves
/// nothing.
pub type KeyId = [u8; 4];

/// Makes signature lines over a note's text.
///
/// An algorithm to come brings its own implementation, its own variant of [`Algorithm`] and nothing
/// else: signature lines carry bytes of any length.
pub trait Signer {
    /// The public half, for those who verify.
    fn verifier_key(&self) -> VerifierKey;

    /// Signs `text`, the note's text with its final newline.
    ///
    /// # Errors
    /// When the key cannot sign now, such as one kept in another process.
    fn sign(&self, text: &str) -> Result<SignatureLine, SignError>;
}

/// A key that could not sign.
#[derive(Debug, thiserror::Error)]
#[error("the key {name} did not sign: {reason}")]
pub struct SignError {
    /// The key's name.
    pub name: String,
    /// What its keeper said.
    pub reason: String,
}

/// How a key signs; the C2SP signature type byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Algorithm {
    /// Ed25519 over the text.
    Ed25519 = 0x01,
    /// Ed25519 over the time and the text: a witness's `cosignature/v1` on a checkpoint.
    CosignatureV1 = 0x04,
}

/// A public key with its name and algorithm, written `name+hash+base64`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    algorithm: Algorithm,
    public: VerifyingKey,
}

/// Why a key or its text is not acceptable.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    /// The name cannot stand in a note.
    #[error("a key name must be non-empty, without spaces, '+' or control characters: {0:?}")]
    Name(String),
    /// The text has not the three parts.
    #[error("a verifier key is written name+hash+base64; copy it again, whole")]
    Format,
    /// The hash does not belong to the name and the key.
    #[error("the verifier key's hash does not fit its name and key; copy it again, whole")]
    Hash,
    /// An algorithm this version does not know.
    #[error("the verifier key's algorithm {0:#04x} is not known here; a newer version may know it")]
    Algorithm(u8),
    /// Nothing that can be used.
    #[error("no key of a known algorithm is there; a newer version may know the ones that are")]
    None,
    /// Not a usable Ed25519 public key.
    #[error("the verifier key is not a usable Ed25519 public key")]
    Public,
}

impl VerifierKey {
    /// A named Ed25519 key.
    ///
    /// # Errors
    /// When the name cannot stand in a note, or the key is weak.
    pub fn new(name: &str, algorithm: Algorithm, public: VerifyingKey) -> Result<Self, KeyError> {
        check_name(name)?;
        if public.is_weak() {
            return Err(KeyError::Public);
        }
        Ok(Self { name: name.to_owned(), algorithm, public })
    }

    /// Reads `name+hash+base64`.
    ///
    /// # Errors
    /// When any part is wrong, or is written otherwise than [`VerifierKey`]'s `Display` writes it.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::Format);
        };
        let key = STANDARD.decode(key).map_err(|_| KeyError::Format)?;
        let (&algorithm, public) = key.split_first().ok_or(KeyError::Format)?;
        let algorithm = Algorithm::of(algorithm).ok_or(KeyError::Algorithm(algorithm))?;
        let public = <[u8; 32]>::try_from(public).map_err(|_| KeyError::Public)?;
        let public = VerifyingKey::from_bytes(&public).map_err(|_| KeyError::Public)?;
        let parsed = Self::new(name, algorithm, public)?;
        if hex::encode(parsed.id()) == hash { Ok(parsed) } else { Err(KeyError::Hash) }
    }

    /// Reads keys, one a line; empty lines, and those that begin with `#`, are left out. Keys of
    /// algorithms that this version does not know are skipped: they never count.
    ///
    /// # Errors
    /// When a line is no key, or no key is left.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, KeyError> {
        let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
        let mut keys = Vec::new();
        for line in lines {
            match Self::parse(line) {
                Ok(key) => keys.push(key),
                Err(KeyError::Algorithm(_)) => {}
                Err(error) => return Err(error),
            }
        }
        if keys.is_empty() { Err(KeyError::None) } else { Ok(keys) }
    }

    /// The key's name; a log's key is named as its checkpoints' origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same key under another name.
    ///
    /// # Errors
    /// When the name cannot stand in a note.
    pub fn renamed(&self, name: &str) -> Result<Self, KeyError> {
        Self::new(name, self.algorithm, self.public)
    }

    /// How this key signs.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key's id in signature lines.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let hash = Sha256::new()
            .chain_update(&self.name)
            .chain_update([b'\n', self.algorithm as u8])
            .chain_update(self.public.as_bytes())
            .finalize();
        let mut id = KeyId::default();
        id.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        id
    }

    /// Whether `line` names this key.
    #[must_use]
    pub fn names(&self, line: &SignatureLine) -> bool {
        line.name == self.name && line.id == self.id()
    }

    /// Checks `line`, which must name this key, over `text`. Answers with a cosignature's time, in
    /// seconds since 1970.
    pub(crate) fn verify(&self, text: &str, line: &SignatureLine) -> Option<Option<u64>> {
        match self.algorithm {
            Algorithm::Ed25519 => {
                let signature = Signature::from_slice(&line.signature).ok()?;
                self.public.verify_strict(text.as_bytes(), &signature).ok()?;
                Some(None)
            }
            Algorithm::CosignatureV1 => {
                let (time, signature) = line.signature.split_first_chunk::<8>()?;
                let time = u64::from_be_bytes(*time);
                i64::try_from(time).ok()?;
                let signature = Signature::from_slice(signature).ok()?;
                self.public.verify_strict(cosigned(time, text).as_bytes(), &signature).ok()?;
                Some(Some(time))
            }
        }
    }
}

impl std::fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = [&[self.algorithm as u8], self.public.as_bytes().as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id()), STANDARD.encode(key))
    }
}

impl Algorithm {
    const fn of(byte: u8) -> Option<Self> {
        match byte {
            0x01 => Some(Self::Ed25519),
            0x04 => Some(Self::CosignatureV1),
            _ => None,
        }
    }
}

/// A log's own Ed25519 key.
#[derive(Debug)]
pub struct LogKey {
    public: VerifierKey,
    secret: SigningKey,
}

impl LogKey {
    /// The key of the log called `name`, which is the origin of its checkpoints.
    ///
    /// # Errors
    /// When the name cannot stand in a note.
    pub fn new(name: &str, secret: SigningKey) -> Result<Self, KeyError> {
        let public = VerifierKey::new(name, Algorithm::Ed25519, secret.verifying_key())?;
        Ok(Self { public, secret })
    }
}

impl Signer for LogKey {
    fn verifier_key(&self) -> VerifierKey {
        self.public.clone()
    }

    fn sign(&self, text: &str) -> Result<SignatureLine, SignError> {
        let signature = self.secret.sign(text.as_bytes()).to_vec();
        Ok(SignatureLine { name: self.public.name.clone(), id: self.public.id(), signature })
    }
}

/// A witness's key: it states that it saw a checkpoint, consistent with all before it, at a time.
///
/// The signed bytes do not name the witness, so one secret must serve one witness only.
#[derive(Debug)]
pub struct WitnessKey {
    public: VerifierKey,
    secret: SigningKey,
}

impl WitnessKey {
    /// The key of the witness called `name`.
    ///
    /// # Errors
    /// When the name cannot stand in a note.
    pub fn new(name: &str, secret: SigningKey) -> Result<Self, KeyError> {
        let public = VerifierKey::new(name, Algorithm::CosignatureV1, secret.verifying_key())?;
        Ok(Self { public, secret })
    }

    /// The public half, for those who verify.
    #[must_use]
    pub const fn verifier_key(&self) -> &VerifierKey {
        &self.public
    }

    /// Countersigns a checkpoint's text as seen at `time`, in seconds since 1970.
    ///
    /// Call it only after checking that the checkpoint extends the last one countersigned.
    #[must_use]
    pub fn cosign(&self, text: &str, time: u64) -> SignatureLine {
        // The format ends at 2^63 - 1 seconds.
        let time = time.min(u64::MAX >> 1);
        let signature = self.secret.sign(cosigned(time, text).as_bytes());
        let signature = [time.to_be_bytes().as_slice(), &signature.to_bytes()].concat();
        SignatureLine { name: self.public.name.clone(), id: self.public.id(), signature }
    }
}

/// What a witness signs.
fn cosigned(time: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

/// Whether `name` may stand in a signature line or as a checkpoint's origin.
pub(crate) fn check_name(name: &str) -> Result<(), KeyError> {
    let bad = |c: char| c == '+' || c.is_whitespace() || c < ' ';
    if name.is_empty() || name.contains(bad) {
        return Err(KeyError::Name(name.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

    use super::*;

    /// The log key that tests sign with.
    pub(crate) fn log_key() -> LogKey {
        LogKey::new("example.com/log", SigningKey::from_bytes(&[7; 32])).unwrap()
    }

    /// A witness key for tests.
    pub(crate) fn witness_key() -> WitnessKey {
        WitnessKey::new("witness.example", SigningKey::from_bytes(&[8; 32])).unwrap()
    }

    #[test]
    fn text_round_trips() {
        for key in [log_key().verifier_key(), witness_key().verifier_key().clone()] {
            assert_eq!(VerifierKey::parse(&key.to_string()), Ok(key));
        }
    }

    #[test]
    fn a_key_in_use_elsewhere_is_read() {
        let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let key = VerifierKey::parse(text).unwrap();
        assert_eq!((key.name(), hex::encode(key.id())), ("PeterNeumann", "c74f20a3".to_owned()));
        assert_eq!(key.to_string(), text);
    }

    #[test]
    fn only_the_exact_text_is_a_key() {
        let good = log_key().verifier_key().to_string();
        let hash = hex::encode(log_key().verifier_key().id());
        let cases = [
            (String::new(), KeyError::Format),
            ("name+00000000".to_owned(), KeyError::Format),
            (format!("{good}\n"), KeyError::Format),
            (good.replace("example", "exbmple"), KeyError::Hash),
            (good.replace(&hash, &hash.to_uppercase()), KeyError::Hash),
            (good.replace("example.com/log", ""), KeyError::Name(String::new())),
            (good.replace('/', " "), KeyError::Name("example.com log".to_owned())),
        ];
        for (text, error) in cases {
            assert_eq!(VerifierKey::parse(&text), Err(error), "{text}");
        }
    }

    #[test]
    fn several_keys_are_read_and_those_to_come_are_skipped() {
        let known = log_key().verifier_key();
        let to_come =
            format!("n+00000000+{}", STANDARD.encode([[6; 1].as_slice(), &[1; 90]].concat()));
        let text = format!("# ours\n{to_come}\n\n{known}\n");
        assert_eq!(VerifierKey::parse_all(&text), Ok(vec![known]));
        assert_eq!(VerifierKey::parse_all(&to_come), Err(KeyError::None));
        assert_eq!(VerifierKey::parse_all("rubbish"), Err(KeyError::Format));
    }

    #[test]
    fn algorithms_to_come_and_weak_keys_are_refused_by_name() {
        let write = |key: &[u8]| format!("n+00000000+{}", STANDARD.encode(key));
        let with = |algorithm: u8, key: [u8; 32]| write(&[&[algorithm], key.as_slice()].concat());
        assert_eq!(VerifierKey::parse(&with(6, [1; 32])), Err(KeyError::Algorithm(6)));
        let mut identity = [0; 32];
        *identity.first_mut().unwrap() = 1;
        assert_eq!(VerifierKey::parse(&with(1, identity)), Err(KeyError::Public));
        assert_eq!(VerifierKey::parse(&write(&[1; 32])), Err(KeyError::Public));
    }
}
