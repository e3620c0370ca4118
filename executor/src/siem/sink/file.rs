//! Events as JSON lines in a file. Whoever owns the file rotates it, by renaming it at
//! any time: it is opened anew for each batch.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::siem::event::Event;

pub(in crate::siem) struct JsonLines {
    path: PathBuf,
}

impl JsonLines {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub(super) async fn send(&self, events: Vec<Event>) -> Result<(), String> {
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || append(&path, &events)).await;
        let written = written.map_err(|error| error.to_string())?;
        written.map_err(|error| format!("{}: {error}", self.path.display()))
    }
}

/// Acknowledged once it is on the disk.
fn append(path: &Path, events: &[Event]) -> io::Result<()> {
    let mut file =
        OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(path)?;
    let mut text = String::new();
    // A write that a crash cut short must not swallow the line after it.
    if !ends_a_line(&mut file)? {
        text.push('\n');
    }
    for event in events {
        text.push_str(&event.body.to_string());
        text.push('\n');
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Only a file can be asked; a pipe begins anew each time.
fn ends_a_line(file: &mut std::fs::File) -> io::Result<bool> {
    if !file.metadata()?.is_file() || file.seek(SeekFrom::End(0))? == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0; 1];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs;

    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn a_renamed_file_is_begun_anew_and_a_torn_line_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let sink = JsonLines::new(&path);
        let event = |n: u32| Event { at: Timestamp::UNIX_EPOCH, severity: 1, body: json!(n) };
        sink.send(vec![event(1), event(2)]).await.unwrap();
        fs::rename(&path, folder.path().join("events.1")).unwrap();
        sink.send(vec![event(3)]).await.unwrap();
        fs::write(&path, "3\n{\"to").unwrap();
        sink.send(vec![event(4)]).await.unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("events.1")).unwrap(), "1\n2\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "3\n{\"to\n4\n");
    }

    #[tokio::test]
    async fn a_disk_that_takes_nothing_acknowledges_nothing() {
        let event = Event { at: Timestamp::UNIX_EPOCH, severity: 1, body: json!(1) };
        let full = JsonLines::new(Path::new("/dev/full"));
        assert!(full.send(vec![event]).await.unwrap_err().contains("/dev/full"));
    }
}
