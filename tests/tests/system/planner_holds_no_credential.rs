//! The planner as its machine sees it: which sockets it holds during a conversation,
//! and which files it cannot open. That its crate links no credential code is held
//! by the repository's tests.

pub mod sockets;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use countersign_proto::v1;
use countersign_proto::v1::planner_client::PlannerClient;
use countersign_shared::mtls::Channel;
use countersign_shared::mtls::{Material, MaterialFiles, channel};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::support::pair::Pair;
use super::support::people::Customer;
use super::support::{bins, canary};
use sockets::Watch;

/// A user that owns nothing on a usual machine, as the demo gives its planner.
const NOBODY_ELSE: u32 = 62_102;

#[tokio::test(flavor = "multi_thread")]
async fn planner_holds_no_credential_and_talks_to_nobody_but_the_executor() {
    let pair = Pair::executor_only().await;
    let planner = Planner::start(&pair, "offline", "{ kind: offline }");
    let may = [pair.executor_address().to_owned()];
    let watch = Watch::over(planner.child.id(), &planner.own(), &may);
    // The watch can bark: to this one the executor is a stranger.
    let strict = Watch::over(planner.child.id(), &planner.own(), &[]);
    let who = pair.customer(1);
    let mut client = planner.client(&pair);
    let card = said(&mut client, &pair, &who, "m1", "please cancel my order #1001", None).await;
    let card = card.0.expect("a card");
    let (_, turn) = said(&mut client, &pair, &who, "m2", "yes", Some(&card)).await;
    assert_eq!(turn.actions[0].outcome(), v1::Outcome::Applied, "{turn:?}");
    said(&mut client, &pair, &who, "m3", "where is my order #1003?", None).await;
    let seen = watch.end();
    assert_eq!(seen.strange, Vec::<String>::new());
    assert!(seen.peers.contains(&may[0]), "the executor's connection was not even seen: {seen:?}");
    assert!(seen.looks > 20, "{seen:?}");
    let barked = strict.end().strange;
    assert!(barked.iter().any(|strange| strange.contains(&may[0])), "{barked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn planner_holds_no_credential_and_talks_to_its_model_and_the_executor_only() {
    let pair = Pair::executor_only().await;
    let model = rambling_model().await;
    let planner = Planner::start(
        &pair,
        "model",
        &format!("{{ kind: openai, url: \"http://{model}/v1\", name: rambler }}"),
    );
    let may = [pair.executor_address().to_owned(), model];
    let watch = Watch::over(planner.child.id(), &planner.own(), &may);
    let who = pair.customer(1);
    let mut client = planner.client(&pair);
    for (id, text) in [("m1", "please cancel my order #1001"), ("m2", "where is it?")] {
        said(&mut client, &pair, &who, id, text, None).await;
    }
    let seen = watch.end();
    assert_eq!(seen.strange, Vec::<String>::new());
    for peer in &may {
        assert!(seen.peers.contains(peer), "{peer} was not even seen: {seen:?}");
    }
    // A model that emits garbage moves nothing.
    assert!(pair.effects().is_empty());
}

/// Where the planner's own folder leads into the credentials, the kernel says no.
/// The planner runs as the same user here, so nothing else does.
#[tokio::test(flavor = "multi_thread")]
async fn planner_holds_no_credential_and_cannot_open_one() {
    let pair = Pair::executor_only().await;
    let own = Planner::start(&pair, "whole", "{ kind: offline }");
    let log = fs::read_to_string(pair.path("whole.log")).unwrap();
    if !log.contains("\"confined\":\"fully\"") && !log.contains("\"confined\":\"partly\"") {
        println!("skipped: this kernel has no Landlock; the planner says: {log}");
        return;
    }
    drop(own);

    // The same folder with one file behind a link: into itself it starts, into the
    // credentials or beside them it does not.
    let beside = pair.path("beside");
    fs::create_dir(&beside).unwrap();
    fs::copy(pair.path("pki/planner/ca.crt"), beside.join("ca.crt")).unwrap();
    fs::copy(pair.path("pki/planner/ca.crt"), pair.path("credentials/ca.crt")).unwrap();
    let folder = pair.path("pki/planner");
    for (name, target, starts) in [
        ("within", folder.join("real.crt"), true),
        ("beside", beside.join("ca.crt"), false),
        ("credentials", pair.path("credentials/ca.crt"), false),
    ] {
        let ca = folder.join("ca.crt");
        if name == "within" {
            fs::rename(&ca, &target).unwrap();
        } else {
            fs::remove_file(&ca).unwrap();
        }
        symlink(&target, &ca).unwrap();
        assert!(fs::read(&ca).is_ok(), "an unconfined process of this user reads it");
        match Planner::try_start(&pair, name, "{ kind: offline }", None) {
            Ok(_) => assert!(starts, "{name}: a planner opened {}", target.display()),
            Err(log) => {
                assert!(!starts, "{name}: {log}");
                assert!(log.contains("Permission denied"), "{name}: {log}");
            }
        }
    }

    // The credential itself, handed to it as its key.
    let key = folder.join("tls.key");
    fs::remove_file(&key).unwrap();
    symlink(pair.path("credentials/shopify_token"), &key).unwrap();
    let log = Planner::try_start(&pair, "token", "{ kind: offline }", None).err().unwrap();
    assert!(log.contains("Permission denied") && !log.contains(&canary::token()), "{log}");
}

/// Kept apart by users, as the demo does it where it may.
#[tokio::test(flavor = "multi_thread")]
async fn planner_holds_no_credential_as_a_user_of_its_own() {
    let pair = Pair::executor_only().await;
    if !may_change_users() {
        println!("skipped: only root can start a process as another user");
        return;
    }
    for open in [pair.dir.path().to_owned(), pair.path("pki")] {
        fs::set_permissions(open, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let folder = pair.path("pki/planner");
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    for path in files.chain([folder.clone()]) {
        std::os::unix::fs::chown(path, Some(NOBODY_ELSE), Some(NOBODY_ELSE)).unwrap();
    }
    let secret = pair.path("credentials/shopify_token");
    assert!(!as_user(NOBODY_ELSE, &secret).contains(&canary::token()));
    // The check looks at something: root itself does read it.
    assert!(as_user(0, &secret).contains(&canary::token()));

    let user = Some(NOBODY_ELSE);
    let planner = Planner::try_start(&pair, "other", "{ kind: offline }", user).unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", planner.child.id())).unwrap();
    let uid = status.lines().find(|line| line.starts_with("Uid:")).unwrap();
    assert!(uid.split_whitespace().skip(1).all(|id| id == NOBODY_ELSE.to_string()), "{uid}");
    let who = pair.customer(1);
    let mut client = planner.client(&pair);
    let (card, _) = said(&mut client, &pair, &who, "m1", "cancel order #1001", None).await;
    assert!(card.is_some(), "it works all the same");
}

struct Planner {
    child: Child,
    grpc: String,
    admin: String,
}

impl Drop for Planner {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Planner {
    fn start(pair: &Pair, name: &str, model: &str) -> Self {
        Self::try_start(pair, name, model, None).unwrap_or_else(|log| panic!("{name}:\n{log}"))
    }

    /// Starts a planner with this model, as this user; what it logged where it does
    /// not start.
    fn try_start(pair: &Pair, name: &str, model: &str, user: Option<u32>) -> Result<Self, String> {
        let config = format!(
            r#"listen: 127.0.0.1:0
admin: 127.0.0.1:0
tls: {{ cert: pki/planner/tls.crt, key: pki/planner/tls.key, ca: pki/planner/ca.crt }}
callers: ["spiffe://test.countersign.internal/frontend"]
executor: {{ address: "{}", id: "spiffe://test.countersign.internal/executor" }}
model: {model}
"#,
            pair.executor_address()
        );
        let file = pair.path(&format!("{name}.yaml"));
        fs::write(&file, config).unwrap();
        // A folder of its own: what it may write is what is in it.
        let run = pair.path(&format!("{name}-run"));
        fs::create_dir(&run).unwrap();
        let (ready, log) = (run.join("ready.json"), pair.path(&format!("{name}.log")));
        let out = fs::File::create(&log).unwrap();
        let mut command = Command::new(program(pair, user));
        command.arg("--config").arg(&file).arg("--ready-file").arg(&ready);
        command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out);
        if let Some(user) = user {
            std::os::unix::fs::chown(&run, Some(user), Some(user)).unwrap();
            command.uid(user).gid(user);
        }
        let mut child = command.spawn().unwrap();
        let began = Instant::now();
        loop {
            if let Ok(text) = fs::read_to_string(&ready) {
                let said: Value = serde_json::from_str(&text).unwrap();
                let address = |name: &str| said[name].as_str().unwrap().to_owned();
                return Ok(Self { child, grpc: address("grpc"), admin: address("admin") });
            }
            let gone = child.try_wait().unwrap().is_some();
            if gone || began.elapsed() > Duration::from_secs(60) {
                let _ = child.kill();
                let _ = child.wait();
                return Err(fs::read_to_string(&log).unwrap());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Where it listens.
    fn own(&self) -> [String; 2] {
        [self.grpc.clone(), self.admin.clone()]
    }

    fn client(&self, pair: &Pair) -> PlannerClient<Channel> {
        let files = MaterialFiles::in_dir(&pair.path("pki/frontend"));
        let expected = "spiffe://test.countersign.internal/planner".parse().unwrap();
        PlannerClient::new(channel(&self.grpc, Material::open(files).unwrap(), expected).unwrap())
    }
}

/// A program that the user can start: others may not pass to where it was built.
fn program(pair: &Pair, user: Option<u32>) -> std::path::PathBuf {
    let built = bins::dir().join("planner");
    if user.is_none() {
        return built;
    }
    let copy = pair.path("planner-program");
    fs::copy(built, &copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    copy
}

/// Root in earnest, and not one that a container has clipped.
fn may_change_users() -> bool {
    let tried = Command::new("true").uid(NOBODY_ELSE).gid(NOBODY_ELSE).status();
    tried.is_ok_and(|status| status.success())
}

/// What a process of this user makes of a file.
fn as_user(user: u32, file: &Path) -> String {
    let out = Command::new("cat").arg(file).uid(user).gid(user).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

/// A model that answers every question with what is no decision, after a while.
async fn rambling_model() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut heard = vec![0; 64 * 1024];
                let _ = stream.read(&mut heard).await;
                tokio::time::sleep(Duration::from_millis(200)).await;
                let answer = json!({
                    "choices": [{ "index": 0, "finish_reason": "stop",
                        "message": { "role": "assistant", "content": "sudo refund everything" } }],
                    "usage": { "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 },
                })
                .to_string();
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\
                     content-length: {}\r\n\r\n",
                    answer.len()
                );
                let _ = stream.write_all(format!("{head}{answer}").as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    address
}

/// One turn: the card, if one is shown, and how it ends.
async fn said(
    client: &mut PlannerClient<Channel>,
    pair: &Pair,
    who: &Customer,
    id: &str,
    text: &str,
    yes_to: Option<&v1::Card>,
) -> (Option<v1::Card>, v1::Turn) {
    use v1::converse_response::Event;
    let request = v1::ConverseRequest {
        subject_token: who.token.clone(),
        conversation_id: "chat-1".into(),
        message: Some(pair.frontend.message(who, "chat-1", id, text)),
        confirmation: yes_to.map(|c| pair.frontend.yes(who, "chat-1", c)).unwrap_or_default(),
        external_ref: String::new(),
        confirm_by_link: false,
        edited: false,
        branch: String::new(),
    };
    let mut events = client.converse(request).await.unwrap().into_inner();
    let mut card = None;
    while let Some(event) = events.message().await.unwrap() {
        match event.event.unwrap() {
            Event::Progress(_) => {}
            Event::Card(shown) => card = Some(shown),
            Event::Turn(turn) => return (card, turn),
        }
    }
    panic!("the stream ended without a turn");
}
