//! Yesterday's backup, restored: noticed, read-only until it is recovered, and nothing of
//! what was done since is done again (TWO KEEP THE HISTORY, AT MOST ONE EFFECT).

mod on_postgres;
mod while_written;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use countersign::pki::Role;
use countersign_proto::v1::{
    Action, GetCheckpointRequest, GetInclusionProofRequest, GetReceiptRequest, ListReceiptsRequest,
    Outcome,
};
use countersign_shared::receipt::opened;
use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::note::Note;
use countersign_tests::sandbox::Effect;

use super::action_flow::converse;
use super::activations::{changes, house};
use super::support::pair::Pair;
use super::support::plans::{Call, Desk, refusal};

const OFFLINE: &str = "{ kind: offline }";
const BACKUP: [&str; 4] = ["backup", "--executor", "executor.yaml", "yesterday.db"];

/// What was done after the backup: told to the planner, known to the log alone, and under
/// way when the store was lost.
struct Done {
    effects: Vec<Effect>,
}

/// Traffic, a backup, more traffic, the end of the machine.
async fn live(pair: &mut Pair, back_up: impl AsyncFnOnce(&Pair)) -> Done {
    let call = busy(pair, back_up).await;
    pair.kill_executor();
    assert!(call.await.unwrap().is_err(), "it was under way");
    Done { effects: pair.effects() }
}

/// The same until something is under way.
async fn busy(pair: &mut Pair, back_up: impl AsyncFnOnce(&Pair)) -> Call {
    pair.start_planner(OFFLINE);
    let mut before = Desk::new(pair, pair.customer(2), "before");
    assert_eq!(before.cancel("2001").await.unwrap().outcome(), Outcome::Applied);
    let parked = before.propose_refund("2003").await.unwrap();
    let yes = before.yes(&parked);
    back_up(pair).await;

    assert_eq!(before.execute(&parked, &yes).await.unwrap().outcome(), Outcome::Applied);
    drop(before);
    assert_eq!(chat(pair, "a", "cancel order #1001").await, "applied");
    export(pair).await;
    published(pair).await;
    copy(&pair.path("state/log"), &pair.path("auditor"));

    let mut last = Desk::new(pair, pair.customer(1), "last");
    let proposal = last.propose_refund("1004").await.unwrap();
    last.awaiting_the_shop(&proposal, last.yes(&proposal)).await
}

/// The newest receipt with its proof, as `receipts show` prints them.
async fn export(pair: &Pair) {
    let mut audit = pair.audit(Role::Auditor);
    let request = ListReceiptsRequest { page_size: 1, ..Default::default() };
    let page = audit.list_receipts(request).await.unwrap().into_inner();
    let receipt_id = page.receipts[0].receipt_id.clone();
    let request = GetInclusionProofRequest { receipt_id, ..Default::default() };
    let proof = audit.get_inclusion_proof(request).await.unwrap().into_inner().tlog_proof;
    fs::create_dir(pair.path("export")).unwrap();
    fs::write(pair.path("export/one.tlog-proof"), proof).unwrap();
    let body = [&page.receipts[0].body[..], b"\n"].concat();
    fs::write(pair.path("export/one.json"), body).unwrap();
}

/// A copy under traffic; it is marked.
async fn backup(pair: &Pair) {
    let stop = AtomicBool::new(false);
    let traffic = async {
        let mut desk = Desk::new(pair, pair.customer(3), "traffic");
        let mut reads = 0;
        while !stop.load(Ordering::SeqCst) {
            reads += usize::from(desk.order("4001").await.is_ok());
            desk.words.clear();
        }
        reads
    };
    let copied = async {
        let copied = pair.command_beside(&BACKUP).await;
        stop.store(true, Ordering::SeqCst);
        copied
    };
    let ((done, said), reads) = tokio::join!(copied, traffic);
    assert!(reads > 0, "nobody read meanwhile");
    assert!(done && said.contains("checked"), "{said}");
    let (done, said) = pair.command(&BACKUP);
    assert!(!done && said.contains("is there already"), "{said}");
}

/// Says something to the planner, and yes to the card; answers with what came of it.
async fn chat(pair: &Pair, id: &str, text: &str) -> String {
    let who = pair.customer(1);
    let first = converse(pair, &who, id, text, None).await;
    let Some(card) = first.card else {
        return first.turn.actions.first().map_or(first.turn.reply.clone(), |a| a.code.clone());
    };
    let turn = converse(pair, &who, &format!("{id}-yes"), "yes", Some(&card)).await.turn;
    match turn.actions.first() {
        Some(action) if action.outcome() == Outcome::Applied => "applied".to_owned(),
        Some(action) => action.code.clone(),
        None => turn.reply,
    }
}

