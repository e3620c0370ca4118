//! A log's public key, as a person gives it.

use std::fs;
use std::path::Path;

use anyhow::Context;
use countersign_shared::tlog::key::VerifierKey;

/// Reads a log's public key: the text itself, or a file that holds it.
///
/// # Errors
/// When it is neither.
pub fn read_key(given: &str) -> anyhow::Result<VerifierKey> {
    if Path::new(given).is_file() {
        let text = fs::read_to_string(given)
            .with_context(|| format!("cannot read the key file {given}"))?;
        return VerifierKey::parse(text.trim())
            .with_context(|| format!("{given} holds no log key"));
    }
    VerifierKey::parse(given.trim())
        .with_context(|| format!("{given:?} is no file, and no log key either"))
}

/// Reads several, each the text itself or a file that holds some. Keys of algorithms to come are
/// skipped in files.
pub(super) fn read_keys(given: &[String]) -> anyhow::Result<Vec<VerifierKey>> {
    let mut all = Vec::new();
    for one in given {
        if Path::new(one).is_file() {
            let text = fs::read_to_string(one)
                .with_context(|| format!("cannot read the key file {one}"))?;
            let keys = VerifierKey::parse_all(&text);
            all.extend(keys.with_context(|| format!("{one} holds no usable key"))?);
        } else {
            all.push(read_key(one)?);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    #[test]
    fn a_key_is_given_as_text_or_as_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log.pub");
        fs::write(&file, format!("{KEY}\n")).unwrap();
        assert_eq!(read_key(KEY).unwrap(), read_key(file.to_str().unwrap()).unwrap());
        fs::write(&file, "nonsense").unwrap();
        let error = format!("{:#}", read_key(file.to_str().unwrap()).unwrap_err());
        assert!(error.contains("name+hash+base64"), "{error}");
        assert!(read_key("missing.pub").is_err());
    }
}
