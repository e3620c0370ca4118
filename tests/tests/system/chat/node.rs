//! Programs of frontends: Node with packages from its registry, and Python. Where one is
//! not here, its half is skipped with a printed reason.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use parking_lot::Mutex;
use serde_json::Value;

use super::super::support::node;
use super::super::support::pair::Pair;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/chat");
const SNIPPET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/frontends/countersign.ts");

/// One installation at a time.
static INSTALLING: Mutex<()> = Mutex::new(());

/// Runs a script with what it is given; answers with the JSON of its last line.
pub async fn run(pair: &Pair, script: &'static str, mut given: Value) -> Option<Value> {
    let folder = match tokio::task::spawn_blocking(packages).await.unwrap() {
        Ok(folder) => folder,
        Err(why) => {
            assert!(std::env::var_os("COUNTERSIGN_NEEDS_NODE").is_none(), "{why}");
            println!("skipped: {why}");
            return None;
        }
    };
    given["snippet"] = SNIPPET.into();
    given["folder"] = pair.path("").to_str().unwrap().into();
    let ran = tokio::task::spawn_blocking(move || {
        let mut command = Command::new("node");
        command.arg("--no-warnings").arg(folder.join(script)).arg(given.to_string());
        command.stdin(Stdio::null()).output().unwrap()
    });
    let ran = ran.await.unwrap();
    let (told, errors) =
        (String::from_utf8(ran.stdout).unwrap(), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{script} failed:\n{told}{errors}");
    Some(serde_json::from_str(told.lines().last().unwrap()).unwrap())
}

/// Runs a Python script; answers with the JSON that it prints.
pub fn python(script: &str, given: &Value) -> Option<Value> {
    let works = |program: &str| {
        let ran = Command::new("python3").args(["-c", program]).output();
        ran.is_ok_and(|out| out.status.success())
    };
    if !works("import cryptography") {
        let why =
            if works("") { "python3 has no package `cryptography`" } else { "python3 is not here" };
        assert!(std::env::var_os("COUNTERSIGN_NEEDS_PYTHON").is_none(), "{why}");
        println!("skipped: the snippet in Python is not tested: {why}");
        return None;
    }
    let ran = Command::new("python3")
        .arg(Path::new(SCRIPTS).join(script))
        .arg(given.to_string())
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    Some(serde_json::from_slice(&ran.stdout).unwrap())
}

/// A folder with the scripts and their packages, made once.
fn packages() -> Result<PathBuf, String> {
    node::usable()?;
    if Command::new("npm").arg("--version").output().is_err() {
        return Err("npm is not here: the packages are not tested".to_owned());
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chat");
    let _one = INSTALLING.lock();
    fs::create_dir_all(&folder).unwrap();
    let file = fs::File::create(folder.join("installing")).unwrap();
    file.lock().unwrap();
    for entry in fs::read_dir(SCRIPTS).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
    }
    let wanted = fs::read_to_string(folder.join("package-lock.json")).unwrap();
    let done = folder.join("installed.json");
    if fs::read_to_string(&done).is_ok_and(|installed| installed == wanted) {
        return Ok(folder);
    }
    let install = Command::new("npm")
        .args(["ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"])
        .current_dir(&folder)
        .status();
    if !install.is_ok_and(|status| status.success()) {
        return Err("the packages cannot be installed: they are not tested".to_owned());
    }
    fs::write(done, wanted).unwrap();
    Ok(folder)
}
