//! The author's road, through the command itself: draft, check, test, try.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

/// Exit code, standard output, standard error.
fn countersign(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    let done = command.arg("contracts").args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
}

fn description() -> String {
    format!("{}/tests/data/refunds.openapi.yaml", env!("CARGO_MANIFEST_DIR"))
}

/// The drafted pack `parcels`, in a folder of its own.
fn drafted() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_str().unwrap().to_owned();
    let (code, out, err) =
        countersign(&["new", "parcels", "--dir", &folder, "--from-openapi", &description()]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("To decide:"), "{out}");
    let pack = format!("{folder}/parcels");
    (dir, pack)
}

/// Leaves the drafted reads and the refund, with what a person decided about it.
fn decided(pack: &str) {
    for other in ["delete_address", "put_address", "receipt_email_payment", "get_address"] {
        fs::remove_file(format!("{pack}/contracts/{other}.yaml")).unwrap();
    }
    let file = format!("{pack}/contracts/create_refund.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let known = "  window: 24h\n  probe: { on: 2026-11-21, source: \"https://parcels.example/keys\" }\n  irreversible:";
    let rule = "require: [ { code: BACKEND_REFUSED, that: 'state.payment.state == \"paid\"' } ]\nconfidence:";
    fs::write(&file, text.replace("  irreversible:", known).replace("confidence:", rule)).unwrap();
}

#[test]
fn a_draft_says_exactly_what_is_left_and_then_checks() {
    let (_dir, pack) = drafted();
    let (code, out, _) = countersign(&["check", &pack]);
    assert_eq!(code, 1, "{out}");
    let refund = out.lines().filter(|line| line.contains("create_refund.yaml:"));
    let errors: Vec<_> = refund.filter(|line| line.contains("error[")).collect();
    assert_eq!(errors.len(), 1, "{out}");
    assert!(errors[0].contains("`window` is missing"), "{out}");

    decided(&pack);
    let (code, out, err) = countersign(&["check", &pack, "--json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(report["tools"], 4, "{out}");
    let problems = report["packs"][0]["problems"].as_array().unwrap();
    let refund = problems.iter().filter(|p| p["file"] == "contracts/create_refund.yaml");
    let (open, wrong): (Vec<_>, Vec<_>) = refund.partition(|p| p["kind"] == "undecided");
    assert_eq!((open.is_empty(), wrong.len()), (false, 0), "{out}");
}

#[test]
fn both_starters_check_and_their_cases_pass() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_str().unwrap();
    for kind in ["http", "graphql"] {
        let (code, out, err) = countersign(&["new", kind, "--kind", kind, "--dir", folder]);
        assert_eq!(code, 0, "{out}{err}");
        let pack = format!("{folder}/{kind}");
        let (code, out, _) = countersign(&["check", &pack]);
        assert_eq!((code, out.contains("(0 errors, ")), (0, true), "{out}");
        let open = out.lines().filter(|line| line.contains("warning[undecided]: ")).count();
        assert!(open > 5 && out.contains(&format!("\n{open} places left to decide")), "{out}");
        let (code, out, _) = countersign(&["test", &pack]);
        assert!(code == 0 && out.contains("1 passed, 0 failed"), "{out}");
        let (code, _, err) = countersign(&["new", kind, "--dir", folder]);
        assert!(code == 1 && err.contains("is there already"), "{err}");
    }
}

#[test]
fn the_shipped_packs_check_clean_and_their_cases_pass() {
    let packs =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join("executor/packs");
    let folders = fs::read_dir(packs).unwrap().map(|entry| entry.unwrap().path());
    for pack in folders.filter(|path| path.is_dir()) {
        let pack = pack.to_str().unwrap();
        let (code, out, _) = countersign(&["check", pack]);
        assert!(code == 0 && out.contains(" 0 problems"), "{out}");
        let (code, out, _) = countersign(&["test", pack]);
        assert!(code == 0 && out.contains(" 0 failed"), "{out}");
    }
}

/// Writes the pack that the guide builds, as its reader would.
fn guides(folder: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let page = fs::read_to_string(root.join("executor/packs/CONTRACTS.md")).unwrap();
    let named = regex::Regex::new(r"(?m)`paybox/([^`]+)`.*\n\n```.*\n((?s:.*?)\n)```$").unwrap();
    for found in named.captures_iter(&page) {
        let file = folder.join(&found[1]);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, &found[2]).unwrap();
    }
}

#[test]
fn the_guides_pack_checks_clean_and_its_case_passes() {
    let dir = tempfile::tempdir().unwrap();
    guides(dir.path());
    let pack = dir.path().to_str().unwrap();
    let (code, out, err) = countersign(&["check", pack]);
    assert!(code == 0 && out.contains(" 0 problems"), "{out}{err}");
    let (code, out, err) = countersign(&["test", pack]);
    assert!(code == 0 && out.contains("1 passed, 0 failed"), "{out}{err}");
}

#[test]
fn schemas_are_json() {
    for format in ["contract", "connector"] {
        let (code, out, _) = countersign(&["schema", format]);
        let schema: Value = serde_json::from_str(&out).unwrap();
        assert!(code == 0 && schema["$schema"].is_string(), "{format}");
    }
}

/// A stand-in of the service: answers reads, and keeps every request line.
fn service() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in listener.incoming().take(40) {
            let kept = Arc::clone(&kept);
            thread::spawn(move || {
                while let Some(line) = answer(stream.as_ref().unwrap()) {
                    kept.lock().unwrap().push(line);
                }
            });
        }
    });
    (port, asked)
}

