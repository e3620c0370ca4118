//! `countersign demo` as a newcomer runs it, and what it leaves behind.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::planner_holds_no_credential::sockets::Watch;
use super::support::bins;

/// A folder below one that every user may pass, as the demo wants it to keep its
/// processes apart by users.
struct State(TempDir);

impl State {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711)).unwrap();
        Self(dir)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("state")
    }
}

#[test]
fn demo_cancels_once_and_its_log_verifies() {
    let state = State::new();
    let first =
        demo(&state, "customer1@example.com", &["cancel order #1001", "yes", "cancel order #1001"]);
    let turns = turns(&first);
    assert_eq!(turns.len(), 3, "one object a turn: {turns:#?}");
    for turn in &turns {
        assert!(turn["reply"].as_str().is_some_and(|reply| !reply.is_empty()), "{turn:#}");
        assert!(turn["intent"].is_string() && turn["confidence"].is_number(), "{turn:#}");
        assert!(turn["actions"].is_array(), "{turn:#}");
    }
    assert!(turns[0]["card"]["text"].as_str().unwrap().contains("#1001"), "{:#}", turns[0]);
    let [done] = turns[1]["actions"].as_array().unwrap().as_slice() else { panic!("{turns:#?}") };
    assert_eq!(
        (&done["tool"], &done["outcome"]),
        (&"shopify.cancel_order".into(), &"applied".into())
    );
    assert!(done["code"].is_null(), "{done:#}");
    let receipt = done["receipt_id"].as_str().unwrap().to_owned();
    assert!(receipt.starts_with("rcp_") && turns[1]["reply"].as_str().unwrap().contains(&receipt));
    already_done(&turns[2], &receipt);
    // The shop's own ledger: one cancellation, and its money once.
    let told = String::from_utf8_lossy(&first.stderr).into_owned();
    for effect in ["order_cancelled #1001", "refund_created #1001"] {
        assert_eq!(told.matches(effect).count(), 1, "{told}");
    }
    audit_verifies(&state, true);

    // Another conversation, another day: known from the log alone.
    let second = demo(&state, "customer1@example.com", &["cancel order #1001"]);
    already_done(&self::turns(&second)[0], &receipt);
    assert!(String::from_utf8_lossy(&second.stderr).contains("nothing happened in the shop"));

    // Nobody else's order, and nothing is told of it.
    let third = demo(&state, "customer2@example.com", &["cancel order #1001", "yes"]);
    for turn in self::turns(&third) {
        let applied = |action: &Value| action["outcome"] == "applied";
        assert!(!turn["actions"].as_array().unwrap().iter().any(applied), "{turn:#}");
        assert!(!turn.to_string().contains(&receipt), "{turn:#}");
    }
    assert!(String::from_utf8_lossy(&third.stderr).contains("nothing happened in the shop"));
    audit_verifies(&state, true);

    // One bit anywhere, here in the middle of the entries, and it does not.
    let entries = state.path().join("executor/log/tile/entries/000.p");
    let file = fs::read_dir(entries).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    audit_verifies(&state, false);
}

/// While a demo runs: its planner is a user that cannot read the credentials, where
/// users can be had, and its sockets lead to the executor only.
#[test]
fn demo_planner_holds_no_credential() {
    let state = State::new();
    let mut chat = Chat::open(&state);
    let place = chat.place();
    let planner = pid(&place, "planner");
    let address = |of: &str, what: &str| place[of][what].as_str().unwrap().to_owned();
    let own = [address("planner", "address"), address("planner", "admin")];
    let watch = Watch::over(planner, &own, &[address("executor", "address")]);
    assert!(chat.say("cancel order #1001")["card"].is_object());
    assert_eq!(chat.say("yes")["actions"][0]["outcome"], "applied");
    let seen = watch.end();
    assert_eq!(seen.strange, Vec::<String>::new());
    assert_eq!(seen.peers.len(), 1, "{seen:?}");

    let log = fs::read_to_string(state.path().join("logs/planner.log")).unwrap();
    let confined = log.contains("\"confined\":\"fully\"");
    println!("the planner confines itself fully: {confined}; {}", place["users"]);
    let user = uid(planner);
    if user == uid(std::process::id()) {
        println!("skipped: processes cannot be kept apart by users here: {}", place["users"]);
        return;
    }
    assert_ne!(user, uid(pid(&place, "executor")));
    for closed in
        ["credentials", "executor/log.key", "executor/executor.db", "executor/tls/tls.key"]
    {
        let path = state.path().join(closed);
        assert!(path.exists(), "{closed} is not there");
        let tried = Command::new("ls").arg(&path).uid(user).gid(user).output().unwrap();
        assert!(!tried.status.success() && tried.stdout.is_empty(), "{closed}: {tried:?}");
    }
}

/// A demo that is typed to.
struct Chat {
    child: Child,
    heard: BufReader<std::process::ChildStdout>,
    state: PathBuf,
}

impl Chat {
    fn open(state: &State) -> Self {
        let log = fs::File::create(state.0.path().join("demo.log")).unwrap();
        let mut child = command(state, "customer1@example.com")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let heard = BufReader::new(child.stdout.take().unwrap());
        Self { child, heard, state: state.path() }
    }

    /// Where everything is, once it is.
    fn place(&mut self) -> Value {
        let began = Instant::now();
        loop {
            if let Ok(text) = fs::read_to_string(self.state.join("demo.json"))
                && let Ok(place) = serde_json::from_str(&text)
            {
                return place;
            }
            assert!(self.child.try_wait().unwrap().is_none(), "the demo ended");
            assert!(began.elapsed() < Duration::from_secs(60), "the demo does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn say(&mut self, line: &str) -> Value {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
        let mut answer = String::new();
        self.heard.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|e| panic!("{e}: {answer:?}"))
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        // Its end of the conversation ends the demo, and with it all that it started.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn command(state: &State, who: &str) -> Command {
    let mut command = Command::new(bins::dir().join("countersign"));
    command.args(["demo", "--as", who, "--json", "--keep", "--state"]).arg(state.path());
    // Built already.
    command.env_remove("CARGO");
    command
}

fn demo(state: &State, who: &str, say: &[&str]) -> Output {
    let said = say.iter().flat_map(|line| ["--say", line]);
    let output = command(state, who).args(said).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn turns(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect()
}

fn already_done(turn: &Value, receipt: &str) {
    let [known] = turn["actions"].as_array().unwrap().as_slice() else { panic!("{turn:#}") };
    assert_eq!(
        (&known["code"], &known["receipt_id"]),
        (&"ALREADY_DONE".into(), &receipt.into()),
        "{turn:#}"
    );
    assert!(turn.get("card").is_none(), "{turn:#}");
}

fn audit_verifies(state: &State, good: bool) {
    let verify = Command::new(bins::dir().join("countersign"))
        .args(["audit", "verify"])
        .arg(state.path().join("executor/log"))
        .arg("--key")
        .arg(state.path().join("log.pub"))
        .output()
        .unwrap();
    assert_eq!(verify.status.code(), Some(if good { 0 } else { 1 }), "{verify:?}");
}

fn pid(place: &Value, of: &str) -> u32 {
    u32::try_from(place[of]["pid"].as_u64().unwrap()).unwrap()
}

/// The effective user of a process.
fn uid(pid: u32) -> u32 {
    let status =
        fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
