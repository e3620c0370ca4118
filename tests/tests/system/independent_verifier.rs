//! A log that a real executor wrote, checked by code that none of us wrote: Go's own
//! `golang.org/x/mod/sumdb`, in `tests/verifier`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::support::pair::Pair;
use super::support::plans::Desk;

/// Where Debian's `golang-golang-x-mod-dev` puts its sources.
const GOPATH: &str = "/usr/share/gocode";

/// The program, or why it cannot be had here.
fn verifier(dir: &Path) -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("verifier/main.go");
    if !Path::new(GOPATH).join("src/golang.org/x/mod/sumdb/tlog").is_dir() {
        return Err("golang-golang-x-mod-dev is not installed".to_owned());
    }
    let built = dir.join("verifier");
    let out = Command::new("go")
        .args(["build", "-o"])
        .arg(&built)
        .arg(source)
        .env("GOPATH", GOPATH)
        .env("GO111MODULE", "off")
        .env("GOFLAGS", "")
        .env("GOPROXY", "off")
        .env("GOCACHE", dir.join("cache"))
        .output()
        .map_err(|error| format!("go: {error}"))?;
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Ok(built)
}

fn check(verifier: &Path, log: &Path, key: &str, earlier: &Path) -> Output {
    Command::new(verifier).arg(log).arg(key).arg(earlier).output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn independent_verifier_agrees_on_a_real_log_and_on_a_changed_one() {
    let dir = TempDir::new().unwrap();
    let verifier = match verifier(dir.path()) {
        Ok(verifier) => verifier,
        Err(why) => {
            assert!(std::env::var_os("COUNTERSIGN_NEEDS_GO").is_none(), "{why}");
            println!("skipped: {why}");
            return;
        }
    };
    let pair = Pair::executor_only().await;
    let (log, earlier) = (pair.path("state/log"), dir.path().join("earlier"));
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let mut size = 0;
    for number in ["1001", "1004"] {
        desk.cancel(number).await.unwrap();
        size = published(&log, size).await;
        if !earlier.exists() {
            fs::copy(log.join("checkpoint"), &earlier).unwrap();
        }
    }
    let key = pair.log_key();
    let good = check(&verifier, &log, key.trim(), &earlier);
    let said = String::from_utf8_lossy(&good.stdout).into_owned();
    assert!(good.status.success(), "{said}{}", String::from_utf8_lossy(&good.stderr));
    assert!(said.contains(&format!("{size} entries")), "{said}");
    println!("{}", said.trim());

    for path in tiles(&log) {
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
        let bad = check(&verifier, &log, key.trim(), &earlier);
        assert_eq!(bad.status.code(), Some(1), "{} changed: {bad:?}", path.display());
        fs::write(&path, whole).unwrap();
    }
    assert!(check(&verifier, &log, key.trim(), &earlier).status.success(), "whole again");
}

/// Every file of the log.
fn tiles(log: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![log.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    assert!(found.len() >= 3, "{found:?}");
    found
}

/// Waits until the folder has more entries than this, and no publication is under way.
async fn published(log: &Path, more_than: u64) -> u64 {
    let size = || -> Option<u64> {
        let note = fs::read_to_string(log.join("checkpoint")).ok()?;
        note.lines().nth(1)?.parse().ok()
    };
    let began = Instant::now();
    loop {
        let now = size().unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(400)).await;
        if now > more_than && size() == Some(now) {
            return now;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "still {now} entries");
    }
}
