//! A person with a phone: headless Chromium, 390 px wide.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::node;
use super::pair::Pair;

/// What checks accessibility.
const AXE: &str = "axe-core@4.14.1";
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// The browser, or what is missing.
fn chromium() -> Result<PathBuf, String> {
    node::usable()?;
    let chromium = NAMES.iter().find_map(|name| on_path(name));
    chromium.ok_or_else(|| "no Chromium is here".to_owned())
}

/// Plays the steps, with this passkey as a virtual authenticator takes it, or without
/// one; answers with what was read. `None`, and a printed reason, where there is no
/// browser.
pub async fn play(pair: &Pair, credential: Option<Value>, steps: Value) -> Option<Vec<String>> {
    let chromium = match chromium() {
        Ok(chromium) => chromium,
        Err(why) => {
            assert!(std::env::var_os("COUNTERSIGN_NEEDS_BROWSER").is_none(), "{why}");
            println!("the browser's half is skipped: {why}");
            return None;
        }
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/browser/play.mjs");
    // A browser of their own, so that nobody is signed in as somebody else.
    static PLAYED: AtomicU32 = AtomicU32::new(0);
    let profile = format!("chromium-{}", PLAYED.fetch_add(1, Ordering::Relaxed));
    let play = json!({
        "chromium": chromium, "profile": pair.path(&profile), "shots": shots(pair),
        "credential": credential, "steps": steps, "axe": axe().await,
    });
    let mut command = Command::new("node");
    command.args(["--experimental-websocket", "--no-warnings", script]).arg(play.to_string());
    let played = tokio::task::spawn_blocking(move || {
        command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap()
    });
    let played = played.await.unwrap();
    let told = String::from_utf8(played.stdout).unwrap();
    assert!(played.status.success(), "the browser's half failed:\n{told}");
    Some(serde_json::from_str(told.lines().last().unwrap()).unwrap())
}

/// The checker of accessibility, from its registry; without npm, pages go unchecked.
async fn axe() -> Option<PathBuf> {
    static INSTALLING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _one = INSTALLING.lock().await;
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("axe");
    let file = folder.join("node_modules/axe-core/axe.min.js");
    if !file.is_file() {
        let mut npm = tokio::process::Command::new("npm");
        npm.args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]);
        npm.arg("--prefix").arg(&folder).arg(AXE).stdin(Stdio::null());
        let done = npm.output().await;
        if !done.is_ok_and(|done| done.status.success()) {
            let needed = std::env::var_os("COUNTERSIGN_NEEDS_NODE").is_some();
            assert!(!needed, "{AXE} cannot be installed");
            println!("skipped: {AXE} cannot be installed, accessibility is not checked");
            return None;
        }
    }
    Some(file)
}

/// Where pictures go: kept where asked for, else gone with the test.
fn shots(pair: &Pair) -> PathBuf {
    std::env::var_os("COUNTERSIGN_SHOTS").map_or_else(|| pair.path("shots"), PathBuf::from)
}
