//! Without a log, a key or room for receipts there are no effects (ERRORS REFUSE). What
//! is under way is finished, and everything goes on by itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use countersign_proto::v1::Outcome;
use countersign_tests::sandbox::{Fault, FaultSpec};

use super::support::pair::Pair;
use super::support::plans::{Desk, refusal};

#[tokio::test(flavor = "multi_thread")]
async fn fail_closed_without_the_logs_key_and_open_again_with_it() {
    let pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let proposal = desk.propose_cancel("1001").await.unwrap();
    let yes = desk.yes(&proposal);
    let (key, away) = (pair.path("log.pem"), pair.path("away"));
    fs::rename(&key, &away).unwrap();
    let why = pair.turns(false).await;
    assert!(why.contains("put the file back"), "{why}");
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
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    disk.fill();
    let why = pair.turns(false).await;
    assert!(why.contains("make room on it"), "{why}");
    assert_eq!(refusal(desk.execute(&second, &yes).await).code, "EFFECTS_HALTED");
    under_way.await.unwrap().unwrap();
    assert_eq!(pair.mutations(), 1);
    // Nothing is stuck: with room again, the second one is carried out.
    disk.make_room();
    pair.turns(true).await;
    let done = desk.execute(&second, &yes).await.unwrap();
    assert_eq!(done.outcome(), Outcome::Applied, "{done:?}");
    assert_eq!(pair.mutations(), 2);
    pair.kill_executor();
    drop(disk);
}