/// Answers one request of a connection with what it kept; `None` at its end.
fn answer(mut stream: &TcpStream) -> Option<String> {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    let mut token = false;
    let mut length = 0;
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim().to_ascii_lowercase();
        token |= header == "x-parcel-token: s3cret";
        length = header.strip_prefix("content-length: ").map_or(length, |n| n.parse().unwrap());
        if header.is_empty() {
            break;
        }
    }
    reader.read_exact(&mut vec![0; length]).ok()?;
    let payment = json!({ "id": "pay_1", "reference": "INV-1", "customer_id": "cus_1", "state": "paid",
                          "amount": 4200, "currency": "EUR" });
    let body = match line.split(' ').nth(1).unwrap() {
        "/v2/payments/pay_1" => payment,
        "/v2/payments/pay_1/refunds" => json!({ "refunds": [] }),
        path if path.starts_with("/v2/customers/cus_1/payments") => json!({ "data": [payment] }),
        _ => Value::Null,
    };
    let status = if !token {
        401
    } else if body.is_null() {
        404
    } else {
        200
    };
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
    Some(line.trim().to_owned())
}

/// An executor.yaml with one connection to the service.
fn configuration(dir: &Path, pack: &str, port: u16) -> String {
    let credentials = dir.join("credentials");
    fs::create_dir(&credentials).unwrap();
    fs::set_permissions(&credentials, fs::Permissions::from_mode(0o700)).unwrap();
    let token = credentials.join("token");
    fs::write(&token, "s3cret").unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    let config = json!({
        "listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "tls": { "cert": "c", "key": "k", "ca": "a" },
        "state": "state", "packs": [pack], "policy": "policy", "credentials": "credentials",
        "log": { "origin": "shop.example/log", "key": "log.key" }, "callers": { "planners": [] },
        "issuers": [], "frontends": [],
        "connections": [{
            "tenant": "demo", "pack": "parcels", "account": "parcels-test", "credential": "token",
            "base_url": format!("http://127.0.0.1:{port}/v2"),
            "egress": { "hosts": ["127.0.0.1"], "private_networks": ["127.0.0.0/8"], "plain_http": true },
        }],
    });
    let file = dir.join("executor.yaml");
    fs::write(&file, config.to_string()).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_try_reads_live_and_sends_no_write() {
    let (dir, pack) = drafted();
    decided(&pack);
    let (port, asked) = service();
    let config = configuration(dir.path(), &pack, port);
    let attempt = |tool: &str, subject: &str, arguments: &str| {
        let fixed = ["try", &pack, tool, "--config", &config, "--tenant", "demo"];
        countersign(&[&fixed[..], &["--subject", subject, "--args", arguments]].concat())
    };
    let mine = r#"{"id": "c1", "customer_id": "cus_1"}"#;

    let (code, out, err) = attempt("list_payments", mine, "{}");
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("answer: 200") && out.contains("fact  payments[0].id"), "{out}");
    assert!(out.contains("text  payments[0].reference"), "{out}");

    let (code, out, err) = attempt("parcels.create_refund", mine, r#"{"payment_id": "pay_1"}"#);
    assert_eq!(code, 0, "{out}{err}");
    for part in
        ["POST /refunds", "idempotency-key: cs-", "42.00", "nothing was sent", "pass  subject"]
    {
        assert!(out.to_lowercase().contains(&part.to_lowercase()), "{part}: {out}");
    }
    assert!(out.contains("nothing of ours is there"), "{out}");
    assert!(!out.contains("s3cret") && !err.contains("s3cret"), "{out}{err}");

    let other = r#"{"id": "c2", "customer_id": "cus_2"}"#;
    let (code, out, _) = attempt("create_refund", other, r#"{"payment_id": "pay_1"}"#);
    assert!(code == 1 && out.contains("NOT_THE_SUBJECTS"), "{out}");

    let lines = asked.lock().unwrap();
    assert!(!lines.is_empty() && lines.iter().all(|line| line.starts_with("GET ")), "{lines:?}");
}

#[test]
fn a_check_tells_what_connections_put_at_risk() {
    let (dir, pack) = drafted();
    decided(&pack);
    let config = configuration(dir.path(), &pack, 9);
    let (code, out, err) = countersign(&["check", &pack, "--connections", &config]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("risk: demo/parcels: 127.0.0.1 is spoken to in plain http"), "{out}");
    assert!(out.contains("2 risks"), "{out}");
}
