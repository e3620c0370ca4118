//! Without a log, a key, a store, the right time or room for receipts there are no effects (ERRORS
//! REFUSE). What is under way is finished, and everything goes on by itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use countersign_proto::v1::{ActionState, Outcome, Proposal};
use countersign_tests::sandbox::{Fault, FaultSpec};

use super::support::books;
use super::support::change;
use super::support::cluster::Cluster;
use super::support::pair::Pair;
use super::support::plans::{Desk, refusal};
use super::support::preload;
use super::support::service::Launch;

/// Waits until `/readyz` is red and says why.
async fn halts(pair: &Pair, why: &str) {
    let began = Instant::now();
    let said = pair.turns(false).await;
    println!("`/readyz` is red after {:.1?}: {why}", began.elapsed());
    assert!(said.contains(why), "{said}");
}

/// One action is done and another confirmed, then something happens: nothing begins until it is
/// over, and then what was confirmed is carried out.
async fn halted_while(
    pair: &Pair,
    why: &str,
    codes: &[&str],
    happens: impl FnOnce(),
    is_over: impl FnOnce(),
) {
    let mut desk = Desk::new(pair, pair.customer(1), "c1");
    let done = desk.cancel("1001").await.unwrap();
    assert_eq!(done.outcome(), Outcome::Applied, "{done:?}");
    let parked = desk.propose_cancel("1004").await.unwrap();
    let yes = desk.yes(&parked);
    let sent = pair.mutations();
    happens();
    halts(pair, why).await;
    for _ in 0..2 {
        let code = refusal(desk.execute(&parked, &yes).await).code;
        assert!(codes.contains(&code.as_str()), "{code}");
    }
    assert_eq!(pair.mutations(), sent);
    is_over();
    pair.turns(true).await;
    let second = carried_out(&mut desk, &parked, &yes).await;
    assert_eq!(pair.mutations(), sent + 1);
    are_there(pair, &[done.receipt_id, second]).await;
}

