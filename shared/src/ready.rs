//! The file in which a service says where it listens, for whoever started it.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where a service listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Its gRPC address.
    pub grpc: SocketAddr,
    /// The address of its status pages.
    pub admin: SocketAddr,
    /// The address of the approval page, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub console: Option<SocketAddr>,
    /// The address of the HTTP faces for chat frontends, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat: Option<SocketAddr>,
    /// The address of the log's tiles, where they are served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<SocketAddr>,
}

impl Ready {
    /// Writes the file whole, then moves it to its place: who finds it can read it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn announce(&self, file: &Path) -> Result<(), ReadyError> {
        let unwritten = |error| ReadyError { file: file.to_owned(), error };
        let text = serde_json::to_string(self).map_err(|error| unwritten(error.into()))?;
        let part = file.with_extension("part");
        std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, file)).map_err(unwritten)
    }
}

/// The file cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {error}; name a file in a folder of this user's with --ready-file", file.display())]
pub struct ReadyError {
    file: PathBuf,
    error: io::Error,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_file_is_whole_alone_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ready.json");
        let ready = Ready {
            grpc: "127.0.0.1:1".parse().unwrap(),
            admin: "[::1]:2".parse().unwrap(),
            console: None,
            chat: None,
            log: None,
        };
        ready.announce(&file).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text, r#"{"grpc":"127.0.0.1:1","admin":"[::1]:2"}"#);
        assert_eq!(serde_json::from_str::<Ready>(&text).unwrap(), ready);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let error = ready.announce(&folder.path().join("absent/ready.json")).unwrap_err();
        assert!(error.to_string().contains("--ready-file"), "{error}");
    }
}
