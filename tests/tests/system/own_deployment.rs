//! The road that `countersign init` prints, walked as it is printed, to a conversation with one's
//! own planner. Only the shop is another one, and the ports are free ones.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use countersign_tests::sandbox::{Config, Sandbox};
use serde_json::Value;
use tempfile::TempDir;

use super::support::bins;
use super::support::service::start;

#[tokio::test(flavor = "multi_thread")]
async fn own_deployment_is_talked_to_with_the_line_that_init_prints() {
    let shop = Sandbox::start(Config::default()).await.unwrap();
    let folder = TempDir::new().unwrap();
    let dir = folder.path().join("my deployment");
    let printed = shell(&format!("countersign init '{}'", dir.display()));
    let printed = String::from_utf8(printed.stdout).unwrap();
    for line in printed.lines().filter(|line| line.starts_with("       countersign pki ")) {
        let made = shell(line);
        assert!(made.status.success(), "{line}: {made:?}");
    }
    credential(&dir);
    adapt(&dir.join("executor.yaml"), &executor(&shop.base_url()));
    let executor = start("executor", &dir, "info");
    let address = ("127.0.0.1:7443", executor.grpc.as_str());
    adapt(&dir.join("planner.yaml"), &[&PORTS[..], &[address]].concat());
    let planner = start("planner", &dir, "info");
    let checked =
        shell(&format!("countersign doctor --executor '{}/executor.yaml'", dir.display()));
    assert!(checked.status.success(), "{checked:?}");

    let chat = chat(&printed).replace("127.0.0.1:7543", &planner.grpc);
    let talk = shell(&format!("{chat} --json --say 'cancel order #1001' --say yes"));
    assert!(talk.status.success(), "{talk:?}");
    let turns: Vec<Value> = String::from_utf8(talk.stdout.clone())
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(turns[0]["card"]["text"].as_str().unwrap().contains("#1001"), "{turns:#?}");
    assert_eq!((turns.len(), &turns[1]["signed"]), (2, &Value::Bool(true)), "{turns:#?}");
    assert_eq!(turns[1]["actions"][0]["outcome"], "applied", "{turns:#?}");
    assert!(shop.ledger().iter().any(|effect| effect.kind == "order_cancelled"));

    // A flag that does not agree with the configuration is named.
    for (right, wrong, code, told) in [
        ("--issuer-kid development", "--issuer-kid other", "SUBJECT_UNVERIFIED", "--issuer-kid"),
        ("--frontend web-chat", "--frontend other", "MESSAGE_UNATTESTED", "--frontend-key"),
        ("/planner --tls", "/executor --tls", "UNAVAILABLE", "--planner-id"),
    ] {
        assert!(chat.contains(right), "{right}: {chat}");
        let chat = chat.replace(right, wrong);
        let failed = shell(&format!("{chat} --say 'cancel order #1002'"));
        let out = String::from_utf8(failed.stdout).unwrap();
        assert!(out.contains(code) && out.contains(told), "{wrong}: {out}");
        // A turn that the planner answered is no failure of the command.
        let finished = code != "UNAVAILABLE";
        assert_eq!(failed.status.success(), finished, "{wrong}: {out}");
    }
}

/// Free ports in place of the usual ones.
const PORTS: [(&str, &str); 2] = [
    ("listen: \"127.0.0.1:7", "listen: \"127.0.0.1:0\" #"),
    ("admin: \"127.0.0.1:7", "admin: \"127.0.0.1:0\" #"),
];

fn executor(shop: &str) -> Vec<(&'static str, &str)> {
    let egress = [
        ("https://shop.myshopify.com", shop),
        ("hosts: [shop.myshopify.com]", "hosts: [\"127.0.0.1\"]"),
        ("private_networks: []", "private_networks: [\"127.0.0.0/8\"]"),
        ("plain_http: false", "plain_http: true"),
    ];
    PORTS.into_iter().chain(egress).collect()
}

/// Changes a file as its owner would.
fn adapt(file: &Path, changes: &[(&str, &str)]) {
    let mut text = fs::read_to_string(file).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}: {text}");
        text = text.replace(from, to);
    }
    fs::write(file, text).unwrap();
}

fn credential(dir: &Path) {
    let secret = dir.join("credentials/shopify_token");
    fs::write(&secret, "sandbox-token\n").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
}

/// The line that talks, as printed: it goes on where a line ends with a backslash.
fn chat(printed: &str) -> String {
    let lines = printed.lines().skip_while(|line| !line.starts_with("       countersign chat "));
    let mut chat = Vec::new();
    for line in lines {
        chat.push(line);
        if !line.ends_with('\\') {
            break;
        }
    }
    chat.join("\n")
}

/// Typed into a shell that finds the command.
fn shell(line: &str) -> Output {
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", bins::dir().display());
    Command::new("sh").arg("-c").arg(line).env("PATH", path).output().unwrap()
}