/// The receipt of what is carried out now. A lease on a database may have to be renewed first;
/// what was claimed before that goes on by itself.
async fn carried_out(desk: &mut Desk<'_>, proposal: &Proposal, yes: &str) -> String {
    for _ in 0..300 {
        match desk.execute(proposal, yes).await {
            Ok(done) if done.state() == ActionState::Sealed => {
                assert_eq!(done.outcome(), Outcome::Applied, "{done:?}");
                return done.receipt_id;
            }
            Ok(_) => {}
            Err(status) => {
                let code = refusal::<()>(Err(status)).code;
                assert!(["EFFECTS_HALTED", "IN_FLIGHT"].contains(&code.as_str()), "{code}");
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("effects do not go on");
}

/// No receipt that somebody was told of is lost.
async fn are_there(pair: &Pair, told: &[String]) {
    let receipts = books::receipts(pair).await;
    for id in told {
        let receipt = receipts.iter().find(|receipt| receipt.receipt_id == *id);
        assert_eq!(receipt.unwrap_or_else(|| panic!("{id} is lost")).outcome, "applied");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fail_closed_without_the_logs_key_and_open_again_with_it() {
    let pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let proposal = desk.propose_cancel("1001").await.unwrap();
    let yes = desk.yes(&proposal);
    let (key, away) = (pair.path("log.pem"), pair.path("away"));
    fs::rename(&key, &away).unwrap();
    halts(&pair, "put the file back").await;
    // Neither what was confirmed before nor anything new begins; reads go on.
    assert_eq!(refusal(desk.execute(&proposal, &yes).await).code, "EFFECTS_HALTED");
    assert_eq!(refusal(desk.propose_cancel("1001").await).code, "EFFECTS_HALTED");
    desk.order("1001").await.unwrap();
    assert_eq!(pair.mutations(), 0);
    fs::rename(&away, &key).unwrap();
    pair.turns(true).await;
    let done = desk.execute(&proposal, &yes).await.unwrap();
    assert_eq!(done.outcome(), Outcome::Applied, "{done:?}");
    assert_eq!(pair.mutations(), 1);
}

/// A disk of 160 MiB, unmounted when dropped.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=160m,mode=700", "countersign-test"])
            .arg(at)
            .output();
        mounted.is_ok_and(|done| done.status.success()).then(|| Self(at.to_owned()))
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        use std::io::Write as _;
        let mut file = fs::File::create(self.0.join("filler")).unwrap();
        while file.write_all(&[0; 64 * 1024]).is_ok() {}
    }

    fn make_room(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: the executor may still hold it.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fail_closed_on_a_full_disk_and_what_is_under_way_gets_its_receipt() {
    let mut pair = Pair::executor_only().await;
    pair.kill_executor();
    fs::remove_dir_all(pair.path("state")).unwrap();
    let Some(disk) = Disk::mount(&pair.path("state")) else {
        println!("skipped: a disk of its own takes the right to mount one");
        return;
    };
    pair.restart_executor_after_kill();
    pair.turns(true).await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let (first, second) =
        (desk.propose_cancel("1001").await.unwrap(), desk.propose_cancel("1004").await.unwrap());
    let yes = desk.yes(&second);
    // The shop has the request, and answers once the disk is full.
    pair.sandbox.fault(FaultSpec { after_ms: 4_000, ..Fault::Slow.into() });
    let under_way = desk.executing(&first, desk.yes(&first));
    while pair.mutations() == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    disk.fill();
    halts(&pair, "make room on it").await;
    assert_eq!(refusal(desk.execute(&second, &yes).await).code, "EFFECTS_HALTED");
    let finished = under_way.await.unwrap().unwrap();
    assert_eq!(finished.outcome(), Outcome::Applied, "{finished:?}");
    assert_eq!(pair.mutations(), 1);
    // Nothing is stuck: with room again, the second one is carried out.
    disk.make_room();
    pair.turns(true).await;
    let told = [finished.receipt_id, carried_out(&mut desk, &second, &yes).await];
    assert_eq!(pair.mutations(), 2);
    drop(desk);
    pair.restart_executor();
    are_there(&pair, &told).await;
    pair.kill_executor();
    drop(disk);
}

#[tokio::test(flavor = "multi_thread")]
async fn fail_closed_on_a_disk_that_became_read_only() {
    let mut pair = Pair::executor_only().await;
    let library = preload::build("disk_faults/faulty_disk.c", pair.dir.path());
    let Some(library) = library else { return };
    let read_only = pair.path("read-only");
    let launch = Launch::shipped("executor")
        .with("LD_PRELOAD", library.display())
        .with("FAULTY_DISK_READ_ONLY", read_only.display());
    pair.launch_executor(&launch).unwrap();
    let codes = ["EFFECTS_HALTED", "STORE_UNAVAILABLE"];
    let happens = || fs::write(&read_only, "").unwrap();
    let is_over = || fs::remove_file(&read_only).unwrap();
    halted_while(&pair, "the store takes no writes", &codes, happens, is_over).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fail_closed_while_the_clock_is_behind_what_was_written() {
    let mut pair = Pair::executor_only().await;
    let Some(library) = preload::build("fail_closed/clock.c", pair.dir.path()) else { return };
    let back = pair.path("back");
    let launch = Launch::shipped("executor")
        .with("LD_PRELOAD", library.display())
        .with("SET_BACK_WHILE", back.display());
    pair.launch_executor(&launch).unwrap();
    let happens = || fs::write(&back, "").unwrap();
    let is_over = || fs::remove_file(&back).unwrap();
    halted_while(&pair, "behind what was written last", &["EFFECTS_HALTED"], happens, is_over)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fail_closed_while_the_database_cannot_be_reached() {
    let cluster = std::cell::RefCell::new(Cluster::start(&[]));
    let mut pair = Pair::executor_only().await;
    change::on_postgres(pair.dir.path(), &cluster.borrow());
    pair.begin_anew();
    let codes = ["EFFECTS_HALTED", "STORE_UNAVAILABLE"];
    let happens = || cluster.borrow_mut().stop();
    let is_over = || cluster.borrow_mut().restart(&[]);
    halted_while(&pair, "the store takes no writes", &codes, happens, is_over).await;
}