/// Waits until the log folder has every receipt.
async fn published(pair: &Pair) {
    let size = |note: &[u8]| {
        let note = Note::parse(note).unwrap();
        Checkpoint::parse(note.text()).unwrap().size()
    };
    let request = GetCheckpointRequest {};
    let mut audit = pair.audit(Role::Auditor);
    let own = audit.get_checkpoint(request).await.unwrap().into_inner().checkpoint;
    while fs::read(pair.path("state/log/checkpoint")).map_or(0, |n| size(&n)) < size(own.as_bytes())
    {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() { copy(&path, &to) } else { fs::copy(&path, &to).map(drop).unwrap() }
    }
}

/// Puts the backup in the place of the store. Without its mark it is a copy of the file
/// as any snapshot makes it.
fn restore(pair: &Pair, marked: bool) {
    for end in ["-wal", "-shm"] {
        let _ = fs::remove_file(pair.path(&format!("state/executor.db{end}")));
    }
    fs::copy(pair.path("yesterday.db"), pair.path("state/executor.db")).unwrap();
    if !marked {
        let db = rusqlite::Connection::open(pair.path("state/executor.db")).unwrap();
        assert_eq!(db.execute("DELETE FROM standing", []).unwrap(), 1, "it was marked");
    }
}

/// In quarantine: reads are served, nothing is done, and everybody is told.
/// A planner that keeps more than the store has asks nothing of it any more.
async fn only_reads(pair: &Pair, why: &str, kept: bool) {
    let (ready, said) = pair.readiness();
    assert!(ready && said.contains("quarantine") && said.contains(why), "{said}");
    let before = pair.mutations();
    let mut desk = Desk::new(pair, pair.customer(2), "quarantined");
    desk.order("2002").await.unwrap();
    assert_eq!(refusal(desk.propose_cancel("2002").await).code, "QUARANTINED");
    assert_eq!(refusal(desk.propose_refund("2003").await).code, "QUARANTINED");
    let code = chat(pair, &format!("q{before}"), "cancel order #1001").await;
    assert_eq!(code, if kept { "HISTORY_DISTRUSTED" } else { "QUARANTINED" });
    let (ready, said) = pair.planner_readiness();
    assert!(ready != kept && said.contains("went back") == kept, "{said}");
    assert_eq!(pair.mutations(), before);
}

/// What a person does with a planner after a recovery: the evidence was looked at, and a new
/// epoch's key was given out by whoever recovered.
fn planner_goes_on(pair: &Pair, recovered: &str) {
    let _ = fs::remove_file(pair.path("planner-state/evidence.json"));
    if let Some(key) = recovered.lines().find(|line| line.contains("/epoch-2+")) {
        fs::write(pair.path("log.pub"), key.trim()).unwrap();
    }
}

fn recover(pair: &Pair, words: &[&str]) -> (bool, String) {
    pair.command(&[&["recover", "--executor", "executor.yaml"], words].concat())
}

/// The same asks again, two conversations at once for each: nothing happens a second time,
/// and what is new goes on.
async fn asked_again(pair: &Pair, done: &Done, expected: [&str; 3]) {
    let (sent, [told, logged, lost]) = (pair.mutations(), expected);
    let (a, b, c, d) = tokio::join!(
        refund(pair, 2, "2003", "a1"),
        refund(pair, 2, "2003", "a2"),
        refund(pair, 1, "1004", "b1"),
        refund(pair, 1, "1004", "b2"),
    );
    assert_eq!(settled(pair, [a, b]).await, logged);
    assert_eq!(settled(pair, [c, d]).await, lost);
    let mut desk = Desk::new(pair, pair.customer(2), "c");
    assert_eq!(refusal(desk.propose_cancel("2001").await).code, "ALREADY_DONE", "of the backup");
    assert_eq!(chat(pair, "again", "cancel order #1001").await, told);
    assert_eq!(pair.effects(), done.effects, "a second effect");
    assert_eq!(pair.mutations(), sent);
    drop(desk);
    let mut desk = Desk::new(pair, pair.customer(3), "new");
    let new = loop {
        match desk.cancel("4001").await {
            Ok(new) => break new,
            // What was under way before has its time to show first.
            Err(early) => assert_eq!(code(early), "EFFECTS_HALTED"),
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    };
    assert_eq!(new.outcome(), Outcome::Applied, "it goes on");
    assert_eq!(chat(pair, "new", "cancel order #1004").await.as_str(), "applied");
}

async fn refund(pair: &Pair, customer: u32, number: &str, at: &str) -> Result<Action, String> {
    let mut desk = Desk::new(pair, pair.customer(customer), at);
    let proposal = desk.propose_refund(number).await.map_err(code)?;
    let yes = desk.yes(&proposal);
    desk.execute(&proposal, &yes).await.map_err(code)
}

fn code(status: tonic::Status) -> String {
    refusal::<()>(Err(status)).code
}

/// What two who asked the same heard.
async fn settled(pair: &Pair, both: [Result<Action, String>; 2]) -> String {
    let mut how = Vec::new();
    for one in both {
        match one {
            Err(code) if ["IN_FLIGHT", "OBJECT_IN_DOUBT", "ALREADY_DONE"].contains(&&*code) => {
                how.push("ALREADY_DONE".to_owned());
            }
            Err(code) => how.push(code),
            Ok(action) => {
                assert_eq!(action.outcome(), Outcome::Applied, "{action:?}");
                how.push(evidence(pair, &action.receipt_id).await);
            }
        }
    }
    how.sort();
    how.last().cloned().unwrap_or_default()
}

async fn evidence(pair: &Pair, id: &str) -> String {
    let mut audit = pair.audit(Role::Auditor);
    let request = GetReceiptRequest { receipt_id: id.to_owned(), ..Default::default() };
    let sealed = audit.get_receipt(request).await.unwrap().into_inner().receipt.unwrap();
    let receipt = opened(&sealed.body, &sealed.openings).unwrap();
    receipt.verification.evidence.join(" ")
}

fn verifies(pair: &Pair, folder: &str, key: &str) {
    let (good, said) = pair.command(&["audit", "verify", folder, "--key", key, "--live"]);
    assert!(good, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn restore_quarantine_by_what_a_planner_keeps() {
    let mut pair = Pair::executor_only().await;
    let done = live(&mut pair, backup).await;
    restore(&pair, false);
    fs::remove_dir_all(pair.path("state/log")).unwrap();
    pair.restart_executor_after_kill();
    pair.start_planner(OFFLINE);
    assert!(!pair.readiness().1.contains("quarantine"), "nothing here shows it");
    converse(&pair, &pair.customer(1), "hello", "where is my order #1002", None).await;
    only_reads(&pair, "keeps a checkpoint", true).await;
    // It stays so.
    pair.restart_executor();
    pair.start_planner(OFFLINE);
    only_reads(&pair, "keeps a checkpoint", true).await;

    let (ran, said) = recover(&pair, &["--from", "planner-state"]);
    assert!(!ran && said.contains("stop it first"), "{said}");
    pair.kill_executor();
    let (ran, said) = recover(&pair, &["--from", "planner-state", "--dry-run"]);
    assert!(ran && said.contains("Nothing was changed"), "{said}");
    assert!(said.contains("come back: 1") && said.contains("new epoch"), "{said}");
    let (ran, said) = recover(&pair, &["--from", "planner-state"]);
    assert!(ran && said.contains("with the keys of 1 actions"), "{said}");
    planner_goes_on(&pair, &said);
    pair.restart_executor_after_kill();
    pair.start_planner(OFFLINE);
    asked_again(&pair, &done, ["ALREADY_DONE", "read_back", "read_back"]).await;
    pair.restart_executor();
    published(&pair).await;
    let key = said.lines().find(|line| line.contains("/epoch-2+")).unwrap().trim();
    verifies(&pair, "state/log", key);
}

#[tokio::test(flavor = "multi_thread")]
async fn restore_quarantine_by_the_published_log() {
    let mut pair = Pair::executor_only().await;
    let done = live(&mut pair, backup).await;
    restore(&pair, false);
    pair.restart_executor_after_kill();
    pair.start_planner(OFFLINE);
    only_reads(&pair, "was published", true).await;
    pair.kill_executor();

    // What is not proved stops it.
    copy(&pair.path("planner-state"), &pair.path("forged"));
    forge(&pair.path("forged"));
    let (ran, said) = recover(&pair, &["--from", "state/log", "--from", "forged"]);
    assert!(!ran && said.contains("line 1"), "{said}");
    let mut other = Pair::executor_only().await;
    other.change_config("test.countersign/log", "other.countersign/log");
    other.begin_anew();
    published(&other).await;
    copy(&other.path("state/log"), &pair.path("other"));
    drop(other);
    let (ran, said) = recover(&pair, &["--from", "other"]);
    assert!(!ran && said.contains("not signed by this log's key"), "{said}");

    let (ran, said) = recover(&pair, &["--from", "state/log", "--from", "planner-state"]);
    assert!(ran && said.contains("the log goes on") && said.contains("Missing: 0"), "{said}");
    planner_goes_on(&pair, &said);
    pair.restart_executor_after_kill();
    pair.start_planner(OFFLINE);
    asked_again(&pair, &done, ["ALREADY_DONE", "ALREADY_DONE", "read_back"]).await;
    assert_eq!(receipts(&pair, "log/recovery").await, 1);
    published(&pair).await;
    verifies(&pair, "state/log", "log.pub");
    // It extends what was published before the machine was lost.
    let words = ["audit", "verify", "state/log", "--key", "log.pub", "--live"];
    let (good, said) =
        pair.command(&[&words[..], &["--checkpoint", "auditor/checkpoint"]].concat());
    assert!(good, "{said}");
    pair.kill_executor();
    let (ran, said) = recover(&pair, &["--close-gap"]);
    assert!(ran && said.contains("Closed"), "{said}");
    pair.restart_executor_after_kill();
    assert_eq!(receipts(&pair, "log/gap").await, 1);
}

/// ERRORS REFUSE: it may be the one thing that shows that the store went back.
#[tokio::test(flavor = "multi_thread")]
async fn restore_quarantine_needs_to_read_what_was_published() {
    let mut pair = Pair::executor_only().await;
    Desk::new(&pair, pair.customer(2), "c").cancel("2001").await.unwrap();
    published(&pair).await;
    let (checkpoint, was) = (pair.path("state/log/checkpoint"), pair.path("was"));
    fs::rename(&checkpoint, &was).unwrap();
    for unreadable in [&b"nothing"[..], &[0xff; 40], &b""[..]] {
        fs::write(&checkpoint, unreadable).unwrap();
        let said = pair.refused_start();
        assert!(said.contains("let it be read, or put the folder aside"), "{said}");
    }
    fs::rename(&was, &checkpoint).unwrap();
    pair.restart_executor();
    assert!(!pair.readiness().1.contains("quarantine"));
}

/// Changes one receipt and leaves its proof.
fn forge(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "jsonl") {
            let text = fs::read_to_string(&path).unwrap();
            fs::write(path, text.replace("applied", "refused")).unwrap();
        }
    }
}

async fn receipts(pair: &Pair, what: &str) -> usize {
    changes(pair).await.iter().filter(|change| change.what == what).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn restore_quarantine_with_receipts_that_are_nowhere_takes_two_operators() {
    let mut pair = house().await;
    let done = live(&mut pair, backup).await;
    restore(&pair, true);
    fs::remove_dir_all(pair.path("state/log")).unwrap();
    fs::remove_dir_all(pair.path("planner-state")).unwrap();
    pair.restart_executor_after_kill();
    pair.start_planner(OFFLINE);
    only_reads(&pair, "it is a backup of", false).await;
    pair.kill_executor();
    // All that is left is one receipt that somebody exported.
    let from = ["--from", "export"];
    let (ran, said) = recover(&pair, &from);
    assert!(!ran && said.contains("0 of 2 operators have signed"), "{said}");
    let signed = |who: &str| {
        let key = format!("{who}.key");
        recover(&pair, &[&from[..], &["--by", who, "--key", &key]].concat())
    };
    for again in 0..2 {
        let (ran, said) = signed("ann");
        assert!(!ran && said.contains("1 of 2"), "{again}: {said}");
    }
    let (ran, said) = signed("eve");
    assert!(!ran && said.contains("names nobody `eve`"), "{said}");
    let (ran, said) = signed("ben");
    assert!(ran && said.contains("with the keys of 1 actions"), "{said}");
    planner_goes_on(&pair, &said);
    pair.restart_executor_after_kill();
    pair.start_planner(OFFLINE);
    asked_again(&pair, &done, ["ALREADY_DONE", "read_back", "read_back"]).await;
    let epoch = changes(&pair).await.into_iter().find(|c| c.what == "log/epoch").unwrap();
    let by: Vec<_> = epoch.by.iter().map(|by| by.who.as_str()).collect();
    assert_eq!(by, ["ann", "ben"], "{epoch:?}");
    pair.kill_executor();
    let (ran, said) = recover(&pair, &["--close-gap"]);
    assert!(!ran && said.contains("0 of 1"), "{said}");
    let (ran, said) = recover(&pair, &["--close-gap", "--by", "ben", "--key", "ben.key"]);
    assert!(ran, "{said}");
}
